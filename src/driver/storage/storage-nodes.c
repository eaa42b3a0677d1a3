/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* storage-nodes.c - a disk as QEMU's storage daemon is told of it */
#include "driver/storage/storage-nodes.h"

#include <string.h>

#include "common/handed-file.h"
#include "driver/storage/image-chain.h"
#include "driver/storage/image-header.h"

char *storage_node_file(const DomainDisk *disk, guint index)
{
	return g_strdup_printf("%s-%u", disk->target, index);
}

static char *file_node(const DomainDisk *disk, guint index)
{
	return g_strdup_printf("%s-%u-file", disk->target, index);
}

static gboolean is_raw(const char *format)
{
	return strcmp(format, "raw") == 0;
}

/* What others know an image by. */
static char *node(const DomainDisk *disk, const GPtrArray *chain, guint index)
{
	const ImageFile *file = chain->pdata[index];

	return is_raw(file->format) ? file_node(disk, index) : storage_node_file(disk, index);
}

static void set_cache(JsonObject *object, const DomainDisk *disk)
{
	JsonObject *cache = json_object_new();

	json_object_set_boolean_member(cache, "direct", domain_disk_is_direct(disk));
	json_object_set_boolean_member(cache, "no-flush", disk->cache == DOMAIN_DISK_CACHE_UNSAFE);
	json_object_set_object_member(object, "cache", cache);
}

/* Only the disk's own image is written to. */
static JsonObject *describe(const DomainDisk *disk, const char *driver, const char *name,
			    guint index)
{
	const gboolean is_readonly = index > 0 || disk->is_readonly;
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "driver", driver);
	json_object_set_string_member(object, "node-name", name);
	json_object_set_boolean_member(object, "read-only", is_readonly);
	if (!is_readonly)
		json_object_set_string_member(
			object, "discard",
			disk->discard == DOMAIN_DISK_DISCARD_UNMAP ? "unmap" : "ignore");
	set_cache(object, disk);
	return object;
}

JsonObject *storage_describe_file(const DomainDisk *disk, const GPtrArray *chain, guint index)
{
	const ImageFile *file = chain->pdata[index];
	g_autofree char *name = file_node(disk, index);
	g_autofree char *handed = storage_node_file(disk, index);
	g_autofree char *path = g_strconcat(HANDED_FILE_FOLDER, handed, NULL);
	JsonObject *object = describe(
		disk, file->type == DOMAIN_DISK_BLOCK ? "host_device" : "file", name, index);

	json_object_set_string_member(object, "filename", path);
	return object;
}

/* As libvirt has it: what is not to be given up is written. */
static const char *detect_zeroes(const DomainDisk *disk)
{
	switch (disk->detect_zeroes) {
	case DOMAIN_DISK_DETECT_ZEROES_ON:
		return "on";
	case DOMAIN_DISK_DETECT_ZEROES_UNMAP:
		return disk->discard == DOMAIN_DISK_DISCARD_UNMAP ? "unmap" : "on";
	default:
		return "off";
	}
}

JsonObject *storage_describe_format(const DomainDisk *disk, const GPtrArray *chain, guint index)
{
	const ImageFile *image = chain->pdata[index];
	g_autofree char *name = storage_node_file(disk, index);
	g_autofree char *file = file_node(disk, index);
	JsonObject *object;

	if (is_raw(image->format))
		return NULL;
	object = describe(disk, image_format_driver(image->format), name, index);
	json_object_set_string_member(object, "file", file);
	if (index == 0 && !disk->is_readonly)
		json_object_set_string_member(object, "detect-zeroes", detect_zeroes(disk));
	if (index + 1 < chain->len) {
		g_autofree char *backing = node(disk, chain, index + 1);

		json_object_set_string_member(object, "backing", backing);
	} else if (image_format_has_backing(image->format) || strcmp(image->format, "vmdk") == 0) {
		json_object_set_null_member(object, "backing");
	}
	return object;
}

JsonObject *storage_describe_export(const DomainDisk *disk)
{
	g_autofree char *name = storage_node_file(disk, 0);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "type", "nbd");
	json_object_set_string_member(object, "id", disk->target);
	json_object_set_string_member(object, "node-name", name);
	json_object_set_string_member(object, "name", disk->target);
	json_object_set_boolean_member(object, "writable", !disk->is_readonly);
	return object;
}

GStrv storage_node_names(const DomainDisk *disk)
{
	const guint n_backings = disk->backings ? disk->backings->len : 0;
	GPtrArray *names = g_ptr_array_new();

	for (guint i = 0; i <= n_backings; i++) {
		const char *format =
			i == 0 ? disk->format :
				 ((DomainDiskBacking *)disk->backings->pdata[i - 1])->format;

		if (!is_raw(format))
			g_ptr_array_add(names, storage_node_file(disk, i));
		g_ptr_array_add(names, file_node(disk, i));
	}
	g_ptr_array_add(names, NULL);
	return (GStrv)g_ptr_array_free(names, FALSE);
}
