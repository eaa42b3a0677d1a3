/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcie-root-port.h - a PCI Express root port with a hot-plug slot
 *
 * PCI Express Base Specification 5.0, sections 6.7 (hot-plug) and 7.5.3 (its capability).
 *
 * It identifies itself as 1b36:000c, the generic root port of QEMU's that libvirt's
 * <controller model='pcie-root-port'/> stands for by default. Guests drive it by its class;
 * 8086:3420, the other one, is a port of an Intel X58 and would promise what is
 * in that chip's data sheet.
 */
#pragma once

#include "vmm/device/device-type.h"
#include "vmm/pci/pci-bus.h"
#include "vmm/pci/pcie-slot.h"

#define PCIE_ROOT_PORT_DEVICE 0x000c

typedef struct PcieRootPort PcieRootPort;

typedef struct {
	guint slot;   /* on the root bus, 0 to 31 */
	guint number; /* of the function, 0 to 7 */
	gboolean is_multifunction;
	guint8 port;   /* port number of the link, as in libvirt's <target port=''/> */
	guint chassis; /* number of the physical slot, as in <target chassis=''/>: 0 to 8191 */
} PcieRootPortConfig;

/*
 * pcie_root_port_new - put a root port on @root
 *
 * Return: a port with an empty slot, owned by @root. @root must have nothing there yet.
 */
PcieRootPort *pcie_root_port_new(PciBus *root, const PcieRootPortConfig *config);

/* Where it is on the root bus. */
void pcie_root_port_place(const PcieRootPort *port, guint *slot, guint *function);

/* The bus behind it, owned by the port. A device in the slot is slot 0 there. */
PciBus *pcie_root_port_bus(PcieRootPort *port);

/*
 * Once a device has been put on the bus behind it: see pcie-slot.h. What is there without having
 * been inserted the guest finds, too, but cannot see coming and going.
 */
void pcie_root_port_insert(PcieRootPort *port, gboolean is_hot);

/* Asks the guest to let go of what is in the slot. */
PcieSlotAnswer pcie_root_port_press_button(PcieRootPort *port);

/* What was in the slot has been taken off the bus. */
void pcie_root_port_remove(PcieRootPort *port);

/* The guest has been asked, and may have let go already. */
gboolean pcie_root_port_is_leaving(const PcieRootPort *port);

/* The guest has let go: what is there is to be taken off the bus now. */
gboolean pcie_root_port_is_released(const PcieRootPort *port);

/* Whether the guest has refused since this was called last. */
gboolean pcie_root_port_take_refusal(PcieRootPort *port);

/*
 * "pcie-root-port", with the members "chassis" and "port", each from 0 to 255. A device whose
 * "bus" is the port's id goes behind it.
 */
extern const DeviceType pcie_root_port_type;

/* Its record in the registry. */
extern const DeviceOperations pcie_root_port_device_operations;
