/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices.h - the types of devices that can be described, and what is made of descriptions */
#pragma once

#include "vmm/boot/boot-order.h"
#include "vmm/device/device-type.h"
#include "vmm/memory/memory.h"

/* What a machine has for the devices that are described. */
typedef struct {
	const DeviceSurroundings *surroundings;
	DescriptorTable *descriptors;
	Memory *memory;	       /* or NULL, in a test */
	BootOrder *boot_order; /* for those that have a "bootindex"; or NULL, in a test */
} DeviceShop;

/*
 * devices_check - whether a description says what its type takes
 *
 * Nothing is looked for: neither the bus nor descriptors. @error names device and member.
 */
gboolean devices_check(JsonObject *description, GError **error);

/*
 * devices_count_late - how many I/O threads may come to serve disks when the machine is set up
 * @descriptions: of JsonObject that devices_check() takes
 *
 * Those of disks in root ports, those that are named, and those of controllers that had no disk.
 */
guint devices_count_late(const GPtrArray *descriptions);

/*
 * devices_create - make a device while the machine is there already
 * @is_hot: the guest has begun to run since the last reset: a PCI device goes behind a root port
 *
 * With the device lock held.
 */
gboolean devices_create(const DeviceShop *shop, JsonObject *description, gboolean is_hot,
			GError **error);

/*
 * devices_create_all - make those of the start, in order
 * @descriptions: of JsonObject
 *
 * They may be functions of one slot in any order.
 */
gboolean devices_create_all(const DeviceShop *shop, const GPtrArray *descriptions, GError **error);

/* Devices that are not there any more are not to be tried. */
void devices_forget_gone(BootOrder *order, const DeviceRegistry *registry);

/* As machine_change_medium() has it; with the device lock held. */
gboolean devices_change_medium(const DeviceShop *shop, const char *id, JsonObject *blockdev,
			       gboolean may_force, GError **error);
