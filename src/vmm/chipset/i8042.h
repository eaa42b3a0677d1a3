/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * i8042.h - the keyboard controller of a PC, with a keyboard and a mouse that nobody touches
 *
 * IBM Personal System/2 Hardware Interface Technical Reference: Keyboard and Auxiliary Device
 * Controller, Keyboards, Mouse; and System Control Port A (0x92).
 */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define I8042_DATA_PORT		  0x60
#define I8042_COMMAND_PORT	  0x64
#define I8042_SYSTEM_CONTROL_PORT 0x92
#define I8042_KEYBOARD_IRQ	  1
#define I8042_MOUSE_IRQ		  12

typedef struct I8042 I8042;

/* Each of one port. */
extern const BusOperations i8042_data_operations;
extern const BusOperations i8042_command_operations;
extern const BusOperations i8042_system_control_operations;

/* @reset is called each time that the guest asks for a reset, with @opaque. */
I8042 *i8042_new(const InterruptLine *keyboard, const InterruptLine *mouse,
		 void (*reset)(void *opaque), void *opaque);
void i8042_free(I8042 *i8042);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(I8042, i8042_free)

void i8042_reset(I8042 *i8042);

/* Adds the controller to a machine. */
void i8042_create(const DeviceSurroundings *surroundings);
