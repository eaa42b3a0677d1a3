/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * paced-signal.h - a signal to the main thread that is sent once a second at most
 *
 * Theory of operation
 *
 * What a guest can do as often as it likes must not become as many events of the monitor: who reads
 * them would be kept busy, or be cut off. The first reason to send is one at once; those within a
 * second of that are one together, at the end of it. So the main thread, which looks at how it is
 * then, always learns of the last state.
 */
#pragma once

#include "vmm/device/io-thread.h"
#include "vmm/device/signals.h"

typedef struct {
	DeviceSignal signal; /* whoever has this makes it, with device_make_signal() */

	/* All zero before paced_signal_begin(). */
	IoThread *thread;
	GMutex lock;   /* guards what follows */
	GSource *wait; /* or NULL: nothing is to be sent */
	gint64 sent;   /* of g_get_monotonic_time(): when it was the last time; 0: never */
} PacedSignal;

/* Before the first one is sent: @thread has the clock. */
void paced_signal_begin(PacedSignal *paced, IoThread *thread);

/* There is a reason to send. Any thread. */
void paced_signal_send(PacedSignal *paced);

/* Gives it back, as device_signal_clear() does; one that has not begun, too. */
void paced_signal_clear(PacedSignal *paced);
