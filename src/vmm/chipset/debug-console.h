/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * debug-console.h - the port that firmware for virtual machines writes its log to
 *
 * Bochs's and QEMU's isa-debugcon: reading 0xe9 tells the guest that somebody listens, each
 * byte written is one of the log.
 */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define DEBUG_CONSOLE_PORT 0x402

typedef struct DebugConsole DebugConsole;

/* Of one port. */
extern const BusOperations debug_console_operations;

/* @transmit is called for each byte, with the device lock held; it must not wait. */
DebugConsole *debug_console_new(void (*transmit)(void *opaque, guint8 byte), void *opaque);
void debug_console_free(DebugConsole *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DebugConsole, debug_console_free)

/* Adds the port to a machine; @transmit and @opaque as with debug_console_new(). */
void debug_console_create(const DeviceSurroundings *surroundings,
			  void (*transmit)(void *opaque, guint8 byte), void *opaque);
