/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * boot-order.h - the devices that firmware is to try, the first one first
 *
 * Theory of operation
 *
 * A device that says "bootindex" is tried in the order of these numbers. Firmware is told of it by
 * a path in the manner of Open Firmware, with the names that QEMU gives: SeaBIOS and OVMF compare
 * them with those that they make of what they find. A disk behind the root port at slot 2,
 * function 1 is "/pci@i0cf8/pci-bridge@2,1/scsi@0/disk@0,0".
 *
 * Devices come and go; firmware is told of it at the next reset, as with QEMU.
 */
#pragma once

#include <glib.h>

typedef struct BootOrder BootOrder;

BootOrder *boot_order_new(void);
void boot_order_free(BootOrder *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BootOrder, boot_order_free)

/* Return: whether @index was free, and the device is in the order. @id and @path are copied. */
gboolean boot_order_add(BootOrder *order, const char *id, guint64 index, const char *path);

/* Forgets those of which @is_there is not true. */
void boot_order_keep(BootOrder *order, gboolean (*is_there)(const char *id, void *opaque),
		     void *opaque);

/* Return: the paths in order up to a NULL, for g_free(); they are the order's. */
const char **boot_order_paths(const BootOrder *order);

/* A place on a PCI bus. */
typedef struct {
	guint slot;
	guint function;
} BootPciPlace;

/*
 * boot_pci_path - what firmware calls a PCI device
 * @bridge: the root port that it is behind, or NULL: it is on the root bus
 * @name: what firmware calls its class: "scsi", "ethernet"
 * @unit: what is started of it, "disk@0,0"
 *
 * Return: for g_free().
 */
char *boot_pci_path(const BootPciPlace *bridge, const BootPciPlace *place, const char *name,
		    const char *unit);
