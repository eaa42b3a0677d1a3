/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-place.h - where a PCI device that is described goes: bus, slot and function
 *
 * Buses are called as QEMU's are: the root bus is "pcie.0", the bus behind a root port has the
 * port's id.
 */
#pragma once

#include "vmm/device/device-type.h"
#include "vmm/pci/pci-bus.h"

#define PCI_ROOT_BUS_NAME "pcie.0"

/* The members of its description that say where. */
typedef struct {
	char *bus;
	char *address; /* "SLOT" or "SLOT.FUNCTION", hexadecimal */
	gboolean is_multifunction;
} PciPlace;

extern const JsonField pci_place_fields[];

/*
 * pci_place_check - whether the place is one that there can be; no bus is looked for
 * @owner: whose it is, for messages
 */
gboolean pci_place_check(const PciPlace *place, const char *owner, GError **error);

/* Fills in the place in @context, whose other members are there. FALSE where it is not free. */
gboolean pci_place_find(const PciPlace *place, DeviceContext *context, GError **error);

/* Where the root port is that a place is behind. Return: FALSE where it is behind none. */
gboolean pci_place_find_port(const PciPlace *place, const DeviceContext *context, guint *slot,
			     guint *function);

/*
 * pci_place_settle - the device is where the context says: it gets its id, and its slot is told
 * @is_hot: the guest runs
 */
void pci_place_settle(const DeviceContext *context, gboolean is_hot);

/*
 * pci_place_check_seen - whether a guest that looks for devices finds the one that is there
 *
 * It looks for functions above 0 only where function 0 says that there are some. TRUE, too,
 * where there is no such bus.
 */
gboolean pci_place_check_seen(const PciPlace *place, const DeviceContext *context, GError **error);
