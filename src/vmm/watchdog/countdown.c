/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* countdown.c - a time that is over at its end, and stands still while the guest does not run */
#include "vmm/watchdog/countdown.h"

static gint64 now_of(const Countdown *countdown)
{
	return countdown->timer.now(countdown->timer.opaque);
}

static void arm(Countdown *countdown)
{
	countdown->timer.arm(countdown->timer.opaque,
			     countdown->is_paused ? DEVICE_TIMER_NEVER : countdown->deadline);
}

void countdown_init_with(Countdown *countdown, const DeviceTimer *timer)
{
	*countdown = (Countdown){ .timer = *timer, .deadline = DEVICE_TIMER_NEVER };
}

gboolean countdown_init(Countdown *countdown, const DeviceSurroundings *surroundings,
			void (*expired)(void *device), void *device, GError **error)
{
	DeviceTimer timer;

	if (!device_make_timer(surroundings, DEVICE_CLOCK_MONOTONIC, expired, device, &timer,
			       error))
		return FALSE;
	countdown_init_with(countdown, &timer);
	return TRUE;
}

void countdown_clear(Countdown *countdown)
{
	device_timer_clear(&countdown->timer);
}

void countdown_start(Countdown *countdown, gint64 nanoseconds)
{
	countdown->deadline = now_of(countdown) + nanoseconds;
	countdown->left = nanoseconds;
	arm(countdown);
}

void countdown_stop(Countdown *countdown)
{
	countdown->deadline = DEVICE_TIMER_NEVER;
	countdown->left = DEVICE_TIMER_NEVER;
	arm(countdown);
}

gint64 countdown_left(const Countdown *countdown)
{
	if (countdown->deadline == DEVICE_TIMER_NEVER)
		return 0;
	if (countdown->is_paused)
		return countdown->left;
	return MAX(countdown->deadline - now_of(countdown), 0);
}

gboolean countdown_take(Countdown *countdown)
{
	if (countdown->is_paused || countdown->deadline == DEVICE_TIMER_NEVER)
		return FALSE;
	if (now_of(countdown) < countdown->deadline) {
		arm(countdown);
		return FALSE;
	}
	countdown_stop(countdown);
	return TRUE;
}

void countdown_pause(Countdown *countdown)
{
	countdown->left = countdown->deadline == DEVICE_TIMER_NEVER ? DEVICE_TIMER_NEVER :
								      countdown_left(countdown);
	countdown->is_paused = TRUE;
	arm(countdown);
}

void countdown_resume(Countdown *countdown)
{
	countdown->is_paused = FALSE;
	if (countdown->deadline != DEVICE_TIMER_NEVER)
		countdown->deadline = now_of(countdown) + countdown->left;
	arm(countdown);
}
