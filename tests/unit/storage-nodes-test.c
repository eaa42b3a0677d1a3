/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage-nodes-test.c - disks as QEMU's storage daemon is told of them */
#include <fcntl.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/storage/image-chain.h"
#include "driver/storage/storage-nodes.h"
#include "support.h"

typedef struct {
	char *folder;
	char *base;
	guint fds;
} Fixture;

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("storage-nodes-test-XXXXXX", NULL);
	fixture->base = g_build_filename(fixture->folder, "base", NULL);
	g_assert_true(g_file_set_contents(fixture->base, "base", -1, NULL));
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	remove_tree(fixture->folder);
	g_free(fixture->base);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

static DomainDisk *disk_with(const Fixture *fixture, const char *format)
{
	DomainDisk *disk = g_new0(DomainDisk, 1);

	disk->path = g_build_filename(fixture->folder, "top", NULL);
	disk->format = g_strdup(format);
	disk->target = g_strdup("vda");
	return disk;
}

/* A qcow2 of version 3 with nothing in it but a name, whose format it says. */
static int make_top(const Fixture *fixture, const char *backing)
{
	g_autofree char *path = g_build_filename(fixture->folder, "top", NULL);
	const gsize length = strlen(backing);
	guint8 data[1024] = {
		'Q', 'F', 'I', 0xfb, 0, 0, 0, 3,
	};

	g_assert_cmpuint(length, <, 256);
	if (length > 0)
		data[14] = 2;
	data[19] = (guint8)length;
	data[103] = 104;
	memcpy(data + 104, "\xe2\x79\x2a\xca\0\0\0\3raw", 11);
	memcpy(data + 512, backing, length);
	g_assert_true(g_file_set_contents(path, (const char *)data, sizeof(data), NULL));
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void assert_json(JsonObject *object, const char *wanted)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = json_to_string(node, FALSE);

	json_object_unref(object);
	g_assert_cmpstr(text, ==, wanted);
}

static void test_chain(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDisk) disk = disk_with(fixture, "qcow2");
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) chain = NULL;
	g_auto(GStrv) names = NULL;
	g_autofree char *joined = NULL;
	const DomainDiskBacking *backing;

	disk->cache = DOMAIN_DISK_CACHE_NONE;
	disk->discard = DOMAIN_DISK_DISCARD_UNMAP;
	disk->detect_zeroes = DOMAIN_DISK_DETECT_ZEROES_UNMAP;
	chain = image_chain_open(disk, make_top(fixture, "base"), &error);
	g_assert_no_error(error);
	g_assert_cmpuint(chain->len, ==, 2);
	g_assert_true(disk->is_chain_complete);
	backing = disk->backings->pdata[0];
	g_assert_cmpstr(backing->path, ==, fixture->base);
	g_assert_cmpstr(backing->format, ==, "raw");

	assert_json(storage_describe_file(disk, chain, 1),
		    "{\"driver\":\"file\",\"node-name\":\"vda-1-file\",\"read-only\":true,"
		    "\"cache\":{\"direct\":true,\"no-flush\":false},"
		    "\"filename\":\"/handed/vda-1\"}");
	g_assert_null(storage_describe_format(disk, chain, 1));
	assert_json(storage_describe_file(disk, chain, 0),
		    "{\"driver\":\"file\",\"node-name\":\"vda-0-file\",\"read-only\":false,"
		    "\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false},"
		    "\"filename\":\"/handed/vda-0\"}");
	assert_json(storage_describe_format(disk, chain, 0),
		    "{\"driver\":\"qcow2\",\"node-name\":\"vda-0\",\"read-only\":false,"
		    "\"discard\":\"unmap\",\"cache\":{\"direct\":true,\"no-flush\":false},"
		    "\"file\":\"vda-0-file\",\"detect-zeroes\":\"unmap\","
		    "\"backing\":\"vda-1-file\"}");
	assert_json(storage_describe_export(disk),
		    "{\"type\":\"nbd\",\"id\":\"vda\",\"node-name\":\"vda-0\",\"name\":\"vda\","
		    "\"writable\":true}");
	names = storage_node_names(disk);
	joined = g_strjoinv(" ", names);
	g_assert_cmpstr(joined, ==, "vda-0 vda-0-file vda-1-file");
}

/* That nothing is behind an image is said, too, whatever its header says. */
static void test_end_of_chain(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(DomainDisk) disk = disk_with(fixture, "qcow2");
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) chain = NULL;

	disk->is_readonly = TRUE;
	disk->is_chain_complete = TRUE;
	chain = image_chain_open(disk, make_top(fixture, "base"), &error);
	g_assert_no_error(error);
	g_assert_cmpuint(chain->len, ==, 1);
	assert_json(storage_describe_format(disk, chain, 0),
		    "{\"driver\":\"qcow2\",\"node-name\":\"vda-0\",\"read-only\":true,"
		    "\"cache\":{\"direct\":false,\"no-flush\":false},"
		    "\"file\":\"vda-0-file\",\"backing\":null}");
}

/* Nothing that was opened before stays open. */
static void test_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const names[] = { "nothing", "nbd:localhost:1", "/dev/null" };

	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(DomainDisk) disk = disk_with(fixture, "qcow2");
		g_autoptr(GError) error = NULL;

		g_assert_null(image_chain_open(disk, make_top(fixture, names[i]), &error));
		g_assert_nonnull(error);
		g_assert_nonnull(strstr(error->message, "vda"));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/storage-nodes/chain", Fixture, NULL, start, test_chain, end);
	g_test_add("/storage-nodes/end-of-chain", Fixture, NULL, start, test_end_of_chain, end);
	g_test_add("/storage-nodes/refused", Fixture, NULL, start, test_refused, end);
	return g_test_run();
}
