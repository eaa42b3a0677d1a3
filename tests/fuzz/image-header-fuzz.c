/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image-header-fuzz.c - libFuzzer target: any bytes as the header of a disk image
 *
 * The first byte chooses the format. Whatever is found is text, and what would be behind the image
 * is a path, or refused.
 *
 *     image-header-fuzz CORPUS
 */
#include <glib.h>
#include <stdint.h>

#include "driver/storage/image-chain.h"
#include "driver/storage/image-header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *choose(guint8 byte)
{
	const char *const *formats = image_formats();

	return formats[byte % g_strv_length((char **)formats)];
}

static void use(const ImageHeader *header)
{
	g_autofree char *path = NULL;

	if (!header->backing)
		return;
	g_assert_cmpuint(strlen(header->backing), >, 0);
	path = image_chain_resolve("/images/top", header->backing);
	g_assert_true(!path || g_path_is_absolute(path));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree guint8 *copy = NULL;
	g_auto(ImageHeader) header = { 0 };
	const char *format;

	if (size == 0)
		return 0;
	format = choose(data[0]);
	copy = g_memdup2(data + 1, size - 1);
	if (!image_header_parse(format, copy, size - 1, &header)) {
		g_assert_true(!header.backing || image_format_has_backing(format));
		use(&header);
	}
	return 0;
}
