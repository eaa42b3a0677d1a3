/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * two-sided-dma.c - DMA channels of two-sided memory, which share some couriers
 *
 * Theory of operation
 *
 * Pages that the userspace mapping holds are read and written there, by the channel's thread: with
 * Memory.lock shared nobody takes them away, so that the access raises no event. A shared page that
 * is not there reads as zeroes. For the first private page of a part the channel takes a courier.
 * Private pages are collected until the part is over: each has its place in the staging area, where
 * it has it in the part, and an entry in the list of one trip. Then the courier is given back.
 * Where all are away the part ends, and the channel waits for one without Memory.lock.
 *
 * What a trip has failed to carry may be anywhere; the engine ends then.
 */
#include <string.h>

#include "vmm/memory/engine.h"

static gboolean open_channel(DmaChannel *channel, GError **error)
{
	return couriers_join(&channel->memory->couriers, error);
}

static void close_channel(DmaChannel *channel)
{
	couriers_leave(&channel->memory->couriers);
}

static void await(DmaChannel *channel)
{
	channel->courier = couriers_take(&channel->memory->couriers, channel->last_courier);
}

static void release(DmaChannel *channel)
{
	if (!channel->courier)
		return;
	couriers_give_back(&channel->memory->couriers, channel->courier);
	channel->last_courier = g_steal_pointer(&channel->courier);
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
	if (!channel->courier)
		channel->courier = couriers_try_take(&channel->memory->couriers,
						     channel->last_courier);
	if (!channel->courier)
		return DMA_STEP_BUSY;
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
static gboolean make_trip(DmaChannel *channel, MemoryAccess access, guint8 *data, GError **error)
{
	guint8 *staging = courier_staging(channel->courier);
	guint count = channel->n_pieces;
	const CourierPiece *last;
	gboolean is_done;

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

static gboolean finish(DmaChannel *channel, MemoryAccess access, guint8 *data, GError **error)
{
	gboolean is_done = channel->n_pieces == 0 || make_trip(channel, access, data, error);

	release(channel);
	return is_done;
}

const DmaKind dma_kind_two_sided = {
	.open = open_channel,
	.close = close_channel,
	.move = move,
	.finish = finish,
	.await = await,
	.release = release,
};
