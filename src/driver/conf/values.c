/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* values.c - kinds of values that many elements of <domain> have */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/values.h"
#include "driver/error.h"

gboolean domain_parse_only(XmlWalk *walk, xmlNode *node, const char *name, const char *only)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return FALSE;
	if (strcmp(value, only) != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is '%s': only '%s' is supported"),
			       name, xml_walk_path(walk, node), xml_walk_quote(walk, value), only);
	return TRUE;
}

/* The error for a value that is none of two. */
static void refuse_both(XmlWalk *walk, xmlNode *node, const char *name, const char *value,
			const char *first, const char *second)
{
	xml_walk_error(walk, VIR_ERR_XML_ERROR,
		       _("attribute '%s' of element '%s' is '%s', not '%s' or '%s'"), name,
		       xml_walk_path(walk, node), xml_walk_quote(walk, value), first, second);
}

DomainSwitch domain_parse_switch(XmlWalk *walk, xmlNode *node, const char *name, const char *no,
				 const char *yes)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return DOMAIN_SWITCH_ABSENT;
	if (strcmp(value, no) == 0)
		return DOMAIN_SWITCH_NO;
	if (strcmp(value, yes) != 0)
		refuse_both(walk, node, name, value, yes, no);
	return DOMAIN_SWITCH_YES;
}

/* "'a', 'b', 'c'" */
static char *list_of_names(const char *const *names)
{
	GString *list = g_string_new(NULL);

	for (guint i = 0; names[i]; i++)
		g_string_append_printf(list, "%s'%s'", i > 0 ? ", " : "", names[i]);
	return g_string_free(list, FALSE);
}

static void refuse_all(XmlWalk *walk, xmlNode *node, const char *name, const char *value,
		       const char *const *names)
{
	g_autofree char *list = list_of_names(names);

	xml_walk_error(walk, VIR_ERR_XML_ERROR,
		       _("attribute '%s' of element '%s' is '%s', not one of %s"), name,
		       xml_walk_path(walk, node), xml_walk_quote(walk, value), list);
}

int domain_parse_choice(XmlWalk *walk, xmlNode *node, const char *name, const char *const *names)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value)
		return -1;
	for (int i = 0; names[i]; i++)
		if (strcmp(value, names[i]) == 0)
			return i;

	if (g_strv_length((GStrv)names) == 2)
		refuse_both(walk, node, name, value, names[0], names[1]);
	else
		refuse_all(walk, node, name, value, names);
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

/* @attribute: or NULL for the element's text */
static void refuse_number(XmlWalk *walk, xmlNode *node, const char *attribute, const char *text)
{
	if (attribute)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number below 2^64"),
			       attribute, xml_walk_path(walk, node), xml_walk_quote(walk, text));
	else
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' is '%s', not a number below 2^64"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, text));
}

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
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a unit of memory"),
			       "unit", xml_walk_path(walk, node), xml_walk_quote(walk, unit));
		return 0;
	}
	if (!xml_walk_number(text, &number)) {
		refuse_number(walk, node, attribute, text);
		return 0;
	}
	if (!g_uint64_checked_mul(&bytes, number, found->bytes) || bytes > G_MAXUINT64 - 1023) {
		xml_walk_error(walk, VIR_ERR_OVERFLOW, _("element '%s': '%s %s' is too large"),
			       xml_walk_path(walk, node), xml_walk_quote(walk, text), found->name);
		return 0;
	}

	return (bytes + 1023) / 1024;
}

gboolean domain_parse_number(XmlWalk *walk, xmlNode *node, const char *name, guint max,
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

void domain_format_switch(XmlWriter *writer, const char *name, DomainSwitch value, const char *no,
			  const char *yes)
{
	if (value != DOMAIN_SWITCH_ABSENT)
		xml_writer_attribute(writer, name, value == DOMAIN_SWITCH_YES ? yes : no);
}

void domain_format_hex(XmlWriter *writer, const char *name, guint value, int digits)
{
	g_autofree char *text = g_strdup_printf("0x%0*x", digits, value);

	xml_writer_attribute(writer, name, text);
}

gboolean domain_check_path(const char *element, const char *path, GError **error)
{
	if (!path || g_path_is_absolute(path))
		return TRUE;
	return driver_error(error, VIR_ERR_XML_ERROR,
			    _("element '%s': '%s' is not an absolute path"), element, path);
}
