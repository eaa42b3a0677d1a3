/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hot-plug.c - devices that come and go while a machine is there */
#include "vmm/machine/hot-plug.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "vmm/device/io-thread-type.h"
#include "vmm/pci/pcie-root-port.h"

/* The ids of what is in a slot, in the order of functions. */
static void append_ids(PcieRootPort *port, GPtrArray *ids)
{
	const PciBus *bus = pcie_root_port_bus(port);

	for (guint i = 0; i < PCI_FUNCTIONS; i++) {
		const PciFunction *function = pci_bus_get(bus, 0, i);

		if (function && pci_function_id(function))
			g_ptr_array_add(ids, g_strdup(pci_function_id(function)));
	}
}

/* Those that are on a device are told of before it. */
static void append_gone(const DeviceShop *shop, const char *id, GPtrArray *gone)
{
	device_registry_list_children(shop->surroundings->registry, id, gone);
	g_ptr_array_add(gone, g_strdup(id));
}

static void take_out(const DeviceShop *shop, PcieRootPort *port, GPtrArray *gone)
{
	g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);

	append_ids(port, ids);
	for (guint i = 0; i < ids->len; i++)
		append_gone(shop, g_ptr_array_index(ids, i), gone);
	for (guint i = ids->len; i > 0; i--)
		device_registry_remove(shop->surroundings->registry, g_ptr_array_index(ids, i - 1));
	pcie_root_port_remove(port);
}

static void append_port(const char *id, void *device, void *ports)
{
	(void)id;
	g_ptr_array_add(ports, device);
}

/* Return: all root ports, for g_ptr_array_unref(). */
static GPtrArray *list_ports(const DeviceShop *shop)
{
	GPtrArray *ports = g_ptr_array_new();

	device_registry_foreach(shop->surroundings->registry, &pcie_root_port_device_operations,
				append_port, ports);
	return ports;
}

static gboolean is_in_slot(PcieRootPort *port, const char *id)
{
	g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);

	append_ids(port, ids);
	return g_ptr_array_find_with_equal_func(ids, id, g_str_equal, NULL);
}

static PcieRootPort *find_port(const DeviceShop *shop, const char *id)
{
	g_autoptr(GPtrArray) ports = list_ports(shop);

	for (guint i = 0; i < ports->len; i++)
		if (is_in_slot(g_ptr_array_index(ports, i), id))
			return g_ptr_array_index(ports, i);
	return NULL;
}

static gboolean refuse(const DeviceShop *shop, const char *id, GError **error)
{
	gboolean is_there = strchr(id, '/') == NULL &&
			    device_registry_has(shop->surroundings->registry, id);

	if (is_there)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
			    _("device '%s' is not behind a root port, and cannot be taken away"),
			    id);
	else
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no device '%s'"),
			    id);
	return FALSE;
}

static gboolean remove_io_thread(const DeviceShop *shop, const char *id, const IoThread *thread,
				 GPtrArray *gone, GError **error)
{
	if (io_thread_is_shared(thread)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
			    _("I/O thread '%s' serves devices, and cannot be taken away"), id);
		return FALSE;
	}
	append_gone(shop, id, gone);
	device_registry_remove(shop->surroundings->registry, id);
	return TRUE;
}

gboolean hot_plug_ask(const DeviceShop *shop, const char *id, gboolean is_running, GPtrArray *gone,
		      GError **error)
{
	PcieRootPort *port = find_port(shop, id);
	const IoThread *thread = device_registry_find(shop->surroundings->registry, id,
						      &io_thread_device_operations);

	/* What is on another device goes at once: its guest is told, not asked. */
	if (device_registry_is_child(shop->surroundings->registry, id)) {
		append_gone(shop, id, gone);
		device_registry_remove(shop->surroundings->registry, id);
		return TRUE;
	}
	if (thread)
		return remove_io_thread(shop, id, thread, gone, error);
	if (!port)
		return refuse(shop, id, error);
	if (!is_running) {
		take_out(shop, port, gone);
		return TRUE;
	}
	switch (pcie_root_port_press_button(port)) {
	case PCIE_SLOT_ASKED:
		break;
	case PCIE_SLOT_RELEASED:
		take_out(shop, port, gone);
		break;
	case PCIE_SLOT_BUSY:
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
			    _("the guest is about to power the slot of device '%s' on or off: try "
			      "again"),
			    id);
		return FALSE;
	}
	return TRUE;
}

void hot_plug_serve(const DeviceShop *shop, GPtrArray *gone, GPtrArray *kept)
{
	g_autoptr(GPtrArray) ports = list_ports(shop);

	for (guint i = 0; i < ports->len; i++) {
		PcieRootPort *port = g_ptr_array_index(ports, i);

		if (pcie_root_port_is_released(port))
			take_out(shop, port, gone);
		else if (pcie_root_port_take_refusal(port))
			append_ids(port, kept);
	}
}

void hot_plug_finish(const DeviceShop *shop, GPtrArray *gone)
{
	g_autoptr(GPtrArray) ports = list_ports(shop);

	for (guint i = 0; i < ports->len; i++)
		if (pcie_root_port_is_leaving(g_ptr_array_index(ports, i)))
			take_out(shop, g_ptr_array_index(ports, i), gone);
}
