/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-parse-values.c - kinds of values that many elements of <domain> have
 */
#include <string.h>

#include "driver/conf/domain-parse.h"

gboolean domain_parse_only(XmlWalk *walk, xmlNode *node, const char *name, const char *only)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return FALSE;
	if (strcmp(value, only) != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       "attribute '%s' of element '%s' is '%s': only '%s' is supported",
			       name, xml_walk_path(walk, node), xml_walk_quote(walk, value), only);
	return TRUE;
}

void domain_parse_wrong_value(XmlWalk *walk, xmlNode *node, const char *attribute,
			      const char *value, const char *wanted)
{
	const char *path = xml_walk_path(walk, node);
	const char *quoted = xml_walk_quote(walk, value);

	if (attribute)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       "attribute '%s' of element '%s' is '%s', not %s", attribute, path,
			       quoted, wanted);
	else
		xml_walk_error(walk, VIR_ERR_XML_ERROR, "element '%s' is '%s', not %s", path,
			       quoted, wanted);
}

DomainSwitch domain_parse_switch(XmlWalk *walk, xmlNode *node, const char *name, const char *no,
				 const char *yes)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return DOMAIN_SWITCH_ABSENT;
	if (strcmp(value, no) == 0)
		return DOMAIN_SWITCH_NO;
	if (strcmp(value, yes) != 0) {
		g_autofree char *wanted = g_strdup_printf("'%s' or '%s'", yes, no);

		domain_parse_wrong_value(walk, node, name, value, wanted);
	}
	return DOMAIN_SWITCH_YES;
}

/* "'a', 'b' or 'c'" */
static char *list_of_names(const char *const *names)
{
	GString *list = g_string_new(NULL);

	for (guint i = 0; names[i]; i++) {
		if (i > 0)
			g_string_append(list, names[i + 1] ? ", " : " or ");
		g_string_append_printf(list, "'%s'", names[i]);
	}
	return g_string_free(list, FALSE);
}

int domain_parse_choice(XmlWalk *walk, xmlNode *node, const char *name, const char *const *names)
{
	const char *value = xml_walk_attribute(walk, node, name);
	g_autofree char *wanted = NULL;

	if (!value)
		return -1;
	for (int i = 0; names[i]; i++)
		if (strcmp(value, names[i]) == 0)
			return i;

	wanted = list_of_names(names);
	domain_parse_wrong_value(walk, node, name, value, wanted);
	return -1;
}

gboolean domain_parse_flag(XmlWalk *walk, xmlNode *parent, const char *name)
{
	return xml_walk_child(walk, parent, name) != NULL;
}

typedef struct {
	const char *name;
	guint64 bytes;
} MemoryUnit;

static const MemoryUnit memory_units[] = {
	{ "b", 1 },
	{ "bytes", 1 },
	{ "KB", 1000 },
	{ "k", 1024 },
	{ "KiB", 1024 },
	{ "MB", 1000 * 1000 },
	{ "M", 1024 * 1024 },
	{ "MiB", 1024 * 1024 },
	{ "GB", 1000 * 1000 * 1000 },
	{ "G", 1024 * 1024 * 1024 },
	{ "GiB", 1024 * 1024 * 1024 },
	{ "TB", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 },
	{ "T", G_GUINT64_CONSTANT(1) << 40 },
	{ "TiB", G_GUINT64_CONSTANT(1) << 40 },
	{ "PB", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 * 1000 },
	{ "P", G_GUINT64_CONSTANT(1) << 50 },
	{ "PiB", G_GUINT64_CONSTANT(1) << 50 },
	{ "EB", G_GUINT64_CONSTANT(1000) * 1000 * 1000 * 1000 * 1000 * 1000 },
	{ "E", G_GUINT64_CONSTANT(1) << 60 },
	{ "EiB", G_GUINT64_CONSTANT(1) << 60 },
};

guint64 domain_parse_kib(XmlWalk *walk, xmlNode *node, const char *attribute)
{
	const char *unit = xml_walk_attribute(walk, node, "unit");
	const char *text = attribute ? xml_walk_attribute_required(walk, node, attribute) :
				       xml_walk_text(walk, node);
	const MemoryUnit *found = NULL;
	guint64 number = 0;
	guint64 bytes = 0;

	if (!text)
		return 0;

	for (gsize i = 0; i < G_N_ELEMENTS(memory_units) && !found; i++)
		if (g_ascii_strcasecmp(unit ? unit : "KiB", memory_units[i].name) == 0)
			found = &memory_units[i];

	if (!found) {
		domain_parse_wrong_value(walk, node, "unit", unit, "a unit of memory");
		return 0;
	}
	if (!xml_walk_number(text, &number)) {
		domain_parse_wrong_value(walk, node, attribute, text, "a number below 2^64");
		return 0;
	}
	if (!g_uint64_checked_mul(&bytes, number, found->bytes) || bytes > G_MAXUINT64 - 1023) {
		xml_walk_error(walk, VIR_ERR_OVERFLOW, "element '%s': '%s %s' is too large",
			       xml_walk_path(walk, node), xml_walk_quote(walk, text), found->name);
		return 0;
	}

	return (bytes + 1023) / 1024;
}
