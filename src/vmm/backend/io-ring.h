/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io-ring.h - an io_uring for the files of one I/O thread
 *
 * Theory of operation
 *
 * A ring is made while the machine is set up, or by who adds an I/O thread, and belongs from
 * io_ring_attach() on to the thread that runs that main context. What is begun there goes to the
 * kernel in one system call just before the thread sleeps, so that what a guest asks for in one
 * kick leaves together. What has ended is told by the ring's own descriptor.
 *
 * It may do no more than what is below (uring.h). The kernel can know memory by a number, a buffer,
 * and needs no address of this process's for it then. Buffer 0 is the staging memory; others are
 * guest memory that is mapped nowhere: see vmm/memory/direct.h. Such memory is told from all other
 * by its addresses, of which each buffer has its own. What goes there in one request, to several
 * buffers, is several for the kernel, and one for its owner again when all have ended.
 *
 * An entry is its owner's memory, and is the ring's until it is complete. The kernel gives a part
 * of the work back, now and then: what is incomplete is for the owner to continue, but what was
 * only interrupted begins again by itself.
 */
#pragma once

#include <glib.h>
#include <sys/uio.h>

#include "vmm/backend/staging.h"

typedef struct IoRing IoRing;
typedef struct IoRingEntry IoRingEntry;
typedef struct IoRingPart IoRingPart;

struct IoRingEntry {
	/* @result: bytes, or 0, or a negative errno. On the ring's thread, never from within a
	 * call that began it. */
	void (*complete)(IoRingEntry *entry, gint64 result);

	/* The ring's. */
	IoRingEntry *next;
	guint8 operation;
	int fd;
	int flags; /* of a write: RWF_*; of fallocate: FALLOC_FL_* */
	const struct iovec *iovec;
	guint n_iovec;
	guint64 offset;
	guint64 size;
	IoRingPart *parts; /* of a request for several buffers */
	guint n_parts;
	guint n_pending; /* of them */
};

/* Numbers of a ring's buffers that are for guest memory. */
#define IO_RING_FIRST_DIRECT 1u
#define IO_RING_DIRECT	     1024u

/*
 * io_ring_new - make a ring
 *
 * Return: a ring, or NULL with @error set where the kernel has no io_uring, or does not let this
 * process use it; or where there are only spares, and none is left.
 */
IoRing *io_ring_new(GError **error);

/* When nobody runs the context any more; nothing is under way. */
void io_ring_free(IoRing *ring);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoRing, io_ring_free)

/* From now on the thread that runs @context uses the ring. */
void io_ring_attach(IoRing *ring, GMainContext *context);

/*
 * What goes to and from disks, for who has the ring; the kernel knows it as a registered buffer,
 * if there was room for that under the limit of locked memory.
 */
Staging *io_ring_staging(const IoRing *ring);

/*
 * io_ring_keep_spares - make @count rings for later, and none otherwise from now on
 *
 * For the end of setting up, after which no ring can be made any more: io_ring_new() takes one of
 * these then, and io_ring_free() gives them back. What goes to and from disks has no memory as long
 * as one is spare. On the main thread, as these are.
 */
gboolean io_ring_keep_spares(guint count, GError **error);

/*
 * io_ring_set_buffer - has the kernel know guest memory, or forget it; a DirectSetBuffer
 * @ring: an IoRing
 */
gboolean io_ring_set_buffer(void *ring, guint buffer, void *address, gsize size);

/* The descriptor, for who closes all others; it is the ring's. */
int io_ring_fd(const IoRing *ring);

/*
 * Each begins what it says; @iovec stays where it is until that is complete. It is all guest memory
 * in buffers, IO_RING_PARTS_MAX pieces then, each in one buffer, or all other memory.
 */
#define IO_RING_PARTS_MAX 64u

void io_ring_read(IoRing *ring, IoRingEntry *entry, int fd, const struct iovec *iovec,
		  guint n_iovec, guint64 offset);
void io_ring_write(IoRing *ring, IoRingEntry *entry, int fd, const struct iovec *iovec,
		   guint n_iovec, guint64 offset, int flags);
void io_ring_sync_data(IoRing *ring, IoRingEntry *entry, int fd);
void io_ring_fallocate(IoRing *ring, IoRingEntry *entry, int fd, int mode, guint64 offset,
		       guint64 size);
