/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-timer.h - a device's timer on a clock of the host
 *
 * Arming takes one system call and wakes nobody, so that a device may do it on a vCPU's
 * thread; the deadline is served on the main context.
 */
#pragma once

#include <glib.h>
#include <time.h>

#include "vmm/device/device.h"

typedef struct HostTimer HostTimer;

/*
 * host_timer_new - make a timer, not armed
 * @clock:       CLOCK_MONOTONIC or CLOCK_REALTIME; when the latter is set, deadlines move with it
 * @context:     where deadlines are served
 * @device_lock: held around @expired
 */
HostTimer *host_timer_new(clockid_t clock, GMainContext *context, GMutex *device_lock,
			  void (*expired)(void *opaque), void *opaque, GError **error);
void host_timer_free(HostTimer *timer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostTimer, host_timer_free)

/*
 * The device's side of @timer, to be used with the device lock held; device_timer_clear() of
 * it frees the timer.
 */
DeviceTimer host_timer_device(HostTimer *timer);
