/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ahci-pci.h - the SATA controller of the ICH9 in AHCI mode, as it is described
 *
 * Intel I/O Controller Hub 9 (ICH9) Family data sheet (316972), chapter 15.
 */
#pragma once

#include "vmm/ata/ahci.h"
#include "vmm/device/device-type.h"

typedef struct AhciPci AhciPci;

/* "ich9-ahci": six ports, to be named as "ID.0" to "ID.5" by drives. */
extern const DeviceType ahci_pci_type;

/* Its record in the registry, whose device is the AhciPci. */
extern const DeviceOperations ahci_pci_device_operations;

Ahci *ahci_pci_controller(AhciPci *pci);

/* Where it is on its bus. */
void ahci_pci_place(const AhciPci *pci, guint *slot, guint *function);

/*
 * ahci_pci_io_thread - what serves the drives that name none
 *
 * It is made for the first of them. Return: the controller's, or NULL with @error set.
 */
IoThread *ahci_pci_io_thread(AhciPci *pci, const DeviceContext *context, GError **error);
