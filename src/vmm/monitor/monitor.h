/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * monitor.h - the machine's monitor: its commands and events
 *
 * docs/monitor.md describes each. Commands that QEMU has keep QEMU's names and shapes.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>

#include "vmm/machine/machine.h"

typedef struct Monitor Monitor;

/* Serves @machine on a listening socket, on the main context, until freed. */
Monitor *monitor_new(GSocket *listener, Machine *machine);
void monitor_free(Monitor *monitor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Monitor, monitor_free)

/* Whether a command still runs on a worker thread: then the machine must not go away. */
gboolean monitor_is_busy(const Monitor *monitor);

/* Tells the client what happened; on the main thread. */
void monitor_send_event(Monitor *monitor, const MachineEvent *event);
