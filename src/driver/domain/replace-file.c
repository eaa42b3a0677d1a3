/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* replace-file.c - a file that is replaced as a whole or not at all */
#include "driver/domain/replace-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"

#define NEW_FILE_PREFIX	 ".gmem-"
#define NEW_FILE_LETTERS 6

/* Of the letters' values, as text. */
#define NEW_FILE_MASK 0xffffffu

gboolean replace_file_write_all(int fd, const char *data, gsize size)
{
	for (gsize done = 0; done < size;) {
		const ssize_t put = write(fd, data + done, size - done);

		if (put < 0 && errno != EINTR)
			return FALSE;
		done += (gsize)MAX(put, 0);
	}
	return TRUE;
}

gboolean replace_file_sync_folder(int at, const char *folder)
{
	int fd = openat(at, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	gboolean synced;

	if (fd < 0)
		return FALSE;
	synced = fsync(fd) == 0;
	close(fd);
	return synced;
}

static gboolean write_error(const char *path, GError **error)
{
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("writing '%s': %s"), path,
			    g_strerror(errno));
}

char *replace_file_new_name(void)
{
	return g_strdup_printf(NEW_FILE_PREFIX "%0*x", NEW_FILE_LETTERS,
			       g_random_int() & NEW_FILE_MASK);
}

gboolean replace_file(const char *path, const char *text, gboolean is_durable, GError **error)
{
	g_autofree char *folder = g_path_get_dirname(path);
	g_autofree char *new_file = g_build_filename(folder, NEW_FILE_PREFIX "XXXXXX", NULL);
	int fd = g_mkstemp_full(new_file, O_WRONLY | O_CLOEXEC, 0600);
	gboolean done;

	if (fd < 0)
		return write_error(path, error);
	done = replace_file_write_all(fd, text, strlen(text)) && (!is_durable || fsync(fd) == 0) &&
	       rename(new_file, path) == 0;
	if (!done) {
		write_error(path, error);
		(void)unlink(new_file);
	} else if (is_durable && !replace_file_sync_folder(AT_FDCWD, folder)) {
		done = write_error(path, error);
	}
	close(fd);
	return done;
}

static gboolean is_new_file(const char *name)
{
	if (!g_str_has_prefix(name, NEW_FILE_PREFIX))
		return FALSE;
	name += strlen(NEW_FILE_PREFIX);
	for (gsize i = 0; i < NEW_FILE_LETTERS; i++) {
		if (!g_ascii_isalnum(name[i]))
			return FALSE;
	}
	return !name[NEW_FILE_LETTERS];
}

void replace_file_clean_up(const char *folder, uid_t uid)
{
	DIR *directory = opendir(folder);
	const struct dirent *entry;

	/* A folder that is not there has nothing in it. */
	while (directory && (entry = readdir(directory))) {
		struct stat status;

		if (!is_new_file(entry->d_name) ||
		    fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(status.st_mode) ||
		    (status.st_uid != geteuid() && status.st_uid != uid))
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) < 0)
			g_warning(
				_("removing '%s/%s', which a daemon that was killed has left: %s"),
				folder, entry->d_name, g_strerror(errno));
	}
	if (directory)
		closedir(directory);
}
