/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serial.c - <serial> and <console>: the serial ports, the debug console, and what is behind them
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/devices/serial.h"
#include "driver/conf/devices/virtio-serial.h"
#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

void domain_serial_clear(DomainSerial *serial)
{
	domain_chardev_clear(&serial->chardev);
	g_free(serial->alias);
}

DomainSerial *domain_copy_serials(const DomainSerial *serials, guint count)
{
	DomainSerial *copy = g_memdup2(serials, count * sizeof(*serials));

	for (guint i = 0; i < count; i++) {
		domain_chardev_copy(&copy[i].chardev, &serials[i].chardev);
		copy[i].alias = g_strdup(serials[i].alias);
	}
	return copy;
}

void domain_free_serials(DomainSerial *serials, guint count)
{
	for (guint i = 0; i < count; i++)
		domain_serial_clear(&serials[i]);
	g_free(serials);
}

/* Of a <serial> without <target port=>. */
#define UNASSIGNED_PORT G_MAXUINT

/* @max: of the numbers that are the machine's; G_MAXINT where they are not */
static void parse_target_port(XmlWalk *walk, xmlNode *target, guint max, DomainSerial *serial)
{
	const char *text = xml_walk_attribute(walk, target, "port");
	guint64 port = 0;

	if (!text)
		return;
	if (!xml_walk_number(text, &port) || port > G_MAXINT)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a port's number"),
			       "port", xml_walk_path(walk, target), xml_walk_quote(walk, text));
	else if (port > max)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'port' of element '%s' is '%s': the machine has ports "
				 "0 and 1"),
			       xml_walk_path(walk, target), xml_walk_quote(walk, text));
	serial->port = (guint)port;
}

/* What <serial> and <console> have in common. */
static void parse_port(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainSerial *serial)
{
	xmlNode *alias = xml_walk_child(walk, node, "alias");
	const char *alias_name = xml_walk_attribute_required(walk, alias, "name");

	domain_parse_chardev(walk, node, flags, FALSE, &serial->chardev);
	if (!(flags & DOMAIN_PARSE_INACTIVE))
		serial->alias = g_strdup(alias_name);
}

static void parse_serial(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainSerial *serial)
{
	xmlNode *target = xml_walk_child(walk, node, "target");
	xmlNode *model = xml_walk_child(walk, target, "model");

	serial->port = UNASSIGNED_PORT;
	parse_port(walk, node, flags, serial);
	domain_parse_only(walk, model, "name", "isa-serial");
	parse_target_port(walk, target, DOMAIN_MAX_SERIALS - 1, serial);
}

/* Where the debug console is. QEMU can move it; what firmware writes to is one port. */
static void parse_debug_console_address(XmlWalk *walk, xmlNode *address)
{
	const char *text = xml_walk_attribute(walk, address, "iobase");
	const char *digits = text && g_str_has_prefix(text, "0x") ? text + 2 : text;
	guint64 port = 0;

	if (!address)
		return;
	if (!domain_parse_only(walk, address, "type", "isa"))
		xml_walk_attribute_required(walk, address, "type");
	if (!text)
		return;
	if (!g_ascii_string_to_unsigned(digits, 16, 0, G_MAXUINT16, &port, NULL))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a port as '0x402'"),
			       "iobase", xml_walk_path(walk, address), xml_walk_quote(walk, text));
	else if (port != DOMAIN_DEBUG_CONSOLE_PORT)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'iobase' of element '%s' is '%s': the machine's debug "
				 "console is at 0x%x"),
			       xml_walk_path(walk, address), xml_walk_quote(walk, text),
			       DOMAIN_DEBUG_CONSOLE_PORT);
}

static void parse_debug_console(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
				DomainDef *def)
{
	xmlNode *target = xml_walk_child(walk, node, "target");
	xmlNode *model = xml_walk_child(walk, target, "model");

	if (def->debug_console) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("more than one element 'devices/serial' with target type "
				 "'isa-debug': the machine has one debug console"));
		return;
	}
	def->debug_console = g_new0(DomainSerial, 1);
	def->debug_console->port = UNASSIGNED_PORT;
	parse_port(walk, node, flags, def->debug_console);
	if (def->debug_console->chardev.type == DOMAIN_CHARDEV_UNIX ||
	    def->debug_console->chardev.type == DOMAIN_CHARDEV_TCP)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s': the debug console is no socket, only 'pty', 'file' "
				 "and 'null'"),
			       xml_walk_path(walk, node));
	domain_parse_only(walk, model, "name", "isa-debugcon");
	parse_target_port(walk, target, G_MAXINT, def->debug_console);
	parse_debug_console_address(walk, xml_walk_child(walk, node, "address"));
}

static gboolean is_debug_console(XmlWalk *walk, xmlNode *serial)
{
	xmlNode *target = xml_walk_child(walk, serial, "target");
	const char *type = xml_walk_attribute(walk, target, "type");

	if (!type || strcmp(type, "isa-serial") == 0)
		return FALSE;
	if (strcmp(type, "isa-debug") != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'type' of element '%s' is '%s': supported are "
				 "'isa-serial' and 'isa-debug'"),
			       xml_walk_path(walk, target), xml_walk_quote(walk, type));
	return TRUE;
}

static void parse_console(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			  DomainSerial *serial)
{
	xmlNode *target = xml_walk_child(walk, node, "target");

	parse_port(walk, node, flags, serial);
	/* The terminal once more: libvirt prints it in both places while a domain runs. */
	if (serial->chardev.type == DOMAIN_CHARDEV_PTY)
		xml_walk_attribute(walk, node, "tty");
	domain_parse_only(walk, target, "type", "serial");
	domain_parse_only(walk, target, "port", "0");
}

/* A port without a number follows the highest before it; then by number. */
static void number_ports(XmlWalk *walk, DomainDef *def)
{
	DomainSerial *serials = def->serials;
	guint next = 0;

	for (guint i = 0; i < def->n_serials; i++) {
		if (serials[i].port == UNASSIGNED_PORT)
			serials[i].port = next;
		next = MAX(next, serials[i].port + 1);
	}
	if (next > DOMAIN_MAX_SERIALS) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'devices/serial' without a port follows port %d, which "
				 "is the machine's last"),
			       DOMAIN_MAX_SERIALS - 1);
		return;
	}

	if (def->n_serials == 2 && serials[0].port > serials[1].port) {
		const DomainSerial second = serials[0];

		serials[0] = serials[1];
		serials[1] = second;
	}
	if (def->n_serials == 2 && serials[0].port == serials[1].port)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("two elements 'devices/serial' have the port %u"),
			       serials[0].port);
	else if (serials[0].port != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'devices/serial' with port %u needs one with port 0"),
			       serials[0].port);
}

void domain_parse_one_serial(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainDef *def)
{
	if (is_debug_console(walk, node)) {
		parse_debug_console(walk, node, flags, def);
	} else {
		def->serials = g_new0(DomainSerial, 1);
		parse_serial(walk, node, flags, &def->serials[def->n_serials++]);
	}
}

static void parse_serials(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *node = NULL;

	def->serials = g_new0(DomainSerial, DOMAIN_MAX_SERIALS);
	while ((node = xml_walk_next(walk, devices, node, "serial"))) {
		if (is_debug_console(walk, node))
			parse_debug_console(walk, node, flags, def);
		else if (def->n_serials < DOMAIN_MAX_SERIALS)
			parse_serial(walk, node, flags, &def->serials[def->n_serials++]);
		else
			xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
				       ngettext("more than %d element 'devices/serial': the "
						"machine has no more serial ports",
						"more than %d elements 'devices/serial': the "
						"machine has no more serial ports",
						DOMAIN_MAX_SERIALS),
				       DOMAIN_MAX_SERIALS);
	}
	if (def->n_serials > 0 && !walk->error)
		number_ports(walk, def);
}

/* The <console> that is a serial port, or NULL; others are virtio-serial.c's. */
static xmlNode *find_console(XmlWalk *walk, xmlNode *devices)
{
	xmlNode *found = NULL;
	xmlNode *node = NULL;

	while ((node = xml_walk_next(walk, devices, node, "console"))) {
		if (domain_is_virtio_console(walk, node))
			continue;
		if (found)
			xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
				       _("more than one element 'devices/console' that is a serial "
					 "port: others need the target type 'virtio'"));
		found = node;
	}
	return found;
}

/* The console is the first serial port seen from the other side: either brings the other. */
static void parse_ports(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *node = find_console(walk, devices);
	g_auto(DomainSerial) console = { 0 };

	parse_serials(walk, devices, flags, def);
	if (node)
		parse_console(walk, node, flags, &console);
	if (walk->error || (!node && def->n_serials == 0))
		return;

	def->console_present = TRUE;
	if (def->n_serials == 0) {
		def->n_serials = 1;
		def->serials[0] = console;
		memset(&console, 0, sizeof(console));
	} else if (node && !domain_chardev_equal(&def->serials[0].chardev, &console.chardev)) {
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element 'devices/console' differs from 'devices/serial': both "
				 "are the same port"));
	}
}

/* As in libvirt, it comes after all ports, wherever it is in the document. */
static void number_debug_console(XmlWalk *walk, DomainDef *def)
{
	if (!def->debug_console || walk->error)
		return;
	if (def->debug_console->port == UNASSIGNED_PORT)
		def->debug_console->port = def->n_serials;
	else if (def->debug_console->port < def->n_serials)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element 'devices/serial' with target type 'isa-debug' has the "
				 "port %u, which is a serial port's: leave it out"),
			       def->debug_console->port);
}

void domain_parse_serials(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def)
{
	parse_ports(walk, devices, flags, def);
	number_debug_console(walk, def);
}

static void format_serial(XmlWriter *writer, const DomainSerial *serial, gboolean is_debug_console,
			  gboolean live)
{
	xml_writer_start(writer, "serial");
	domain_format_chardev_type(writer, &serial->chardev);
	domain_format_chardev(writer, &serial->chardev, live);
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "type", is_debug_console ? "isa-debug" : "isa-serial");
	xml_writer_attribute_number(writer, "port", serial->port);
	xml_writer_element_with(writer, "model", "name",
				is_debug_console ? "isa-debugcon" : "isa-serial");
	xml_writer_end(writer);
	if (live && serial->alias)
		xml_writer_element_with(writer, "alias", "name", serial->alias);
	if (is_debug_console) {
		xml_writer_start(writer, "address");
		xml_writer_attribute(writer, "type", "isa");
		domain_format_hex(writer, "iobase", DOMAIN_DEBUG_CONSOLE_PORT, 3);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

static void format_console(XmlWriter *writer, const DomainSerial *serial, gboolean live)
{
	xml_writer_start(writer, "console");
	domain_format_chardev_type(writer, &serial->chardev);
	if (live && serial->chardev.type == DOMAIN_CHARDEV_PTY)
		xml_writer_attribute(writer, "tty", serial->chardev.path);
	domain_format_chardev(writer, &serial->chardev, live);
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "type", "serial");
	xml_writer_attribute_number(writer, "port", serial->port);
	xml_writer_end(writer);
	if (live && serial->alias)
		xml_writer_element_with(writer, "alias", "name", serial->alias);
	xml_writer_end(writer);
}

void domain_format_serials(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	for (guint i = 0; i < def->n_serials; i++)
		format_serial(writer, &def->serials[i], FALSE, live);
	if (def->debug_console)
		format_serial(writer, def->debug_console, TRUE, live);
	if (def->console_present && def->n_serials > 0)
		format_console(writer, &def->serials[0], live);
}

gboolean domain_check_serials(const DomainDef *def, GError **error)
{
	for (guint i = 0; i < def->n_serials; i++)
		if (!domain_check_chardev("devices/serial", &def->serials[i].chardev, error))
			return FALSE;

	return !def->debug_console ||
	       domain_check_chardev("devices/serial", &def->debug_console->chardev, error);
}

/*
 * Ports that come and go.
 */

static gboolean attach_debug_console(DomainDef *def, const DomainSerial *wanted, GError **error)
{
	if (def->debug_console)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain already has a debug console"));
	def->debug_console = domain_copy_serials(wanted, 1);
	if (def->debug_console->port == UNASSIGNED_PORT)
		def->debug_console->port = def->n_serials;
	return TRUE;
}

static guint find_port(const DomainDef *def, guint port)
{
	guint i = 0;

	while (i < def->n_serials && def->serials[i].port != port)
		i++;
	return i;
}

static guint choose_port(const DomainDef *def)
{
	guint port = 0;

	while (find_port(def, port) < def->n_serials)
		port++;
	return port;
}

/* At the place of its number. */
static void insert_port(DomainDef *def, const DomainSerial *wanted, guint port)
{
	g_autofree DomainSerial *copy = domain_copy_serials(wanted, 1);
	guint place = 0;

	copy->port = port;
	while (place < def->n_serials && def->serials[place].port < port)
		place++;
	def->serials = g_renew(DomainSerial, def->serials, def->n_serials + 1);
	memmove(&def->serials[place + 1], &def->serials[place],
		(def->n_serials - place) * sizeof(*def->serials));
	def->serials[place] = *copy;
	def->n_serials++;
	def->console_present = TRUE;
}

gboolean domain_attach_serial(DomainDef *def, const DomainDef *part, GError **error)
{
	const DomainSerial *wanted = part->serials;
	guint port;

	if (part->debug_console)
		return attach_debug_console(def, part->debug_console, error);
	port = wanted->port == UNASSIGNED_PORT ? choose_port(def) : wanted->port;
	if (find_port(def, port) < def->n_serials)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain already has a serial port %u"), port);
	if (port >= DOMAIN_MAX_SERIALS)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("the machine has no more than %d serial ports"),
				    DOMAIN_MAX_SERIALS);
	insert_port(def, wanted, port);
	/* It has a number that no port has. */
	if (def->debug_console && def->debug_console->port < def->n_serials)
		def->debug_console->port = def->n_serials;
	return TRUE;
}

static gboolean may_be(const DomainSerial *serial, const DomainSerial *wanted)
{
	return serial->chardev.type == wanted->chardev.type &&
	       (wanted->port == UNASSIGNED_PORT || wanted->port == serial->port);
}

static gboolean refuse_missing(GError **error)
{
	return driver_error(error, VIR_ERR_DEVICE_MISSING,
			    _("no device '%s' is as the document says"), "serial");
}

static gboolean detach_debug_console(DomainDef *def, const DomainSerial *wanted, GError **error)
{
	if (!def->debug_console || !may_be(def->debug_console, wanted))
		return refuse_missing(error);
	domain_free_serials(def->debug_console, 1);
	def->debug_console = NULL;
	return TRUE;
}

static void remove_port(DomainDef *def, guint place)
{
	domain_serial_clear(&def->serials[place]);
	def->n_serials--;
	memmove(&def->serials[place], &def->serials[place + 1],
		(def->n_serials - place) * sizeof(*def->serials));
	def->console_present = def->n_serials > 0;
}

gboolean domain_detach_serial(DomainDef *def, const DomainDef *part, GError **error)
{
	guint place = def->n_serials;

	if (part->debug_console)
		return detach_debug_console(def, part->debug_console, error);
	for (guint i = 0; i < def->n_serials; i++) {
		if (!may_be(&def->serials[i], part->serials))
			continue;
		if (place < def->n_serials)
			return driver_error(error, VIR_ERR_OPERATION_FAILED,
					    _("several devices '%s' are as the document says: say "
					      "which by its target's port"),
					    "serial");
		place = i;
	}
	if (place == def->n_serials)
		return refuse_missing(error);
	remove_port(def, place);
	return TRUE;
}
