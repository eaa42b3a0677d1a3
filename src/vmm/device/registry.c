/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* registry.c - all devices of a machine, and what is done to each of them in turn */
#include "vmm/device/registry.h"

#include <string.h>

typedef struct {
	char *id;
	char *parent;	  /* or NULL */
	const char *type; /* NULL: nobody has named it */
	const DeviceOperations *operations;
	void *device;
} DeviceRecord;

struct DeviceRegistry {
	GArray *records; /* DeviceRecord, in the order of addition */
};

static DeviceRecord *record_at(const DeviceRegistry *registry, guint index)
{
	return &g_array_index(registry->records, DeviceRecord, index);
}

DeviceRegistry *device_registry_new(void)
{
	DeviceRegistry *registry = g_new0(DeviceRegistry, 1);

	registry->records = g_array_new(FALSE, FALSE, sizeof(DeviceRecord));
	return registry;
}

/* The record is gone before the device is: who looks for it meanwhile does not find it. */
static void remove_at(DeviceRegistry *registry, guint index)
{
	DeviceRecord record = *record_at(registry, index);

	g_array_remove_index(registry->records, index);
	record.operations->free(record.device);
	g_free(record.parent);
	g_free(record.id);
}

void device_registry_free(DeviceRegistry *registry)
{
	if (!registry)
		return;
	while (registry->records->len > 0)
		remove_at(registry, registry->records->len - 1);
	g_array_unref(registry->records);
	g_free(registry);
}

/* Return: the index of a device, or as many as there are. */
static guint find_index(const DeviceRegistry *registry, const char *id)
{
	guint index = 0;

	while (index < registry->records->len && strcmp(record_at(registry, index)->id, id) != 0)
		index++;
	return index;
}

void device_registry_add(DeviceRegistry *registry, const char *id,
			 const DeviceOperations *operations, void *device)
{
	device_registry_add_child(registry, NULL, id, operations, device);
}

void device_registry_add_child(DeviceRegistry *registry, const char *parent, const char *id,
			       const DeviceOperations *operations, void *device)
{
	const DeviceRecord record = {
		.id = g_strdup(id),
		.parent = g_strdup(parent),
		.operations = operations,
		.device = device,
	};

	g_assert(operations->free && !device_registry_has(registry, id));
	g_array_append_val(registry->records, record);
}

void device_registry_list_children(const DeviceRegistry *registry, const char *parent,
				   GPtrArray *ids)
{
	for (guint i = 0; i < registry->records->len; i++)
		if (g_strcmp0(record_at(registry, i)->parent, parent) == 0)
			g_ptr_array_add(ids, g_strdup(record_at(registry, i)->id));
}

void device_registry_remove(DeviceRegistry *registry, const char *id)
{
	g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func(g_free);
	guint index;

	device_registry_list_children(registry, id, children);
	for (guint i = children->len; i > 0; i--)
		device_registry_remove(registry, g_ptr_array_index(children, i - 1));
	index = find_index(registry, id);
	g_assert(index < registry->records->len);
	remove_at(registry, index);
}

gboolean device_registry_is_child(const DeviceRegistry *registry, const char *id)
{
	const guint index = find_index(registry, id);

	return index < registry->records->len && record_at(registry, index)->parent;
}

gboolean device_registry_has(const DeviceRegistry *registry, const char *id)
{
	return find_index(registry, id) < registry->records->len;
}

void *device_registry_find(const DeviceRegistry *registry, const char *id,
			   const DeviceOperations *operations)
{
	guint index = find_index(registry, id);

	if (index == registry->records->len || record_at(registry, index)->operations != operations)
		return NULL;
	return record_at(registry, index)->device;
}

void device_registry_foreach(const DeviceRegistry *registry, const DeviceOperations *operations,
			     void (*function)(const char *id, void *device, void *opaque),
			     void *opaque)
{
	for (guint i = 0; i < registry->records->len; i++) {
		const DeviceRecord *record = record_at(registry, i);

		if (!operations || record->operations == operations)
			function(record->id, record->device, opaque);
	}
}

void device_registry_set_type(DeviceRegistry *registry, const char *id, const char *type)
{
	const guint index = find_index(registry, id);

	g_assert(index < registry->records->len);
	record_at(registry, index)->type = type;
}

void device_registry_foreach_named(const DeviceRegistry *registry,
				   void (*function)(const char *id, const char *type, void *opaque),
				   void *opaque)
{
	for (guint i = 0; i < registry->records->len; i++) {
		const DeviceRecord *record = record_at(registry, i);

		if (record->type)
			function(record->id, record->type, opaque);
	}
}

void device_registry_reset(DeviceRegistry *registry)
{
	for (guint i = 0; i < registry->records->len; i++) {
		const DeviceRecord *record = record_at(registry, i);

		if (record->operations->reset)
			record->operations->reset(record->device);
	}
}

static void pause_record(const DeviceRecord *record)
{
	if (record->operations->pause)
		record->operations->pause(record->device);
}

void device_registry_pause(DeviceRegistry *registry)
{
	for (guint i = 0; i < registry->records->len; i++)
		pause_record(record_at(registry, i));
}

void device_registry_pause_one(DeviceRegistry *registry, const char *id)
{
	guint index = find_index(registry, id);

	g_assert(index < registry->records->len);
	pause_record(record_at(registry, index));
}

void device_registry_resume(DeviceRegistry *registry)
{
	for (guint i = 0; i < registry->records->len; i++) {
		const DeviceRecord *record = record_at(registry, i);

		if (record->operations->resume)
			record->operations->resume(record->device);
	}
}
