/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-queue.h - what goes between guest memory and an image
 *
 * Theory of operation
 *
 * A transfer is a request of a drive's: done in parts of at most DISK_QUEUE_PART bytes, one after
 * the other. A part is in the guest's own memory where that is direct (vmm/backend/direct-part.h),
 * and else in the I/O thread's staging memory, for which transfers wait in a queue. What was read
 * and is little stays there when the transfer ends, so that its owner carries it to the guest
 * together with the news.
 *
 * What the disk's limits hold back waits before that, and holds nothing.
 *
 * What the backend cannot do is the transfer's error, or nobody's, or the machine stops, as the
 * policy says. A transfer with which the machine has stopped waits until it goes on, and is then
 * done again from the part that failed.
 *
 * All on the I/O thread, but where it is said.
 */
#pragma once

#include "vmm/backend/block.h"
#include "vmm/backend/direct-part.h"
#include "vmm/backend/staging.h"
#include "vmm/device/disk-error.h"
#include "vmm/device/io-thread.h"

#define DISK_QUEUE_PART	 (1u << 20)
#define DISK_QUEUE_SMALL (16u << 10)

typedef struct DiskQueue DiskQueue;
typedef struct DiskTransfer DiskTransfer;

typedef enum {
	DISK_TRANSFER_DONE,
	DISK_TRANSFER_FAILED, /* the backend could not */
	DISK_TRANSFER_LOST,   /* the guest has named memory that is none */
} DiskTransferEnd;

struct DiskTransfer {
	BlockOperation operation;
	guint64 offset; /* bytes, of the image */
	guint64 size;	/* not 0 where there is data */
	/* Of a read or write: at least so much guest memory, which stays until the end. */
	const DmaPiece *pieces;
	guint n_pieces;
	void (*end)(DiskTransfer *transfer, DiskTransferEnd how);
	void *opaque;

	/* What was read and is the owner's to carry, until disk_transfer_clear(); or NULL. */
	guint8 *staging;
	gsize part_size;

	/* The queue's. */
	DiskQueue *queue;
	GList link;
	guint64 done;
	BlockRequest block;
	struct iovec iovec;
	DirectPart direct;
	gboolean is_copied; /* it has failed the direct way */
	ThrottleEntry entry;
};

/*
 * disk_queue_new - make a queue; on the main thread
 * @thread:          whose it is; outlives it
 * @ring, @staging: the thread's
 * @errors:          its id is copied
 */
DiskQueue *disk_queue_new(IoThread *thread, IoRing *ring, Staging *staging,
			  const DiskErrorHandler *errors);

/*
 * disk_queue_use_windows - have all that the drive reads and writes go by a window
 * @channel: the thread's, for that; outlives the queue
 *
 * Before it is used.
 */
void disk_queue_use_windows(DiskQueue *queue, DmaChannel *channel);

/* What the drive, and its port, read and write guest memory by. */
DmaChannel *disk_queue_dma(const DiskQueue *queue);

/* With nothing in flight. */
void disk_queue_free(DiskQueue *queue);

/*
 * disk_queue_set_backend - give it a backend instead of the one that it has, which is freed
 * @backend: taken; or NULL: none
 *
 * With nothing in flight and nothing waiting; on the main thread before the queue is used, or on
 * the I/O thread.
 */
void disk_queue_set_backend(DiskQueue *queue, BlockBackend *backend);
BlockBackend *disk_queue_backend(const DiskQueue *queue);

/* Changes the limits of the backend. Any thread; the device lock may be held. @config: that is good
 */
void disk_queue_set_limits(DiskQueue *queue, const ThrottleConfig *config);

/*
 * disk_queue_poll_size - the image has another size now
 *
 * Any thread; the device lock may be held. Return: what it is, in bytes.
 */
guint64 disk_queue_poll_size(DiskQueue *queue);

/* Where there is a backend. */
void disk_queue_submit(DiskQueue *queue, DiskTransfer *transfer);

/* Gives what it has kept back. */
void disk_transfer_clear(DiskTransfer *transfer);

/* No part is begun from now on; those that are under way end. Each call has its counterpart. */
void disk_queue_hold(DiskQueue *queue);
void disk_queue_release(DiskQueue *queue);
gboolean disk_queue_is_busy(const DiskQueue *queue);

/* Waits for those that are under way, and gives a server up that does not answer (block.h). */
void disk_queue_finish(DiskQueue *queue, GMainContext *context);

/* Forgets what waits, with nothing in flight. Their owners are not told. */
void disk_queue_forget(DiskQueue *queue);

/* Fails what waits, with nothing in flight. */
void disk_queue_fail(DiskQueue *queue);

/* The machine goes on: what it has stopped with is done again, before what came later. */
void disk_queue_retry(DiskQueue *queue);
