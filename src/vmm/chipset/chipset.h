/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chipset.h - the devices that every machine has, wired to their ports and interrupts
 *
 * Ports and interrupt lines are a PC's, and an ICH9's where a PC has none. Interrupt
 * controllers, PIT and port 0x61 are KVM's.
 */
#pragma once

#include <glib.h>

#include "vmm/chipset/bus.h"
#include "vmm/chipset/device.h"
#include "vmm/chipset/serial.h"

typedef struct Chipset Chipset;

/*
 * What the chipset asks of its machine. Each is called with the device lock held, most on a
 * vCPU's thread; none may wait.
 */
typedef struct {
	void (*set_interrupt)(void *opaque, guint gsi, gboolean level);
	void (*reset)(void *opaque);
	void (*power_off)(void *opaque);
	void (*debug_exit)(void *opaque, guint32 value);
} ChipsetHost;

typedef struct {
	const ChipsetHost *host;
	void *opaque; /* for host */
	const SerialBackend *serial_backend;
	void *serial_opaque;
	DeviceTimer rtc_timer; /* on the host's time since the epoch */
	gint64 rtc_offset;     /* seconds that the RTC starts ahead of that */
	DeviceTimer pm_timer;  /* on a clock that does not jump */
	guint64 ram_low_end;   /* end of RAM below 4 GiB, and above it: for CMOS memory */
	guint64 ram_high_end;
	int debug_exit_port; /* or -1 */
} ChipsetConfig;

/* Return: NULL with @error set where the debug-exit port is another device's. */
Chipset *chipset_new(const ChipsetConfig *config, GError **error);
void chipset_free(Chipset *chipset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Chipset, chipset_free)

/* The rest: only with the device lock held. */
Bus *chipset_ports(Chipset *chipset);
Bus *chipset_mmio(Chipset *chipset);
Serial *chipset_serial(Chipset *chipset);

/* Every device back to where it is at power-on, but for time and CMOS memory. */
void chipset_reset(Chipset *chipset);

void chipset_press_power_button(Chipset *chipset);

/* To be called when the deadline of a timer is over. */
void chipset_rtc_expired(Chipset *chipset);
void chipset_pm_expired(Chipset *chipset);
