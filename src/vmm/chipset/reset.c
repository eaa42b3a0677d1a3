/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reset.c - the register through which a guest resets the machine */
#include "vmm/chipset/reset.h"

enum {
	CONTROL_SYSTEM = 1 << 1, /* the whole system, not only its processors */
	CONTROL_RESET = 1 << 2,	 /* resets on its way from 0 to 1 */
	CONTROL_FULL = 1 << 3,	 /* with power cycled */
	CONTROL_MASK = CONTROL_SYSTEM | CONTROL_RESET | CONTROL_FULL,
};

struct ResetControl {
	void (*request)(void *opaque);
	void *opaque;
	guint8 value;
};

static guint64 control_read(void *device, guint64 offset, guint size)
{
	ResetControl *control = device;

	(void)offset;
	(void)size;
	return control->value;
}

static void control_write(void *device, guint64 offset, guint size, guint64 value)
{
	ResetControl *control = device;
	gboolean is_request = value & ~control->value & CONTROL_RESET;

	(void)offset;
	(void)size;
	control->value = value & CONTROL_MASK;
	/* Every kind resets all there is: no device keeps state that a reset would spare. */
	if (is_request)
		control->request(control->opaque);
}

const BusOperations reset_control_operations = {
	.read = control_read,
	.write = control_write,
	.max_access = 1,
};

ResetControl *reset_control_new(void (*request)(void *opaque), void *opaque)
{
	ResetControl *control = g_new0(ResetControl, 1);

	control->request = request;
	control->opaque = opaque;
	return control;
}

void reset_control_free(ResetControl *control)
{
	g_free(control);
}

void reset_control_reset(ResetControl *control)
{
	control->value = 0;
}

static void reset_device(void *device)
{
	reset_control_reset(device);
}

static void free_device(void *device)
{
	reset_control_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

void reset_control_create(const DeviceSurroundings *surroundings)
{
	ResetControl *control = reset_control_new(surroundings->host->reset, surroundings->opaque);

	bus_add(surroundings->ports, RESET_CONTROL_PORT, 1, "reset control",
		&reset_control_operations, control);
	device_registry_add(surroundings->registry, "chipset/reset-control", &device_operations,
			    control);
}
