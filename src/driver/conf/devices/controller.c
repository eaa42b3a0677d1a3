/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * controller.c - <controller>: the PCI root and its ports, and what says that there is no USB
 *
 * What is given of a PCI controller is taken as it is, what is not is marked as unassigned; pci.c
 * completes and checks all of them together.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/devices/controller.h"
#include "driver/conf/devices/virtio-serial.h"
#include "driver/conf/domain-def.h"
#include "driver/conf/pci.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static void free_pci_controller(gpointer data)
{
	DomainPciController *controller = data;

	g_free(controller->model_name);
	g_free(controller);
}

gpointer domain_copy_pci_controller(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainPciController *controller = data;
	DomainPciController *copy = g_memdup2(controller, sizeof(*controller));

	copy->model_name = g_strdup(controller->model_name);
	return copy;
}

GPtrArray *domain_pci_controllers_new(void)
{
	return g_ptr_array_new_with_free_func(free_pci_controller);
}

/* There are 256 PCI buses, and a controller makes one. */
#define MAX_CONTROLLERS 256

static void parse_address(XmlWalk *walk, xmlNode *node, DomainPciAddress *address)
{
	const guint domain = domain_parse_pci_address(walk, node, address);

	if (domain || address->bus)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is on bus %04x:%02x: root ports are on bus 0000:00"),
			       xml_walk_path(walk, node), domain, address->bus);
}

static void parse_root_port(XmlWalk *walk, xmlNode *node, DomainPciController *controller)
{
	xmlNode *model = xml_walk_child(walk, node, "model");
	xmlNode *target = xml_walk_child(walk, node, "target");

	domain_parse_only(walk, model, "name", "pcie-root-port");
	controller->model_name = g_strdup("pcie-root-port");

	domain_parse_number(walk, target, "chassis", 0xff, &controller->chassis);
	domain_parse_number(walk, target, "port", 0xff, &controller->port);
	controller->hotplug = domain_parse_switch(walk, target, "hotplug", "off", "on");
	parse_address(walk, xml_walk_child(walk, node, "address"), &controller->address);
}

/* As opposed to what is the hardware's, libvirt reads an index in decimal only. */
static void parse_index(XmlWalk *walk, xmlNode *node, DomainPciController *controller)
{
	const char *text = xml_walk_attribute(walk, node, "index");
	guint64 index = 0;

	if (!text)
		return;
	if (!xml_walk_number(text, &index) || index >= MAX_CONTROLLERS)
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("attribute '%s' of element '%s' is '%s', not a number from 0 to 255"),
			"index", xml_walk_path(walk, node), xml_walk_quote(walk, text));
	else
		controller->index = (guint)index;
}

static void check_index(XmlWalk *walk, xmlNode *node, const DomainPciController *controller)
{
	const gboolean is_zero = controller->index == 0;

	if (controller->index == DOMAIN_PCI_UNASSIGNED || is_zero == controller->is_root)
		return;
	xml_walk_error(walk, VIR_ERR_XML_ERROR,
		       controller->is_root ? _("attribute 'index' of element '%s' is '%u': that of "
					       "the model 'pcie-root' must be 0") :
					     _("attribute 'index' of element '%s' is '%u': that of "
					       "the model 'pcie-root-port' must not be 0"),
		       xml_walk_path(walk, node), controller->index);
}

static void parse_pci_controller(XmlWalk *walk, xmlNode *node, DomainDef *def)
{
	const char *model = xml_walk_attribute_required(walk, node, "model");
	xmlNode *alias = xml_walk_child(walk, node, "alias");
	DomainPciController *controller = NULL;

	if (!model)
		return;
	if (strcmp(model, "pcie-root") != 0 && strcmp(model, "pcie-root-port") != 0) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'model' of element '%s' is '%s': supported are "
				 "'pcie-root' and 'pcie-root-port'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, model));
		return;
	}
	if (def->pci_controllers && def->pci_controllers->len >= MAX_CONTROLLERS) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       ngettext("more than %d element '%s' with type 'pci'",
					"more than %d elements '%s' with type 'pci'",
					MAX_CONTROLLERS),
			       MAX_CONTROLLERS, xml_walk_path(walk, node));
		return;
	}

	if (!def->pci_controllers)
		def->pci_controllers = domain_pci_controllers_new();
	controller = g_new0(DomainPciController, 1);
	g_ptr_array_add(def->pci_controllers, controller);
	controller->is_root = strcmp(model, "pcie-root") == 0;
	controller->index = controller->is_root ? 0 : DOMAIN_PCI_UNASSIGNED;
	controller->chassis = controller->is_root ? 0 : DOMAIN_PCI_UNASSIGNED;
	controller->port = controller->is_root ? 0 : DOMAIN_PCI_UNASSIGNED;

	/* It is made from the index again. */
	xml_walk_attribute_required(walk, alias, "name");
	parse_index(walk, node, controller);
	check_index(walk, node, controller);
	if (!controller->is_root)
		parse_root_port(walk, node, controller);
}

/* USB is known for its absence only. */
static void parse_usb_controller(XmlWalk *walk, xmlNode *controller, DomainDef *def)
{
	domain_parse_only(walk, controller, "index", "0");
	if (!domain_parse_only(walk, controller, "model", "none"))
		xml_walk_error(
			walk, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'devices/controller' with type 'usb' is not supported yet"));
	if (def->says & DOMAIN_SAYS_NO_USB)
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("element 'devices/controller' with type 'usb' appears more than once"));
	def->says |= DOMAIN_SAYS_NO_USB;
}

static void parse_virtio_serial_controller(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
					   DomainDef *def)
{
	if (def->virtio_serials->len >= DOMAIN_MAX_DEVICES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'devices' has more devices than there are PCI buses"));
	else
		g_ptr_array_add(def->virtio_serials, domain_parse_virtio_serial(walk, node, flags));
}

/* The ICH9's, which has one place. */
static void parse_sata_controller(XmlWalk *walk, xmlNode *controller, DomainDef *def)
{
	xmlNode *address_node = xml_walk_child(walk, controller, "address");
	xmlNode *alias = xml_walk_child(walk, controller, "alias");
	DomainPciAddress address = { 0 };
	const guint domain = domain_parse_pci_address(walk, address_node, &address);

	/* It is made from the index again. */
	xml_walk_attribute_required(walk, alias, "name");
	domain_parse_only(walk, controller, "index", "0");
	domain_parse_only(walk, controller, "model", "ich9-ahci");
	if (address.is_set && (domain || address.bus || address.slot != DOMAIN_SATA_SLOT ||
			       address.function != DOMAIN_SATA_FUNCTION))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s': the SATA controller is at 0000:00:1f.2"),
			       xml_walk_path(walk, address_node));
	if (def->has_sata)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("more than one element 'devices/controller' with type 'sata'"));
	def->has_sata = TRUE;
}

void domain_parse_one_controller(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				 DomainDef *def)
{
	const char *type = xml_walk_attribute_required(walk, node, "type");

	if (!type)
		return;
	if (strcmp(type, "pci") == 0)
		parse_pci_controller(walk, node, def);
	else if (strcmp(type, "usb") == 0)
		parse_usb_controller(walk, node, def);
	else if (strcmp(type, "sata") == 0)
		parse_sata_controller(walk, node, def);
	else if (strcmp(type, "virtio-serial") == 0)
		parse_virtio_serial_controller(walk, node, flags, def);
	else
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'type' of element 'devices/controller' is '%s': "
				 "supported are 'pci', 'sata', 'usb' and 'virtio-serial'"),
			       xml_walk_quote(walk, type));
}

void domain_parse_controllers(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			      DomainDef *def)
{
	xmlNode *controller = NULL;

	while ((controller = xml_walk_next(walk, devices, controller, "controller")))
		domain_parse_one_controller(walk, controller, flags, def);
}

static void format_pci_controller(XmlWriter *writer, const DomainPciController *controller,
				  gboolean live)
{
	xml_writer_start(writer, "controller");
	xml_writer_attribute(writer, "type", "pci");
	xml_writer_attribute_number(writer, "index", controller->index);
	xml_writer_attribute(writer, "model", controller->is_root ? "pcie-root" : "pcie-root-port");
	if (!controller->is_root) {
		xml_writer_element_with(writer, "model", "name", controller->model_name);
		xml_writer_start(writer, "target");
		xml_writer_attribute_number(writer, "chassis", controller->chassis);
		domain_format_hex(writer, "port", controller->port, 1);
		domain_format_switch(writer, "hotplug", controller->hotplug, "off", "on");
		xml_writer_end(writer);
	}
	if (live) {
		g_autofree char *alias = g_strdup_printf(controller->is_root ? "pcie.%u" : "pci.%u",
							 controller->index);

		xml_writer_element_with(writer, "alias", "name", alias);
	}
	if (!controller->is_root)
		domain_format_pci_address(writer, &controller->address);
	xml_writer_end(writer);
}

static void format_sata_controller(XmlWriter *writer, gboolean live)
{
	const DomainPciAddress address = {
		.is_set = TRUE,
		.slot = DOMAIN_SATA_SLOT,
		.function = DOMAIN_SATA_FUNCTION,
	};

	xml_writer_start(writer, "controller");
	xml_writer_attribute(writer, "type", "sata");
	xml_writer_attribute(writer, "index", "0");
	if (live)
		xml_writer_element_with(writer, "alias", "name", "sata0");
	domain_format_pci_address(writer, &address);
	xml_writer_end(writer);
}

void domain_format_controllers(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	if (def->says & DOMAIN_SAYS_NO_USB) {
		xml_writer_start(writer, "controller");
		xml_writer_attribute(writer, "type", "usb");
		xml_writer_attribute(writer, "index", "0");
		xml_writer_attribute(writer, "model", "none");
		xml_writer_end(writer);
	}
	if (def->has_sata)
		format_sata_controller(writer, live);
	for (guint i = 0; i < def->pci_controllers->len; i++)
		format_pci_controller(writer, def->pci_controllers->pdata[i], live);
}

/*
 * Controllers that come and go.
 */

static gboolean refuse_second(const char *type, guint index, GError **error)
{
	return driver_error(error, VIR_ERR_OPERATION_INVALID,
			    _("domain already has a controller of type '%s' with index %u"), type,
			    index);
}

static gboolean refuse_missing(GError **error)
{
	return driver_error(error, VIR_ERR_DEVICE_MISSING,
			    _("no device '%s' is as the document says"), "controller");
}

static gboolean refuse_busy(const char *type, guint index, const char *kind, const char *name,
			    GError **error)
{
	return driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("controller of type '%s' with index %u cannot be detached: %s %s is "
			      "at it"),
			    type, index, kind, name);
}

/* Those of a type are numbered without gaps, up to the last that is needed. */
static gboolean refuse_gap(const char *type, guint index, guint last, GError **error)
{
	return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("controller of type '%s' with index %u cannot be detached: there is "
			      "one with index %u, and those before it come again"),
			    type, index, last);
}

static gboolean attach_pci(DomainDef *def, const DomainPciController *wanted, GError **error)
{
	for (guint i = 0; i < def->pci_controllers->len; i++) {
		const DomainPciController *controller = def->pci_controllers->pdata[i];

		if (controller->index == wanted->index)
			return refuse_second("pci", wanted->index, error);
	}
	g_ptr_array_add(def->pci_controllers, domain_copy_pci_controller(wanted, NULL));
	return domain_pci_complete(def, error);
}

static gboolean attach_virtio_serial(DomainDef *def, const DomainVirtioSerial *wanted,
				     GError **error)
{
	for (guint i = 0; i < def->virtio_serials->len; i++) {
		const DomainVirtioSerial *controller = def->virtio_serials->pdata[i];

		if (controller->index == wanted->index)
			return refuse_second("virtio-serial", wanted->index, error);
	}
	g_ptr_array_add(def->virtio_serials, domain_virtio_serial_copy(wanted));
	return domain_virtio_serial_complete(def, error);
}

static gboolean attach_sata(DomainDef *def, GError **error)
{
	if (def->has_sata)
		return refuse_second("sata", 0, error);
	def->has_sata = TRUE;
	return TRUE;
}

/* What says that there is none. */
static gboolean refuse_usb(GError **error)
{
	return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("controller of type 'usb' and model 'none' is no device"));
}

gboolean domain_attach_controller(DomainDef *def, const DomainDef *part, GError **error)
{
	if (part->has_sata)
		return attach_sata(def, error);
	if (part->virtio_serials->len > 0)
		return attach_virtio_serial(def, part->virtio_serials->pdata[0], error);
	return part->pci_controllers ? attach_pci(def, part->pci_controllers->pdata[0], error) :
				       refuse_usb(error);
}

static gboolean is_pci(const DomainPciController *controller, const DomainPciController *wanted)
{
	if (controller->is_root != wanted->is_root ||
	    (wanted->index == DOMAIN_PCI_UNASSIGNED && !wanted->address.is_set))
		return FALSE;
	return (wanted->index == DOMAIN_PCI_UNASSIGNED || wanted->index == controller->index) &&
	       (!wanted->address.is_set ||
		(wanted->address.slot == controller->address.slot &&
		 wanted->address.function == controller->address.function));
}

static gboolean check_pci_is_free(const DomainDef *def, guint index, GError **error)
{
	g_auto(DomainDeviceList) list = { 0 };

	domain_device_list_init(&list, def);
	for (guint i = 0; i < list.count; i++) {
		const DomainDeviceEntry *entry = &list.entries[i];

		if (entry->info->address.is_set && entry->info->address.bus == index)
			return refuse_busy("pci", index, entry->kind, entry->name, error);
	}
	return TRUE;
}

static gboolean detach_pci(DomainDef *def, const DomainPciController *wanted, GError **error)
{
	const guint last = def->pci_controllers->len - 1;
	guint index = 0;

	while (index <= last && !is_pci(def->pci_controllers->pdata[index], wanted))
		index++;
	if (index > last)
		return refuse_missing(error);
	if (wanted->is_root)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("controller of type 'pci' with index 0 cannot be detached: "
				      "it is the root"));
	if (!check_pci_is_free(def, index, error))
		return FALSE;
	if (index < last)
		return refuse_gap("pci", index, last, error);
	g_ptr_array_remove_index(def->pci_controllers, index);
	return TRUE;
}

/* The last that a port of @ports is at, or -1. */
static int last_of(const GPtrArray *ports)
{
	int last = -1;

	for (guint i = 0; i < ports->len; i++) {
		const DomainPort *port = ports->pdata[i];

		last = MAX(last, (int)port->controller);
	}
	return last;
}

static gboolean check_ports_are_free(const DomainDef *def, guint index, GError **error)
{
	const GPtrArray *const arrays[] = { def->consoles, def->channels };

	for (gsize i = 0; i < G_N_ELEMENTS(arrays); i++)
		for (guint j = 0; j < arrays[i]->len; j++) {
			const DomainPort *port = arrays[i]->pdata[j];
			g_autofree char *number = g_strdup_printf("%u", port->port);

			if (port->controller == index)
				return refuse_busy("virtio-serial", index,
						   port->is_console ? "console" : "channel", number,
						   error);
		}
	return TRUE;
}

/* Those behind the last with ports are not needed, and may have any indexes. */
static gboolean detach_virtio_serial(DomainDef *def, const DomainVirtioSerial *wanted,
				     GError **error)
{
	const int last = MAX(last_of(def->consoles), last_of(def->channels));

	for (guint i = 0; i < def->virtio_serials->len; i++) {
		const DomainVirtioSerial *controller = def->virtio_serials->pdata[i];

		if (controller->index != wanted->index ||
		    !domain_device_info_may_be(&controller->info, &wanted->info))
			continue;
		if (!check_ports_are_free(def, controller->index, error))
			return FALSE;
		if ((int)controller->index < last)
			return refuse_gap("virtio-serial", controller->index, (guint)last, error);
		g_ptr_array_remove_index(def->virtio_serials, i);
		return TRUE;
	}
	return refuse_missing(error);
}

static gboolean detach_sata(DomainDef *def, GError **error)
{
	if (!def->has_sata)
		return refuse_missing(error);
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (disk->bus == DOMAIN_DISK_SATA)
			return refuse_busy("sata", 0, "disk", disk->target, error);
	}
	def->has_sata = FALSE;
	return TRUE;
}

gboolean domain_detach_controller(DomainDef *def, const DomainDef *part, GError **error)
{
	if (part->has_sata)
		return detach_sata(def, error);
	if (part->virtio_serials->len > 0)
		return detach_virtio_serial(def, part->virtio_serials->pdata[0], error);
	return part->pci_controllers ? detach_pci(def, part->pci_controllers->pdata[0], error) :
				       refuse_usb(error);
}
