/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci-place.c - where a PCI device that is described goes: bus, slot and function */
#include "vmm/pci/pci-place.h"

#include <glib/gi18n.h>
#include <string.h>

#include "vmm/pci/pci-host.h"
#include "vmm/pci/pcie-root-port.h"

const JsonField pci_place_fields[] = {
	{ .name = "bus",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(PciPlace, bus),
	  .is_required = TRUE },
	{ .name = "addr",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(PciPlace, address),
	  .is_required = TRUE },
	{ .name = "multifunction",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(PciPlace, is_multifunction) },
	{ .name = NULL },
};

static gboolean parse_hexadecimal(const char *text, guint64 maximum, guint *number)
{
	const char *digits = g_str_has_prefix(text, "0x") ? text + 2 : text;
	guint64 value;

	if (!g_ascii_string_to_unsigned(digits, 16, 0, maximum, &value, NULL))
		return FALSE;
	*number = value;
	return TRUE;
}

static gboolean parse_address(const PciPlace *place, const char *owner, guint *slot,
			      guint *function, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(place->address, ".", -1);
	guint n_parts = g_strv_length(parts);

	*function = 0;
	if (n_parts >= 1 && n_parts <= 2 && parse_hexadecimal(parts[0], PCI_SLOTS - 1, slot) &&
	    (n_parts == 1 || parse_hexadecimal(parts[1], PCI_FUNCTIONS - 1, function)))
		return TRUE;
	return json_fields_refuse(
		error, owner, "addr",
		_("'SLOT' or 'SLOT.FUNCTION' is wanted, from 0x0.0x0 to 0x1f.0x7"));
}

gboolean pci_place_check(const PciPlace *place, const char *owner, GError **error)
{
	guint slot, function;

	return parse_address(place, owner, &slot, &function, error);
}

static PciBus *find_bus(const DeviceRegistry *registry, const char *name)
{
	PciHost *host = device_registry_find(registry, PCI_HOST_ID, &pci_host_device_operations);
	PcieRootPort *port = device_registry_find(registry, name,
						  &pcie_root_port_device_operations);

	if (port)
		return pcie_root_port_bus(port);
	return host && strcmp(name, PCI_ROOT_BUS_NAME) == 0 ? pci_host_root_bus(host) : NULL;
}

gboolean pci_place_find(const PciPlace *place, DeviceContext *context, GError **error)
{
	g_autofree char *reason = NULL;

	if (!parse_address(place, context->owner, &context->slot, &context->function, error))
		return FALSE;
	context->bus_name = place->bus;
	context->is_multifunction = place->is_multifunction;
	context->is_behind_port = strcmp(place->bus, PCI_ROOT_BUS_NAME) != 0;
	context->bus = find_bus(context->surroundings->registry, place->bus);
	if (!context->bus) {
		reason = g_strdup_printf(_("there is no bus '%s'"), place->bus);
		return json_fields_refuse(error, context->owner, "bus", reason);
	}
	/* A link has one device at its other end. */
	if (context->is_behind_port && context->slot != 0)
		return json_fields_refuse(error, context->owner, "addr",
					  _("behind a root port there is slot 0 alone"));
	if (pci_bus_get(context->bus, context->slot, context->function))
		return json_fields_refuse(error, context->owner, "addr",
					  _("another device is there"));
	return TRUE;
}

gboolean pci_place_find_port(const PciPlace *place, const DeviceContext *context, guint *slot,
			     guint *function)
{
	const PcieRootPort *port = device_registry_find(context->surroundings->registry, place->bus,
							&pcie_root_port_device_operations);

	if (port)
		pcie_root_port_place(port, slot, function);
	return port != NULL;
}

void pci_place_settle(const DeviceContext *context, gboolean is_hot)
{
	PciFunction *function = pci_bus_get(context->bus, context->slot, context->function);

	g_assert(function);
	pci_function_set_id(function, context->id);
	if (context->is_behind_port)
		pcie_root_port_insert(device_registry_find(context->surroundings->registry,
							   context->bus_name,
							   &pcie_root_port_device_operations),
				      is_hot);
}

gboolean pci_place_check_seen(const PciPlace *place, const DeviceContext *context, GError **error)
{
	const PciBus *bus = find_bus(context->surroundings->registry, place->bus);
	const PciFunction *first;
	guint slot, function;

	if (!parse_address(place, context->owner, &slot, &function, error))
		return FALSE;
	first = bus ? pci_bus_get(bus, slot, 0) : NULL;
	if (!bus || function == 0 || (first && pci_function_is_multifunction(first)))
		return TRUE;
	return json_fields_refuse(error, context->owner, "addr",
				  _("function 0 of its slot has to be a device that is "
				    "multifunction"));
}
