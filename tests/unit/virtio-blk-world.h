/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-blk-world.h - a virtio disk with a guest, an image and a transport that are made up
 *
 * Theory of operation
 *
 * Everything is one thread's, which is the I/O thread. Guest memory is an array (made-up-memory.h),
 * the queues are real ones in it, and the image is another array (made-up-image.h).
 */
#pragma once

#include <linux/virtio_blk.h>
#include <linux/virtio_ring.h>

#include "made-up-image.h"
#include "made-up-memory.h"
#include "vmm/virtio/virtio-blk.h"

#define WORLD_QUEUES	   2u
#define WORLD_QUEUE_SIZE   64u
#define WORLD_RINGS(queue) (MADE_UP_RAM + (queue)*0x4000ull)
#define WORLD_HEADERS	   (MADE_UP_RAM + 0x8000ull)
#define WORLD_DATA	   (MADE_UP_RAM + 0x10000ull)
#define WORLD_DATA_SIZE	   0x30000u

/* The transport */

struct IoThread {
	GMainContext *context;
};

struct VirtioDevice {
	IoThread thread;
	VirtioDeviceConfig config;
	VirtioQueue *queues[WORLD_QUEUES];
	guint n_interrupts;
	guint n_broken;
	guint n_config_changes;
};

VirtioQueue *virtio_device_queue(VirtioDevice *device, guint index)
{
	g_assert_cmpuint(index, <, device->config.n_queues);
	return device->queues[index];
}

IoThread *virtio_device_io_thread(VirtioDevice *device)
{
	return &device->thread;
}

void virtio_device_broken(VirtioDevice *device, const GError *error)
{
	g_assert_nonnull(error);
	device->n_broken++;
}

void virtio_device_config_changed(VirtioDevice *device)
{
	device->n_config_changes++;
}

GMainContext *io_thread_context(IoThread *thread)
{
	return thread->context;
}

DmaChannel *virtio_device_dma(VirtioDevice *device G_GNUC_UNUSED)
{
	return NULL;
}

DirectMemory *virtio_device_direct(VirtioDevice *device)
{
	return (DirectMemory *)device;
}

void io_thread_call(IoThread *thread G_GNUC_UNUSED, void (*function)(void *opaque), void *opaque)
{
	function(opaque);
}

/* All together, and the guest's driver */

typedef struct {
	VirtioDevice device;
	MadeUpImage *image;
	Staging *staging;
	VirtioBlk *blk;
	DiskError last_error;
	guint n_errors;
	guint16 available[WORLD_QUEUES];
	guint16 used[WORLD_QUEUES];
	guint next_descriptor[WORLD_QUEUES];
} World;

static inline void world_interrupt(void *opaque, guint index G_GNUC_UNUSED)
{
	((World *)opaque)->device.n_interrupts++;
}

static inline void world_failed(void *opaque, const DiskError *error)
{
	World *world = opaque;

	world->last_error = *error;
	world->n_errors++;
}

static inline void *world_address(guint64 gpa)
{
	return made_up_address(gpa, 0);
}

static inline void world_enable_queue(World *world, guint queue)
{
	const guint64 rings = WORLD_RINGS(queue);
	const VirtioQueueSetup setup = {
		.size = WORLD_QUEUE_SIZE,
		.has_indirect = TRUE,
		.descriptors = world_address(rings),
		.driver = world_address(rings + 0x1000),
		.device = world_address(rings + 0x2000),
	};

	memset(world_address(rings), 0, 0x3000);
	world->available[queue] = 0;
	world->used[queue] = 0;
	virtio_queue_enable(world->device.queues[queue], &setup);
}

static inline void world_start(World *world, guint64 features)
{
	for (guint i = 0; i < WORLD_QUEUES; i++)
		world_enable_queue(world, i);
	world->device.config.operations->start(world->blk, features);
}

static inline void world_stop(World *world)
{
	world->device.config.operations->stop(world->blk);
	for (guint i = 0; i < WORLD_QUEUES; i++)
		virtio_queue_disable(world->device.queues[i]);
}

static inline void world_init(World *world, const BlockConfig *image, DiskErrorPolicy policy)
{
	g_autoptr(GError) error = NULL;
	VirtioBlkConfig config = {
		.serial = "a serial that is longer than there is room for",
		.n_queues = WORLD_QUEUES,
		.queue_size = WORLD_QUEUE_SIZE,
		.has_write_cache = TRUE,
		.errors = {
			.id = "disk0",
			.read_policy = policy,
			.write_policy = policy,
			.failed = world_failed,
			.opaque = world,
		},
	};

	*world = (World){ 0 };
	memset(made_up_ram, 0, sizeof(made_up_ram));
	world->device.thread.context = g_main_context_new();
	world->image = made_up_image_new(image);
	world->staging = staging_new(WORLD_STAGING, &error);
	g_assert_no_error(error);
	config.backend = &world->image->backend;
	world->blk = virtio_blk_new(&config, &world->device.config);
	for (guint i = 0; i < WORLD_QUEUES; i++)
		world->device.queues[i] = virtio_queue_new(i, world_interrupt, world);
	virtio_blk_attach(world->blk, &world->device, NULL, world->staging);
	world_start(world, world->device.config.operations->features(world->blk));
}

static inline void world_clear(World *world)
{
	world_stop(world);
	world->device.config.operations->free(world->blk);
	for (guint i = 0; i < WORLD_QUEUES; i++)
		virtio_queue_free(world->device.queues[i]);
	staging_free(world->staging);
	g_main_context_unref(world->device.thread.context);
}

/* A piece of a chain; what the device writes has VRING_DESC_F_WRITE. */
typedef struct {
	guint64 gpa;
	guint32 size;
	guint16 flags;
} WorldPiece;

static inline void world_add(World *world, guint queue, const WorldPiece *pieces, guint count)
{
	struct vring_desc *descriptors = world_address(WORLD_RINGS(queue));
	struct vring_avail *available = world_address(WORLD_RINGS(queue) + 0x1000);
	const guint head = world->next_descriptor[queue] % WORLD_QUEUE_SIZE;

	for (guint i = 0; i < count; i++) {
		const guint at = world->next_descriptor[queue]++ % WORLD_QUEUE_SIZE;

		descriptors[at] = (struct vring_desc){
			.addr = pieces[i].gpa,
			.len = pieces[i].size,
			.flags = pieces[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0),
			.next = (guint16)(world->next_descriptor[queue] % WORLD_QUEUE_SIZE),
		};
	}
	available->ring[world->available[queue]++ % WORLD_QUEUE_SIZE] = (guint16)head;
	available->idx = world->available[queue];
}

static inline void world_kick(World *world, guint queue)
{
	world->device.config.operations->kicked(world->blk, queue);
}

/* Lets the thread do what there is to do now. */
static inline void world_settle(World *world)
{
	while (g_main_context_iteration(world->device.thread.context, FALSE))
		;
	g_main_context_iteration(world->device.thread.context, FALSE);
}

/* How many chains have come back since the last call. */
static inline guint world_used(World *world, guint queue)
{
	const struct vring_used *used = world_address(WORLD_RINGS(queue) + 0x2000);
	const guint count = (guint16)(used->idx - world->used[queue]);

	world->used[queue] = used->idx;
	return count;
}
