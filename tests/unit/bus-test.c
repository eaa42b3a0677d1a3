/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bus-test.c - ranges and windows of a bus come, move and go */
#include <glib.h>

#include "vmm/device/bus.h"

#define NOTHING 0xff

static guint64 read_value(void *device, guint64 offset G_GNUC_UNUSED, guint size G_GNUC_UNUSED)
{
	return GPOINTER_TO_UINT(device);
}

static void ignore_write(void *device G_GNUC_UNUSED, guint64 offset G_GNUC_UNUSED,
			 guint size G_GNUC_UNUSED, guint64 value G_GNUC_UNUSED)
{
}

/* A device reads as the number that it is. */
static const BusOperations operations = {
	.read = read_value,
	.write = ignore_write,
	.max_access = 1,
};

static void add(Bus *bus, guint64 start, guint64 size, guint number)
{
	bus_add(bus, start, size, "range", &operations, GUINT_TO_POINTER(number));
}

static BusWindow *add_window(Bus *bus, guint number)
{
	return bus_add_window(bus, "window", &operations, GUINT_TO_POINTER(number));
}

static void assert_reads(Bus *bus, guint64 address, guint number)
{
	g_assert_cmpuint(bus_read(bus, address, 1), ==, number);
}

static void test_range_removed(void)
{
	g_autoptr(Bus) bus = bus_new("bus");

	add(bus, 0x10, 0x10, 1);
	add(bus, 0x20, 0x10, 2);
	add(bus, 0x30, 0x10, 3);
	bus_remove(bus, 0x20);
	assert_reads(bus, 0x1f, 1);
	assert_reads(bus, 0x20, NOTHING);
	assert_reads(bus, 0x2f, NOTHING);
	assert_reads(bus, 0x30, 3);
	g_assert_null(bus_overlap(bus, 0x20, 0x10));
}

static void test_range_added_again(void)
{
	g_autoptr(Bus) bus = bus_new("bus");

	add(bus, 0x10, 0x10, 1);
	bus_remove(bus, 0x10);
	add(bus, 0x18, 0x10, 2);
	assert_reads(bus, 0x10, NOTHING);
	assert_reads(bus, 0x18, 2);
}

static void test_window_behind_removed_range(void)
{
	g_autoptr(Bus) bus = bus_new("bus");

	add(bus, 0x10, 0x10, 1);
	bus_move_window(add_window(bus, 2), 0, 0x100);
	assert_reads(bus, 0x10, 1);
	bus_remove(bus, 0x10);
	assert_reads(bus, 0x10, 2);
}

static void test_window_removed(void)
{
	g_autoptr(Bus) bus = bus_new("bus");
	BusWindow *first = add_window(bus, 1), *second = add_window(bus, 2);

	bus_move_window(first, 0x10, 0x10);
	bus_move_window(second, 0x18, 0x10);
	assert_reads(bus, 0x18, 1);
	bus_remove_window(first);
	assert_reads(bus, 0x10, NOTHING);
	assert_reads(bus, 0x18, 2);
	bus_move_window(second, 0x10, 0x10);
	assert_reads(bus, 0x10, 2);
}

static void test_closed_window_removed(void)
{
	g_autoptr(Bus) bus = bus_new("bus");

	bus_remove_window(add_window(bus, 1));
	assert_reads(bus, 0, NOTHING);
}

static void test_nothing_to_remove(void)
{
	if (g_test_subprocess()) {
		g_autoptr(Bus) bus = bus_new("bus");

		add(bus, 0x10, 0x10, 1);
		bus_remove(bus, 0x11);
		return;
	}
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
	g_test_trap_assert_failed();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bus/range/removed", test_range_removed);
	g_test_add_func("/bus/range/added-again", test_range_added_again);
	g_test_add_func("/bus/range/window-behind-removed", test_window_behind_removed_range);
	g_test_add_func("/bus/range/nothing-to-remove", test_nothing_to_remove);
	g_test_add_func("/bus/window/removed", test_window_removed);
	g_test_add_func("/bus/window/closed-removed", test_closed_window_removed);
	return g_test_run();
}
