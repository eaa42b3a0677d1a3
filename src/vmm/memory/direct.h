/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * direct.h - guest memory that the kernel reads files into, and writes them from, without a copy
 *
 * Theory of operation
 *
 * With windows no process has guest memory mapped, and none has to: io_uring can be told of memory
 * (a registered buffer), and knows its pages from then on. So a piece of guest memory is mapped for
 * a moment, registered, and unmapped; what is read by the number of the buffer lands in the guest's
 * own pages. To register takes longer than a copy, so that it pays for what is used again: a piece
 * is registered when it has been asked for often enough, or much of it was, in the place of the one
 * that was not used for longest. All else is carried by DMA channels (dma.h).
 *
 * A registered page is held until it is given up. Where the guest, a reset or a balloon takes a
 * page away, guest memory has another page there from then on: so the memory engine has the piece
 * given up first. What is under way then ends in the old page, which is nobody's. What was prepared
 * and not yet given to the kernel fails there with EFAULT, and has to be done another way.
 *
 * With ordinary memory everything is direct at once, and nothing is registered. With two-sided
 * memory nothing is: private pages are in no mapping at all.
 *
 * The owner is one I/O thread, whose io_uring it is; the engine knows io_uring by one function.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/memory.h"

/* A piece: so much, aligned to it. */
#define DIRECT_PIECE_SIZE (256ull << 10)

typedef struct DirectMemory DirectMemory;

/*
 * Has the kernel know [address, address + size) as a buffer, or, with NULL, nothing any more by
 * that number. Nothing is said to it then that has not been said before it returns.
 *
 * On the owner's thread, or to forget on one that changes memory, with locks of the engine held: it
 * makes its system call (IORING_REGISTER_BUFFERS_UPDATE) and nothing else.
 *
 * Return: FALSE where the kernel refuses, for lack of memory that may be locked say.
 */
typedef gboolean (*DirectSetBuffer)(void *opaque, guint buffer, void *address, gsize size);

/* A part of guest memory that may be used. */
typedef struct {
	void *address; /* to give to io_uring; with a buffer, nothing that could be touched */
	guint64 size;
	gint buffer; /* its number; -1: it is plain memory */
} DirectUse;

/* Whether this kind of memory has any. */
gboolean memory_can_be_direct(const Memory *memory);

/* Whether it has to be registered for that: windows. */
gboolean memory_can_be_registered(const Memory *memory);

/*
 * direct_memory_new - make a table for an I/O thread's ring
 * @first: number of the first of @count buffers, all of which the ring has and knows nothing by
 *
 * Where memory cannot be direct, nothing ever is.
 *
 * Return: one for direct_memory_free(), or NULL with @error set where there is no room in the
 * address space.
 */
DirectMemory *direct_memory_new(Memory *memory, guint first, guint count, DirectSetBuffer set,
				void *opaque, GError **error);

/* Nothing is used any more; the kernel forgets all. Before the ring goes. */
void direct_memory_free(DirectMemory *direct);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirectMemory, direct_memory_free)

/*
 * direct_memory_begin - use guest memory at @gpa, @size bytes of it or less
 * @use: filled in; what is behind its size is asked for anew
 *
 * On the owner's thread; waits for the memory engine, as a DMA channel does. Its pages may be no
 * RAM a moment later, which harms the guest alone.
 *
 * Return: TRUE, and direct_memory_end() has to follow when the kernel is done with it; FALSE where
 * it is to be carried by a channel, since it is not registered, or no RAM.
 */
gboolean direct_memory_begin(DirectMemory *direct, guint64 gpa, guint64 size, DirectUse *use);

/* @is_done: all of it was read or written, which is counted */
void direct_memory_end(DirectMemory *direct, const DirectUse *use, gboolean is_done);
