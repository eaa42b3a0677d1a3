/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-lock.c - a disk's image has one user, or several who agree to it */
#include "vmm/backend/image-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "vmm/log.h"

#define DOES_BASE    100
#define REFUSES_BASE 200
#define READ	     (1u << 0)
#define WRITE	     (1u << 1)
#define BITS	     4u

static int set_lock(int fd, short type, off_t byte)
{
	struct flock range = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_SETLK, &range) < 0 ? errno : 0;
}

static void unlock(int fd)
{
	struct flock range = { .l_type = F_UNLCK, .l_whence = SEEK_SET, .l_start = DOES_BASE };

	range.l_len = REFUSES_BASE + BITS - DOES_BASE;
	(void)fcntl(fd, F_OFD_SETLK, &range);
}

/* Return: whether somebody else has that byte locked. */
static gboolean is_locked(int fd, off_t byte)
{
	struct flock range = {
		.l_type = F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};

	return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

static int lock_bits(int fd, off_t base, guint bits)
{
	int code = 0;

	for (guint bit = 0; bit < BITS && code == 0; bit++)
		if (bits & 1u << bit)
			code = set_lock(fd, F_RDLCK, base + bit);
	return code;
}

static gboolean are_locked(int fd, off_t base, guint bits)
{
	for (guint bit = 0; bit < BITS; bit++)
		if (bits & 1u << bit && is_locked(fd, base + bit))
			return TRUE;
	return FALSE;
}

static gboolean fail_in_use(const char *name, ImageLockFlags flags, GError **error)
{
	if (flags & IMAGE_READ_ONLY)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
			    _("disk image %s is being written by another domain or program: stop "
			      "that, or make the disk shareable there and here"),
			    name);
	else
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
			    _("disk image %s is in use by another domain or program: stop that, "
			      "give this disk an image of its own, or make it read-only or "
			      "shareable in both"),
			    name);
	return FALSE;
}

gboolean image_lock(int fd, const char *name, ImageLockFlags flags, GError **error)
{
	const guint does = READ | (flags & IMAGE_READ_ONLY ? 0 : WRITE);
	const guint refuses = flags & IMAGE_SHAREABLE ? 0 : WRITE;
	int code = lock_bits(fd, DOES_BASE, does);

	if (code == 0)
		code = lock_bits(fd, REFUSES_BASE, refuses);
	if (code == EAGAIN || code == EACCES) {
		unlock(fd);
		return fail_in_use(name, flags, error);
	}
	if (code) {
		unlock(fd);
		log_warning("block", _("disk image %s cannot be locked against other users: %s"),
			    name, g_strerror(code));
		return TRUE;
	}
	if (are_locked(fd, REFUSES_BASE, does) || are_locked(fd, DOES_BASE, refuses)) {
		unlock(fd);
		return fail_in_use(name, flags, error);
	}
	return TRUE;
}
