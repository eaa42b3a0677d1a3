/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * json-fields.h - JSON objects that are read into structs, by tables of their members
 *
 * Theory of operation
 *
 * What people and programs say about a device is a JSON object; who understands it has a table
 * that says what each member is called, is of which type and range, and where in a struct it
 * goes. Reading is all or nothing: a member that no table has, one of another type or out of
 * range, and one that has to be there and is not, are errors that name the owner and the member.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

typedef enum {
	JSON_FIELD_STRING,  /* char *, NULL where it is not given */
	JSON_FIELD_BOOL,    /* gboolean */
	JSON_FIELD_NUMBER,  /* guint64, from minimum to maximum */
	JSON_FIELD_CHOICE,  /* guint: which of choices the string is */
	JSON_FIELD_STRINGS, /* GStrv, NULL where it is not given */
	JSON_FIELD_OBJECT,  /* JsonObject *, to be read by who knows it; NULL where it is not given
			     */
} JsonFieldType;

typedef struct {
	const char *name; /* NULL ends the table */
	JsonFieldType type;
	gsize offset; /* in the struct */
	gboolean is_required;
	guint64 value; /* of a boolean, number or choice that is not given */
	guint64 minimum;
	guint64 maximum;	    /* at most G_MAXINT64 */
	const char *const *choices; /* up to a NULL */
} JsonField;

/* A table, and the struct that it is about. */
typedef struct {
	const JsonField *fields;
	void *result;
} JsonFieldSet;

/*
 * json_fields_read - read an object whose members are spread over one or more structs
 * @owner: whose members they are, in front of messages: "device 'net0'", say
 * @sets:  no name stands in two of them; the structs are overwritten where tables say so
 *
 * Return: FALSE with @error set, and nothing left in the structs; else json_fields_clear() is
 * to be called when they are done with.
 */
gboolean json_fields_read(JsonObject *object, const char *owner, const JsonFieldSet *sets,
			  gsize n_sets, GError **error);
void json_fields_clear(const JsonFieldSet *sets, gsize n_sets);

/*
 * Whether a text is an id as QEMU has them, which stand in paths and in lists: letters, digits,
 * '-', '.' and '_', a letter first; @most of them.
 */
gboolean json_fields_is_id(const char *text, gsize most);

/* Sets @error to "owner: member 'name': reason". Return: FALSE. */
gboolean json_fields_refuse(GError **error, const char *owner, const char *name,
			    const char *reason);
