/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-serial.c - controllers of consoles and channels, and these */
#include "driver/conf/devices/virtio-serial.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/pci.h"
#include "driver/conf/values.h"
#include "driver/error.h"

/* As many as there are devices, and so more than fit. */
#define MAX_INDEX (DOMAIN_MAX_DEVICES - 1)

DomainVirtioSerial *domain_virtio_serial_copy(const DomainVirtioSerial *controller)
{
	DomainVirtioSerial *copy = g_memdup2(controller, sizeof(*controller));

	domain_device_info_copy(&copy->info, &controller->info);
	return copy;
}

void domain_virtio_serial_free(DomainVirtioSerial *controller)
{
	if (!controller)
		return;
	domain_device_info_clear(&controller->info);
	g_free(controller);
}

DomainPort *domain_port_copy(const DomainPort *port)
{
	DomainPort *copy = g_memdup2(port, sizeof(*port));

	domain_chardev_copy(&copy->chardev, &port->chardev);
	copy->name = g_strdup(port->name);
	copy->alias = g_strdup(port->alias);
	return copy;
}

void domain_port_free(DomainPort *port)
{
	if (!port)
		return;
	domain_chardev_clear(&port->chardev);
	g_free(port->name);
	g_free(port->alias);
	g_free(port);
}

/*
 * Controllers.
 */

DomainVirtioSerial *domain_parse_virtio_serial(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainVirtioSerial *controller = g_new0(DomainVirtioSerial, 1);

	controller->index = DOMAIN_PCI_UNASSIGNED;
	domain_parse_number(walk, node, "index", MAX_INDEX, &controller->index);
	domain_parse_number(walk, node, "ports", G_MAXINT, &controller->ports);
	if (controller->ports > DOMAIN_VIRTIO_SERIAL_PORTS)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is '%u': the most that a "
				 "controller has is %d"),
			       "ports", xml_walk_path(walk, node), controller->ports,
			       DOMAIN_VIRTIO_SERIAL_PORTS);
	domain_parse_virtio_options(walk, xml_walk_child(walk, node, "driver"),
				    &controller->virtio);
	domain_parse_device_info(walk, node, flags, FALSE, &controller->info);
	return controller;
}

static void format_controller(XmlWriter *writer, const DomainVirtioSerial *controller,
			      gboolean live)
{
	xml_writer_start(writer, "controller");
	xml_writer_attribute(writer, "type", "virtio-serial");
	xml_writer_attribute_number(writer, "index", controller->index);
	if (controller->ports > 0)
		xml_writer_attribute_number(writer, "ports", controller->ports);
	if (domain_virtio_options_are_set(&controller->virtio)) {
		xml_writer_start(writer, "driver");
		domain_format_virtio_options(writer, &controller->virtio);
		xml_writer_end(writer);
	}
	domain_format_device_info(writer, &controller->info, live);
	xml_writer_end(writer);
}

void domain_format_virtio_serials(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	for (guint i = 0; i < def->virtio_serials->len; i++)
		format_controller(writer, def->virtio_serials->pdata[i], live);
}

/*
 * Ports.
 */

gboolean domain_is_virtio_console(XmlWalk *walk, xmlNode *console)
{
	xmlNode *target = xml_walk_child(walk, console, "target");

	return g_strcmp0(xml_walk_attribute(walk, target, "type"), "virtio") == 0;
}

static void parse_place(XmlWalk *walk, xmlNode *node, DomainPort *port)
{
	xmlNode *address = xml_walk_child(walk, node, "address");
	guint bus = 0;

	if (!address)
		return;
	if (!domain_parse_only(walk, address, "type", "virtio-serial"))
		xml_walk_attribute_required(walk, address, "type");
	domain_parse_number(walk, address, "controller", MAX_INDEX, &port->controller);
	domain_parse_number(walk, address, "bus", G_MAXINT, &bus);
	domain_parse_number(walk, address, "port", G_MAXINT, &port->port);
	if (bus > 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is '%u': a controller has bus 0 "
				 "only"),
			       "bus", xml_walk_path(walk, address), bus);
	port->has_place = TRUE;
}

/* Whether a path is one of those that a daemon of ours chooses: ".../channel-ID-NAME/CHANNEL". */
static gboolean is_made_path(const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	const guint count = g_strv_length(names);
	gboolean is_ours = FALSE;

	for (guint i = 0; i + 1 < count; i++)
		is_ours |= strcmp(names[i], "libvirt") == 0 && strcmp(names[i + 1], "gmem") == 0;
	return is_ours && g_str_has_prefix(names[count - 2], DOMAIN_CHANNEL_FOLDER) &&
	       g_ascii_isdigit(names[count - 2][strlen(DOMAIN_CHANNEL_FOLDER)]);
}

static void parse_made_path(DomainParseFlags flags, DomainPort *port)
{
	DomainChardev *chardev = &port->chardev;

	if (chardev->type != DOMAIN_CHARDEV_UNIX || !chardev->path || !chardev->is_server ||
	    !is_made_path(chardev->path))
		return;
	if (flags & DOMAIN_PARSE_INACTIVE)
		g_clear_pointer(&chardev->path, g_free);
	else
		port->is_path_made = TRUE;
}

static void check_name(XmlWalk *walk, xmlNode *target, const char *name)
{
	const gboolean is_folder = strcmp(name, ".") == 0 || strcmp(name, "..") == 0;

	if (*name == '\0' || strlen(name) > DOMAIN_CHANNEL_NAME_MAX || strchr(name, '/') ||
	    is_folder)
		xml_walk_error(
			walk, VIR_ERR_XML_ERROR,
			_("attribute '%s' of element '%s' is '%s': a channel's name has 1 to "
			  "%d bytes and no '/'"),
			"name", xml_walk_path(walk, target), xml_walk_quote(walk, name),
			DOMAIN_CHANNEL_NAME_MAX);
}

static void parse_channel_target(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				 DomainPort *port)
{
	static const char *const states[] = { "connected", "disconnected", NULL };
	xmlNode *target = xml_walk_child(walk, node, "target");
	const char *name = xml_walk_attribute(walk, target, "name");
	int state;

	if (!target)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/target' is missing"),
			       xml_walk_path(walk, node));
	else if (!domain_parse_only(walk, target, "type", "virtio"))
		xml_walk_attribute_required(walk, target, "type");
	if (name)
		check_name(walk, target, name);
	port->name = g_strdup(name);
	/* Of a run, which is another one's here. */
	state = domain_parse_choice(walk, target, "state", states);
	if (state >= 0 && !(flags & DOMAIN_PARSE_INACTIVE))
		port->state = state == 0 ? DOMAIN_CHANNEL_CONNECTED : DOMAIN_CHANNEL_DISCONNECTED;
}

static DomainPort *parse_channel(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainPort *port = g_new0(DomainPort, 1);

	domain_parse_chardev(walk, node, flags, TRUE, &port->chardev);
	parse_made_path(flags, port);
	parse_channel_target(walk, node, flags, port);
	port->alias = domain_parse_alias(walk, node, flags);
	parse_place(walk, node, port);
	return port;
}

static DomainPort *parse_console(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainPort *port = g_new0(DomainPort, 1);

	port->is_console = TRUE;
	port->number = DOMAIN_PCI_UNASSIGNED;
	domain_parse_chardev(walk, node, flags, FALSE, &port->chardev);
	/* The terminal once more: libvirt prints it in both places while a domain runs. */
	if (port->chardev.type == DOMAIN_CHARDEV_PTY)
		xml_walk_attribute(walk, node, "tty");
	domain_parse_number(walk, xml_walk_child(walk, node, "target"), "port", G_MAXINT,
			    &port->number);
	port->alias = domain_parse_alias(walk, node, flags);
	parse_place(walk, node, port);
	return port;
}

DomainPort *domain_parse_port(XmlWalk *walk, xmlNode *node, gboolean is_console,
			      DomainParseFlags flags)
{
	return is_console ? parse_console(walk, node, flags) : parse_channel(walk, node, flags);
}

void domain_number_consoles(const DomainDef *def)
{
	guint next = def->console_present ? 1 : 0;

	for (guint i = 0; i < def->consoles->len; i++) {
		DomainPort *port = def->consoles->pdata[i];

		if (port->number == DOMAIN_PCI_UNASSIGNED)
			port->number = next;
		next = MAX(next, port->number + 1);
	}
}

/* Return: FALSE, with an error, where one more would be too many. */
static gboolean has_room(XmlWalk *walk, const DomainDef *def)
{
	if (def->consoles->len + def->channels->len < DOMAIN_MAX_DEVICES)
		return TRUE;
	xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
		       _("element 'devices' has more consoles and channels than %d"),
		       DOMAIN_MAX_DEVICES);
	return FALSE;
}

void domain_parse_virtio_ports(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			       DomainDef *def)
{
	xmlNode *node = NULL;

	while ((node = xml_walk_next(walk, devices, node, "console")) && has_room(walk, def))
		if (domain_is_virtio_console(walk, node))
			g_ptr_array_add(def->consoles, parse_console(walk, node, flags));
	domain_number_consoles(def);
	node = NULL;
	while ((node = xml_walk_next(walk, devices, node, "channel")) && has_room(walk, def))
		g_ptr_array_add(def->channels, parse_channel(walk, node, flags));
}

static void format_place(XmlWriter *writer, const DomainPort *port)
{
	if (!port->has_place)
		return;
	xml_writer_start(writer, "address");
	xml_writer_attribute(writer, "type", "virtio-serial");
	xml_writer_attribute_number(writer, "controller", port->controller);
	xml_writer_attribute_number(writer, "bus", 0);
	xml_writer_attribute_number(writer, "port", port->port);
	xml_writer_end(writer);
}

static void format_alias_and_place(XmlWriter *writer, const DomainPort *port, gboolean live)
{
	domain_format_alias(writer, port->alias, live);
	format_place(writer, port);
}

static void format_console(XmlWriter *writer, const DomainPort *port, gboolean live)
{
	xml_writer_start(writer, "console");
	domain_format_chardev_type(writer, &port->chardev);
	if (live && port->chardev.type == DOMAIN_CHARDEV_PTY)
		xml_writer_attribute(writer, "tty", port->chardev.path);
	domain_format_chardev(writer, &port->chardev, live);
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "type", "virtio");
	xml_writer_attribute_number(writer, "port", port->number);
	xml_writer_end(writer);
	format_alias_and_place(writer, port, live);
	xml_writer_end(writer);
}

static void format_channel_source(XmlWriter *writer, const DomainPort *port, gboolean live)
{
	DomainChardev chardev = port->chardev;

	/* The next run has another one. */
	if (port->is_path_made && !live)
		chardev.path = NULL;
	domain_format_chardev(writer, &chardev, live);
}

static void format_channel(XmlWriter *writer, const DomainPort *port, gboolean live)
{
	xml_writer_start(writer, "channel");
	domain_format_chardev_type(writer, &port->chardev);
	format_channel_source(writer, port, live);
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "type", "virtio");
	xml_writer_attribute(writer, "name", port->name);
	if (live && port->state != DOMAIN_CHANNEL_UNKNOWN)
		xml_writer_attribute(writer, "state",
				     port->state == DOMAIN_CHANNEL_CONNECTED ? "connected" :
									       "disconnected");
	xml_writer_end(writer);
	format_alias_and_place(writer, port, live);
	xml_writer_end(writer);
}

void domain_format_virtio_ports(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	for (guint i = 0; i < def->consoles->len; i++)
		format_console(writer, def->consoles->pdata[i], live);
	for (guint i = 0; i < def->channels->len; i++)
		format_channel(writer, def->channels->pdata[i], live);
}

/* A console or a channel, the consoles first. Return: NULL behind the last. */
static DomainPort *nth_port(const DomainDef *def, guint n)
{
	if (n < def->consoles->len)
		return def->consoles->pdata[n];
	n -= def->consoles->len;
	return n < def->channels->len ? def->channels->pdata[n] : NULL;
}

static gboolean is_alias_of_device(const DomainDef *def, const char *alias)
{
	g_auto(DomainDeviceList) list = { 0 };

	domain_device_list_init(&list, def);
	for (guint i = 0; i < list.count; i++)
		if (g_strcmp0(list.entries[i].info->alias, alias) == 0)
			return TRUE;
	return FALSE;
}

static gboolean check_alias(const DomainDef *def, const DomainPort *port, GError **error)
{
	gboolean is_used = is_alias_of_device(def, port->alias);
	const DomainPort *other;

	for (guint i = 0; (other = nth_port(def, i)) && other != port; i++)
		is_used |= g_strcmp0(other->alias, port->alias) == 0;
	return !is_used || driver_error(error, VIR_ERR_XML_ERROR,
					_("two devices have the alias '%s'"), port->alias);
}

/* Two of a name would be one for who looks for it in the guest. */
static gboolean check_channel(const DomainDef *def, const DomainPort *port, GError **error)
{
	for (guint i = 0; i < def->channels->len; i++) {
		const DomainPort *other = def->channels->pdata[i];

		if (other == port)
			break;
		if (port->name && g_strcmp0(port->name, other->name) == 0)
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("two elements 'devices/channel' have the name '%s'"),
					    port->name);
	}
	return domain_check_chardev("devices/channel", &port->chardev, error);
}

gboolean domain_check_virtio_ports(const DomainDef *def, GError **error)
{
	const DomainPort *port;

	for (guint i = 0; (port = nth_port(def, i)); i++) {
		if (port->alias && !check_alias(def, port, error))
			return FALSE;
		if (port->is_console ?
			    !domain_check_chardev("devices/console", &port->chardev, error) :
			    !check_channel(def, port, error))
			return FALSE;
	}
	return TRUE;
}

/*
 * Places.
 */

/* Which ports of which controllers are taken. */
typedef struct {
	const DomainPort *at[DOMAIN_MAX_DEVICES][DOMAIN_VIRTIO_SERIAL_PORTS];
	guint n_ports[DOMAIN_MAX_DEVICES]; /* 0: there is no such controller */
	guint count;			   /* of controllers: the highest index and one */
} Places;

static DomainVirtioSerial *add_controller(DomainDef *def)
{
	DomainVirtioSerial *controller = g_new0(DomainVirtioSerial, 1);

	controller->index = DOMAIN_PCI_UNASSIGNED;
	g_ptr_array_add(def->virtio_serials, controller);
	return controller;
}

static void note_controller(Places *places, const DomainVirtioSerial *controller)
{
	places->n_ports[controller->index] = controller->ports > 0 ? controller->ports :
								     DOMAIN_VIRTIO_SERIAL_PORTS;
	places->count = MAX(places->count, controller->index + 1);
}

static gboolean note_given(const DomainDef *def, Places *places, GError **error)
{
	for (guint i = 0; i < def->virtio_serials->len; i++) {
		const DomainVirtioSerial *controller = def->virtio_serials->pdata[i];

		if (controller->index == DOMAIN_PCI_UNASSIGNED)
			continue;
		if (places->n_ports[controller->index] > 0)
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("two elements 'devices/controller' with type "
					      "'virtio-serial' have the index %u"),
					    controller->index);
		note_controller(places, controller);
	}
	return TRUE;
}

/* Gives the lowest index that is free to each controller that has none. */
static void number_rest(const DomainDef *def, Places *places)
{
	guint next = 0;

	for (guint i = 0; i < def->virtio_serials->len; i++) {
		DomainVirtioSerial *controller = def->virtio_serials->pdata[i];

		if (controller->index != DOMAIN_PCI_UNASSIGNED)
			continue;
		while (places->n_ports[next] > 0)
			next++;
		controller->index = next;
		note_controller(places, controller);
	}
}

/* As many as ports name, from 0 on. */
static gboolean add_named(DomainDef *def, Places *places, GError **error)
{
	const DomainPort *port;
	guint last = 0;

	for (guint i = 0; (port = nth_port(def, i)); i++)
		last = MAX(last, port->controller);
	for (guint index = 0; nth_port(def, 0) && index <= last; index++) {
		DomainVirtioSerial *controller;

		if (places->n_ports[index] > 0)
			continue;
		if (def->virtio_serials->len >= DOMAIN_MAX_DEVICES)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("element 'devices' has more devices than there are "
					      "PCI buses"));
		controller = add_controller(def);
		controller->index = index;
		note_controller(places, controller);
	}
	return TRUE;
}

static gboolean seat_given(const DomainDef *def, Places *places, GError **error)
{
	DomainPort *port;

	for (guint i = 0; (port = nth_port(def, i)); i++) {
		/* Port 0 asks for one, as in libvirt. */
		if (!port->has_place || port->port == 0)
			continue;
		if (port->port >= places->n_ports[port->controller])
			return driver_error(
				error, VIR_ERR_XML_ERROR,
				_("virtio-serial controller %u has no port %u: its last is %u"),
				port->controller, port->port,
				places->n_ports[port->controller] - 1);
		if (places->at[port->controller][port->port])
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("two devices have port %u of virtio-serial "
					      "controller %u"),
					    port->port, port->controller);
		places->at[port->controller][port->port] = port;
	}
	return TRUE;
}

static gboolean seat_at(Places *places, DomainPort *port, guint controller)
{
	for (guint i = port->is_console ? 0 : 1; i < places->n_ports[controller]; i++) {
		if (places->at[controller][i])
			continue;
		places->at[controller][i] = port;
		port->has_place = TRUE;
		port->controller = controller;
		port->port = i;
		return TRUE;
	}
	return FALSE;
}

static gboolean seat(DomainDef *def, Places *places, DomainPort *port, GError **error)
{
	const gboolean is_controller_named = port->has_place;
	DomainVirtioSerial *controller;

	if (is_controller_named && seat_at(places, port, port->controller))
		return TRUE;
	if (is_controller_named)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("virtio-serial controller %u has no port that is free"),
				    port->controller);
	for (guint i = 0; i < places->count; i++)
		if (seat_at(places, port, i))
			return TRUE;
	if (places->count >= DOMAIN_MAX_DEVICES)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("element 'devices' has more devices than there are PCI "
				      "buses"));
	controller = add_controller(def);
	controller->index = places->count;
	note_controller(places, controller);
	return seat_at(places, port, controller->index);
}

static gboolean seat_rest(DomainDef *def, Places *places, GError **error)
{
	DomainPort *port;

	for (guint i = 0; (port = nth_port(def, i)); i++)
		if ((!port->has_place || port->port == 0) && !seat(def, places, port, error))
			return FALSE;
	return TRUE;
}

static int compare_indexes(gconstpointer a, gconstpointer b)
{
	const DomainVirtioSerial *first = *(DomainVirtioSerial *const *)a;
	const DomainVirtioSerial *second = *(DomainVirtioSerial *const *)b;

	return (int)first->index - (int)second->index;
}

gboolean domain_virtio_serial_complete(DomainDef *def, GError **error)
{
	g_autofree Places *places = g_new0(Places, 1);

	if (!note_given(def, places, error))
		return FALSE;
	number_rest(def, places);
	if (!add_named(def, places, error) || !seat_given(def, places, error) ||
	    !seat_rest(def, places, error))
		return FALSE;
	g_ptr_array_sort(def->virtio_serials, compare_indexes);
	return TRUE;
}

/*
 * Aliases.
 */

DomainPort *domain_find_port(const DomainDef *def, const char *alias)
{
	DomainPort *port;

	for (guint i = 0; (port = nth_port(def, i)); i++)
		if (g_strcmp0(port->alias, alias) == 0)
			return port;
	return NULL;
}

void domain_assign_port_aliases(DomainDef *def)
{
	DomainPort *port;

	for (guint i = 0; (port = nth_port(def, i)); i++) {
		guint number = port->is_console ? port->number : 0;

		while (!port->alias) {
			g_autofree char *alias = g_strdup_printf(
				port->is_console ? "console%u" : "channel%u", number++);

			if (!domain_find_port(def, alias))
				port->alias = g_steal_pointer(&alias);
		}
	}
}

void domain_close_channels(DomainDef *def)
{
	for (guint i = 0; i < def->channels->len; i++) {
		DomainPort *port = def->channels->pdata[i];

		port->state = DOMAIN_CHANNEL_DISCONNECTED;
	}
}

DomainPort *domain_find_channel(const DomainDef *def, const char *name)
{
	for (guint i = 0; i < def->channels->len; i++) {
		DomainPort *port = def->channels->pdata[i];

		if (!name || g_strcmp0(port->alias, name) == 0)
			return port;
	}
	for (guint i = 0; i < def->channels->len; i++) {
		DomainPort *port = def->channels->pdata[i];

		if (g_strcmp0(port->name, name) == 0)
			return port;
	}
	return NULL;
}

DomainPort *domain_find_agent(const DomainDef *def)
{
	for (guint i = 0; i < def->channels->len; i++) {
		DomainPort *port = def->channels->pdata[i];

		if (g_strcmp0(port->name, DOMAIN_AGENT_CHANNEL) == 0)
			return port->chardev.type == DOMAIN_CHARDEV_UNIX &&
					       port->chardev.is_server ?
				       port :
				       NULL;
	}
	return NULL;
}

void domain_write_channel_capabilities(XmlWriter *writer)
{
	static const char *const types[] = { "pty", "file", "null", "unix", "tcp", NULL };

	xml_writer_start(writer, "channel");
	xml_writer_attribute(writer, "supported", "yes");
	xml_writer_enum(writer, "type", types);
	xml_writer_end(writer);
}
