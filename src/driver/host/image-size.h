/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-size.h - how large the file or the block device is that a disk stores its data in */
#pragma once

#include <glib.h>

/* In bytes, as virDomainGetBlockInfo understands the words. */
typedef struct {
	guint64 capacity;   /* what the guest sees */
	guint64 allocation; /* what the host has given for it */
	guint64 physical;   /* how long it is in the host */
} ImageSize;

/*
 * image_size_read - the size of an image
 * @root: "/", or where a host's files are in a test
 * @path: absolute
 * @format: as <driver type=> has it
 *
 * Opens no device, which may not be woken, and a file only where its format is not raw: what the
 * guest sees is in its header then. Where that does not say it, it is as large as the file.
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR, or VIR_ERR_OPERATION_INVALID for what is no image.
 */
gboolean image_size_read(const char *root, const char *path, const char *format, ImageSize *size,
			 GError **error);
