/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uuid.c - domain UUIDs between bytes and text
 */
#include "driver/conf/uuid.h"

void uuid_format(const guint8 uuid[VIR_UUID_BUFLEN], char text[VIR_UUID_STRING_BUFLEN])
{
	static const char digits[] = "0123456789abcdef";
	char *out = text;

	for (guint i = 0; i < VIR_UUID_BUFLEN; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[uuid[i] >> 4];
		*out++ = digits[uuid[i] & 15];
	}
	*out = '\0';
}

gboolean uuid_parse(const char *text, guint8 uuid[VIR_UUID_BUFLEN])
{
	while (g_ascii_isspace(*text))
		text++;

	for (guint i = 0; i < VIR_UUID_BUFLEN; i++) {
		while (*text == '-' || *text == ' ')
			text++;
		if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1]))
			return FALSE;
		uuid[i] = (guint8)(g_ascii_xdigit_value(text[0]) << 4 |
				   g_ascii_xdigit_value(text[1]));
		text += 2;
	}

	while (g_ascii_isspace(*text))
		text++;
	return *text == '\0';
}

void uuid_generate(guint8 uuid[VIR_UUID_BUFLEN])
{
	g_autofree char *text = g_uuid_string_random();
	gboolean parsed = uuid_parse(text, uuid);

	g_assert(parsed);
}
