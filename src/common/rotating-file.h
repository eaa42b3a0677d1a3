/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rotating-file.h - a file that never grows beyond a size
 *
 * Theory of operation
 *
 * When NAME is full it becomes NAME.0, which becomes NAME.1 and so on, and the oldest is gone:
 * as with libvirt's virtlogd. All of that happens relative to the folder's descriptor, and
 * touches no other file: names are replaced, and not followed.
 *
 * The bound holds whatever happens to the names. Where NAME is not this file any more, because
 * somebody has moved or removed it, or where it cannot be renamed or made anew, what there is
 * is emptied. How large it is is asked of the kernel each time, so that somebody else may empty
 * it, too.
 *
 * A file ends with a whole line where there is one.
 */
#pragma once

#include <glib.h>

/* What libvirt's virtlogd has by default. */
#define ROTATING_FILE_SIZE_DEFAULT    (2 << 20)
#define ROTATING_FILE_BACKUPS_DEFAULT 3

#define ROTATING_FILE_SIZE_MIN	      4096
#define ROTATING_FILE_BACKUPS_MAX     100

typedef struct {
	int fd;		   /* open with O_APPEND; replaced when the file is full */
	int folder;	   /* where @name is */
	const char *name;  /* without a slash */
	gint64 max_size;   /* in bytes; at least 1 */
	guint max_backups; /* none: a full file is emptied */
} RotatingFile;

/*
 * rotating_file_rotate - put the file aside and begin a new one
 *
 * Return: FALSE with errno where it could not even be emptied.
 */
gboolean rotating_file_rotate(RotatingFile *file);

/*
 * rotating_file_write - write as much as can be
 *
 * Return: how much was written; where that is less than @size, errno says why.
 */
gsize rotating_file_write(RotatingFile *file, const void *data, gsize size);
