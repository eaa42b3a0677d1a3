/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * boot-file.h - a file to boot from
 *
 * Files are read with pread(), in pieces: nothing of them stays in this process, a file that
 * shrinks while it is read is an error and no signal, and the file position, which the
 * caller may share with others, is left alone.
 */
#pragma once

#include <glib.h>

typedef struct {
	int fd;
	const char *name; /* what messages call it: a name, the same in each language */
	guint64 size;	  /* bytes */
} BootFile;

/*
 * boot_file_open - look at a file; BOOT_ERROR_FILE where it is not a regular one
 * @fd, @name: lent for the life of @file
 */
gboolean boot_file_open(BootFile *file, int fd, const char *name, GError **error);

/* Reads all of [offset, offset + size), or BOOT_ERROR_FILE. */
gboolean boot_file_read(const BootFile *file, guint64 offset, guint8 *data, gsize size,
			GError **error);
