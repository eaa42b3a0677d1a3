/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvpanic.c - a port by which a guest's kernel says that it has failed
 *
 * Theory of operation
 *
 * Reading the port says which events the device knows, one bit each; writing it says which of them
 * has come about. A guest that has failed is the end of its run, and counts where it says that a
 * kernel for its crash is being loaded, too. There is nothing to remember, and nothing to reset.
 */
#include "vmm/chipset/pvpanic.h"

#include <glib/gi18n.h>

enum {
	PANICKED = 1 << 0,
	CRASH_LOADED = 1 << 1, /* the guest has a kernel for the case, which goes on */
	KNOWN = PANICKED | CRASH_LOADED,
};

typedef struct {
	void (*panicked)(void *opaque, gboolean is_crash_loaded);
	void *opaque;
} Pvpanic;

static guint64 pvpanic_read(void *device, guint64 offset, guint size)
{
	(void)device;
	(void)offset;
	(void)size;
	return KNOWN;
}

static void pvpanic_write(void *device, guint64 offset, guint size, guint64 value)
{
	const Pvpanic *pvpanic = device;

	(void)offset;
	(void)size;
	if (value & KNOWN)
		pvpanic->panicked(pvpanic->opaque, !(value & PANICKED));
}

static const BusOperations pvpanic_operations = {
	.read = pvpanic_read,
	.write = pvpanic_write,
	.max_access = 1,
};

static const DeviceOperations device_operations = { .free = g_free };

typedef struct {
	guint64 port;
} PvpanicDescription;

static const JsonField fields[] = {
	{ .name = "ioport",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(PvpanicDescription, port),
	  .value = PVPANIC_PORT,
	  .minimum = 1,
	  .maximum = G_MAXUINT16 },
	{ .name = NULL },
};

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const PvpanicDescription *description = opaque;
	const DeviceSurroundings *surroundings = context->surroundings;
	DeviceBoard *board = device_context_board(context, error);
	Pvpanic *pvpanic;

	if (!board)
		return FALSE;
	if (board->pvpanic_port)
		return json_fields_refuse(error, context->owner, "driver",
					  _("the machine has one already"));
	if (bus_overlap(surroundings->ports, description->port, 1))
		return json_fields_refuse(error, context->owner, "ioport",
					  _("another device is there"));
	pvpanic = g_new0(Pvpanic, 1);
	pvpanic->panicked = surroundings->host->panicked;
	pvpanic->opaque = surroundings->opaque;
	bus_add(surroundings->ports, description->port, 1, "pvpanic", &pvpanic_operations, pvpanic);
	device_registry_add(surroundings->registry, context->id, &device_operations, pvpanic);
	board->pvpanic_port = description->port;
	return TRUE;
}

const DeviceType pvpanic_type = {
	.name = "pvpanic",
	.fields = fields,
	.description_size = sizeof(PvpanicDescription),
	.create = create,
};
