/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * countdown.h - a time that is over at its end, and stands still while the guest does not run
 *
 * Theory of operation
 *
 * A watchdog is about how long its guest has run: one that is paused for a night has not failed to
 * do anything. So what is left at a pause is what is left after it. All but the pause and its end
 * is called with the device lock held.
 */
#pragma once

#include "vmm/device/surroundings.h"

typedef struct {
	DeviceTimer timer;
	gint64 deadline; /* DEVICE_TIMER_NEVER while it does not run */
	gint64 left;	 /* of a pause: nanoseconds, or DEVICE_TIMER_NEVER */
	gboolean is_paused;
} Countdown;

/*
 * countdown_init - a countdown that does not run
 * @expired: called some time after the end; it begins with countdown_take()
 */
gboolean countdown_init(Countdown *countdown, const DeviceSurroundings *surroundings,
			void (*expired)(void *device), void *device, GError **error);
/* The same with a timer, which becomes its own. */
void countdown_init_with(Countdown *countdown, const DeviceTimer *timer);
void countdown_clear(Countdown *countdown);

/* From the beginning, with that many nanoseconds, whether it runs or not. */
void countdown_start(Countdown *countdown, gint64 nanoseconds);
void countdown_stop(Countdown *countdown);

/* Return: nanoseconds; 0 where it does not run, or is over. */
gint64 countdown_left(const Countdown *countdown);

/* Return: whether it is over; then it does not run any more. Timers may call too early. */
gboolean countdown_take(Countdown *countdown);

/* On the main thread, while processors are paused. */
void countdown_pause(Countdown *countdown);
void countdown_resume(Countdown *countdown);
