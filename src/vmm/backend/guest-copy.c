/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-copy.c - what devices copy to and from guest memory all the time */
#include "vmm/backend/guest-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/backend/uring.h"

/* Requests that go together. */
#define ENTRIES 256u

/* Pieces of guest memory that the kernel knows, 64 MiB: more than a card's buffers are in. */
#define PIECES 256u

/* Pages that a pipe has room for; a part of guest memory begins one of its own at worst. */
#define PIPE_PAGES 64u
#define PAGE_SIZE  4096u

G_STATIC_ASSERT(PIPE_PAGES <= ENTRIES);

/* What one request copies. */
typedef struct {
	guint64 gpa;
	gsize offset; /* in the content of all pieces */
	DirectUse use;
	gboolean is_done;
} Part;

struct GuestCopy {
	struct io_uring uring;
	gboolean has_ring;
	gboolean has_buffers; /* numbers for pieces */
	DirectMemory *direct; /* NULL of a spare one */
	int fd;		      /* of the buffer */
	guint8 *memory;
	int pipe[2];	    /* to read from, and for the kernel to write to */
	gboolean is_broken; /* the ring is not used any more */
	Part parts[ENTRIES];
	guint n_parts;
};

/* The main thread's. */
static struct {
	gboolean are_kept;
	GQueue copies;
} spares;

/* To guest memory, or from there. */
typedef struct {
	/* Asks the kernel for a part's copy. */
	void (*prepare)(const GuestCopy *copy, const Part *part, struct io_uring_sqe *entry);
	/* Brings what it has copied to where it belongs, or says of parts that they are not done;
	 * NULL: it is there. */
	void (*finish)(GuestCopy *copy, guint8 *data);
	guint pages_max; /* that the parts of one system call may be in */
} Way;

/* What is to be copied by a way, and how what the kernel does not copy is carried. */
typedef struct {
	GuestCopy *copy;
	const Way *way;
	guint8 *data; /* of all pieces, one behind the other */
	guint pages;  /* that the parts which wait are in at most */
	DmaCarry carry;
	DmaChannel *channel;
} Transfer;

static gboolean set_buffer(void *opaque, guint buffer, void *address, gsize size)
{
	const GuestCopy *copy = opaque;

	return uring_set_buffer(&copy->uring, buffer, address, size);
}

static gboolean fail(const char *what, GError **error)
{
	const int code = errno;

	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code),
		    _("a buffer that the kernel copies to guest memory: %s: %s"), what,
		    g_strerror(code));
	return FALSE;
}

static gboolean make_buffer(GuestCopy *copy, GError **error)
{
	const gsize size = GUEST_COPY_SIZE;
	void *memory;

	copy->fd = memfd_create("guest-copy", MFD_CLOEXEC);
	if (copy->fd < 0)
		return fail("memfd_create", error);
	if (ftruncate(copy->fd, (off_t)size) < 0)
		return fail("ftruncate", error);
	/* Else io_uring has another thread read it, which takes several times as long. */
	if (fcntl(copy->fd, F_SETFL, O_NONBLOCK) < 0)
		return fail("F_SETFL", error);
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, copy->fd, 0);
	if (memory == MAP_FAILED)
		return fail("mmap", error);
	copy->memory = memory;
	(void)madvise(memory, size, MADV_DONTDUMP);
	(void)madvise(memory, size, MADV_DONTFORK);
	return TRUE;
}

static gboolean make_pipe(GuestCopy *copy, GError **error)
{
	if (pipe2(copy->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return fail("pipe2", error);
	if (fcntl(copy->pipe[1], F_SETPIPE_SZ, (int)(PIPE_PAGES * PAGE_SIZE)) < 0)
		return fail("F_SETPIPE_SZ", error);
	return TRUE;
}

static gboolean make_ring(GuestCopy *copy, GError **error)
{
	copy->has_ring = uring_init(&copy->uring, ENTRIES, error);
	copy->has_buffers = copy->has_ring && uring_make_buffers(&copy->uring, PIECES);
	return copy->has_ring;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void destroy(GuestCopy *copy)
{
	if (copy->has_ring)
		io_uring_queue_exit(&copy->uring);
	if (copy->memory)
		munmap(copy->memory, GUEST_COPY_SIZE);
	close_if_open(copy->pipe[1]);
	close_if_open(copy->pipe[0]);
	close_if_open(copy->fd);
	g_free(copy);
}

/* All that it takes but the table, which is a machine's. */
static GuestCopy *make(GError **error)
{
	GuestCopy *copy = g_new0(GuestCopy, 1);

	copy->fd = copy->pipe[0] = copy->pipe[1] = -1;
	if (make_buffer(copy, error) && make_pipe(copy, error) && make_ring(copy, error))
		return copy;
	destroy(copy);
	return NULL;
}

static GuestCopy *take_spare(GError **error)
{
	GuestCopy *copy = g_queue_pop_head(&spares.copies);

	if (!copy)
		g_set_error_literal(
			error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
			_("devices that have come before have all that was made for copies"));
	return copy;
}

static void give_back(GuestCopy *copy)
{
	if (spares.are_kept && !copy->is_broken)
		g_queue_push_tail(&spares.copies, copy);
	else
		destroy(copy);
}

GuestCopy *guest_copy_new(Memory *memory, GError **error)
{
	GuestCopy *copy = spares.are_kept ? take_spare(error) : make(error);

	if (!copy)
		return NULL;
	copy->direct = direct_memory_new(memory, 0, copy->has_buffers ? PIECES : 0, set_buffer,
					 copy, error);
	if (copy->direct)
		return copy;
	give_back(copy);
	return NULL;
}

void guest_copy_free(GuestCopy *copy)
{
	if (!copy)
		return;
	g_clear_pointer(&copy->direct, direct_memory_free);
	give_back(copy);
}

void guest_copy_keep_spares(guint count)
{
	spares.are_kept = TRUE;
	for (guint i = 0; i < count; i++) {
		GuestCopy *copy = make(NULL);

		if (!copy)
			return;
		g_queue_push_tail(&spares.copies, copy);
	}
}

guint8 *guest_copy_buffer(const GuestCopy *copy)
{
	return copy->memory;
}

/* The kernel, with parts */

static guint pages_of(guint64 size)
{
	return (guint)((size + PAGE_SIZE - 1) / PAGE_SIZE);
}

static void prepare_write(const GuestCopy *copy, const Part *part, struct io_uring_sqe *entry)
{
	io_uring_prep_read_fixed(entry, copy->fd, part->use.address, (guint)part->use.size,
				 part->offset, part->use.buffer);
}

static void prepare_read(const GuestCopy *copy, const Part *part, struct io_uring_sqe *entry)
{
	io_uring_prep_write_fixed(entry, copy->pipe[1], part->use.address, (guint)part->use.size, 0,
				  part->use.buffer);
}

/* Return: how many of them the kernel has taken. */
static guint submit(GuestCopy *copy)
{
	guint n = 0;

	while (n < copy->n_parts) {
		const int result = io_uring_submit(&copy->uring);

		if (result > 0)
			n += (guint)result;
		else if (result != -EINTR)
			break;
	}
	return n;
}

/* Return: FALSE where nobody can tell any more what has ended. */
static gboolean await(GuestCopy *copy, guint n)
{
	while (n > 0) {
		struct io_uring_cqe *completion;
		const int result = io_uring_wait_cqe(&copy->uring, &completion);
		Part *part;

		if (result == -EINTR)
			continue;
		if (result < 0)
			return FALSE;
		part = &copy->parts[GPOINTER_TO_UINT(io_uring_cqe_get_data(completion))];
		part->is_done = completion->res == (int)part->use.size;
		io_uring_cqe_seen(&copy->uring, completion);
		n--;
	}
	return TRUE;
}

static void end_uses(GuestCopy *copy)
{
	for (guint i = 0; i < copy->n_parts; i++)
		direct_memory_end(copy->direct, &copy->parts[i].use, copy->parts[i].is_done);
}

/* Has the kernel copy all parts, as far as it does. */
static void copy_parts(GuestCopy *copy, const Way *way)
{
	guint n;

	for (guint i = 0; i < copy->n_parts; i++) {
		struct io_uring_sqe *entry = io_uring_get_sqe(&copy->uring);

		way->prepare(copy, &copy->parts[i], entry);
		io_uring_sqe_set_data(entry, GUINT_TO_POINTER(i));
	}
	n = submit(copy);
	copy->is_broken = n < copy->n_parts;
	copy->is_broken |= !await(copy, n);
	end_uses(copy);
}

/* Return: the next part; NULL where the kernel does not know the memory. */
static const Part *add_part(GuestCopy *copy, guint64 gpa, guint64 size, gsize offset)
{
	Part *part = &copy->parts[copy->n_parts];

	if (copy->is_broken || !direct_memory_begin(copy->direct, gpa, size, &part->use))
		return NULL;
	part->gpa = gpa;
	part->offset = offset;
	part->is_done = FALSE;
	copy->n_parts++;
	return part;
}

/* From the pipe */

static gboolean are_parts_done(const GuestCopy *copy)
{
	for (guint i = 0; i < copy->n_parts; i++) {
		if (!copy->parts[i].is_done)
			return FALSE;
	}
	return TRUE;
}

/* Takes @size bytes out of the pipe, which are there. */
static gboolean read_pipe(const GuestCopy *copy, guint8 *data, gsize size)
{
	while (size > 0) {
		const gssize n = read(copy->pipe[0], data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return FALSE;
		data += n;
		size -= (gsize)n;
	}
	return TRUE;
}

static void empty_pipe(const GuestCopy *copy)
{
	guint8 dropped[PAGE_SIZE];
	gssize n;

	do
		n = read(copy->pipe[0], dropped, sizeof(dropped));
	while (n > 0 || (n < 0 && errno == EINTR));
}

/* To where each part belongs; parts that follow on each other in one go. */
static gboolean read_parts(const GuestCopy *copy, guint8 *data)
{
	guint i = 0;

	while (i < copy->n_parts) {
		const gsize begin = copy->parts[i].offset;
		gsize end = begin;

		for (; i < copy->n_parts && copy->parts[i].offset == end; i++)
			end += copy->parts[i].use.size;
		if (!read_pipe(copy, data + begin, end - begin))
			return FALSE;
	}
	return TRUE;
}

/* All or nothing: where a part is missing nobody can tell what the next one's bytes are. */
static void finish_read(GuestCopy *copy, guint8 *data)
{
	if (!copy->is_broken && are_parts_done(copy) && read_parts(copy, data))
		return;
	empty_pipe(copy);
	for (guint i = 0; i < copy->n_parts; i++)
		copy->parts[i].is_done = FALSE;
}

/* Transfers */

static const Way write_way = { prepare_write, NULL, G_MAXUINT };
static const Way read_way = { prepare_read, finish_read, PIPE_PAGES };

/* Copies the parts that wait. What the kernel did not copy, a piece that was taken away meanwhile
 * say, is carried. */
static gboolean flush(Transfer *transfer, GError **error)
{
	GuestCopy *copy = transfer->copy;
	gboolean is_good = TRUE;

	copy_parts(copy, transfer->way);
	if (transfer->way->finish)
		transfer->way->finish(copy, transfer->data);
	for (guint i = 0; i < copy->n_parts && is_good; i++) {
		const Part *part = &copy->parts[i];
		const DmaPiece piece = { part->gpa, part->use.size };

		if (!part->is_done)
			is_good = transfer->carry(transfer->channel, &piece, 1,
						  transfer->data + part->offset, error);
	}
	copy->n_parts = transfer->pages = 0;
	return is_good;
}

/* Adds a piece to what is copied next, or has it carried. */
static gboolean add_piece(Transfer *transfer, const DmaPiece *piece, gsize offset, GError **error)
{
	GuestCopy *copy = transfer->copy;
	guint64 done = 0;

	while (done < piece->size) {
		const guint pages_left = transfer->way->pages_max - transfer->pages;
		const DmaPiece rest = { piece->gpa + done, piece->size - done };
		const Part *part;

		if (copy->n_parts == ENTRIES || pages_left == 0) {
			if (!flush(transfer, error))
				return FALSE;
			continue;
		}
		part = add_part(copy, rest.gpa, MIN(rest.size, (guint64)pages_left * PAGE_SIZE),
				offset + done);
		if (!part)
			return transfer->carry(transfer->channel, &rest, 1,
					       transfer->data + offset + done, error);
		done += part->use.size;
		transfer->pages += pages_of(part->use.size);
	}
	return TRUE;
}

static void forget_parts(GuestCopy *copy)
{
	end_uses(copy);
	copy->n_parts = 0;
}

static gboolean carry_out(Transfer *transfer, const DmaPiece *pieces, guint count, GError **error)
{
	gsize offset = 0;

	for (guint i = 0; i < count; i++) {
		if (!add_piece(transfer, &pieces[i], offset, error)) {
			forget_parts(transfer->copy);
			return FALSE;
		}
		offset += pieces[i].size;
	}
	return transfer->copy->n_parts == 0 || flush(transfer, error);
}

/* Return: their size; or as much as no buffer has. */
static gsize size_of(const DmaPiece *pieces, guint count)
{
	guint64 size = 0;

	for (guint i = 0; i < count; i++) {
		if (!g_uint64_checked_add(&size, size, pieces[i].size))
			return G_MAXSIZE;
	}
	return size;
}

static gboolean write_buffer(GuestCopy *copy, const DmaPiece *pieces, guint count, DmaCarry carry,
			     DmaChannel *channel, GError **error)
{
	Transfer transfer = { copy, &write_way, copy->memory, 0, carry, channel };

	return carry_out(&transfer, pieces, count, error);
}

gboolean guest_copy_write(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			  GError **error)
{
	if (size_of(pieces, count) <= GUEST_COPY_SIZE)
		return write_buffer(copy, pieces, count, dma_channel_carry_write, channel, error);
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
			    _("the pieces are larger than the buffer"));
	return FALSE;
}

/* For a channel */

static gboolean serve_write(void *opaque, const DmaPiece *pieces, guint count, const void *data,
			    DmaCarry carry, DmaChannel *channel, GError **error)
{
	GuestCopy *copy = opaque;
	const gsize size = size_of(pieces, count);

	if (size > GUEST_COPY_SIZE)
		return carry(channel, pieces, count, (void *)data, error);
	memcpy(copy->memory, data, size);
	return write_buffer(copy, pieces, count, carry, channel, error);
}

static gboolean serve_read(void *opaque, const DmaPiece *pieces, guint count, void *data,
			   DmaCarry carry, DmaChannel *channel, GError **error)
{
	Transfer transfer = { opaque, &read_way, data, 0, carry, channel };

	return carry_out(&transfer, pieces, count, error);
}

static const DmaCopier copier = { .read = serve_read, .write = serve_write };

void guest_copy_serve(GuestCopy *copy, DmaChannel *channel)
{
	dma_channel_set_copier(channel, &copier, copy);
}
