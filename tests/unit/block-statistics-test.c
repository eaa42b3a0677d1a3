/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-statistics-test.c - what a VMM says of its disks, whatever that is */
#include "driver/domain/block-statistics.h"

static gboolean find(const char *reply, const char *alias, BlockStatistics *statistics)
{
	g_autoptr(JsonNode) node = json_from_string(reply, NULL);

	g_assert_nonnull(node);
	return block_statistics_find(node, alias, statistics);
}

static void test_disk_by_its_alias(void)
{
	const char *reply =
		"[{\"qdev\":\"virtio-disk0\",\"stats\":{\"rd_bytes\":1}},"
		" {\"qdev\":\"virtio-disk1\",\"stats\":{\"rd_operations\":2,\"rd_bytes\":3,"
		"\"rd_total_time_ns\":4,\"wr_operations\":5,\"wr_bytes\":6,"
		"\"wr_total_time_ns\":7,\"flush_operations\":8,\"flush_total_time_ns\":9}}]";
	BlockStatistics statistics, sum = { 0 };

	g_assert_true(find(reply, "virtio-disk1", &statistics));
	g_assert_cmpuint(statistics.read.operations, ==, 2);
	g_assert_cmpuint(statistics.read.bytes, ==, 3);
	g_assert_cmpuint(statistics.read.time_ns, ==, 4);
	g_assert_cmpuint(statistics.written.operations, ==, 5);
	g_assert_cmpuint(statistics.written.bytes, ==, 6);
	g_assert_cmpuint(statistics.written.time_ns, ==, 7);
	g_assert_cmpuint(statistics.flushed.operations, ==, 8);
	g_assert_cmpuint(statistics.flushed.time_ns, ==, 9);
	block_statistics_add(&sum, &statistics);
	g_assert_true(find(reply, "virtio-disk0", &statistics));
	block_statistics_add(&sum, &statistics);
	g_assert_cmpuint(sum.read.bytes, ==, 4);
	g_assert_cmpuint(sum.written.bytes, ==, 6);
	g_assert_false(find(reply, "virtio-disk2", &statistics));
}

static void test_what_makes_no_sense(void)
{
	static const char *const replies[] = {
		"{}",
		"17",
		"[]",
		"[1,[],{}]",
		"[{\"qdev\":7,\"stats\":{}}]",
		"[{\"qdev\":\"disk\",\"stats\":[]}]",
		"[{\"qdev\":\"disk\"}]",
	};
	BlockStatistics statistics;

	for (gsize i = 0; i < G_N_ELEMENTS(replies); i++)
		g_assert_false(find(replies[i], "disk", &statistics));
	g_assert_true(find("[{\"qdev\":\"disk\",\"stats\":{\"rd_bytes\":-5,\"wr_bytes\":\"x\"}}]",
			   "disk", &statistics));
	g_assert_cmpuint(statistics.read.bytes, ==, 0);
	g_assert_cmpuint(statistics.written.bytes, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/block-statistics/disk", test_disk_by_its_alias);
	g_test_add_func("/block-statistics/no-sense", test_what_makes_no_sense);
	return g_test_run();
}
