/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* debug-console.c - the port that firmware for virtual machines writes its log to */
#include "vmm/chipset/debug-console.h"

#define PRESENT 0xe9

struct DebugConsole {
	void (*transmit)(void *opaque, guint8 byte);
	void *opaque;
};

static guint64 console_read(void *device, guint64 offset, guint size)
{
	(void)device;
	(void)offset;
	(void)size;
	return PRESENT;
}

static void console_write(void *device, guint64 offset, guint size, guint64 value)
{
	DebugConsole *console = device;

	(void)offset;
	(void)size;
	console->transmit(console->opaque, value);
}

const BusOperations debug_console_operations = {
	.read = console_read,
	.write = console_write,
	.max_access = 1,
};

DebugConsole *debug_console_new(void (*transmit)(void *opaque, guint8 byte), void *opaque)
{
	DebugConsole *console = g_new0(DebugConsole, 1);

	console->transmit = transmit;
	console->opaque = opaque;
	return console;
}

void debug_console_free(DebugConsole *console)
{
	g_free(console);
}

static void free_device(void *device)
{
	debug_console_free(device);
}

static const DeviceOperations device_operations = { .free = free_device };

void debug_console_create(const DeviceSurroundings *surroundings,
			  void (*transmit)(void *opaque, guint8 byte), void *opaque)
{
	DebugConsole *console = debug_console_new(transmit, opaque);

	bus_add(surroundings->ports, DEBUG_CONSOLE_PORT, 1, "debug console",
		&debug_console_operations, console);
	device_registry_add(surroundings->registry, "chipset/debug-console", &device_operations,
			    console);
}
