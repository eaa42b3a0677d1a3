/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dma.c - channels: a transfer's way through pieces and states
 *
 * Theory of operation
 *
 * A transfer is done in parts. For each, Memory.lock is shared: the state of no page changes, no
 * memslot and no segment, and other channels work beside this one. What is in one state is moved
 * as one piece. A kind that has a courier collects what that has to carry, and the trip ends the
 * part.
 *
 * One thing takes the memory thread: to write to a shared page that is not there yet. It has to be
 * put there, and who waits for a page counts on it that nobody else does that. Such a piece is
 * written by a request, after the lock was let go.
 */
#include "vmm/memory/dma.h"

#include <glib/gi18n.h>
#include <inttypes.h>

#include "vmm/memory/engine.h"

G_STATIC_ASSERT(DMA_CHANNEL_PART <= MEMORY_PIECE_PAGES << PAGE_SHIFT);
G_STATIC_ASSERT(DMA_CHANNEL_PIECES <= COURIER_PIECES_MAX);

/* What is left of a transfer. */
typedef struct {
	const DmaPiece *pieces;
	guint count;
	guint64 done; /* of the first piece */
	guint8 *data;
	guint64 absent; /* bytes of what is next that only the memory thread can write */
	TransferCounter moved[DMA_N_WAYS];
} Transfer;

/* What a part came to. */
typedef enum {
	PART_DONE,
	PART_NO_RAM, /* up to where there is no RAM */
	PART_ABSENT, /* up to what the memory thread has to write */
	PART_BUSY,   /* up to what it has to wait for */
	PART_FAILED,
} PartResult;

gboolean memory_has_dma_way(const Memory *memory, DmaWay way)
{
	const MemoryKind *kind = memory->kind;

	switch (way) {
	case DMA_WAY_PLAIN:
		return !kind->has_states;
	case DMA_WAY_COURIER:
		return kind->dma != NULL;
	case DMA_WAY_WINDOW:
		return kind->has_states && !kind->dma;
	case DMA_WAY_REGISTERED:
		return memory_can_be_registered(memory);
	default:
		g_return_val_if_reached(FALSE);
	}
}

DmaChannel *dma_channel_new(Memory *memory, GError **error)
{
	DmaChannel *channel = g_new0(DmaChannel, 1);
	gboolean is_open = TRUE;

	channel->memory = memory;
	if (memory->kind->dma) {
		fair_lock_lock(&memory->lock);
		is_open = memory->kind->dma->open(channel, error);
		fair_lock_unlock(&memory->lock);
	}
	if (!is_open)
		g_clear_pointer(&channel, g_free);
	return channel;
}

void dma_channel_free(DmaChannel *channel)
{
	if (!channel)
		return;
	if (channel->memory->kind->dma) {
		fair_lock_lock(&channel->memory->lock);
		channel->memory->kind->dma->close(channel);
		fair_lock_unlock(&channel->memory->lock);
	}
	g_free(channel);
}

void dma_channel_set_copier(DmaChannel *channel, const DmaCopier *copier, void *opaque)
{
	channel->copier = copier;
	channel->copier_opaque = opaque;
}

/* Leaves out what is done, and what is empty. Return: FALSE at the end. */
static gboolean has_more(Transfer *transfer)
{
	while (transfer->count > 0 && transfer->done == transfer->pieces->size) {
		transfer->pieces++;
		transfer->count--;
		transfer->done = 0;
	}
	return transfer->count > 0;
}

static guint64 next_gpa(const Transfer *transfer)
{
	return transfer->pieces->gpa + transfer->done;
}

static void advance(Transfer *transfer, guint64 size)
{
	transfer->done += size;
	transfer->data += size;
}

/* @offset: in the part */
static DmaStep move_piece(DmaChannel *channel, MemoryAccess access, const MemoryPiece *piece,
			  guint64 offset, guint8 *data, GError **error)
{
	Memory *memory = channel->memory;
	gboolean is_moved;

	if (memory->kind->dma)
		return memory->kind->dma->move(channel, access, piece, offset, data);
	is_moved = access == MEMORY_ACCESS_READ ? memory->kind->read(memory, piece, data, error) :
						  memory->kind->write(memory, piece, data, error);
	return is_moved ? DMA_STEP_MOVED : DMA_STEP_FAILED;
}

static DmaWay way_of(const Memory *memory, const MemoryPiece *piece)
{
	if (memory->kind->dma)
		return piece->is_shared ? DMA_WAY_PLAIN : DMA_WAY_COURIER;
	return memory->kind->has_states ? DMA_WAY_WINDOW : DMA_WAY_PLAIN;
}

static void count(Transfer *transfer, DmaWay way, guint64 size)
{
	transfer->moved[way].count++;
	transfer->moved[way].bytes += size;
}

static void count_for_all(Memory *memory, const Transfer *transfer)
{
	for (guint i = 0; i < DMA_N_WAYS; i++) {
		if (transfer->moved[i].count > 0)
			engine_count_transfer(memory, i, &transfer->moved[i]);
	}
}

/* With Memory.lock shared. */
static PartResult move_pieces(DmaChannel *channel, MemoryAccess access, Transfer *transfer,
			      GError **error)
{
	guint64 offset = 0;

	for (guint i = 0; i < DMA_CHANNEL_PIECES && has_more(transfer); i++) {
		guint64 left = transfer->pieces->size - transfer->done;
		MemoryPiece piece;

		if (!engine_next_piece(channel->memory, next_gpa(transfer),
				       MIN(left, DMA_CHANNEL_PART - offset), &piece))
			return PART_NO_RAM;
		switch (move_piece(channel, access, &piece, offset, transfer->data, error)) {
		case DMA_STEP_MOVED:
			break;
		case DMA_STEP_ABSENT:
			transfer->absent = piece.size;
			return PART_ABSENT;
		case DMA_STEP_BUSY:
			return PART_BUSY;
		case DMA_STEP_FAILED:
			return PART_FAILED;
		}
		count(transfer, way_of(channel->memory, &piece), piece.size);
		advance(transfer, piece.size);
		offset += piece.size;
		if (offset == DMA_CHANNEL_PART)
			break;
	}
	return PART_DONE;
}

/* What was collected is carried also where the part came to its end early. */
static PartResult move_part(DmaChannel *channel, MemoryAccess access, Transfer *transfer,
			    GError **error)
{
	Memory *memory = channel->memory;
	guint8 *data = transfer->data;
	PartResult result = move_pieces(channel, access, transfer, error);

	if (memory->kind->dma && !memory->kind->dma->finish(channel, access, data, error))
		return PART_FAILED;
	return result;
}

static PartResult move_part_locked(DmaChannel *channel, MemoryAccess access, Transfer *transfer,
				   GError **error)
{
	Memory *memory = channel->memory;
	g_autoptr(GError) failure = NULL;
	PartResult result = PART_FAILED;
	gboolean has_failed;

	fair_lock_lock_shared(&memory->lock);
	has_failed = memory->has_failed;
	if (!has_failed)
		result = move_part(channel, access, transfer, &failure);
	fair_lock_unlock_shared(&memory->lock);
	if (has_failed) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("the memory engine has failed before"));
	} else if (result == PART_FAILED) {
		fair_lock_lock(&memory->lock);
		engine_fail(memory, failure);
		fair_lock_unlock(&memory->lock);
		g_propagate_error(error, g_steal_pointer(&failure));
	}
	return result;
}

/* By the memory thread, whatever state it has by then. */
static gboolean write_absent(DmaChannel *channel, Transfer *transfer, GError **error)
{
	MemoryRequest request = {
		.type = MEMORY_REQUEST_ACCESS,
		.access = MEMORY_ACCESS_WRITE,
		.gpa = next_gpa(transfer),
		.size = transfer->absent,
		.data = transfer->data,
	};

	if (!engine_request(channel->memory, &request, error))
		return FALSE;
	count(transfer, DMA_WAY_PLAIN, transfer->absent);
	advance(transfer, transfer->absent);
	return TRUE;
}

static gboolean check_pieces(const DmaPiece *pieces, guint count, GError **error)
{
	for (guint i = 0; i < count; i++) {
		const DmaPiece *piece = &pieces[i];
		guint64 end;

		if (g_uint64_checked_add(&end, piece->gpa, piece->size))
			continue;
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("gpa %#" PRIx64 ", size %#" PRIx64 ": the range wraps"), piece->gpa,
			    piece->size);
		return FALSE;
	}
	return TRUE;
}

static gboolean move_parts(DmaChannel *channel, MemoryAccess access, Transfer *transfer,
			   GError **error)
{
	while (has_more(transfer)) {
		switch (move_part_locked(channel, access, transfer, error)) {
		case PART_DONE:
			break;
		case PART_NO_RAM:
			g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
				    _("gpa %#" PRIx64 " is not guest RAM"), next_gpa(transfer));
			return FALSE;
		case PART_ABSENT:
			if (!write_absent(channel, transfer, error))
				return FALSE;
			break;
		case PART_BUSY:
			channel->memory->kind->dma->await(channel);
			break;
		case PART_FAILED:
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean carry_out(DmaChannel *channel, MemoryAccess access, Transfer transfer,
			  GError **error)
{
	const DmaKind *kind = channel->memory->kind->dma;
	gboolean is_done = check_pieces(transfer.pieces, transfer.count, error) &&
			   move_parts(channel, access, &transfer, error);

	count_for_all(channel->memory, &transfer);
	/* What it waited for may have come to nothing. */
	if (kind)
		kind->release(channel);
	return is_done;
}

static gboolean carry_read(DmaChannel *channel, const DmaPiece *pieces, guint count, void *data,
			   GError **error)
{
	const Transfer transfer = { .pieces = pieces, .count = count, .data = data };

	return carry_out(channel, MEMORY_ACCESS_READ, transfer, error);
}

gboolean dma_channel_carry_write(DmaChannel *channel, const DmaPiece *pieces, guint count,
				 void *data, GError **error)
{
	const Transfer transfer = { .pieces = pieces, .count = count, .data = data };

	return carry_out(channel, MEMORY_ACCESS_WRITE, transfer, error);
}

gboolean dma_channel_read(DmaChannel *channel, const DmaPiece *pieces, guint count, void *data,
			  GError **error)
{
	const DmaCopier *copier = channel->copier;

	return copier ? copier->read(channel->copier_opaque, pieces, count, data, carry_read,
				     channel, error) :
			carry_read(channel, pieces, count, data, error);
}

gboolean dma_channel_write(DmaChannel *channel, const DmaPiece *pieces, guint count,
			   const void *data, GError **error)
{
	const DmaCopier *copier = channel->copier;

	return copier ? copier->write(channel->copier_opaque, pieces, count, data,
				      dma_channel_carry_write, channel, error) :
			dma_channel_carry_write(channel, pieces, count, (void *)data, error);
}
