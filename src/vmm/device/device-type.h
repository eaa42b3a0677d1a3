/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device-type.h - kinds of devices that are described by JSON, at the start or later
 *
 * Theory of operation
 *
 * A description is an object with QEMU's names: "driver" says of which type the device is, "id"
 * what it is called, and the rest is the type's. The same object comes as --device's value and
 * as the arguments of the monitor's device_add.
 *
 * A type is one record in the file of its device: the table of its members, and a function that
 * makes one where DeviceContext says. The table of all types is machine/devices.c's.
 */
#pragma once

#include "vmm/device/descriptors.h"
#include "vmm/device/json-fields.h"
#include "vmm/device/surroundings.h"

/* Where one device goes, and what it finds there; lent for the call. */
typedef struct {
	const DeviceSurroundings *surroundings;
	const char *id;	   /* of its record in the registry */
	const char *owner; /* "device 'ID'", for messages */
	DescriptorTable *descriptors;
	struct Memory *memory; /* as long as the machine; NULL where a test has none */

	/* Of a PCI device: a place that is free. */
	struct PciBus *bus;
	const char *bus_name;
	guint slot;
	guint function;
	gboolean is_multifunction;
	gboolean is_behind_port; /* the bus is a root port's, and not the root bus */
} DeviceContext;

/*
 * device_context_board - where a device says what tables and firmware are to say of it
 *
 * Return: NULL with @error set where it comes too late for that.
 */
DeviceBoard *device_context_board(const DeviceContext *context, GError **error);

/* Where firmware finds what it starts, of a device that is not itself on PCI. */
typedef struct {
	guint slot; /* of the controller, on the root bus */
	guint function;
	const char *name; /* what firmware calls the controller */
	char unit[32];
} DeviceBootPlace;

typedef struct {
	const char *name;	 /* the "driver" */
	gboolean is_pci;	 /* "bus", "addr" and "multifunction" are members, too */
	gboolean is_cold_only;	 /* it is not plugged in while the guest runs */
	gboolean has_late_disks; /* with it an I/O thread may come to serve disks later */

	/* What firmware calls it and what it starts of it, "scsi" and "disk@0,0": then "bootindex"
	 * is a member. NULL where nothing is started from it. */
	const char *boot_name;
	const char *boot_unit;
	/* The same for a device at a controller. FALSE where there is none. */
	gboolean (*find_boot_place)(const DeviceContext *context, const void *description,
				    DeviceBootPlace *place, GError **error);

	const JsonField *fields;
	gsize description_size; /* of the struct that the fields are about */
	/* Makes the device and adds it to the registry, with the device lock held. */
	gboolean (*create)(const DeviceContext *context, const void *description, GError **error);
} DeviceType;
