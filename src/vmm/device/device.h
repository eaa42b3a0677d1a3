/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device.h - an interrupt line, a timer and memory, as a device sees them
 *
 * Theory of operation
 *
 * A device is a state machine: registers in, interrupt line and deadline out. It knows
 * neither KVM nor the main loop, so that a test can hold its lines and turn its clock.
 * Everything here is called with the device lock held.
 */
#pragma once

#include <glib.h>

/* One input of the interrupt controllers, as the device sees it. */
typedef struct {
	void (*set)(void *opaque, guint line, gboolean level);
	void *opaque;
	guint line; /* global system interrupt */
	gboolean level;
} InterruptLine;

/* Tells the controllers of a change; costs nothing where there is none. */
static inline void interrupt_line_set(InterruptLine *line, gboolean level)
{
	if (line->level == level)
		return;
	line->level = level;
	line->set(line->opaque, line->line, level);
}

/* No deadline. */
#define DEVICE_TIMER_NEVER G_MAXINT64

/*
 * A clock, and one deadline on it. The owner of the timer calls the device's function for
 * it at or after the deadline; an early call, or one too many, does no harm.
 */
typedef struct {
	gint64 (*now)(void *opaque);		    /* nanoseconds, never negative */
	void (*arm)(void *opaque, gint64 deadline); /* replaces the last; or DEVICE_TIMER_NEVER */
	void (*free)(void *opaque);		    /* or NULL: it is somebody else's */
	void *opaque;
} DeviceTimer;

/* Gives a timer back; one that is all zero, too. */
static inline void device_timer_clear(DeviceTimer *timer)
{
	if (timer->free)
		timer->free(timer->opaque);
	*timer = (DeviceTimer){ 0 };
}

/*
 * Guest RAM as a device with DMA reaches it: the content moves, no page changes its state.
 * FALSE where not all of [gpa, gpa + size) is RAM; then nothing has been copied, or only a
 * part. May take as long as a trip of the courier.
 */
typedef struct {
	gboolean (*read)(void *opaque, guint64 gpa, void *data, gsize size);
	gboolean (*write)(void *opaque, guint64 gpa, const void *data, gsize size);
	void (*free)(void *opaque); /* or NULL: it is somebody else's */
	void *opaque;
} DeviceMemory;

/* Gives it back; one that is all zero, too. */
static inline void device_memory_clear(DeviceMemory *memory)
{
	if (memory->free)
		memory->free(memory->opaque);
	*memory = (DeviceMemory){ 0 };
}
