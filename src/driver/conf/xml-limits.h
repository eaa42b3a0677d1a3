/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml-limits.h - what a document may have, looked at before libxml2 sees it
 *
 * Theory of operation
 *
 * libxml2 2.9, which Debian 12 and 13 have, compares each attribute of an element with each one
 * before it, and looks for a namespace through all that are declared: one element with 330,000
 * attributes keeps it busy for minutes, inside one call that nothing can end. Newer versions use
 * hash tables, but build a tree of some fifty times the text's size as well. Feeding the parser by
 * pieces would not help, since an element's start is parsed in one piece. So the text is counted
 * first, in one pass.
 *
 * The pass does not parse, because whoever parses in another way than libxml2 can be misled: by a
 * comment that libxml2 gives up in the middle of, for one. It only knows that libxml2 begins an
 * element where there is '<', whatever stands before, and that no attribute reaches beyond the
 * next '<', because no value can have one. So it begins anew at every '<', within comments and
 * CDATA sections too, and counts as an attribute each quoted value after '='. It may count what
 * is none; it never counts fewer than libxml2 can find. tests/fuzz/domain-xml-fuzz.c holds both
 * against each other.
 *
 * Other encodings than UTF-8 would hide '<'. A text that is valid UTF-8 begins with none of the
 * bytes that libxml2 takes for a sign of another.
 */
#pragma once

#include <glib.h>

/* An element's attributes, declarations of namespaces among them. */
#define XML_MAX_ATTRIBUTES 256

/* Declarations of namespaces in a document. */
#define XML_MAX_NAMESPACES 1024

/* Elements, comments, CDATA sections and processing instructions of a document. Validation by a
 * schema takes time in proportion to the square of the children of an element. */
#define XML_MAX_NODES 16384

/* Attributes of a document. */
#define XML_MAX_ALL_ATTRIBUTES 65536

/* What a text has at most: libxml2 finds no more than that in it. */
typedef struct {
	guint nodes;
	guint attributes;
	guint namespaces;
	guint most_attributes; /* of one element */
} XmlCounts;

/*
 * xml_limits_count - count what a text could become
 * @xml: NUL-terminated UTF-8
 *
 * Takes time in proportion to the text's length, and no memory.
 */
void xml_limits_count(const char *xml, XmlCounts *counts);

/*
 * xml_limits_check - whether a text is within the limits
 * @xml:  @length bytes, in which no byte is 0, and a NUL
 * @what: name of the kind of document, for messages
 *
 * Return: FALSE with VIR_ERR_XML_DETAIL for a text that is not UTF-8 or has control characters,
 * with the line, or VIR_ERR_XML_ERROR that has the number and the limit.
 */
gboolean xml_limits_check(const char *xml, gsize length, const char *what, GError **error);
