/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-state-test.c - what a VMM says of how its disks are, whatever that is */
#include <libvirt/libvirt.h>

#include "driver/domain/block-state.h"

static gboolean find_size(const char *reply, const char *alias, guint64 *size)
{
	g_autoptr(JsonNode) node = json_from_string(reply, NULL);

	g_assert_nonnull(node);
	return block_state_size(node, alias, size);
}

static void test_size(void)
{
	static const char reply[] =
		"[{\"qdev\":\"sata0-0-0\"},"
		" {\"qdev\":\"virtio-disk0\",\"inserted\":{\"image\":{\"virtual-size\":512}}},"
		" {\"qdev\":\"virtio-disk1\",\"inserted\":{\"image\":{\"virtual-size\":1024}}}]";
	guint64 size;

	g_assert_true(find_size(reply, "virtio-disk0", &size));
	g_assert_cmpuint(size, ==, 512);
	g_assert_true(find_size(reply, "virtio-disk1", &size));
	g_assert_cmpuint(size, ==, 1024);
	g_assert_false(find_size(reply, "virtio-disk2", &size));
	/* It is empty. */
	g_assert_false(find_size(reply, "sata0-0-0", &size));
}

static int find_error(const char *reply, const char *alias)
{
	g_autoptr(JsonNode) node = json_from_string(reply, NULL);

	g_assert_nonnull(node);
	return block_state_error(node, alias);
}

static void test_error(void)
{
	static const char reply[] = "[{\"qdev\":\"disk0\",\"io-status\":\"ok\"},"
				    " {\"qdev\":\"disk1\",\"io-status\":\"failed\"},"
				    " {\"qdev\":\"disk2\",\"io-status\":\"nospace\"},"
				    " {\"qdev\":\"disk3\",\"io-status\":\"tired\"},"
				    " {\"qdev\":\"disk4\",\"io-status\":7}, {\"qdev\":\"disk5\"}]";
	static const int errors[] = {
		VIR_DOMAIN_DISK_ERROR_NONE,
		VIR_DOMAIN_DISK_ERROR_UNSPEC,
		VIR_DOMAIN_DISK_ERROR_NO_SPACE,
	};

	for (guint i = 0; i <= 6; i++) {
		g_autofree char *alias = g_strdup_printf("disk%u", i);

		g_assert_cmpint(find_error(reply, alias), ==,
				i < G_N_ELEMENTS(errors) ? errors[i] : VIR_DOMAIN_DISK_ERROR_NONE);
	}
	g_assert_cmpint(find_error("17", "disk0"), ==, VIR_DOMAIN_DISK_ERROR_NONE);
}

static void test_what_makes_no_sense(void)
{
	static const char *const replies[] = {
		"{}",
		"17",
		"[]",
		"[1,[],{}]",
		"[{\"qdev\":7,\"inserted\":{}}]",
		"[{\"qdev\":\"disk\",\"inserted\":[]}]",
		"[{\"qdev\":\"disk\",\"inserted\":{\"image\":1}}]",
		"[{\"qdev\":\"disk\",\"inserted\":{\"image\":{\"virtual-size\":-1}}}]",
		"[{\"qdev\":\"disk\",\"inserted\":{\"image\":{\"virtual-size\":\"1\"}}}]",
	};
	guint64 size;

	for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
		g_assert_false(find_size(replies[i], "disk", &size));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block-state/size", test_size);
	g_test_add_func("/block-state/error", test_error);
	g_test_add_func("/block-state/no-sense", test_what_makes_no_sense);
	return g_test_run();
}
