/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.h - a virtqueue, as its device sees it: chains of the guest's buffers come out, and go back
 *
 * Virtual I/O Device (VIRTIO) 1.3, sections 2.6 to 2.8.
 *
 * Theory of operation
 *
 * The rings lie in guest memory that is pinned while the queue is enabled: they are read and
 * written in place. Buffers and indirect tables are not: a DMA channel carries them. A chain that
 * comes out has been read once and checked, and what the guest writes to its descriptors later
 * changes nothing of it. That its addresses are RAM is found by who carries the content.
 *
 * A guest's mistake breaks the queue: virtio_queue_pop() says what it was, once, and gives nothing
 * from then on. The device passes that on to virtio_device_broken(), and goes on with what it has
 * in hand; the guest has to reset it.
 *
 * Everything here is called on the I/O thread of the device and takes no lock, with the exception
 * of what is the transport's, at the end.
 *
 * How a device empties a queue:
 *
 *	do {
 *		virtio_queue_disable_kicks(queue);
 *		while ((chain = virtio_queue_pop(queue, &error)))
 *			serve(chain);            // virtio_queue_push() now or later
 *		virtio_queue_notify(queue);
 *	} while (!error && !virtio_queue_enable_kicks(queue));
 *
 * A device that stops half-way (no room in a backend, a limit on its rate) leaves kicks disabled
 * and comes back by itself.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/dma-pieces.h"
#include "vmm/memory/dma.h"

/* The largest queue, and the most descriptors that a chain has, those of an indirect table too. */
#define VIRTIO_QUEUE_SIZE_MAX 1024u
#define VIRTIO_CHAIN_MAX      1024u

typedef struct VirtioQueue VirtioQueue;

/* One chain of buffers. Only to be read, and only as long as it has not been pushed. */
typedef struct {
	const DmaPiece *out; /* what the device reads, in order; no piece wraps or has no bytes */
	guint n_out;
	guint64 out_size;   /* of all of them together; below 4 GiB, as in_size */
	const DmaPiece *in; /* what it writes */
	guint n_in;
	guint64 in_size;

	/* The queue's. */
	guint16 id;	       /* of the first descriptor; of the buffer in a packed ring */
	guint16 n_descriptors; /* of the ring that it takes */
	DmaPiece pieces[];
} VirtioChain;

/*
 * virtio_queue_pop - take the next chain that the guest has made available
 *
 * Return: a chain that virtio_queue_push() or virtio_queue_drop() takes; NULL without @error where
 * there is none; NULL with @error set where the guest has broken the queue just now. NULL, too,
 * where the queue is not enabled, or was broken before.
 */
VirtioChain *virtio_queue_pop(VirtioQueue *queue, GError **error);

/*
 * virtio_queue_unpop - put back the chain that was popped last, as if it had not been
 *
 * For a device that finds that it cannot serve it now. Takes @chain.
 */
void virtio_queue_unpop(VirtioQueue *queue, VirtioChain *chain);

/*
 * virtio_queue_push - give a chain back to the guest; in any order
 * @chain:   taken
 * @written: bytes from the start of its in that were written
 */
void virtio_queue_push(VirtioQueue *queue, VirtioChain *chain, guint32 written);

/*
 * virtio_queue_drop - free a chain that the guest does not get back
 *
 * In stop(): the guest resets the device, or has broken it. The queue need not be enabled any more.
 */
void virtio_queue_drop(VirtioChain *chain);

/*
 * virtio_queue_hold, virtio_queue_release - give several chains back as one
 *
 * What is pushed in between becomes visible to the guest at release: for network frames in several
 * buffers, whose first one's header tells their number.
 */
void virtio_queue_hold(VirtioQueue *queue);
void virtio_queue_release(VirtioQueue *queue);

/* Interrupts the guest, if it wants that for what was pushed since the last call. */
void virtio_queue_notify(VirtioQueue *queue);

/*
 * virtio_queue_enable_kicks - ask the guest for a kick when it makes more available
 *
 * Return: FALSE where more has come meanwhile, for which no kick need come: go on popping.
 */
gboolean virtio_queue_enable_kicks(VirtioQueue *queue);

/* Tells the guest that kicks are not needed. Some may come nevertheless. */
void virtio_queue_disable_kicks(VirtioQueue *queue);

/* Whether the guest has set the queue up and not reset it since. */
gboolean virtio_queue_is_enabled(const VirtioQueue *queue);

/* Descriptors in its ring: 0 where it is not enabled. */
guint virtio_queue_size(const VirtioQueue *queue);

/*
 * virtio_chain_read - copy a part of what the guest has for the device
 * @channel: of the I/O thread
 *
 * [offset, offset + size) is within out_size, or it is an error; so is what is no RAM.
 */
gboolean virtio_chain_read(const VirtioChain *chain, DmaChannel *channel, guint64 offset,
			   void *data, gsize size, GError **error);

/* The same the other way, to a part of in. */
gboolean virtio_chain_write(const VirtioChain *chain, DmaChannel *channel, guint64 offset,
			    const void *data, gsize size, GError **error);

/*
 * The rest is the transport's.
 */

/* What the guest and the transport have agreed on. The addresses are the host's, of pins. */
typedef struct {
	guint16 size; /* 1 to VIRTIO_QUEUE_SIZE_MAX; a power of two, but for packed rings */
	gboolean is_packed;
	gboolean has_indirect;
	gboolean has_event_index;
	void *descriptors; /* virtio_queue_*_bytes() of each, aligned as the standard has it */
	void *driver;
	void *device;
	DmaChannel *channel;
} VirtioQueueSetup;

/* How many bytes each area of a queue of @size takes, and on what it has to be aligned. */
guint64 virtio_queue_descriptor_bytes(guint size);
guint64 virtio_queue_driver_bytes(guint size, gboolean is_packed);
guint64 virtio_queue_device_bytes(guint size, gboolean is_packed);
#define VIRTIO_QUEUE_DESCRIPTOR_ALIGN	     16u
#define VIRTIO_QUEUE_DRIVER_ALIGN(is_packed) ((is_packed) ? 4u : 2u)
#define VIRTIO_QUEUE_DEVICE_ALIGN	     4u

/*
 * virtio_queue_new - make a queue, not enabled
 * @interrupt: sends the queue's interrupt; called on the I/O thread
 */
VirtioQueue *virtio_queue_new(guint index, void (*interrupt)(void *opaque, guint index),
			      void *opaque);
void virtio_queue_free(VirtioQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VirtioQueue, virtio_queue_free)

/* While nobody uses the queue: everything begins, or nothing more comes from it. */
void virtio_queue_enable(VirtioQueue *queue, const VirtioQueueSetup *setup);
void virtio_queue_disable(VirtioQueue *queue);

/*
 * virtio_queue_lose - the rings are not to be read or written any more
 *
 * Any thread, at any time: the guest has taken their memory away. The queue is as if it was not
 * enabled, until virtio_queue_find(), which comes before there are rings again.
 */
void virtio_queue_lose(VirtioQueue *queue);
void virtio_queue_find(VirtioQueue *queue);
