/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-blk-pci.c - disks as they are described
 *
 * Members have QEMU's names and defaults. The backend is there before the disk is, so that an
 * image that cannot be used is an error which leaves nothing behind; it gets its ring from the
 * disk's I/O thread.
 */
#include "vmm/virtio/virtio-blk-pci.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/device/blockdev.h"
#include "vmm/device/dma-choice.h"
#include "vmm/device/throttling.h"
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
	guint dma; /* DmaChoice */
	JsonObject *blockdev;
	JsonObject *throttling;
} DiskDescription;

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
	  .choices = disk_read_policies },
	{ .name = "werror",
	  .type = JSON_FIELD_CHOICE,
	  .offset = G_STRUCT_OFFSET(DiskDescription, write_policy),
	  .value = DISK_POLICY_ENOSPC,
	  .choices = disk_write_policies },
	DMA_CHOICE_FIELD(DiskDescription, dma),
	{ .name = "blockdev",
	  .type = JSON_FIELD_OBJECT,
	  .offset = G_STRUCT_OFFSET(DiskDescription, blockdev),
	  .is_required = TRUE },
	{ .name = "throttling",
	  .type = JSON_FIELD_OBJECT,
	  .offset = G_STRUCT_OFFSET(DiskDescription, throttling) },
	{ .name = NULL },
};

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

static VirtioBlk *make_disk(const DeviceContext *context, const DiskDescription *description,
			    BlockBackend *backend, VirtioDeviceConfig *config)
{
	const VirtioBlkConfig disk = {
		.backend = backend,
		.serial = description->serial,
		.n_queues = (guint)description->n_queues,
		.queue_size = (guint16)description->queue_size,
		.logical_block_size = (guint32)description->logical_block_size,
		.physical_block_size = (guint32)description->physical_block_size,
		.has_write_cache = description->has_write_cache,
		.errors = blockdev_errors(context, description->read_policy,
					  description->write_policy),
	};

	return virtio_blk_new(&disk, config);
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const DiskDescription *description = opaque;
	BlockBackend *backend;
	VirtioDeviceConfig config;
	ThrottleConfig limits;
	VirtioDevice *virtio;
	VirtioBlk *blk;
	IoRing *ring;

	if (!check(context, description, error) ||
	    !dma_choice_check(context, description->dma, error) ||
	    !throttling_read(description->throttling, context->owner, &limits, error))
		return FALSE;
	backend = blockdev_open(context, description->blockdev, description->is_shared, error);
	if (!backend)
		return FALSE;
	if (!check_blocks(context, description, backend, error)) {
		block_backend_free(backend);
		return FALSE;
	}
	throttle_set(block_backend_throttle(backend), &limits);
	blk = make_disk(context, description, backend, &config);
	config.uses_windows = description->dma == DMA_CHOICE_WINDOW;
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
