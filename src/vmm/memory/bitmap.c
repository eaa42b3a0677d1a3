/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bitmap.c - one bit a page, set and searched in runs
 *
 * Theory of operation
 *
 * The bits are in leaves, and a leaf whose bits are all the same is not there. Most pages of a
 * guest are never shared, so that most leaves never are: a bitmap takes memory for what differs,
 * and a walk over all of it is short, four thousand bits a step.
 */
#include "vmm/memory/bitmap.h"

#define WORD_BITS  64u
#define LEAF_BITS  4096u
#define LEAF_WORDS (LEAF_BITS / WORD_BITS)

typedef struct {
	guint count; /* of the bits that are set: neither none nor all */
	guint64 words[LEAF_WORDS];
} Leaf;

struct Bitmap {
	guint64 size; /* bits */
	guint64 n_leaves;
	Leaf *leaves[]; /* NULL: all bits are clear; &all_set: all are set */
};

static Leaf all_set;

Bitmap *bitmap_new(guint64 size)
{
	guint64 n_leaves = size / LEAF_BITS + (size % LEAF_BITS != 0);
	Bitmap *bitmap = g_malloc0(sizeof(Bitmap) + n_leaves * sizeof(Leaf *));

	bitmap->size = size;
	bitmap->n_leaves = n_leaves;
	return bitmap;
}

/* What differs of a leaf is forgotten: all bits are @value. */
static void make_uniform(Leaf **leaf, gboolean value)
{
	if (*leaf != &all_set)
		g_free(*leaf);
	*leaf = value ? &all_set : NULL;
}

void bitmap_free(Bitmap *bitmap)
{
	if (!bitmap)
		return;
	for (guint64 i = 0; i < bitmap->n_leaves; i++)
		make_uniform(&bitmap->leaves[i], FALSE);
	g_free(bitmap);
}

gboolean bitmap_get(const Bitmap *bitmap, guint64 index)
{
	const Leaf *leaf;

	g_assert(index < bitmap->size);
	leaf = bitmap->leaves[index / LEAF_BITS];
	if (!leaf || leaf == &all_set)
		return leaf != NULL;
	return (leaf->words[index % LEAF_BITS / WORD_BITS] >> (index % WORD_BITS)) & 1;
}

/* The bits of [first, first + length) that fall into the word of @first, as a mask. */
static guint64 first_word_mask(guint first, guint length)
{
	guint offset = first % WORD_BITS;
	guint n_bits = MIN(length, WORD_BITS - offset);
	guint64 ones = n_bits == WORD_BITS ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << n_bits) - 1;

	return ones << offset;
}

/* Return: how many bits of [first, first + length) of a leaf had another value before. */
static guint fill_words(Leaf *leaf, guint first, guint length, gboolean value)
{
	guint changed = 0;

	while (length > 0) {
		guint64 *word = &leaf->words[first / WORD_BITS];
		guint64 mask = first_word_mask(first, length);
		guint64 filled = value ? *word | mask : *word & ~mask;
		guint step = MIN(length, WORD_BITS - first % WORD_BITS);

		changed += __builtin_popcountll(*word ^ filled);
		*word = filled;
		first += step;
		length -= step;
	}
	return changed;
}

/* How many bits a leaf has: the last one may have fewer. */
static guint leaf_size(const Bitmap *bitmap, guint64 index)
{
	return MIN(LEAF_BITS, bitmap->size - index * LEAF_BITS);
}

/* The same for a part of leaf @index. */
static guint fill_leaf(Bitmap *bitmap, guint64 index, guint first, guint length, gboolean value)
{
	Leaf **leaf = &bitmap->leaves[index];
	gboolean is_all_set = *leaf == &all_set;
	guint size = leaf_size(bitmap, index);
	guint changed;

	if (value ? is_all_set : !*leaf)
		return 0;
	if (is_all_set || !*leaf) {
		*leaf = g_new0(Leaf, 1);
		if (is_all_set)
			(*leaf)->count = fill_words(*leaf, 0, size, TRUE);
	}
	changed = fill_words(*leaf, first, length, value);
	(*leaf)->count += value ? changed : -changed;
	if ((*leaf)->count == 0 || (*leaf)->count == size)
		make_uniform(leaf, value);
	return changed;
}

guint64 bitmap_fill(Bitmap *bitmap, guint64 first, guint64 length, gboolean value)
{
	guint64 changed = 0;

	g_assert(first <= bitmap->size && length <= bitmap->size - first);
	while (length > 0) {
		guint offset = first % LEAF_BITS;
		guint step = MIN(length, LEAF_BITS - offset);

		changed += fill_leaf(bitmap, first / LEAF_BITS, offset, step, value);
		first += step;
		length -= step;
	}
	return changed;
}

/* How many bits of [first, first + length) of a leaf, from the first on, are @value. */
static guint run_in_words(const Leaf *leaf, guint first, guint length, gboolean value)
{
	guint run = 0;

	while (run < length) {
		guint index = first + run;
		guint64 word = leaf->words[index / WORD_BITS];
		guint64 mask = first_word_mask(index, length - run);
		guint64 different = (value ? ~word : word) & mask;

		if (different)
			return run + __builtin_ctzll(different) - index % WORD_BITS;
		run += MIN(length - run, WORD_BITS - index % WORD_BITS);
	}
	return run;
}

guint64 bitmap_run(const Bitmap *bitmap, guint64 first, guint64 limit)
{
	gboolean value = bitmap_get(bitmap, first);
	guint64 run = 0;

	limit = MIN(limit, bitmap->size - first);
	while (run < limit) {
		guint64 index = first + run;
		const Leaf *leaf = bitmap->leaves[index / LEAF_BITS];
		guint step = MIN(limit - run, LEAF_BITS - index % LEAF_BITS);
		guint same = step;

		if (leaf && leaf != &all_set)
			same = run_in_words(leaf, index % LEAF_BITS, step, value);
		else if ((leaf == &all_set) != value)
			same = 0;
		run += same;
		if (same < step)
			break;
	}
	return run;
}
