/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-queue.c - what goes between guest memory and an image */
#include "vmm/ata/disk-queue.h"

#include <errno.h>
#include <string.h>

#include "vmm/memory/dma-pieces.h"

struct DiskQueue {
	IoThread *thread;
	DmaChannel *window_dma; /* or NULL: what the thread has */
	IoRing *ring;
	Staging *staging;
	StagingWaiter waiter;
	DiskErrorHandler errors;
	char *id;
	BlockBackend *backend; /* or NULL */
	guint n_holds;
	guint n_busy;		 /* transfers that the backend has */
	GQueue waiting, stopped; /* of DiskTransfer */
	GQueue limited;		 /* the same: those that the limits hold back */
	GArray *pieces;		 /* of DmaPiece, while a part of a list is looked for */
};

static void go_on(DiskQueue *queue);

DmaChannel *disk_queue_dma(const DiskQueue *queue)
{
	return queue->window_dma ? queue->window_dma : io_thread_dma(queue->thread);
}

static DirectMemory *direct_of(const DiskQueue *queue)
{
	return queue->window_dma ? NULL : io_thread_direct(queue->thread);
}

static gboolean has_data(const DiskTransfer *transfer)
{
	return transfer->operation == BLOCK_READ || transfer->operation == BLOCK_WRITE;
}

/* What there is of the guest's memory for the next part, in queue->pieces. */
static guint slice(const DiskTransfer *transfer, guint64 size)
{
	GArray *pieces = transfer->queue->pieces;

	g_array_set_size(pieces, transfer->n_pieces);
	return dma_pieces_slice(transfer->pieces, transfer->n_pieces, transfer->done, size,
				(DmaPiece *)(void *)pieces->data);
}

static gboolean carry_part(DiskTransfer *transfer)
{
	DmaChannel *channel = disk_queue_dma(transfer->queue);
	const guint count = slice(transfer, transfer->part_size);
	const DmaPiece *pieces = (DmaPiece *)(void *)transfer->queue->pieces->data;

	return transfer->operation == BLOCK_READ ?
		       dma_channel_write(channel, pieces, count, transfer->staging, NULL) :
		       dma_channel_read(channel, pieces, count, transfer->staging, NULL);
}

void disk_transfer_clear(DiskTransfer *transfer)
{
	guint8 *memory = g_steal_pointer(&transfer->staging);

	if (memory)
		staging_give(transfer->queue->staging, memory, transfer->part_size);
}

static void end(DiskTransfer *transfer, DiskTransferEnd how)
{
	if (how != DISK_TRANSFER_DONE)
		disk_transfer_clear(transfer);
	transfer->end(transfer, how);
}

static void part_done(DiskTransfer *transfer)
{
	const gboolean is_kept = transfer->operation == BLOCK_READ &&
				 transfer->size <= DISK_QUEUE_SMALL;

	if (transfer->operation == BLOCK_READ && transfer->staging && !is_kept &&
	    !carry_part(transfer)) {
		end(transfer, DISK_TRANSFER_LOST);
		return;
	}
	transfer->done += transfer->part_size;
	if (!is_kept)
		disk_transfer_clear(transfer);
	if (transfer->done >= transfer->size)
		end(transfer, DISK_TRANSFER_DONE);
	else
		g_queue_push_head_link(&transfer->queue->waiting, &transfer->link);
}

static void backend_failed(DiskTransfer *transfer, int error)
{
	switch (disk_error_handle(&transfer->queue->errors, &transfer->block, error)) {
	case DISK_ERROR_STOP:
		disk_transfer_clear(transfer);
		g_queue_push_tail_link(&transfer->queue->stopped, &transfer->link);
		break;
	case DISK_ERROR_IGNORE:
		/* Nobody gets what was in the staging memory before. */
		if (transfer->operation == BLOCK_READ && transfer->staging)
			memset(transfer->staging, 0, transfer->part_size);
		part_done(transfer);
		break;
	case DISK_ERROR_REPORT:
		end(transfer, DISK_TRANSFER_FAILED);
		break;
	}
}

static void backend_done(BlockRequest *block, int error)
{
	DiskTransfer *transfer = block->opaque;
	DiskQueue *queue = transfer->queue;

	queue->n_busy--;
	direct_part_end(&transfer->direct, direct_of(queue), error == 0);
	if (block->is_direct && error == EFAULT) {
		/* The guest took the memory away, or the backend could not do with it. */
		transfer->is_copied = TRUE;
		g_queue_push_head_link(&queue->waiting, &transfer->link);
	} else if (error) {
		backend_failed(transfer, error);
	} else {
		part_done(transfer);
	}
	go_on(queue);
}

static void submit_part(DiskTransfer *transfer)
{
	BlockRequest *block = &transfer->block;

	transfer->queue->n_busy++;
	transfer->iovec = (struct iovec){ transfer->staging, transfer->part_size };
	*block = (BlockRequest){
		.operation = transfer->operation,
		.offset = transfer->offset + transfer->done,
		.size = transfer->part_size,
		.iovec = transfer->staging ? &transfer->iovec : NULL,
		.n_iovec = transfer->staging ? 1 : 0,
		.complete = backend_done,
		.opaque = transfer,
	};
	direct_part_submit(&transfer->direct, block);
	block_submit(transfer->queue->backend, block);
}

/* The next part in the guest's own memory. Return: FALSE where it is to be copied. */
static gboolean take_direct(DiskTransfer *transfer)
{
	DiskQueue *queue = transfer->queue;
	DirectMemory *direct = direct_of(queue);
	guint count;

	if (!has_data(transfer) || transfer->is_copied || !direct ||
	    !block_backend_can_be_direct(queue->backend, transfer->operation))
		return FALSE;
	count = slice(transfer, MIN(transfer->size - transfer->done, DISK_QUEUE_PART));
	if (!direct_part_begin(&transfer->direct, direct, (DmaPiece *)(void *)queue->pieces->data,
			       count))
		return FALSE;
	transfer->part_size = transfer->direct.size;
	return TRUE;
}

/* Return: FALSE where there is no staging memory for it now. */
static gboolean take_part(DiskTransfer *transfer)
{
	transfer->part_size = transfer->size - transfer->done;
	if (!has_data(transfer))
		return TRUE;
	transfer->part_size = MIN(transfer->part_size, DISK_QUEUE_PART);
	transfer->staging = staging_take(transfer->queue->staging, transfer->part_size);
	return transfer->staging != NULL;
}

static void begin(DiskTransfer *transfer)
{
	if (transfer->operation == BLOCK_WRITE && transfer->staging && !carry_part(transfer))
		end(transfer, DISK_TRANSFER_LOST);
	else
		submit_part(transfer);
}

/* Begins what waits, as far as there is staging memory. */
static void go_on(DiskQueue *queue)
{
	while (queue->n_holds == 0 && !g_queue_is_empty(&queue->waiting)) {
		DiskTransfer *transfer = queue->waiting.head->data;

		if (!take_direct(transfer) && !take_part(transfer)) {
			staging_wait(queue->staging, &queue->waiter);
			return;
		}
		g_queue_unlink(&queue->waiting, &transfer->link);
		begin(transfer);
	}
}

static void on_staging(void *opaque)
{
	go_on(opaque);
}

static void await(DiskTransfer *transfer)
{
	g_queue_push_tail_link(&transfer->queue->waiting, &transfer->link);
	go_on(transfer->queue);
}

static void on_admitted(void *opaque)
{
	DiskTransfer *transfer = opaque;

	g_queue_unlink(&transfer->queue->limited, &transfer->link);
	await(transfer);
}

/* What the disk's limits have to let go first, and how much it counts for. */
static void enter_throttle(DiskTransfer *transfer)
{
	DiskQueue *queue = transfer->queue;

	g_queue_push_tail_link(&queue->limited, &transfer->link);
	transfer->entry = (ThrottleEntry){
		.is_write = transfer->operation != BLOCK_READ,
		.size = has_data(transfer) ? transfer->size : 0,
		.admitted = on_admitted,
		.opaque = transfer,
	};
	throttle_enter(block_backend_throttle(queue->backend), &transfer->entry);
}

void disk_queue_submit(DiskQueue *queue, DiskTransfer *transfer)
{
	transfer->queue = queue;
	transfer->link = (GList){ .data = transfer };
	transfer->done = 0;
	transfer->staging = NULL;
	transfer->is_copied = FALSE;
	if (transfer->operation != BLOCK_FLUSH &&
	    throttle_is_limited(block_backend_throttle(queue->backend)))
		enter_throttle(transfer);
	else
		await(transfer);
}

/* Return: one that the limits hold back no more, and that is nowhere now; NULL: there is none. */
static DiskTransfer *take_limited(DiskQueue *queue)
{
	GList *link = g_queue_pop_head_link(&queue->limited);
	DiskTransfer *transfer = link ? link->data : NULL;

	if (transfer)
		throttle_leave(block_backend_throttle(queue->backend), &transfer->entry);
	return transfer;
}

void disk_queue_hold(DiskQueue *queue)
{
	queue->n_holds++;
	staging_wait_no_more(queue->staging, &queue->waiter);
}

void disk_queue_release(DiskQueue *queue)
{
	g_assert(queue->n_holds > 0);
	queue->n_holds--;
	go_on(queue);
}

gboolean disk_queue_is_busy(const DiskQueue *queue)
{
	return queue->n_busy > 0;
}

void disk_queue_finish(DiskQueue *queue, GMainContext *context)
{
	if (queue->backend)
		block_backend_finish_for_good(queue->backend, context);
}

void disk_queue_forget(DiskQueue *queue)
{
	g_assert(queue->n_busy == 0);
	g_queue_init(&queue->waiting);
	g_queue_init(&queue->stopped);
	while (take_limited(queue))
		;
}

void disk_queue_fail(DiskQueue *queue)
{
	DiskTransfer *limited;
	GList *link;

	g_assert(queue->n_busy == 0);
	while ((link = g_queue_pop_head_link(&queue->stopped)) ||
	       (link = g_queue_pop_head_link(&queue->waiting)))
		end(link->data, DISK_TRANSFER_FAILED);
	while ((limited = take_limited(queue)))
		end(limited, DISK_TRANSFER_FAILED);
}

void disk_queue_retry(DiskQueue *queue)
{
	GList *link;

	while ((link = g_queue_pop_tail_link(&queue->stopped)))
		g_queue_push_head_link(&queue->waiting, link);
	go_on(queue);
}

/* Life */

DiskQueue *disk_queue_new(IoThread *thread, IoRing *ring, Staging *staging,
			  const DiskErrorHandler *errors)
{
	DiskQueue *queue = g_new0(DiskQueue, 1);

	queue->thread = thread;
	queue->ring = ring;
	queue->staging = staging;
	queue->waiter = (StagingWaiter){ .wake = on_staging, .opaque = queue };
	queue->id = g_strdup(errors->id);
	queue->errors = *errors;
	queue->errors.id = queue->id;
	queue->pieces = g_array_new(FALSE, FALSE, sizeof(DmaPiece));
	return queue;
}

void disk_queue_use_windows(DiskQueue *queue, DmaChannel *channel)
{
	queue->window_dma = channel;
}

void disk_queue_free(DiskQueue *queue)
{
	if (!queue)
		return;
	disk_queue_set_backend(queue, NULL);
	g_array_unref(queue->pieces);
	g_free(queue->id);
	g_free(queue);
}

void disk_queue_set_backend(DiskQueue *queue, BlockBackend *backend)
{
	g_assert(queue->n_busy == 0);
	if (queue->backend)
		block_backend_free(queue->backend);
	queue->backend = backend;
	if (backend)
		block_backend_attach(backend, io_thread_context(queue->thread), queue->ring);
}

BlockBackend *disk_queue_backend(const DiskQueue *queue)
{
	return queue->backend;
}

typedef struct {
	DiskQueue *queue;
	const ThrottleConfig *limits;
	guint64 size;
} Call;

static void set_limits_on_thread(void *opaque)
{
	const Call *call = opaque;

	throttle_set(block_backend_throttle(call->queue->backend), call->limits);
}

void disk_queue_set_limits(DiskQueue *queue, const ThrottleConfig *config)
{
	Call call = { .queue = queue, .limits = config };

	io_thread_call(queue->thread, set_limits_on_thread, &call);
}

static void poll_size_on_thread(void *opaque)
{
	Call *call = opaque;

	(void)block_backend_poll_size(call->queue->backend);
	call->size = block_backend_limits(call->queue->backend)->size;
}

guint64 disk_queue_poll_size(DiskQueue *queue)
{
	Call call = { .queue = queue };

	io_thread_call(queue->thread, poll_size_on_thread, &call);
	return call.size;
}
