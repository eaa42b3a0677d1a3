/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* json-fields.c - JSON objects that are read into structs, by tables of their members */
#include "vmm/device/json-fields.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

static void *field_place(const JsonField *field, void *result)
{
	return (guint8 *)result + field->offset;
}

gboolean json_fields_is_id(const char *text, gsize most)
{
	if (!g_ascii_isalpha(text[0]) || strlen(text) > most)
		return FALSE;
	for (const char *byte = text; *byte; byte++)
		if (!g_ascii_isalnum(*byte) && !strchr("-._", *byte))
			return FALSE;
	return TRUE;
}

gboolean json_fields_refuse(GError **error, const char *owner, const char *name, const char *reason)
{
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("%s: member '%s': %s"), owner,
		    name, reason);
	return FALSE;
}

static void clear_field(const JsonField *field, void *result)
{
	void *place = field_place(field, result);

	switch (field->type) {
	case JSON_FIELD_STRING:
		g_clear_pointer((char **)place, g_free);
		break;
	case JSON_FIELD_STRINGS:
		g_clear_pointer((char ***)place, g_strfreev);
		break;
	case JSON_FIELD_OBJECT:
		g_clear_pointer((JsonObject **)place, json_object_unref);
		break;
	case JSON_FIELD_BOOL:
	case JSON_FIELD_NUMBER:
	case JSON_FIELD_CHOICE:
		break;
	}
}

static void set_default(const JsonField *field, void *result)
{
	void *place = field_place(field, result);

	switch (field->type) {
	case JSON_FIELD_STRING:
		*(char **)place = NULL;
		break;
	case JSON_FIELD_STRINGS:
		*(char ***)place = NULL;
		break;
	case JSON_FIELD_OBJECT:
		*(JsonObject **)place = NULL;
		break;
	case JSON_FIELD_BOOL:
		*(gboolean *)place = field->value != 0;
		break;
	case JSON_FIELD_NUMBER:
		*(guint64 *)place = field->value;
		break;
	case JSON_FIELD_CHOICE:
		*(guint *)place = field->value;
		break;
	}
}

static gboolean holds(JsonNode *node, GType type)
{
	return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

static gboolean read_string(JsonNode *node, const char *owner, const JsonField *field, char **place,
			    GError **error)
{
	if (!holds(node, G_TYPE_STRING))
		return json_fields_refuse(error, owner, field->name, _("a string is wanted"));
	*place = json_node_dup_string(node);
	return TRUE;
}

static gboolean read_bool(JsonNode *node, const char *owner, const JsonField *field,
			  gboolean *place, GError **error)
{
	if (!holds(node, G_TYPE_BOOLEAN))
		return json_fields_refuse(error, owner, field->name,
					  _("'true' or 'false' is wanted"));
	*place = json_node_get_boolean(node);
	return TRUE;
}

static gboolean read_number(JsonNode *node, const char *owner, const JsonField *field,
			    guint64 *place, GError **error)
{
	g_autofree char *reason = NULL;
	gint64 number = holds(node, G_TYPE_INT64) ? json_node_get_int(node) : -1;

	if (number >= 0 && (guint64)number >= field->minimum && (guint64)number <= field->maximum) {
		*place = number;
		return TRUE;
	}
	reason = g_strdup_printf(_("a number from %" PRIu64 " to %" PRIu64 " is wanted"),
				 field->minimum, field->maximum);
	return json_fields_refuse(error, owner, field->name, reason);
}

static gboolean read_choice(JsonNode *node, const char *owner, const JsonField *field, guint *place,
			    GError **error)
{
	const char *text = holds(node, G_TYPE_STRING) ? json_node_get_string(node) : "";
	g_autofree char *list = NULL;
	g_autofree char *reason = NULL;

	for (guint i = 0; field->choices[i]; i++)
		if (strcmp(field->choices[i], text) == 0) {
			*place = i;
			return TRUE;
		}
	list = g_strjoinv(", ", (char **)field->choices);
	reason = g_strdup_printf(_("one of these is wanted: %s"), list);
	return json_fields_refuse(error, owner, field->name, reason);
}

static gboolean read_strings(JsonNode *node, const char *owner, const JsonField *field,
			     char ***place, GError **error)
{
	JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

	for (guint i = 0; array && i < json_array_get_length(array); i++) {
		JsonNode *element = json_array_get_element(array, i);

		if (!holds(element, G_TYPE_STRING))
			return json_fields_refuse(error, owner, field->name,
						  _("an array of strings is wanted"));
		g_strv_builder_add(builder, json_node_get_string(element));
	}
	if (!array)
		return json_fields_refuse(error, owner, field->name,
					  _("an array of strings is wanted"));
	*place = g_strv_builder_end(builder);
	return TRUE;
}

static gboolean read_object(JsonNode *node, const char *owner, const JsonField *field,
			    JsonObject **place, GError **error)
{
	if (!JSON_NODE_HOLDS_OBJECT(node))
		return json_fields_refuse(error, owner, field->name, _("an object is wanted"));
	*place = json_node_dup_object(node);
	return TRUE;
}

static gboolean read_field(JsonNode *node, const char *owner, const JsonField *field, void *result,
			   GError **error)
{
	void *place = field_place(field, result);

	switch (field->type) {
	case JSON_FIELD_STRING:
		return read_string(node, owner, field, place, error);
	case JSON_FIELD_BOOL:
		return read_bool(node, owner, field, place, error);
	case JSON_FIELD_NUMBER:
		return read_number(node, owner, field, place, error);
	case JSON_FIELD_CHOICE:
		return read_choice(node, owner, field, place, error);
	case JSON_FIELD_STRINGS:
		return read_strings(node, owner, field, place, error);
	case JSON_FIELD_OBJECT:
		return read_object(node, owner, field, place, error);
	}
	return FALSE;
}

static const JsonField *find_field(const JsonFieldSet *sets, gsize n_sets, const char *name,
				   void **result)
{
	for (gsize i = 0; i < n_sets; i++)
		for (const JsonField *field = sets[i].fields; field && field->name; field++)
			if (strcmp(field->name, name) == 0) {
				*result = sets[i].result;
				return field;
			}
	return NULL;
}

static gboolean read_members(JsonObject *object, const char *owner, const JsonFieldSet *sets,
			     gsize n_sets, GError **error)
{
	g_autoptr(GList) names = json_object_get_members(object);

	for (const GList *name = names; name; name = name->next) {
		void *result = NULL;
		const JsonField *field = find_field(sets, n_sets, name->data, &result);

		if (!field) {
			g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
				    _("%s: member '%s' is unknown"), owner,
				    (const char *)name->data);
			return FALSE;
		}
		if (!read_field(json_object_get_member(object, field->name), owner, field, result,
				error))
			return FALSE;
	}
	return TRUE;
}

static gboolean check_required(JsonObject *object, const char *owner, const JsonFieldSet *sets,
			       gsize n_sets, GError **error)
{
	for (gsize i = 0; i < n_sets; i++)
		for (const JsonField *field = sets[i].fields; field && field->name; field++)
			if (field->is_required && !json_object_has_member(object, field->name)) {
				g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
					    _("%s: member '%s' is missing"), owner, field->name);
				return FALSE;
			}
	return TRUE;
}

gboolean json_fields_read(JsonObject *object, const char *owner, const JsonFieldSet *sets,
			  gsize n_sets, GError **error)
{
	for (gsize i = 0; i < n_sets; i++)
		for (const JsonField *field = sets[i].fields; field && field->name; field++)
			set_default(field, sets[i].result);
	if (read_members(object, owner, sets, n_sets, error) &&
	    check_required(object, owner, sets, n_sets, error))
		return TRUE;
	json_fields_clear(sets, n_sets);
	return FALSE;
}

void json_fields_clear(const JsonFieldSet *sets, gsize n_sets)
{
	for (gsize i = 0; i < n_sets; i++)
		for (const JsonField *field = sets[i].fields; field && field->name; field++)
			clear_field(field, sets[i].result);
}
