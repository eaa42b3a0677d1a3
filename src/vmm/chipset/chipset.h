/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chipset.h - the devices that every machine has, wired to their ports and interrupts
 *
 * A q35: the host bridge and the LPC bridge on PCI, root ports as many as are asked for, and
 * behind the LPC bridge what a PC has. Interrupt controllers, PIT and port 0x61 are KVM's.
 */
#pragma once

#include <glib.h>

#include "vmm/device/bus.h"
#include "vmm/device/device.h"
#include "vmm/chipset/rtc.h"
#include "vmm/chipset/serial.h"
#include "vmm/pci/pcie-root-port.h"

/* COM1 and COM2. */
#define CHIPSET_SERIALS 2

typedef struct Chipset Chipset;

/*
 * What the chipset asks of its machine. Each is called with the device lock held, most on a
 * vCPU's thread; but for set_ram_segments(), none may wait.
 */
typedef struct {
	void (*set_interrupt)(void *opaque, guint gsi, gboolean level);
	void (*send_msi)(void *opaque, guint64 address, guint32 data);
	/* PciHostConfig's: which segments below 1 MiB show RAM. */
	void (*set_ram_segments)(void *opaque, guint32 ram);
	void (*reset)(void *opaque);
	void (*power_off)(void *opaque);
	void (*debug_exit)(void *opaque, guint32 value);
} ChipsetHost;

/* The other end of a serial port or of the debug console; no backend: it is not there. */
typedef struct {
	const SerialBackend *backend;
	void *opaque;
} ChipsetLine;

typedef struct {
	const ChipsetHost *host;
	void *opaque; /* for host */
	ChipsetLine serials[CHIPSET_SERIALS];
	ChipsetLine debug_console; /* of its backend, transmit() alone */
	DeviceTimer rtc_timer;	   /* on the host's time since the epoch */
	gint64 rtc_offset;	   /* seconds that the RTC is ahead of it at first */
	RtcTickPolicy rtc_tick_policy;
	DeviceTimer pm_timer;	/* on a clock that does not jump */
	DeviceTimer hpet_timer; /* the same; no clock: there is no HPET */
	guint64 ram_low_end;	/* end of RAM below 4 GiB, and above it: for CMOS memory */
	guint64 ram_high_end;
	const PcieRootPortConfig *root_ports; /* each at a place of its own */
	guint n_root_ports;
	int debug_exit_port; /* or -1 */
} ChipsetConfig;

/* Return: NULL with @error set where a port or a place on PCI is another device's. */
Chipset *chipset_new(const ChipsetConfig *config, GError **error);
void chipset_free(Chipset *chipset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chipset, chipset_free)

/* The rest: only with the device lock held. */
Bus *chipset_ports(Chipset *chipset);
Bus *chipset_mmio(Chipset *chipset);
Serial *chipset_serial(Chipset *chipset, guint index);

/* Every device back to where it is at power-on, but for time and CMOS memory. */
void chipset_reset(Chipset *chipset);

/*
 * chipset_set_up - program the chipset as firmware does, where there is none
 *
 * RAM everywhere below 1 MiB, the PM block at ACPI_PM_BASE, PCI's extended configuration
 * space below 3 GiB, PIRQs to interrupts 10 and 11.
 */
void chipset_set_up(Chipset *chipset);

/* Where PCI's extended configuration space is now; of @size 0 while it is disabled. */
void chipset_find_ecam(Chipset *chipset, guint64 *base, guint64 *size);

void chipset_press_power_button(Chipset *chipset);

/* To be called when the deadline of a timer is over. */
void chipset_rtc_expired(Chipset *chipset);
void chipset_pm_expired(Chipset *chipset);
void chipset_hpet_expired(Chipset *chipset);
