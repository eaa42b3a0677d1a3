/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * boot.c - put a kernel or a test payload into guest memory, ready to start
 *
 * Theory of operation
 *
 * Where everything goes is decided and checked against RAM before the first byte is put
 * there. Nothing of a file stays in this process: see boot-file.h.
 */
#include "vmm/boot/boot.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/boot/boot-file.h"
#include "vmm/boot/layout.h"
#include "vmm/boot/long-mode.h"
#include "vmm/boot/zero-page.h"

#define MIB	   G_GUINT64_CONSTANT(0x100000)
#define PIECE_SIZE (1u << 20)

/* Puts [offset, offset + size) of a file at @gpa. */
static gboolean load_file(Memory *memory, const BootFile *file, guint64 offset, guint64 size,
			  guint64 gpa, GError **error)
{
	g_autofree guint8 *piece = g_malloc(PIECE_SIZE);

	for (guint64 done = 0; done < size;) {
		gsize part = MIN(size - done, PIECE_SIZE);
		g_autoptr(GError) cause = NULL;

		if (!boot_file_read(file, offset + done, piece, part, error))
			return FALSE;
		if (!memory_populate(memory, gpa + done, piece, part, &cause)) {
			g_set_error(error, cause->domain, cause->code, "%s: %s", file->name,
				    cause->message);
			return FALSE;
		}
		done += part;
	}
	return TRUE;
}

static gboolean parse_kernel(const BootFile *file, guint64 ram_low_end, BzImage *image,
			     GError **error)
{
	guint8 header[BZIMAGE_HEADER_SIZE];

	if (!boot_file_read(file, 0, header, MIN(file->size, sizeof(header)), error) ||
	    !bzimage_parse(header, file->size, image, error))
		return FALSE;
	/* Neither can wrap: the address is below 4 GiB, the size a 32-bit number. */
	if (image->load_gpa + image->memory_size > ram_low_end) {
		g_set_error(error, BOOT_ERROR, BOOT_ERROR_FIT,
			    _("kernel needs memory from %" PRIu64 " MiB (pref_address) to %" PRIu64
			      " MiB (init_size more): RAM ends at %" PRIu64 " MiB"),
			    image->load_gpa / MIB,
			    (image->load_gpa + image->memory_size + MIB - 1) / MIB,
			    ram_low_end / MIB);
		return FALSE;
	}
	return TRUE;
}

static gboolean populate_command_line(Memory *memory, const BzImage *image,
				      const char *command_line, GError **error)
{
	gsize length = strlen(command_line);

	if (!bzimage_check_command_line(image, length, BOOT_COMMAND_LINE_SIZE, error))
		return FALSE;
	return memory_populate(memory, BOOT_COMMAND_LINE_GPA, command_line, length + 1, error);
}

static gboolean populate_kernel(Memory *memory, const BootConfig *config, VcpuBootState *state,
				GError **error)
{
	g_autofree struct boot_params *params = g_new0(struct boot_params, 1);
	BzImage image;
	ZeroPageConfig zero_page = {
		.image = &image,
		.ram_low_end = memory_low_end(memory),
		.ram_high_end = memory_high_end(memory),
		.rsdp_gpa = BOOT_ACPI_GPA,
		.command_line_gpa = BOOT_COMMAND_LINE_GPA,
	};
	BootFile kernel, initrd = { .size = 0 };

	if (!boot_file_open(&kernel, config->kernel_fd, "kernel", error) ||
	    !parse_kernel(&kernel, zero_page.ram_low_end, &image, error))
		return FALSE;
	if (config->initrd_fd >= 0 && !boot_file_open(&initrd, config->initrd_fd, "initrd", error))
		return FALSE;
	zero_page.initrd_size = initrd.size;
	if (initrd.size > 0 && !zero_page_place_initrd(&image, zero_page.ram_low_end, initrd.size,
						       &zero_page.initrd_gpa, error))
		return FALSE;

	zero_page_fill(params, &zero_page);
	if (!populate_command_line(memory, &image, config->command_line ? config->command_line : "",
				   error) ||
	    !load_file(memory, &kernel, image.payload_offset, image.payload_size, image.load_gpa,
		       error) ||
	    !load_file(memory, &initrd, 0, initrd.size, zero_page.initrd_gpa, error) ||
	    !memory_populate(memory, BOOT_ZERO_PAGE_GPA, params, sizeof(*params), error))
		return FALSE;
	state->rip = image.load_gpa + BZIMAGE_ENTRY_64;
	state->rsi = BOOT_ZERO_PAGE_GPA;
	return TRUE;
}

static gboolean populate_payload(Memory *memory, const BootConfig *config, VcpuBootState *state,
				 GError **error)
{
	guint64 ram_low_end = memory_low_end(memory);
	BootFile payload;

	if (!boot_file_open(&payload, config->payload_fd, "payload", error))
		return FALSE;
	if (payload.size == 0 || ram_low_end < BOOT_PAYLOAD_GPA ||
	    payload.size > ram_low_end - BOOT_PAYLOAD_GPA) {
		g_set_error(
			error, BOOT_ERROR, BOOT_ERROR_FIT,
			ngettext("payload of %" PRIu64
				 " byte does not fit between 1 MiB and the end of RAM at %" PRIu64
				 " MiB",
				 "payload of %" PRIu64
				 " bytes does not fit between 1 MiB and the end of RAM at %" PRIu64
				 " MiB",
				 payload.size),
			payload.size, ram_low_end / MIB);
		return FALSE;
	}
	if (!load_file(memory, &payload, 0, payload.size, BOOT_PAYLOAD_GPA, error))
		return FALSE;
	state->rip = BOOT_PAYLOAD_GPA;
	state->rdi = memory_size(memory);
	state->rsi = config->vcpus;
	return TRUE;
}

gboolean boot_populate(Memory *memory, const BootConfig *config, VcpuBootState *state,
		       GError **error)
{
	memset(state, 0, sizeof(*state));
	if (config->acpi_tables->len > BOOT_ACPI_SIZE)
		g_error("%u bytes of ACPI tables", config->acpi_tables->len);
	if (!long_mode_populate(memory, state, error) ||
	    !memory_populate(memory, BOOT_ACPI_GPA, config->acpi_tables->data,
			     config->acpi_tables->len, error))
		return FALSE;
	if (config->payload_fd >= 0)
		return populate_payload(memory, config, state, error);
	return populate_kernel(memory, config, state, error);
}
