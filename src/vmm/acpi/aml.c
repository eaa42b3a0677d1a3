/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* aml.c - a writer of the AML that an SSDT of names and devices is made of */
#include "vmm/acpi/aml.h"

#include <string.h>

#define NAME_SEGMENT_SIZE 4

/*
 * A package length has one to four bytes, and the length counts them. Four are always taken,
 * so that what is behind does not move when the length becomes known.
 */
#define PACKAGE_LENGTH_SIZE 4
#define PACKAGE_LENGTH_MAX  (1u << 28)

enum {
	NAME_OP = 0x08,
	STRING_PREFIX = 0x0d,
	QWORD_PREFIX = 0x0e,
	SCOPE_OP = 0x10,
	METHOD_OP = 0x14,
	DUAL_NAME_PREFIX = 0x2e,
	MULTI_NAME_PREFIX = 0x2f,
	EXTENDED_OP_PREFIX = 0x5b,
	RETURN_OP = 0xa4,
	EXTENDED_DEVICE_OP = 0x82,
};

static void append_byte(GByteArray *aml, guint8 byte)
{
	g_byte_array_append(aml, &byte, 1);
}

static void append_segment(GByteArray *aml, const char *segment, gsize length)
{
	char padded[NAME_SEGMENT_SIZE] = { '_', '_', '_', '_' };

	g_assert(length >= 1 && length <= sizeof(padded));
	memcpy(padded, segment, length);
	g_byte_array_append(aml, (const guint8 *)padded, sizeof(padded));
}

static void append_path(GByteArray *aml, const char *path)
{
	g_auto(GStrv) segments = NULL;
	guint count;

	if (*path == '\\') {
		append_byte(aml, '\\');
		path++;
	}
	segments = g_strsplit(path, ".", -1);
	count = g_strv_length(segments);
	g_assert(count >= 1 && count <= G_MAXUINT8);
	if (count == 2) {
		append_byte(aml, DUAL_NAME_PREFIX);
	} else if (count > 2) {
		append_byte(aml, MULTI_NAME_PREFIX);
		append_byte(aml, count);
	}
	for (guint i = 0; i < count; i++)
		append_segment(aml, segments[i], strlen(segments[i]));
}

static AmlMark open_package(GByteArray *aml)
{
	static const guint8 unknown[PACKAGE_LENGTH_SIZE];
	AmlMark mark = aml->len;

	g_byte_array_append(aml, unknown, sizeof(unknown));
	return mark;
}

AmlMark aml_open_scope(GByteArray *aml, const char *path)
{
	AmlMark mark;

	append_byte(aml, SCOPE_OP);
	mark = open_package(aml);
	append_path(aml, path);
	return mark;
}

AmlMark aml_open_device(GByteArray *aml, const char *name)
{
	AmlMark mark;

	append_byte(aml, EXTENDED_OP_PREFIX);
	append_byte(aml, EXTENDED_DEVICE_OP);
	mark = open_package(aml);
	append_path(aml, name);
	return mark;
}

AmlMark aml_open_method(GByteArray *aml, const char *name)
{
	AmlMark mark;

	append_byte(aml, METHOD_OP);
	mark = open_package(aml);
	append_path(aml, name);
	append_byte(aml, 0); /* no arguments, not serialized */
	return mark;
}

void aml_append_return(GByteArray *aml, const char *path)
{
	append_byte(aml, RETURN_OP);
	append_path(aml, path);
}

void aml_close(GByteArray *aml, AmlMark mark)
{
	guint length = aml->len - mark;

	g_assert(length < PACKAGE_LENGTH_MAX);
	/* The first byte has the number of bytes that follow, and the lowest four bits. */
	aml->data[mark] = (PACKAGE_LENGTH_SIZE - 1) << 6 | (length & 0xf);
	for (guint i = 1; i < PACKAGE_LENGTH_SIZE; i++)
		aml->data[mark + i] = length >> (i * 8 - 4) & 0xff;
}

void aml_append_number(GByteArray *aml, const char *name, guint64 number)
{
	append_byte(aml, NAME_OP);
	append_path(aml, name);
	append_byte(aml, QWORD_PREFIX);
	number = GUINT64_TO_LE(number);
	g_byte_array_append(aml, (const guint8 *)&number, sizeof(number));
}

void aml_append_string(GByteArray *aml, const char *name, const char *string)
{
	append_byte(aml, NAME_OP);
	append_path(aml, name);
	append_byte(aml, STRING_PREFIX);
	g_byte_array_append(aml, (const guint8 *)string, strlen(string) + 1);
}
