/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci.c - indexes, addresses, chassis and ports of the PCI controllers, addresses of devices
 *
 * Theory of operation
 *
 * The machine has one root, which is bus 0, and root ports on it; each makes a bus. As with
 * libvirt's q35, a port without an index takes the lowest that is free, an index that was left
 * out gets a port, and ports without an address take the lowest free function from slot 2 on,
 * eight to a slot: slot 0 is the host bridge, slot 1 is left for the primary video device and
 * slot 0x1f is the LPC bridge. A document may name slot 1. A chassis is numbered as the index,
 * a port is the slot and the function in one byte.
 *
 * A device is behind a root port of its own, so that it can be taken away. One without an address
 * takes the lowest bus that is free, but not of a port that says hotplug='off'; where there is none
 * left, there is one more port. Devices choose in libvirt's order, so that its documents and ours
 * look the same.
 *
 * The result is kept in the document, so that a guest finds its devices where they were when
 * more are added.
 */
#include <glib/gi18n.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/pci.h"
#include "driver/error.h"

#define FIRST_FREE_SLOT	   2
#define LPC_SLOT	   0x1f
#define FUNCTIONS_PER_SLOT 8
#define N_SLOTS		   32
#define MAX_INDEX	   255

/* Of bus 0, by slot and function; NULL where nothing is. */
typedef struct {
	DomainPciController *at[N_SLOTS][FUNCTIONS_PER_SLOT];
} Bus;

static DomainPciController *nth(const DomainDef *def, guint n)
{
	return def->pci_controllers->pdata[n];
}

static void add_controller(DomainDef *def, guint index)
{
	DomainPciController *controller = g_new0(DomainPciController, 1);

	controller->index = index;
	controller->is_root = index == 0;
	if (!controller->is_root) {
		controller->model_name = g_strdup("pcie-root-port");
		controller->chassis = DOMAIN_PCI_UNASSIGNED;
		controller->port = DOMAIN_PCI_UNASSIGNED;
	}
	g_ptr_array_add(def->pci_controllers, controller);
}

static int compare_indexes(gconstpointer a, gconstpointer b)
{
	const DomainPciController *first = *(DomainPciController *const *)a;
	const DomainPciController *second = *(DomainPciController *const *)b;

	return (int)first->index - (int)second->index;
}

/* @last: the highest index that has to be there */
static gboolean number_controllers(DomainDef *def, guint last, GError **error)
{
	gboolean is_used[MAX_INDEX + 1] = { FALSE };
	guint next = 1;

	for (guint i = 0; i < def->pci_controllers->len; i++) {
		const guint index = nth(def, i)->index;

		if (index == DOMAIN_PCI_UNASSIGNED)
			continue;
		if (is_used[index])
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("two elements 'devices/controller' with type 'pci' "
					      "have the index %u"),
					    index);
		is_used[index] = TRUE;
		last = MAX(last, index);
	}

	for (guint i = 0; i < def->pci_controllers->len; i++) {
		if (nth(def, i)->index != DOMAIN_PCI_UNASSIGNED)
			continue;
		while (next <= MAX_INDEX && is_used[next])
			next++;
		if (next > MAX_INDEX)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("more elements 'devices/controller' with type 'pci' "
					      "than there are PCI buses"));
		nth(def, i)->index = next;
		is_used[next] = TRUE;
		last = MAX(last, next);
	}

	for (guint index = 0; index <= last; index++)
		if (!is_used[index])
			add_controller(def, index);
	g_ptr_array_sort(def->pci_controllers, compare_indexes);
	return TRUE;
}

static gboolean place_given(DomainDef *def, Bus *bus, GError **error)
{
	for (guint i = 0; i < def->pci_controllers->len; i++) {
		DomainPciController *controller = nth(def, i);
		const DomainPciAddress *address = &controller->address;
		DomainPciController **place = &bus->at[address->slot][address->function];

		if (!address->is_set)
			continue;
		if (address->slot == 0 || address->slot == LPC_SLOT)
			return driver_error(
				error, VIR_ERR_CONFIG_UNSUPPORTED,
				address->slot == 0 ?
					_("PCI controller %u has the address 0000:00:%02x.%x: this "
					  "slot is the host bridge's") :
					_("PCI controller %u has the address 0000:00:%02x.%x: this "
					  "slot is the LPC bridge's"),
				controller->index, address->slot, address->function);
		if (*place)
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("PCI controllers %u and %u both have the address "
					      "0000:00:%02x.%x"),
					    (*place)->index, controller->index, address->slot,
					    address->function);
		*place = controller;
	}
	return TRUE;
}

static gboolean place_rest(DomainDef *def, Bus *bus, GError **error)
{
	guint slot = FIRST_FREE_SLOT;
	guint function = 0;

	for (guint i = 0; i < def->pci_controllers->len; i++) {
		DomainPciController *controller = nth(def, i);

		if (controller->is_root || controller->address.is_set)
			continue;
		while (slot < LPC_SLOT && bus->at[slot][function]) {
			function = (function + 1) % FUNCTIONS_PER_SLOT;
			if (function == 0)
				slot++;
		}
		if (slot == LPC_SLOT)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("PCI controller %u has no address: no more root "
					      "ports fit on bus 0"),
					    controller->index);

		bus->at[slot][function] = controller;
		controller->address.is_set = TRUE;
		controller->address.slot = (guint8)slot;
		controller->address.function = (guint8)function;
	}
	return TRUE;
}

/* A guest looks for functions 1 to 7 only where function 0 says that there are some. */
static gboolean complete_slot(DomainPciController *const *at, guint slot, GError **error)
{
	DomainPciController *first = at[0];
	const DomainPciController *other = NULL;

	for (guint function = 1; function < FUNCTIONS_PER_SLOT && !other; function++)
		other = at[function];
	if (!other)
		return TRUE;

	if (!first)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("PCI controller %u has the address 0000:00:%02x.%x, where a "
				      "guest finds it only when there is one at function 0"),
				    other->index, slot, other->address.function);
	if (first->address.multifunction == DOMAIN_SWITCH_NO)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("PCI controllers %u and %u share slot %02x, and the former "
				      "has multifunction='off'"),
				    first->index, other->index, slot);
	first->address.multifunction = DOMAIN_SWITCH_YES;
	return TRUE;
}

static gboolean complete_targets(DomainDef *def, GError **error)
{
	const DomainPciController *chassis[256] = { NULL };
	const DomainPciController *port[256] = { NULL };

	for (guint i = 0; i < def->pci_controllers->len; i++) {
		DomainPciController *controller = nth(def, i);

		if (controller->is_root)
			continue;
		if (controller->chassis == DOMAIN_PCI_UNASSIGNED)
			controller->chassis = controller->index;
		if (controller->port == DOMAIN_PCI_UNASSIGNED)
			controller->port = (guint)controller->address.slot << 3 |
					   controller->address.function;

		if (chassis[controller->chassis])
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("PCI controllers %u and %u both have the chassis %u"),
					    chassis[controller->chassis]->index, controller->index,
					    controller->chassis);
		if (port[controller->port])
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("PCI controllers %u and %u both have the port 0x%x"),
					    port[controller->port]->index, controller->index,
					    controller->port);
		chassis[controller->chassis] = controller;
		port[controller->port] = controller;
	}
	return TRUE;
}

static guint highest_bus(const DomainDeviceList *devices)
{
	guint highest = 0;

	for (guint i = 0; i < devices->count; i++)
		highest = MAX(highest, devices->entries[i].info->address.bus);
	return highest;
}

/* @at: which device is behind the port that makes a bus */
static gboolean seat_given(const DomainDeviceList *devices, const DomainDeviceEntry **at,
			   GError **error)
{
	for (guint i = 0; i < devices->count; i++) {
		const DomainDeviceEntry *device = &devices->entries[i];
		const DomainPciAddress *address = &device->info->address;

		if (!address->is_set)
			continue;
		if (at[address->bus])
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("%s %s and %s %s both have the address "
					      "0000:%02x:00.0"),
					    at[address->bus]->kind, at[address->bus]->name,
					    device->kind, device->name, address->bus);
		at[address->bus] = device;
	}
	return TRUE;
}

static gboolean seat_rest(DomainDef *def, const DomainDeviceList *devices,
			  const DomainDeviceEntry **at, GError **error)
{
	guint bus = 1;

	for (guint i = 0; i < devices->count; i++) {
		const DomainDeviceEntry *device = &devices->entries[i];

		if (device->info->address.is_set || device->info->is_off_pci)
			continue;
		while (bus < def->pci_controllers->len &&
		       (at[bus] || nth(def, bus)->hotplug == DOMAIN_SWITCH_NO))
			bus++;
		if (bus > MAX_INDEX)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("%s %s has no address: no more root ports fit on "
					      "bus 0"),
					    device->kind, device->name);
		if (bus == def->pci_controllers->len)
			add_controller(def, bus);
		at[bus] = device;
		device->info->address.is_set = TRUE;
		device->info->address.bus = (guint8)bus;
	}
	return TRUE;
}

static gboolean complete(DomainDef *def, const DomainDeviceList *devices, GError **error)
{
	const DomainDeviceEntry *at[MAX_INDEX + 1] = { NULL };
	Bus bus = { 0 };

	if (!number_controllers(def, highest_bus(devices), error) ||
	    !seat_given(devices, at, error) || !seat_rest(def, devices, at, error) ||
	    !place_given(def, &bus, error) || !place_rest(def, &bus, error))
		return FALSE;
	for (guint slot = 0; slot < N_SLOTS; slot++)
		if (!complete_slot(bus.at[slot], slot, error))
			return FALSE;
	return complete_targets(def, error);
}

gboolean domain_pci_complete(DomainDef *def, GError **error)
{
	g_auto(DomainDeviceList) devices = { 0 };

	if (!domain_disks_complete(def, error))
		return FALSE;
	if (!def->pci_controllers)
		def->pci_controllers = domain_pci_controllers_new();
	domain_device_list_init(&devices, def);
	return complete(def, &devices, error);
}
