/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sysinfo.c - <sysinfo type='smbios'>
 *
 * The model keeps entries in libvirt's order, whatever the document's: block by block, and in
 * a block as the table below has them.
 */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

/* Of SMBIOS strings: half of what the table's length, 16 bits in its 32-bit entry point, can
 * say, so that the other structures have room. */
#define MAX_BYTES 32768

static void free_sysinfo_entry(gpointer data)
{
	DomainSysinfoEntry *entry = data;

	g_free(entry->value);
	g_free(entry->name);
	g_free(entry->block);
	g_free(entry);
}

gpointer domain_copy_sysinfo_entry(gconstpointer data, gpointer user_data G_GNUC_UNUSED)
{
	const DomainSysinfoEntry *entry = data;
	DomainSysinfoEntry *copy = g_memdup2(entry, sizeof(*entry));

	copy->block = g_strdup(entry->block);
	copy->name = g_strdup(entry->name);
	copy->value = g_strdup(entry->value);
	return copy;
}

static GPtrArray *entries_new(void)
{
	return g_ptr_array_new_with_free_func(free_sysinfo_entry);
}

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

		def->sysinfo = entries_new();
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

/* Entries of one block follow each other: the parser has put them in order. */
void domain_format_sysinfo(XmlWriter *writer, const DomainDef *def)
{
	const char *block = NULL;

	if (!def->sysinfo)
		return;

	xml_writer_start(writer, "sysinfo");
	xml_writer_attribute(writer, "type", "smbios");
	for (guint i = 0; i < def->sysinfo->len; i++) {
		const DomainSysinfoEntry *entry = def->sysinfo->pdata[i];

		if (g_strcmp0(block, entry->block) != 0) {
			if (block)
				xml_writer_end(writer);
			xml_writer_start(writer, entry->block);
			block = entry->block;
		}
		xml_writer_start(writer, "entry");
		xml_writer_attribute(writer, "name", entry->name);
		xml_writer_text(writer, entry->value);
		xml_writer_end(writer);
	}
	if (block)
		xml_writer_end(writer);
	xml_writer_end(writer);
}

static gboolean has_control_character(const char *text)
{
	for (const char *at = text; *at; at = g_utf8_next_char(at))
		if (g_unichar_iscntrl(g_utf8_get_char(at)))
			return TRUE;
	return FALSE;
}

/* The forms that SMBIOS has for a BIOS's date and release (3.6, section 7.1). */
static gboolean check_bios_entry(const DomainSysinfoEntry *entry, GError **error)
{
	const gboolean is_date = strcmp(entry->name, "date") == 0;

	if (is_date && !g_regex_match_simple("^(0?[1-9]|1[0-2])/(0?[1-9]|[12][0-9]|3[01])/"
					     "([0-9]{2}|[0-9]{4})$",
					     entry->value, G_REGEX_DOLLAR_ENDONLY, 0))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'sysinfo/bios/entry' with name 'date' is '%.80s', "
				      "not a date as 'mm/dd/yyyy'"),
				    entry->value);
	if (strcmp(entry->name, "release") == 0 &&
	    !g_regex_match_simple("^(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\\."
				  "(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])$",
				  entry->value, G_REGEX_DOLLAR_ENDONLY, 0))
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("element 'sysinfo/bios/entry' with name 'release' is "
				      "'%.80s', not two numbers up to 255 as '4.2'"),
				    entry->value);
	return TRUE;
}

gboolean domain_check_sysinfo(const DomainDef *def, GError **error)
{
	gsize total = 0;

	if (def->smbios_sysinfo && !def->sysinfo)
		return driver_error(
			error, VIR_ERR_XML_ERROR,
			_("element 'os/smbios' with mode 'sysinfo' needs <sysinfo type='smbios'>"));

	for (guint i = 0; def->sysinfo && i < def->sysinfo->len; i++) {
		const DomainSysinfoEntry *entry = def->sysinfo->pdata[i];

		if (has_control_character(entry->value))
			return driver_error(
				error, VIR_ERR_XML_ERROR,
				_("element 'sysinfo/%s/entry' contains a control character"),
				entry->block);
		if (strcmp(entry->block, "bios") == 0 && !check_bios_entry(entry, error))
			return FALSE;
		total += strlen(entry->value) + 1;
	}
	if (total > MAX_BYTES)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    ngettext("element 'sysinfo' has %zu byte of text: the guest's "
					     "tables take %d",
					     "element 'sysinfo' has %zu bytes of text: the guest's "
					     "tables take %d",
					     total),
				    total, MAX_BYTES);
	return TRUE;
}
