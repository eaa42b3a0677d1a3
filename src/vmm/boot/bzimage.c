/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bzimage.c - the header of a Linux kernel image for x86 */
#include "vmm/boot/bzimage.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot/layout.h"

#define HEADER_OFFSET  offsetof(struct boot_params, hdr)
#define BOOT_FLAG      0xaa55
#define MAGIC	       0x53726448 /* "HdrS" */
#define MIN_VERSION    0x020c
#define SECTOR	       512
#define MIN_ALIGNMENT  4096
#define DEFAULT_SECTS  4
#define PARAGRAPH_SIZE 16

/* The header ends this far behind the byte at 0x201, the second byte of its jump. */
#define HEADER_END_BASE 0x202

G_DEFINE_QUARK(boot - error - quark, boot_error)

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

/* Copies the header out, as long as it says that it is. */
static gboolean read_header(const guint8 *data, guint64 file_size, struct setup_header *header,
			    GError **error)
{
	const gsize needed = HEADER_OFFSET + offsetof(struct setup_header, handover_offset);
	gsize end;

	memset(header, 0, sizeof(*header));
	if (file_size < HEADER_OFFSET + offsetof(struct setup_header, jump))
		return refuse(error,
			      _("kernel is not a bzImage: the file ends at %" PRIu64
				", before the boot signature at 0x1fe"),
			      file_size);
	memcpy(header, data + HEADER_OFFSET, offsetof(struct setup_header, jump));
	if (header->boot_flag != BOOT_FLAG)
		return refuse(error, _("kernel is not a bzImage: no boot signature at 0x1fe"));
	if (file_size < needed)
		return refuse(error,
			      _("kernel is not a bzImage: the file ends at %" PRIu64
				", inside the setup header"),
			      file_size);
	memcpy(header, data + HEADER_OFFSET, needed - HEADER_OFFSET);
	if (header->header != MAGIC)
		return refuse(error, _("kernel is not a bzImage: no \"HdrS\" at 0x202"));
	if (header->version < MIN_VERSION)
		return refuse(error,
			      _("kernel has boot protocol %u.%02u (version, at 0x206): 2.12 or "
				"newer is needed"),
			      header->version >> 8, header->version & 0xff);

	end = HEADER_END_BASE + data[HEADER_END_BASE - 1];
	if (end < needed)
		return refuse(error,
			      _("kernel has a setup header that ends at %#zx, before init_size "
				"ends at %#zx"),
			      end, needed);
	end = MIN(end, HEADER_OFFSET + sizeof(*header));
	if (file_size < end)
		return refuse(error,
			      _("kernel is not a bzImage: the file ends at %" PRIu64
				", inside the setup header"),
			      file_size);
	memcpy(header, data + HEADER_OFFSET, end - HEADER_OFFSET);
	return TRUE;
}

static gboolean check_entry(const struct setup_header *header, GError **error)
{
	if (!(header->loadflags & LOADED_HIGH))
		return refuse(error, _("kernel is a zImage (LOADED_HIGH is clear in loadflags, at "
				       "0x211): a bzImage is needed"));
	if (!(header->xloadflags & XLF_KERNEL_64))
		return refuse(error, _("kernel has no 64-bit entry point (XLF_KERNEL_64 is clear "
				       "in xloadflags, at 0x236)"));
	return TRUE;
}

/* Finds the protected-mode part, which is @image's payload. */
static gboolean find_payload(guint64 file_size, BzImage *image, GError **error)
{
	const struct setup_header *header = &image->header;
	guint64 sectors = header->setup_sects ? header->setup_sects : DEFAULT_SECTS;
	guint64 stated = (guint64)header->syssize * PARAGRAPH_SIZE, present;

	image->payload_offset = (sectors + 1) * SECTOR;
	if (file_size <= image->payload_offset)
		return refuse(error,
			      ngettext("kernel is truncated: %" PRIu64
				       " byte, of which the first %" PRIu64
				       " are setup code (setup_sects, at 0x1f1)",
				       "kernel is truncated: %" PRIu64
				       " bytes, of which the first %" PRIu64
				       " are setup code (setup_sects, at 0x1f1)",
				       file_size),
			      file_size, image->payload_offset);
	present = file_size - image->payload_offset;
	/* It counts paragraphs, the last of which may be short. */
	if (stated > present && stated - present >= PARAGRAPH_SIZE)
		return refuse(error,
			      ngettext("kernel is truncated: %" PRIu64 " byte, with %" PRIu64
				       " (syssize, at 0x1f4) wanted behind the first %" PRIu64,
				       "kernel is truncated: %" PRIu64 " bytes, with %" PRIu64
				       " (syssize, at 0x1f4) wanted behind the first %" PRIu64,
				       file_size),
			      file_size, stated, image->payload_offset);
	image->payload_size = MIN(stated, present);
	if (image->payload_size <= BZIMAGE_ENTRY_64)
		return refuse(error,
			      ngettext("kernel has %" PRIu64 " byte of code (syssize, at 0x1f4): "
				       "its 64-bit entry point is at 0x200",
				       "kernel has %" PRIu64 " bytes of code (syssize, at 0x1f4): "
				       "its 64-bit entry point is at 0x200",
				       image->payload_size),
			      image->payload_size);
	return TRUE;
}

/*
 * The place that the kernel prefers is the one where it runs without moving itself; it
 * needs the memory there even if it is loaded elsewhere.
 */
static gboolean find_place(BzImage *image, GError **error)
{
	const struct setup_header *header = &image->header;
	guint64 alignment = header->kernel_alignment, load = header->pref_address;

	if (alignment < MIN_ALIGNMENT || (alignment & (alignment - 1)))
		return refuse(error,
			      _("kernel has kernel_alignment %#" PRIx64
				" (at 0x230): not a power of two of at least 4096"),
			      alignment);
	if (load < BOOT_HIGH_RAM_START || load > G_MAXUINT32 || load % alignment)
		return refuse(
			error,
			_("kernel has pref_address %#" PRIx64
			  " (at 0x258): not between 1 MiB and 4 GiB and aligned to %#" PRIx64),
			load, alignment);
	if (header->init_size < image->payload_size)
		return refuse(error,
			      ngettext("kernel has init_size %#x (at 0x260): less than its %" PRIu64
				       " byte of code",
				       "kernel has init_size %#x (at 0x260): less than its %" PRIu64
				       " bytes of code",
				       image->payload_size),
			      header->init_size, image->payload_size);
	image->load_gpa = load;
	image->memory_size = header->init_size;
	return TRUE;
}

gboolean bzimage_parse(const guint8 *data, guint64 file_size, BzImage *image, GError **error)
{
	return read_header(data, file_size, &image->header, error) &&
	       check_entry(&image->header, error) && find_payload(file_size, image, error) &&
	       find_place(image, error);
}

gboolean bzimage_check_command_line(const BzImage *image, gsize length, gsize room, GError **error)
{
	gsize limit = MIN(image->header.cmdline_size, room - 1);

	if (length <= limit)
		return TRUE;
	g_set_error(
		error, BOOT_ERROR, BOOT_ERROR_FIT,
		ngettext("kernel command line of %zu byte: this kernel takes %zu (cmdline_size)",
			 "kernel command line of %zu bytes: this kernel takes %zu (cmdline_size)",
			 length),
		length, limit);
	return FALSE;
}
