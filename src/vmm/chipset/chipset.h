/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chipset.h - the devices that every machine has
 *
 * A q35: the host bridge and the LPC bridge on PCI, and behind the LPC bridge what a PC has.
 * Interrupt controllers, PIT and port 0x61 are KVM's. Each device is made in its own file, and
 * is the registry's from then on: reset, pause and the end come to it from there.
 */
#pragma once

#include <glib.h>

#include "vmm/chipset/rtc.h"
#include "vmm/chipset/serial.h"
#include "vmm/device/surroundings.h"
#include "vmm/pci/pci-bus.h"

/* COM1 and COM2. */
#define CHIPSET_SERIALS SERIAL_PLACES

typedef struct Chipset Chipset;

/* The other end of a serial port or of the debug console; no backend: it is not there. */
typedef struct {
	const SerialBackend *backend;
	void *opaque;
} ChipsetLine;

typedef struct {
	ChipsetLine serials[CHIPSET_SERIALS];
	ChipsetLine debug_console; /* of its backend, transmit() alone */
	RtcConfig rtc;
	gboolean has_hpet;
	int debug_exit_port; /* or -1 */
} ChipsetConfig;

/*
 * chipset_new - make the chipset's devices
 * @surroundings: theirs; the lines of ISA devices are filled in. It outlives the last access.
 *
 * Return: NULL with @error set where a port is another device's, or the host has no more timers.
 */
Chipset *chipset_new(DeviceSurroundings *surroundings, const ChipsetConfig *config, GError **error);

/* Frees what is the chipset's alone; the devices are the registry's. */
void chipset_free(Chipset *chipset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chipset, chipset_free)

/* The rest: only with the device lock held. */

/* PCI's bus 0. */
PciBus *chipset_root_bus(Chipset *chipset);

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
