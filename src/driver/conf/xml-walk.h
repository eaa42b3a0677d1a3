/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml-walk.h - read an XML document so that nothing in it is overlooked
 *
 * Theory of operation
 *
 * A reader that asks for the elements it knows, and ignores the rest, promises a user what it
 * never does: the disk that was asked for is simply not there. So every element, attribute and
 * text that is asked for here is marked in the tree, and xml_walk_finish() looks for whatever
 * bears no mark.
 *
 * An XmlWalk holds the first error; once there is one, every function returns its "absent"
 * answer at once. A parser is then a straight list of questions, and checks once, at the end.
 *
 * Strings that the functions return live as long as the walk. Only names without a namespace
 * match: <q:name> is not <name>.
 */
#pragma once

#include <glib.h>
#include <libvirt/virterror.h>
#include <libxml/tree.h>

/* Names and values from the document are quoted in messages up to this many bytes. */
#define XML_WALK_QUOTE 80

typedef struct {
	xmlNode *root;
	GStringChunk *strings;
	GError *error; /* the first one */
} XmlWalk;

/*
 * xml_document_read - text to tree
 * @xml:  NUL-terminated
 * @what: name of the kind of document, "domain_definition", for messages
 * @max_bytes: longer documents are refused before they are parsed
 *
 * The text is UTF-8, whatever its XML declaration says: libvirt's protocol carries no other.
 * Reads no file and opens no connection. A document type declaration is refused: with it go
 * entities and whatever they expand to.
 *
 * Return: a document for xmlFreeDoc(), or NULL with VIR_ERR_XML_DETAIL or VIR_ERR_XML_ERROR.
 */
xmlDoc *xml_document_read(const char *xml, const char *what, gsize max_bytes, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

void xml_walk_init(XmlWalk *walk, xmlNode *root);
void xml_walk_clear(XmlWalk *walk);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(XmlWalk, xml_walk_clear)

/* Records the error if it is the first. */
void xml_walk_error(XmlWalk *walk, virErrorNumber code, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/*
 * xml_walk_finish - look for what nobody asked for
 *
 * Return: TRUE when there was no error and nothing is left; otherwise FALSE with the error,
 * VIR_ERR_CONFIG_UNSUPPORTED for an element or attribute that is left.
 */
gboolean xml_walk_finish(XmlWalk *walk, GError **error);

/* "os/loader": the names from below the root down to @node, for messages. Lives as the walk. */
const char *xml_walk_path(XmlWalk *walk, const xmlNode *node);

/* As much of @text as a message should quote, in one line. Lives as the walk. */
const char *xml_walk_quote(XmlWalk *walk, const char *text);

/* Return: the only child of that name, NULL when there is none; two are an error. */
xmlNode *xml_walk_child(XmlWalk *walk, xmlNode *parent, const char *name);

/* Return: the first child of that name after @previous (NULL: of all), or NULL. */
xmlNode *xml_walk_next(XmlWalk *walk, xmlNode *parent, xmlNode *previous, const char *name);

/* Return: the attribute's value, or NULL when it is absent or @node is NULL. */
const char *xml_walk_attribute(XmlWalk *walk, xmlNode *node, const char *name);

/* As above; absent is VIR_ERR_XML_ERROR. */
const char *xml_walk_attribute_required(XmlWalk *walk, xmlNode *node, const char *name);

/* Return: the text between the tags, "" when there is none, NULL when @node is NULL. */
const char *xml_walk_text(XmlWalk *walk, xmlNode *node);

/* The text of the only child of that name; NULL when there is no such child. */
const char *xml_walk_child_text(XmlWalk *walk, xmlNode *parent, const char *name);

/* Marks @node with all that is in it: somebody else reads it, or it is kept as it is. */
void xml_walk_take_all(XmlWalk *walk, xmlNode *node);

/* Reads a decimal number, blanks around it allowed. Return: FALSE for anything else. */
gboolean xml_walk_number(const char *text, guint64 *value);
