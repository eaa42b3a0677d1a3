/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * surroundings.h - where a machine's devices are, and what they ask their machine for
 *
 * A device is made in its own file, by a function that takes these: it puts itself on the
 * buses, gets its timers, lines and DMA, and adds itself to the registry.
 */
#pragma once

#include "vmm/device/board.h"
#include "vmm/device/bus.h"
#include "vmm/device/device.h"
#include "vmm/device/disk-error.h"
#include "vmm/device/registry.h"
#include "vmm/device/signals.h"

/* The clocks that a device's timer can have. */
typedef enum {
	DEVICE_CLOCK_MONOTONIC, /* does not jump */
	DEVICE_CLOCK_REALTIME,	/* the host's time since the epoch; deadlines move with it */
} DeviceClock;

/*
 * What devices ask of their machine. The first ones, while a device is made, return FALSE with
 * @error set where the host has no more of it. The others are called with the device lock held,
 * most on a vCPU's thread; but for show_rom() and set_ram_segments(), none may wait.
 */
typedef struct {
	/*
	 * A timer that calls @expired with the device lock held when a deadline is over; it is
	 * given back with device_timer_clear().
	 */
	gboolean (*make_timer)(void *opaque, DeviceClock clock, void (*expired)(void *device),
			       void *device, DeviceTimer *timer, GError **error);
	/* A signal to @received; it is given back with device_signal_clear(). */
	gboolean (*make_signal)(void *opaque, void (*received)(void *device), void *device,
				DeviceSignal *signal, GError **error);
	/* A way to guest memory; it is given back with device_memory_clear(). */
	gboolean (*make_memory)(void *opaque, DeviceMemory *memory, GError **error);
	/*
	 * Content that the guest reads as memory, until show_rom() says that its reads are to
	 * come to the bus. @is_image: its last 128 KiB are also seen below 1 MiB.
	 */
	gboolean (*add_rom)(void *opaque, guint64 gpa, guint8 *content, gsize size,
			    gboolean is_image, guint *rom, GError **error);
	void (*show_rom)(void *opaque, guint rom, gboolean is_shown);

	void (*set_interrupt)(void *opaque, guint gsi, gboolean level);
	void (*send_msi)(void *opaque, guint64 address, guint32 data);
	/* Which segments below 1 MiB show RAM: PciHostConfig's. */
	void (*set_ram_segments)(void *opaque, guint32 ram);
	/* A guest has let go of what is in a root port's slot, or refuses to; or NULL. */
	void (*slot_changed)(void *opaque);
	void (*reset)(void *opaque);
	void (*power_off)(void *opaque);
	void (*debug_exit)(void *opaque, guint32 value);
	/* The guest's kernel has failed; @is_crash_loaded: and another one goes on. */
	void (*panicked)(void *opaque, gboolean is_crash_loaded);
	/* A guest has not reset its watchdog in time; @action: a WatchdogAction. */
	void (*watchdog_expired)(void *opaque, guint action);
	/* On any thread, with any lock held; @error is only lent. */
	void (*disk_failed)(void *opaque, const DiskError *error);
	/* The guest has so many bytes of RAM now; on the main thread, once a second at most. Or
	 * NULL. */
	void (*balloon_changed)(void *opaque, guint64 actual);
	/* The guest has opened or closed a port, whose id is only lent; on the main thread. */
	void (*port_changed)(void *opaque, const char *id, gboolean is_open);
	/* The tray of a drive has been opened or closed; on the main thread. */
	void (*tray_moved)(void *opaque, const char *id, gboolean is_open);
} DeviceHost;

typedef struct {
	const DeviceHost *host;
	void *opaque; /* for host */
	DeviceRegistry *registry;
	Bus *ports;
	Bus *mmio;
	DeviceMessages messages;
	const DeviceDoorbells *doorbells; /* or NULL */
	/* Of all devices that come later, where they cannot have one each; or NULL. */
	struct IoThread *late_io_thread;
	DeviceBoard *board; /* while the devices of the start are made; then NULL */

	/* The LPC bridge's, once that is there; see device_isa_line(). */
	InterruptLine isa;
	InterruptLine sci;
} DeviceSurroundings;

/* Buses and a registry without a device. */
static inline void device_surroundings_init(DeviceSurroundings *surroundings,
					    const DeviceHost *host, void *opaque)
{
	*surroundings = (DeviceSurroundings){
		.host = host,
		.opaque = opaque,
		.registry = device_registry_new(),
		.ports = bus_new("port I/O"),
		.mmio = bus_new("MMIO"),
	};
}

/* Frees every device, and then the buses that they were on. */
static inline void device_surroundings_clear(DeviceSurroundings *surroundings)
{
	g_clear_pointer(&surroundings->registry, device_registry_free);
	g_clear_pointer(&surroundings->mmio, bus_free);
	g_clear_pointer(&surroundings->ports, bus_free);
}

/* The line of an ISA device, 0 to 15. */
static inline InterruptLine device_isa_line(const DeviceSurroundings *surroundings, guint irq)
{
	InterruptLine line = surroundings->isa;

	line.line = irq;
	return line;
}

static inline gboolean device_make_timer(const DeviceSurroundings *surroundings, DeviceClock clock,
					 void (*expired)(void *device), void *device,
					 DeviceTimer *timer, GError **error)
{
	return surroundings->host->make_timer(surroundings->opaque, clock, expired, device, timer,
					      error);
}

static inline gboolean device_make_signal(const DeviceSurroundings *surroundings,
					  void (*received)(void *device), void *device,
					  DeviceSignal *signal, GError **error)
{
	return surroundings->host->make_signal(surroundings->opaque, received, device, signal,
					       error);
}
