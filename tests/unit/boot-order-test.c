/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot-order-test.c - the devices that firmware is to try, and what it calls them */
#include <string.h>

#include "vmm/boot/boot-order.h"

static void assert_path(const BootPciPlace *bridge, const BootPciPlace *place, const char *name,
			const char *unit, const char *wanted)
{
	g_autofree char *path = boot_pci_path(bridge, place, name, unit);

	g_assert_cmpstr(path, ==, wanted);
}

/* As QEMU writes them into "bootorder" for the same devices. */
static void test_paths(void)
{
	const BootPciPlace first = { 0, 0 }, root = { 3, 0 }, port = { 2, 0 }, other = { 0x1e, 7 };

	assert_path(&port, &first, "scsi", "disk@0,0", "/pci@i0cf8/pci-bridge@2/scsi@0/disk@0,0");
	assert_path(&other, &first, "ethernet", "ethernet-phy@0",
		    "/pci@i0cf8/pci-bridge@1e,7/ethernet@0/ethernet-phy@0");
	assert_path(NULL, &root, "scsi", "disk@0,0", "/pci@i0cf8/scsi@3/disk@0,0");
}

static void test_order(void)
{
	g_autoptr(BootOrder) order = boot_order_new();
	g_autofree const char **none = boot_order_paths(order);
	g_autofree const char **paths = NULL;

	g_assert_null(none[0]);
	g_assert_true(boot_order_add(order, "net0", 3, "c"));
	g_assert_true(boot_order_add(order, "net1", 1, "a"));
	g_assert_true(boot_order_add(order, "net2", G_MAXUINT32, "d"));
	g_assert_true(boot_order_add(order, "net3", 2, "b"));
	g_assert_false(boot_order_add(order, "net4", 2, "another"));
	paths = boot_order_paths(order);
	g_assert_cmpstr(paths[0], ==, "a");
	g_assert_cmpstr(paths[1], ==, "b");
	g_assert_cmpstr(paths[2], ==, "c");
	g_assert_cmpstr(paths[3], ==, "d");
	g_assert_null(paths[4]);
}

static gboolean is_other(const char *id, void *opaque)
{
	return strcmp(id, opaque) != 0;
}

/* A device that has gone leaves its place to another one. */
static void test_gone(void)
{
	g_autoptr(BootOrder) order = boot_order_new();
	g_autofree const char **paths = NULL;

	g_assert_true(boot_order_add(order, "net0", 1, "a"));
	g_assert_true(boot_order_add(order, "net1", 2, "b"));
	g_assert_true(boot_order_add(order, "net2", 3, "c"));
	boot_order_keep(order, is_other, (void *)"net1");
	g_assert_true(boot_order_add(order, "net3", 2, "d"));
	boot_order_keep(order, is_other, (void *)"net0");
	paths = boot_order_paths(order);
	g_assert_cmpstr(paths[0], ==, "d");
	g_assert_cmpstr(paths[1], ==, "c");
	g_assert_null(paths[2]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/boot-order/paths", test_paths);
	g_test_add_func("/boot-order/order", test_order);
	g_test_add_func("/boot-order/gone", test_gone);

	return g_test_run();
}
