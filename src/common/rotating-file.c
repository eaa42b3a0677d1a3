/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rotating-file.c - a file that never grows beyond a size */
#include "common/rotating-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How far back the end of a line is looked for: a file is not much smaller for that. */
#define LINE_MAX_SIZE 256

/* Room for a name with a number behind it. */
typedef char BackupName[NAME_MAX + 16];

static void name_backup(const RotatingFile *file, guint number, BackupName name)
{
	(void)snprintf(name, sizeof(BackupName), "%s.%u", file->name, number);
}

/* Whether the name is still this file's. */
static gboolean is_named(const RotatingFile *file, const struct stat *status)
{
	struct stat found;

	return fstatat(file->folder, file->name, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       found.st_dev == status->st_dev && found.st_ino == status->st_ino;
}

static gboolean move(const RotatingFile *file, const char *from, const char *to)
{
	return renameat(file->folder, from, file->folder, to) == 0;
}

/* NAME becomes NAME.0, and what had a number gets the next one. */
static gboolean put_aside(const RotatingFile *file)
{
	BackupName older, newer;

	for (guint number = file->max_backups - 1; number > 0; number--) {
		name_backup(file, number, older);
		name_backup(file, number - 1, newer);
		if (!move(file, newer, older) && errno != ENOENT)
			return FALSE;
	}
	name_backup(file, 0, older);
	return move(file, file->name, older);
}

/* Begins a file under the name that is free now. */
static gboolean begin_anew(RotatingFile *file, mode_t mode)
{
	const int fd = openat(file->folder, file->name,
			      O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	BackupName aside;

	if (fd < 0) {
		name_backup(file, 0, aside);
		(void)move(file, aside, file->name);
		return FALSE;
	}
	/* Who may read it is who could read the one before. */
	(void)fchmod(fd, mode & 0777);
	close(file->fd);
	file->fd = fd;
	return TRUE;
}

gboolean rotating_file_rotate(RotatingFile *file)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return FALSE;
	if (file->max_backups > 0 && is_named(file, &status) && put_aside(file) &&
	    begin_anew(file, status.st_mode))
		return TRUE;
	return ftruncate(file->fd, 0) == 0;
}

/* How much of the data goes into the room that is left: up to a line's end, if there is one. */
static gsize fitting(const char *data, gsize size, gsize room)
{
	const gsize from = room > LINE_MAX_SIZE ? room - LINE_MAX_SIZE : 0;
	const char *end;

	if (size <= room)
		return size;
	end = memrchr(data + from, '\n', room - from);
	return end ? (gsize)(end - data) + 1 : room;
}

/* Return: how much room there is, after a rotation where there was none; 0 with errno. */
static gsize make_room(RotatingFile *file)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return 0;
	if (status.st_size < file->max_size)
		return (gsize)(file->max_size - status.st_size);
	return rotating_file_rotate(file) ? (gsize)file->max_size : 0;
}

gsize rotating_file_write(RotatingFile *file, const void *data, gsize size)
{
	const char *bytes = data;
	gsize done = 0;

	while (done < size) {
		const gsize room = make_room(file);
		const gsize count = fitting(bytes + done, size - done, room);
		ssize_t written;

		if (room == 0)
			break;
		written = write(file->fd, bytes + done, count);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			break;
		done += (gsize)written;
		/* Short of the room because of a line's end: the rest belongs into the next one. */
		if (done < size && (gsize)written == count && count < room &&
		    !rotating_file_rotate(file))
			break;
	}
	return done;
}
