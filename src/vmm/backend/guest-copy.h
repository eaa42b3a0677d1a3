/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-copy.h - what devices copy to and from guest memory all the time
 *
 * Theory of operation
 *
 * With windows a DMA channel maps each piece for its copy, which takes longer than the copy. But
 * the kernel knows pieces of guest memory that are used often (vmm/memory/direct.h), and its
 * io_uring reads files into them and writes files from them. No mapping is made, no window opened,
 * and all pieces of a transfer go in one system call.
 *
 * To the guest: a buffer is a file of memory, which is mapped here; what is put into it io_uring
 * reads into guest memory.
 *
 * From the guest: io_uring writes to a pipe, and that is read. Not to a file of memory: what is to
 * be written to any file io_uring hands to another thread, which takes 47 us for a page where a
 * channel takes 9. A pipe takes it at once, in the order in which it was asked, as it never waits
 * for room: no more is under way than it has room for.
 *
 * Pieces that the kernel does not know, or not any more, are carried by the channel.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/direct.h"
#include "vmm/memory/dma.h"

typedef struct GuestCopy GuestCopy;

/* The size of each one's buffer, in bytes. */
#define GUEST_COPY_SIZE (256u << 10)

/*
 * guest_copy_new - make one with a buffer
 * @memory: memory_can_be_registered(); outlives it
 *
 * On the main thread; for one thread at a time then.
 *
 * Return: one for guest_copy_free(), or NULL with @error set where the host does not let it, or
 * where there are only spares and none is left.
 */
GuestCopy *guest_copy_new(Memory *memory, GError **error);
void guest_copy_free(GuestCopy *copy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestCopy, guest_copy_free)

/*
 * guest_copy_keep_spares - make @count for later, and none otherwise from now on
 *
 * For the end of setting up, after which no ring can be made any more: guest_copy_new() takes one
 * of these then, and guest_copy_free() gives them back. Where the host does not let it, there are
 * fewer. On the main thread.
 */
void guest_copy_keep_spares(guint count);

/* The memory of the buffer. */
guint8 *guest_copy_buffer(const GuestCopy *copy);

/*
 * guest_copy_write - put the buffer's content into pieces of guest memory, one behind the other
 * @channel: carries what the kernel does not know
 *
 * More than the buffer has is an error; otherwise as dma_channel_write().
 */
gboolean guest_copy_write(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			  GError **error);

/*
 * guest_copy_serve - from now on the channel carries only what the kernel does not know
 * @channel: of the copy's thread; used no more when @copy is freed
 *
 * What fits into the buffer, which is the channel's then, and as much as there is the other way.
 */
void guest_copy_serve(GuestCopy *copy, DmaChannel *channel);
