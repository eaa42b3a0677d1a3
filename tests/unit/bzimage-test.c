/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bzimage-test.c - kernel images, good and hostile, and what a kernel is told at its entry
 *
 * Images are made here field by field, at the offsets of Linux's boot protocol. Each is
 * parsed from memory that ends where the file or the header does, so that a sanitizer sees
 * a byte too many.
 */
#include <string.h>

#include "vmm/boot/bzimage.h"
#include "vmm/boot/layout.h"
#include "vmm/boot/zero-page.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

/* Offsets in the file; see Documentation/arch/x86/boot.rst of Linux. */
enum {
	SETUP_SECTS = 0x1f1,
	SYSSIZE = 0x1f4,
	BOOT_FLAG = 0x1fe,
	JUMP = 0x200,
	HEADER = 0x202,
	VERSION = 0x206,
	LOADFLAGS = 0x211,
	INITRD_ADDR_MAX = 0x22c,
	KERNEL_ALIGNMENT = 0x230,
	XLOADFLAGS_AT = 0x236,
	PREF_ADDRESS = 0x258,
	INIT_SIZE = 0x260,
	HANDOVER_OFFSET = 0x264,
	KERNEL_INFO_OFFSET = 0x268,
};

typedef struct {
	guint8 data[BZIMAGE_HEADER_SIZE];
	guint64 file_size;
} Image;

static void put(Image *image, guint offset, guint size, guint64 value)
{
	value = GUINT64_TO_LE(value);
	g_assert_cmpuint(offset + size, <=, sizeof(image->data));
	memcpy(image->data + offset, &value, size);
}

/* As a distribution's kernel of 1 MiB looks, with protocol 2.15. */
static Image good_image(void)
{
	Image image = { .file_size = 512 * 28 + MIB };

	put(&image, SETUP_SECTS, 1, 27);
	put(&image, SYSSIZE, 4, MIB / 16);
	put(&image, BOOT_FLAG, 2, 0xaa55);
	put(&image, JUMP, 2, 0x6aeb);
	memcpy(image.data + HEADER, "HdrS", 4);
	put(&image, VERSION, 2, 0x020f);
	put(&image, LOADFLAGS, 1, LOADED_HIGH);
	put(&image, INITRD_ADDR_MAX, 4, 0x7fffffff);
	put(&image, KERNEL_ALIGNMENT, 4, 2 * MIB);
	put(&image, XLOADFLAGS_AT, 2, XLF_KERNEL_64);
	put(&image, PREF_ADDRESS, 8, 16 * MIB);
	put(&image, INIT_SIZE, 4, 32 * MIB);
	put(&image, HANDOVER_OFFSET, 4, 0x190);
	put(&image, KERNEL_INFO_OFFSET, 4, 0x12345678);
	return image;
}

static gboolean parse(const Image *image, BzImage *result, GError **error)
{
	gsize size = MIN(image->file_size, sizeof(image->data));
	g_autofree guint8 *data = g_malloc(MAX(size, 1));

	memcpy(data, image->data, size);
	return bzimage_parse(data, image->file_size, result, error);
}

static BzImage accept(const Image *image)
{
	g_autoptr(GError) error = NULL;
	BzImage result;

	parse(image, &result, &error);
	g_assert_no_error(error);
	return result;
}

static void assert_refused(const Image *image, const char *words)
{
	g_autoptr(GError) error = NULL;
	BzImage result;

	if (parse(image, &result, &error))
		g_error("accepted, and not refused with '%s'", words);
	g_assert_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT);
	if (!strstr(error->message, words))
		g_error("was to be refused with '%s', and not with '%s'", words, error->message);
}

/* A good image, but for one field. */
static void assert_field_refused(guint offset, guint size, guint64 value, const char *words)
{
	Image image = good_image();

	put(&image, offset, size, value);
	assert_refused(&image, words);
}

static BzImage accept_field(guint offset, guint size, guint64 value)
{
	Image image = good_image();

	put(&image, offset, size, value);
	return accept(&image);
}

static void test_good_image(void)
{
	const Image image = good_image();
	const BzImage result = accept(&image);

	g_assert_cmpuint(result.payload_offset, ==, 28 * 512);
	g_assert_cmpuint(result.payload_size, ==, MIB);
	g_assert_cmphex(result.load_gpa, ==, 16 * MIB);
	g_assert_cmpuint(result.memory_size, ==, 32 * MIB);
	g_assert_cmpmem(&result.header, sizeof(result.header), image.data + 0x1f1,
			sizeof(result.header));
}

/* What is behind the header's stated end is code, and none of its fields. */
static void test_header_ends_where_it_says(void)
{
	BzImage result = accept_field(JUMP + 1, 1, 0x62);

	g_assert_cmphex(result.header.init_size, ==, 32 * MIB);
	g_assert_cmphex(result.header.handover_offset, ==, 0);
	g_assert_cmphex(result.header.kernel_info_offset, ==, 0);

	result = accept_field(JUMP + 1, 1, 0x66);
	g_assert_cmphex(result.header.handover_offset, ==, 0x190);
	g_assert_cmphex(result.header.kernel_info_offset, ==, 0);

	/* A protocol to come may have more than this program knows. */
	result = accept_field(JUMP + 1, 1, 0xff);
	g_assert_cmphex(result.header.kernel_info_offset, ==, 0x12345678);

	assert_field_refused(JUMP + 1, 1, 0x61, "ends at 0x263, before init_size ends at 0x264");
	assert_field_refused(JUMP + 1, 1, 0, "ends at 0x202");
}

static void test_truncated_anywhere(void)
{
	Image image = good_image();
	const guint64 whole = image.file_size;

	for (image.file_size = 0; image.file_size < 0x200; image.file_size++)
		assert_refused(&image, "is not a bzImage: the file ends at");
	for (; image.file_size < 0x26c; image.file_size++)
		assert_refused(&image, "inside the setup header");
	for (; image.file_size <= 28 * 512; image.file_size += 97)
		assert_refused(&image, "are setup code (setup_sects, at 0x1f1)");
	for (image.file_size = 28 * 512; image.file_size < whole; image.file_size += 4001)
		assert_refused(&image, "is truncated");
	image.file_size = whole - 16;
	assert_refused(&image, "1048576 (syssize, at 0x1f4) wanted behind the first 14336");
	image.file_size = whole;
	accept(&image);
	/* Signatures are appended to kernels. */
	image.file_size = whole + 12345;
	g_assert_cmpuint(accept(&image).payload_size, ==, MIB);
}

/* syssize counts paragraphs of 16 bytes; what memtest86+ 6.10 says is 8 bytes too much. */
static void test_last_paragraph_is_short(void)
{
	Image image = good_image();
	const guint64 whole = image.file_size;

	for (guint missing = 1; missing < 16; missing++) {
		BzImage result;

		image.file_size = whole - missing;
		result = accept(&image);
		g_assert_cmpuint(result.payload_size, ==, MIB - missing);
		g_assert_cmpuint(result.payload_offset + result.payload_size, ==, image.file_size);
	}
	/* What is there has to reach the entry point still. */
	put(&image, SYSSIZE, 4, 0x21);
	image.file_size = 28 * 512 + 0x201;
	g_assert_cmpuint(accept(&image).payload_size, ==, 0x201);
	image.file_size = 28 * 512 + 0x200;
	assert_refused(&image, "is truncated");
}

static void test_wrong_magic(void)
{
	Image zeroes = { .file_size = 10 * MIB };

	assert_refused(&zeroes, "no boot signature at 0x1fe");
	assert_field_refused(BOOT_FLAG, 2, 0x55aa, "no boot signature at 0x1fe");
	assert_field_refused(HEADER, 4, 0, "no \"HdrS\" at 0x202");
	assert_field_refused(HEADER + 3, 1, 's', "no \"HdrS\" at 0x202");
}

static void test_versions(void)
{
	assert_field_refused(VERSION, 2, 0x020b, "boot protocol 2.11 (version, at 0x206)");
	assert_field_refused(VERSION, 2, 0x01ff, "boot protocol 1.255");
	assert_field_refused(VERSION, 2, 0, "boot protocol 0.00");
	accept_field(VERSION, 2, 0x020c);
	accept_field(VERSION, 2, 0xffff);
}

static void test_entry(void)
{
	assert_field_refused(LOADFLAGS, 1, 0xfe, "is a zImage (LOADED_HIGH is clear");
	assert_field_refused(XLOADFLAGS_AT, 2, 0xfffe, "has no 64-bit entry point");
	accept_field(LOADFLAGS, 1, 0xff);
	accept_field(XLOADFLAGS_AT, 2, 0xffff);
}

static void test_setup_sectors(void)
{
	/* 0 means 4, since the first protocol. */
	g_assert_cmpuint(accept_field(SETUP_SECTS, 1, 0).payload_offset, ==, 5 * 512);
	g_assert_cmpuint(accept_field(SETUP_SECTS, 1, 1).payload_offset, ==, 2 * 512);
	assert_field_refused(SETUP_SECTS, 1, 255, "behind the first 131072");
}

static void test_sizes_that_wrap(void)
{
	assert_field_refused(SYSSIZE, 4, 0xffffffff, "68719476720 (syssize");
	/* As 32 bits these are 0 and 16 bytes. */
	assert_field_refused(SYSSIZE, 4, 0x10000000, "4294967296 (syssize");
	assert_field_refused(SYSSIZE, 4, 0x10000001, "4294967312 (syssize");
	assert_field_refused(SYSSIZE, 4, 0, "has 0 bytes of code");
	assert_field_refused(SYSSIZE, 4, 0x20, "has 512 bytes of code");
	g_assert_cmpuint(accept_field(SYSSIZE, 4, 0x21).payload_size, ==, 0x210);
}

static void test_memory_that_it_needs(void)
{
	assert_field_refused(INIT_SIZE, 4, 0, "has init_size 0 (at 0x260)");
	assert_field_refused(INIT_SIZE, 4, MIB - 1, "less than its 1048576 bytes of code");
	g_assert_cmpuint(accept_field(INIT_SIZE, 4, MIB).memory_size, ==, MIB);
	g_assert_cmpuint(accept_field(INIT_SIZE, 4, 0xffffffff).memory_size, ==, 0xffffffff);
}

static void test_alignment(void)
{
	static const guint32 wrong[] = { 0, 1, 2048, 4095, 4097, 3 * MIB, 0xffffffff };

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_field_refused(KERNEL_ALIGNMENT, 4, wrong[i], "not a power of two");
	accept_field(KERNEL_ALIGNMENT, 4, 4096);
	accept_field(KERNEL_ALIGNMENT, 4, 16 * MIB);
	assert_field_refused(KERNEL_ALIGNMENT, 4, 32 * MIB, "has pref_address 0x1000000");
	assert_field_refused(KERNEL_ALIGNMENT, 4, 2 * GIB, "has pref_address 0x1000000");
}

static void test_places(void)
{
	static const guint64 wrong[] = {
		0,
		0x1000,
		MIB - 1,
		MIB,
		16 * MIB + 4096,
		4 * GIB,
		4 * GIB + 2 * MIB,
		G_MAXUINT64,
		1ull << 63,
		G_MAXUINT64 - 2 * MIB + 1,
	};

	/* 1 MiB is no multiple of the 2 MiB that this kernel wants to be aligned to. */
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_field_refused(PREF_ADDRESS, 8, wrong[i], "has pref_address");
	g_assert_cmphex(accept_field(PREF_ADDRESS, 8, 2 * MIB).load_gpa, ==, 2 * MIB);
	g_assert_cmphex(accept_field(PREF_ADDRESS, 8, 4 * GIB - 2 * MIB).load_gpa, ==,
			4 * GIB - 2 * MIB);
}

/* The initial RAM disk */

static guint64 place_initrd(const BzImage *kernel, guint64 ram_end, guint64 size)
{
	g_autoptr(GError) error = NULL;
	guint64 gpa = 0;

	zero_page_place_initrd(kernel, ram_end, size, &gpa, &error);
	g_assert_no_error(error);
	return gpa;
}

static void assert_no_place(const BzImage *kernel, guint64 ram_end, guint64 size, const char *words)
{
	g_autoptr(GError) error = NULL;
	guint64 gpa;

	if (zero_page_place_initrd(kernel, ram_end, size, &gpa, &error))
		g_error("%" G_GUINT64_FORMAT " bytes were placed at %#" G_GINT64_MODIFIER "x", size,
			gpa);
	g_assert_error(error, BOOT_ERROR, BOOT_ERROR_FIT);
	if (!strstr(error->message, words))
		g_error("'%s' does not say '%s'", error->message, words);
}

static void test_initrd_is_placed_high(void)
{
	const BzImage kernel = accept_field(INITRD_ADDR_MAX, 4, 0x7fffffff);
	const BzImage no_limit = accept_field(INITRD_ADDR_MAX, 4, 0xffffffff);

	g_assert_cmphex(place_initrd(&kernel, 256 * MIB, 1), ==, 256 * MIB - 4096);
	g_assert_cmphex(place_initrd(&kernel, 256 * MIB, 4096), ==, 256 * MIB - 4096);
	g_assert_cmphex(place_initrd(&kernel, 256 * MIB, 4097), ==, 256 * MIB - 8192);
	g_assert_cmphex(place_initrd(&kernel, 3 * GIB, MIB), ==, 2 * GIB - MIB);
	g_assert_cmphex(place_initrd(&no_limit, 3 * GIB, MIB), ==, 3 * GIB - MIB);
	/* All that there is above the kernel's 16 + 32 MiB. */
	g_assert_cmphex(place_initrd(&kernel, 256 * MIB, 208 * MIB), ==, 48 * MIB);
}

static void test_initrd_that_does_not_fit(void)
{
	const BzImage kernel = accept_field(INITRD_ADDR_MAX, 4, 0x7fffffff);
	const BzImage low = accept_field(INITRD_ADDR_MAX, 4, 40 * MIB);
	const BzImage none = accept_field(INITRD_ADDR_MAX, 4, 0);

	assert_no_place(&kernel, 256 * MIB, 208 * MIB + 1, "the end of RAM at 256 MiB");
	assert_no_place(&kernel, 48 * MIB, 1, "the end of RAM at 48 MiB");
	assert_no_place(&kernel, 16 * MIB, 1, "the end of RAM at 16 MiB");
	assert_no_place(&kernel, 256 * MIB, G_MAXUINT64, "does not fit");
	assert_no_place(&kernel, 256 * MIB, 1ull << 63, "does not fit");
	assert_no_place(&low, 256 * MIB, 1, "its initrd_addr_max at 40 MiB");
	assert_no_place(&none, 256 * MIB, 1, "its initrd_addr_max at 0 MiB");
}

/* What a kernel is told */

static void assert_range(const struct boot_params *params, guint i, guint64 start, guint64 end,
			 guint32 type)
{
	g_assert_cmpuint(i, <, params->e820_entries);
	g_assert_cmphex(params->e820_table[i].addr, ==, start);
	g_assert_cmphex(params->e820_table[i].addr + params->e820_table[i].size, ==, end);
	g_assert_cmpuint(params->e820_table[i].type, ==, type);
}

static void test_zero_page(void)
{
	const Image image = good_image();
	const BzImage kernel = accept(&image);
	const ZeroPageConfig config = {
		.image = &kernel,
		.ram_low_end = 3 * GIB,
		.ram_high_end = 5 * GIB,
		.rsdp_gpa = 0xe0000,
		.command_line_gpa = 0x1200060000,
		.initrd_gpa = 0x3400100000,
		.initrd_size = 0x5600000001,
	};
	struct boot_params params;

	memset(&params, 0xee, sizeof(params));
	zero_page_fill(&params, &config);
	g_assert_cmphex(params.hdr.boot_flag, ==, 0xaa55);
	g_assert_cmphex(params.hdr.type_of_loader, ==, 0xff);
	g_assert_cmphex(params.hdr.cmd_line_ptr, ==, 0x60000);
	g_assert_cmphex(params.ext_cmd_line_ptr, ==, 0x12);
	g_assert_cmphex(params.hdr.ramdisk_image, ==, 0x100000);
	g_assert_cmphex(params.ext_ramdisk_image, ==, 0x34);
	g_assert_cmphex(params.hdr.ramdisk_size, ==, 1);
	g_assert_cmphex(params.ext_ramdisk_size, ==, 0x56);
	g_assert_cmphex(params.acpi_rsdp_addr, ==, 0xe0000);
	g_assert_cmpuint(params.e820_entries, ==, 4);
	assert_range(&params, 0, 0, 0xa0000, 1);
	assert_range(&params, 1, 0xe0000, 0x100000, 2);
	assert_range(&params, 2, MIB, 3 * GIB, 1);
	assert_range(&params, 3, 4 * GIB, 5 * GIB, 1);
	/* Nothing that was there before is left for the kernel to believe in. */
	g_assert_cmphex(params.screen_info.orig_x, ==, 0);
	g_assert_cmphex(params.eddbuf_entries, ==, 0);
}

/* A field that the file must not decide: a list that the kernel would follow. */
static void test_setup_data_of_the_file_is_dropped(void)
{
	const BzImage kernel = accept_field(0x250, 8, 0x1234567890abcdef);
	const ZeroPageConfig config = {
		.image = &kernel,
		.ram_low_end = 64 * MIB,
		.ram_high_end = 4 * GIB,
	};
	struct boot_params params;

	zero_page_fill(&params, &config);
	g_assert_cmphex(params.hdr.setup_data, ==, 0);
	g_assert_cmpuint(params.e820_entries, ==, 3);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/bzimage/good", test_good_image);
	g_test_add_func("/bzimage/header-ends-where-it-says", test_header_ends_where_it_says);
	g_test_add_func("/bzimage/truncated-anywhere", test_truncated_anywhere);
	g_test_add_func("/bzimage/last-paragraph-is-short", test_last_paragraph_is_short);
	g_test_add_func("/bzimage/wrong-magic", test_wrong_magic);
	g_test_add_func("/bzimage/versions", test_versions);
	g_test_add_func("/bzimage/entry", test_entry);
	g_test_add_func("/bzimage/setup-sectors", test_setup_sectors);
	g_test_add_func("/bzimage/sizes-that-wrap", test_sizes_that_wrap);
	g_test_add_func("/bzimage/memory-that-it-needs", test_memory_that_it_needs);
	g_test_add_func("/bzimage/alignment", test_alignment);
	g_test_add_func("/bzimage/places", test_places);
	g_test_add_func("/initrd/placed-high", test_initrd_is_placed_high);
	g_test_add_func("/initrd/does-not-fit", test_initrd_that_does_not_fit);
	g_test_add_func("/zero-page/fill", test_zero_page);
	g_test_add_func("/zero-page/setup-data-is-dropped", test_setup_data_of_the_file_is_dropped);

	return g_test_run();
}
