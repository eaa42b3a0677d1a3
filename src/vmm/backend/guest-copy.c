/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest-copy.c - what a device copies to guest memory all the time */
#include "vmm/backend/guest-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/backend/uring.h"

/* Requests that go together. */
#define ENTRIES 256u

/* Pieces of guest memory that the kernel knows, 64 MiB: more than a card's buffers are in. */
#define PIECES 256u

/* What one request copies. */
typedef struct {
	guint64 gpa;
	gsize offset; /* in the buffer */
	DirectUse use;
	gboolean is_done;
} Part;

struct GuestCopy {
	struct io_uring uring;
	DirectMemory *direct;
	int fd; /* of the buffer */
	guint8 *memory;
	gsize size;
	gboolean is_broken; /* the ring is not used any more */
	Part parts[ENTRIES];
	guint n_parts;
};

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
	const gsize size = copy->size;
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

static gboolean make_ring(GuestCopy *copy, Memory *memory, GError **error)
{
	if (!uring_init(&copy->uring, ENTRIES, error))
		return FALSE;
	copy->direct = direct_memory_new(memory, 0,
					 uring_make_buffers(&copy->uring, PIECES) ? PIECES : 0,
					 set_buffer, copy, error);
	if (!copy->direct)
		io_uring_queue_exit(&copy->uring);
	return copy->direct != NULL;
}

GuestCopy *guest_copy_new(Memory *memory, gsize size, GError **error)
{
	g_autoptr(GuestCopy) copy = g_new0(GuestCopy, 1);

	copy->fd = -1;
	copy->size = size;
	if (!make_buffer(copy, error) || !make_ring(copy, memory, error))
		return NULL;
	return g_steal_pointer(&copy);
}

void guest_copy_free(GuestCopy *copy)
{
	if (!copy)
		return;
	if (copy->direct) {
		direct_memory_free(copy->direct);
		io_uring_queue_exit(&copy->uring);
	}
	if (copy->memory)
		munmap(copy->memory, copy->size);
	if (copy->fd >= 0)
		close(copy->fd);
	g_free(copy);
}

guint8 *guest_copy_buffer(const GuestCopy *copy)
{
	return copy->memory;
}

static gboolean carry(const GuestCopy *copy, DmaChannel *channel, guint64 gpa, guint64 size,
		      gsize offset, GError **error)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_write(channel, &piece, 1, copy->memory + offset, error);
}

static void prepare(GuestCopy *copy, guint number)
{
	const Part *part = &copy->parts[number];
	struct io_uring_sqe *entry = io_uring_get_sqe(&copy->uring);

	io_uring_prep_read_fixed(entry, copy->fd, part->use.address, (guint)part->use.size,
				 part->offset, part->use.buffer);
	io_uring_sqe_set_data(entry, GUINT_TO_POINTER(number));
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

/* What did not go through the ring, a piece that was taken away meanwhile say, the channel carries.
 */
static gboolean copy_parts(GuestCopy *copy, DmaChannel *channel, GError **error)
{
	gboolean is_good = TRUE;
	guint n;

	for (guint i = 0; i < copy->n_parts; i++)
		prepare(copy, i);
	n = submit(copy);
	copy->is_broken = n < copy->n_parts;
	copy->is_broken |= !await(copy, n);
	for (guint i = 0; i < copy->n_parts; i++) {
		const Part *part = &copy->parts[i];

		direct_memory_end(copy->direct, &part->use);
		if (is_good && !part->is_done)
			is_good = carry(copy, channel, part->gpa, part->use.size, part->offset,
					error);
	}
	copy->n_parts = 0;
	return is_good;
}

/* Adds a piece to what is copied next, or has the channel carry it. */
static gboolean add_piece(GuestCopy *copy, DmaChannel *channel, const DmaPiece *piece, gsize offset,
			  GError **error)
{
	guint64 done = 0;

	if (piece->size > copy->size - offset) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
				    _("the pieces are larger than the buffer"));
		return FALSE;
	}
	while (done < piece->size) {
		const guint64 gpa = piece->gpa + done, left = piece->size - done;
		Part *part;

		if (copy->n_parts == ENTRIES && !copy_parts(copy, channel, error))
			return FALSE;
		part = &copy->parts[copy->n_parts];
		if (copy->is_broken || !direct_memory_begin(copy->direct, gpa, left, &part->use))
			return carry(copy, channel, gpa, left, offset + done, error);
		part->gpa = gpa;
		part->offset = offset + done;
		part->is_done = FALSE;
		copy->n_parts++;
		done += part->use.size;
	}
	return TRUE;
}

static void forget_parts(GuestCopy *copy)
{
	for (guint i = 0; i < copy->n_parts; i++)
		direct_memory_end(copy->direct, &copy->parts[i].use);
	copy->n_parts = 0;
}

gboolean guest_copy_write(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			  GError **error)
{
	gsize offset = 0;

	for (guint i = 0; i < count; i++) {
		if (!add_piece(copy, channel, &pieces[i], offset, error)) {
			forget_parts(copy);
			return FALSE;
		}
		offset += pieces[i].size;
	}
	return copy->n_parts == 0 || copy_parts(copy, channel, error);
}
