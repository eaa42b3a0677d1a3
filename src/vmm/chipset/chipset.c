/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chipset.c - the devices that every machine has, wired to their ports and interrupts */
#include "vmm/chipset/chipset.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/debug-console.h"
#include "vmm/chipset/hpet.h"
#include "vmm/chipset/i8042.h"
#include "vmm/chipset/ich9-lpc.h"
#include "vmm/chipset/reset.h"
#include "vmm/chipset/rtc.h"
#include "vmm/pci/pci-host.h"

#define KIB		(1ull << 10)
#define MIB		(1ull << 20)
#define HIGH_GPA	(1ull << 32)

#define RTC_PORT	0x70
#define RTC_IRQ		8
#define DEBUG_EXIT_SIZE 4

/* Interrupts of the ISA bus that no device of this chipset has, nor a PCI link of the DSDT. */
#define HPET_ROUTES (1u << 5 | 1u << 6 | 1u << 7)

/* What chipset_set_up() programs; firmware for q35 does much the same. */
#define ECAM_BASE    0xb0000000u
#define ECAM_ENABLE  0x1u
#define RCBA_BASE    0xfed1c000u
#define PAM_RAM_LOW  0x03u /* reads and writes go to RAM: of the lower segment */
#define PAM_RAM_HIGH 0x30u
#define LPC_DEVFN    (ICH9_LPC_SLOT << 3 | ICH9_LPC_FUNCTION)
#define HOST_DEVFN   0u

static const struct {
	guint16 port;
	guint8 irq;
	const char *name;
} serial_places[CHIPSET_SERIALS] = {
	{ 0x3f8, 4, "serial port" },
	{ 0x2f8, 3, "second serial port" },
};

/* CMOS bytes in which firmware looks for the size of memory. */
enum {
	CMOS_BASE_KIB = 0x15,
	CMOS_EXTENDED_KIB = 0x17, /* from 1 MiB on, at most 63 MiB */
	CMOS_EXTENDED_KIB_AGAIN = 0x30,
	CMOS_ABOVE_16M_64KIB = 0x34, /* from 16 MiB to 4 GiB */
	CMOS_ABOVE_4G_64KIB = 0x5b,  /* three bytes */
};

struct Chipset {
	const ChipsetHost *host;
	void *opaque;
	Bus *ports;
	Bus *mmio;
	PciHost *pci;
	Ich9Lpc *lpc; /* owned by its bus */
	Serial *serials[CHIPSET_SERIALS];
	ChipsetLine debug_output;
	DebugConsole *debug_console;
	I8042 *i8042;
	Hpet *hpet;
	Rtc *rtc;
	AcpiPm *pm;
	BusWindow *pm_window;
	ResetControl *reset;
};

static guint64 debug_exit_read(void *device, guint64 offset, guint size)
{
	(void)device;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_write(void *device, guint64 offset, guint size, guint64 value)
{
	Chipset *chipset = device;

	(void)offset;
	(void)size;
	chipset->host->debug_exit(chipset->opaque, value);
}

static const BusOperations debug_exit_operations = {
	.read = debug_exit_read,
	.write = debug_exit_write,
	.max_access = 4,
};

static void set_cmos(Rtc *rtc, guint index, guint bytes, guint64 value)
{
	for (guint i = 0; i < bytes; i++)
		rtc_set_cmos(rtc, index + i, value >> (i * 8));
}

static void describe_memory(Rtc *rtc, guint64 low_end, guint64 high_end)
{
	guint64 above_1m = low_end > MIB ? (low_end - MIB) / KIB : 0;
	guint64 above_16m = low_end > 16 * MIB ? (low_end - 16 * MIB) / (64 * KIB) : 0;
	guint64 above_4g = (high_end - HIGH_GPA) / (64 * KIB);

	set_cmos(rtc, CMOS_BASE_KIB, 2, 640);
	set_cmos(rtc, CMOS_EXTENDED_KIB, 2, MIN(above_1m, 63 * KIB));
	set_cmos(rtc, CMOS_EXTENDED_KIB_AGAIN, 2, MIN(above_1m, 63 * KIB));
	set_cmos(rtc, CMOS_ABOVE_16M_64KIB, 2, above_16m);
	/* Three bytes cannot say 1 TiB and more; who has that reads a memory map. */
	set_cmos(rtc, CMOS_ABOVE_4G_64KIB, 3, MIN(above_4g, 0xffffff));
}

static void set_interrupt(void *opaque, guint gsi, gboolean level)
{
	Chipset *chipset = opaque;

	chipset->host->set_interrupt(chipset->opaque, gsi, level);
}

static void move_pm(void *opaque, guint16 base, gboolean enabled)
{
	Chipset *chipset = opaque;

	bus_move_window(chipset->pm_window, base, enabled ? ACPI_PM_SIZE : 0);
}

static void lock_smi(void *opaque)
{
	acpi_pm_lock_smi(((Chipset *)opaque)->pm);
}

static void transmit_debug_output(void *opaque, guint8 byte)
{
	Chipset *chipset = opaque;

	chipset->debug_output.backend->transmit(chipset->debug_output.opaque, byte);
}

static gboolean add_root_ports(Chipset *chipset, const ChipsetConfig *config, GError **error)
{
	PciBus *root = pci_host_root_bus(chipset->pci);

	for (guint i = 0; i < config->n_root_ports; i++) {
		const PcieRootPortConfig *port = &config->root_ports[i];

		if (pci_bus_get(root, port->slot, port->number)) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
				    _("root port at %02x.%x: another device is there"), port->slot,
				    port->number);
			return FALSE;
		}
		pcie_root_port_new(root, port);
	}
	return TRUE;
}

static gboolean add_pci(Chipset *chipset, const ChipsetConfig *config, GError **error)
{
	const PciHostConfig host = {
		.ports = chipset->ports,
		.mmio = chipset->mmio,
		.set_ram_segments = config->host->set_ram_segments,
		.send_msi = config->host->send_msi,
		.opaque = config->opaque,
	};
	const Ich9LpcConfig lpc = {
		.set_interrupt = set_interrupt,
		.move_pm = move_pm,
		.lock_smi = lock_smi,
		.opaque = chipset,
	};

	chipset->pci = pci_host_new(&host);
	chipset->lpc = ich9_lpc_new(pci_host_root_bus(chipset->pci), chipset->mmio, &lpc);
	return add_root_ports(chipset, config, error);
}

static InterruptLine isa_line(Chipset *chipset, guint irq)
{
	return (InterruptLine){ .set = ich9_lpc_set_isa, .opaque = chipset->lpc, .line = irq };
}

static void add_serials(Chipset *chipset, const ChipsetConfig *config)
{
	for (guint i = 0; i < CHIPSET_SERIALS; i++) {
		const InterruptLine line = isa_line(chipset, serial_places[i].irq);
		const ChipsetLine *other_end = &config->serials[i];

		if (!other_end->backend)
			continue;
		chipset->serials[i] = serial_new(&line, other_end->backend, other_end->opaque);
		bus_add(chipset->ports, serial_places[i].port, SERIAL_PORTS, serial_places[i].name,
			&serial_operations, chipset->serials[i]);
	}
}

static void add_keyboard(Chipset *chipset, const ChipsetConfig *config)
{
	const InterruptLine keyboard = isa_line(chipset, I8042_KEYBOARD_IRQ);
	const InterruptLine mouse = isa_line(chipset, I8042_MOUSE_IRQ);
	Bus *ports = chipset->ports;

	chipset->i8042 = i8042_new(&keyboard, &mouse, config->host->reset, config->opaque);
	bus_add(ports, I8042_DATA_PORT, 1, "keyboard data", &i8042_data_operations, chipset->i8042);
	bus_add(ports, I8042_COMMAND_PORT, 1, "keyboard controller", &i8042_command_operations,
		chipset->i8042);
	bus_add(ports, I8042_SYSTEM_CONTROL_PORT, 1, "system control",
		&i8042_system_control_operations, chipset->i8042);
}

static void add_clocks(Chipset *chipset, const ChipsetConfig *config)
{
	InterruptLine line = isa_line(chipset, RTC_IRQ);

	chipset->rtc = rtc_new(&line, &config->rtc_timer, config->rtc_offset,
			       config->rtc_tick_policy);
	describe_memory(chipset->rtc, config->ram_low_end, config->ram_high_end);
	bus_add(chipset->ports, RTC_PORT, RTC_PORTS, "rtc", &rtc_operations, chipset->rtc);
	if (!config->hpet_timer.now)
		return;
	chipset->hpet = hpet_new(&line, HPET_ROUTES, &config->hpet_timer);
	bus_add(chipset->mmio, HPET_ADDRESS, HPET_SIZE, "HPET", &hpet_operations, chipset->hpet);
}

static void add_power(Chipset *chipset, const ChipsetConfig *config)
{
	const InterruptLine sci = { .set = ich9_lpc_set_sci, .opaque = chipset->lpc };

	chipset->pm = acpi_pm_new(&sci, &config->pm_timer, config->host->power_off, config->opaque);
	chipset->pm_window = bus_add_window(chipset->ports, "PM block", &acpi_pm_operations,
					    chipset->pm);
	chipset->reset = reset_control_new(config->host->reset, config->opaque);
	bus_add(chipset->ports, RESET_CONTROL_PORT, 1, "reset control", &reset_control_operations,
		chipset->reset);
}

static void add_debug_console(Chipset *chipset, const ChipsetConfig *config)
{
	if (!config->debug_console.backend)
		return;
	chipset->debug_output = config->debug_console;
	chipset->debug_console = debug_console_new(transmit_debug_output, chipset);
	bus_add(chipset->ports, DEBUG_CONSOLE_PORT, 1, "debug console", &debug_console_operations,
		chipset->debug_console);
}

static gboolean add_debug_exit(Chipset *chipset, guint port, GError **error)
{
	if (port > G_MAXUINT16 + 1 - DEBUG_EXIT_SIZE) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("debug-exit port %#x: there are no four ports there"), port);
		return FALSE;
	}
	if (bus_overlap(chipset->ports, port, DEBUG_EXIT_SIZE)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("debug-exit port %#x: another device is there"), port);
		return FALSE;
	}
	bus_add(chipset->ports, port, DEBUG_EXIT_SIZE, "debug exit", &debug_exit_operations,
		chipset);
	return TRUE;
}

Chipset *chipset_new(const ChipsetConfig *config, GError **error)
{
	g_autoptr(Chipset) chipset = g_new0(Chipset, 1);

	chipset->host = config->host;
	chipset->opaque = config->opaque;
	chipset->ports = bus_new("port I/O");
	chipset->mmio = bus_new("MMIO");

	if (!add_pci(chipset, config, error))
		return NULL;
	add_serials(chipset, config);
	add_keyboard(chipset, config);
	add_clocks(chipset, config);
	add_power(chipset, config);
	add_debug_console(chipset, config);
	if (config->debug_exit_port >= 0 &&
	    !add_debug_exit(chipset, config->debug_exit_port, error))
		return NULL;
	return g_steal_pointer(&chipset);
}

void chipset_free(Chipset *chipset)
{
	if (!chipset)
		return;
	debug_console_free(chipset->debug_console);
	reset_control_free(chipset->reset);
	acpi_pm_free(chipset->pm);
	hpet_free(chipset->hpet);
	rtc_free(chipset->rtc);
	i8042_free(chipset->i8042);
	for (guint i = 0; i < CHIPSET_SERIALS; i++)
		serial_free(chipset->serials[i]);
	pci_host_free(chipset->pci);
	bus_free(chipset->mmio);
	bus_free(chipset->ports);
	g_free(chipset);
}

Bus *chipset_ports(Chipset *chipset)
{
	return chipset->ports;
}

Bus *chipset_mmio(Chipset *chipset)
{
	return chipset->mmio;
}

Serial *chipset_serial(Chipset *chipset, guint index)
{
	return chipset->serials[index];
}

void chipset_reset(Chipset *chipset)
{
	for (guint i = 0; i < CHIPSET_SERIALS; i++) {
		if (chipset->serials[i])
			serial_reset(chipset->serials[i]);
	}
	i8042_reset(chipset->i8042);
	rtc_reset(chipset->rtc);
	if (chipset->hpet)
		hpet_reset(chipset->hpet);
	acpi_pm_reset(chipset->pm);
	reset_control_reset(chipset->reset);
	pci_host_reset(chipset->pci);
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

void chipset_rtc_expired(Chipset *chipset)
{
	rtc_expired(chipset->rtc);
}

void chipset_pm_expired(Chipset *chipset)
{
	acpi_pm_expired(chipset->pm);
}

void chipset_hpet_expired(Chipset *chipset)
{
	hpet_expired(chipset->hpet);
}
