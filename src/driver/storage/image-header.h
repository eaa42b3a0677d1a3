/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image-header.h - what the first bytes of a disk image say
 *
 * Theory of operation
 *
 * The format of an image is never guessed: whoever writes to a raw image, a guest, could make it
 * look like one of a format that names other files. It is known from the XML or from the image
 * that this one is behind, and a header is read as of that format. Whatever it says is somebody
 * else's: each number is checked against the bytes that there are.
 */
#pragma once

#include <glib.h>

/* So much of an image is looked at: a name of a backing file is in its first few hundred bytes. */
#define IMAGE_HEADER_SIZE (64u << 10)

typedef struct {
	guint64 capacity;     /* bytes that a guest sees; 0: the header does not say it */
	char *backing;	      /* the name of the image behind it, as it is written there; or NULL */
	char *backing_format; /* of that, or NULL where the header does not say it */
} ImageHeader;

void image_header_clear(ImageHeader *header);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageHeader, image_header_clear)

/* The formats that QEMU's storage daemon has besides raw, as libvirt names them; up to a NULL. */
const char *const *image_formats(void);

/* Whether a format can be written to. */
gboolean image_format_is_writable(const char *format);

/* Whether an image of a format can have another one behind it. */
gboolean image_format_has_backing(const char *format);

/* The name that QEMU has for a format. */
const char *image_format_driver(const char *format);

/*
 * image_header_parse - read a header
 * @format: of image_formats()
 * @data, @size: the image's first bytes, IMAGE_HEADER_SIZE or all that there are
 * @header: for image_header_clear()
 *
 * Return: NULL, or why the image cannot be used, which follows its name in a message.
 */
const char *image_header_parse(const char *format, const guint8 *data, gsize size,
			       ImageHeader *header);
