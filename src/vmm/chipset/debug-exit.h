/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* debug-exit.h - QEMU's isa-debug-exit: four ports by which a test guest ends its machine */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define DEBUG_EXIT_PORTS 4

/* Return: FALSE with @error set where @port and the next three are not free. */
gboolean debug_exit_create(const DeviceSurroundings *surroundings, guint port, GError **error);
