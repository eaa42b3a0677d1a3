/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-header.c - what the first bytes of a disk image say */
#include "driver/storage/image-header.h"

#include <glib/gi18n.h>
#include <string.h>

#define SECTOR_SIZE G_GUINT64_CONSTANT(512)

/* The longest name that a header of QEMU's formats has. */
#define NAME_MAX_BYTES 1023

typedef struct {
	const guint8 *data;
	gsize size;
} Bytes;

/* Why an image cannot be used. */
#define IS_OTHER   N_("is no image of this format")
#define IS_BROKEN  N_("has a header that is broken")
#define IS_CRYPTED N_("is encrypted, which is not supported")

static guint32 big32(const Bytes *bytes, gsize at)
{
	guint32 value;

	memcpy(&value, bytes->data + at, sizeof(value));
	return GUINT32_FROM_BE(value);
}

static guint64 big64(const Bytes *bytes, gsize at)
{
	guint64 value;

	memcpy(&value, bytes->data + at, sizeof(value));
	return GUINT64_FROM_BE(value);
}

static guint32 little32(const Bytes *bytes, gsize at)
{
	return GUINT32_SWAP_LE_BE(big32(bytes, at));
}

static guint64 little64(const Bytes *bytes, gsize at)
{
	return GUINT64_SWAP_LE_BE(big64(bytes, at));
}

static gboolean begins_with(const Bytes *bytes, gsize at, const char *magic, gsize size)
{
	return at + size <= bytes->size && memcmp(bytes->data + at, magic, size) == 0;
}

/* Return: for g_free(), or NULL where there is no text of that size. */
static char *text_at(const Bytes *bytes, guint64 at, guint64 size)
{
	if (size == 0 || size > NAME_MAX_BYTES || at > bytes->size || size > bytes->size - at ||
	    memchr(bytes->data + at, '\0', size))
		return NULL;
	return g_strndup((const char *)bytes->data + at, size);
}

/*
 * qcow and qcow2: docs/interop/qcow2.txt of QEMU's.
 */

#define QCOW_MAGIC		       "QFI\xfb"
#define QCOW_HEADER		       48
#define QCOW2_HEADER_V2		       72
#define QCOW2_HEADER_V3		       104

#define QCOW2_HAS_DATA_FILE	       (1u << 2)

#define QCOW2_EXTENSION_END	       0
#define QCOW2_EXTENSION_BACKING_FORMAT 0xe2792acau

/* Of both. Return: FALSE where it names a backing file that is not there. */
static gboolean read_qcow_backing(const Bytes *bytes, ImageHeader *header)
{
	const guint64 at = big64(bytes, 8);

	if (at == 0)
		return TRUE;
	header->backing = text_at(bytes, at, big32(bytes, 16));
	return header->backing != NULL;
}

static const char *parse_qcow(const Bytes *bytes, ImageHeader *header)
{
	if (!begins_with(bytes, 0, QCOW_MAGIC, 4) || bytes->size < QCOW_HEADER ||
	    big32(bytes, 4) != 1)
		return IS_OTHER;
	if (big32(bytes, 36) != 0)
		return IS_CRYPTED;
	header->capacity = big64(bytes, 24);
	return read_qcow_backing(bytes, header) ? NULL : IS_BROKEN;
}

/* Return: FALSE where an extension does not end within the header. */
static gboolean read_qcow2_extensions(const Bytes *bytes, guint64 at, ImageHeader *header)
{
	while (at + 8 <= bytes->size) {
		const guint32 type = big32(bytes, at);
		const guint64 size = big32(bytes, at + 4);

		at += 8;
		if (type == QCOW2_EXTENSION_END)
			return TRUE;
		if (size > bytes->size - at)
			return FALSE;
		if (type == QCOW2_EXTENSION_BACKING_FORMAT && !header->backing_format) {
			header->backing_format = text_at(bytes, at, size);
			if (!header->backing_format)
				return FALSE;
		}
		at += (size + 7) & ~(guint64)7;
	}
	return FALSE;
}

static const char *parse_qcow2(const Bytes *bytes, ImageHeader *header)
{
	guint64 header_size = QCOW2_HEADER_V2;
	guint32 version;

	if (!begins_with(bytes, 0, QCOW_MAGIC, 4) || bytes->size < QCOW2_HEADER_V2)
		return IS_OTHER;
	version = big32(bytes, 4);
	if (version != 2 && version != 3)
		return IS_OTHER;
	if (big32(bytes, 32) != 0)
		return IS_CRYPTED;
	if (version == 3) {
		if (bytes->size < QCOW2_HEADER_V3)
			return IS_BROKEN;
		if (big64(bytes, 72) & QCOW2_HAS_DATA_FILE)
			return N_("has its data in another file, which is not supported");
		header_size = big32(bytes, 100);
		if (header_size < QCOW2_HEADER_V3)
			return IS_BROKEN;
	}
	header->capacity = big64(bytes, 24);
	return read_qcow_backing(bytes, header) &&
			       read_qcow2_extensions(bytes, header_size, header) ?
		       NULL :
		       IS_BROKEN;
}

/*
 * qed: docs/interop/qed_spec.txt of QEMU's.
 */

#define QED_HEADER	   64
#define QED_HAS_BACKING	   (1u << 0)
#define QED_BACKING_IS_RAW (1u << 2)

static const char *parse_qed(const Bytes *bytes, ImageHeader *header)
{
	guint64 features;

	if (!begins_with(bytes, 0, "QED\0", 4) || bytes->size < QED_HEADER)
		return IS_OTHER;
	features = little64(bytes, 16);
	header->capacity = little64(bytes, 48);
	if (!(features & QED_HAS_BACKING))
		return NULL;
	header->backing = text_at(bytes, little32(bytes, 56), little32(bytes, 60));
	if (features & QED_BACKING_IS_RAW)
		header->backing_format = g_strdup("raw");
	return header->backing ? NULL : IS_BROKEN;
}

/*
 * VMDK: "Virtual Disk Format 5.0" of VMware's. Those whose data is in the same file only.
 */

#define VMDK_HEADER	      512
#define VMDK_NO_PARENT	      "parentCID=ffffffff"
#define VMDK_DESCRIPTOR_FIELD "parentCID="

static const char *parse_vmdk(const Bytes *bytes, ImageHeader *header)
{
	g_autofree char *descriptor = NULL;
	guint64 at, size;
	const char *parent;

	if (begins_with(bytes, 0, "# Disk", 6))
		return N_("has its data in other files, which is not supported: convert it with "
			  "qemu-img");
	if (!begins_with(bytes, 0, "KDMV", 4) || bytes->size < VMDK_HEADER)
		return IS_OTHER;
	/* QEMU would look for other files. */
	if (little64(bytes, 12) == 0)
		return N_("has its data in other files, which is not supported: convert it with "
			  "qemu-img");
	if (little64(bytes, 12) > G_MAXINT64 / SECTOR_SIZE)
		return IS_BROKEN;
	header->capacity = little64(bytes, 12) * SECTOR_SIZE;
	at = little64(bytes, 28);
	size = little64(bytes, 36);
	if (at > bytes->size / SECTOR_SIZE)
		return IS_BROKEN;
	at *= SECTOR_SIZE;
	size = MIN(size, (bytes->size - at) / SECTOR_SIZE) * SECTOR_SIZE;
	descriptor = g_strndup((const char *)bytes->data + at, size);
	parent = strstr(descriptor, VMDK_DESCRIPTOR_FIELD);
	if (parent && !g_str_has_prefix(parent, VMDK_NO_PARENT))
		return N_("is the difference to another image, which is not supported: convert it "
			  "with qemu-img");
	return NULL;
}

/*
 * Those without other files, of which the size alone is wanted.
 */

static const char *parse_vdi(const Bytes *bytes, ImageHeader *header)
{
	if (!begins_with(bytes, 0x40, "\x7f\x10\xda\xbe", 4) || bytes->size < 0x178)
		return IS_OTHER;
	header->capacity = little64(bytes, 0x170);
	return NULL;
}

static const char *parse_vhdx(const Bytes *bytes, ImageHeader *header)
{
	(void)header;
	return begins_with(bytes, 0, "vhdxfile", 8) ? NULL : IS_OTHER;
}

/* One of a fixed size has no header, but a footer. */
static const char *parse_vpc(const Bytes *bytes, ImageHeader *header)
{
	if (begins_with(bytes, 0, "conectix", 8) && bytes->size >= 56)
		header->capacity = big64(bytes, 48);
	return NULL;
}

static const char *parse_ploop(const Bytes *bytes, ImageHeader *header)
{
	if (bytes->size < 64 || (!begins_with(bytes, 0, "WithoutFreeSpace", 16) &&
				 !begins_with(bytes, 0, "WithouFreSpacExt", 16)))
		return IS_OTHER;
	if (little64(bytes, 36) <= G_MAXINT64 / SECTOR_SIZE)
		header->capacity = little64(bytes, 36) * SECTOR_SIZE;
	return NULL;
}

static const char *parse_nothing(const Bytes *bytes, ImageHeader *header)
{
	(void)bytes;
	(void)header;
	return NULL;
}

static const char *const names[] = {
	"bochs", "cloop", "dmg",  "ploop", "qcow", "qcow2",
	"qed",	 "vdi",	  "vhdx", "vmdk",  "vpc",  NULL,
};

/* In the order of their names. */
static const struct {
	const char *driver;
	const char *(*parse)(const Bytes *bytes, ImageHeader *header);
	gboolean is_writable;
	gboolean has_backing;
} formats[] = {
	{ "bochs", parse_nothing, FALSE, FALSE }, { "cloop", parse_nothing, FALSE, FALSE },
	{ "dmg", parse_nothing, FALSE, FALSE },	  { "parallels", parse_ploop, TRUE, FALSE },
	{ "qcow", parse_qcow, TRUE, TRUE },	  { "qcow2", parse_qcow2, TRUE, TRUE },
	{ "qed", parse_qed, TRUE, TRUE },	  { "vdi", parse_vdi, TRUE, FALSE },
	{ "vhdx", parse_vhdx, TRUE, FALSE },	  { "vmdk", parse_vmdk, TRUE, FALSE },
	{ "vpc", parse_vpc, TRUE, FALSE },
};

G_STATIC_ASSERT(G_N_ELEMENTS(names) == G_N_ELEMENTS(formats) + 1);

const char *const *image_formats(void)
{
	return names;
}

/* Return: -1 for raw, and for what is no format. */
static int find(const char *format)
{
	for (guint i = 0; i < G_N_ELEMENTS(formats); i++)
		if (strcmp(names[i], format) == 0)
			return (int)i;
	return -1;
}

gboolean image_format_is_writable(const char *format)
{
	const int i = find(format);

	return i < 0 || formats[i].is_writable;
}

gboolean image_format_has_backing(const char *format)
{
	const int i = find(format);

	return i >= 0 && formats[i].has_backing;
}

const char *image_format_driver(const char *format)
{
	const int i = find(format);

	return i >= 0 ? formats[i].driver : format;
}

void image_header_clear(ImageHeader *header)
{
	g_clear_pointer(&header->backing, g_free);
	g_clear_pointer(&header->backing_format, g_free);
}

const char *image_header_parse(const char *format, const guint8 *data, gsize size,
			       ImageHeader *header)
{
	const Bytes bytes = { data, MIN(size, IMAGE_HEADER_SIZE) };
	const int i = find(format);

	*header = (ImageHeader){ 0 };
	return i >= 0 ? formats[i].parse(&bytes, header) : NULL;
}
