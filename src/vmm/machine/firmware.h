/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware.h - a machine's firmware: its flash or BIOS, and the fw_cfg that it reads
 *
 * Theory of operation
 *
 * Firmware ends at 4 GiB, where processors start. It is the host's own content and public:
 * the guest reads it through a read-only memslot without guest_memfd, so that KVM finds its
 * instructions there as the guest does, and nothing becomes shared by running it. What it
 * copies to RAM is private.
 *
 * A BIOS is one such memslot. Flash is two units, each a memslot too as long as it reads as
 * an array; writes are MMIO. The image's last 128 KiB are also seen below 1 MiB.
 */
#pragma once

#include <glib.h>

#include "vmm/acpi/acpi-tables.h"
#include "vmm/boot/boot-order.h"
#include "vmm/device/surroundings.h"
#include "vmm/machine/machine.h"

typedef struct {
	const MachineConfig *machine; /* lent for the call; its files for the devices' lives */
	const DeviceSurroundings *surroundings;
	Memory *memory;
	BootOrder *boot_order;	  /* lent for the machine's life */
	const DeviceBoard *board; /* lent for the call */
	guint64 processor_id;	  /* cpuid_processor_id() of the first vCPU */
	/* Fills in what the ACPI tables say; called with the device lock held. */
	void (*describe_acpi)(void *opaque, AcpiConfig *acpi);
	void *opaque;
} FirmwareConfig;

/* Whether a machine has any. */
gboolean firmware_is_configured(const MachineConfig *config);

/*
 * firmware_create - load and check the files, and add the devices to the machine
 *
 * Before the first vCPU runs, with the device lock held. On errors too, what was added is the
 * registry's.
 */
gboolean firmware_create(const FirmwareConfig *config, GError **error);
