/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pin.h - guest memory that a device keeps an address of: the rings of its queues
 *
 * Theory of operation
 *
 * Content is carried by DMA channels (dma.h), and nothing stays. A queue's rings are read and
 * written all the time, a few bytes each: they are pinned while the queue is enabled. Pinned pages
 * are shared, the host sees them at an address that stays, and whoever uses that address never
 * waits for the memory engine. They are counted as what they are (CONVERSION_RING), and are left
 * alone by reclaim. What a pin made shared is private again when the last pin of a page goes,
 * content kept; what the guest has shared itself stays as the guest wants it.
 *
 * A guest may make a pinned page private, by hypercall, and a reset does: it gets what it asks for,
 * and the pin is lost. The address stays good until memory_unpin(): reads give zeroes or what was
 * there last, writes go nowhere that the guest would be told of. So a device that was slow to hear
 * of it does no harm, and what the guest keeps in the page from then on is not seen by anybody.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/memory.h"

typedef struct MemoryPin MemoryPin;

/*
 * Called once, on the thread that has made a part of a pin private: a vCPU's, outside KVM_RUN, or
 * the one that resets. No lock of the engine is held, but the thread's own may be. It must not wait
 * for anybody, take the device lock, or unpin: it posts, and who uses the pin unpins soon.
 */
typedef void (*MemoryPinLost)(void *opaque);

/*
 * memory_pin - have the host see [gpa, gpa + size) until memory_unpin()
 * @gpa, @size: any alignment, not empty; all of it RAM that is shown, in one block of it (those
 *              end at 640 KiB, 1 MiB and 4 GiB's hole), else an error that names the range
 * @lost:       see above; NULL: nobody wants to know
 *
 * Any thread but the memory thread; waits for it. The device lock may be held. Pins may overlap.
 * Under MEMORY_POLICY_GUEST_ONLY what is private is an error: the guest has to share it first.
 *
 * Return: a pin for memory_unpin(), before memory_free(); or NULL with @error set.
 */
MemoryPin *memory_pin(Memory *memory, guint64 gpa, guint64 size, MemoryPinLost lost, void *opaque,
		      GError **error);

/* Where the host finds @gpa, with the rest of the range behind it; the same as long as it lives. */
void *memory_pin_address(const MemoryPin *pin);

/*
 * memory_unpin - give it back; NULL is nothing
 *
 * As memory_pin(). Nobody uses the address any more. When it returns, lost() is not under way and
 * will not be called.
 */
void memory_unpin(MemoryPin *pin);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryPin, memory_unpin)
