/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap.c - one bit a page, set and searched in runs */
#include "vmm/memory/bitmap.h"

#define WORD_BITS 64u

struct Bitmap {
	guint64 size; /* bits */
	guint64 words[];
};

Bitmap *bitmap_new(guint64 size)
{
	guint64 n_words = size / WORD_BITS + (size % WORD_BITS != 0);
	Bitmap *bitmap = g_malloc0(sizeof(Bitmap) + n_words * sizeof(guint64));

	bitmap->size = size;
	return bitmap;
}

void bitmap_free(Bitmap *bitmap)
{
	g_free(bitmap);
}

gboolean bitmap_get(const Bitmap *bitmap, guint64 index)
{
	g_assert(index < bitmap->size);
	return (bitmap->words[index / WORD_BITS] >> (index % WORD_BITS)) & 1;
}

/* The bits of [first, first + length) that fall into the word of @first, as a mask. */
static guint64 first_word_mask(guint64 first, guint64 length)
{
	guint offset = first % WORD_BITS;
	guint64 n_bits = MIN(length, WORD_BITS - offset);
	guint64 ones = n_bits == WORD_BITS ? G_MAXUINT64 : (G_GUINT64_CONSTANT(1) << n_bits) - 1;

	return ones << offset;
}

guint64 bitmap_fill(Bitmap *bitmap, guint64 first, guint64 length, gboolean value)
{
	guint64 changed = 0;

	g_assert(first <= bitmap->size && length <= bitmap->size - first);
	while (length > 0) {
		guint64 *word = &bitmap->words[first / WORD_BITS];
		guint64 mask = first_word_mask(first, length);
		guint64 filled = value ? *word | mask : *word & ~mask;
		guint64 step = MIN(length, WORD_BITS - first % WORD_BITS);

		changed += __builtin_popcountll(*word ^ filled);
		*word = filled;
		first += step;
		length -= step;
	}
	return changed;
}

guint64 bitmap_run(const Bitmap *bitmap, guint64 first, guint64 limit)
{
	gboolean value = bitmap_get(bitmap, first);
	guint64 run = 0;

	limit = MIN(limit, bitmap->size - first);
	while (run < limit) {
		guint64 index = first + run;
		guint64 word = bitmap->words[index / WORD_BITS];
		guint64 mask = first_word_mask(index, limit - run);
		guint64 different = (value ? ~word : word) & mask;

		if (different)
			return run + __builtin_ctzll(different) - index % WORD_BITS;
		run += MIN(limit - run, WORD_BITS - index % WORD_BITS);
	}
	return run;
}
