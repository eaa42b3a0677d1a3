/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pflash-file.c - the file in which a unit of flash memory has its content
 *
 * Theory of operation
 *
 * The file is read once, into anonymous memory: what somebody does to it later does not reach
 * the guest, and no write-back of the kernel's decides what is stored when. What the guest
 * changes is written block by block and waited for.
 *
 * A write may be torn by a crash of the host: then a block has old and new parts. Nothing
 * more is needed against that. Each store is one step of the guest's, steps are stored in
 * the guest's order, and firmware that lives on flash, where a power cut tears a step as
 * well, marks a record valid in a later step than the one that wrote it; OVMF's variables do
 * and its fault-tolerant writes do. A temporary file and a rename would add nothing to that,
 * and would take the file away from under its label, its owner and its lock.
 *
 * Blocks are written whole. The bytes around the range are there already, so that a torn
 * write cannot harm them, and a block that an earlier failure left in doubt is made good.
 *
 * Locks belong to the open file, so that a descriptor that the driver opened and passed on
 * keeps one. A writable file is locked from end to end, by which QEMU's locks, at 100 and
 * 200, collide with it as they should. A shared one is locked at its first byte only: at
 * theirs a lock of ours would look to QEMU as a user that does not share.
 */
#include "vmm/chipset/pflash-file.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/chipset/pflash.h"

#define MIB (1u << 20)

struct PflashFile {
	int fd;
	char *name;
	guint8 *content; /* NULL until it is mapped */
	gsize size;
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

/* @format has places for the file's name and for what errno says. */
static gboolean fail_errno(const PflashFile *file, const char *format, GError **error)
{
	int code = errno;

	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(code), format, file->name,
		    g_strerror(code));
	return FALSE;
}

static gboolean check_access(const PflashFile *file, gboolean is_readonly, GError **error)
{
	int flags = fcntl(file->fd, F_GETFL);

	if (flags < 0)
		return fail_errno(file, _("flash file %s cannot be used: %s"), error);
	if ((flags & O_ACCMODE) == O_RDONLY && !is_readonly)
		return fail(G_IO_ERROR_PERMISSION_DENIED, error,
			    _("flash file %s was opened for reading only: a writable unit writes "
			      "to it"),
			    file->name);
	if ((flags & O_ACCMODE) == O_WRONLY || flags & O_PATH)
		return fail(G_IO_ERROR_PERMISSION_DENIED, error,
			    _("flash file %s was not opened for reading"), file->name);
	return TRUE;
}

static gboolean check_kind(const PflashFile *file, GError **error)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return fail_errno(file, _("flash file %s cannot be looked at (fstat): %s"), error);
	if (!S_ISREG(status.st_mode))
		return fail(G_IO_ERROR_NOT_REGULAR_FILE, error,
			    _("flash file %s is not a regular file"), file->name);
	return TRUE;
}

static gboolean lock(const PflashFile *file, gboolean is_readonly, GError **error)
{
	struct flock range = {
		.l_type = is_readonly ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
		.l_len = is_readonly ? 1 : 0, /* zero: to the end */
	};

	if (fcntl(file->fd, F_OFD_SETLK, &range) == 0)
		return TRUE;
	if (errno == EAGAIN)
		return fail(G_IO_ERROR_BUSY, error, _("flash file %s is in use by another domain"),
			    file->name);
	return fail_errno(file, _("flash file %s cannot be locked: %s"), error);
}

/* With the lock held, so that no other domain changes it. */
static gboolean take_size(PflashFile *file, gsize max_size, GError **error)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return fail_errno(file, _("flash file %s cannot be looked at (fstat): %s"), error);
	if (status.st_size == 0)
		return fail(G_IO_ERROR_INVALID_DATA, error, _("flash file %s is empty"),
			    file->name);
	if (status.st_size % PFLASH_BLOCK_SIZE)
		return fail(G_IO_ERROR_INVALID_DATA, error,
			    ngettext("flash file %s has %" PRId64 " byte: not a multiple of %u",
				     "flash file %s has %" PRId64 " bytes: not a multiple of %u",
				     status.st_size),
			    file->name, (gint64)status.st_size, PFLASH_BLOCK_SIZE);
	if ((guint64)status.st_size > max_size)
		return fail(G_IO_ERROR_INVALID_DATA, error,
			    ngettext("flash file %s has %" PRId64
				     " byte: all flash together has room for %u MiB, of which %zu "
				     "bytes are left",
				     "flash file %s has %" PRId64
				     " bytes: all flash together has room for %u MiB, of which %zu "
				     "bytes are left",
				     status.st_size),
			    file->name, (gint64)status.st_size, PFLASH_TOTAL_SIZE / MIB, max_size);
	file->size = status.st_size;
	return TRUE;
}

static gboolean load(PflashFile *file, GError **error)
{
	void *content = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	gsize done = 0;

	if (content == MAP_FAILED)
		return fail_errno(file, _("flash file %s cannot be loaded (mmap): %s"), error);
	file->content = content;
	while (done < file->size) {
		gssize n = pread(file->fd, file->content + done, file->size - done, done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(file, _("flash file %s cannot be read: %s"), error);
		if (n == 0)
			return fail(G_IO_ERROR_PARTIAL_INPUT, error,
				    _("flash file %s became shorter while it was read"),
				    file->name);
		done += n;
	}
	return TRUE;
}

PflashFile *pflash_file_new(int fd, const char *name, gboolean is_readonly, gsize max_size,
			    GError **error)
{
	g_autoptr(PflashFile) file = g_new0(PflashFile, 1);

	file->fd = fd;
	file->name = g_strdup(name);
	if (!check_access(file, is_readonly, error) || !check_kind(file, error) ||
	    !lock(file, is_readonly, error) || !take_size(file, max_size, error) ||
	    !load(file, error))
		return NULL;
	return g_steal_pointer(&file);
}

void pflash_file_free(PflashFile *file)
{
	if (!file)
		return;
	if (file->content)
		munmap(file->content, file->size);
	/* This gives the lock back too, unless somebody else has the open file. */
	if (file->fd >= 0)
		close(file->fd);
	g_free(file->name);
	g_free(file);
}

guint8 *pflash_file_content(const PflashFile *file)
{
	return file->content;
}

gsize pflash_file_size(const PflashFile *file)
{
	return file->size;
}

gboolean pflash_file_store(PflashFile *file, guint64 offset, gsize size, GError **error)
{
	guint64 end;

	g_assert(size > 0 && size <= file->size && offset <= file->size - size);
	end = offset + size;
	end += (PFLASH_BLOCK_SIZE - end % PFLASH_BLOCK_SIZE) % PFLASH_BLOCK_SIZE;
	offset -= offset % PFLASH_BLOCK_SIZE;
	while (offset < end) {
		gssize n = pwrite(file->fd, file->content + offset, end - offset, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail_errno(file, _("flash file %s cannot be written: %s"), error);
		offset += n;
	}
	if (fdatasync(file->fd) < 0)
		return fail_errno(file, _("flash file %s cannot be written (fdatasync): %s"),
				  error);
	return TRUE;
}
