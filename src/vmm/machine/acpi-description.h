/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* acpi-description.h - what a machine's ACPI tables say, from its configuration */
#pragma once

#include <glib.h>

#include "vmm/acpi/acpi-tables.h"
#include "vmm/device/board.h"
#include "vmm/machine/machine.h"

typedef struct {
	AcpiConfig config; /* but for ecam_base and ecam_buses, which the guest chooses */

	/* What config points to. */
	guint32 *apic_ids;
	NumaCell *cells;
	guint8 *distances;
} AcpiDescription;

/*
 * acpi_description_init - collect it
 * @description:     all zero; nothing of @machine is kept in it
 * @memory, @kvm_vm: the machine's, for sizes and for the processors' address width
 * @board:           what its devices want to be said of them; outlives @description
 *
 * Return: FALSE with @error set where KVM does not say what its processors can do. Either
 * way acpi_description_clear() ends it.
 */
gboolean acpi_description_init(AcpiDescription *description, const MachineConfig *machine,
			       const Memory *memory, KvmVm *kvm_vm, const DeviceBoard *board,
			       GError **error);
void acpi_description_clear(AcpiDescription *description);
