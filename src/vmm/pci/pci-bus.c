/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci-bus.c - a tree of PCI buses */
#include "vmm/pci/pci-bus.h"

struct PciBus {
	PciRoot root;	     /* of a root bus */
	PciFunction *bridge; /* above a secondary bus; NULL above a root bus */
	gboolean is_link_down;
	PciFunction *functions[PCI_SLOTS * PCI_FUNCTIONS];
	void (*set_interrupt)(void *opaque, guint slot, guint pin, gboolean level);
	void *interrupt_opaque;
	guint n_raised[PCI_SLOTS][PCI_PINS]; /* lines that hold a pin of a root bus high */
};

PciBus *pci_bus_new_root(const PciRoot *root)
{
	PciBus *bus = g_new0(PciBus, 1);

	bus->root = *root;
	return bus;
}

PciBus *pci_bus_new_secondary(PciFunction *bridge)
{
	PciBus *bus = g_new0(PciBus, 1);

	bus->bridge = bridge;
	return bus;
}

void pci_bus_free(PciBus *bus)
{
	if (!bus)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(bus->functions); i++)
		pci_function_free(bus->functions[i]);
	g_free(bus);
}

void pci_bus_add(PciBus *bus, guint slot, guint number, PciFunction *function)
{
	guint devfn = PCI_DEVFN(slot, number);

	g_assert(slot < PCI_SLOTS && number < PCI_FUNCTIONS && !bus->functions[devfn]);
	bus->functions[devfn] = function;
	pci_function_attach(function, bus, devfn);
}

/* Its line may be high, and holds a pin of the root bus as long as it is. */
void pci_bus_remove(PciFunction *function)
{
	PciBus *bus = pci_function_bus(function);

	pci_function_release_intx(function);
	bus->functions[pci_function_devfn(function)] = NULL;
	pci_function_free(function);
}

PciFunction *pci_bus_get(const PciBus *bus, guint slot, guint number)
{
	g_assert(slot < PCI_SLOTS && number < PCI_FUNCTIONS);
	return bus->functions[PCI_DEVFN(slot, number)];
}

const PciRoot *pci_bus_root(const PciBus *bus)
{
	while (bus->bridge) {
		bus = pci_function_bus(bus->bridge);
		g_assert(bus);
	}
	return &bus->root;
}

void pci_bus_reset(PciBus *bus)
{
	for (guint i = 0; i < G_N_ELEMENTS(bus->functions); i++) {
		PciFunction *function = bus->functions[i];

		if (!function)
			continue;
		if (pci_function_secondary(function))
			pci_bus_reset(pci_function_secondary(function));
		pci_function_reset(function);
	}
}

void pci_bus_set_link(PciBus *bus, gboolean is_up)
{
	if (!is_up && !bus->is_link_down)
		pci_bus_reset(bus);
	bus->is_link_down = !is_up;
}

/* Configuration accesses */

static gboolean is_forwarding(const PciFunction *function, guint number)
{
	return pci_function_secondary(function) && pci_function_is_powered(function) &&
	       pci_function_get(function, PCI_SECONDARY_BUS, 1) <= number &&
	       number <= pci_function_get(function, PCI_SUBORDINATE_BUS, 1);
}

static PciFunction *find_bridge(const PciBus *bus, guint number)
{
	for (guint i = 0; i < G_N_ELEMENTS(bus->functions); i++)
		if (bus->functions[i] && is_forwarding(bus->functions[i], number))
			return bus->functions[i];
	return NULL;
}

static PciBus *find_bus(PciBus *bus, guint number)
{
	guint here = 0;

	while (bus && !bus->is_link_down && here != number) {
		PciFunction *bridge = find_bridge(bus, number);

		if (!bridge)
			return NULL;
		here = pci_function_get(bridge, PCI_SECONDARY_BUS, 1);
		bus = pci_function_secondary(bridge);
	}
	return bus;
}

static PciFunction *find_function(PciBus *root, guint number, guint devfn)
{
	PciBus *bus = find_bus(root, number);

	g_assert(devfn < G_N_ELEMENTS(root->functions));
	return bus && !bus->is_link_down ? bus->functions[devfn] : NULL;
}

/* The widest part of an access that is aligned: all of it, or a byte. */
static guint aligned_width(guint offset, guint size)
{
	return size != 3 && offset % size == 0 ? size : 1;
}

guint32 pci_bus_read_config(PciBus *root, guint number, guint devfn, guint offset, guint size)
{
	const PciFunction *function = find_function(root, number, devfn);
	guint width = aligned_width(offset, size);
	guint64 value = 0;

	if (!function)
		value = G_MAXUINT32;
	else
		for (guint done = 0; done < size; done += width)
			value |= (guint64)pci_function_read_config(function, offset + done, width)
				 << (done * 8);
	return value & ((1ull << (size * 8)) - 1);
}

void pci_bus_write_config(PciBus *root, guint number, guint devfn, guint offset, guint size,
			  guint32 value)
{
	PciFunction *function = find_function(root, number, devfn);
	guint width = aligned_width(offset, size);

	if (!function)
		return;
	for (guint done = 0; done < size; done += width)
		pci_function_write_config(function, offset + done, width, value >> (done * 8));
}

/* Interrupts */

void pci_bus_route_interrupts(PciBus *root,
			      void (*set)(void *opaque, guint slot, guint pin, gboolean level),
			      void *opaque)
{
	g_assert(!root->bridge);
	root->set_interrupt = set;
	root->interrupt_opaque = opaque;
}

void pci_bus_release_interrupts(PciBus *bus)
{
	for (guint i = 0; i < G_N_ELEMENTS(bus->functions); i++)
		if (bus->functions[i])
			pci_function_release_intx(bus->functions[i]);
}

void pci_bus_set_interrupt(PciBus *bus, guint slot, guint pin, gboolean level)
{
	guint *n_raised;

	for (; bus->bridge; bus = pci_function_bus(bus->bridge)) {
		pin = (slot + pin) % PCI_PINS;
		slot = pci_function_slot(bus->bridge);
	}
	n_raised = &bus->n_raised[slot][pin];
	*n_raised += level ? 1 : -1;
	if (bus->set_interrupt && *n_raised == (level ? 1 : 0))
		bus->set_interrupt(bus->interrupt_opaque, slot, pin, level);
}
