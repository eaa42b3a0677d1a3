/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tco.h - the ICH9's watchdog, called TCO: a block of 32 ports
 *
 * Intel I/O Controller Hub 9 data sheet (316972), section 13.9.
 */
#pragma once

#include "vmm/watchdog/countdown.h"

#define TCO_SIZE	   0x20
#define TCO_TICK	   G_GINT64_CONSTANT(600000000) /* nanoseconds */

#define TCO_RELOAD	   0x00
#define TCO_DATA_IN	   0x02
#define TCO_DATA_OUT	   0x03
#define TCO_STATUS_1	   0x04
#define TCO_STATUS_2	   0x06
#define TCO_CONTROL_1	   0x08
#define TCO_CONTROL_2	   0x0a
#define TCO_MESSAGE_1	   0x0c
#define TCO_MESSAGE_2	   0x0d
#define TCO_WATCHDOG_STATE 0x0e
#define TCO_IRQ_GENERATION 0x10
#define TCO_TIMER	   0x12

typedef struct Tco Tco;

typedef struct {
	/* Whether the second time that it is over is the machine's to know. */
	gboolean (*may_act)(void *opaque);
	void (*act)(void *opaque);
	void *opaque;
} TcoHost;

/* Return: a watchdog that does not run. */
Tco *tco_new(const TcoHost *host);
/* Between the two the timer is to be made, which calls @tco_expired. */
Countdown *tco_countdown(Tco *tco);
void tco_free(Tco *tco);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Tco, tco_free)

/* What says that it was over a second time stays. */
void tco_reset(Tco *tco);
void tco_expired(Tco *tco);

/* @offset: below TCO_SIZE; @size: 1, 2 or 4. What is beyond reads as 0. */
guint32 tco_read(Tco *tco, guint offset, guint size);
void tco_write_byte(Tco *tco, guint offset, guint8 value);
