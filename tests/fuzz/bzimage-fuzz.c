/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bzimage-fuzz.c - libFuzzer target: any file as a kernel
 *
 * The input's first bytes are the size that the file claims to have and the guest's RAM, the
 * rest is the start of the file. What is accepted must lie where a kernel may lie, and its
 * initrd between it and the end of RAM.
 *
 *     bzimage-fuzz CORPUS
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "vmm/boot/bzimage.h"
#include "vmm/boot/layout.h"
#include "vmm/boot/zero-page.h"

#define GIB (1ull << 30)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint32 file_size; /* beyond the bytes that are there */
	guint32 ram_mib;
	guint64 initrd_size;
} Start;

static void check_image(const BzImage *image, guint64 file_size)
{
	g_assert_cmpuint(image->payload_size, >, BZIMAGE_ENTRY_64);
	g_assert_cmpuint(image->payload_offset, <=, file_size);
	g_assert_cmpuint(image->payload_size, <=, file_size - image->payload_offset);
	g_assert_cmphex(image->load_gpa, >=, BOOT_HIGH_RAM_START);
	g_assert_cmphex(image->load_gpa, <, 4 * GIB);
	g_assert_cmpuint(image->load_gpa % image->header.kernel_alignment, ==, 0);
	g_assert_cmpuint(image->memory_size, >=, image->payload_size);
	g_assert_cmphex(image->load_gpa + image->memory_size, <=, 8 * GIB);
}

/* Return: whether there was a place. */
static gboolean check_initrd(const BzImage *image, guint64 ram_end, guint64 size, guint64 *gpa)
{
	g_autoptr(GError) error = NULL;

	if (!zero_page_place_initrd(image, ram_end, size, gpa, &error)) {
		g_assert_error(error, BOOT_ERROR, BOOT_ERROR_FIT);
		return FALSE;
	}
	g_assert_cmphex(*gpa, >=, image->load_gpa + image->memory_size);
	g_assert_cmphex(*gpa, <=, ram_end);
	g_assert_cmphex(size, <=, ram_end - *gpa);
	g_assert_cmphex(*gpa + size, <=, (guint64)image->header.initrd_addr_max + 1);
	g_assert_cmphex(*gpa & 4095, ==, 0);
	return TRUE;
}

static void check_zero_page(const BzImage *image, guint64 ram_end, guint64 gpa, guint64 size)
{
	const ZeroPageConfig config = {
		.image = image,
		.ram_low_end = ram_end,
		.ram_high_end = 4 * GIB,
		.initrd_gpa = gpa,
		.initrd_size = size,
	};
	struct boot_params params;

	zero_page_fill(&params, &config);
	g_assert_cmpuint(params.hdr.setup_data, ==, 0);
	g_assert_cmpuint(params.e820_entries, <=, 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GError) error = NULL;
	g_autofree guint8 *file = NULL;
	BzImage image;
	Start start;
	guint64 file_size, ram_end, gpa;
	gsize length;

	if (size < sizeof(start))
		return 0;
	memcpy(&start, data, sizeof(start));
	file_size = size - sizeof(start);
	length = MIN(file_size, BZIMAGE_HEADER_SIZE);
	/* Its own piece of memory, so that a byte too many is seen. */
	file = g_memdup2(data + sizeof(start), length);
	if (length == BZIMAGE_HEADER_SIZE)
		file_size += start.file_size;

	if (!bzimage_parse(file, file_size, &image, &error)) {
		g_assert_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT);
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		return 0;
	}
	check_image(&image, file_size);
	ram_end = (1 + start.ram_mib % 4096ull) << 20;
	if (start.initrd_size && check_initrd(&image, ram_end, start.initrd_size, &gpa))
		check_zero_page(&image, ram_end, gpa, start.initrd_size);
	return 0;
}
