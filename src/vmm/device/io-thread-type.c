/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io-thread-type.c - I/O threads that are described
 *
 * One has nothing to reset or to pause: devices stop what they do there. It comes and goes while
 * the guest runs, too, which is told nothing of it.
 */
#include "vmm/device/io-thread-type.h"

#include <glib/gi18n.h>

#include "vmm/backend/guest-copy.h"
#include "vmm/log.h"

static void free_copy(gpointer copy)
{
	guest_copy_free(copy);
}

/* What its devices read and write the kernel copies, where it can. */
static void add_copy(IoThread *thread, const char *name, Memory *memory)
{
	g_autoptr(GError) error = NULL;
	GuestCopy *copy;

	if (!memory_can_be_registered(memory))
		return;
	copy = guest_copy_new(memory, &error);
	if (!copy) {
		log_warning(name, _("each access of a device opens a window: %s"), error->message);
		return;
	}
	guest_copy_serve(copy, io_thread_dma(thread));
	io_thread_own(thread, copy, free_copy);
}

IoThread *io_thread_get(const DeviceContext *context, const char *name, GError **error)
{
	IoThread *thread = context->surroundings->late_io_thread;

	if (thread)
		return io_thread_ref(thread);
	thread = io_thread_new(name, context->memory, error);
	if (thread)
		add_copy(thread, name, context->memory);
	return thread;
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
	IoThread *thread;

	(void)description;
	/* Another name for the thread of all devices that come later would be no other thread. */
	if (context->surroundings->late_io_thread)
		return json_fields_refuse(error, context->owner, "driver",
					  _("with two-sided memory no I/O thread comes later"));
	thread = io_thread_get(context, context->id, error);
	if (!thread)
		return FALSE;
	device_registry_add(context->surroundings->registry, context->id,
			    &io_thread_device_operations, thread);
	return TRUE;
}

const DeviceType io_thread_type = {
	.name = "iothread",
	.has_late_disks = TRUE,
	.fields = fields,
	.description_size = sizeof(IoThreadDescription),
	.create = create,
};
