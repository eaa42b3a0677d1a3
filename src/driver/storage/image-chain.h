/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image-chain.h - the image of a disk and those behind it, opened
 *
 * Theory of operation
 *
 * What is behind an image is what <backingStore> says; from where that ends without an empty one
 * it is what the header of the last image says. A header was written by whoever made the image,
 * so what it names is taken with care: a path only, with its format, and where the daemon may open
 * more than the image's maker could, no other file than one of the same folder or one that
 * everybody may read. For all else the definition has to say that it is meant.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"

typedef struct {
	DomainDiskType type; /* a file or a block device */
	char *format;
	int fd;
} ImageFile;

/*
 * image_chain_open - open what is behind a disk's image
 * @disk: what is found is added to it, so that its XML shows all of them
 * @fd: the image itself, open; taken over in any case
 *
 * All but the image itself are opened for reading.
 *
 * Return: of ImageFile, the disk's own image first, for g_ptr_array_unref(); or NULL with an error
 * that names the disk and the file.
 */
GPtrArray *image_chain_open(DomainDisk *disk, int fd, GError **error);

/* What backs an image whose path is @path, by the name that it has for it: for g_free(); NULL for
 * one that is no path of a file. Exposed for the tests. */
char *image_chain_resolve(const char *path, const char *name);
