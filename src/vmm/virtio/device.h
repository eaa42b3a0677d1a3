/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device.h - what a virtio device and its transport ask of each other
 *
 * Virtual I/O Device (VIRTIO) 1.3, chapters 2 and 3. docs/virtio.md explains threads and locks.
 *
 * Theory of operation
 *
 * The transport does what is the same with each device: features, status, queues, interrupts,
 * configuration space as far as it is registers. A device has its own features and configuration,
 * and serves its queues on its I/O thread, where it neither has nor takes the device lock. What the
 * device's configuration shares between its I/O thread and config_read() has a lock of its own.
 *
 * Between start() and stop() queues may be used, unless a drain() has come: then not before
 * resume(). Each queue that is enabled is kicked once after start() and after resume().
 */
#pragma once

#include <glib.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "vmm/device/io-thread.h"
#include "vmm/virtio/queue.h"

typedef struct VirtioDevice VirtioDevice;

/* A feature bit as a mask: linux/virtio_*.h have their numbers. */
#define VIRTIO_FEATURE(bit) (1ull << (bit))

/* Each but kicked() and free() may be NULL. */
typedef struct {
	/* What the device offers, besides what is the transport's; device lock held. */
	guint64 (*features)(void *device);
	/*
	 * The guest reads or writes [offset, offset + size), which is within config_size, of the
	 * configuration of the device; device lock held. Without config_write it is read-only.
	 */
	void (*config_read)(void *device, guint offset, void *data, guint size);
	void (*config_write)(void *device, guint offset, const void *data, guint size);
	/* DRIVER_OK, with what both sides support; on the I/O thread, as all below. */
	void (*start)(void *device, guint64 features);
	/* There may be something in that queue. */
	void (*kicked)(void *device, guint queue);
	/* When it returns, nothing is in flight any more and the device uses no queue. */
	void (*stop)(void *device);
	/* The same for one queue that the guest resets; the device goes on with the others. */
	void (*stop_queue)(void *device, guint queue);
	/*
	 * The machine pauses: when it returns, no guest memory is used. Nothing is in flight but
	 * what a server does not answer (backend/block.h).
	 */
	void (*drain)(void *device);
	void (*resume)(void *device);
	/* After stop(), if it was started; on the main thread, with nobody using the device. */
	void (*free)(void *device);
} VirtioDeviceOperations;

typedef struct {
	const char *name;   /* for messages, such as "virtio-rng"; lent for the device's life */
	guint16 device_id;  /* VIRTIO_ID_* */
	guint32 class_code; /* of the PCI function: class, subclass and programming interface */
	guint n_queues;	    /* 1 to VIRTIO_DEVICE_QUEUES_MAX */
	guint16 queue_size; /* the largest that a guest may choose: a power of two */
	guint config_size;  /* bytes, at most VIRTIO_DEVICE_CONFIG_MAX */
	const VirtioDeviceOperations *operations; /* lent for the device's life */
	void *opaque;				  /* for them */
	int rom_fd; /* of an expansion ROM, where has_rom; lent for the call */
	gboolean has_rom;
	gboolean uses_windows; /* DMA_CHOICE_WINDOW: see device/dma-choice.h */
} VirtioDeviceConfig;

#define VIRTIO_DEVICE_QUEUES_MAX 256u
#define VIRTIO_DEVICE_CONFIG_MAX 4096u

VirtioQueue *virtio_device_queue(VirtioDevice *device, guint index);
IoThread *virtio_device_io_thread(VirtioDevice *device);

/* What the device reads and writes guest memory by, and what its disk may have of that without a
 * copy: NULL where there is none. Both the I/O thread's, to be used on it. */
DmaChannel *virtio_device_dma(VirtioDevice *device);
DirectMemory *virtio_device_direct(VirtioDevice *device);

/*
 * virtio_device_broken - tell the guest that it has to reset the device
 * @error: what happened, for the log; only lent
 *
 * DEVICE_NEEDS_RESET and an interrupt, once until the reset. Any thread; takes no device lock.
 */
void virtio_device_broken(VirtioDevice *device, const GError *error);

/*
 * The device's configuration has changed: a new generation, and an interrupt where there is a
 * driver. As above.
 */
void virtio_device_config_changed(VirtioDevice *device);
