/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rtc.h - the real-time clock and its CMOS memory
 *
 * Register names and behaviour are those of the MC146818 data sheet (Motorola), with the
 * century byte where ACPI's FADT says it is.
 */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define RTC_PORTS	2 /* index, data */
#define RTC_CMOS_SIZE	128
#define RTC_REG_CENTURY 0x32

/* What becomes of a periodic interrupt whose time comes while another is not acknowledged. */
typedef enum {
	RTC_TICK_DELAY,	  /* it is lost; the next ones come at their rate */
	RTC_TICK_CATCHUP, /* it comes as soon as that one is acknowledged */
} RtcTickPolicy;

typedef struct Rtc Rtc;

extern const BusOperations rtc_operations;

/*
 * rtc_new - make a clock that starts at the UTC of @timer's clock, or @offset seconds ahead
 * @timer: its clock is the host's time since the epoch; given back by rtc_free()
 */
Rtc *rtc_new(const InterruptLine *irq, const DeviceTimer *timer, gint64 offset,
	     RtcTickPolicy tick_policy);
void rtc_free(Rtc *rtc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Rtc, rtc_free)

/* The data sheet's RESET: interrupts off; time, alarm and CMOS memory are kept. */
void rtc_reset(Rtc *rtc);

/* To be called when the deadline that was armed is over. */
void rtc_expired(Rtc *rtc);

/* Sets one byte of CMOS memory above the clock's own registers, as firmware would. */
void rtc_set_cmos(Rtc *rtc, guint index, guint8 value);

typedef struct {
	gint64 offset; /* seconds that the clock is ahead of the host's UTC at first */
	RtcTickPolicy tick_policy;
	guint64 ram_low_end; /* end of RAM below 4 GiB, and above it: for CMOS memory */
	guint64 ram_high_end;
} RtcConfig;

/* Adds the clock to a machine, with what firmware looks for in CMOS memory. */
gboolean rtc_create(const DeviceSurroundings *surroundings, const RtcConfig *config,
		    GError **error);
