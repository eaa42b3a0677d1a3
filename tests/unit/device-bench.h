/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * device-bench.h - one device on a bench: its ports on a bus, its interrupt line on a lamp,
 * and its clock turned by hand
 */
#pragma once

#include <glib.h>

#include "vmm/device/bus.h"
#include "vmm/device/device.h"

typedef struct {
	Bus *bus;
	gboolean level;	 /* of the interrupt line */
	guint n_raised;	 /* how often it went up */
	gint64 now;	 /* nanoseconds */
	gint64 deadline; /* or DEVICE_TIMER_NEVER */
} Bench;

static inline void bench_set_line(void *opaque, guint line G_GNUC_UNUSED, gboolean level)
{
	Bench *bench = opaque;

	/* A line that is told what it is already costs a system call. */
	g_assert_cmpint(level, !=, bench->level);
	bench->level = level;
	bench->n_raised += level;
}

static inline gint64 bench_now(void *opaque)
{
	return ((Bench *)opaque)->now;
}

static inline void bench_arm(void *opaque, gint64 deadline)
{
	((Bench *)opaque)->deadline = deadline;
}

static inline InterruptLine bench_line(Bench *bench, guint line)
{
	return (InterruptLine){ .set = bench_set_line, .opaque = bench, .line = line };
}

static inline DeviceTimer bench_timer(Bench *bench)
{
	return (DeviceTimer){ .now = bench_now, .arm = bench_arm, .opaque = bench };
}

static inline void bench_start(Bench *bench)
{
	*bench = (Bench){ .bus = bus_new("bench"), .deadline = DEVICE_TIMER_NEVER };
}

static inline void bench_end(Bench *bench)
{
	bus_free(bench->bus);
}

static inline guint8 bench_in(Bench *bench, guint port)
{
	return bus_read(bench->bus, port, 1);
}

static inline void bench_out(Bench *bench, guint port, guint8 value)
{
	bus_write(bench->bus, port, 1, value);
}
