/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hot-plug.h - devices that come and go while a machine is there
 *
 * A device that is described is put in a root port's slot, and taken out of it once the guest has
 * let go: pci/pcie-slot.h says how the two agree. All functions of a slot go together.
 *
 * All with the device lock held, on the main thread. Ids that a function appends are those of
 * devices that are gone, or that the guest wants to keep; for g_free().
 */
#pragma once

#include "vmm/machine/devices.h"

/*
 * hot_plug_ask - ask the guest to let go of a device
 * @is_running: whether the guest has begun to run since the last reset; otherwise it goes at once
 * @gone:       of char *
 *
 * Return: FALSE with @error set where there is no such device, it can never go, or the guest is
 * busy with it.
 */
gboolean hot_plug_ask(const DeviceShop *shop, const char *id, gboolean is_running, GPtrArray *gone,
		      GError **error);

/* Takes out what guests have let go of, and tells what they keep. */
void hot_plug_serve(const DeviceShop *shop, GPtrArray *gone, GPtrArray *kept);

/* For a reset: takes out what the guest was asked for, whether it has answered or not. */
void hot_plug_finish(const DeviceShop *shop, GPtrArray *gone);
