/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-blk-pci.c - disks as they are described
 *
 * Members have QEMU's names and defaults. The backend is there before the disk is, so that an
 * image that cannot be used is an error which leaves nothing behind; it gets its ring from the
 * disk's I/O thread. "filename" is for messages: which file it is, only its descriptor says.
 */
#include "vmm/virtio/virtio-blk-pci.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "vmm/backend/block-nbd.h"
#include "vmm/backend/block-raw.h"
#include "vmm/backend/image-lock.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/virtio-blk.h"

#define QUEUES_MAX     256u
#define QUEUE_SIZE     256u
#define QUEUE_SIZE_MIN 4u
#define BLOCK_SIZE_MAX 32768u

typedef struct {
	VirtioOptions options;
	char *serial;
	guint64 n_queues;
	guint64 queue_size;
	guint64 logical_block_size;
	guint64 physical_block_size;
	gboolean has_write_cache;
	gboolean is_shared;
	guint read_policy;
	guint write_policy;
	JsonObject *blockdev;
} DiskDescription;

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

/* In the order of VirtioBlkPolicy. */
static const char *const read_policies[] = { "report", "ignore", "stop", NULL };
static const char *const write_policies[] = { "report", "ignore", "stop", "enospc", NULL };

static const JsonField fields[] = {
	VIRTIO_OPTION_FIELDS(DiskDescription, options),
	{ .name = "serial",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(DiskDescription, serial) },
	{ .name = "num-queues",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(DiskDescription, n_queues),
	  .value = 1,
	  .minimum = 1,
	  .maximum = QUEUES_MAX },
	{ .name = "queue-size",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(DiskDescription, queue_size),
	  .value = QUEUE_SIZE,
	  .minimum = QUEUE_SIZE_MIN,
	  .maximum = VIRTIO_QUEUE_SIZE_MAX },
	{ .name = "logical_block_size",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(DiskDescription, logical_block_size),
	  .minimum = BLOCK_SECTOR_SIZE,
	  .maximum = BLOCK_SIZE_MAX },
	{ .name = "physical_block_size",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(DiskDescription, physical_block_size),
	  .minimum = BLOCK_SECTOR_SIZE,
	  .maximum = BLOCK_SIZE_MAX },
	{ .name = "write-cache",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(DiskDescription, has_write_cache),
	  .value = TRUE },
	{ .name = "share-rw",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(DiskDescription, is_shared) },
	{ .name = "rerror",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(DiskDescription, read_policy),
	  .choices = read_policies },
	{ .name = "werror",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(DiskDescription, write_policy),
	  .value = VIRTIO_BLK_ENOSPC,
	  .choices = write_policies },
	{ .name = "blockdev",
	  .type = JSON_FIELD_OBJECT,
	  .offset = G_STRUCT_OFFSET(DiskDescription, blockdev),
	  .is_required = TRUE },
	{ .name = NULL },
};

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

static BlockBackend *open_backend(const DeviceContext *context, const DiskDescription *description,
				  GError **error)
{
	BlockdevDescription blockdev = { 0 };
	const JsonFieldSet set = { blockdev_fields, &blockdev };
	BlockBackend *backend;

	if (!json_fields_read(description->blockdev, context->owner, &set, 1, error))
		return NULL;
	backend = open_blockdev(context, &blockdev, description->is_shared, error);
	json_fields_clear(&set, 1);
	return backend;
}

static gboolean is_power_of_two(guint64 value)
{
	return value > 0 && !(value & (value - 1));
}

static gboolean check(const DeviceContext *context, const DiskDescription *description,
		      GError **error)
{
	const char *wanted = _("a power of two is wanted");

	if (!is_power_of_two(description->queue_size))
		return json_fields_refuse(error, context->owner, "queue-size", wanted);
	if (description->logical_block_size && !is_power_of_two(description->logical_block_size))
		return json_fields_refuse(error, context->owner, "logical_block_size", wanted);
	if (description->physical_block_size && !is_power_of_two(description->physical_block_size))
		return json_fields_refuse(error, context->owner, "physical_block_size", wanted);
	return TRUE;
}

/* Blocks that are smaller than the image's own would have to be read before they are written. */
static gboolean check_blocks(const DeviceContext *context, const DiskDescription *description,
			     const BlockBackend *backend, GError **error)
{
	const guint32 smallest = block_backend_limits(backend)->logical_block_size;
	g_autofree char *reason = NULL;

	if (!description->logical_block_size || description->logical_block_size >= smallest)
		return TRUE;
	reason = g_strdup_printf(_("the image has blocks of %u bytes"), smallest);
	return json_fields_refuse(error, context->owner, "logical_block_size", reason);
}

static void failed(void *opaque, const DiskError *error)
{
	const DeviceSurroundings *surroundings = opaque;

	surroundings->host->disk_failed(surroundings->opaque, error);
}

static VirtioBlk *make_disk(const DeviceContext *context, const DiskDescription *description,
			    BlockBackend *backend, VirtioDeviceConfig *config)
{
	const VirtioBlkConfig disk = {
		.backend = backend,
		.id = context->id,
		.serial = description->serial,
		.n_queues = (guint)description->n_queues,
		.queue_size = (guint16)description->queue_size,
		.logical_block_size = (guint32)description->logical_block_size,
		.physical_block_size = (guint32)description->physical_block_size,
		.has_write_cache = description->has_write_cache,
		.read_policy = (VirtioBlkPolicy)description->read_policy,
		.write_policy = (VirtioBlkPolicy)description->write_policy,
		.failed = failed,
		.opaque = (void *)context->surroundings,
	};

	return virtio_blk_new(&disk, config);
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const DiskDescription *description = opaque;
	BlockBackend *backend;
	VirtioDeviceConfig config;
	VirtioDevice *virtio;
	VirtioBlk *blk;
	IoRing *ring;

	if (!check(context, description, error))
		return FALSE;
	backend = open_backend(context, description, error);
	if (!backend)
		return FALSE;
	if (!check_blocks(context, description, backend, error)) {
		block_backend_free(backend);
		return FALSE;
	}
	blk = make_disk(context, description, backend, &config);
	virtio = virtio_pci_new(context, &description->options, &config, error);
	if (!virtio) {
		virtio_blk_free(blk);
		return FALSE;
	}
	ring = io_thread_ring(virtio_device_io_thread(virtio), error);
	if (!ring) {
		device_registry_remove(context->surroundings->registry, context->id);
		return FALSE;
	}
	virtio_blk_attach(blk, virtio, ring, io_ring_staging(ring));
	return TRUE;
}

const DeviceType virtio_blk_type = {
	.name = "virtio-blk-pci",
	.is_pci = TRUE,
	.boot_name = "scsi",
	.boot_unit = "disk@0,0",
	.fields = fields,
	.description_size = sizeof(DiskDescription),
	.create = create,
};
