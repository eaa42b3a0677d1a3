/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* debug-console-test.c - the port that firmware for virtual machines writes its log to */
#include "device-bench.h"
#include "vmm/chipset/debug-console.h"

static void append(void *opaque, guint8 byte)
{
	g_string_append_c(opaque, byte);
}

static void test_log(void)
{
	g_autoptr(GString) log = g_string_new(NULL);
	g_autoptr(DebugConsole) console = debug_console_new(append, log);
	Bench bench;

	bench_start(&bench);
	bus_add(bench.bus, DEBUG_CONSOLE_PORT, 1, "console", &debug_console_operations, console);
	g_assert_cmphex(bench_in(&bench, DEBUG_CONSOLE_PORT), ==, 0xe9);
	bench_out(&bench, DEBUG_CONSOLE_PORT, 'S');
	bench_out(&bench, DEBUG_CONSOLE_PORT, 'E');
	bench_out(&bench, DEBUG_CONSOLE_PORT, '\0');
	bench_out(&bench, DEBUG_CONSOLE_PORT, 'C');
	/* A wider write has one byte for this port. */
	bus_write(bench.bus, DEBUG_CONSOLE_PORT, 2, 'x' << 8 | '\n');
	g_assert_cmpmem(log->str, log->len, "SE\0C\n", 5);
	bench_end(&bench);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/debug-console/log", test_log);
	return g_test_run();
}
