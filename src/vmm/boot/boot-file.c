/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* boot-file.c - a file to boot from */
#include "vmm/boot/boot-file.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/boot/bzimage.h"

gboolean boot_file_open(BootFile *file, int fd, const char *name, GError **error)
{
	struct stat status;

	file->fd = fd;
	file->name = name;
	if (fstat(fd, &status) < 0) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, "%s: %s", name, g_strerror(errno));
		return FALSE;
	}
	if (!S_ISREG(status.st_mode)) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE, _("%s is not a regular file"),
			    name);
		return FALSE;
	}
	file->size = status.st_size;
	return TRUE;
}

gboolean boot_file_read(const BootFile *file, guint64 offset, guint8 *data, gsize size,
			GError **error)
{
	gsize done = 0;

	while (done < size) {
		gssize n = pread(file->fd, data + done, size - done, offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			g_set_error(error, BOOT_ERROR, BOOT_ERROR_FILE,
				    _("%s cannot be read at %" PRIu64 ": %s"), file->name,
				    offset + done, g_strerror(errno));
			return FALSE;
		}
		if (n == 0) {
			g_set_error(
				error, BOOT_ERROR, BOOT_ERROR_FILE,
				ngettext("%s became shorter while it was read: it ends at %" PRIu64
					 " of %" PRIu64 " byte",
					 "%s became shorter while it was read: it ends at %" PRIu64
					 " of %" PRIu64 " bytes",
					 file->size),
				file->name, offset + done, file->size);
			return FALSE;
		}
		done += n;
	}
	return TRUE;
}
