/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml-writer.h - XML text in libvirt's looks: two blanks a level, single quotes
 *
 * libxml2's text writer, with what escapes it puts right. Writing to memory fails only when
 * memory ends, which GLib's own allocations do not survive either; so nothing here can fail.
 */
#pragma once

#include <glib.h>
#include <libxml/xmlwriter.h>

typedef struct {
	GString *text;
	xmlTextWriter *writer;
} XmlWriter;

/*
 * xml_output_to - libxml2's output into a string
 *
 * Its own buffers grow by what is written, some 4000 bytes, and are copied each time.
 *
 * Return: for xmlOutputBufferClose(), after which @text has all, or for a writer to take.
 */
xmlOutputBuffer *xml_output_to(GString *text);

void xml_writer_init(XmlWriter *writer);

/* Closes what is open. Return: the text, for g_free(); the writer is cleared. */
char *xml_writer_finish(XmlWriter *writer);

void xml_writer_start(XmlWriter *writer, const char *name);
void xml_writer_end(XmlWriter *writer);

/* An attribute of the element that was started last; nothing when @value is NULL. */
void xml_writer_attribute(XmlWriter *writer, const char *name, const char *value);
void xml_writer_attribute_number(XmlWriter *writer, const char *name, guint64 value);

void xml_writer_text(XmlWriter *writer, const char *value);

/* XML that is text already, on lines of its own. */
void xml_writer_raw(XmlWriter *writer, const char *xml);

/* <name>value</name>; nothing when @value is NULL. */
void xml_writer_element_text(XmlWriter *writer, const char *name, const char *value);

/* <name>value</name> */
void xml_writer_element_number(XmlWriter *writer, const char *name, guint64 value);

/* <name/> */
void xml_writer_element_empty(XmlWriter *writer, const char *name);

/* <name attribute='value'/> */
void xml_writer_element_with(XmlWriter *writer, const char *name, const char *attribute,
			     const char *value);

/* <enum name='name'><value>...</value></enum>, as domain capabilities have it. @values: ends with
 * NULL
 */
void xml_writer_enum(XmlWriter *writer, const char *name, const char *const *values);
