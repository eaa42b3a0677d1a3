/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* firmware.c - a machine's firmware: its flash or BIOS, and the fw_cfg that it reads */
#include "vmm/machine/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <unistd.h>

#include "vmm/boot/firmware-image.h"
#include "vmm/boot/fw-cfg-content.h"
#include "vmm/chipset/pflash-file.h"
#include "vmm/chipset/pflash.h"
#include "vmm/log.h"
#include "vmm/memory/dma.h"

#define FIRMWARE_END (1ull << 32)

/* Where SeaBIOS is asked to show itself: COM1. */
#define SERCON_PORT 0x3f8

/* One file below 4 GiB, with its unit of flash where it is one. */
typedef struct {
	Firmware *firmware;
	PflashFile *file;
	Pflash *pflash;
	guint rom; /* memory_show_rom()'s */
	LogLimit warnings;
} Unit;

struct Firmware {
	Memory *memory;
	Unit code; /* or BIOS */
	Unit variables;
	DmaChannel *dma; /* fw_cfg's; under the device lock, on any vCPU's thread */
	FwCfg *fw_cfg;
	FwCfgContent *content;
};

gboolean firmware_is_configured(const MachineConfig *config)
{
	return config->pflash_code_fd >= 0 || config->bios_fd >= 0;
}

static PflashFile *open_file(int fd, const char *name, FirmwareKind kind, gboolean is_readonly,
			     gsize max_size, GError **error)
{
	g_autoptr(PflashFile) file = NULL;
	int own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own_fd < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s: %s", name,
			    g_strerror(errno));
		return NULL;
	}
	file = pflash_file_new(own_fd, name, is_readonly, max_size, error);
	if (!file || !firmware_image_check(kind, name, pflash_file_content(file),
					   pflash_file_size(file), error))
		return NULL;
	return g_steal_pointer(&file);
}

static gboolean show_unit(Firmware *firmware, Unit *unit, guint64 end, gboolean is_image,
			  GError **error)
{
	gsize size = pflash_file_size(unit->file);

	return memory_add_rom(firmware->memory, end - size, pflash_file_content(unit->file), size,
			      is_image, &unit->rom, error);
}

/* A failure here has ended the engine, which has said so. */
static void set_readable(void *opaque, gboolean is_array)
{
	const Unit *unit = opaque;

	(void)memory_show_rom(unit->firmware->memory, unit->rom, is_array, NULL);
}

static gboolean store(void *opaque, guint64 offset, gsize size)
{
	Unit *unit = opaque;
	g_autoptr(GError) error = NULL;
	gboolean is_stored = pflash_file_store(unit->file, offset, size, &error);

	if (!is_stored)
		log_limited(&unit->warnings, "pflash", _("warning: %s"), error->message);
	return is_stored;
}

static const PflashHost pflash_host = {
	.set_readable = set_readable,
	.store = store,
};

static gboolean add_unit(Firmware *firmware, Unit *unit, Bus *mmio, guint64 end,
			 gboolean is_readonly, GError **error)
{
	gsize size = pflash_file_size(unit->file);

	unit->firmware = firmware;
	unit->pflash = pflash_new(pflash_file_content(unit->file), size, is_readonly, &pflash_host,
				  unit);
	bus_add(mmio, end - size, size, is_readonly ? "code flash" : "variables flash",
		&pflash_operations, unit->pflash);
	return show_unit(firmware, unit, end, is_readonly, error);
}

static gboolean add_flash(Firmware *firmware, const FirmwareConfig *config, GError **error)
{
	const MachineConfig *machine = config->machine;
	Bus *mmio = chipset_mmio(config->chipset);
	gsize code_size;

	firmware->code.file = open_file(machine->pflash_code_fd, machine->pflash_code_name,
					FIRMWARE_UEFI_CODE, TRUE, PFLASH_TOTAL_SIZE, error);
	if (!firmware->code.file)
		return FALSE;
	code_size = pflash_file_size(firmware->code.file);
	if (!add_unit(firmware, &firmware->code, mmio, FIRMWARE_END, TRUE, error))
		return FALSE;
	if (machine->pflash_vars_fd < 0)
		return TRUE;
	firmware->variables.file = open_file(machine->pflash_vars_fd, machine->pflash_vars_name,
					     FIRMWARE_UEFI_VARIABLES, FALSE,
					     PFLASH_TOTAL_SIZE - code_size, error);
	return firmware->variables.file && add_unit(firmware, &firmware->variables, mmio,
						    FIRMWARE_END - code_size, FALSE, error);
}

static gboolean add_bios(Firmware *firmware, const FirmwareConfig *config, GError **error)
{
	firmware->code.file = open_file(config->machine->bios_fd, config->machine->bios_name,
					FIRMWARE_BIOS, TRUE, FIRMWARE_BIOS_MAX_SIZE, error);
	return firmware->code.file &&
	       show_unit(firmware, &firmware->code, FIRMWARE_END, TRUE, error);
}

static gboolean read_memory(void *opaque, guint64 gpa, void *data, gsize size)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_read(opaque, &piece, 1, data, NULL);
}

static gboolean write_memory(void *opaque, guint64 gpa, const void *data, gsize size)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_write(opaque, &piece, 1, data, NULL);
}

static gboolean add_fw_cfg(Firmware *firmware, const FirmwareConfig *config, GError **error)
{
	static const FwCfgRange reserved[] = {
		{ MEMORY_WINDOW_START, MEMORY_WINDOW_END - MEMORY_WINDOW_START },
		{ KVM_VM_PAGES_START, KVM_VM_PAGES_END - KVM_VM_PAGES_START },
	};
	const MachineConfig *machine = config->machine;
	DeviceMemory memory = {
		.read = read_memory,
		.write = write_memory,
	};
	AcpiConfig acpi = { 0 };
	SmbiosConfig smbios = {
		.uuid = machine->has_uuid ? machine->uuid : NULL,
		.ram_low_end = memory_low_end(firmware->memory),
		.ram_high_end = memory_high_end(firmware->memory),
		.sockets = machine->cpu.topology.sockets,
		.cores = machine->cpu.topology.dies * machine->cpu.topology.cores,
		.threads = machine->cpu.topology.threads,
		.processor_id = config->processor_id,
	};
	FwCfgContentConfig content = {
		.ram_low_end = smbios.ram_low_end,
		.ram_high_end = smbios.ram_high_end,
		.reserved = reserved,
		.n_reserved = G_N_ELEMENTS(reserved),
		.vcpus = machine->vcpus,
		.uuid = smbios.uuid,
		.smbios = &smbios,
		.serial_console_port = machine->sercon ? SERCON_PORT : 0,
		.boot_fail_wait = -1,
		.kernel_fd = machine->kernel_fd,
		.initrd_fd = machine->initrd_fd,
		.option_rom_fd = machine->linuxboot_rom_fd,
		.command_line = machine->command_line,
		.describe_acpi = config->describe_acpi,
		.opaque = config->opaque,
	};

	if (machine->smbios) {
		smbios.strings = (const SmbiosString *const *)machine->smbios->pdata;
		smbios.n_strings = machine->smbios->len;
	}
	config->describe_acpi(config->opaque, &acpi);
	content.apic_ids = acpi.apic_ids;
	content.numa = acpi.numa;
	firmware->dma = dma_channel_new(firmware->memory, error);
	if (!firmware->dma)
		return FALSE;
	memory.opaque = firmware->dma;
	firmware->fw_cfg = fw_cfg_new(&memory);
	firmware->content = fw_cfg_content_new(firmware->fw_cfg, &content, error);
	if (!firmware->content)
		return FALSE;
	bus_add(chipset_ports(config->chipset), FW_CFG_PORT, FW_CFG_PORTS, "fw_cfg",
		&fw_cfg_operations, firmware->fw_cfg);
	return TRUE;
}

Firmware *firmware_new(const FirmwareConfig *config, GError **error)
{
	g_autoptr(Firmware) firmware = g_new0(Firmware, 1);

	firmware->memory = config->memory;
	if (!(config->machine->bios_fd >= 0 ? add_bios(firmware, config, error) :
					      add_flash(firmware, config, error)) ||
	    !add_fw_cfg(firmware, config, error))
		return NULL;
	return g_steal_pointer(&firmware);
}

static void clear_unit(Unit *unit)
{
	g_clear_pointer(&unit->pflash, pflash_free);
	g_clear_pointer(&unit->file, pflash_file_free);
}

void firmware_free(Firmware *firmware)
{
	if (!firmware)
		return;
	fw_cfg_free(firmware->fw_cfg);
	fw_cfg_content_free(firmware->content);
	dma_channel_free(firmware->dma);
	clear_unit(&firmware->variables);
	clear_unit(&firmware->code);
	g_free(firmware);
}

void firmware_reset(Firmware *firmware)
{
	fw_cfg_reset(firmware->fw_cfg);
	if (firmware->code.pflash)
		pflash_reset(firmware->code.pflash);
	if (firmware->variables.pflash)
		pflash_reset(firmware->variables.pflash);
}

void firmware_flush(Firmware *firmware)
{
	if (firmware->variables.pflash)
		pflash_flush(firmware->variables.pflash);
}
