/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-header-test.c - what headers of disk images say, of honest ones and of others */
#include <glib.h>
#include <string.h>

#include "driver/storage/image-chain.h"
#include "driver/storage/image-header.h"

/* Where a name is put in a header that is made here. */
#define NAME_AT 512

typedef struct {
	guint8 data[4096];
} Image;

static void put_big(Image *image, gsize at, guint64 value, guint size)
{
	for (guint i = 0; i < size; i++)
		image->data[at + i] = (guint8)(value >> (8 * (size - 1 - i)));
}

static void put_little(Image *image, gsize at, guint64 value, guint size)
{
	for (guint i = 0; i < size; i++)
		image->data[at + i] = (guint8)(value >> (8 * i));
}

static void put_text(Image *image, gsize at, const char *text)
{
	memcpy(image->data + at, text, strlen(text));
}

/* qcow2 of version 3, 1 MiB, with "base" behind it whose format is raw. */
static Image make_qcow2(void)
{
	Image image = { { 0 } };

	put_text(&image, 0, "QFI\xfb");
	put_big(&image, 4, 3, 4);
	put_big(&image, 8, NAME_AT, 8);
	put_big(&image, 16, 4, 4);
	put_big(&image, 24, 1 << 20, 8);
	put_big(&image, 100, 104, 4);
	put_big(&image, 104, 0xe2792aca, 4);
	put_big(&image, 108, 3, 4);
	put_text(&image, 112, "raw");
	put_text(&image, NAME_AT, "base");
	return image;
}

static const char *parse(const char *format, const Image *image, ImageHeader *header)
{
	return image_header_parse(format, image->data, sizeof(image->data), header);
}

static void assert_refused(const char *format, const Image *image, const char *word)
{
	g_auto(ImageHeader) header = { 0 };
	const char *why = parse(format, image, &header);

	g_assert_nonnull(why);
	g_assert_nonnull(strstr(why, word));
}

static void test_qcow2(void)
{
	const Image image = make_qcow2();
	g_auto(ImageHeader) header = { 0 };

	g_assert_null(parse("qcow2", &image, &header));
	g_assert_cmpuint(header.capacity, ==, 1 << 20);
	g_assert_cmpstr(header.backing, ==, "base");
	g_assert_cmpstr(header.backing_format, ==, "raw");
	assert_refused("qcow", &image, "no image");
	assert_refused("vdi", &image, "no image");
}

/* Version 2 ends before the extensions begin. */
static void test_qcow2_of_version_2(void)
{
	Image image = make_qcow2();
	g_auto(ImageHeader) header = { 0 };

	put_big(&image, 4, 2, 4);
	g_assert_null(parse("qcow2", &image, &header));
	g_assert_cmpstr(header.backing, ==, "base");
	g_assert_null(header.backing_format);
}

static void test_qcow2_alone(void)
{
	Image image = make_qcow2();
	g_auto(ImageHeader) header = { 0 };

	put_big(&image, 8, 0, 8);
	g_assert_null(parse("qcow2", &image, &header));
	g_assert_null(header.backing);
}

/* One number each that is wrong. */
static void test_qcow2_that_is_hostile(void)
{
	static const struct {
		gsize at;
		guint64 value;
		guint size;
		const char *word;
	} cases[] = {
		{ 4, 4, 4, "no image" },	   /* a version that there is not */
		{ 8, G_MAXUINT64, 8, "broken" },   /* a name that wraps around */
		{ 8, 4094, 8, "broken" },	   /* one that goes beyond the end */
		{ 16, 0, 4, "broken" },		   /* one without letters */
		{ 16, G_MAXUINT32, 4, "broken" },  /* one that is too long */
		{ 16, 5, 4, "broken" },		   /* one with a NUL */
		{ 32, 1, 4, "encrypted" },	   /* */
		{ 72, 4, 8, "another file" },	   /* data elsewhere */
		{ 100, 8, 4, "broken" },	   /* a header that is too short */
		{ 100, G_MAXUINT32, 4, "broken" }, /* one beyond the end */
		{ 108, G_MAXUINT32, 4, "broken" }, /* an extension beyond the end */
		{ 108, 0, 4, "broken" },	   /* a format without letters */
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		Image image = make_qcow2();

		put_big(&image, cases[i].at, cases[i].value, cases[i].size);
		assert_refused("qcow2", &image, cases[i].word);
	}
}

/* Extensions that never end. */
static void test_extensions_without_end(void)
{
	Image image = make_qcow2();

	memset(image.data + 104, 1, sizeof(image.data) - 104);
	put_big(&image, 8, 0, 8);
	assert_refused("qcow2", &image, "broken");
}

/* However short an image is, nothing behind its end is looked at. */
static void test_short(void)
{
	const Image image = make_qcow2();

	for (const char *const *format = image_formats(); *format; format++)
		for (gsize size = 0; size < 600; size++) {
			g_autofree guint8 *data = g_memdup2(image.data, size);
			g_auto(ImageHeader) header = { 0 };

			(void)image_header_parse(*format, data, size, &header);
		}
}

static void test_qed(void)
{
	Image image = { { 0 } };
	g_auto(ImageHeader) header = { 0 };

	memcpy(image.data, "QED", 4);
	put_little(&image, 16, 5, 8);
	put_little(&image, 48, 8 << 20, 8);
	put_little(&image, 56, NAME_AT, 4);
	put_little(&image, 60, 4, 4);
	put_text(&image, NAME_AT, "base");
	g_assert_null(parse("qed", &image, &header));
	g_assert_cmpuint(header.capacity, ==, 8 << 20);
	g_assert_cmpstr(header.backing, ==, "base");
	g_assert_cmpstr(header.backing_format, ==, "raw");
	put_little(&image, 56, G_MAXUINT32, 4);
	assert_refused("qed", &image, "broken");
}

static Image make_vmdk(void)
{
	Image image = { { 0 } };

	put_text(&image, 0, "KDMV");
	put_little(&image, 12, 2048, 8);
	put_little(&image, 28, 1, 8);
	put_little(&image, 36, 2, 8);
	put_text(&image, 512, "# Disk DescriptorFile\nparentCID=ffffffff\n");
	return image;
}

static void test_vmdk(void)
{
	Image image = make_vmdk();
	g_auto(ImageHeader) header = { 0 };

	g_assert_null(parse("vmdk", &image, &header));
	g_assert_cmpuint(header.capacity, ==, 1 << 20);
}

/* All that would have QEMU open another file. */
static void test_vmdk_with_other_files(void)
{
	Image image = make_vmdk();

	put_little(&image, 12, 0, 8);
	assert_refused("vmdk", &image, "other files");
	image = make_vmdk();
	put_text(&image, 512, "parentCID=01234567\nparentFileNameHint=\"/etc/passwd\"\n");
	assert_refused("vmdk", &image, "difference");
	image = make_vmdk();
	put_text(&image, 0, "# Disk DescriptorFile");
	assert_refused("vmdk", &image, "other files");
	image = make_vmdk();
	put_little(&image, 28, G_MAXUINT64 / 512, 8);
	assert_refused("vmdk", &image, "broken");
}

static void test_vmdk_that_is_too_large(void)
{
	Image image = make_vmdk();

	put_little(&image, 12, G_MAXUINT64, 8);
	assert_refused("vmdk", &image, "broken");
}

static void assert_resolved(const char *name, const char *wanted)
{
	g_autofree char *path = image_chain_resolve("/images/top.qcow2", name);

	g_assert_cmpstr(path, ==, wanted);
}

static void test_names(void)
{
	assert_resolved("base", "/images/base");
	assert_resolved("../other/base", "/images/../other/base");
	assert_resolved("/else/base", "/else/base");
	assert_resolved("./a:b", "/images/./a:b");
	assert_resolved("nbd://host/", NULL);
	assert_resolved("json:{}", NULL);
	assert_resolved("fat:rw:/etc", NULL);
	assert_resolved("\xff", NULL);
}

static void test_formats(void)
{
	g_assert_true(g_strv_contains(image_formats(), "qcow2"));
	g_assert_false(g_strv_contains(image_formats(), "raw"));
	g_assert_true(image_format_is_writable("raw"));
	g_assert_false(image_format_is_writable("dmg"));
	g_assert_true(image_format_has_backing("qcow2"));
	g_assert_false(image_format_has_backing("raw"));
	g_assert_cmpstr(image_format_driver("ploop"), ==, "parallels");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/image-header/qcow2", test_qcow2);
	g_test_add_func("/image-header/qcow2-of-version-2", test_qcow2_of_version_2);
	g_test_add_func("/image-header/qcow2-alone", test_qcow2_alone);
	g_test_add_func("/image-header/qcow2-that-is-hostile", test_qcow2_that_is_hostile);
	g_test_add_func("/image-header/extensions-without-end", test_extensions_without_end);
	g_test_add_func("/image-header/short", test_short);
	g_test_add_func("/image-header/qed", test_qed);
	g_test_add_func("/image-header/vmdk", test_vmdk);
	g_test_add_func("/image-header/vmdk-with-other-files", test_vmdk_with_other_files);
	g_test_add_func("/image-header/vmdk-that-is-too-large", test_vmdk_that_is_too_large);
	g_test_add_func("/image-header/names", test_names);
	g_test_add_func("/image-header/formats", test_formats);
	return g_test_run();
}
