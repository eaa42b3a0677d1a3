/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-size.c - how large the file or the block device is that a disk stores its data in */
#include "driver/host/image-size.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/safe-file.h"
#include "driver/storage/image-header.h"

/* The unit of st_blocks, and of a block device's size in sysfs. */
#define SECTOR_SIZE G_GUINT64_CONSTANT(512)

/* Return: FALSE with @error set where sysfs does not know the device. */
static gboolean read_device(const char *root, const char *path, dev_t device, ImageSize *size,
			    GError **error)
{
	g_autofree char *file = g_strdup_printf("%s/sys/dev/block/%u:%u/size", root, major(device),
						minor(device));
	g_autoptr(GError) cause = NULL;
	g_autofree char *text = NULL;
	guint64 sectors;

	if (!g_file_get_contents(file, &text, NULL, &cause) ||
	    !g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, G_MAXUINT64 / SECTOR_SIZE,
					&sectors, &cause))
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("the size of device '%s': %s"),
				    path, cause->message);
	size->capacity = size->allocation = size->physical = sectors * SECTOR_SIZE;
	return TRUE;
}

/* Return: bytes, or -1. */
static gssize read_start(const char *file, guint8 *data, gsize size)
{
	const int fd = safe_file_open_image("", file, NULL);
	gssize done;

	if (fd < 0)
		return -1;
	done = pread(fd, data, size, 0);
	close(fd);
	return done;
}

/* What is at a path, which leads through no link that somebody else can have made. */
static gboolean look_at(const char *file, struct stat *status, GError **error)
{
	g_auto(SafePlace) place = SAFE_PLACE_INIT;

	return safe_place_find(_("image"), file, &place, error) &&
	       (fstatat(place.folder, place.name, status, AT_SYMLINK_NOFOLLOW) == 0 ||
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("'%s': %s"), file, g_strerror(errno)));
}

/* Return: what a guest sees of a file; 0 where that is not known. */
static guint64 read_capacity(const char *file, const char *format)
{
	g_autofree guint8 *data = g_malloc(IMAGE_HEADER_SIZE);
	const gssize size = read_start(file, data, IMAGE_HEADER_SIZE);
	g_auto(ImageHeader) header = { 0 };

	if (size < 0 || image_header_parse(format, data, (gsize)size, &header))
		return 0;
	return header.capacity;
}

gboolean image_size_read(const char *root, const char *path, const char *format, ImageSize *size,
			 GError **error)
{
	g_autofree char *file = g_strconcat(g_str_equal(root, "/") ? "" : root, path, NULL);
	struct stat status;
	guint64 capacity;

	if (!look_at(file, &status, error))
		return FALSE;
	if (S_ISBLK(status.st_mode))
		return read_device(root, path, status.st_rdev, size, error);
	if (!S_ISREG(status.st_mode))
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("'%s' is neither a file nor a block device"), path);
	size->capacity = size->physical = (guint64)status.st_size;
	capacity = strcmp(format, "raw") == 0 ? 0 : read_capacity(file, format);
	if (capacity > 0)
		size->capacity = capacity;
	size->allocation = (guint64)status.st_blocks * SECTOR_SIZE;
	return TRUE;
}
