/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * values.h - kinds of values that many elements of <domain> have
 */
#pragma once

#include "driver/conf/domain-types.h"
#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* Reads an attribute that has one supported value. Return: TRUE when it was given. */
gboolean domain_parse_only(XmlWalk *walk, xmlNode *node, const char *name, const char *only);

DomainSwitch domain_parse_switch(XmlWalk *walk, xmlNode *node, const char *name, const char *no,
				 const char *yes);

/*
 * domain_parse_choice - an attribute that has one of some values
 * @names: the values, ending with NULL
 *
 * Return: the value's index, or -1 when the attribute is absent or, with an error, another.
 */
int domain_parse_choice(XmlWalk *walk, xmlNode *node, const char *name, const char *const *names);

/* An element without attributes whose presence says it all. */
gboolean domain_parse_flag(XmlWalk *walk, xmlNode *parent, const char *name);

/*
 * domain_parse_kib - an amount of memory, from @attribute or where that is NULL from the text
 *
 * Units as libvirt has them, without regard to case; the result is rounded up to KiB as there.
 */
guint64 domain_parse_kib(XmlWalk *walk, xmlNode *node, const char *attribute);

/*
 * domain_parse_number - an attribute that is a number in either base: 0x10 or 16
 *
 * Return: FALSE, with an error, when it is there and is no number up to @max.
 */
gboolean domain_parse_number(XmlWalk *walk, xmlNode *node, const char *name, guint max,
			     guint *number);

/* An attribute of the element that was started last; nothing when @value is ABSENT. */
void domain_format_switch(XmlWriter *writer, const char *name, DomainSwitch value, const char *no,
			  const char *yes);

/* "0x01" where @digits is 2 */
void domain_format_hex(XmlWriter *writer, const char *name, guint value, int digits);

/* Return: FALSE with VIR_ERR_XML_ERROR where @path is neither NULL nor absolute. */
gboolean domain_check_path(const char *element, const char *path, GError **error);
