/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* firmware.c - a machine's firmware: its flash or BIOS, and the fw_cfg that it reads */
#include "vmm/machine/firmware.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <unistd.h>

#include "vmm/boot/firmware-image.h"
#include "vmm/boot/fw-cfg-content.h"
#include "vmm/chipset/flash.h"
#include "vmm/chipset/fw-cfg.h"
#include "vmm/chipset/pflash.h"
#include "vmm/machine/devices.h"

#define FIRMWARE_END (1ull << 32)

/* Where SeaBIOS is asked to show itself: COM1. */
#define SERCON_PORT 0x3f8

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

static gboolean add_flash(const FirmwareConfig *config, GError **error)
{
	const MachineConfig *machine = config->machine;
	PflashFile *code = open_file(machine->pflash_code_fd, machine->pflash_code_name,
				     FIRMWARE_UEFI_CODE, TRUE, PFLASH_TOTAL_SIZE, error);
	PflashFile *variables;
	gsize code_size;

	if (!code)
		return FALSE;
	code_size = pflash_file_size(code);
	if (!flash_create(config->surroundings, "chipset/flash-code", code, FIRMWARE_END, TRUE,
			  error))
		return FALSE;
	if (machine->pflash_vars_fd < 0)
		return TRUE;
	variables = open_file(machine->pflash_vars_fd, machine->pflash_vars_name,
			      FIRMWARE_UEFI_VARIABLES, FALSE, PFLASH_TOTAL_SIZE - code_size, error);
	return variables && flash_create(config->surroundings, "chipset/flash-variables", variables,
					 FIRMWARE_END - code_size, FALSE, error);
}

static gboolean add_bios(const FirmwareConfig *config, GError **error)
{
	PflashFile *file = open_file(config->machine->bios_fd, config->machine->bios_name,
				     FIRMWARE_BIOS, TRUE, FIRMWARE_BIOS_MAX_SIZE, error);

	return file &&
	       flash_create_rom(config->surroundings, "chipset/bios", file, FIRMWARE_END, error);
}

/* What firmware reads, and the order in it, which changes with the devices. */
typedef struct {
	FwCfgContent *content;
	BootOrder *boot_order;
	const DeviceRegistry *registry;
} Content;

static void reset_content(void *device)
{
	const Content *self = device;
	g_autofree const char **paths = NULL;

	devices_forget_gone(self->boot_order, self->registry);
	paths = boot_order_paths(self->boot_order);
	fw_cfg_content_set_boot_order(self->content, paths);
}

static void free_content(void *device)
{
	Content *self = device;

	fw_cfg_content_free(self->content);
	g_free(self);
}

static const DeviceOperations content_operations = {
	.reset = reset_content,
	.free = free_content,
};

static gboolean add_fw_cfg(const FirmwareConfig *config, GError **error)
{
	static const FwCfgRange reserved[] = {
		{ MEMORY_WINDOW_START, MEMORY_WINDOW_END - MEMORY_WINDOW_START },
		{ KVM_VM_PAGES_START, KVM_VM_PAGES_END - KVM_VM_PAGES_START },
	};
	const MachineConfig *machine = config->machine;
	AcpiConfig acpi = { 0 };
	SmbiosConfig smbios = {
		.uuid = machine->has_uuid ? machine->uuid : NULL,
		.ram_low_end = memory_low_end(config->memory),
		.ram_high_end = memory_high_end(config->memory),
		.sockets = machine->cpu.topology.sockets,
		.cores = machine->cpu.topology.dies * machine->cpu.topology.cores,
		.threads = machine->cpu.topology.threads,
		.processor_id = config->processor_id,
	};
	FwCfgContentConfig content_config = {
		.ram_low_end = smbios.ram_low_end,
		.ram_high_end = smbios.ram_high_end,
		.reserved = reserved,
		.n_reserved = G_N_ELEMENTS(reserved),
		.vcpus = machine->vcpus,
		.uuid = smbios.uuid,
		.smbios = &smbios,
		.serial_console_port = machine->sercon ? SERCON_PORT : 0,
		.boot_fail_wait = -1,
		.has_vmcoreinfo = config->board->has_vmcoreinfo,
		.kernel_fd = machine->kernel_fd,
		.initrd_fd = machine->initrd_fd,
		.option_rom_fd = machine->linuxboot_rom_fd,
		.command_line = machine->command_line,
		.describe_acpi = config->describe_acpi,
		.opaque = config->opaque,
	};
	g_autofree const char **boot_order = boot_order_paths(config->boot_order);
	FwCfgContent *content;
	FwCfg *fw_cfg;
	Content *self;

	content_config.boot_order = boot_order;
	if (machine->smbios) {
		smbios.strings = (const SmbiosString *const *)machine->smbios->pdata;
		smbios.n_strings = machine->smbios->len;
	}
	config->describe_acpi(config->opaque, &acpi);
	content_config.apic_ids = acpi.apic_ids;
	content_config.numa = acpi.numa;
	fw_cfg = fw_cfg_create(config->surroundings, error);
	content = fw_cfg ? fw_cfg_content_new(fw_cfg, &content_config, error) : NULL;
	if (!content)
		return FALSE;
	self = g_new0(Content, 1);
	self->content = content;
	self->boot_order = config->boot_order;
	self->registry = config->surroundings->registry;
	device_registry_add(config->surroundings->registry, "chipset/fw-cfg-content",
			    &content_operations, self);
	return TRUE;
}

gboolean firmware_create(const FirmwareConfig *config, GError **error)
{
	return (config->machine->bios_fd >= 0 ? add_bios(config, error) :
						add_flash(config, error)) &&
	       add_fw_cfg(config, error);
}
