/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chipset.c - the devices that every machine has */
#include "vmm/chipset/chipset.h"

#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/debug-console.h"
#include "vmm/chipset/debug-exit.h"
#include "vmm/chipset/hpet.h"
#include "vmm/chipset/i8042.h"
#include "vmm/chipset/ich9-lpc.h"
#include "vmm/chipset/reset.h"
#include "vmm/pci/pci-host.h"

/* What chipset_set_up() programs; firmware for q35 does much the same. */
#define ECAM_BASE    0xb0000000u
#define ECAM_ENABLE  0x1u
#define RCBA_BASE    0xfed1c000u
#define PAM_RAM_LOW  0x03u /* reads and writes go to RAM: of the lower segment */
#define PAM_RAM_HIGH 0x30u
#define LPC_DEVFN    (ICH9_LPC_SLOT << 3 | ICH9_LPC_FUNCTION)
#define HOST_DEVFN   0u

/* What others ask the chipset for. */
struct Chipset {
	PciHost *pci;
	AcpiPm *pm;
};

static void add_lines(const DeviceSurroundings *surroundings, const ChipsetConfig *config)
{
	for (guint i = 0; i < CHIPSET_SERIALS; i++) {
		const ChipsetLine *line = &config->serials[i];

		if (line->backend)
			serial_create(surroundings, i, line->backend, line->opaque);
	}
	if (config->debug_console.backend)
		debug_console_create(surroundings, config->debug_console.backend->transmit,
				     config->debug_console.opaque);
}

Chipset *chipset_new(DeviceSurroundings *surroundings, const ChipsetConfig *config, GError **error)
{
	g_autoptr(Chipset) chipset = g_new0(Chipset, 1);
	Ich9Lpc *lpc;

	chipset->pci = pci_host_create(surroundings);
	lpc = ich9_lpc_create(surroundings, pci_host_root_bus(chipset->pci));
	chipset->pm = acpi_pm_create(surroundings, lpc, error);
	if (!chipset->pm || !rtc_create(surroundings, &config->rtc, error))
		return NULL;
	if (config->has_hpet && !hpet_create(surroundings, error))
		return NULL;
	i8042_create(surroundings);
	reset_control_create(surroundings);
	add_lines(surroundings, config);
	if (config->debug_exit_port >= 0 &&
	    !debug_exit_create(surroundings, config->debug_exit_port, error))
		return NULL;
	return g_steal_pointer(&chipset);
}

void chipset_free(Chipset *chipset)
{
	g_free(chipset);
}

PciBus *chipset_root_bus(Chipset *chipset)
{
	return pci_host_root_bus(chipset->pci);
}

static void write_config(Chipset *chipset, guint devfn, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(pci_host_root_bus(chipset->pci), 0, devfn, offset, size, value);
}

void chipset_set_up(Chipset *chipset)
{
	static const guint8 pirq_interrupts[ICH9_LPC_PIRQS / 2] = { 10, 10, 11, 11 };

	write_config(chipset, HOST_DEVFN, PCI_HOST_PAM0, 1, PAM_RAM_HIGH);
	for (guint i = 1; i < 7; i++)
		write_config(chipset, HOST_DEVFN, PCI_HOST_PAM0 + i, 1, PAM_RAM_LOW | PAM_RAM_HIGH);
	write_config(chipset, HOST_DEVFN, PCI_HOST_PCIEXBAR + 4, 4, 0);
	write_config(chipset, HOST_DEVFN, PCI_HOST_PCIEXBAR, 4, ECAM_BASE | ECAM_ENABLE);
	for (guint i = 0; i < G_N_ELEMENTS(pirq_interrupts); i++) {
		write_config(chipset, LPC_DEVFN, ICH9_LPC_PIRQA_ROUT + i, 1, pirq_interrupts[i]);
		write_config(chipset, LPC_DEVFN, ICH9_LPC_PIRQE_ROUT + i, 1, pirq_interrupts[i]);
	}
	write_config(chipset, LPC_DEVFN, ICH9_LPC_RCBA, 4, RCBA_BASE | ICH9_LPC_RCBA_ENABLE);
	write_config(chipset, LPC_DEVFN, ICH9_LPC_PMBASE, 4, ACPI_PM_BASE);
	write_config(chipset, LPC_DEVFN, ICH9_LPC_ACPI_CNTL, 1, ICH9_LPC_ACPI_ENABLE);
}

void chipset_find_ecam(Chipset *chipset, guint64 *base, guint64 *size)
{
	pci_host_find_ecam(chipset->pci, base, size);
}

void chipset_press_power_button(Chipset *chipset)
{
	acpi_pm_press_power_button(chipset->pm);
}
