/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev.c - what is behind a serial port, a console or a channel */
#include "driver/conf/devices/chardev.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/values.h"
#include "driver/error.h"

static const char *const type_names[] = {
	[DOMAIN_CHARDEV_PTY] = "pty",	[DOMAIN_CHARDEV_FILE] = "file",
	[DOMAIN_CHARDEV_NULL] = "null", [DOMAIN_CHARDEV_UNIX] = "unix",
	[DOMAIN_CHARDEV_TCP] = "tcp",
};

void domain_chardev_clear(DomainChardev *chardev)
{
	g_clear_pointer(&chardev->path, g_free);
	g_clear_pointer(&chardev->host, g_free);
	g_clear_pointer(&chardev->log_path, g_free);
}

void domain_chardev_copy(DomainChardev *copy, const DomainChardev *chardev)
{
	*copy = *chardev;
	copy->path = g_strdup(chardev->path);
	copy->host = g_strdup(chardev->host);
	copy->log_path = g_strdup(chardev->log_path);
}

gboolean domain_chardev_equal(const DomainChardev *a, const DomainChardev *b)
{
	return a->type == b->type && a->append == b->append && a->is_server == b->is_server &&
	       a->service == b->service && a->log_append == b->log_append &&
	       g_strcmp0(a->path, b->path) == 0 && g_strcmp0(a->host, b->host) == 0 &&
	       g_strcmp0(a->log_path, b->log_path) == 0;
}

static DomainChardevType parse_type(XmlWalk *walk, xmlNode *node)
{
	const char *type = xml_walk_attribute_required(walk, node, "type");

	for (guint i = 0; type && i < G_N_ELEMENTS(type_names); i++)
		if (strcmp(type, type_names[i]) == 0)
			return (DomainChardevType)i;

	if (type)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'type' of element '%s' is '%s': supported are 'pty', "
				 "'file', 'null', 'unix' and 'tcp'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, type));
	return DOMAIN_CHARDEV_NULL;
}

/* libvirt connects where nothing is said. */
static gboolean parse_mode(XmlWalk *walk, xmlNode *source)
{
	static const char *const modes[] = { "connect", "bind", NULL };

	return domain_parse_choice(walk, source, "mode", modes) == 1;
}

static void parse_pty(XmlWalk *walk, xmlNode *source, DomainParseFlags flags,
		      DomainChardev *chardev)
{
	const char *path = xml_walk_attribute(walk, source, "path");

	/* The host chooses the terminal at each start; a given one is a former one. */
	if (!(flags & DOMAIN_PARSE_INACTIVE))
		chardev->path = g_strdup(path);
}

static void parse_file(XmlWalk *walk, xmlNode *source, DomainChardev *chardev)
{
	chardev->path = g_strdup(xml_walk_attribute_required(walk, source, "path"));
	chardev->append = domain_parse_switch(walk, source, "append", "off", "on") ==
			  DOMAIN_SWITCH_YES;
}

static void parse_unix(XmlWalk *walk, xmlNode *source, gboolean may_lack_path,
		       DomainChardev *chardev)
{
	chardev->is_server = parse_mode(walk, source);
	chardev->path = g_strdup(may_lack_path ? xml_walk_attribute(walk, source, "path") :
						 xml_walk_attribute_required(walk, source, "path"));
	/* There is nothing to connect to where the daemon is to choose. */
	if (!chardev->path)
		chardev->is_server = TRUE;
}

static void parse_tcp(XmlWalk *walk, xmlNode *node, xmlNode *source, DomainChardev *chardev)
{
	xmlNode *protocol = xml_walk_child(walk, node, "protocol");
	const char *service = xml_walk_attribute_required(walk, source, "service");
	guint64 number = 0;

	chardev->is_server = parse_mode(walk, source);
	chardev->host = g_strdup(xml_walk_attribute_required(walk, source, "host"));
	domain_parse_only(walk, source, "tls", "no");
	domain_parse_only(walk, protocol, "type", "raw");
	if (!service)
		return;
	if (!xml_walk_number(service, &number) || number == 0 || number > G_MAXUINT16)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a port's number"),
			       "service", xml_walk_path(walk, source),
			       xml_walk_quote(walk, service));
	chardev->service = (guint)number;
}

static void parse_source(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			 gboolean may_lack_path, DomainChardev *chardev)
{
	const gboolean may_lack_source = chardev->type == DOMAIN_CHARDEV_PTY ||
					 (chardev->type == DOMAIN_CHARDEV_UNIX && may_lack_path);
	xmlNode *source;

	if (chardev->type == DOMAIN_CHARDEV_NULL)
		return;
	source = xml_walk_child(walk, node, "source");
	if (!source && !may_lack_source) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/source' is missing"),
			       xml_walk_path(walk, node));
		return;
	}
	if (chardev->type == DOMAIN_CHARDEV_PTY)
		parse_pty(walk, source, flags, chardev);
	else if (chardev->type == DOMAIN_CHARDEV_FILE)
		parse_file(walk, source, chardev);
	else if (chardev->type == DOMAIN_CHARDEV_UNIX)
		parse_unix(walk, source, may_lack_path, chardev);
	else
		parse_tcp(walk, node, source, chardev);
}

static void parse_log(XmlWalk *walk, xmlNode *node, DomainChardev *chardev)
{
	xmlNode *log = xml_walk_child(walk, node, "log");

	chardev->log_path = g_strdup(xml_walk_attribute_required(walk, log, "file"));
	chardev->log_append = domain_parse_switch(walk, log, "append", "off", "on") ==
			      DOMAIN_SWITCH_YES;
}

void domain_parse_chardev(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			  gboolean may_lack_path, DomainChardev *chardev)
{
	chardev->type = parse_type(walk, node);
	parse_source(walk, node, flags, may_lack_path, chardev);
	parse_log(walk, node, chardev);
}

void domain_format_chardev_type(XmlWriter *writer, const DomainChardev *chardev)
{
	xml_writer_attribute(writer, "type", type_names[chardev->type]);
}

static void format_unix(XmlWriter *writer, const DomainChardev *chardev)
{
	if (!chardev->path)
		return;
	xml_writer_start(writer, "source");
	xml_writer_attribute(writer, "mode", chardev->is_server ? "bind" : "connect");
	xml_writer_attribute(writer, "path", chardev->path);
	xml_writer_end(writer);
}

static void format_tcp(XmlWriter *writer, const DomainChardev *chardev)
{
	xml_writer_start(writer, "source");
	xml_writer_attribute(writer, "mode", chardev->is_server ? "bind" : "connect");
	xml_writer_attribute(writer, "host", chardev->host);
	xml_writer_attribute_number(writer, "service", chardev->service);
	xml_writer_end(writer);
	xml_writer_element_with(writer, "protocol", "type", "raw");
}

static void format_source(XmlWriter *writer, const DomainChardev *chardev, gboolean live)
{
	switch (chardev->type) {
	case DOMAIN_CHARDEV_NULL:
		return;
	case DOMAIN_CHARDEV_PTY:
		if (live && chardev->path)
			xml_writer_element_with(writer, "source", "path", chardev->path);
		return;
	case DOMAIN_CHARDEV_FILE:
		xml_writer_start(writer, "source");
		xml_writer_attribute(writer, "path", chardev->path);
		if (chardev->append)
			xml_writer_attribute(writer, "append", "on");
		xml_writer_end(writer);
		return;
	case DOMAIN_CHARDEV_UNIX:
		format_unix(writer, chardev);
		return;
	case DOMAIN_CHARDEV_TCP:
		format_tcp(writer, chardev);
		return;
	}
}

void domain_format_chardev(XmlWriter *writer, const DomainChardev *chardev, gboolean live)
{
	format_source(writer, chardev, live);
	if (!chardev->log_path)
		return;
	xml_writer_start(writer, "log");
	xml_writer_attribute(writer, "file", chardev->log_path);
	xml_writer_attribute(writer, "append", chardev->log_append ? "on" : "off");
	xml_writer_end(writer);
}

gboolean domain_check_chardev(const char *element, const DomainChardev *chardev, GError **error)
{
	g_autofree char *source = g_strconcat(element, "/source", NULL);
	g_autofree char *log = g_strconcat(element, "/log", NULL);

	if (!domain_check_path(source, chardev->path, error) ||
	    !domain_check_path(log, chardev->log_path, error))
		return FALSE;
	if (chardev->type == DOMAIN_CHARDEV_UNIX && chardev->path &&
	    strlen(chardev->path) > DOMAIN_SOCKET_PATH_MAX)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element '%s': a socket's path cannot be longer than %d"),
				    source, DOMAIN_SOCKET_PATH_MAX);
	return TRUE;
}
