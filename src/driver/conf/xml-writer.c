/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml-writer.c - XML text in libvirt's looks
 */
#include "driver/conf/xml-writer.h"

#include <string.h>

static void check(int written)
{
	g_assert(written >= 0);
}

static int append(void *text, const char *data, int length)
{
	g_string_append_len(text, data, length);
	return length;
}

xmlOutputBuffer *xml_output_to(GString *text)
{
	xmlOutputBuffer *output = xmlOutputBufferCreateIO(append, NULL, text, NULL);

	g_assert(output);
	return output;
}

void xml_writer_init(XmlWriter *writer)
{
	writer->text = g_string_new(NULL);
	writer->writer = xmlNewTextWriter(xml_output_to(writer->text));
	g_assert(writer->writer);

	check(xmlTextWriterSetIndent(writer->writer, 1));
	check(xmlTextWriterSetIndentString(writer->writer, (const xmlChar *)"  "));
}

char *xml_writer_finish(XmlWriter *writer)
{
	/* Freeing it closes the elements and flushes. */
	g_clear_pointer(&writer->writer, xmlFreeTextWriter);
	return g_string_free(g_steal_pointer(&writer->text), FALSE);
}

void xml_writer_start(XmlWriter *writer, const char *name)
{
	check(xmlTextWriterStartElement(writer->writer, (const xmlChar *)name));
}

void xml_writer_end(XmlWriter *writer)
{
	check(xmlTextWriterEndElement(writer->writer));
}

void xml_writer_attribute(XmlWriter *writer, const char *name, const char *value)
{
	if (!value)
		return;

	/* libxml2 escapes double quotes in a value, and those only, whichever it puts around. */
	check(xmlTextWriterSetQuoteChar(writer->writer, strchr(value, '\'') ? '"' : '\''));
	check(xmlTextWriterWriteAttribute(writer->writer, (const xmlChar *)name,
					  (const xmlChar *)value));
}

void xml_writer_attribute_number(XmlWriter *writer, const char *name, guint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

	xml_writer_attribute(writer, name, text);
}

void xml_writer_text(XmlWriter *writer, const char *value)
{
	check(xmlTextWriterWriteString(writer->writer, (const xmlChar *)value));
}

void xml_writer_raw(XmlWriter *writer, const char *xml)
{
	check(xmlTextWriterWriteRaw(writer->writer, (const xmlChar *)xml));
}

void xml_writer_element_text(XmlWriter *writer, const char *name, const char *value)
{
	if (!value)
		return;
	xml_writer_start(writer, name);
	xml_writer_text(writer, value);
	xml_writer_end(writer);
}

void xml_writer_element_number(XmlWriter *writer, const char *name, guint64 value)
{
	g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, value);

	xml_writer_element_text(writer, name, text);
}

void xml_writer_element_empty(XmlWriter *writer, const char *name)
{
	xml_writer_start(writer, name);
	xml_writer_end(writer);
}

void xml_writer_element_with(XmlWriter *writer, const char *name, const char *attribute,
			     const char *value)
{
	xml_writer_start(writer, name);
	xml_writer_attribute(writer, attribute, value);
	xml_writer_end(writer);
}

void xml_writer_enum(XmlWriter *writer, const char *name, const char *const *values)
{
	xml_writer_start(writer, "enum");
	xml_writer_attribute(writer, "name", name);
	for (; *values; values++)
		xml_writer_element_text(writer, "value", *values);
	xml_writer_end(writer);
}
