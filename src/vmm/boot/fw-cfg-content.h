/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fw-cfg-content.h - what firmware finds in fw_cfg
 *
 * Keys, names and layouts are those that QEMU gives a q35 machine, as OVMF and SeaBIOS read
 * them; docs/firmware.md lists them.
 */
#pragma once

#include <glib.h>

#include "vmm/acpi/acpi-tables.h"
#include "vmm/boot/smbios.h"
#include "vmm/chipset/fw-cfg.h"

typedef struct {
	guint64 base;
	guint64 size; /* bytes */
} FwCfgRange;

typedef struct {
	guint64 ram_low_end;
	guint64 ram_high_end;	    /* 4 GiB where there is no RAM from there on */
	const FwCfgRange *reserved; /* what no firmware may put anything into */
	guint n_reserved;
	guint vcpus;
	const guint32 *apic_ids; /* one for each vCPU, or NULL: 0 to vcpus - 1 */
	NumaTopology numa;
	const guint8 *uuid; /* 16 bytes, in the order in which they are written out; or NULL */
	const SmbiosConfig *smbios;

	gboolean has_display;	     /* without, SeaBIOS talks to the first serial port */
	guint16 serial_console_port; /* etc/sercon-port of SeaBIOS; 0 for none */
	gboolean has_boot_menu;
	gboolean has_vmcoreinfo;       /* the guest may say where its kernel describes itself */
	gint32 boot_fail_wait;	       /* milliseconds until a reboot; -1: wait for ever */
	const char *const *boot_order; /* firmware's device paths up to a NULL; or NULL */

	int kernel_fd;	   /* of a regular file that stays open as long as the device, or -1 */
	int initrd_fd;	   /* the same, only with a kernel */
	int option_rom_fd; /* linuxboot_dma.bin, with which SeaBIOS starts a kernel; or -1 */
	const char *command_line; /* or NULL */

	/* Fills in what the ACPI tables are to say, when firmware asks for them. */
	void (*describe_acpi)(void *opaque, AcpiConfig *acpi);
	void *opaque;
} FwCfgContentConfig;

typedef struct FwCfgContent FwCfgContent;

/*
 * fw_cfg_content_new - add everything to @fw
 *
 * @config: nothing of it is kept but the descriptors of kernel and initrd
 *
 * @config->describe_acpi is called here too, and each time that firmware reads the tables,
 * with the device lock held. What it finds in @acpi is what follows from @config; it adds
 * where firmware has put things, and which devices there are, which stay the same ones.
 *
 * Return: what the device's files come from: it has to outlive the last access of the guest.
 * NULL with @error set where the kernel is none or does not fit, a file cannot be read or
 * SMBIOS cannot be made; @fw is then to be freed.
 */
FwCfgContent *fw_cfg_content_new(FwCfg *fw, const FwCfgContentConfig *config, GError **error);

/*
 * fw_cfg_content_set_boot_order - other devices are to be tried from now on
 * @paths: firmware's, up to a NULL
 *
 * In a reset, with the device lock held.
 */
void fw_cfg_content_set_boot_order(FwCfgContent *content, const char *const *paths);
void fw_cfg_content_free(FwCfgContent *content);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FwCfgContent, fw_cfg_content_free)
