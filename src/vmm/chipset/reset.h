/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reset.h - the ports through which a guest resets the machine
 *
 * The reset control register of the ICH9 (data sheet, section 13.7.5), which the FADT names
 * too, and the keyboard controller's reset line. There is no keyboard controller behind
 * its command port: its status says that it is ready and has nothing, so that a guest that
 * waits for it before it pulses the reset line does not wait in vain.
 */
#pragma once

#include <glib.h>

#include "vmm/chipset/bus.h"

#define RESET_CONTROL_PORT  0xcf9
#define RESET_CONTROL_VALUE 0x06 /* system reset: what the FADT tells guests to write */
#define KEYBOARD_COMMAND    0x64

typedef struct ResetControl ResetControl;

extern const BusOperations reset_control_operations;
extern const BusOperations reset_keyboard_operations;

/* @request is called each time that the guest asks for a reset. */
ResetControl *reset_control_new(void (*request)(void *opaque), void *opaque);
void reset_control_free(ResetControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ResetControl, reset_control_free)

void reset_control_reset(ResetControl *control);
