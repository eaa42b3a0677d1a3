/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml-walk.c - read an XML document so that nothing in it is overlooked
 *
 * The marks are kept in libxml2's _private, which belongs to the application and starts as
 * NULL in every node and attribute.
 */
#include "driver/conf/xml-walk.h"

#include <glib/gi18n.h>
#include <libxml/parser.h>
#include <string.h>

#include "driver/conf/xml-limits.h"
#include "driver/error.h"

typedef enum {
	MARK_ELEMENT = 1 << 0, /* asked for, or an attribute that was */
	MARK_TEXT = 1 << 1,    /* its text was read */
	MARK_ALL = 1 << 2,     /* all that is in it */
} Mark;

static void mark(void **private_data, Mark added)
{
	*private_data = GUINT_TO_POINTER(GPOINTER_TO_UINT(*private_data) | added);
}

static gboolean is_marked(void *private_data, Mark wanted)
{
	return (GPOINTER_TO_UINT(private_data) & wanted) != 0;
}

/* A document type declaration ends the parse before anything in it is looked at. */
static void refuse_document_type(void *context, const xmlChar *name G_GNUC_UNUSED,
				 const xmlChar *external_id G_GNUC_UNUSED,
				 const xmlChar *system_id G_GNUC_UNUSED)
{
	xmlParserCtxt *parser = context;

	parser->_private = parser;
	xmlStopParser(parser);
}

static void report_parser_error(xmlParserCtxt *parser, const char *what, GError **error)
{
	const xmlError *cause = xmlCtxtGetLastError(parser);
	g_autofree char *message = NULL;

	if (!cause || !cause->message) {
		driver_error(error, VIR_ERR_XML_DETAIL, _("(%s): not well-formed XML"), what);
		return;
	}

	/* Some have several lines. */
	message = g_strdelimit(g_strchomp(g_strndup(cause->message, 1024)), "\r\n", ' ');
	driver_error(error, VIR_ERR_XML_DETAIL, "(%s):%d: %s", what, cause->line, message);
}

xmlDoc *xml_document_read(const char *xml, const char *what, gsize max_bytes, GError **error)
{
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
			    XML_PARSE_IGNORE_ENC;
	const gsize length = strnlen(xml, max_bytes + 1);
	g_autoptr(xmlDoc) document = NULL;
	xmlParserCtxt *parser = NULL;

	g_return_val_if_fail(max_bytes <= G_MAXINT, NULL);

	if (length > max_bytes) {
		driver_error(
			error, VIR_ERR_XML_ERROR,
			ngettext("(%s): longer than %zu byte, which is the longest that is read",
				 "(%s): longer than %zu bytes, which is the longest that is read",
				 max_bytes),
			what, max_bytes);
		return NULL;
	}
	if (!xml_limits_check(xml, length, what, error))
		return NULL;

	xmlInitParser();
	parser = xmlNewParserCtxt();
	if (!parser || !parser->sax) {
		driver_error(error, VIR_ERR_NO_MEMORY, _("XML parser"));
		xmlFreeParserCtxt(parser);
		return NULL;
	}

	parser->sax->internalSubset = refuse_document_type;
	document = xmlCtxtReadMemory(parser, xml, (int)length, NULL, "UTF-8", options);

	if (parser->_private) {
		driver_error(error, VIR_ERR_XML_ERROR,
			     _("(%s): a document type declaration (DOCTYPE) is not allowed"), what);
		g_clear_pointer(&document, xmlFreeDoc);
	} else if (!document || !xmlDocGetRootElement(document)) {
		report_parser_error(parser, what, error);
		g_clear_pointer(&document, xmlFreeDoc);
	}

	xmlFreeParserCtxt(parser);
	return g_steal_pointer(&document);
}

void xml_walk_init(XmlWalk *walk, xmlNode *root)
{
	walk->root = root;
	walk->strings = g_string_chunk_new(1024);
	walk->error = NULL;
	mark(&root->_private, MARK_ELEMENT);
}

void xml_walk_clear(XmlWalk *walk)
{
	g_clear_error(&walk->error);
	g_clear_pointer(&walk->strings, g_string_chunk_free);
	walk->root = NULL;
}

void xml_walk_error(XmlWalk *walk, virErrorNumber code, const char *format, ...)
{
	g_autofree char *detail = NULL;
	va_list arguments;

	if (walk->error)
		return;

	va_start(arguments, format);
	detail = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	driver_error(&walk->error, code, "%s", detail);
}

const char *xml_walk_quote(XmlWalk *walk, const char *text)
{
	const char *end = NULL;
	g_autofree char *line = NULL;
	g_autofree char *cut = NULL;

	line = g_strstrip(g_strdelimit(g_strdup(text), "\t\r\n", ' '));
	if (strlen(line) <= XML_WALK_QUOTE)
		return g_string_chunk_insert(walk->strings, line);

	/* Cut between characters, not inside one. */
	g_utf8_validate(line, XML_WALK_QUOTE, &end);
	cut = g_strdup_printf("%.*s...", (int)(end - line), line);
	return g_string_chunk_insert(walk->strings, cut);
}

/* "prefix:name", as the document's author wrote it. */
static void append_name(GString *out, const xmlChar *name, const xmlNs *ns)
{
	if (ns && ns->prefix)
		g_string_append_printf(out, "%.*s:", XML_WALK_QUOTE, (const char *)ns->prefix);
	g_string_append_printf(out, "%.*s", XML_WALK_QUOTE, (const char *)name);
}

static void append_path(const XmlWalk *walk, const xmlNode *node, GString *out)
{
	if (node == walk->root) {
		append_name(out, node->name, node->ns);
		return;
	}

	if (node->parent && node->parent != walk->root) {
		append_path(walk, node->parent, out);
		g_string_append_c(out, '/');
	}
	append_name(out, node->name, node->ns);
}

const char *xml_walk_path(XmlWalk *walk, const xmlNode *node)
{
	g_autoptr(GString) out = g_string_new(NULL);

	append_path(walk, node, out);
	return g_string_chunk_insert(walk->strings, out->str);
}

static gboolean is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && !node->ns &&
	       strcmp((const char *)node->name, name) == 0;
}

xmlNode *xml_walk_next(XmlWalk *walk, xmlNode *parent, xmlNode *previous, const char *name)
{
	if (walk->error || !parent)
		return NULL;

	for (xmlNode *node = previous ? previous->next : parent->children; node;
	     node = node->next) {
		if (is_named(node, name)) {
			mark(&node->_private, MARK_ELEMENT);
			return node;
		}
	}

	return NULL;
}

xmlNode *xml_walk_child(XmlWalk *walk, xmlNode *parent, const char *name)
{
	xmlNode *node = xml_walk_next(walk, parent, NULL, name);

	if (node && xml_walk_next(walk, parent, node, name)) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s' appears more than once"),
			       xml_walk_path(walk, node));
		return NULL;
	}

	return node;
}

const char *xml_walk_attribute(XmlWalk *walk, xmlNode *node, const char *name)
{
	if (walk->error || !node)
		return NULL;

	for (xmlAttr *attribute = node->properties; attribute; attribute = attribute->next) {
		const char *kept = NULL;
		xmlChar *value = NULL;

		if (attribute->ns || strcmp((const char *)attribute->name, name) != 0)
			continue;

		mark(&attribute->_private, MARK_ELEMENT);
		value = xmlNodeListGetString(node->doc, attribute->children, 1);
		kept = g_string_chunk_insert(walk->strings, value ? (const char *)value : "");
		xmlFree(value);
		return kept;
	}

	return NULL;
}

const char *xml_walk_attribute_required(XmlWalk *walk, xmlNode *node, const char *name)
{
	const char *value = xml_walk_attribute(walk, node, name);

	if (!value && node)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is missing"), name,
			       xml_walk_path(walk, node));
	return value;
}

static gboolean is_text(const xmlNode *node)
{
	return node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE;
}

const char *xml_walk_text(XmlWalk *walk, xmlNode *node)
{
	g_autoptr(GString) text = NULL;

	if (walk->error || !node)
		return NULL;

	mark(&node->_private, MARK_TEXT);
	text = g_string_new(NULL);
	for (const xmlNode *child = node->children; child; child = child->next)
		if (is_text(child) && child->content)
			g_string_append(text, (const char *)child->content);

	return g_string_chunk_insert(walk->strings, text->str);
}

const char *xml_walk_child_text(XmlWalk *walk, xmlNode *parent, const char *name)
{
	return xml_walk_text(walk, xml_walk_child(walk, parent, name));
}

void xml_walk_take_all(XmlWalk *walk G_GNUC_UNUSED, xmlNode *node)
{
	mark(&node->_private, MARK_ALL);
}

static void find_left_over(XmlWalk *walk, xmlNode *element)
{
	if (is_marked(element->_private, MARK_ALL))
		return;

	for (xmlAttr *attribute = element->properties; attribute; attribute = attribute->next) {
		g_autoptr(GString) name = NULL;

		if (is_marked(attribute->_private, MARK_ELEMENT))
			continue;
		name = g_string_new(NULL);
		append_name(name, attribute->name, attribute->ns);
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is not supported yet"), name->str,
			       xml_walk_path(walk, element));
		return;
	}

	for (xmlNode *child = element->children; child && !walk->error; child = child->next) {
		if (child->type == XML_ELEMENT_NODE) {
			if (!is_marked(child->_private, MARK_ELEMENT | MARK_ALL)) {
				xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
					       _("element '%s' is not supported yet"),
					       xml_walk_path(walk, child));
				return;
			}
			/* No deeper than the parser has asked, so this recursion is bounded. */
			find_left_over(walk, child);
		} else if (is_text(child) && !is_marked(element->_private, MARK_TEXT) &&
			   !xmlIsBlankNode(child)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR, _("text '%s' in element '%s'"),
				       xml_walk_quote(walk, (const char *)child->content),
				       xml_walk_path(walk, element));
		}
	}
}

gboolean xml_walk_finish(XmlWalk *walk, GError **error)
{
	if (!walk->error)
		find_left_over(walk, walk->root);
	if (!walk->error)
		return TRUE;

	g_propagate_error(error, g_steal_pointer(&walk->error));
	return FALSE;
}

gboolean xml_walk_number(const char *text, guint64 *value)
{
	g_autofree char *bare = g_strstrip(g_strdup(text));

	return g_ascii_string_to_unsigned(bare, 10, 0, G_MAXUINT64, value, NULL);
}
