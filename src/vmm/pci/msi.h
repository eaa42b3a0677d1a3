/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * msi.h - MSI: the one message of a function, from any thread
 *
 * PCI Local Bus Specification 3.0, section 6.8.1. For functions whose interrupts do not come with
 * the device lock held, as msix.h is; for others there is pci_function_send_msi().
 */
#pragma once

#include "vmm/device/signals.h"
#include "vmm/pci/pci-function.h"

typedef struct PciMsi PciMsi;

/*
 * pci_msi_new - give a function the capability, before it goes on a bus
 *
 * Return: NULL with @error set where the host has no more messages.
 */
PciMsi *pci_msi_new(PciFunction *function, const DeviceMessages *messages, GError **error);
void pci_msi_free(PciMsi *msi);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciMsi, pci_msi_free)

/* The guest has written configuration space, or it was reset; with the device lock held. */
void pci_msi_config_written(PciMsi *msi);

/* Sends the message. Return: FALSE where MSI is off, and INTx is to be used. Any thread. */
gboolean pci_msi_send(PciMsi *msi);
gboolean pci_msi_is_enabled(PciMsi *msi);
