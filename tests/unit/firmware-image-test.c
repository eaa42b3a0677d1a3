/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware-image-test.c - files that are firmware, and files that are not
 *
 * Images are made here field by field, after the specification; a distribution's are looked
 * at where they are installed.
 */
#include <gio/gio.h>
#include <string.h>

#include "vmm/boot/bzimage.h"
#include "vmm/boot/firmware-image.h"

#define KIB		 1024u
#define VOLUME_GUID_AT	 0x10
#define VOLUME_LENGTH_AT 0x20
#define SIGNATURE_AT	 0x28
#define HEADER_LENGTH_AT 0x30
#define CHECKSUM_AT	 0x32
#define STORE_GUID_AT	 0x48
#define STORE_SIZE_AT	 0x58
#define HEADER_LENGTH	 0x48
#define SIZE		 (128 * KIB)

typedef struct {
	guint8 *content; /* exactly so long, so that a sanitizer sees a byte too many */
	gsize size;
} Image;

static Image image_new(gsize size)
{
	return (Image){ .content = g_malloc0(size), .size = size };
}

static void image_free(Image *image)
{
	g_free(image->content);
}

static void put(Image *image, gsize offset, guint size, guint64 value)
{
	value = GUINT64_TO_LE(value);
	g_assert_cmpuint(offset + size, <=, image->size);
	memcpy(image->content + offset, &value, size);
}

static void put_guid(Image *image, gsize offset, guint32 a, guint16 b, guint16 c, const char *rest)
{
	put(image, offset, 4, a);
	put(image, offset + 4, 2, b);
	put(image, offset + 6, 2, c);
	memcpy(image->content + offset + 8, rest, 8);
}

static void fix_checksum(Image *image)
{
	guint16 sum = 0;

	put(image, CHECKSUM_AT, 2, 0);
	for (guint i = 0; i < HEADER_LENGTH; i += 2)
		sum += image->content[i] | image->content[i + 1] << 8;
	put(image, CHECKSUM_AT, 2, -sum);
}

static Image volume(void)
{
	Image image = image_new(SIZE);

	put(&image, VOLUME_LENGTH_AT, 8, SIZE);
	memcpy(image.content + SIGNATURE_AT, "_FVH", 4);
	put(&image, HEADER_LENGTH_AT, 2, HEADER_LENGTH);
	put(&image, 0x38, 4, SIZE / 4096);
	put(&image, 0x3c, 4, 4096);
	fix_checksum(&image);
	return image;
}

static Image variables(void)
{
	Image image = volume();

	put_guid(&image, VOLUME_GUID_AT, 0xfff12b8d, 0x7696, 0x4c8b,
		 "\xa9\x85\x27\x47\x07\x5b\x4f\x50");
	put_guid(&image, STORE_GUID_AT, 0xaaf32c78, 0x947b, 0x439a,
		 "\xa1\x80\x2e\x14\x4e\xc3\x77\x92");
	put(&image, STORE_SIZE_AT, 4, 0xdfb8);
	fix_checksum(&image);
	return image;
}

static Image code(void)
{
	Image image = volume();

	put(&image, SIZE - 16, 4, 0x5be99090);
	return image;
}

static Image bios(gsize size)
{
	Image image = image_new(size);

	put(&image, size - 16, 5, 0xf000e05bea);
	return image;
}

static void accept(FirmwareKind kind, const Image *image)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(firmware_image_check(kind, "test.fd", image->content, image->size, &error));
	g_assert_no_error(error);
}

static void refuse(FirmwareKind kind, const Image *image, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(firmware_image_check(kind, "test.fd", image->content, image->size, &error));
	g_assert_error(error, BOOT_ERROR, BOOT_ERROR_FORMAT);
	g_assert_true(g_str_has_prefix(error->message, "firmware file test.fd "));
	g_assert_cmpstr(error->message + strlen("firmware file test.fd "), ==, message);
}

/* The first @size bytes of an image. */
static void refuse_cut(FirmwareKind kind, const Image *image, gsize size, const char *message)
{
	Image cut = { .content = g_memdup2(image->content, size), .size = size };

	refuse(kind, &cut, message);
	image_free(&cut);
}

static void test_good_images(void)
{
	Image code_image = code(), variables_image = variables(), bios_image = bios(64 * KIB);

	accept(FIRMWARE_UEFI_CODE, &code_image);
	accept(FIRMWARE_UEFI_VARIABLES, &variables_image);
	accept(FIRMWARE_BIOS, &bios_image);
	/* Firmware for flash need not be UEFI's. */
	accept(FIRMWARE_UEFI_CODE, &bios_image);
	/* Variables without authentication. */
	put_guid(&variables_image, STORE_GUID_AT, 0xddcf3616, 0x3275, 0x4164,
		 "\x98\xb6\xfe\x85\x70\x7f\xfe\x7d");
	accept(FIRMWARE_UEFI_VARIABLES, &variables_image);
	image_free(&code_image);
	image_free(&variables_image);
	image_free(&bios_image);
}

static void test_kinds_are_told_apart(void)
{
	Image code_image = code(), variables_image = variables(), bios_image = bios(64 * KIB);

	refuse(FIRMWARE_UEFI_VARIABLES, &code_image,
	       "is not a variable store: a firmware volume of another kind (GUID at 0x10)");
	refuse(FIRMWARE_UEFI_VARIABLES, &bios_image,
	       "is not a firmware volume: no \"_FVH\" at 0x28");
	refuse(FIRMWARE_UEFI_CODE, &variables_image,
	       "has no code to begin with: no jump in its last 16 bytes");
	refuse(FIRMWARE_BIOS, &variables_image, "is not a BIOS: no jump in its last 16 bytes");
	image_free(&code_image);
	image_free(&variables_image);
	image_free(&bios_image);
}

static void test_empty(void)
{
	const Image image = { .content = NULL };

	refuse(FIRMWARE_UEFI_CODE, &image, "is empty");
	refuse(FIRMWARE_UEFI_VARIABLES, &image, "is empty");
	refuse(FIRMWARE_BIOS, &image, "is empty");
}

static void test_zeroes_and_text(void)
{
	Image image = image_new(64 * KIB);

	refuse(FIRMWARE_UEFI_CODE, &image,
	       "is not a firmware volume: no \"_FVH\" at 0x28, no jump in its last 16 bytes");
	refuse(FIRMWARE_UEFI_VARIABLES, &image, "is not a firmware volume: no \"_FVH\" at 0x28");
	memset(image.content, '#', image.size);
	refuse(FIRMWARE_UEFI_CODE, &image,
	       "is not a firmware volume: no \"_FVH\" at 0x28, no jump in its last 16 bytes");
	refuse(FIRMWARE_BIOS, &image, "is not a BIOS: no jump in its last 16 bytes");
	image_free(&image);
}

static void test_truncated(void)
{
	Image image = variables();

	for (gsize size = 1; size < 0x38; size++)
		refuse_cut(FIRMWARE_UEFI_VARIABLES, &image, size,
			   "is not a firmware volume: no \"_FVH\" at 0x28");
	refuse_cut(FIRMWARE_UEFI_VARIABLES, &image, 0x38,
		   "is truncated: its header says 131072 bytes, the file has 56");
	refuse_cut(FIRMWARE_UEFI_VARIABLES, &image, SIZE - 1,
		   "is truncated: its header says 131072 bytes, the file has 131071");
	refuse_cut(FIRMWARE_UEFI_CODE, &image, 4096,
		   "is truncated: its header says 131072 bytes, the file has 4096");
	/* A volume that ends where its header does. */
	put(&image, VOLUME_LENGTH_AT, 8, HEADER_LENGTH);
	fix_checksum(&image);
	refuse_cut(FIRMWARE_UEFI_VARIABLES, &image, HEADER_LENGTH + 19,
		   "is truncated: it ends in its header");
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a variable store: 57272 bytes of variables do not fit in its volume");
	image_free(&image);
}

static void test_broken_header(void)
{
	Image image = variables();

	put(&image, 0x40, 1, 1);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a firmware volume: its header's checksum is wrong");
	put(&image, HEADER_LENGTH_AT, 2, 0x37);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a firmware volume: its header's length is 55 (at 0x30)");
	put(&image, HEADER_LENGTH_AT, 2, 0x49);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a firmware volume: its header's length is 73 (at 0x30)");
	put(&image, HEADER_LENGTH_AT, 2, 0xfffe);
	put(&image, VOLUME_LENGTH_AT, 8, 0xfffc);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a firmware volume: its header's length is 65534 (at 0x30)");
	put(&image, VOLUME_LENGTH_AT, 8, G_MAXUINT64);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is truncated: its header says 18446744073709551615 bytes, the file has 131072");
	image_free(&image);
}

static void test_broken_store(void)
{
	Image image = variables();

	put(&image, STORE_SIZE_AT, 4, SIZE - HEADER_LENGTH);
	accept(FIRMWARE_UEFI_VARIABLES, &image);
	put(&image, STORE_SIZE_AT, 4, SIZE - HEADER_LENGTH + 1);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a variable store: 131001 bytes of variables do not fit in its volume");
	put(&image, STORE_SIZE_AT, 4, 0);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a variable store: 0 bytes of variables do not fit in its volume");
	put(&image, STORE_GUID_AT, 1, 0);
	refuse(FIRMWARE_UEFI_VARIABLES, &image,
	       "is not a variable store: its volume holds something else (GUID at 0x48)");
	image_free(&image);
}

/* OVMF cut off while it rewrites its variables: it repairs the first block by itself. */
static void test_interrupted_write(void)
{
	Image image = variables();

	memset(image.content, 0xff, 4096);
	accept(FIRMWARE_UEFI_VARIABLES, &image);
	memset(image.content, 0xff, image.size);
	refuse(FIRMWARE_UEFI_VARIABLES, &image, "is not a firmware volume: no \"_FVH\" at 0x28");
	image_free(&image);
}

static void test_bios_size(void)
{
	Image image = bios(FIRMWARE_BIOS_MAX_SIZE);

	accept(FIRMWARE_BIOS, &image);
	image_free(&image);
	image = bios(FIRMWARE_BIOS_MAX_SIZE + 64 * KIB);
	refuse(FIRMWARE_BIOS, &image,
	       "is not a BIOS: 8454144 bytes, not a multiple of 64 KiB up to 8 MiB");
	image_free(&image);
	image = bios(64 * KIB - 1);
	refuse(FIRMWARE_BIOS, &image,
	       "is not a BIOS: 65535 bytes, not a multiple of 64 KiB up to 8 MiB");
	image_free(&image);
}

static void check_installed(const char *path, FirmwareKind kind)
{
	char *content;
	Image image;

	if (!g_file_get_contents(path, &content, &image.size, NULL)) {
		g_test_message("%s is not installed", path);
		return;
	}
	image.content = (guint8 *)content;
	accept(kind, &image);
	if (kind == FIRMWARE_UEFI_VARIABLES) {
		g_autofree char *message =
			g_strdup_printf("is truncated: its header says %zu bytes, the file has %zu",
					image.size, image.size / 2);

		refuse_cut(kind, &image, image.size / 2, message);
	}
	image_free(&image);
}

static void test_installed(void)
{
	static const char *const code_files[] = {
		"/usr/share/OVMF/OVMF_CODE.fd",
		"/usr/share/OVMF/OVMF_CODE_4M.fd",
		"/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
		"/usr/share/ovmf/OVMF.fd",
		"/usr/share/qemu/qboot.rom",
	};
	static const char *const variable_files[] = {
		"/usr/share/OVMF/OVMF_VARS.fd",
		"/usr/share/OVMF/OVMF_VARS_4M.fd",
		"/usr/share/OVMF/OVMF_VARS_4M.ms.fd",
	};
	static const char *const bios_files[] = {
		"/usr/share/seabios/bios.bin",
		"/usr/share/seabios/bios-256k.bin",
		"/usr/share/seabios/bios-microvm.bin",
		"/usr/share/qemu/qboot.rom",
	};

	for (guint i = 0; i < G_N_ELEMENTS(code_files); i++)
		check_installed(code_files[i], FIRMWARE_UEFI_CODE);
	for (guint i = 0; i < G_N_ELEMENTS(variable_files); i++)
		check_installed(variable_files[i], FIRMWARE_UEFI_VARIABLES);
	for (guint i = 0; i < G_N_ELEMENTS(bios_files); i++)
		check_installed(bios_files[i], FIRMWARE_BIOS);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/firmware-image/good-images", test_good_images);
	g_test_add_func("/firmware-image/kinds-are-told-apart", test_kinds_are_told_apart);
	g_test_add_func("/firmware-image/empty", test_empty);
	g_test_add_func("/firmware-image/zeroes-and-text", test_zeroes_and_text);
	g_test_add_func("/firmware-image/truncated", test_truncated);
	g_test_add_func("/firmware-image/broken-header", test_broken_header);
	g_test_add_func("/firmware-image/broken-store", test_broken_store);
	g_test_add_func("/firmware-image/interrupted-write", test_interrupted_write);
	g_test_add_func("/firmware-image/bios-size", test_bios_size);
	g_test_add_func("/firmware-image/installed", test_installed);

	return g_test_run();
}
