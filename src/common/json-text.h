/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-text.h - how deep and how large a JSON text is, before it is parsed
 *
 * The parser (json-glib) goes as deep as a text does, on its stack, and takes memory for each of
 * its values. So what strangers send is counted first, byte by byte. The parser also takes comments
 * and strings in single quotes, which JSON (RFC 8259) has not: brackets would hide from the count
 * in one's quotes and be the other's values, so a text with them is none.
 */
#pragma once

#include <glib.h>

/* Where a count is in a text; begins as zeroes. */
typedef struct {
	guint depth;  /* of brackets that are open */
	guint values; /* at least as many as there are members, elements, objects and arrays */
	gboolean in_string;
	gboolean is_escaped; /* the byte after a backslash */
} JsonText;

/**
 * json_text_take() - Count one more byte
 * @text:  What has been counted
 * @byte:  The byte
 *
 * Return: FALSE where no JSON text has it
 */
gboolean json_text_take(JsonText *text, char byte);

/**
 * json_text_is_bounded() - Whether a whole text can be parsed
 * @bytes:   The text, with a zero at its end
 * @length:  The most bytes that it may have
 * @depth:   The most brackets that may be open in it
 * @values:  The most values, as JsonText counts them
 */
gboolean json_text_is_bounded(const char *bytes, gsize length, guint depth, guint values);
