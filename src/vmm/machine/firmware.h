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
#include "vmm/chipset/chipset.h"
#include "vmm/machine/machine.h"

typedef struct Firmware Firmware;

typedef struct {
	const MachineConfig *machine; /* lent for the call; its files for the firmware's life */
	Memory *memory;
	Chipset *chipset;
	guint64 processor_id; /* cpuid_processor_id() of the first vCPU */
	/* Fills in what the ACPI tables say; called with the device lock held. */
	void (*describe_acpi)(void *opaque, AcpiConfig *acpi);
	void *opaque;
} FirmwareConfig;

/* Whether a machine has any. */
gboolean firmware_is_configured(const MachineConfig *config);

/*
 * firmware_new - load and check the files, and add the devices to the chipset's buses
 *
 * Before the first vCPU runs. The result is to be freed after the chipset's last access.
 */
Firmware *firmware_new(const FirmwareConfig *config, GError **error);
void firmware_free(Firmware *firmware);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Firmware, firmware_free)

/* With the device lock held: flash reads as an array again, fw_cfg is at its start. */
void firmware_reset(Firmware *firmware);

/* With the device lock held: stores what the guest has written, for a pause or the end. */
void firmware_flush(Firmware *firmware);
