/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bitmap-test.c - the memory engine's bitmap against a plain array of flags */
#include "vmm/memory/bitmap.h"

#define SIZE 9517 /* several leaves; no multiple of one, nor of a word */

static void check_equal(const Bitmap *bitmap, const gboolean *flags)
{
	for (guint i = 0; i < SIZE; i++)
		g_assert_cmpint(bitmap_get(bitmap, i), ==, flags[i]);
}

static guint64 plain_run(const gboolean *flags, guint64 first, guint64 limit)
{
	guint64 run = 0;

	while (run < limit && first + run < SIZE && flags[first + run] == flags[first])
		run++;
	return run;
}

static void test_starts_clear(void)
{
	g_autoptr(Bitmap) bitmap = bitmap_new(SIZE);
	gboolean flags[SIZE] = { FALSE };

	check_equal(bitmap, flags);
	g_assert_cmpuint(bitmap_run(bitmap, 0, G_MAXUINT64), ==, SIZE);
}

static void test_fill_counts_what_changed(void)
{
	g_autoptr(Bitmap) bitmap = bitmap_new(SIZE);

	g_assert_cmpuint(bitmap_fill(bitmap, 10, 100, TRUE), ==, 100);
	g_assert_cmpuint(bitmap_fill(bitmap, 60, 100, TRUE), ==, 50);
	g_assert_cmpuint(bitmap_fill(bitmap, 0, SIZE, FALSE), ==, 150);
	g_assert_cmpuint(bitmap_fill(bitmap, SIZE, 0, TRUE), ==, 0);
}

static void test_agrees_with_plain_flags(void)
{
	g_autoptr(Bitmap) bitmap = bitmap_new(SIZE);
	gboolean flags[SIZE] = { FALSE };

	for (guint round = 0; round < 2000; round++) {
		guint64 first = g_test_rand_int_range(0, SIZE);
		guint64 length = g_test_rand_int_range(0, SIZE - first + 1);
		gboolean value = g_test_rand_int_range(0, 2);
		guint64 changed = 0;

		for (guint64 i = first; i < first + length; i++) {
			changed += flags[i] != value;
			flags[i] = value;
		}
		g_assert_cmpuint(bitmap_fill(bitmap, first, length, value), ==, changed);
		first = g_test_rand_int_range(0, SIZE);
		length = g_test_rand_int_range(1, 2 * SIZE);
		g_assert_cmpuint(bitmap_run(bitmap, first, length), ==,
				 plain_run(flags, first, length));
	}
	check_equal(bitmap, flags);
}

/* The bits of 4 TiB, which nobody has room for: a few differ. */
static void test_few_bits_of_many(void)
{
	const guint64 size = G_GUINT64_CONSTANT(1) << 30;
	g_autoptr(Bitmap) bitmap = bitmap_new(size);

	g_assert_cmpuint(bitmap_run(bitmap, 0, size), ==, size);
	g_assert_cmpuint(bitmap_fill(bitmap, size - 1, 1, TRUE), ==, 1);
	g_assert_cmpuint(bitmap_run(bitmap, 0, size), ==, size - 1);
	g_assert_cmpuint(bitmap_fill(bitmap, 0, size, TRUE), ==, size - 1);
	g_assert_cmpuint(bitmap_run(bitmap, 0, size), ==, size);
	g_assert_cmpuint(bitmap_fill(bitmap, 12345, 1, FALSE), ==, 1);
	g_assert_cmpuint(bitmap_run(bitmap, 0, size), ==, 12345);
	g_assert_cmpuint(bitmap_run(bitmap, 12346, size), ==, size - 12346);
	g_assert_cmpuint(bitmap_fill(bitmap, 0, size, FALSE), ==, size - 1);
	g_assert_false(bitmap_get(bitmap, size - 1));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bitmap/starts-clear", test_starts_clear);
	g_test_add_func("/bitmap/fill-counts-what-changed", test_fill_counts_what_changed);
	g_test_add_func("/bitmap/agrees-with-plain-flags", test_agrees_with_plain_flags);
	g_test_add_func("/bitmap/few-bits-of-many", test_few_bits_of_many);
	return g_test_run();
}
