/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host-signal.h - a device's way from any thread to the main context; see device/signals.h */
#pragma once

#include <glib.h>

#include "vmm/device/signals.h"

/*
 * host_signal_new - make a signal
 * @context:     where it is served
 * @device_lock: held around @received
 * @signal:      for device_signal_clear()
 */
gboolean host_signal_new(GMainContext *context, GMutex *device_lock, void (*received)(void *device),
			 void *device, DeviceSignal *signal, GError **error);
