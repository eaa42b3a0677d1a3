/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io-thread-type.c - I/O threads that are described
 *
 * One has nothing to reset or to pause: devices stop what they do there.
 */
#include "vmm/device/io-thread-type.h"

IoThread *io_thread_get(const DeviceContext *context, const char *name, GError **error)
{
	IoThread *late = context->surroundings->late_io_thread;

	return late ? io_thread_ref(late) : io_thread_new(name, context->memory, error);
}

static void free_device(void *device)
{
	io_thread_unref(device);
}

const DeviceOperations io_thread_device_operations = { .free = free_device };

typedef struct {
	char nothing;
} IoThreadDescription;

static const JsonField fields[] = {
	{ .name = NULL },
};

static gboolean create(const DeviceContext *context, const void *description, GError **error)
{
	IoThread *thread = io_thread_get(context, context->id, error);

	(void)description;
	if (!thread)
		return FALSE;
	device_registry_add(context->surroundings->registry, context->id,
			    &io_thread_device_operations, thread);
	return TRUE;
}

const DeviceType io_thread_type = {
	.name = "iothread",
	.fields = fields,
	.description_size = sizeof(IoThreadDescription),
	.create = create,
};
