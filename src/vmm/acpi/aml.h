/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * aml.h - a writer of the AML that an SSDT of names and devices is made of
 *
 * ACPI 6.3, section 20.2. Everything appends to a GByteArray; what opens a scope returns a
 * mark with which aml_close() ends it.
 */
#pragma once

#include <glib.h>

/* Where the package length of something that is open will go. */
typedef guint AmlMark;

/* @path: name segments with dots, from the root where it begins with a backslash. */
AmlMark aml_open_scope(GByteArray *aml, const char *path);

/* @name: one name segment. */
AmlMark aml_open_device(GByteArray *aml, const char *name);

/* A method without arguments. @name: one name segment. */
AmlMark aml_open_method(GByteArray *aml, const char *name);

/* Return (path ()), or what is at @path where that is no method. */
void aml_append_return(GByteArray *aml, const char *path);

void aml_close(GByteArray *aml, AmlMark mark);

/* Name (name, number); always of the same length, whatever the number. */
void aml_append_number(GByteArray *aml, const char *name, guint64 number);

/* Name (name, "string"); @string is ASCII. */
void aml_append_string(GByteArray *aml, const char *name, const char *string);
