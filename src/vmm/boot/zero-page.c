/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* zero-page.c - what a Linux kernel is told at its entry: struct boot_params */
#include "vmm/boot/zero-page.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot/layout.h"

#define MIB		G_GUINT64_CONSTANT(0x100000)
#define HIGH_RAM_START	G_GUINT64_CONSTANT(0x100000000)
#define PAGE_SIZE	G_GUINT64_CONSTANT(4096)
#define LOADER_UNKNOWN	0xff
#define VIDEO_MODE_NONE 0xffff

/* Types of ACPI's address ranges, which e820 has too. */
enum {
	E820_RAM = 1,
	E820_RESERVED = 2,
};

static void add_range(struct boot_params *params, guint64 start, guint64 end, guint32 type)
{
	if (start >= end)
		return;
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = start,
		.size = end - start,
		.type = type,
	};
}

void zero_page_fill(struct boot_params *params, const ZeroPageConfig *config)
{
	struct setup_header *header = &params->hdr;

	memset(params, 0, sizeof(*params));
	*header = config->image->header;
	header->type_of_loader = LOADER_UNKNOWN;
	header->vid_mode = VIDEO_MODE_NONE;
	header->setup_data = 0;
	header->cmd_line_ptr = (guint32)config->command_line_gpa;
	params->ext_cmd_line_ptr = config->command_line_gpa >> 32;
	header->ramdisk_image = (guint32)config->initrd_gpa;
	params->ext_ramdisk_image = config->initrd_gpa >> 32;
	header->ramdisk_size = (guint32)config->initrd_size;
	params->ext_ramdisk_size = config->initrd_size >> 32;
	params->acpi_rsdp_addr = config->rsdp_gpa;

	add_range(params, 0, BOOT_LOW_RAM_END, E820_RAM);
	add_range(params, BOOT_ACPI_GPA, BOOT_ACPI_GPA + BOOT_ACPI_SIZE, E820_RESERVED);
	add_range(params, BOOT_HIGH_RAM_START, config->ram_low_end, E820_RAM);
	add_range(params, HIGH_RAM_START, config->ram_high_end, E820_RAM);
}

gboolean zero_page_place_initrd(const BzImage *image, guint64 ram_low_end, guint64 size,
				guint64 *gpa, GError **error)
{
	/* initrd_addr_max is the last byte that the initrd may have. */
	guint64 limit = (guint64)image->header.initrd_addr_max + 1;
	guint64 end = MIN(limit, ram_low_end);
	guint64 start = image->load_gpa + image->memory_size;

	if (end < start || size > end - start || (end - size) / PAGE_SIZE * PAGE_SIZE < start) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FIT,
			    limit < ram_low_end ?
				    _("initrd (%" PRIu64 " MiB) does not fit between the kernel, "
				      "which needs memory up to %" PRIu64
				      " MiB, and its initrd_addr_max at %" PRIu64 " MiB") :
				    _("initrd (%" PRIu64 " MiB) does not fit between the kernel, "
				      "which needs memory up to %" PRIu64
				      " MiB, and the end of RAM at %" PRIu64 " MiB"),
			    (size + MIB - 1) / MIB, (start + MIB - 1) / MIB, end / MIB);
		return FALSE;
	}
	*gpa = (end - size) / PAGE_SIZE * PAGE_SIZE;
	return TRUE;
}
