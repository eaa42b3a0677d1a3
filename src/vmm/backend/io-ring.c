/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io-ring.c - an io_uring for the files of one I/O thread */
#include "vmm/backend/io-ring.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <liburing.h>
#include <string.h>

#include "vmm/backend/uring.h"

/* As many as a guest's queue has; more wait in the list of what is to be begun. */
#define ENTRIES 256u

/* As much as goes to and from disks at a time: a few large requests, or a thousand small ones. */
#define STAGING_SIZE	   (4u << 20)

#define RETRY_MILLISECONDS 10

typedef struct {
	GSource source;
	IoRing *ring;
} RingSource;

struct IoRing {
	struct io_uring uring;
	RingSource *source; /* NULL until it is attached */
	IoRingEntry *first; /* to be begun, in order */
	IoRingEntry **last;
	gboolean has_buffers;	/* numbers for memory that the kernel knows */
	Staging *staging;	/* NULL of a spare one */
	gboolean is_registered; /* the staging memory, as buffer 0 */

	/* Where guest memory has its addresses, a buffer behind the other; NULL: it has none. */
	const guint8 *direct;
	gsize direct_size; /* of each */
};

/* What is done in one buffer. */
struct IoRingPart {
	IoRingEntry *entry;
	gint64 wanted;
	gint64 result;
};

/* In what the kernel gives back, beside a pointer: it is one to a part. */
#define IS_PART 1u

/* The main thread's. */
static struct {
	gboolean are_kept;
	GQueue rings;
} spares;

gboolean io_ring_set_buffer(void *data, guint buffer, void *address, gsize size)
{
	IoRing *ring = data;

	if (address) {
		ring->direct = (guint8 *)address - (buffer - IO_RING_FIRST_DIRECT) * size;
		ring->direct_size = size;
	}
	return uring_set_buffer(&ring->uring, buffer, address, size);
}

static IoRing *make(GError **error)
{
	g_autofree IoRing *ring = g_new0(IoRing, 1);

	if (!uring_init(&ring->uring, ENTRIES, error))
		return NULL;
	ring->has_buffers = uring_make_buffers(&ring->uring, IO_RING_FIRST_DIRECT + IO_RING_DIRECT);
	ring->last = &ring->first;
	return g_steal_pointer(&ring);
}

static IoRing *take_spare(GError **error)
{
	IoRing *ring = g_queue_pop_head(&spares.rings);

	if (!ring)
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
				    _("no more I/O thread can serve disks: let disks that are "
				      "attached share one, by iothread"));
	return ring;
}

/* Only of one that is used: the kernel keeps it in memory. */
static gboolean add_staging(IoRing *ring, GError **error)
{
	ring->staging = staging_new(STAGING_SIZE, error);
	if (!ring->staging)
		return FALSE;
	ring->is_registered = ring->has_buffers &&
			      uring_set_buffer(&ring->uring, 0, staging_memory(ring->staging),
					       staging_size(ring->staging));
	return TRUE;
}

IoRing *io_ring_new(GError **error)
{
	IoRing *ring = spares.are_kept ? take_spare(error) : make(error);

	if (ring && !add_staging(ring, error))
		g_clear_pointer(&ring, io_ring_free);
	return ring;
}

gboolean io_ring_keep_spares(guint count, GError **error)
{
	spares.are_kept = TRUE;
	for (guint i = 0; i < count; i++) {
		IoRing *ring = make(error);

		if (!ring)
			return FALSE;
		g_queue_push_tail(&spares.rings, ring);
	}
	return TRUE;
}

static void detach(IoRing *ring)
{
	if (!ring->source)
		return;
	g_source_destroy(&ring->source->source);
	g_source_unref(&ring->source->source);
	ring->source = NULL;
}

/* Return: FALSE where the kernel keeps it. */
static gboolean forget_staging(IoRing *ring)
{
	if (ring->is_registered && !uring_set_buffer(&ring->uring, 0, NULL, 0))
		return FALSE;
	ring->is_registered = FALSE;
	g_clear_pointer(&ring->staging, staging_free);
	return TRUE;
}

void io_ring_free(IoRing *ring)
{
	if (!ring)
		return;
	detach(ring);
	ring->direct = NULL;
	if (spares.are_kept && forget_staging(ring)) {
		g_queue_push_tail(&spares.rings, ring);
		return;
	}
	io_uring_queue_exit(&ring->uring);
	staging_free(ring->staging);
	g_free(ring);
}

Staging *io_ring_staging(const IoRing *ring)
{
	return ring->staging;
}

int io_ring_fd(const IoRing *ring)
{
	return ring->uring.ring_fd;
}

static gboolean is_registered(const IoRing *ring, const IoRingEntry *entry)
{
	const guint8 *memory = staging_memory(ring->staging);
	const guint8 *data = entry->iovec->iov_base;

	return ring->is_registered && entry->n_iovec == 1 && data >= memory &&
	       data + entry->iovec->iov_len <= memory + staging_size(ring->staging);
}

static gboolean is_direct(const IoRing *ring, const void *address)
{
	const guint8 *at = address;

	return ring->direct && at >= ring->direct &&
	       at < ring->direct + IO_RING_DIRECT * ring->direct_size;
}

static guint16 buffer_of(const IoRing *ring, const struct iovec *iovec)
{
	const gsize offset = (const guint8 *)iovec->iov_base - ring->direct;

	return is_direct(ring, iovec->iov_base) ?
		       (guint16)(IO_RING_FIRST_DIRECT + offset / ring->direct_size) :
		       0;
}

static gboolean is_read(const IoRingEntry *entry)
{
	return entry->operation == IORING_OP_READV;
}

/* In memory that the kernel knows. */
static void prepare_fixed(const IoRing *ring, const IoRingEntry *entry, const struct iovec *iovec,
			  guint64 offset, struct io_uring_sqe *sqe)
{
	const guint size = (guint)iovec->iov_len;

	if (is_read(entry))
		io_uring_prep_read_fixed(sqe, entry->fd, iovec->iov_base, size, offset,
					 buffer_of(ring, iovec));
	else
		io_uring_prep_write_fixed(sqe, entry->fd, iovec->iov_base, size, offset,
					  buffer_of(ring, iovec));
}

static void prepare_transfer(const IoRing *ring, const IoRingEntry *entry, struct io_uring_sqe *sqe)
{
	if (is_registered(ring, entry) || is_direct(ring, entry->iovec->iov_base))
		prepare_fixed(ring, entry, entry->iovec, entry->offset, sqe);
	else if (is_read(entry))
		io_uring_prep_readv(sqe, entry->fd, entry->iovec, entry->n_iovec, entry->offset);
	else
		io_uring_prep_writev(sqe, entry->fd, entry->iovec, entry->n_iovec, entry->offset);
	sqe->rw_flags = is_read(entry) ? 0 : entry->flags;
}

static void prepare(const IoRing *ring, IoRingEntry *entry, struct io_uring_sqe *sqe)
{
	switch (entry->operation) {
	case IORING_OP_READV:
	case IORING_OP_WRITEV:
		prepare_transfer(ring, entry, sqe);
		break;
	case IORING_OP_FSYNC:
		io_uring_prep_fsync(sqe, entry->fd, IORING_FSYNC_DATASYNC);
		break;
	case IORING_OP_FALLOCATE:
		io_uring_prep_fallocate(sqe, entry->fd, entry->flags, (off_t)entry->offset,
					(off_t)entry->size);
		break;
	default:
		g_assert_not_reached();
	}
	io_uring_sqe_set_data(sqe, entry);
}

/* How many of the kernel's requests it is. */
static guint count_parts(const IoRing *ring, const IoRingEntry *entry)
{
	const gboolean is_transfer = is_read(entry) || entry->operation == IORING_OP_WRITEV;

	return is_transfer && entry->n_iovec > 1 && is_direct(ring, entry->iovec->iov_base) ?
		       entry->n_iovec :
		       1;
}

static void prepare_parts(IoRing *ring, IoRingEntry *entry)
{
	guint64 offset = entry->offset;

	entry->n_parts = entry->n_iovec;
	entry->n_pending = entry->n_iovec;
	entry->parts = g_new(IoRingPart, entry->n_parts);
	for (guint i = 0; i < entry->n_parts; i++) {
		const struct iovec *iovec = &entry->iovec[i];
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);

		entry->parts[i] = (IoRingPart){ .entry = entry, .wanted = (gint64)iovec->iov_len };
		prepare_fixed(ring, entry, iovec, offset, sqe);
		sqe->rw_flags = is_read(entry) ? 0 : entry->flags;
		io_uring_sqe_set_data(sqe, (void *)((guintptr)&entry->parts[i] | IS_PART));
		offset += iovec->iov_len;
	}
}

/* Return: FALSE where the ring has no room for it now. */
static gboolean prepare_next(IoRing *ring)
{
	IoRingEntry *entry = ring->first;
	const guint count = count_parts(ring, entry);

	if (io_uring_sq_space_left(&ring->uring) < count)
		return FALSE;
	ring->first = entry->next;
	if (!ring->first)
		ring->last = &ring->first;
	if (count > 1)
		prepare_parts(ring, entry);
	else
		prepare(ring, entry, io_uring_get_sqe(&ring->uring));
	return TRUE;
}

/* Hands all that is to be begun to the kernel, or as much as it takes now. */
static void submit(IoRing *ring)
{
	while (ring->first || io_uring_sq_ready(&ring->uring)) {
		while (ring->first && prepare_next(ring))
			;
		/* It fails while too much is under way: tried again when some of it has ended. */
		if (io_uring_submit(&ring->uring) <= 0)
			return;
	}
}

static gboolean on_prepare(GSource *source, gint *timeout)
{
	IoRing *ring = ((RingSource *)source)->ring;

	submit(ring);
	/* What the kernel did not take, with nothing under way that would end. */
	*timeout = ring->first || io_uring_sq_ready(&ring->uring) ? RETRY_MILLISECONDS : -1;
	return io_uring_cq_ready(&ring->uring) > 0;
}

static gboolean on_check(GSource *source)
{
	return io_uring_cq_ready(&((RingSource *)source)->ring->uring) > 0;
}

static void begin(IoRing *ring, IoRingEntry *entry)
{
	entry->next = NULL;
	*ring->last = entry;
	ring->last = &entry->next;
}

static void entry_ended(IoRing *ring, IoRingEntry *entry, gint64 result)
{
	if (result == -EINTR || result == -EAGAIN)
		begin(ring, entry);
	else
		entry->complete(entry, result);
}

/* What all of them come to: as much as is complete from the beginning, or the first error. */
static gint64 sum_of_parts(const IoRingEntry *entry)
{
	gint64 sum = 0;

	for (guint i = 0; i < entry->n_parts; i++) {
		const IoRingPart *part = &entry->parts[i];

		if (part->result < 0)
			return sum > 0 ? sum : part->result;
		sum += part->result;
		if (part->result < part->wanted)
			break;
	}
	return sum;
}

static void part_ended(IoRing *ring, IoRingPart *part, gint64 result)
{
	IoRingEntry *entry = part->entry;

	part->result = result;
	if (--entry->n_pending > 0)
		return;
	result = sum_of_parts(entry);
	g_clear_pointer(&entry->parts, g_free);
	entry_ended(ring, entry, result);
}

static gboolean on_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
	IoRing *ring = ((RingSource *)source)->ring;
	struct io_uring_cqe *cqe;

	(void)callback;
	(void)opaque;
	while (io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
		const guintptr data = (guintptr)io_uring_cqe_get_data(cqe);
		const int result = cqe->res;

		io_uring_cqe_seen(&ring->uring, cqe);
		if (data & IS_PART)
			part_ended(ring, (IoRingPart *)(data - IS_PART), result);
		else
			entry_ended(ring, (IoRingEntry *)data, result);
	}
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs source_functions = {
	.prepare = on_prepare,
	.check = on_check,
	.dispatch = on_dispatch,
};

void io_ring_attach(IoRing *ring, GMainContext *context)
{
	GSource *source = g_source_new(&source_functions, sizeof(RingSource));

	g_assert(!ring->source);
	ring->source = (RingSource *)source;
	ring->source->ring = ring;
	g_source_add_unix_fd(source, ring->uring.ring_fd, G_IO_IN);
	g_source_attach(source, context);
}

void io_ring_read(IoRing *ring, IoRingEntry *entry, int fd, const struct iovec *iovec,
		  guint n_iovec, guint64 offset)
{
	entry->operation = IORING_OP_READV;
	entry->fd = fd;
	entry->iovec = iovec;
	entry->n_iovec = n_iovec;
	entry->offset = offset;
	begin(ring, entry);
}

void io_ring_write(IoRing *ring, IoRingEntry *entry, int fd, const struct iovec *iovec,
		   guint n_iovec, guint64 offset, int flags)
{
	entry->operation = IORING_OP_WRITEV;
	entry->fd = fd;
	entry->iovec = iovec;
	entry->n_iovec = n_iovec;
	entry->offset = offset;
	entry->flags = flags;
	begin(ring, entry);
}

void io_ring_sync_data(IoRing *ring, IoRingEntry *entry, int fd)
{
	entry->operation = IORING_OP_FSYNC;
	entry->fd = fd;
	begin(ring, entry);
}

void io_ring_fallocate(IoRing *ring, IoRingEntry *entry, int fd, int mode, guint64 offset,
		       guint64 size)
{
	entry->operation = IORING_OP_FALLOCATE;
	entry->fd = fd;
	entry->flags = mode;
	entry->offset = offset;
	entry->size = size;
	begin(ring, entry);
}
