/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-raw.c - a file or a block device as a disk */
#include "vmm/backend/block-raw.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"

/* Where the kernel does not say what O_DIRECT takes: what every disk that is made today takes. */
#define DIRECT_ALIGNMENT 4096u

/* So that nothing wraps: no file is larger. */
#define SIZE_MAX_BYTES (1ull << 62)

/* What is written where a range of zeroes cannot be had otherwise, this much in one go. */
#define ZEROES_SIZE   (64u << 10)
#define ZEROES_IOVECS 16u

typedef struct {
	BlockBackend backend;
	IoRing *ring;
	int fd;
	guint64 file_size; /* in bytes, at the beginning or when it was last looked at */
	gboolean is_device;
	gboolean is_direct;
	int sync_error;	      /* why nothing can be made to be on the disk any more, or 0 */
	gboolean lacks_holes; /* fallocate() has said so */
	gboolean lacks_zero_range;
	guint8 *zeroes;

	/* Direct writes that are no whole blocks. */
	guint n_writes;	   /* under way */
	gboolean is_alone; /* one of those is under way */
	GQueue waiting;	   /* of RawRequest: writes that wait until it has ended */
} BlockRaw;

typedef struct RawRequest RawRequest;

struct RawRequest {
	IoRingEntry entry;
	BlockRaw *raw;
	BlockRequest *request;
	void (*ended)(RawRequest *self, int error); /* what follows when nothing is left */
	guint64 offset;				    /* what is left of a transfer */
	guint64 left;
	guint64 zero_offset; /* what is left of a range of zeroes */
	guint64 zero_left;
	struct iovec *iovec; /* of what is left */
	guint n_iovec;
	struct iovec *iovec_memory;
	guint8 *bounce; /* for whole blocks around what is asked for */
	guint64 bounce_offset;
	guint64 bounce_size;
	gboolean is_write;
	gboolean has_range; /* some of the zeroes are not written */
	gboolean counts;    /* among the writes under way */
	gboolean is_alone;
};

static LogLimit shrunk_limit;
static LogLimit end_limit;
static LogLimit sync_limit;

static BlockRaw *raw_of(BlockBackend *backend)
{
	return (BlockRaw *)backend;
}

static void start(RawRequest *self);

/* Begins what had to wait, as far as it may. */
static void start_waiting(BlockRaw *raw)
{
	while (!raw->is_alone && !g_queue_is_empty(&raw->waiting)) {
		RawRequest *next = g_queue_peek_head(&raw->waiting);

		if (next->is_alone && raw->n_writes > 0)
			return;
		g_queue_pop_head(&raw->waiting);
		start(next);
	}
}

/* Frees what the request needed. Return: the request. */
static BlockRequest *release(RawRequest *self)
{
	BlockRaw *raw = self->raw;
	BlockRequest *request = self->request;

	if (self->counts) {
		raw->n_writes--;
		if (self->is_alone)
			raw->is_alone = FALSE;
	}
	free(self->bounce);
	g_free(self->iovec_memory);
	g_free(self);
	return request;
}

static void finish(RawRequest *self, int error)
{
	BlockRaw *raw = self->raw;
	BlockRequest *request = release(self);

	start_waiting(raw);
	block_complete(request, error);
}

/* What has failed, or had nothing to do, before the ring was asked. */
static void finish_later(RawRequest *self, int error)
{
	BlockRaw *raw = self->raw;
	BlockRequest *request = release(self);

	block_complete_later(&raw->backend, request, error);
	start_waiting(raw);
}

/*
 * What the kernel could not write of its cache it forgets, and tells once: the next fdatasync()
 * would find nothing to do, and the guest would believe that what is lost is on the disk.
 */
static void sync_failed(BlockRaw *raw, int error)
{
	if (raw->is_direct)
		return;
	raw->sync_error = error;
	log_limited(
		&sync_limit, "block",
		_("%s: the host's cache could not be written to the disk: what the guest flushes "
		  "from now on fails, until the disk is opened again"),
		raw->backend.name);
}

static void sync_ended(IoRingEntry *entry, gint64 result)
{
	RawRequest *self = (RawRequest *)entry;
	const int error = result < 0 ? (int)-result : 0;

	if (error)
		sync_failed(self->raw, error);
	finish(self, error);
}

static void start_sync(RawRequest *self)
{
	if (self->raw->sync_error) {
		finish_later(self, self->raw->sync_error);
		return;
	}
	self->entry.complete = sync_ended;
	io_ring_sync_data(self->raw->ring, &self->entry, self->raw->fd);
}

static guint64 block_mask(const BlockRaw *raw)
{
	return raw->backend.limits.alignment - 1;
}

/* Takes @count bytes from the front of what is left. */
static void advance(RawRequest *self, guint64 count)
{
	self->offset += count;
	self->left -= count;
	while (count > 0) {
		const gsize step = MIN(count, self->iovec->iov_len);

		self->iovec->iov_base = (guint8 *)self->iovec->iov_base + step;
		self->iovec->iov_len -= step;
		count -= step;
		if (self->iovec->iov_len == 0) {
			self->iovec++;
			self->n_iovec--;
		}
	}
}

static void clear_rest(RawRequest *self)
{
	for (guint i = 0; i < self->n_iovec; i++)
		memset(self->iovec[i].iov_base, 0, self->iovec[i].iov_len);
}

static void transfer(RawRequest *self);

/* A read has met the end of the file. */
static void at_end_of_file(RawRequest *self)
{
	if (self->request->is_direct) {
		self->ended(self, EFAULT);
		return;
	}
	if (self->offset >= self->raw->file_size) {
		clear_rest(self);
		self->ended(self, 0);
		return;
	}
	log_limited(&shrunk_limit, "block",
		    _("%s: it has been made smaller: there is nothing at byte %" PRIu64),
		    self->raw->backend.name, self->offset);
	self->ended(self, EIO);
}

static void transferred(IoRingEntry *entry, gint64 result)
{
	RawRequest *self = (RawRequest *)entry;

	if (result < 0) {
		self->ended(self, (int)-result);
		return;
	}
	if (result == 0) {
		if (self->is_write)
			self->ended(self, EIO);
		else
			at_end_of_file(self);
		return;
	}
	advance(self, MIN((guint64)result, self->left));
	if (self->left == 0)
		self->ended(self, 0);
	else if (!self->is_write && self->raw->is_direct && self->offset & block_mask(self->raw))
		at_end_of_file(self);
	else
		transfer(self);
}

static int write_flags(const RawRequest *self)
{
	return self->request->is_through ? RWF_DSYNC : 0;
}

/* No more pieces than the kernel takes; the rest is continued. */
static void transfer(RawRequest *self)
{
	const guint count = MIN(self->n_iovec, IOV_MAX);
	BlockRaw *raw = self->raw;

	self->entry.complete = transferred;
	if (self->is_write)
		io_ring_write(raw->ring, &self->entry, raw->fd, self->iovec, count, self->offset,
			      write_flags(self));
	else
		io_ring_read(raw->ring, &self->entry, raw->fd, self->iovec, count, self->offset);
}

static void copy_from_bounce(const RawRequest *self)
{
	const BlockRequest *request = self->request;
	const guint8 *from = self->bounce + (request->offset - self->bounce_offset);

	for (guint i = 0; i < request->n_iovec; i++) {
		memcpy(request->iovec[i].iov_base, from, request->iovec[i].iov_len);
		from += request->iovec[i].iov_len;
	}
}

static void copy_to_bounce(const RawRequest *self)
{
	const BlockRequest *request = self->request;
	guint8 *to = self->bounce + (request->offset - self->bounce_offset);

	for (guint i = 0; i < request->n_iovec; i++) {
		memcpy(to, request->iovec[i].iov_base, request->iovec[i].iov_len);
		to += request->iovec[i].iov_len;
	}
}

static void use_bounce(RawRequest *self)
{
	self->iovec = self->iovec_memory;
	self->iovec[0] = (struct iovec){ .iov_base = self->bounce, .iov_len = self->bounce_size };
	self->n_iovec = 1;
	self->offset = self->bounce_offset;
	self->left = self->bounce_size;
}

static void read_ended(RawRequest *self, int error)
{
	if (!error && self->bounce)
		copy_from_bounce(self);
	finish(self, error);
}

static void write_ended(RawRequest *self, int error)
{
	finish(self, error);
}

static void write_bounce(RawRequest *self, void (*ended)(RawRequest *self, int error))
{
	use_bounce(self);
	self->is_write = TRUE;
	self->ended = ended;
	transfer(self);
}

/* What is around the write has been read. */
static void surroundings_read(RawRequest *self, int error)
{
	if (error) {
		finish(self, error);
		return;
	}
	copy_to_bounce(self);
	write_bounce(self, write_ended);
}

static gboolean is_aligned(const BlockRaw *raw, const BlockRequest *request)
{
	const guint64 mask = block_mask(raw);

	if ((request->offset | request->size) & mask)
		return FALSE;
	if (request->operation != BLOCK_READ && request->operation != BLOCK_WRITE)
		return TRUE;
	for (guint i = 0; i < request->n_iovec; i++)
		if (((guintptr)request->iovec[i].iov_base | request->iovec[i].iov_len) & mask)
			return FALSE;
	return TRUE;
}

/* Memory for the whole blocks around a range, in the place of an earlier one. */
static gboolean take_bounce(RawRequest *self, guint64 offset, guint64 size)
{
	const guint64 mask = block_mask(self->raw);
	void *memory = NULL;

	free(self->bounce);
	self->bounce = NULL;
	self->bounce_offset = offset & ~mask;
	self->bounce_size = ((offset + size + mask) & ~mask) - self->bounce_offset;
	if (posix_memalign(&memory, MAX(mask + 1, sizeof(void *)), self->bounce_size) != 0)
		return FALSE;
	self->bounce = memory;
	if (!self->iovec_memory)
		self->iovec_memory = g_new(struct iovec, ZEROES_IOVECS);
	use_bounce(self);
	return TRUE;
}

/* The request's own pieces, in a list that is shortened as it goes on. */
static void use_request(RawRequest *self)
{
	const BlockRequest *request = self->request;

	self->iovec_memory = g_memdup2(request->iovec, request->n_iovec * sizeof(struct iovec));
	self->iovec = self->iovec_memory;
	self->n_iovec = request->n_iovec;
	self->offset = request->offset;
	self->left = request->size;
}

static void start_read(RawRequest *self)
{
	const BlockRequest *request = self->request;

	self->ended = read_ended;
	if (!self->raw->is_direct || is_aligned(self->raw, request)) {
		use_request(self);
	} else if (!take_bounce(self, request->offset, request->size)) {
		finish_later(self, ENOMEM);
		return;
	}
	transfer(self);
}

/* How much of a request the file has. */
static guint64 size_in_file(const BlockRaw *raw, const BlockRequest *request)
{
	return MIN(request->size, raw->file_size - MIN(request->offset, raw->file_size));
}

/* Leaves off what is beyond the end of the file. */
static void clip(RawRequest *self)
{
	guint64 left = size_in_file(self->raw, self->request);

	self->left = left;
	for (guint i = 0; i < self->n_iovec; i++) {
		self->iovec[i].iov_len = MIN(self->iovec[i].iov_len, left);
		left -= self->iovec[i].iov_len;
	}
}

static void start_write(RawRequest *self)
{
	const BlockRequest *request = self->request;

	if (!self->raw->is_direct || is_aligned(self->raw, request)) {
		use_request(self);
		clip(self);
		self->is_write = TRUE;
		self->ended = write_ended;
	} else if (take_bounce(self, request->offset, request->size)) {
		self->ended = surroundings_read;
	} else {
		finish_later(self, ENOMEM);
		return;
	}
	transfer(self);
}

static void continue_zeroes(RawRequest *self);

/* Zeroes are there for the next @size bytes. */
static void zeroes_done(RawRequest *self, guint64 size)
{
	self->zero_offset += size;
	self->zero_left -= MIN(size, self->zero_left);
	continue_zeroes(self);
}

/* How much of the range is in the block that it begins in. */
static guint64 part_of_block(const RawRequest *self)
{
	const guint64 mask = block_mask(self->raw);

	return MIN(self->zero_left, mask + 1 - (self->zero_offset & mask));
}

static void part_written(RawRequest *self, int error)
{
	if (error)
		finish(self, error);
	else
		zeroes_done(self, part_of_block(self));
}

static void part_read(RawRequest *self, int error)
{
	if (error) {
		finish(self, error);
		return;
	}
	memset(self->bounce + (self->zero_offset - self->bounce_offset), 0, part_of_block(self));
	write_bounce(self, part_written);
}

/* A part of a block: with what is around it. */
static void zero_part(RawRequest *self)
{
	if (!take_bounce(self, self->zero_offset, part_of_block(self))) {
		finish_later(self, ENOMEM);
		return;
	}
	self->is_write = FALSE;
	self->ended = part_read;
	transfer(self);
}

static void zeroes_written(IoRingEntry *entry, gint64 result)
{
	RawRequest *self = (RawRequest *)entry;

	if (result <= 0)
		finish(self, result < 0 ? (int)-result : EIO);
	else
		zeroes_done(self, (guint64)result);
}

/* Whole blocks, where there is no other way: so many in one go, all from the same zeroes. */
static void write_zeroes(RawRequest *self, guint64 size)
{
	BlockRaw *raw = self->raw;
	guint64 rest = MIN(size, (guint64)ZEROES_SIZE * ZEROES_IOVECS);
	guint count = 0;

	if (!self->iovec_memory)
		self->iovec_memory = g_new(struct iovec, ZEROES_IOVECS);
	for (; rest > 0; count++) {
		const gsize step = MIN(rest, ZEROES_SIZE);

		self->iovec_memory[count] = (struct iovec){ .iov_base = raw->zeroes,
							    .iov_len = step };
		rest -= step;
	}
	self->entry.complete = zeroes_written;
	io_ring_write(raw->ring, &self->entry, raw->fd, self->iovec_memory, count,
		      self->zero_offset, write_flags(self));
}

static gboolean is_unsupported(gint64 result)
{
	return result == -EOPNOTSUPP || result == -ENOSYS || result == -ENODEV;
}

static void zero_range_made(IoRingEntry *entry, gint64 result)
{
	RawRequest *self = (RawRequest *)entry;

	if (is_unsupported(result)) {
		if (entry->flags & FALLOC_FL_PUNCH_HOLE)
			self->raw->lacks_holes = TRUE;
		else
			self->raw->lacks_zero_range = TRUE;
		continue_zeroes(self);
	} else if (result < 0) {
		finish(self, (int)-result);
	} else {
		self->has_range = TRUE;
		zeroes_done(self, entry->size);
	}
}

/* By what there is: a hole where there may be one, a range that the file system knows, or zeroes.
 */
static void zero_blocks(RawRequest *self, guint64 size)
{
	BlockRaw *raw = self->raw;
	int mode = FALLOC_FL_KEEP_SIZE;

	if (self->request->may_unmap && !raw->lacks_holes) {
		mode |= FALLOC_FL_PUNCH_HOLE;
	} else if (!raw->lacks_zero_range) {
		mode |= FALLOC_FL_ZERO_RANGE;
	} else {
		write_zeroes(self, size);
		return;
	}
	self->entry.complete = zero_range_made;
	io_ring_fallocate(raw->ring, &self->entry, raw->fd, mode, self->zero_offset, size);
}

static void continue_zeroes(RawRequest *self)
{
	const guint64 mask = block_mask(self->raw);

	if (self->zero_left == 0) {
		/* Writes have been through by themselves. */
		if (self->has_range && self->request->is_through)
			start_sync(self);
		else
			finish(self, 0);
	} else if (self->zero_offset & mask || self->zero_left <= mask) {
		zero_part(self);
	} else {
		zero_blocks(self, self->zero_left & ~mask);
	}
}

static void start_zeroes(RawRequest *self)
{
	self->zero_offset = self->request->offset;
	self->zero_left = size_in_file(self->raw, self->request);
	continue_zeroes(self);
}

static void hole_made(IoRingEntry *entry, gint64 result)
{
	RawRequest *self = (RawRequest *)entry;

	if (is_unsupported(result)) {
		self->raw->lacks_holes = TRUE;
		result = 0;
	}
	finish(self, result < 0 ? (int)-result : 0);
}

/* Only whole blocks: what is around them has content that is needed. */
static void start_discard(RawRequest *self)
{
	const guint64 mask = block_mask(self->raw);
	const guint64 first = (self->request->offset + mask) & ~mask;
	const guint64 end = (self->request->offset + self->request->size) & ~mask;

	if (first >= end || self->raw->lacks_holes) {
		finish_later(self, 0);
		return;
	}
	self->entry.complete = hole_made;
	io_ring_fallocate(self->raw->ring, &self->entry, self->raw->fd,
			  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, first, end - first);
}

static gboolean is_write(const BlockRequest *request)
{
	return request->operation == BLOCK_WRITE || request->operation == BLOCK_WRITE_ZEROES;
}

static void start(RawRequest *self)
{
	if (is_write(self->request)) {
		self->counts = TRUE;
		self->raw->n_writes++;
		self->raw->is_alone = self->is_alone;
	}
	switch (self->request->operation) {
	case BLOCK_READ:
		start_read(self);
		break;
	case BLOCK_WRITE:
		start_write(self);
		break;
	case BLOCK_FLUSH:
		start_sync(self);
		break;
	case BLOCK_DISCARD:
		start_discard(self);
		break;
	case BLOCK_WRITE_ZEROES:
		start_zeroes(self);
		break;
	case BLOCK_N_OPERATIONS:
		g_assert_not_reached();
	}
}

/* Whether there is nothing but zeroes from byte @from of a request on. */
static gboolean ends_in_zeroes(const BlockRequest *request, guint64 from)
{
	for (guint i = 0; i < request->n_iovec; i++) {
		const guint8 *bytes = request->iovec[i].iov_base;
		const gsize size = request->iovec[i].iov_len;

		for (gsize j = MIN(from, size); j < size; j++)
			if (bytes[j] != 0)
				return FALSE;
		from -= MIN(from, size);
	}
	return TRUE;
}

/* Of the last sector only zeroes are beyond the end of the file, and only these may be. */
static int check_end(const BlockRaw *raw, const BlockRequest *request)
{
	const guint64 size = size_in_file(raw, request);

	if (request->operation != BLOCK_WRITE || size == request->size)
		return 0;
	if (request->is_direct)
		return EFAULT;
	if (size > 0 && ends_in_zeroes(request, size))
		return 0;
	log_limited(&end_limit, "block",
		    _("%s: the guest has written beyond byte %" PRIu64
		      ", where the file ends within a sector: make it larger"),
		    raw->backend.name, raw->file_size);
	return EIO;
}

static int check(const BlockRaw *raw, const BlockRequest *request)
{
	if (request->is_direct && raw->is_direct && !is_aligned(raw, request))
		return EFAULT;
	return check_end(raw, request);
}

static void raw_submit(BlockBackend *backend, BlockRequest *request)
{
	BlockRaw *raw = raw_of(backend);
	const int error = check(raw, request);
	RawRequest *self;

	if (error) {
		block_complete_later(backend, request, error);
		return;
	}
	self = g_new0(RawRequest, 1);
	self->raw = raw;
	self->request = request;
	if (!is_write(request)) {
		start(self);
		return;
	}
	self->is_alone = raw->is_direct && !is_aligned(raw, request);
	g_queue_push_tail(&raw->waiting, self);
	start_waiting(raw);
}

static void raw_free(BlockBackend *backend)
{
	BlockRaw *raw = raw_of(backend);

	g_assert(raw->n_writes == 0);
	free(raw->zeroes);
	close(raw->fd);
	g_free(raw);
}

static guint64 whole_sectors(guint64 size)
{
	return (size + BLOCK_SECTOR_SIZE - 1) & ~(guint64)(BLOCK_SECTOR_SIZE - 1);
}

static guint64 raw_poll_size(BlockBackend *backend)
{
	BlockRaw *raw = raw_of(backend);
	const off_t size = lseek(raw->fd, 0, SEEK_END);

	if (size < 0)
		return 0;
	raw->file_size = (guint64)size;
	if (raw->is_direct && !backend->is_readonly)
		return raw->file_size & ~block_mask(raw);
	return whole_sectors(raw->file_size);
}

static void raw_attach(BlockBackend *backend, GMainContext *context, IoRing *ring)
{
	(void)context;
	raw_of(backend)->ring = ring;
}

static const BlockOperations raw_operations = {
	.attach = raw_attach,
	.submit = raw_submit,
	.poll_size = raw_poll_size,
	.free = raw_free,
};

static gboolean G_GNUC_PRINTF(3, 4) fail(GIOErrorEnum code, GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error_literal(error, G_IO_ERROR, code, message);
	return FALSE;
}

static gboolean look_at(BlockRaw *raw, const BlockConfig *config, GError **error)
{
	struct stat status;
	off_t size;

	if (fstat(raw->fd, &status) < 0)
		return fail(g_io_error_from_errno(errno), error,
			    _("disk image %s cannot be looked at (fstat): %s"), config->name,
			    g_strerror(errno));
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return fail(G_IO_ERROR_NOT_REGULAR_FILE, error,
			    _("disk image %s is neither a regular file nor a block device"),
			    config->name);
	raw->is_device = S_ISBLK(status.st_mode);
	size = lseek(raw->fd, 0, SEEK_END);
	if (size < 0)
		return fail(g_io_error_from_errno(errno), error,
			    _("disk image %s does not tell its size: %s"), config->name,
			    g_strerror(errno));
	raw->file_size = (guint64)size;
	if (raw->file_size > SIZE_MAX_BYTES)
		return fail(G_IO_ERROR_INVALID_DATA, error, _("disk image %s is too large"),
			    config->name);
	return TRUE;
}

static gboolean check_access(const BlockRaw *raw, const BlockConfig *config, GError **error)
{
	const int flags = fcntl(raw->fd, F_GETFL);
	const int wanted = (flags & ~O_DIRECT) | (raw->is_direct ? O_DIRECT : 0);

	if (flags < 0)
		return fail(g_io_error_from_errno(errno), error,
			    _("disk image %s cannot be used: %s"), config->name, g_strerror(errno));
	if (flags & O_PATH || (flags & O_ACCMODE) == O_WRONLY)
		return fail(G_IO_ERROR_PERMISSION_DENIED, error,
			    _("disk image %s was not opened for reading"), config->name);
	if ((flags & O_ACCMODE) != O_RDWR && !config->is_readonly)
		return fail(G_IO_ERROR_PERMISSION_DENIED, error,
			    _("disk image %s was opened for reading only: its disk has to be "
			      "read-only"),
			    config->name);
	if (wanted != flags && fcntl(raw->fd, F_SETFL, wanted) < 0)
		return fail(g_io_error_from_errno(errno), error,
			    _("disk image %s cannot be used without the host's cache: %s; another "
			      "cache mode than none and directsync is needed there"),
			    config->name, g_strerror(errno));
	return TRUE;
}

/* As the kernel says, for both memory and offsets. */
static guint32 direct_alignment(const BlockRaw *raw)
{
	struct statx status;
	guint32 alignment = 0;

	if (raw->is_device)
		return raw->backend.limits.logical_block_size;
	if (statx(raw->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
	    status.stx_mask & STATX_DIOALIGN)
		alignment = MAX(status.stx_dio_mem_align, status.stx_dio_offset_align);
	if (alignment == 0 || alignment > DIRECT_ALIGNMENT || alignment & (alignment - 1))
		return DIRECT_ALIGNMENT;
	return MAX(alignment, BLOCK_SECTOR_SIZE);
}

static void find_limits(BlockRaw *raw)
{
	BlockLimits *limits = &raw->backend.limits;
	int logical = 0;
	guint physical = 0;

	limits->size = whole_sectors(raw->file_size);
	limits->logical_block_size = BLOCK_SECTOR_SIZE;
	limits->physical_block_size = BLOCK_SECTOR_SIZE;
	limits->can_discard = TRUE;
	limits->can_be_direct = TRUE;
	if (raw->is_device) {
		if (ioctl(raw->fd, BLKSSZGET, &logical) == 0 && logical > 0)
			limits->logical_block_size = (guint32)logical;
		if (ioctl(raw->fd, BLKPBSZGET, &physical) == 0 && physical > 0)
			limits->physical_block_size = physical;
	}
	limits->alignment = raw->is_device ? limits->logical_block_size : 1;
	if (raw->is_direct)
		limits->alignment = direct_alignment(raw);
}

/*
 * A last block that is not whole cannot be written without the host's cache, unless the file
 * becomes longer. What is written by the cache is on the disk after a flush, too.
 */
static gboolean can_do_without_cache(const BlockRaw *raw, const BlockConfig *config)
{
	const guint32 alignment = direct_alignment(raw);

	if (raw->is_device || config->is_readonly || raw->file_size % alignment == 0)
		return TRUE;
	log_warning("block",
		    _("%s: the host's cache is used, since the size of %" PRIu64
		      " bytes is no multiple of %u"),
		    config->name, raw->file_size, alignment);
	return FALSE;
}

static gboolean make_zeroes(BlockRaw *raw, const BlockConfig *config, GError **error)
{
	void *memory = NULL;

	if (posix_memalign(&memory, DIRECT_ALIGNMENT, ZEROES_SIZE) != 0)
		return fail(G_IO_ERROR_FAILED, error, _("there is no memory for disk image %s"),
			    config->name);
	raw->zeroes = memset(memory, 0, ZEROES_SIZE);
	return TRUE;
}

BlockBackend *block_raw_new(int fd, gboolean is_direct, const BlockConfig *config, GError **error)
{
	BlockRaw *raw = g_new0(BlockRaw, 1);

	raw->fd = fd;
	g_queue_init(&raw->waiting);
	if (!look_at(raw, config, error)) {
		g_free(raw);
		return NULL;
	}
	raw->is_direct = is_direct && can_do_without_cache(raw, config);
	if (!check_access(raw, config, error) || !make_zeroes(raw, config, error)) {
		g_free(raw);
		return NULL;
	}
	find_limits(raw);
	block_backend_init(&raw->backend, &raw_operations, config);
	return &raw->backend;
}
