/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dma.h - channels: how devices read and write guest memory
 *
 * Theory of operation
 *
 * A device does not touch guest memory, it has content carried: between a buffer of its own and a
 * list of pieces of guest memory, such as a chain of descriptors. No page changes its state for
 * that, nothing is shown to the host, and no vCPU is held: a guest that uses the memory meanwhile
 * finds what it would find with hardware.
 *
 * A channel is what carries it, for one thread at a time. Transfers of different channels go on
 * beside each other, and beside the guest. What changes the state of pages waits for what is under
 * way, which is a part of a transfer, DMA_CHANNEL_PART bytes in DMA_CHANNEL_PIECES pieces at most;
 * so a transfer is not one step for the guest, as it is none with hardware.
 *
 * How content gets there is the kind of memory's. With two-sided memory there are a few couriers,
 * vCPUs that the guest does not know of, which channels take in turn: one trip carries as many
 * private pieces as there are in a part. Pages that are shared are copied where the host has them.
 * With windows guest memory is mapped elsewhere for as long as it is being copied; what can be
 * copied without (a copier) does not come so far. docs/memory-engine.md says why, and what was
 * measured.
 */
#pragma once

#include <glib.h>

#include "vmm/memory/memory.h"

/* What is carried in one go: bytes, and pieces of one state. */
#define DMA_CHANNEL_PART   (32ull << 12)
#define DMA_CHANNEL_PIECES 128u

typedef struct DmaChannel DmaChannel;

/* A piece of guest memory: any alignment, any size, 0 too. What is no RAM is an error later. */
typedef struct {
	guint64 gpa;
	guint64 size;
} DmaPiece;

/* Whether devices have that way to what is private, with this kind of memory. */
gboolean memory_has_dma_way(const Memory *memory, DmaWay way);

/*
 * dma_channel_new - make a channel
 * @memory: outlives it
 *
 * There can be any number. With two-sided memory the first has to be made before the first vCPU
 * runs, and the first few bring couriers if they are: later ones share those that are there.
 *
 * Return: a channel that dma_channel_free() gives back, or NULL with @error set.
 */
DmaChannel *dma_channel_new(Memory *memory, GError **error);
void dma_channel_free(DmaChannel *channel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DmaChannel, dma_channel_free)

/* Carries without a copier; otherwise as dma_channel_read() or dma_channel_write(). */
typedef gboolean (*DmaCarry)(DmaChannel *channel, const DmaPiece *pieces, guint count, void *data,
			     GError **error);

/*
 * Who can copy without the channel. For the thread that uses the channel; what it does not copy,
 * whatever the reason, it has carried: by @carry, of the channel, and by nothing else. Otherwise as
 * dma_channel_read() and dma_channel_write().
 */
typedef struct {
	gboolean (*read)(void *opaque, const DmaPiece *pieces, guint count, void *data,
			 DmaCarry carry, DmaChannel *channel, GError **error);
	gboolean (*write)(void *opaque, const DmaPiece *pieces, guint count, const void *data,
			  DmaCarry carry, DmaChannel *channel, GError **error);
} DmaCopier;

/* Has a channel carry only what @copier does not copy; it outlives the channel's use. Before that
 * is used. */
void dma_channel_set_copier(DmaChannel *channel, const DmaCopier *copier, void *opaque);

/*
 * dma_channel_read - get the content of pieces of guest memory, one behind the other
 * @data: as many bytes as all pieces have
 *
 * Any thread, but one thread at a time; never the memory thread. The device lock may be held.
 * What is no RAM, or wraps, is an error; what comes before it has been copied then.
 */
gboolean dma_channel_read(DmaChannel *channel, const DmaPiece *pieces, guint count, void *data,
			  GError **error);

/* The same the other way. */
gboolean dma_channel_write(DmaChannel *channel, const DmaPiece *pieces, guint count,
			   const void *data, GError **error);

/* The same, past the channel's copier: for another one. @data is not changed. */
gboolean dma_channel_carry_write(DmaChannel *channel, const DmaPiece *pieces, guint count,
				 void *data, GError **error);
