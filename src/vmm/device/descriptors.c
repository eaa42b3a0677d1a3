/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* descriptors.c - open files that descriptions of devices name */
#include "vmm/device/descriptors.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "vmm/device/json-fields.h"

/* That wait for a device. */
#define DESCRIPTORS_MAX 256u

struct DescriptorTable {
	GHashTable *fds; /* name to number */
};

static void close_fd(gpointer fd)
{
	close(GPOINTER_TO_INT(fd));
}

DescriptorTable *descriptor_table_new(void)
{
	DescriptorTable *table = g_new0(DescriptorTable, 1);

	table->fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_fd);
	return table;
}

void descriptor_table_free(DescriptorTable *table)
{
	if (!table)
		return;
	g_hash_table_unref(table->fds);
	g_free(table);
}

void descriptor_table_add(DescriptorTable *table, const char *name, int fd)
{
	g_hash_table_replace(table->fds, g_strdup(name), GINT_TO_POINTER(fd));
}

gboolean descriptor_table_offer(DescriptorTable *table, const char *name, int fd, GError **error)
{
	if (g_hash_table_size(table->fds) < DESCRIPTORS_MAX || descriptor_table_has(table, name)) {
		descriptor_table_add(table, name, fd);
		return TRUE;
	}
	close(fd);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE,
		    _("descriptor '%s': too many wait for a device, close some with closefd"),
		    name);
	return FALSE;
}

gboolean descriptor_table_has(const DescriptorTable *table, const char *name)
{
	return g_hash_table_contains(table->fds, name);
}

gboolean descriptor_table_close(DescriptorTable *table, const char *name)
{
	return g_hash_table_remove(table->fds, name);
}

int descriptor_table_take(DescriptorTable *table, const char *owner, const char *member,
			  const char *name, GError **error)
{
	g_autofree char *reason = NULL;
	gpointer key, fd;

	if (g_hash_table_steal_extended(table->fds, name, &key, &fd)) {
		g_free(key);
		return GPOINTER_TO_INT(fd);
	}
	reason = g_strdup_printf(_("there is no descriptor '%s'"), name);
	json_fields_refuse(error, owner, member, reason);
	return -1;
}

void descriptor_table_foreach(const DescriptorTable *table, void (*function)(int fd, void *opaque),
			      void *opaque)
{
	GHashTableIter iter;
	gpointer fd;

	g_hash_table_iter_init(&iter, table->fds);
	while (g_hash_table_iter_next(&iter, NULL, &fd))
		function(GPOINTER_TO_INT(fd), opaque);
}

static gboolean is_descriptor(const char *member)
{
	return strcmp(member, "fd") == 0 || strcmp(member, "fds") == 0 ||
	       g_str_has_suffix(member, "-fd");
}

static void append_name(GPtrArray *names, JsonNode *node)
{
	if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
		g_ptr_array_add(names, json_node_dup_string(node));
}

static void append_names(GPtrArray *names, JsonNode *node)
{
	JsonArray *array;

	if (!JSON_NODE_HOLDS_ARRAY(node)) {
		append_name(names, node);
		return;
	}
	array = json_node_get_array(node);
	for (guint i = 0; i < json_array_get_length(array); i++)
		append_name(names, json_array_get_element(array, i));
}

static void find_names(JsonObject *object, GPtrArray *names)
{
	g_autoptr(GList) members = json_object_get_members(object);

	for (const GList *member = members; member; member = member->next) {
		JsonNode *node = json_object_get_member(object, member->data);

		if (JSON_NODE_HOLDS_OBJECT(node))
			find_names(json_node_get_object(node), names);
		else if (is_descriptor(member->data))
			append_names(names, node);
	}
}

GPtrArray *descriptor_names(JsonObject *description)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

	find_names(description, names);
	return names;
}
