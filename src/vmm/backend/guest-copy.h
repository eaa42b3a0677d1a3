/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-copy.h - what a device copies to and from guest memory all the time
 *
 * Theory of operation
 *
 * With windows a DMA channel maps each piece for its copy, which takes longer than the copy. But
 * the kernel knows pieces of guest memory that are used often (vmm/memory/direct.h), and its
 * io_uring reads files into them and writes them from there. So the device's buffer is a file of
 * memory, which is mapped here: what is to go to the guest is put into the buffer, and read by
 * io_uring, from that file to guest memory; and the other way round. No mapping is made, no window
 * opened, and all pieces of a transfer go in one system call.
 *
 * Pieces that the kernel does not know, or not any more, are carried by the channel.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/direct.h"
#include "vmm/memory/dma.h"

typedef struct GuestCopy GuestCopy;

/*
 * guest_copy_new - make one with buffers
 * @memory: memory_can_be_registered(); outlives it
 * @size:   of a buffer, in bytes, in whole pages
 * @count:  of buffers
 *
 * While the machine is set up, io_ring_can_be_made(). For one thread at a time.
 *
 * Return: one for guest_copy_free(), or NULL with @error set where the host does not let it.
 */
GuestCopy *guest_copy_new(Memory *memory, gsize size, guint count, GError **error);
void guest_copy_free(GuestCopy *copy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GuestCopy, guest_copy_free)

/* The memory of a buffer. */
guint8 *guest_copy_buffer(const GuestCopy *copy, guint index);

/*
 * guest_copy_read - get the content of pieces of guest memory, one behind the other, to a buffer
 * @channel: carries what the kernel does not know
 * @index:   the buffer's; more than it has room for is an error
 *
 * Otherwise as dma_channel_read().
 */
gboolean guest_copy_read(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			 guint index, GError **error);

/* The same the other way. */
gboolean guest_copy_write(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			  guint index, GError **error);
