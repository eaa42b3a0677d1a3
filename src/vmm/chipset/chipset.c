/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chipset.c - the devices that every machine has, wired to their ports and interrupts */
#include "vmm/chipset/chipset.h"

#include <gio/gio.h>

#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/reset.h"
#include "vmm/chipset/rtc.h"

#define KIB		(1ull << 10)
#define MIB		(1ull << 20)
#define HIGH_GPA	(1ull << 32)

#define RTC_PORT	0x70
#define RTC_IRQ		8
#define COM1_PORT	0x3f8
#define COM1_IRQ	4
#define DEBUG_EXIT_SIZE 4

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
	Serial *serial;
	Rtc *rtc;
	AcpiPm *pm;
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

	set_cmos(rtc, CMOS_BASE_KIB, 2, 640);
	set_cmos(rtc, CMOS_EXTENDED_KIB, 2, MIN(above_1m, 63 * KIB));
	set_cmos(rtc, CMOS_EXTENDED_KIB_AGAIN, 2, MIN(above_1m, 63 * KIB));
	set_cmos(rtc, CMOS_ABOVE_16M_64KIB, 2, above_16m);
	set_cmos(rtc, CMOS_ABOVE_4G_64KIB, 3, (high_end - HIGH_GPA) / (64 * KIB));
}

static void add_ports(Chipset *chipset)
{
	Bus *ports = chipset->ports;

	bus_add(ports, KEYBOARD_COMMAND, 1, "keyboard controller", &reset_keyboard_operations,
		chipset->reset);
	bus_add(ports, RTC_PORT, RTC_PORTS, "rtc", &rtc_operations, chipset->rtc);
	bus_add(ports, COM1_PORT, SERIAL_PORTS, "serial port", &serial_operations, chipset->serial);
	bus_add(ports, ACPI_PM_EVENT, ACPI_PM_EVENT_SIZE, "PM1 event", &acpi_pm_event_operations,
		chipset->pm);
	bus_add(ports, ACPI_PM_CONTROL, ACPI_PM_CONTROL_SIZE, "PM1 control",
		&acpi_pm_control_operations, chipset->pm);
	bus_add(ports, ACPI_PM_TIMER, ACPI_PM_TIMER_SIZE, "PM timer", &acpi_pm_timer_operations,
		chipset->pm);
	bus_add(ports, RESET_CONTROL_PORT, 1, "reset control", &reset_control_operations,
		chipset->reset);
}

static gboolean add_debug_exit(Chipset *chipset, guint port, GError **error)
{
	const char *other = bus_overlap(chipset->ports, port, DEBUG_EXIT_SIZE);

	if (port > G_MAXUINT16 + 1 - DEBUG_EXIT_SIZE) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "debug-exit port %#x: there are no four ports there", port);
		return FALSE;
	}
	if (other) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    "debug-exit port %#x: taken by the %s", port, other);
		return FALSE;
	}
	bus_add(chipset->ports, port, DEBUG_EXIT_SIZE, "debug exit", &debug_exit_operations,
		chipset);
	return TRUE;
}

Chipset *chipset_new(const ChipsetConfig *config, GError **error)
{
	g_autoptr(Chipset) chipset = g_new0(Chipset, 1);
	InterruptLine line = { .set = config->host->set_interrupt, .opaque = config->opaque };

	chipset->host = config->host;
	chipset->opaque = config->opaque;
	chipset->ports = bus_new("port I/O");
	chipset->mmio = bus_new("MMIO");

	line.line = COM1_IRQ;
	chipset->serial = serial_new(&line, config->serial_backend, config->serial_opaque);
	line.line = RTC_IRQ;
	chipset->rtc = rtc_new(&line, &config->rtc_timer);
	describe_memory(chipset->rtc, config->ram_low_end, config->ram_high_end);
	line.line = ACPI_SCI;
	chipset->pm = acpi_pm_new(&line, &config->pm_timer, config->host->power_off,
				  config->opaque);
	chipset->reset = reset_control_new(config->host->reset, config->opaque);
	add_ports(chipset);
	if (config->debug_exit_port >= 0 &&
	    !add_debug_exit(chipset, config->debug_exit_port, error))
		return NULL;
	return g_steal_pointer(&chipset);
}

void chipset_free(Chipset *chipset)
{
	if (!chipset)
		return;
	reset_control_free(chipset->reset);
	acpi_pm_free(chipset->pm);
	rtc_free(chipset->rtc);
	serial_free(chipset->serial);
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

Serial *chipset_serial(Chipset *chipset)
{
	return chipset->serial;
}

void chipset_reset(Chipset *chipset)
{
	serial_reset(chipset->serial);
	rtc_reset(chipset->rtc);
	acpi_pm_reset(chipset->pm);
	reset_control_reset(chipset->reset);
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
