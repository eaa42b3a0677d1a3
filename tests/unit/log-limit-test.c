/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit-test.c - how often something may happen that others cause, and what of it is logged */
#include "driver/log-limit.h"

#include <glib.h>

#define INTERVAL 1000

static void test_burst_and_then_one_an_interval(void)
{
	RateLimit limit = { 0 };
	const gint64 now = G_GINT64_CONSTANT(123456789);

	for (guint i = 0; i < 3; i++)
		g_assert_cmpint(rate_limit_take(&limit, 3, INTERVAL, now), ==, 0);
	/* Asking takes nothing. */
	for (guint i = 0; i < 3; i++)
		g_assert_cmpint(rate_limit_take(&limit, 3, INTERVAL, now + 1), ==, INTERVAL - 1);
	g_assert_cmpint(rate_limit_take(&limit, 3, INTERVAL, now + INTERVAL - 1), ==, 1);
	g_assert_cmpint(rate_limit_take(&limit, 3, INTERVAL, now + INTERVAL), ==, 0);
	g_assert_cmpint(rate_limit_take(&limit, 3, INTERVAL, now + INTERVAL), ==, INTERVAL);
}

static void test_rest_gives_the_burst_back_and_no_more(void)
{
	RateLimit limit = { 0 };

	for (gint64 now = 1; now < 1000 * INTERVAL; now += 100 * INTERVAL) {
		for (guint i = 0; i < 2; i++)
			g_assert_cmpint(rate_limit_take(&limit, 2, INTERVAL, now), ==, 0);
		g_assert_cmpint(rate_limit_take(&limit, 2, INTERVAL, now), >, 0);
	}
}

static void expect_lines(const char *pattern, guint count)
{
	for (guint i = 0; i < count; i++)
		g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, pattern);
}

static void test_a_flood_of_lines_is_a_burst_of_them(void)
{
	LogLimit limit = { 0 };
	LogLimit other = { 0 };

	expect_lines("again *", LOG_LIMIT_BURST);
	for (guint i = 0; i < 10000; i++)
		log_limit_warning(&limit, "again %u", i);
	g_test_assert_expected_messages();
	g_assert_cmpuint(limit.left_out, ==, 10000 - LOG_LIMIT_BURST);
	/* What is about something else is heard. */
	expect_lines("something else", 1);
	log_limit_warning(&other, "something else");
	g_test_assert_expected_messages();
}

static void test_the_next_line_says_how_many_were_kept_back(void)
{
	LogLimit limit = { .left_out = 5 };

	g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING,
			      "once (and 5 more like it before)");
	log_limit_warning(&limit, "once");
	expect_lines("twice", 1);
	log_limit_warning(&limit, "twice");
	g_test_assert_expected_messages();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/log-limit/burst", test_burst_and_then_one_an_interval);
	g_test_add_func("/log-limit/rest", test_rest_gives_the_burst_back_and_no_more);
	g_test_add_func("/log-limit/flood", test_a_flood_of_lines_is_a_burst_of_them);
	g_test_add_func("/log-limit/kept-back", test_the_next_line_says_how_many_were_kept_back);

	return g_test_run();
}
