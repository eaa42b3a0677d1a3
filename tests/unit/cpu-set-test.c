/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cpu-set-test.c - sets of processors, as many as there can be */
#include "common/cpu-set.h"

static void assert_text(const CpuSet *set, const char *wanted)
{
	g_autoptr(GString) text = g_string_new("=");

	cpu_set_append(text, set, ':');
	g_assert_cmpstr(text->str, ==, wanted);
}

static void test_empty(void)
{
	const CpuSet set = { 0 };

	g_assert_true(cpu_set_is_empty(&set));
	g_assert_cmpuint(cpu_set_end(&set), ==, 0);
	g_assert_cmpuint(cpu_set_count(&set), ==, 0);
	g_assert_cmpuint(cpu_set_first_missing(&set), ==, 0);
	assert_text(&set, "=");
}

static void test_each_is_another(void)
{
	for (guint cpu = 0; cpu < CPU_SET_SIZE; cpu++) {
		CpuSet set = { 0 };

		cpu_set_add(&set, cpu);
		g_assert_false(cpu_set_is_empty(&set));
		g_assert_cmpuint(cpu_set_end(&set), ==, cpu + 1);
		g_assert_cmpuint(cpu_set_count(&set), ==, 1);
		for (guint other = 0; other < CPU_SET_SIZE; other++)
			g_assert_cmpint(cpu_set_has(&set, other), ==, other == cpu);
		cpu_set_remove(&set, cpu);
		g_assert_true(cpu_set_is_empty(&set));
	}
}

static void test_all(void)
{
	CpuSet set = { 0 };

	for (guint cpu = 0; cpu < CPU_SET_SIZE; cpu++) {
		g_assert_cmpuint(cpu_set_first_missing(&set), ==, cpu);
		cpu_set_add(&set, cpu);
	}
	g_assert_cmpuint(cpu_set_first_missing(&set), ==, CPU_SET_SIZE);
	g_assert_cmpuint(cpu_set_end(&set), ==, CPU_SET_SIZE);
	g_assert_cmpuint(cpu_set_count(&set), ==, CPU_SET_SIZE);
	assert_text(&set, "=0-1023");
}

static void test_together(void)
{
	CpuSet low = { 0 }, high = { 0 };

	cpu_set_add(&low, 3);
	cpu_set_add(&low, 63);
	cpu_set_add(&high, 64);
	cpu_set_add(&high, 65);
	cpu_set_add(&high, 239);
	assert_text(&low, "=3:63");
	assert_text(&high, "=64-65:239");
	g_assert_false(cpu_set_intersects(&low, &high));
	cpu_set_unite(&low, &high);
	g_assert_true(cpu_set_intersects(&low, &high));
	assert_text(&low, "=3:63-65:239");
}

static void assert_parsed(const char *text, guint limit, const char *wanted)
{
	CpuSet set;

	g_assert_true(cpu_set_parse(text, limit, &set));
	assert_text(&set, wanted);
}

static void test_parse(void)
{
	static const char *const wrong[] = {
		"",	" ",  "0 ",  ",",   "0,",	  ",0",
		"a",	"-1", "0-",  "3-2", "0--1",	  "^",
		"^0-1", "8",  "0-8", "0x1", "4294967296", "18446744073709551616",
	};
	CpuSet set;

	assert_parsed("0", 8, "=0");
	assert_parsed("0-7", 8, "=0-7");
	assert_parsed("5,0-3,^2", 8, "=0-1:3:5");
	assert_parsed("1,^1", 8, "=");
	assert_parsed("^1", 8, "=");
	assert_parsed("1023", CPU_SET_SIZE, "=1023");
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		g_assert_false(cpu_set_parse(wrong[i], 8, &set));
	g_assert_false(cpu_set_parse("1024", CPU_SET_SIZE, &set));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cpu-set/empty", test_empty);
	g_test_add_func("/cpu-set/each-is-another", test_each_is_another);
	g_test_add_func("/cpu-set/all", test_all);
	g_test_add_func("/cpu-set/together", test_together);
	g_test_add_func("/cpu-set/parse", test_parse);
	return g_test_run();
}
