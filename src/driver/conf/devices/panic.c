/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* panic.c - <panic>: a port by which the guest's kernel says that it has failed */
#include "driver/conf/devices/panic.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

DomainPanic *domain_panic_copy(const DomainPanic *panic)
{
	DomainPanic *copy;

	if (!panic)
		return NULL;
	copy = g_memdup2(panic, sizeof(*panic));
	copy->alias = g_strdup(panic->alias);
	return copy;
}

void domain_panic_free(DomainPanic *panic)
{
	if (!panic)
		return;
	g_free(panic->alias);
	g_free(panic);
}

void domain_parse_one_panic(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *address = xml_walk_child(walk, node, "address");

	def->panic = g_new0(DomainPanic, 1);
	/* Without a model it is this one, as in libvirt. */
	domain_parse_only(walk, node, "model", "isa");
	def->panic->alias = domain_parse_alias(walk, node, flags);
	if (!address)
		return;
	if (!domain_parse_only(walk, address, "type", "isa"))
		xml_walk_attribute_required(walk, address, "type");
	domain_parse_number(walk, address, "iobase", G_MAXUINT16, &def->panic->port);
}

void domain_parse_panic(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *node = xml_walk_child(walk, devices, "panic");

	if (node)
		domain_parse_one_panic(walk, node, flags, def);
}

void domain_format_panic(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	if (!def->panic)
		return;
	xml_writer_start(writer, "panic");
	xml_writer_attribute(writer, "model", "isa");
	domain_format_alias(writer, def->panic->alias, live);
	if (def->panic->port) {
		xml_writer_start(writer, "address");
		xml_writer_attribute(writer, "type", "isa");
		domain_format_hex(writer, "iobase", def->panic->port, 1);
		xml_writer_end(writer);
	}
	xml_writer_end(writer);
}

gboolean domain_attach_panic(DomainDef *def, const DomainDef *part, GError **error)
{
	if (def->panic)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain already has a device '%s'"), "panic");
	def->panic = domain_panic_copy(part->panic);
	return TRUE;
}

static gboolean may_be(const DomainPanic *panic, const DomainPanic *wanted)
{
	return (!wanted->port || !panic->port || wanted->port == panic->port) &&
	       (!wanted->alias || !panic->alias || strcmp(wanted->alias, panic->alias) == 0);
}

gboolean domain_detach_panic(DomainDef *def, const DomainDef *part, GError **error)
{
	if (!def->panic || !may_be(def->panic, part->panic))
		return driver_error(error, VIR_ERR_DEVICE_MISSING,
				    _("no device '%s' is as the document says"), "panic");
	g_clear_pointer(&def->panic, domain_panic_free);
	return TRUE;
}
