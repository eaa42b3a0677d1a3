/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware-image.c - whether a file's content looks like firmware
 *
 * Theory of operation
 *
 * A firmware volume begins with a header that has a signature, a length and a checksum. A
 * volume of variables names itself by a GUID and holds a variable store, again with a GUID
 * and a length. Code has a jump in its last 16 bytes, where a processor begins.
 *
 * OVMF rewrites its variable store by a fault-tolerant write, which erases the block with
 * the header first and can be cut off there. It puts the block back from a copy when it
 * runs again; so a first block that is erased is none to refuse, as long as there is
 * anything behind it that this could come from.
 */
#include "vmm/boot/firmware-image.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot/bzimage.h"

#define KIB64		  (64u << 10)
#define BLOCK_SIZE	  4096u
#define RESET_VECTOR_SIZE 16u
#define ERASED		  0xff

/* EFI_FIRMWARE_VOLUME_HEADER, without its block map. */
typedef struct __attribute__((packed)) {
	guint8 zero_vector[16];
	guint8 file_system_guid[16];
	guint64 length; /* of the volume */
	char signature[4];
	guint32 attributes;
	guint16 header_length; /* with the block map */
	guint16 checksum;      /* makes the 16-bit sum of the header zero */
	guint16 ext_header_offset;
	guint8 reserved;
	guint8 revision;
} VolumeHeader;

G_STATIC_ASSERT(sizeof(VolumeHeader) == 0x38);

/* VARIABLE_STORE_HEADER of edk2, without its tail of reserved fields. */
typedef struct __attribute__((packed)) {
	guint8 signature_guid[16];
	guint32 size; /* of the store, with this header */
} VariableStoreHeader;

/* gEfiSystemNvDataFvGuid, fff12b8d-7696-4c8b-a985-2747075b4f50 */
static const guint8 system_nv_data_guid[16] = {
	0x8d, 0x2b, 0xf1, 0xff, 0x96, 0x76, 0x8b, 0x4c,
	0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b, 0x4f, 0x50,
};

/* gEfiAuthenticatedVariableGuid, aaf32c78-947b-439a-a180-2e144ec37792 */
static const guint8 authenticated_variable_guid[16] = {
	0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
	0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92,
};

/* gEfiVariableGuid, ddcf3616-3275-4164-98b6-fe85707ffe7d */
static const guint8 variable_guid[16] = {
	0x16, 0x36, 0xcf, 0xdd, 0x75, 0x32, 0x64, 0x41,
	0x98, 0xb6, 0xfe, 0x85, 0x70, 0x7f, 0xfe, 0x7d,
};

typedef struct {
	const char *name;
	const guint8 *content;
	gsize size;
} Image;

static gboolean G_GNUC_PRINTF(2, 3) refuse(GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_set_error_literal(error, BOOT_ERROR, BOOT_ERROR_FORMAT, message);
	return FALSE;
}

static gboolean has_volume_signature(const Image *image)
{
	const VolumeHeader *header = (const VolumeHeader *)image->content;

	return image->size >= sizeof(*header) &&
	       memcmp(header->signature, "_FVH", sizeof(header->signature)) == 0;
}

static guint16 sum_words(const guint8 *data, gsize size)
{
	guint16 sum = 0;

	for (gsize i = 0; i + 1 < size; i += 2)
		sum += data[i] | data[i + 1] << 8;
	return sum;
}

/* Checks the volume that the file begins with. */
static gboolean check_volume(const Image *image, GError **error)
{
	VolumeHeader header;
	guint64 length;
	guint16 header_length;

	if (!has_volume_signature(image))
		return refuse(error,
			      _("firmware file %s is not a firmware volume: no \"_FVH\" at 0x28"),
			      image->name);
	memcpy(&header, image->content, sizeof(header));
	length = GUINT64_FROM_LE(header.length);
	header_length = GUINT16_FROM_LE(header.header_length);
	if (header_length < sizeof(header) || header_length % 2 || header_length > length)
		return refuse(error,
			      _("firmware file %s is not a firmware volume: its header's length is "
				"%u (at 0x30)"),
			      image->name, header_length);
	if (length > image->size)
		return refuse(error,
			      ngettext("firmware file %s is truncated: its header says %" PRIu64
				       " byte, the file has %zu",
				       "firmware file %s is truncated: its header says %" PRIu64
				       " bytes, the file has %zu",
				       length),
			      image->name, length, image->size);
	if (sum_words(image->content, header_length) != 0)
		return refuse(error,
			      _("firmware file %s is not a firmware volume: its header's checksum "
				"is wrong"),
			      image->name);
	return TRUE;
}

/* A near, far or short jump is among the bytes that a processor begins with. */
static gboolean has_reset_vector(const Image *image)
{
	const guint8 *vector;

	if (image->size < RESET_VECTOR_SIZE)
		return FALSE;
	vector = image->content + image->size - RESET_VECTOR_SIZE;
	return memchr(vector, 0xe9, RESET_VECTOR_SIZE) || memchr(vector, 0xea, RESET_VECTOR_SIZE) ||
	       memchr(vector, 0xeb, RESET_VECTOR_SIZE);
}

/* Firmware for flash need not be UEFI's; it does need to begin somewhere. */
static gboolean check_code(const Image *image, GError **error)
{
	gboolean is_volume = has_volume_signature(image);

	if (is_volume && !check_volume(image, error))
		return FALSE;
	if (has_reset_vector(image))
		return TRUE;
	if (is_volume)
		return refuse(error,
			      _("firmware file %s has no code to begin with: no jump in its last "
				"16 bytes"),
			      image->name);
	return refuse(error,
		      _("firmware file %s is not a firmware volume: no \"_FVH\" at 0x28, no jump "
			"in its last 16 bytes"),
		      image->name);
}

static gboolean is_erased(const guint8 *data, gsize size)
{
	for (gsize i = 0; i < size; i++)
		if (data[i] != ERASED)
			return FALSE;
	return TRUE;
}

static gboolean is_interrupted_write(const Image *image)
{
	return image->size > BLOCK_SIZE && is_erased(image->content, BLOCK_SIZE) &&
	       !is_erased(image->content + BLOCK_SIZE, image->size - BLOCK_SIZE);
}

static gboolean check_variable_store(const Image *image, GError **error)
{
	const VolumeHeader *volume = (const VolumeHeader *)image->content;
	gsize offset = GUINT16_FROM_LE(volume->header_length);
	VariableStoreHeader store;
	guint32 size;

	if (image->size - offset < sizeof(store))
		return refuse(error, _("firmware file %s is truncated: it ends in its header"),
			      image->name);
	memcpy(&store, image->content + offset, sizeof(store));
	size = GUINT32_FROM_LE(store.size);
	if (memcmp(store.signature_guid, authenticated_variable_guid, 16) != 0 &&
	    memcmp(store.signature_guid, variable_guid, 16) != 0)
		return refuse(error,
			      _("firmware file %s is not a variable store: its volume holds "
				"something else (GUID at %#zx)"),
			      image->name, offset);
	if (size < sizeof(store) || size > GUINT64_FROM_LE(volume->length) - offset)
		return refuse(error,
			      ngettext("firmware file %s is not a variable store: %u byte of "
				       "variables does not fit in its volume",
				       "firmware file %s is not a variable store: %u bytes of "
				       "variables do not fit in its volume",
				       size),
			      image->name, size);
	return TRUE;
}

static gboolean check_variables(const Image *image, GError **error)
{
	const VolumeHeader *volume = (const VolumeHeader *)image->content;

	if (is_interrupted_write(image))
		return TRUE;
	if (!check_volume(image, error))
		return FALSE;
	if (memcmp(volume->file_system_guid, system_nv_data_guid, 16) != 0)
		return refuse(error,
			      _("firmware file %s is not a variable store: a firmware volume of "
				"another kind (GUID at 0x10)"),
			      image->name);
	return check_variable_store(image, error);
}

static gboolean check_bios(const Image *image, GError **error)
{
	if (image->size % KIB64 || image->size > FIRMWARE_BIOS_MAX_SIZE)
		return refuse(error,
			      ngettext("firmware file %s is not a BIOS: %zu byte, not a multiple "
				       "of 64 KiB up to %u MiB",
				       "firmware file %s is not a BIOS: %zu bytes, not a multiple "
				       "of 64 KiB up to %u MiB",
				       image->size),
			      image->name, image->size, FIRMWARE_BIOS_MAX_SIZE >> 20);
	if (!has_reset_vector(image))
		return refuse(error,
			      _("firmware file %s is not a BIOS: no jump in its last 16 bytes"),
			      image->name);
	return TRUE;
}

gboolean firmware_image_check(FirmwareKind kind, const char *name, const guint8 *content,
			      gsize size, GError **error)
{
	const Image image = { .name = name, .content = content, .size = size };

	if (size == 0)
		return refuse(error, _("firmware file %s is empty"), image.name);
	switch (kind) {
	case FIRMWARE_UEFI_CODE:
		return check_code(&image, error);
	case FIRMWARE_UEFI_VARIABLES:
		return check_variables(&image, error);
	case FIRMWARE_BIOS:
		return check_bios(&image, error);
	}
	g_assert_not_reached();
}
