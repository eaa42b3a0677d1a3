/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lent-pages-test.c - for how long a page that the host touched stays shared */
#include "vmm/memory/lent-pages.h"

#define PAGES 200

/* Lets ticks pass until something is due; returns how many it took, at most 1000. */
static guint wait_for_due(LentPages *lent)
{
	guint ticks = 1;

	while (ticks < 1000 && !lent_pages_tick(lent))
		ticks++;
	return ticks;
}

static void test_nothing_is_due_at_first(void)
{
	g_autoptr(LentPages) lent = lent_pages_new(PAGES);
	guint64 first, pages;

	g_assert_cmpuint(lent_pages_count(lent), ==, 0);
	g_assert_false(lent_pages_tick(lent));
	g_assert_false(lent_pages_next_due(lent, 0, &first, &pages));
}

static void test_a_run_is_due_after_a_whole_tick(void)
{
	g_autoptr(LentPages) lent = lent_pages_new(PAGES);
	guint64 first, pages;

	lent_pages_add(lent, 10, 3);
	g_assert_cmpuint(lent_pages_count(lent), ==, 3);
	g_assert_false(lent_pages_tick(lent));
	g_assert_false(lent_pages_next_due(lent, 0, &first, &pages));
	g_assert_true(lent_pages_tick(lent));
	g_assert_true(lent_pages_next_due(lent, 0, &first, &pages));
	g_assert_cmpuint(first, ==, 10);
	g_assert_cmpuint(pages, ==, 3);
	lent_pages_remove(lent, first, pages);
	g_assert_cmpuint(lent_pages_count(lent), ==, 0);
	g_assert_false(lent_pages_next_due(lent, first + pages, &first, &pages));
}

static void test_what_is_touched_again_stays_twice_as_long(void)
{
	g_autoptr(LentPages) lent = lent_pages_new(PAGES);
	guint last = 0;

	for (guint i = 0; i < 12; i++) {
		guint ticks;

		lent_pages_add(lent, 0, 1);
		ticks = wait_for_due(lent);
		g_assert_cmpuint(ticks, ==, MIN(1u << i, 128) + 1);
		g_assert_cmpuint(ticks, >=, last);
		last = ticks;
		lent_pages_remove(lent, 0, 1);
	}
}

static void test_forgetting_starts_anew(void)
{
	g_autoptr(LentPages) lent = lent_pages_new(PAGES);

	for (guint i = 0; i < 5; i++) {
		lent_pages_add(lent, 7, 1);
		lent_pages_remove(lent, 7, 1);
	}
	lent_pages_forget(lent);
	g_assert_cmpuint(lent_pages_count(lent), ==, 0);
	lent_pages_add(lent, 7, 1);
	g_assert_cmpuint(wait_for_due(lent), ==, 2);
}

static void test_runs_are_found_one_after_the_other_up_to_the_end(void)
{
	g_autoptr(LentPages) lent = lent_pages_new(PAGES);
	static const guint64 runs[][2] = { { 0, 1 }, { 63, 2 }, { 128, 10 }, { PAGES - 1, 1 } };
	guint64 first, pages, from = 0;

	for (guint i = 0; i < G_N_ELEMENTS(runs); i++)
		lent_pages_add(lent, runs[i][0], runs[i][1]);
	g_assert_false(lent_pages_tick(lent));
	/* Lent later, and so not due with the others. */
	lent_pages_add(lent, 100, 5);
	g_assert_true(lent_pages_tick(lent));
	for (guint i = 0; i < G_N_ELEMENTS(runs); i++) {
		g_assert_true(lent_pages_next_due(lent, from, &first, &pages));
		g_assert_cmpuint(first, ==, runs[i][0]);
		g_assert_cmpuint(pages, ==, runs[i][1]);
		from = first + pages;
	}
	g_assert_false(lent_pages_next_due(lent, from, &first, &pages));
}

static void test_a_page_counts_once(void)
{
	g_autoptr(LentPages) lent = lent_pages_new(PAGES);

	lent_pages_add(lent, 4, 4);
	lent_pages_add(lent, 6, 4);
	g_assert_cmpuint(lent_pages_count(lent), ==, 6);
	lent_pages_remove(lent, 0, PAGES);
	g_assert_cmpuint(lent_pages_count(lent), ==, 0);
}

/* What is known of pages is kept apart for parts of them: runs go across. */
static void test_runs_of_any_place(void)
{
	const guint64 n_pages = 3 * 2048 + 5;
	g_autoptr(LentPages) lent = lent_pages_new(n_pages);
	guint64 first, pages;

	lent_pages_add(lent, 2000, 2100);
	lent_pages_keep(lent, n_pages - 1, 1);
	g_assert_cmpuint(lent_pages_count(lent), ==, 2101);
	while (!lent_pages_next_due(lent, 0, &first, &pages) || first != 2000)
		(void)lent_pages_tick(lent);
	g_assert_cmpuint(pages, ==, 2100);
	g_assert_true(lent_pages_next_due(lent, first + pages, &first, &pages));
	g_assert_cmpuint(first, ==, n_pages - 1);
	g_assert_cmpuint(pages, ==, 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/lent-pages/nothing-is-due-at-first", test_nothing_is_due_at_first);
	g_test_add_func("/lent-pages/a-run-is-due-after-a-whole-tick",
			test_a_run_is_due_after_a_whole_tick);
	g_test_add_func("/lent-pages/what-is-touched-again-stays-twice-as-long",
			test_what_is_touched_again_stays_twice_as_long);
	g_test_add_func("/lent-pages/forgetting-starts-anew", test_forgetting_starts_anew);
	g_test_add_func("/lent-pages/runs-are-found-one-after-the-other-up-to-the-end",
			test_runs_are_found_one_after_the_other_up_to_the_end);
	g_test_add_func("/lent-pages/a-page-counts-once", test_a_page_counts_once);
	g_test_add_func("/lent-pages/runs-of-any-place", test_runs_of_any_place);
	return g_test_run();
}
