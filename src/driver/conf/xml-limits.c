/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xml-limits.c - what a document may have, looked at before libxml2 sees it */
#include "driver/conf/xml-limits.h"

#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <string.h>

#include "driver/error.h"

static gboolean is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static gboolean is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* Whether the parser of names has to be asked. */
static gboolean may_begin_name(char c)
{
	return g_ascii_isalpha(c) || c == '_' || c == ':' || (guchar)c >= 0x80;
}

static gboolean is_namespace(const char *name)
{
	return strncmp(name, "xmlns", 5) == 0 &&
	       (name[5] == ':' || name[5] == '=' || is_blank(name[5]));
}

/*
 * Counts the attributes of the element that may begin behind a '<', at @at.
 *
 * Return: where the search for the next '<' goes on.
 */
static const char *count_attributes(const char *at, XmlCounts *counts)
{
	const char *name = at;	 /* where the last word begins */
	gboolean equals = FALSE; /* whether nothing but blanks has come since a '=' */
	guint attributes = 0;

	if (!may_begin_name(*at))
		return at;
	for (; *at && *at != '<' && *at != '>'; at++) {
		if (is_blank(*at))
			continue;
		if (is_quote(*at)) {
			const char ends[] = { *at, '<', '\0' };

			/* No value can begin here, and no attribute after it. */
			if (!equals)
				break;
			attributes++;
			counts->namespaces += is_namespace(name);
			at += 1 + strcspn(at + 1, ends);
			if (*at != ends[0])
				break;
		} else if (*at != '=' && (equals || is_blank(at[-1]) || is_quote(at[-1]))) {
			name = at;
		}
		equals = *at == '=';
	}
	counts->attributes += attributes;
	counts->most_attributes = MAX(counts->most_attributes, attributes);
	return at;
}

void xml_limits_count(const char *xml, XmlCounts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (const char *at = xml; (at = strchr(at, '<'));) {
		at++;
		counts->nodes += *at != '/';
		at = count_attributes(at, counts);
	}
}

static guint line_of(const char *xml, const char *at)
{
	guint line = 1;

	for (; xml < at; xml++)
		line += *xml == '\n';
	return line;
}

/* libxml2 reports each of such characters, which takes it seconds for millions of them. */
static gboolean check_characters(const char *xml, gsize length, const char *what, GError **error)
{
	const char *wrong = NULL;

	if (!g_utf8_validate(xml, (gssize)length, &wrong))
		return driver_error(error, VIR_ERR_XML_DETAIL, _("(%s):%u: the text is not UTF-8"),
				    what, line_of(xml, wrong));

	for (const char *at = xml; *at; at++)
		if ((guchar)*at < ' ' && !is_blank(*at))
			return driver_error(
				error, VIR_ERR_XML_DETAIL,
				_("(%s):%u: the control character U+%04X is not allowed"), what,
				line_of(xml, at), (guint)*at);
	return TRUE;
}

/*
 * A document type that is not well formed is not told to its handler, which would refuse it, and
 * what it declares is read on: attributes that each element has are among it.
 */
static gboolean check_declarations(const char *xml, const char *what, GError **error)
{
	static const char *const declarations[] = { "<!ATTLIST", "<!ELEMENT", "<!ENTITY",
						    "<!NOTATION" };

	if (!strstr(xml, "<!DOCTYPE"))
		return TRUE;
	for (gsize i = 0; i < G_N_ELEMENTS(declarations); i++)
		if (strstr(xml, declarations[i]))
			return driver_error(
				error, VIR_ERR_XML_ERROR,
				_("(%s): a document type declaration (DOCTYPE) is not allowed"),
				what);
	return TRUE;
}

gboolean xml_limits_check(const char *xml, gsize length, const char *what, GError **error)
{
	XmlCounts counts;

	if (!check_characters(xml, length, what, error) || !check_declarations(xml, what, error))
		return FALSE;

	xml_limits_count(xml, &counts);
	if (counts.most_attributes > XML_MAX_ATTRIBUTES)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    ngettext("(%s): %u attribute of one element, and %u are the "
					     "most that are read",
					     "(%s): %u attributes of one element, and %u are the "
					     "most that are read",
					     counts.most_attributes),
				    what, counts.most_attributes, XML_MAX_ATTRIBUTES);
	if (counts.namespaces > XML_MAX_NAMESPACES)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    ngettext("(%s): %u declaration of namespaces, and %u are the "
					     "most that are read",
					     "(%s): %u declarations of namespaces, and %u are the "
					     "most that are read",
					     counts.namespaces),
				    what, counts.namespaces, XML_MAX_NAMESPACES);
	if (counts.attributes > XML_MAX_ALL_ATTRIBUTES)
		return driver_error(
			error, VIR_ERR_XML_ERROR,
			ngettext("(%s): %u attribute, and %u are the most that are read",
				 "(%s): %u attributes, and %u are the most that are read",
				 counts.attributes),
			what, counts.attributes, XML_MAX_ALL_ATTRIBUTES);
	if (counts.nodes > XML_MAX_NODES)
		return driver_error(
			error, VIR_ERR_XML_ERROR,
			ngettext(
				"(%s): %u element or comment, and %u are the most that are read",
				"(%s): %u elements and comments, and %u are the most that are read",
				counts.nodes),
			what, counts.nodes, XML_MAX_NODES);
	return TRUE;
}
