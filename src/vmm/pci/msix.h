/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * msix.h - MSI-X: messages of a function, from any thread
 *
 * PCI Local Bus Specification 3.0, section 6.8.2.
 *
 * Theory of operation
 *
 * Table and pending bits fill a BAR of their own. A vector has a descriptor: writing to it sends
 * the message that the vector is aimed at. Who sends holds a lock of this function's alone, under
 * which is decided whether the message goes, or is left pending because it is masked; so a guest
 * that has masked a vector gets no message of it any more, as the specification has it. The device
 * lock is not taken, nor is it in anybody's way: the guest's accesses hold both, the device's
 * first.
 */
#pragma once

#include "vmm/device/signals.h"
#include "vmm/pci/pci-function.h"

typedef struct PciMsix PciMsix;

#define PCI_MSIX_VECTORS_MAX 2048u

/*
 * pci_msix_new - add the capability and the BAR to a function that is on no bus yet
 * @bar:      its index; memory, 32 bits
 * @count:    of vectors, 1 to PCI_MSIX_VECTORS_MAX
 * @messages: copied
 *
 * Return: to be freed when nobody sends any more, and after the function has left its bus; or
 * NULL with @error set, and a function that is to be freed.
 */
PciMsix *pci_msix_new(PciFunction *function, guint bar, guint count, const DeviceMessages *messages,
		      GError **error);
void pci_msix_free(PciMsix *msix);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciMsix, pci_msix_free)

/* The function's config_written and reset have to say so; device lock held. */
void pci_msix_config_written(PciMsix *msix);
void pci_msix_reset(PciMsix *msix);

/* Any thread: */

/* Whether messages are what the guest wants, and not INTx. */
gboolean pci_msix_is_enabled(PciMsix *msix);

/*
 * Sends a vector's message, or leaves it pending; a vector that there is not has none.
 * Return: FALSE where MSI-X is not enabled, so that the guest wants INTx.
 */
gboolean pci_msix_send(PciMsix *msix, guint vector);
