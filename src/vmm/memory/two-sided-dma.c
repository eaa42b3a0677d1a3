/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * two-sided-dma.c - DMA channels of two-sided memory: a courier each
 *
 * Theory of operation
 *
 * Pages that the userspace mapping holds are read and written there, by the channel's thread: with
 * Memory.lock shared nobody takes them away, so that the access raises no event. A shared page that
 * is not there reads as zeroes. Private pages are collected until the part is over: each has its
 * place in the staging area, where it has it in the part, and an entry in the list of one trip.
 *
 * What a trip has failed to carry may be anywhere; the engine ends then.
 */
#include <string.h>

#include "vmm/memory/engine.h"

static gboolean open_channel(DmaChannel *channel, GError **error)
{
	channel->courier = couriers_take(&channel->memory->couriers, error);
	return channel->courier != NULL;
}

static void close_channel(DmaChannel *channel)
{
	couriers_give_back(&channel->memory->couriers, channel->courier);
}

static DmaStep move_shared(MemoryAccess access, const MemoryPiece *piece, guint8 *data)
{
	if (access == MEMORY_ACCESS_READ && !piece->is_populated)
		memset(data, 0, piece->size);
	else if (access == MEMORY_ACCESS_READ)
		memcpy(data, engine_piece_userspace(piece), piece->size);
	else if (piece->is_populated)
		memcpy(engine_piece_userspace(piece), data, piece->size);
	else
		return DMA_STEP_ABSENT;
	return DMA_STEP_MOVED;
}

static DmaStep move(DmaChannel *channel, MemoryAccess access, const MemoryPiece *piece,
		    guint64 offset, guint8 *data)
{
	if (piece->is_shared)
		return move_shared(access, piece, data);
	channel->pieces[channel->n_pieces++] = (CourierPiece){
		.gpa = piece->gpa,
		.size = piece->size,
		.offset = offset,
	};
	if (access == MEMORY_ACCESS_WRITE)
		memcpy(courier_staging(channel->courier) + offset, data, piece->size);
	return DMA_STEP_MOVED;
}

/* Nothing private stays in the staging area. */
static gboolean finish(DmaChannel *channel, MemoryAccess access, guint8 *data, GError **error)
{
	guint8 *staging = courier_staging(channel->courier);
	guint count = channel->n_pieces;
	const CourierPiece *last;
	gboolean is_done;

	if (count == 0)
		return TRUE;
	last = &channel->pieces[count - 1];
	channel->n_pieces = 0;
	is_done = access == MEMORY_ACCESS_READ ?
			  courier_fetch(channel->courier, channel->pieces, count, error) :
			  courier_store(channel->courier, channel->pieces, count, error);
	for (guint i = 0; is_done && access == MEMORY_ACCESS_READ && i < count; i++) {
		const CourierPiece *piece = &channel->pieces[i];

		memcpy(data + piece->offset, staging + piece->offset, piece->size);
	}
	courier_wipe(channel->courier, last->offset + last->size);
	return is_done;
}

const DmaKind dma_kind_two_sided = {
	.open = open_channel,
	.close = close_channel,
	.move = move,
	.finish = finish,
};
