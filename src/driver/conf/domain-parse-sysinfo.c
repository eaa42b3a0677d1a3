/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse-sysinfo.c - <sysinfo type='smbios'>
 *
 * The model keeps entries in libvirt's order, whatever the document's: block by block, and in
 * a block as the table below has them.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parse.h"

#define MAX_ENTRIES 7

typedef struct {
	const char *name;
	const char *entries[MAX_ENTRIES + 1]; /* none: entries have no names, and any number */
} SysinfoBlock;

static const SysinfoBlock blocks[] = {
	{ "bios", { "vendor", "version", "date", "release" } },
	{ "system", { "manufacturer", "product", "version", "serial", "uuid", "sku", "family" } },
	{ "baseBoard", { "manufacturer", "product", "version", "serial", "asset", "location" } },
	{ "chassis", { "manufacturer", "version", "serial", "asset", "sku" } },
	{ "oemStrings", { NULL } },
};

static void add_entry(DomainDef *def, const char *block, const char *name, const char *value)
{
	DomainSysinfoEntry *entry = g_new0(DomainSysinfoEntry, 1);

	entry->block = g_strdup(block);
	entry->name = g_strdup(name);
	entry->value = g_strdup(value);
	g_ptr_array_add(def->sysinfo, entry);
}

static const char *entry_value(XmlWalk *walk, xmlNode *node)
{
	const char *value = xml_walk_text(walk, node);

	/* A string of no length ends the strings of an SMBIOS structure. */
	if (value && !*value)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s' is empty"),
			       xml_walk_path(walk, node));
	return value;
}

static void parse_nameless_entries(XmlWalk *walk, xmlNode *node, const char *block, DomainDef *def)
{
	xmlNode *entry = NULL;

	while ((entry = xml_walk_next(walk, node, entry, "entry"))) {
		const char *value = entry_value(walk, entry);

		if (value)
			add_entry(def, block, NULL, value);
	}
}

static void parse_named_entries(XmlWalk *walk, xmlNode *node, const SysinfoBlock *block,
				DomainDef *def)
{
	const char *values[MAX_ENTRIES] = { NULL };
	xmlNode *entry = NULL;

	while ((entry = xml_walk_next(walk, node, entry, "entry"))) {
		const char *value = entry_value(walk, entry);
		int index = -1;

		if (!xml_walk_attribute_required(walk, entry, "name"))
			return;
		index = domain_parse_choice(walk, entry, "name", block->entries);
		if (index < 0)
			return;
		if (values[index])
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element '%s' with name '%s' appears more than once"),
				       xml_walk_path(walk, entry), block->entries[index]);
		values[index] = value;
	}

	for (guint i = 0; i < MAX_ENTRIES; i++)
		if (values[i])
			add_entry(def, block->name, block->entries[i], values[i]);
}

/* The guest finds one UUID, whoever names it: libvirt takes it from here when <uuid> is absent. */
static void use_system_uuid(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	for (guint i = 0; i < def->sysinfo->len; i++) {
		DomainSysinfoEntry *entry = def->sysinfo->pdata[i];
		guint8 uuid[DOMAIN_UUID_SIZE];

		if (g_strcmp0(entry->name, "uuid") != 0)
			continue;

		if (!uuid_parse(entry->value, uuid)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element 'sysinfo/system/entry' with name 'uuid' is '%s', "
					 "not a UUID"),
				       xml_walk_quote(walk, entry->value));
			return;
		}
		if (!xml_walk_child(walk, root, "uuid"))
			memcpy(def->uuid, uuid, sizeof(uuid));
		else if (memcmp(def->uuid, uuid, sizeof(uuid)) != 0)
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("UUID mismatch between element 'uuid' and element "
					 "'sysinfo/system/entry' with name 'uuid'"));

		g_free(entry->value);
		entry->value = g_malloc(VIR_UUID_STRING_BUFLEN);
		uuid_format(uuid, entry->value);
	}
}

void domain_parse_sysinfo(XmlWalk *walk, xmlNode *root, DomainDef *def)
{
	xmlNode *sysinfo = NULL;

	while ((sysinfo = xml_walk_next(walk, root, sysinfo, "sysinfo"))) {
		if (!xml_walk_attribute_required(walk, sysinfo, "type") ||
		    !domain_parse_only(walk, sysinfo, "type", "smbios") || walk->error)
			return;
		if (def->sysinfo) {
			xml_walk_error(
				walk, VIR_ERR_XML_ERROR,
				_("element 'sysinfo' with type 'smbios' appears more than once"));
			return;
		}

		def->sysinfo = domain_sysinfo_new();
		for (guint i = 0; i < G_N_ELEMENTS(blocks); i++) {
			xmlNode *node = xml_walk_child(walk, sysinfo, blocks[i].name);

			if (blocks[i].entries[0])
				parse_named_entries(walk, node, &blocks[i], def);
			else
				parse_nameless_entries(walk, node, blocks[i].name, def);
		}
		use_system_uuid(walk, root, def);
	}
}
