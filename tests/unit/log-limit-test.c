/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit-test.c - how much the log says on somebody else's behalf */
#include "vmm/log-limit.h"

#define MINUTE_US (LOG_LIMIT_SECONDS * G_USEC_PER_SEC)

/* A clock does not begin at 0. */
#define START_US (G_GINT64_CONSTANT(1234567) * G_USEC_PER_SEC)

static void test_one_at_a_time(void)
{
	LogLimit limit = { 0 };

	for (gint64 i = 0; i < 1000; i++) {
		guint64 left_out = 1;

		g_assert_true(log_limit_pass(&limit, START_US + i * MINUTE_US, &left_out));
		g_assert_cmpuint(left_out, ==, 0);
	}
}

static void test_flood(void)
{
	const gint64 minutes = 10, per_minute = 100000;
	LogLimit limit = { 0 };
	guint64 left_out = 0, counted = 0, written = 0;

	for (gint64 i = 0; i < minutes * per_minute; i++) {
		if (!log_limit_pass(&limit, START_US + i * (MINUTE_US / per_minute), &left_out))
			continue;
		written++;
		counted += left_out;
	}
	g_assert_cmpuint(written, ==, minutes * LOG_LIMIT_LINES);
	/* The next one accounts for the rest. */
	g_assert_true(log_limit_pass(&limit, START_US + minutes * MINUTE_US, &left_out));
	g_assert_cmpuint(counted + left_out + written, ==, minutes * per_minute);
}

static void test_all_at_once(void)
{
	LogLimit limit = { 0 };
	guint64 left_out;
	guint written = 0;

	for (guint i = 0; i < 1000; i++)
		written += log_limit_pass(&limit, START_US, &left_out);
	g_assert_cmpuint(written, ==, LOG_LIMIT_LINES);
	g_assert_false(log_limit_pass(&limit, START_US + MINUTE_US - 1, &left_out));
	g_assert_true(log_limit_pass(&limit, START_US + MINUTE_US, &left_out));
	g_assert_cmpuint(left_out, ==, 1000 - LOG_LIMIT_LINES + 1);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log-limit/one-at-a-time", test_one_at_a_time);
	g_test_add_func("/log-limit/flood", test_flood);
	g_test_add_func("/log-limit/all-at-once", test_all_at_once);
	return g_test_run();
}
