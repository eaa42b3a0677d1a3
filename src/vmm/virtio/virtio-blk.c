/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-blk.c - a disk */
#include "vmm/virtio/virtio-blk.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <string.h>

#include "vmm/backend/before-sleep.h"
#include "vmm/backend/direct-part.h"

/* Chains that are popped before the first of them is served. */
#define BATCH 32u

/* Data that is carried together with that of other requests, and how much goes at a time. */
#define SMALL	      (16u << 10)
#define GATHER_SIZE   (128u << 10)

#define STATUS_SIZE   1u
#define HEADER_SIZE   sizeof(struct virtio_blk_outhdr)
#define CONFIG_SIZE   offsetof(struct virtio_blk_config, max_secure_erase_sectors)
#define PAGE	      4096u

#define CLASS_STORAGE 0x018000u

typedef enum {
	REQUEST_WAITING, /* in the list of those that are to be begun, or gone on with */
	REQUEST_BUSY,	 /* the backend has it */
	REQUEST_DONE,	 /* in the list of those that the guest is to get back */
	REQUEST_STOPPED, /* in the list of those that wait for the machine to go on */
	REQUEST_LATE,	 /* the same; the backend has come to an end with it in the pause */
	REQUEST_LIMITED, /* in the list of those that the disk's limits hold back */
} RequestState;

typedef struct {
	VirtioBlk *blk;
	guint queue;
	VirtioChain *chain;
	guint n_pieces; /* of the chain, which may be gone */
	RequestState state;
	GList link; /* in the list of its state */
	struct virtio_blk_outhdr header;
	guint8 status;
	guint64 offset; /* bytes on the disk */
	guint64 size;
	guint64 done;	 /* of size */
	guint8 *staging; /* of the part, or NULL */
	gsize part_size;
	BlockRequest block;
	struct iovec iovec;
	DirectPart direct;  /* the part's, instead of staging memory */
	gboolean is_copied; /* it has failed the direct way */
	int late_error;	    /* of REQUEST_LATE: what it ended with, or 0 */
	ThrottleEntry entry;
} Request;

struct VirtioBlk {
	VirtioDevice *virtio;
	BlockBackend *backend;
	Staging *staging;
	StagingWaiter waiter;
	guint n_queues;
	guint16 queue_size;
	guint32 block_size; /* logical, as the guest has it */
	guint32 physical_block_size;
	gboolean has_write_cache; /* until the guest says otherwise */
	char serial[VIRTIO_BLK_ID_BYTES];
	char *id;
	DiskErrorHandler errors;

	guint64 sectors;  /* atomic: what the guest is told */
	gint write_cache; /* atomic: what the guest has chosen */

	/* The I/O thread's. */
	guint64 features;
	gboolean is_started;
	gboolean is_paused;
	gboolean is_left; /* the pause did not wait for what the backend has */
	guint n_drains;	  /* under way: one may come while another one waits */
	gboolean is_broken;
	guint n_busy;	  /* requests that are REQUEST_BUSY or REQUEST_DONE */
	guint n_pieces;	  /* of all chains in hand */
	gboolean is_full; /* queues are not looked at until some of these have gone back */
	GQueue waiting, done, stopped, late, limited;
	GSource *finisher;
	GSource *taker;	  /* looks at the queues after that */
	GArray *pieces;	  /* of a transfer, while it is put together */
	guint8 *gathered; /* its content: GATHER_SIZE bytes */
	gsize n_gathered;
};

static DmaChannel *dma_of(const VirtioBlk *blk)
{
	return virtio_device_dma(blk->virtio);
}

/* Queues may be used. */
static gboolean is_open(const VirtioBlk *blk)
{
	return blk->is_started && !blk->is_paused && blk->n_drains == 0;
}

static gboolean is_readonly(const VirtioBlk *blk)
{
	return block_backend_is_readonly(blk->backend);
}

/* Any of the requests may go on waiting; what is in hand is finished. */
static void break_device(VirtioBlk *blk, const GError *error)
{
	blk->is_broken = TRUE;
	virtio_device_broken(blk->virtio, error);
}

static DirectMemory *direct_of(const VirtioBlk *blk)
{
	return virtio_device_direct(blk->virtio);
}

static guint64 data_out_size(const Request *self)
{
	return self->chain->out_size - HEADER_SIZE;
}

static guint64 data_in_size(const Request *self)
{
	return self->chain->in_size - STATUS_SIZE;
}

static void give_staging(Request *self)
{
	guint8 *memory = g_steal_pointer(&self->staging);

	if (memory)
		staging_give(self->blk->staging, memory, self->part_size);
}

static void end_direct(Request *self, gboolean is_done)
{
	direct_part_end(&self->direct, direct_of(self->blk), is_done);
}

/* Frees a request that the guest does not get back, or has got back. */
static void free_request(Request *self)
{
	end_direct(self, FALSE);
	give_staging(self);
	self->blk->n_pieces -= self->n_pieces;
	g_free(self);
}

static void drop(Request *self)
{
	throttle_leave(block_backend_throttle(self->blk->backend), &self->entry);
	virtio_queue_drop(self->chain);
	free_request(self);
}

/* From now on the request is among those that the guest is to get back. */
static void end(Request *self, guint8 status)
{
	self->status = status;
	self->state = REQUEST_DONE;
	self->blk->n_busy++;
	g_queue_push_tail_link(&self->blk->done, &self->link);
}

/*
 * The way back.
 */

/* Adds a part of what the guest gets to the transfer that is being put together. */
static void gather(VirtioBlk *blk, const VirtioChain *chain, guint64 offset, const void *data,
		   gsize size)
{
	const guint first = blk->pieces->len;
	guint count;

	g_array_set_size(blk->pieces, first + chain->n_in);
	count = dma_pieces_slice(chain->in, chain->n_in, offset, size,
				 &g_array_index(blk->pieces, DmaPiece, first));
	g_array_set_size(blk->pieces, first + count);
	memcpy(blk->gathered + blk->n_gathered, data, size);
	blk->n_gathered += size;
}

static void clear_gathered(VirtioBlk *blk)
{
	g_array_set_size(blk->pieces, 0);
	blk->n_gathered = 0;
}

static gboolean write_gathered(VirtioBlk *blk, GError **error)
{
	const gboolean is_written = blk->n_gathered == 0 ||
				    dma_channel_write(dma_of(blk),
						      (DmaPiece *)(void *)blk->pieces->data,
						      blk->pieces->len, blk->gathered, error);

	clear_gathered(blk);
	return is_written;
}

/* What was read and has not been carried yet: the last part of small requests. */
static void gather_request(Request *self)
{
	VirtioBlk *blk = self->blk;

	if (self->staging)
		gather(blk, self->chain, self->done - self->part_size, self->staging,
		       self->part_size);
	gather(blk, self->chain, data_in_size(self), &self->status, STATUS_SIZE);
}

static gsize gathered_size(const Request *self)
{
	return (self->staging ? self->part_size : 0) + STATUS_SIZE;
}

/* The guest has named memory that is none in one of them: find out which. */
static void write_singly(VirtioBlk *blk, GQueue *batch)
{
	for (GList *link = batch->head; link; link = link->next) {
		g_autoptr(GError) error = NULL;

		gather_request(link->data);
		if (!write_gathered(blk, &error))
			break_device(blk, error);
	}
}

static void push_batch(VirtioBlk *blk, GQueue *batch)
{
	GList *link;

	while ((link = g_queue_pop_head_link(batch))) {
		Request *self = link->data;

		virtio_queue_push(virtio_device_queue(blk->virtio, self->queue), self->chain,
				  (guint32)self->chain->in_size);
		blk->n_busy--;
		free_request(self);
	}
}

/* Gives the guest what is done, with one transfer for as many as go into one. */
static void finish_batch(VirtioBlk *blk)
{
	GQueue batch = G_QUEUE_INIT;

	while (!g_queue_is_empty(&blk->done)) {
		Request *next = blk->done.head->data;

		if (blk->n_gathered + gathered_size(next) > GATHER_SIZE)
			break;
		g_queue_push_tail_link(&batch, g_queue_pop_head_link(&blk->done));
		gather_request(next);
	}
	if (!write_gathered(blk, NULL))
		write_singly(blk, &batch);
	push_batch(blk, &batch);
}

/* What did not go into the memory that a disk may have for chains can be taken now. */
static void take_more(VirtioBlk *blk)
{
	if (!blk->is_full || blk->n_pieces > VIRTIO_BLK_PIECES / 2)
		return;
	blk->is_full = FALSE;
	g_source_set_ready_time(blk->taker, 0);
}

static void finish_all(VirtioBlk *blk)
{
	if (g_queue_is_empty(&blk->done))
		return;
	while (!g_queue_is_empty(&blk->done))
		finish_batch(blk);
	for (guint i = 0; i < blk->n_queues; i++)
		virtio_queue_notify(virtio_device_queue(blk->virtio, i));
	take_more(blk);
}

static void before_sleep(void *opaque)
{
	finish_all(opaque);
}

/*
 * What the backend does.
 */

static void go_on(VirtioBlk *blk);

static gboolean is_read(const Request *self)
{
	return self->block.operation == BLOCK_READ;
}

static void stop_request(Request *self)
{
	give_staging(self);
	self->state = REQUEST_STOPPED;
	g_queue_push_tail_link(&self->blk->stopped, &self->link);
}

/* A part has been done. What was read goes to the guest now, or with the status if it is little. */
static void part_done(Request *self)
{
	VirtioBlk *blk = self->blk;
	g_autoptr(GError) error = NULL;

	if (is_read(self) && self->staging && self->size > SMALL &&
	    !virtio_chain_write(self->chain, dma_of(blk), self->done, self->staging,
				self->part_size, &error)) {
		give_staging(self);
		break_device(blk, error);
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	self->done += self->part_size;
	if (!is_read(self) || self->size > SMALL)
		give_staging(self);
	if (self->done >= self->size) {
		end(self, VIRTIO_BLK_S_OK);
		return;
	}
	self->state = REQUEST_WAITING;
	g_queue_push_head_link(&blk->waiting, &self->link);
}

static void backend_failed(Request *self, int error)
{
	switch (disk_error_handle(&self->blk->errors, &self->block, error)) {
	case DISK_ERROR_STOP:
		stop_request(self);
		break;
	case DISK_ERROR_IGNORE:
		/* Nobody gets what was in the staging memory before. */
		if (is_read(self) && self->staging)
			memset(self->staging, 0, self->part_size);
		part_done(self);
		break;
	case DISK_ERROR_REPORT:
		give_staging(self);
		end(self, VIRTIO_BLK_S_IOERR);
		break;
	}
}

/* The guest took the memory away, or the backend could not do with it. */
static void copy_instead(Request *self)
{
	self->is_copied = TRUE;
	self->state = REQUEST_WAITING;
	g_queue_push_head_link(&self->blk->waiting, &self->link);
}

static void take_end(Request *self, int error)
{
	if (self->block.is_direct && error == EFAULT)
		copy_instead(self);
	else if (error)
		backend_failed(self, error);
	else
		part_done(self);
}

/* Guest memory is not touched in a pause. */
static void keep_end(Request *self, int error)
{
	self->late_error = error;
	self->state = REQUEST_LATE;
	g_queue_push_tail_link(&self->blk->late, &self->link);
}

static void backend_done(BlockRequest *block, int error)
{
	Request *self = block->opaque;
	VirtioBlk *blk = self->blk;

	blk->n_busy--;
	end_direct(self, error == 0);
	if (blk->is_left)
		keep_end(self, error);
	else
		take_end(self, error);
	go_on(blk);
}

static void submit_part(Request *self)
{
	VirtioBlk *blk = self->blk;
	BlockRequest *block = &self->block;

	self->state = REQUEST_BUSY;
	blk->n_busy++;
	block->offset = self->offset + self->done;
	block->size = self->part_size;
	block->complete = backend_done;
	block->opaque = self;
	self->iovec = (struct iovec){ self->staging, self->part_size };
	block->iovec = self->staging ? &self->iovec : NULL;
	block->n_iovec = self->staging ? 1 : 0;
	direct_part_submit(&self->direct, block);
	block_backend_set_write_cache(blk->backend, g_atomic_int_get(&blk->write_cache));
	block_submit(blk->backend, block);
}

static gboolean has_data(const Request *self)
{
	return self->block.operation == BLOCK_READ || self->block.operation == BLOCK_WRITE;
}

/* Return: FALSE where there is no staging memory for it now. */
static gboolean take_part(Request *self)
{
	self->part_size = self->size - self->done;
	if (!has_data(self))
		return TRUE;
	self->part_size = MIN(self->part_size, VIRTIO_BLK_PART);
	self->staging = staging_take(self->blk->staging, self->part_size);
	return self->staging != NULL;
}

/*
 * The next part in the guest's own memory, where that is direct. Return: FALSE where it is to be
 * copied.
 */
static gboolean take_direct(Request *self)
{
	VirtioBlk *blk = self->blk;
	const gboolean is_write = self->block.operation == BLOCK_WRITE;
	const DmaPiece *pieces = is_write ? self->chain->out : self->chain->in;
	const guint n_pieces = is_write ? self->chain->n_out : self->chain->n_in;
	gboolean is_taken;
	guint count;

	if (!has_data(self) || self->is_copied || !direct_of(blk) ||
	    !block_backend_can_be_direct(blk->backend, self->block.operation))
		return FALSE;
	clear_gathered(blk);
	g_array_set_size(blk->pieces, n_pieces);
	count = dma_pieces_slice(pieces, n_pieces, (is_write ? HEADER_SIZE : 0) + self->done,
				 MIN(self->size - self->done, VIRTIO_BLK_PART),
				 &g_array_index(blk->pieces, DmaPiece, 0));
	is_taken = direct_part_begin(&self->direct, direct_of(blk),
				     &g_array_index(blk->pieces, DmaPiece, 0), count);
	clear_gathered(blk);
	self->part_size = self->direct.size;
	return is_taken;
}

static gboolean begin_direct(VirtioBlk *blk)
{
	Request *self = blk->waiting.head->data;

	if (!take_direct(self))
		return FALSE;
	g_queue_unlink(&blk->waiting, &self->link);
	submit_part(self);
	return TRUE;
}

/*
 * Writes that the guest has made together are fetched together; each is whole pages then. One whose
 * beginning has been written in the guest's own memory goes on by itself.
 */
static gboolean is_gatherable(const Request *self)
{
	return self->block.operation == BLOCK_WRITE && self->size <= SMALL &&
	       self->size % PAGE == 0 && self->done == 0;
}

static guint count_gatherable(const VirtioBlk *blk, gsize *size)
{
	guint count = 0;

	*size = 0;
	for (GList *link = blk->waiting.head; link && count < BATCH; link = link->next) {
		const Request *self = link->data;

		if (!is_gatherable(self) || *size + self->size > GATHER_SIZE)
			break;
		*size += self->size;
		count++;
	}
	return count;
}

/* Takes staging memory, a run for all, for the first @count in the queue. */
static gboolean take_run(VirtioBlk *blk, guint count, gsize size)
{
	guint8 *memory = staging_take(blk->staging, size);
	GList *link = blk->waiting.head;

	if (!memory)
		return FALSE;
	for (guint i = 0; i < count; i++, link = link->next) {
		Request *self = link->data;

		self->staging = memory;
		self->part_size = self->size;
		memory += self->part_size;
	}
	return TRUE;
}

static gboolean read_run(VirtioBlk *blk, guint count)
{
	GList *link = blk->waiting.head;
	guint8 *memory = ((Request *)link->data)->staging;
	gboolean is_read;

	clear_gathered(blk);
	for (guint i = 0; i < count; i++, link = link->next) {
		const VirtioChain *chain = ((Request *)link->data)->chain;
		const guint first = blk->pieces->len;
		guint n;

		g_array_set_size(blk->pieces, first + chain->n_out);
		n = dma_pieces_slice(chain->out, chain->n_out, HEADER_SIZE,
				     chain->out_size - HEADER_SIZE,
				     &g_array_index(blk->pieces, DmaPiece, first));
		g_array_set_size(blk->pieces, first + n);
	}
	is_read = dma_channel_read(dma_of(blk), (DmaPiece *)(void *)blk->pieces->data,
				   blk->pieces->len, memory, NULL);
	clear_gathered(blk);
	return is_read;
}

static gboolean read_part(Request *self, GError **error)
{
	return virtio_chain_read(self->chain, dma_of(self->blk), HEADER_SIZE + self->done,
				 self->staging, self->part_size, error);
}

/* With its staging memory taken: fetches what it writes, if that has not been done, and begins. */
static void begin(VirtioBlk *blk, gboolean is_fetched)
{
	Request *self = blk->waiting.head->data;
	g_autoptr(GError) error = NULL;

	g_queue_unlink(&blk->waiting, &self->link);
	if (self->block.operation == BLOCK_WRITE && !is_fetched && !read_part(self, &error)) {
		give_staging(self);
		break_device(blk, error);
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	submit_part(self);
}

static gboolean begin_run(VirtioBlk *blk)
{
	gsize size;
	const guint count = count_gatherable(blk, &size);
	gboolean is_fetched;

	if (count < 2 || !take_run(blk, count, size))
		return FALSE;
	is_fetched = read_run(blk, count);
	for (guint i = 0; i < count; i++)
		begin(blk, is_fetched);
	return TRUE;
}

/* Begins what waits, as far as there is staging memory. */
static void go_on(VirtioBlk *blk)
{
	while (is_open(blk) && !g_queue_is_empty(&blk->waiting)) {
		if (begin_direct(blk) || begin_run(blk))
			continue;
		if (!take_part(blk->waiting.head->data)) {
			staging_wait(blk->staging, &blk->waiter);
			return;
		}
		begin(blk, FALSE);
	}
}

static void on_staging(void *opaque)
{
	go_on(opaque);
}

/*
 * What the guest asks for.
 */

static void add_to_waiting(Request *self)
{
	self->state = REQUEST_WAITING;
	g_queue_push_tail_link(&self->blk->waiting, &self->link);
}

static void on_admitted(void *opaque)
{
	Request *self = opaque;
	VirtioBlk *blk = self->blk;

	g_queue_unlink(&blk->limited, &self->link);
	add_to_waiting(self);
	go_on(blk);
}

/* What the disk's limits have to let go first, and how much it counts for. */
static void enter_throttle(Request *self)
{
	VirtioBlk *blk = self->blk;
	const BlockOperation operation = self->block.operation;

	self->state = REQUEST_LIMITED;
	g_queue_push_tail_link(&blk->limited, &self->link);
	self->entry = (ThrottleEntry){
		.is_write = operation != BLOCK_READ,
		.size = operation == BLOCK_DISCARD ? 0 : self->size,
		.admitted = on_admitted,
		.opaque = self,
	};
	throttle_enter(block_backend_throttle(blk->backend), &self->entry);
}

static void await(Request *self, BlockOperation operation)
{
	self->block.operation = operation;
	if (operation != BLOCK_FLUSH &&
	    throttle_is_limited(block_backend_throttle(self->blk->backend)))
		enter_throttle(self);
	else
		add_to_waiting(self);
}

/* Whether a disk has these bytes, in whole blocks. */
static gboolean is_on_disk(const VirtioBlk *blk, guint64 sector, guint64 size)
{
	const guint64 end = __atomic_load_n(&blk->sectors, __ATOMIC_RELAXED);
	const guint64 mask = blk->block_size - 1;

	return sector <= end && size / BLOCK_SECTOR_SIZE <= end - sector &&
	       ((sector * BLOCK_SECTOR_SIZE) & mask) == 0 && (size & mask) == 0;
}

static void ask_for_data(Request *self, BlockOperation operation, guint64 size)
{
	const guint64 sector = GUINT64_FROM_LE(self->header.sector);

	if (!is_on_disk(self->blk, sector, size) ||
	    (operation == BLOCK_WRITE && is_readonly(self->blk))) {
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	self->offset = sector * BLOCK_SECTOR_SIZE;
	self->size = size;
	if (size == 0)
		end(self, VIRTIO_BLK_S_OK);
	else
		await(self, operation);
}

static void ask_for_id(Request *self)
{
	const gsize size = MIN(data_in_size(self), sizeof(self->blk->serial));
	g_autoptr(GError) error = NULL;

	if (size > 0 && !virtio_chain_write(self->chain, dma_of(self->blk), 0, self->blk->serial,
					    size, &error)) {
		break_device(self->blk, error);
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	end(self, VIRTIO_BLK_S_OK);
}

/* One range, as the configuration says. */
static void ask_for_range(Request *self, BlockOperation operation)
{
	struct virtio_blk_discard_write_zeroes range;
	g_autoptr(GError) error = NULL;
	guint64 sector, size;
	guint32 flags;

	if (data_out_size(self) != sizeof(range)) {
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	if (!virtio_chain_read(self->chain, dma_of(self->blk), HEADER_SIZE, &range, sizeof(range),
			       &error)) {
		break_device(self->blk, error);
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	sector = GUINT64_FROM_LE(range.sector);
	size = (guint64)GUINT32_FROM_LE(range.num_sectors) * BLOCK_SECTOR_SIZE;
	flags = GUINT32_FROM_LE(range.flags);
	if (flags &
	    ~(guint32)(operation == BLOCK_DISCARD ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)) {
		end(self, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	if (is_readonly(self->blk) || size > BLOCK_REQUEST_MAX ||
	    !is_on_disk(self->blk, sector, size)) {
		end(self, VIRTIO_BLK_S_IOERR);
		return;
	}
	self->offset = sector * BLOCK_SECTOR_SIZE;
	self->size = size;
	self->block.may_unmap = flags != 0;
	await(self, operation);
}

static gboolean has_feature(const VirtioBlk *blk, guint bit)
{
	return (blk->features & VIRTIO_FEATURE(bit)) != 0;
}

static void ask(Request *self)
{
	const VirtioBlk *blk = self->blk;

	switch (GUINT32_FROM_LE(self->header.type)) {
	case VIRTIO_BLK_T_IN:
		ask_for_data(self, BLOCK_READ, data_in_size(self));
		return;
	case VIRTIO_BLK_T_OUT:
		ask_for_data(self, BLOCK_WRITE, data_out_size(self));
		return;
	case VIRTIO_BLK_T_FLUSH:
		await(self, BLOCK_FLUSH);
		return;
	case VIRTIO_BLK_T_GET_ID:
		ask_for_id(self);
		return;
	case VIRTIO_BLK_T_DISCARD:
		if (!has_feature(blk, VIRTIO_BLK_F_DISCARD))
			break;
		ask_for_range(self, BLOCK_DISCARD);
		return;
	case VIRTIO_BLK_T_WRITE_ZEROES:
		if (!has_feature(blk, VIRTIO_BLK_F_WRITE_ZEROES))
			break;
		ask_for_range(self, BLOCK_WRITE_ZEROES);
		return;
	}
	end(self, VIRTIO_BLK_S_UNSUPP);
}

/* Reads the headers of a batch in one transfer, or finds out which one is nowhere. */
static void read_headers(VirtioBlk *blk, Request *const *batch, guint count)
{
	struct virtio_blk_outhdr headers[BATCH];
	gboolean is_read;

	clear_gathered(blk);
	for (guint i = 0; i < count; i++) {
		const VirtioChain *chain = batch[i]->chain;
		const guint first = blk->pieces->len;
		guint n;

		g_array_set_size(blk->pieces, first + chain->n_out);
		n = dma_pieces_slice(chain->out, chain->n_out, 0, HEADER_SIZE,
				     &g_array_index(blk->pieces, DmaPiece, first));
		g_array_set_size(blk->pieces, first + n);
	}
	is_read = dma_channel_read(dma_of(blk), (DmaPiece *)(void *)blk->pieces->data,
				   blk->pieces->len, headers, NULL);
	clear_gathered(blk);
	for (guint i = 0; i < count; i++) {
		Request *self = batch[i];
		g_autoptr(GError) error = NULL;

		self->header = headers[i];
		if (!is_read && !virtio_chain_read(self->chain, dma_of(blk), 0, &self->header,
						   HEADER_SIZE, &error)) {
			break_device(blk, error);
			drop(self);
		} else {
			ask(self);
		}
	}
}

static gboolean check_chain(const VirtioChain *chain, GError **error)
{
	if (chain->out_size < HEADER_SIZE)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    _("the guest has asked its disk for something without a header"));
	else if (chain->in_size < STATUS_SIZE)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
			    _("the guest has asked its disk for something without room for a "
			      "status"));
	else
		return TRUE;
	return FALSE;
}

/* Return: how many requests there are in @batch. */
static guint pop_batch(VirtioBlk *blk, guint queue, Request **batch)
{
	g_autoptr(GError) error = NULL;
	guint count = 0;

	while (count < BATCH && !blk->is_broken && blk->n_pieces < VIRTIO_BLK_PIECES) {
		VirtioChain *chain = virtio_queue_pop(virtio_device_queue(blk->virtio, queue),
						      &error);
		Request *self;

		if (!chain)
			break;
		if (!check_chain(chain, &error)) {
			virtio_queue_drop(chain);
			break;
		}
		self = g_new0(Request, 1);
		self->blk = blk;
		self->queue = queue;
		self->chain = chain;
		self->n_pieces = chain->n_out + chain->n_in;
		self->link.data = self;
		blk->n_pieces += self->n_pieces;
		batch[count++] = self;
	}
	if (error)
		break_device(blk, error);
	return count;
}

static void on_kicked(void *device, guint index)
{
	VirtioBlk *blk = device;
	VirtioQueue *queue = virtio_device_queue(blk->virtio, index);
	Request *batch[BATCH];
	guint count;

	if (!is_open(blk) || blk->is_broken)
		return;
	do {
		virtio_queue_disable_kicks(queue);
		while ((count = pop_batch(blk, index, batch)) > 0) {
			read_headers(blk, batch, count);
			go_on(blk);
		}
		blk->is_full = blk->n_pieces >= VIRTIO_BLK_PIECES;
	} while (!blk->is_broken && !blk->is_full && !virtio_queue_enable_kicks(queue));
}

typedef struct {
	GSource source;
	VirtioBlk *blk;
} TakerSource;

static gboolean on_taker(GSource *source, GSourceFunc callback, gpointer opaque)
{
	VirtioBlk *blk = ((TakerSource *)source)->blk;

	(void)callback;
	(void)opaque;
	g_source_set_ready_time(source, -1);
	for (guint i = 0; i < blk->n_queues; i++)
		on_kicked(blk, i);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs taker_functions = { .dispatch = on_taker };

static GSource *taker_new(VirtioBlk *blk, GMainContext *context)
{
	GSource *source = g_source_new(&taker_functions, sizeof(TakerSource));

	((TakerSource *)source)->blk = blk;
	g_source_attach(source, context);
	return source;
}

/*
 * The transport's calls.
 */

static guint64 on_features(void *device)
{
	const VirtioBlk *blk = device;
	guint64 features = VIRTIO_FEATURE(VIRTIO_BLK_F_SEG_MAX) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_BLK_SIZE) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_TOPOLOGY) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH) |
			   VIRTIO_FEATURE(VIRTIO_BLK_F_CONFIG_WCE);

	if (blk->n_queues > 1)
		features |= VIRTIO_FEATURE(VIRTIO_BLK_F_MQ);
	if (is_readonly(blk))
		return features | VIRTIO_FEATURE(VIRTIO_BLK_F_RO);
	features |= VIRTIO_FEATURE(VIRTIO_BLK_F_WRITE_ZEROES);
	if (block_backend_discards(blk->backend))
		features |= VIRTIO_FEATURE(VIRTIO_BLK_F_DISCARD);
	return features;
}

static guint8 exponent(guint32 larger, guint32 smaller)
{
	guint8 result = 0;

	while (smaller << (result + 1u) <= larger && result < 16)
		result++;
	return result;
}

static void make_config(const VirtioBlk *blk, struct virtio_blk_config *config)
{
	const guint32 most = BLOCK_REQUEST_MAX / BLOCK_SECTOR_SIZE;
	const guint32 alignment = MAX(blk->physical_block_size, blk->block_size);

	*config = (struct virtio_blk_config){
		.capacity = GUINT64_TO_LE(__atomic_load_n(&blk->sectors, __ATOMIC_RELAXED)),
		.seg_max = GUINT32_TO_LE(blk->queue_size - 2u),
		.blk_size = GUINT32_TO_LE(blk->block_size),
		.physical_block_exp = exponent(blk->physical_block_size, blk->block_size),
		.wce = g_atomic_int_get(&blk->write_cache) != 0,
		.num_queues = GUINT16_TO_LE(blk->n_queues),
		.max_discard_sectors = GUINT32_TO_LE(most),
		.max_discard_seg = GUINT32_TO_LE(1),
		.discard_sector_alignment = GUINT32_TO_LE(alignment / BLOCK_SECTOR_SIZE),
		.max_write_zeroes_sectors = GUINT32_TO_LE(most),
		.max_write_zeroes_seg = GUINT32_TO_LE(1),
		.write_zeroes_may_unmap = 1,
	};
}

static void on_config_read(void *device, guint offset, void *data, guint size)
{
	struct virtio_blk_config config;

	make_config(device, &config);
	memcpy(data, (const guint8 *)&config + offset, size);
}

static void on_config_write(void *device, guint offset, const void *data, guint size)
{
	VirtioBlk *blk = device;
	const guint wce = offsetof(struct virtio_blk_config, wce);

	if (offset <= wce && wce < offset + size)
		g_atomic_int_set(&blk->write_cache, ((const guint8 *)data)[wce - offset] & 1);
}

/* A driver that knows no flush must find everything on the disk. */
static void on_start(void *device, guint64 features)
{
	VirtioBlk *blk = device;

	blk->features = features;
	if (!has_feature(blk, VIRTIO_BLK_F_FLUSH))
		g_atomic_int_set(&blk->write_cache, FALSE);
	blk->is_broken = FALSE;
	blk->is_paused = FALSE;
	blk->is_left = FALSE;
	blk->is_full = FALSE;
	blk->is_started = TRUE;
}

static GMainContext *context_of(const VirtioBlk *blk)
{
	return io_thread_context(virtio_device_io_thread(blk->virtio));
}

/*
 * Nothing is begun meanwhile; what has begun ends. Other calls of the transport's may come while
 * this waits: a pause does not take the device lock.
 */
static void begin_drain(VirtioBlk *blk)
{
	blk->n_drains++;
	staging_wait_no_more(blk->staging, &blk->waiter);
}

static void end_drain(VirtioBlk *blk)
{
	finish_all(blk);
	blk->n_drains--;
}

/* With an end, whatever the backend does. */
static void drain_for_good(VirtioBlk *blk)
{
	begin_drain(blk);
	block_backend_finish_for_good(blk->backend, context_of(blk));
	end_drain(blk);
	g_assert(blk->n_busy == 0);
}

static void drop_all(GQueue *list, const guint *queue)
{
	GList *next;

	for (GList *link = list->head; link; link = next) {
		Request *self = link->data;

		next = link->next;
		if (!queue || self->queue == *queue) {
			g_queue_unlink(list, link);
			drop(self);
		}
	}
}

static void on_stop(void *device)
{
	VirtioBlk *blk = device;

	blk->is_started = FALSE;
	drain_for_good(blk);
	drop_all(&blk->waiting, NULL);
	drop_all(&blk->stopped, NULL);
	drop_all(&blk->late, NULL);
	drop_all(&blk->limited, NULL);
	g_atomic_int_set(&blk->write_cache, blk->has_write_cache);
}

/* Kicks of the other queues that came meanwhile have been taken, and nobody has looked there. */
static void on_stop_queue(void *device, guint queue)
{
	VirtioBlk *blk = device;

	drain_for_good(blk);
	drop_all(&blk->waiting, &queue);
	drop_all(&blk->stopped, &queue);
	drop_all(&blk->late, &queue);
	drop_all(&blk->limited, &queue);
	go_on(blk);
	for (guint i = 0; i < blk->n_queues; i++)
		if (i != queue)
			on_kicked(blk, i);
}

/* What the backend does not end soon, it ends in the pause, and that is told after it. */
static void on_drain(void *device)
{
	VirtioBlk *blk = device;

	blk->is_paused = TRUE;
	begin_drain(blk);
	if (!block_backend_finish(blk->backend, context_of(blk)))
		blk->is_left = TRUE;
	end_drain(blk);
}

/* What the machine has stopped with is done again, before what came later. */
static void on_resume(void *device)
{
	VirtioBlk *blk = device;
	GList *link;

	while ((link = g_queue_pop_tail_link(&blk->stopped))) {
		((Request *)link->data)->state = REQUEST_WAITING;
		g_queue_push_head_link(&blk->waiting, link);
	}
	blk->is_paused = FALSE;
	blk->is_left = FALSE;
	while ((link = g_queue_pop_head_link(&blk->late)))
		take_end(link->data, ((Request *)link->data)->late_error);
	go_on(blk);
}

static void on_free(void *device)
{
	virtio_blk_free(device);
}

const VirtioDeviceOperations virtio_blk_operations = {
	.features = on_features,
	.config_read = on_config_read,
	.config_write = on_config_write,
	.start = on_start,
	.kicked = on_kicked,
	.stop = on_stop,
	.stop_queue = on_stop_queue,
	.drain = on_drain,
	.resume = on_resume,
	.free = on_free,
};

static guint64 count_sectors(const VirtioBlk *blk)
{
	const guint64 size = block_backend_limits(blk->backend)->size;

	return size / blk->block_size * (blk->block_size / BLOCK_SECTOR_SIZE);
}

VirtioBlk *virtio_blk_new(const VirtioBlkConfig *config, VirtioDeviceConfig *device)
{
	const BlockLimits *limits = block_backend_limits(config->backend);
	VirtioBlk *blk = g_new0(VirtioBlk, 1);

	blk->backend = config->backend;
	blk->id = g_strdup(config->errors.id);
	blk->waiter = (StagingWaiter){ .wake = on_staging, .opaque = blk };
	blk->n_queues = config->n_queues;
	blk->queue_size = config->queue_size;
	blk->block_size = config->logical_block_size ? config->logical_block_size :
						       limits->logical_block_size;
	blk->physical_block_size = MAX(config->physical_block_size ? config->physical_block_size :
								     limits->physical_block_size,
				       blk->block_size);
	blk->errors = config->errors;
	blk->errors.id = blk->id;
	blk->has_write_cache = config->has_write_cache;
	blk->write_cache = config->has_write_cache;
	blk->sectors = count_sectors(blk);
	blk->pieces = g_array_new(FALSE, FALSE, sizeof(DmaPiece));
	blk->gathered = g_malloc(GATHER_SIZE);
	if (config->serial)
		memcpy(blk->serial, config->serial,
		       MIN(strlen(config->serial), sizeof(blk->serial)));
	*device = (VirtioDeviceConfig){
		.name = "virtio-blk",
		.device_id = VIRTIO_ID_BLOCK,
		.class_code = CLASS_STORAGE,
		.n_queues = config->n_queues,
		.queue_size = config->queue_size,
		.config_size = CONFIG_SIZE,
		.operations = &virtio_blk_operations,
		.opaque = blk,
	};
	return blk;
}

void virtio_blk_attach(VirtioBlk *blk, VirtioDevice *virtio, IoRing *ring, Staging *staging)
{
	GMainContext *context = io_thread_context(virtio_device_io_thread(virtio));

	blk->virtio = virtio;
	blk->staging = staging;
	block_backend_attach(blk->backend, context, ring);
	blk->finisher = before_sleep_new(context, before_sleep, blk);
	blk->taker = taker_new(blk, context);
}

/* On the I/O thread, which may be about to look at these. */
static void detach(void *opaque)
{
	VirtioBlk *blk = opaque;

	before_sleep_free(blk->finisher);
	g_source_destroy(blk->taker);
	g_source_unref(blk->taker);
	block_backend_free(blk->backend);
}

void virtio_blk_free(VirtioBlk *blk)
{
	if (!blk)
		return;
	if (blk->finisher)
		io_thread_call(virtio_device_io_thread(blk->virtio), detach, blk);
	else
		block_backend_free(blk->backend);
	g_free(blk->id);
	g_array_unref(blk->pieces);
	g_free(blk->gathered);
	g_free(blk);
}

BlockBackend *virtio_blk_backend(const VirtioBlk *blk)
{
	return blk->backend;
}

static void poll_size(void *opaque)
{
	VirtioBlk *blk = opaque;

	if (!block_backend_poll_size(blk->backend))
		return;
	__atomic_store_n(&blk->sectors, count_sectors(blk), __ATOMIC_RELAXED);
	virtio_device_config_changed(blk->virtio);
}

typedef struct {
	VirtioBlk *blk;
	const ThrottleConfig *config;
} Limits;

static void set_limits(void *opaque)
{
	const Limits *limits = opaque;

	throttle_set(block_backend_throttle(limits->blk->backend), limits->config);
}

void virtio_blk_set_limits(VirtioBlk *blk, const ThrottleConfig *config)
{
	Limits limits = { blk, config };

	io_thread_call(virtio_device_io_thread(blk->virtio), set_limits, &limits);
}

void virtio_blk_poll_size(VirtioBlk *blk)
{
	io_thread_call(virtio_device_io_thread(blk->virtio), poll_size, blk);
}
