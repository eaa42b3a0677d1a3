/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input.c - <input>: a keyboard, a mouse or a tablet */
#include "driver/conf/devices/input.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

static const char *const type_names[] = {
	[DOMAIN_INPUT_MOUSE] = "mouse",
	[DOMAIN_INPUT_TABLET] = "tablet",
	[DOMAIN_INPUT_KEYBOARD] = "keyboard",
};

static const char *const bus_names[] = {
	[DOMAIN_INPUT_PS2] = "ps2",
	[DOMAIN_INPUT_VIRTIO] = "virtio",
};

DomainInput *domain_input_copy(const DomainInput *input)
{
	DomainInput *copy = g_memdup2(input, sizeof(*input));

	domain_device_info_copy(&copy->info, &input->info);
	return copy;
}

void domain_input_free(DomainInput *input)
{
	if (!input)
		return;
	domain_device_info_clear(&input->info);
	g_free(input);
}

const char *domain_input_type_name(const DomainInput *input)
{
	return type_names[input->type];
}

static void parse_type(XmlWalk *walk, xmlNode *node, DomainInput *input)
{
	const char *type = xml_walk_attribute_required(walk, node, "type");

	if (!type)
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(type_names); i++) {
		if (strcmp(type_names[i], type) != 0)
			continue;
		input->type = (DomainInputType)i;
		return;
	}
	xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
		       _("attribute 'type' of element '%s' is '%s': supported are 'keyboard', "
			 "'mouse' and 'tablet'"),
		       xml_walk_path(walk, node), xml_walk_quote(walk, type));
}

/* Where nothing is said libvirt takes PS/2, and USB for a tablet. */
static void parse_bus(XmlWalk *walk, xmlNode *node, DomainInput *input)
{
	const gboolean is_tablet = input->type == DOMAIN_INPUT_TABLET;
	const char *bus = xml_walk_attribute(walk, node, "bus");

	if (!bus)
		bus = is_tablet ? "usb" : bus_names[DOMAIN_INPUT_PS2];
	if (strcmp(bus, bus_names[DOMAIN_INPUT_VIRTIO]) == 0)
		input->bus = DOMAIN_INPUT_VIRTIO;
	else if (is_tablet)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is a tablet on bus '%s': 'virtio' is supported"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, bus));
	else if (strcmp(bus, bus_names[DOMAIN_INPUT_PS2]) != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'bus' of element '%s' is '%s': supported are 'virtio' "
				 "and 'ps2'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, bus));
}

DomainInput *domain_parse_input(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainInput *input = g_new0(DomainInput, 1);

	parse_type(walk, node, input);
	parse_bus(walk, node, input);
	input->info.is_off_pci = input->bus == DOMAIN_INPUT_PS2;
	if (input->info.is_off_pci) {
		input->info.alias = domain_parse_alias(walk, node, flags);
		return input;
	}
	input->says_model = domain_parse_only(walk, node, "model", "virtio");
	domain_parse_virtio_options(walk, xml_walk_child(walk, node, "driver"), &input->virtio);
	domain_parse_device_info(walk, node, flags, FALSE, &input->info);
	return input;
}

void domain_format_input(XmlWriter *writer, const DomainInput *input, gboolean live)
{
	xml_writer_start(writer, "input");
	xml_writer_attribute(writer, "type", type_names[input->type]);
	xml_writer_attribute(writer, "bus", bus_names[input->bus]);
	if (input->says_model)
		xml_writer_attribute(writer, "model", "virtio");
	if (domain_virtio_options_are_set(&input->virtio)) {
		xml_writer_start(writer, "driver");
		domain_format_virtio_options(writer, &input->virtio);
		xml_writer_end(writer);
	}
	domain_format_device_info(writer, &input->info, live);
	xml_writer_end(writer);
}

static guint count(const DomainDef *def, DomainInputBus bus, DomainInputType type)
{
	guint n = 0;

	for (guint i = 0; i < def->inputs->len; i++) {
		const DomainInput *input = def->inputs->pdata[i];

		n += input->bus == bus && input->type == type;
	}
	return n;
}

gboolean domain_check_inputs(const DomainDef *def, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(type_names); i++)
		if (count(def, DOMAIN_INPUT_PS2, (DomainInputType)i) > 1)
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("two elements 'devices/input' have the type '%s' "
					      "and the bus 'ps2': the chipset has one"),
					    type_names[i]);
	return TRUE;
}

gboolean domain_has_keyboard(const DomainDef *def)
{
	return count(def, DOMAIN_INPUT_VIRTIO, DOMAIN_INPUT_KEYBOARD) > 0;
}

guint domain_count_virtio_inputs(const DomainDef *def)
{
	guint n = 0;

	for (guint i = 0; i < def->inputs->len; i++)
		n += ((const DomainInput *)def->inputs->pdata[i])->bus == DOMAIN_INPUT_VIRTIO;
	return n;
}
