/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* acpi-description.c - what a machine's ACPI tables say, from its configuration */
#include "vmm/machine/acpi-description.h"

#include <string.h>

static guint32 *list_apic_ids(const MachineConfig *machine)
{
	guint32 *ids = g_new(guint32, machine->vcpus);

	for (guint i = 0; i < machine->vcpus; i++)
		ids[i] = cpu_topology_apic_id(&machine->cpu.topology, i);
	return ids;
}

static void describe_numa(AcpiDescription *description, const MachineConfig *machine)
{
	guint n_cells = machine->numa_cells ? machine->numa_cells->len : 0;
	NumaTopology *numa = &description->config.numa;

	if (n_cells == 0)
		return;
	description->cells = g_new0(NumaCell, n_cells);
	description->distances = g_new0(guint8, n_cells * n_cells);
	for (guint i = 0; i < n_cells; i++) {
		const MachineNumaCell *cell = &g_array_index(machine->numa_cells, MachineNumaCell,
							     i);

		description->cells[i] = (NumaCell){ cell->cpus, cell->memory_size };
		memcpy(&description->distances[i * n_cells], cell->distances, n_cells);
	}
	numa->n_cells = n_cells;
	numa->cells = description->cells;
	numa->distances = machine->has_numa_distances ? description->distances : NULL;
}

gboolean acpi_description_init(AcpiDescription *description, const MachineConfig *machine,
			       const Memory *memory, KvmVm *kvm_vm, const DeviceBoard *board,
			       GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_supported(kvm_vm, error);

	if (!cpuid)
		return FALSE;
	description->apic_ids = list_apic_ids(machine);
	description->config = (AcpiConfig){
		.vcpus = machine->vcpus,
		.apic_ids = description->apic_ids,
		.ram_low_end = memory_low_end(memory),
		.ram_high_end = memory_high_end(memory),
		.physical_address_bits = cpuid_physical_bits(cpuid),
		.has_com2 = machine->serials[1].is_present,
		.has_fw_cfg = board->has_fw_cfg,
		.has_hpet = machine->hpet,
		.pvpanic_port = board->pvpanic_port,
		.generation_id = board->has_generation_id ? board->generation_id : NULL,
	};
	describe_numa(description, machine);
	return TRUE;
}

void acpi_description_clear(AcpiDescription *description)
{
	g_free(description->apic_ids);
	g_free(description->cells);
	g_free(description->distances);
}
