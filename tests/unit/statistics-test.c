/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics-test.c - the conversion counters */
#include "vmm/memory/statistics.h"

static void test_counts_and_sums(void)
{
	ConversionCounter counter = { 0 };

	conversion_counter_add(&counter, 4096, 1000);
	conversion_counter_add(&counter, 8192, 3000);
	g_assert_cmpuint(counter.count, ==, 2);
	g_assert_cmpuint(counter.bytes, ==, 12288);
	g_assert_cmpuint(counter.time_ns, ==, 4000);
}

static void test_bucket_n_holds_two_to_the_n(void)
{
	ConversionCounter counter = { 0 };

	conversion_counter_add(&counter, 0, 0);
	conversion_counter_add(&counter, 0, 1);
	conversion_counter_add(&counter, 0, 1023);
	conversion_counter_add(&counter, 0, 1024);
	conversion_counter_add(&counter, 0, 2047);
	conversion_counter_add(&counter, 0, G_MAXUINT64);
	g_assert_cmpuint(counter.latency[0], ==, 2);
	g_assert_cmpuint(counter.latency[9], ==, 1);
	g_assert_cmpuint(counter.latency[10], ==, 2);
	g_assert_cmpuint(counter.latency[CONVERSION_LATENCY_BUCKETS - 1], ==, 1);
}

static void test_each_cause_has_a_name_of_its_own(void)
{
	for (guint i = 0; i < CONVERSION_N_CAUSES; i++) {
		g_assert_nonnull(conversion_cause_name(i));
		for (guint j = 0; j < i; j++)
			g_assert_cmpstr(conversion_cause_name(i), !=, conversion_cause_name(j));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/statistics/counts-and-sums", test_counts_and_sums);
	g_test_add_func("/statistics/bucket-n-holds-two-to-the-n",
			test_bucket_n_holds_two_to_the_n);
	g_test_add_func("/statistics/each-cause-has-a-name-of-its-own",
			test_each_cause_has_a_name_of_its_own);
	return g_test_run();
}
