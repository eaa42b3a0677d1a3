/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-text.c - how deep and how large a JSON text is, before it is parsed */
#include "common/json-text.h"

#include <string.h>

static void take_string_byte(JsonText *text, char byte)
{
	if (text->is_escaped)
		text->is_escaped = FALSE;
	else if (byte == '\\')
		text->is_escaped = TRUE;
	else if (byte == '"')
		text->in_string = FALSE;
}

gboolean json_text_take(JsonText *text, char byte)
{
	if (text->in_string) {
		take_string_byte(text, byte);
		return TRUE;
	}
	switch (byte) {
	case '"':
		text->in_string = TRUE;
		break;
	case '{':
	case '[':
		text->depth++;
		text->values++;
		break;
	case '}':
	case ']':
		text->depth -= text->depth > 0;
		break;
	case ',':
	case ':':
		text->values++;
		break;
	case '\'':
	case '/':
		return FALSE;
	}
	return TRUE;
}

gboolean json_text_is_bounded(const char *bytes, gsize length, guint depth, guint values)
{
	JsonText text = { 0 };

	if (strlen(bytes) > length)
		return FALSE;
	for (; *bytes; bytes++)
		if (!json_text_take(&text, *bytes) || text.depth > depth || text.values > values)
			return FALSE;
	return TRUE;
}
