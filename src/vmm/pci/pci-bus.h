/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-bus.h - a tree of PCI buses: which function a configuration access meets, and where
 * interrupts go
 *
 * PCI Local Bus Specification 3.0, sections 3.2.2.3 and 2.2.6, and PCI-to-PCI Bridge
 * Architecture 1.2, sections 3.2.5 and 9.1.
 *
 * Theory of operation
 *
 * The tree is what was built; a guest numbers it. An access begins at the root bus, which is
 * bus 0, and is forwarded by the first bridge, in the order of slots and functions, whose
 * secondary to subordinate bus numbers contain the number. It ends on that bridge's
 * secondary bus if that is the number, and else goes on from there. Numbers that make no
 * sense lead nowhere, and no numbers lead in a circle: each step goes down the tree. A bridge
 * whose numbers a guest has not set yet forwards nothing, nor does one in D3.
 *
 * Bridges forward every access to memory and ports, whatever their windows say.
 *
 * An INTx line is level-triggered and shared. It is swizzled from each secondary bus to the
 * bridge above. At the root the lines of a slot's pin are counted, so that the chipset hears
 * of a pin only when it changes.
 */
#pragma once

#include "vmm/pci/pci-function.h"

/* What is around a tree of buses. */
typedef struct {
	Bus *ports;
	Bus *mmio;
	void (*send_msi)(void *opaque, guint64 address, guint32 data);
	void *opaque; /* for send_msi */
} PciRoot;

/*
 * A root bus. It owns the functions on it and on those below; @root's buses must outlive
 * it, for its windows are on them.
 */
PciBus *pci_bus_new_root(const PciRoot *root);
void pci_bus_free(PciBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PciBus, pci_bus_free)

/*
 * pci_bus_add - put a function on a bus
 * @function: becomes the bus's; a bridge goes on its bus before anything goes behind it
 *
 * That there is a function already is a bug of the caller, and aborts: see pci_bus_get().
 */
void pci_bus_add(PciBus *bus, guint slot, guint number, PciFunction *function);

/* Takes a function off its bus and frees it, with all that is behind it. */
void pci_bus_remove(PciFunction *function);

/* The function there, or NULL. */
PciFunction *pci_bus_get(const PciBus *bus, guint slot, guint number);

/*
 * Says where the INTx lines of a root bus go. @pin is 0 for INTA to 3 for INTD. Called only
 * for changes.
 */
void pci_bus_route_interrupts(PciBus *root,
			      void (*set)(void *opaque, guint slot, guint pin, gboolean level),
			      void *opaque);

/*
 * pci_bus_set_link - let the guest reach what is on a secondary bus, or not
 *
 * It does at first. Where it does not, reads give all ones; what is there has been reset.
 */
void pci_bus_set_link(PciBus *bus, gboolean is_up);

/* Resets all functions on the bus and below, bridges after what is behind them. */
void pci_bus_reset(PciBus *bus);

/*
 * The guest's access to function @devfn of bus number @number, from the root bus on.
 * [offset, offset + size) is within 4096, and @size 1, 2, 3 or 4; what is not aligned is
 * taken byte by byte. Reads where no function is give all ones.
 */
guint32 pci_bus_read_config(PciBus *root, guint number, guint devfn, guint offset, guint size);
void pci_bus_write_config(PciBus *root, guint number, guint devfn, guint offset, guint size,
			  guint32 value);

/* What pci-function.c does for a function on @bus. */
PciBus *pci_bus_new_secondary(PciFunction *bridge);
const PciRoot *pci_bus_root(const PciBus *bus);
void pci_bus_release_interrupts(PciBus *bus);
void pci_bus_set_interrupt(PciBus *bus, guint slot, guint pin, gboolean level);
