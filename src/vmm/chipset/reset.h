/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * reset.h - the register through which a guest resets the machine
 *
 * The reset control register of the ICH9 (data sheet, section 13.7.5), which the FADT names
 * too. The keyboard controller has ways of its own: i8042.h.
 */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define RESET_CONTROL_PORT  0xcf9
#define RESET_CONTROL_VALUE 0x06 /* system reset: what the FADT tells guests to write */

typedef struct ResetControl ResetControl;

extern const BusOperations reset_control_operations;

/* @request is called each time that the guest asks for a reset. */
ResetControl *reset_control_new(void (*request)(void *opaque), void *opaque);
void reset_control_free(ResetControl *control);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ResetControl, reset_control_free)

void reset_control_reset(ResetControl *control);

/* Adds the register to a machine. */
void reset_control_create(const DeviceSurroundings *surroundings);
