/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-device-test.c - counters and neighbours, as the kernel's tables have them */
#include <string.h>

#include "driver/error.h"
#include "driver/host/net-device.h"
#include "support.h"

#define DEV                                                                                       \
	"Inter-|   Receive                                                |  Transmit\n"          \
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs" \
	" drop fifo colls carrier compressed\n"                                                   \
	"    lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n"                                           \
	" vnet1: 1 2 3 4 5 6 7 8 11 12 13 14 15 16 17 18\n"                                       \
	"vnet10:18446744073709551615 22 23 24 25 26 27 28 31 32 33 34 35 36 37 38\n"              \
	"broken: 1 2\n"
#define ARP                                                                                \
	"IP address       HW type     Flags       HW address            Mask     Device\n" \
	"192.168.122.5    0x1         0x2         52:54:00:00:00:0a     *        virbr0\n" \
	"192.168.122.6    0x1         0x2         52:54:00:00:00:0b     *        virbr0\n" \
	"10.0.0.7         0x1         0x2         52:54:00:00:00:0A     *        br1\n"

static char *make_root(void)
{
	char *root = g_dir_make_tmp("net-device-test-XXXXXX", NULL);
	g_autofree char *folder = g_build_filename(root, "proc", "net", NULL);
	g_autofree char *dev = g_build_filename(folder, "dev", NULL);
	g_autofree char *arp = g_build_filename(folder, "arp", NULL);

	g_assert_no_errno(g_mkdir_with_parents(folder, 0700));
	g_assert_true(g_file_set_contents(dev, DEV, -1, NULL));
	g_assert_true(g_file_set_contents(arp, ARP, -1, NULL));
	return root;
}

static void assert_traffic(const NetTraffic *traffic, guint64 bytes, guint64 first)
{
	g_assert_cmpuint(traffic->bytes, ==, bytes);
	g_assert_cmpuint(traffic->packets, ==, first + 1);
	g_assert_cmpuint(traffic->errors, ==, first + 2);
	g_assert_cmpuint(traffic->drops, ==, first + 3);
}

static void test_counters(void)
{
	g_autofree char *root = make_root();
	g_autoptr(GError) error = NULL;
	NetCounters counters;

	g_assert_true(net_device_read_counters(root, "vnet1", &counters, &error));
	g_assert_no_error(error);
	assert_traffic(&counters.received, 1, 1);
	assert_traffic(&counters.sent, 11, 11);
	/* A name that another one begins with is another one; columns may follow at once. */
	g_assert_true(net_device_read_counters(root, "vnet10", &counters, &error));
	assert_traffic(&counters.received, G_MAXUINT64, 21);
	assert_traffic(&counters.sent, 31, 31);
	g_assert_true(net_device_read_guest_counters(root, "vnet1", FALSE, &counters, &error));
	assert_traffic(&counters.received, 11, 11);
	assert_traffic(&counters.sent, 1, 1);
	g_assert_true(net_device_read_guest_counters(root, "vnet1", TRUE, &counters, &error));
	assert_traffic(&counters.received, 1, 1);
	remove_tree(root);
}

static void test_devices_that_are_not_there(void)
{
	static const char *const names[] = { "vnet", "vnet2", "broken", "", "face", "1" };
	g_autofree char *root = make_root();
	NetCounters counters;

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(net_device_read_counters(root, names[i], &counters, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
		g_assert_nonnull(strstr(error->message, names[i]));
	}
	remove_tree(root);
}

static void test_neighbours(void)
{
	g_autofree char *root = make_root();
	g_autoptr(GPtrArray) found = net_device_find_neighbours(root, "52:54:00:00:00:0a", NULL);
	g_autoptr(GPtrArray) none = net_device_find_neighbours(root, "52:54:00:00:00:0c", NULL);
	g_autoptr(GError) error = NULL;

	g_assert_cmpuint(found->len, ==, 2);
	g_assert_cmpstr(found->pdata[0], ==, "192.168.122.5");
	g_assert_cmpstr(found->pdata[1], ==, "10.0.0.7");
	g_assert_cmpuint(none->len, ==, 0);
	g_assert_null(net_device_find_neighbours("/nowhere", "52:54:00:00:00:0a", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	remove_tree(root);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/net-device/counters", test_counters);
	g_test_add_func("/net-device/not-there", test_devices_that_are_not_there);
	g_test_add_func("/net-device/neighbours", test_neighbours);
	return g_test_run();
}
