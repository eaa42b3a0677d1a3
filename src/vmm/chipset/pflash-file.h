/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pflash-file.h - the file in which a unit of flash memory has its content */
#pragma once

#include <glib.h>

typedef struct PflashFile PflashFile;

/*
 * pflash_file_new - lock and load a file
 * @fd:          taken over, closed on errors too; readable, and writable unless @is_readonly
 * @name:        of the file, for messages; copied
 * @is_readonly: many domains may use the file at a time; otherwise this one alone may
 * @max_size:    bytes: what other units have left of PFLASH_TOTAL_SIZE
 *
 * Return: NULL with a G_IO_ERROR set where the file is no regular file, is empty, is no
 * multiple of PFLASH_BLOCK_SIZE, is larger than @max_size, was opened in a way that does not
 * do, is in use by another domain, or cannot be read.
 */
PflashFile *pflash_file_new(int fd, const char *name, gboolean is_readonly, gsize max_size,
			    GError **error);
void pflash_file_free(PflashFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PflashFile, pflash_file_free)

/* The file as it was loaded: aligned to pages, writable, alive as long as @file. */
guint8 *pflash_file_content(const PflashFile *file);
gsize pflash_file_size(const PflashFile *file);

/*
 * pflash_file_store - write a part of the content back, and wait until it is durable
 * @offset, @size: bytes, within the file
 *
 * Return: FALSE with a G_IO_ERROR set where the file could not be written. It then has the
 * old or the new content in the blocks of the range; the next success there settles it.
 */
gboolean pflash_file_store(PflashFile *file, guint64 offset, gsize size, GError **error);
