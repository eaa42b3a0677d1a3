/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus.h - which device answers at a port or at an MMIO address
 *
 * Theory of operation
 *
 * A Bus is a sorted list of disjoint ranges, each with the operations of one device. Port
 * I/O and MMIO are two Buses. Devices come and go while the guest runs; what a device does in
 * its operations, and each change and look-up of the bus itself, is serialized by the lock of
 * the machine, which the caller of bus_read() and bus_write() holds. Reads where nothing
 * answers return all ones, writes go nowhere, as on ISA and PCI.
 *
 * A window is a range that the guest moves, such as a PCI BAR. It may come to lie over
 * anything: what was added by bus_add() answers first, then the window that was made first.
 *
 * The device at an access's first byte decides: an access that is wider than the device
 * takes is split, lowest address first, and what reaches beyond its range meets nothing. A
 * wide access that begins where no device is misses one that begins behind it; so does a
 * PCI configuration address written at 0xcf8 miss the reset register at 0xcf9.
 */
#pragma once

#include <glib.h>

typedef struct {
	/* @offset is relative to the range's start; @size is 1, 2, 4 or 8. */
	guint64 (*read)(void *device, guint64 offset, guint size);
	void (*write)(void *device, guint64 offset, guint size, guint64 value);
	guint max_access; /* widest access that the device takes: 1, 2, 4 or 8 bytes */
} BusOperations;

typedef struct Bus Bus;

Bus *bus_new(const char *name);
void bus_free(Bus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bus, bus_free)

/*
 * bus_add - make a device answer at [start, start + size)
 * @name:       for messages about the bus; lent for the range's life
 * @operations: lent for the range's life
 *
 * An overlap with a range that is there already is a bug of the caller, and aborts.
 */
void bus_add(Bus *bus, guint64 start, guint64 size, const char *name,
	     const BusOperations *operations, void *device);

/*
 * bus_remove - take away the range that was added at @start
 *
 * Not while the device that answers there is accessed. That there is none is a bug of the
 * caller, and aborts.
 */
void bus_remove(Bus *bus, guint64 start);

/* The name of a range that [start, start + size) overlaps, or NULL. */
const char *bus_overlap(const Bus *bus, guint64 start, guint64 size);

/* @size is 1 to 8 bytes; the bytes above it are zero in the result and ignored in @value. */
guint64 bus_read(Bus *bus, guint64 address, guint size);
void bus_write(Bus *bus, guint64 address, guint size, guint64 value);

typedef struct BusWindow BusWindow;

/*
 * bus_add_window - make a window, closed at first
 * @name, @operations: lent for the window's life
 *
 * Return: a window that lives until it is removed, or as long as the bus.
 */
BusWindow *bus_add_window(Bus *bus, const char *name, const BusOperations *operations,
			  void *device);

/* Moves a window to [start, start + size), or closes it where @size is 0. */
void bus_move_window(BusWindow *window, guint64 start, guint64 size);

/* Takes a window away, open or closed, and frees it; not while its device is accessed. */
void bus_remove_window(BusWindow *window);
