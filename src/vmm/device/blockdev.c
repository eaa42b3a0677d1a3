/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blockdev.c - what is behind a disk, as it is described
 *
 * "filename" is for messages: which file it is, only its descriptor says.
 */
#include "vmm/device/blockdev.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "vmm/backend/block-nbd.h"
#include "vmm/backend/block-raw.h"
#include "vmm/backend/image-lock.h"

typedef struct {
	guint driver;
	char *fd;
	char *filename;
	char *export;
	gboolean is_readonly;
	gboolean is_direct;
	gboolean ignores_flush;
	guint discard;
	guint detect_zeroes;
} BlockdevDescription;

enum { DRIVER_RAW, DRIVER_NBD };
static const char *const drivers[] = { "raw", "nbd", NULL };

/* In the order of BlockDiscard and BlockDetectZeroes. */
static const char *const discards[] = { "ignore", "unmap", NULL };
static const char *const detections[] = { "off", "on", "unmap", NULL };

static const JsonField blockdev_fields[] = {
	{ .name = "driver",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, driver),
	  .is_required = TRUE,
	  .choices = drivers },
	{ .name = "fd",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, fd),
	  .is_required = TRUE },
	{ .name = "filename",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, filename) },
	{ .name = "export",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, export) },
	{ .name = "read-only",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, is_readonly) },
	{ .name = "direct",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, is_direct) },
	{ .name = "no-flush",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, ignores_flush) },
	{ .name = "discard",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, discard),
	  .choices = discards },
	{ .name = "detect-zeroes",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(BlockdevDescription, detect_zeroes),
	  .choices = detections },
	{ .name = NULL },
};

static BlockBackend *open_raw(int fd, const BlockdevDescription *blockdev, gboolean is_shared,
			      const BlockConfig *config, GError **error)
{
	const ImageLockFlags flags = (blockdev->is_readonly ? IMAGE_READ_ONLY : 0) |
				     (is_shared ? IMAGE_SHAREABLE : 0);
	BlockBackend *backend = block_raw_new(fd, blockdev->is_direct, config, error);

	if (backend && !image_lock(fd, config->name, flags, error)) {
		block_backend_free(backend);
		return NULL;
	}
	if (!backend)
		close(fd);
	return backend;
}

static BlockBackend *open_blockdev(const DeviceContext *context,
				   const BlockdevDescription *blockdev, gboolean is_shared,
				   GError **error)
{
	const BlockConfig config = {
		.name = blockdev->filename ? blockdev->filename : context->id,
		.is_readonly = blockdev->is_readonly,
		.ignores_flush = blockdev->ignores_flush,
		.discard = (BlockDiscard)blockdev->discard,
		.detect_zeroes = (BlockDetectZeroes)blockdev->detect_zeroes,
	};
	BlockBackend *backend;
	int fd;

	if (blockdev->export && blockdev->driver != DRIVER_NBD) {
		json_fields_refuse(error, context->owner, "blockdev.export",
				   _("only NBD servers have exports"));
		return NULL;
	}
	fd = descriptor_table_take(context->descriptors, context->owner, "blockdev.fd",
				   blockdev->fd, error);
	if (fd < 0)
		return NULL;
	if (blockdev->driver == DRIVER_RAW)
		return open_raw(fd, blockdev, is_shared, &config, error);
	backend = block_nbd_new(fd, blockdev->export ? blockdev->export : "", &config, error);
	if (!backend)
		close(fd);
	return backend;
}

BlockBackend *blockdev_open(const DeviceContext *context, JsonObject *object, gboolean is_shared,
			    GError **error)
{
	BlockdevDescription blockdev = { 0 };
	const JsonFieldSet set = { blockdev_fields, &blockdev };
	BlockBackend *backend;

	if (!json_fields_read(object, context->owner, &set, 1, error))
		return NULL;
	backend = open_blockdev(context, &blockdev, is_shared, error);
	json_fields_clear(&set, 1);
	return backend;
}

static void failed(void *opaque, const DiskError *error)
{
	const DeviceSurroundings *surroundings = opaque;

	surroundings->host->disk_failed(surroundings->opaque, error);
}

DiskErrorHandler blockdev_errors(const DeviceContext *context, guint read_policy,
				 guint write_policy)
{
	return (DiskErrorHandler){
		.id = context->id,
		.read_policy = (DiskErrorPolicy)read_policy,
		.write_policy = (DiskErrorPolicy)write_policy,
		.failed = failed,
		.opaque = (void *)context->surroundings,
	};
}
