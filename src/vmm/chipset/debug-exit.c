/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* debug-exit.c - QEMU's isa-debug-exit: four ports by which a test guest ends its machine */
#include "vmm/chipset/debug-exit.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

typedef struct {
	void (*debug_exit)(void *opaque, guint32 value);
	void *opaque;
} DebugExit;

static guint64 debug_exit_read(void *device, guint64 offset, guint size)
{
	(void)device;
	(void)offset;
	(void)size;
	return 0;
}

static void debug_exit_write(void *device, guint64 offset, guint size, guint64 value)
{
	const DebugExit *debug_exit = device;

	(void)offset;
	(void)size;
	debug_exit->debug_exit(debug_exit->opaque, value);
}

static const BusOperations debug_exit_operations = {
	.read = debug_exit_read,
	.write = debug_exit_write,
	.max_access = 4,
};

static const DeviceOperations device_operations = { .free = g_free };

gboolean debug_exit_create(const DeviceSurroundings *surroundings, guint port, GError **error)
{
	DebugExit *debug_exit;

	if (port > G_MAXUINT16 + 1 - DEBUG_EXIT_PORTS) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("debug-exit port %#x: there are no four ports there"), port);
		return FALSE;
	}
	if (bus_overlap(surroundings->ports, port, DEBUG_EXIT_PORTS)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("debug-exit port %#x: another device is there"), port);
		return FALSE;
	}
	debug_exit = g_new0(DebugExit, 1);
	debug_exit->debug_exit = surroundings->host->debug_exit;
	debug_exit->opaque = surroundings->opaque;
	bus_add(surroundings->ports, port, DEBUG_EXIT_PORTS, "debug exit", &debug_exit_operations,
		debug_exit);
	device_registry_add(surroundings->registry, "chipset/debug-exit", &device_operations,
			    debug_exit);
	return TRUE;
}
