/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse.c - from <domain> to its model
 *
 * What stands directly below <domain> and needs no file of its own; see domain-parts.h for how
 * the files work together. The order is the one in which the formatter prints.
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/pci.h"
#include "driver/conf/values.h"
#include "driver/conf/xml-writer.h"
#include "driver/error.h"

static void parse_uuid(XmlWalk *walk, xmlNode *node, guint8 *uuid)
{
	const char *text = xml_walk_text(walk, node);

	if (text && !uuid_parse(text, uuid))
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s' is '%s', not a UUID"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, text));
}

/* An empty one is made here, and stays, as with libvirt. */
static void parse_genid(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *genid = xml_walk_child(walk, root, "genid");
	const char *text = xml_walk_text(walk, genid);

	if (!genid)
		return;
	def->has_genid = TRUE;
	if (text && *text)
		parse_uuid(walk, genid, def->genid);
	else
		uuid_generate(def->genid);
}

static void parse_identity(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def)
{
	const char *type = xml_walk_attribute_required(walk, root, "type");
	const char *id = xml_walk_attribute(walk, root, "id");
	xmlNode *uuid = xml_walk_child(walk, root, "uuid");

	if (type && strcmp(type, "kvm") != 0)
		xml_walk_error(
			walk, VIR_ERR_CONFIG_UNSUPPORTED,
			_("attribute 'type' of element 'domain' is '%s': only 'kvm' is supported"),
			xml_walk_quote(walk, type));

	def->id = -1;
	if (id && !(flags & DOMAIN_PARSE_INACTIVE)) {
		guint64 number = 0;

		if (!xml_walk_number(id, &number) || number > G_MAXINT)
			xml_walk_error(
				walk, VIR_ERR_XML_ERROR,
				_("attribute '%s' of element '%s' is '%s', not a domain's number"),
				"id", xml_walk_path(walk, root), xml_walk_quote(walk, id));
		else
			def->id = (int)number;
	}

	def->name = g_strdup(xml_walk_child_text(walk, root, "name"));
	if (uuid)
		parse_uuid(walk, uuid, def->uuid);
	else
		uuid_generate(def->uuid);
	parse_genid(walk, root, def);

	def->title = g_strdup(xml_walk_child_text(walk, root, "title"));
	def->description = g_strdup(xml_walk_child_text(walk, root, "description"));
}

/* What applications keep there is theirs: it is printed again as it came. */
static void parse_metadata(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *metadata = xml_walk_child(walk, root, "metadata");
	g_autoptr(xmlDoc) alone = NULL;
	xmlNode *copy = NULL;

	if (!metadata)
		return;

	xml_walk_take_all(walk, metadata);

	/* The copy declares the namespaces that are declared further out in the document. */
	alone = xmlNewDoc((const xmlChar *)"1.0");
	copy = xmlDocCopyNode(metadata, alone, 1);
	if (!alone || !copy) {
		xml_walk_error(walk, VIR_ERR_NO_MEMORY, _("element 'metadata'"));
	} else {
		GString *text = g_string_new(NULL);
		xmlOutputBuffer *output = xml_output_to(text);

		/* An encoding keeps libxml2 from printing references for what is not ASCII. */
		alone->encoding = xmlStrdup((const xmlChar *)"UTF-8");
		xmlDocSetRootElement(alone, copy);
		xmlNodeDumpOutput(output, alone, copy, 0, 0, "UTF-8");
		xmlOutputBufferClose(output);
		def->metadata = g_string_free(text, FALSE);
	}
	if (copy && copy->parent != (xmlNode *)alone)
		xmlFreeNode(copy);
}

static void parse_vcpus(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *vcpu = xml_walk_child(walk, root, "vcpu");
	const char *text = xml_walk_text(walk, vcpu);
	const char *current = xml_walk_attribute(walk, vcpu, "current");
	guint64 count = 1;
	guint64 enabled = 0;

	domain_parse_only(walk, vcpu, "placement", "static");

	if (text && (!xml_walk_number(text, &count) || count > G_MAXUINT))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' is '%s', not a number of vCPUs"),
			       xml_walk_path(walk, vcpu), xml_walk_quote(walk, text));
	def->vcpus = (guint)count;

	if (current && (!xml_walk_number(current, &enabled) || enabled > G_MAXUINT))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number of vCPUs"),
			       "current", xml_walk_path(walk, vcpu), xml_walk_quote(walk, current));
	else if (current && enabled != count)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'current' of element 'vcpu' is %" PRIu64 " of %" PRIu64
				 ": vCPUs cannot be added later"),
			       enabled, count);
}

static DomainAction parse_action(XmlWalk *walk, xmlNode *root, const char *name,
				 DomainAction default_action)
{
	static const char *const coredumps[] = { "coredump-destroy", "coredump-restart", NULL };
	xmlNode *node = xml_walk_child(walk, root, name);
	const char *text = xml_walk_text(walk, node);

	if (!text)
		return default_action;
	if (strcmp(text, "destroy") == 0)
		return DOMAIN_ACTION_DESTROY;
	if (strcmp(text, "restart") == 0)
		return DOMAIN_ACTION_RESTART;
	if (strcmp(text, "preserve") == 0)
		return DOMAIN_ACTION_PRESERVE;

	if (g_strv_contains(coredumps, text))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is '%s': guest memory is private, and is not "
				 "dumped"),
			       name, text);
	else if (strcmp(text, "rename-restart") == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is '%s': a domain keeps its name"), name, text);
	else
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' is '%s', not 'destroy', 'restart' or 'preserve'"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, text));
	return default_action;
}

static void parse_lifecycle(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	def->on_poweroff = parse_action(walk, root, "on_poweroff", DOMAIN_ACTION_DESTROY);
	def->on_reboot = parse_action(walk, root, "on_reboot", DOMAIN_ACTION_RESTART);
	def->on_crash = parse_action(walk, root, "on_crash", DOMAIN_ACTION_DESTROY);
}

static DomainSwitch parse_suspend(XmlWalk *walk, xmlNode *pm, const char *name)
{
	xmlNode *node = xml_walk_child(walk, pm, name);
	DomainSwitch enabled = domain_parse_switch(walk, node, "enabled", "no", "yes");

	if (enabled == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' with enabled='yes': the machine cannot sleep"),
			       xml_walk_path(walk, node));
	return enabled;
}

static void parse_pm(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *pm = xml_walk_child(walk, root, "pm");

	def->suspend_to_mem = parse_suspend(walk, pm, "suspend-to-mem");
	def->suspend_to_disk = parse_suspend(walk, pm, "suspend-to-disk");
}

static void parse_root(XmlWalk *walk, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *root = walk->root;

	if (strcmp((const char *)root->name, "domain") != 0 || root->ns) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       root->ns ?
				       _("the root element is '%s' in a namespace, not 'domain'") :
				       _("the root element is '%s', not 'domain'"),
			       xml_walk_path(walk, root));
		return;
	}

	parse_identity(walk, root, flags, def);
	parse_metadata(walk, root, def);
	domain_parse_memory(walk, root, def);
	domain_parse_memory_backing(walk, root, def);
	parse_vcpus(walk, root, def);
	domain_parse_iothreads(walk, root, def);
	domain_parse_tune(walk, root, def);
	domain_parse_sysinfo(walk, root, def);
	domain_parse_os(walk, root, def);
	domain_parse_features(walk, root, def);
	domain_parse_cpu(walk, root, def);
	domain_parse_clock(walk, root, def);
	parse_lifecycle(walk, root, def);
	parse_pm(walk, root, def);
	domain_parse_devices(walk, root, flags, def);
	domain_parse_seclabel(walk, root, flags, def);
	domain_parse_launch_security(walk, root, def);
}

DomainDef *domain_def_parse(const char *xml, DomainParseFlags flags, GError **error)
{
	const gsize length = strnlen(xml, DOMAIN_XML_MAX_BYTES + 1);
	g_auto(DomainTurn) turn = { 0 };

	if (!domain_turn_take(&turn, length, flags & DOMAIN_PARSE_VALIDATE, error))
		return NULL;
	return domain_def_parse_in_turn(xml, flags, error);
}

DomainDef *domain_def_parse_in_turn(const char *xml, DomainParseFlags flags, GError **error)
{
	g_autoptr(xmlDoc)
		document = xml_document_read(xml, DOMAIN_DOCUMENT, DOMAIN_XML_MAX_BYTES, error);
	g_autoptr(DomainDef) def = NULL;
	g_auto(XmlWalk) walk = { 0 };

	if (!document)
		return NULL;
	if ((flags & DOMAIN_PARSE_VALIDATE) && !domain_schema_validate(document, error))
		return NULL;

	def = domain_def_new();
	xml_walk_init(&walk, xmlDocGetRootElement(document));
	parse_root(&walk, flags, def);
	if (!xml_walk_finish(&walk, error) || !domain_virtio_serial_complete(def, error))
		return NULL;
	domain_complete_devices(def);
	if (!domain_pci_complete(def, error) || !domain_def_validate(def, error))
		return NULL;

	return g_steal_pointer(&def);
}
