/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-blk.h - a disk
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.2.
 *
 * Theory of operation
 *
 * A request is a chain: a header, data, and a byte of status. Chains are popped, read and given
 * back by the batch, so that one trip of the I/O thread's DMA channel carries many of them: first
 * all headers, then what is to be written, and in the other direction what was read with all the
 * statuses. In between content is in the I/O thread's staging memory; or nowhere, where guest
 * memory is direct (vmm/memory/direct.h) and the backend can do with that: what cannot be done so
 * is copied. What a request wants is done in parts of at most VIRTIO_BLK_PART bytes, one after the
 * other; a request waits in a queue where there is no staging memory for its next part. Chains are
 * left in their queues while those in hand have VIRTIO_BLK_PIECES buffers together.
 *
 * What the backend cannot do is the guest's error, or nobody's, or the machine stops, as the
 * disk's policy says. A request with which the machine has stopped waits until it goes on, and is
 * then done again from the part that failed: the guest sees a disk that took long.
 *
 * A chain that is no request (no header, no room for a status, memory that is none) breaks the
 * device, until the guest resets it. A request that asks for what a disk does not do, or for
 * sectors that are not there, is an error that the guest is told.
 */
#pragma once

#include "vmm/backend/block.h"
#include "vmm/backend/staging.h"
#include "vmm/device/disk-error.h"
#include "vmm/virtio/device.h"

#define VIRTIO_BLK_PART (1u << 20)

/* As many as Linux makes with one queue of 256; one chain may go beyond it. */
#define VIRTIO_BLK_PIECES (64u << 10)

typedef struct {
	BlockBackend *backend; /* taken */
	const char *serial;    /* or NULL; at most 20 bytes of it are shown */
	guint n_queues;
	guint16 queue_size;
	guint32 logical_block_size; /* 0: as the backend has it */
	guint32 physical_block_size;
	gboolean has_write_cache; /* at first; the guest may turn it on and off */
	DiskErrorHandler errors;  /* its id is copied */
} VirtioBlkConfig;

typedef struct VirtioBlk VirtioBlk;

/* What the transport calls; its opaque is the disk. */
extern const VirtioDeviceOperations virtio_blk_operations;

/*
 * virtio_blk_new - make a disk
 * @device: filled in for the transport, as far as it depends on the disk
 */
VirtioBlk *virtio_blk_new(const VirtioBlkConfig *config, VirtioDeviceConfig *device);

/*
 * virtio_blk_attach - its transport is there, which has it from now on, by @device's operations
 * @ring, @staging: the I/O thread's; outlive the disk
 */
void virtio_blk_attach(VirtioBlk *blk, VirtioDevice *virtio, IoRing *ring, Staging *staging);

/* For who has no transport for it. */
void virtio_blk_free(VirtioBlk *blk);

/* The backend, for its statistics. */
BlockBackend *virtio_blk_backend(const VirtioBlk *blk);

/* Changes its limits. Any thread; the device lock may be held. @config: that is good */
void virtio_blk_set_limits(VirtioBlk *blk, const ThrottleConfig *config);

/* Its image has another size now. Any thread; the device lock may be held. */
void virtio_blk_poll_size(VirtioBlk *blk);
