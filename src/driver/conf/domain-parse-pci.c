/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse-pci.c - <controller type='pci'>
 *
 * What is given is taken as it is, what is not is marked as unassigned; domain-pci.c completes
 * and checks all of them together.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parse.h"

/* There are 256 PCI buses, and a controller makes one. */
#define MAX_CONTROLLERS 256

/*
 * PCI's numbers are written in either base: 0x10 or 16. Return: FALSE, with an error, when
 * the attribute is there and is no number up to @max.
 */
static gboolean parse_number(XmlWalk *walk, xmlNode *node, const char *name, guint max,
			     guint *number)
{
	const char *text = xml_walk_attribute(walk, node, name);
	guint64 value = 0;
	gboolean valid = FALSE;

	if (!text)
		return TRUE;

	if (g_str_has_prefix(text, "0x"))
		valid = g_ascii_string_to_unsigned(text + 2, 16, 0, max, &value, NULL) &&
			g_ascii_isxdigit(text[2]);
	else
		valid = xml_walk_number(text, &value) && value <= max;
	if (valid) {
		*number = (guint)value;
		return TRUE;
	}

	xml_walk_error(walk, VIR_ERR_XML_ERROR,
		       _("attribute '%s' of element '%s' is '%s', not a number from 0 to %u"), name,
		       xml_walk_path(walk, node), xml_walk_quote(walk, text), max);
	return FALSE;
}

static void parse_address(XmlWalk *walk, xmlNode *node, DomainPciAddress *address)
{
	guint domain = 0;
	guint bus = 0;
	guint slot = 0;
	guint function = 0;

	if (!node)
		return;

	if (!domain_parse_only(walk, node, "type", "pci"))
		xml_walk_attribute_required(walk, node, "type");
	parse_number(walk, node, "domain", 0xffff, &domain);
	parse_number(walk, node, "bus", 0xff, &bus);
	parse_number(walk, node, "slot", 0x1f, &slot);
	parse_number(walk, node, "function", 7, &function);
	address->multifunction = domain_parse_switch(walk, node, "multifunction", "off", "on");

	if (domain || bus)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is on bus %04x:%02x: root ports are on bus 0000:00"),
			       xml_walk_path(walk, node), domain, bus);

	/* Nothing but zeroes asks for an address, as in libvirt. */
	address->is_set = slot || function;
	address->slot = (guint8)slot;
	address->function = (guint8)function;
}

static void parse_root_port(XmlWalk *walk, xmlNode *node, DomainPciController *controller)
{
	xmlNode *model = xml_walk_child(walk, node, "model");
	xmlNode *target = xml_walk_child(walk, node, "target");

	domain_parse_only(walk, model, "name", "pcie-root-port");
	controller->model_name = g_strdup("pcie-root-port");

	parse_number(walk, target, "chassis", 0xff, &controller->chassis);
	parse_number(walk, target, "port", 0xff, &controller->port);
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

void domain_parse_pci_controller(XmlWalk *walk, xmlNode *node, DomainDef *def)
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
