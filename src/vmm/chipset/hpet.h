/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hpet.h - high precision event timers
 *
 * IA-PC HPET specification 1.0a: a 64-bit counter of 100 MHz and three timers, each one-shot
 * or periodic, that interrupt through the I/O APIC.
 */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define HPET_ADDRESS   0xfed00000ull
#define HPET_SIZE      0x400ull
#define HPET_TIMERS    3
#define HPET_PERIOD_NS 10

/* The low half of the capabilities register, which the ACPI table HPET repeats. */
#define HPET_BLOCK_ID 0x80862201u

typedef struct Hpet Hpet;

extern const BusOperations hpet_operations;

/*
 * hpet_new - make the timers, with the counter halted
 * @interrupt: whose set() takes any line of @routes; its line and level are not used
 * @routes:    the global system interrupts, 0 to 31, that a timer may be routed to, as a mask;
 *             lines that no other device drives
 * @timer:     of a clock that does not jump; given back by hpet_free()
 */
Hpet *hpet_new(const InterruptLine *interrupt, guint32 routes, const DeviceTimer *timer);
void hpet_free(Hpet *hpet);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Hpet, hpet_free)

void hpet_reset(Hpet *hpet);

/* To be called when the deadline that was armed is over. */
void hpet_expired(Hpet *hpet);

/* Adds the timers to a machine. */
gboolean hpet_create(const DeviceSurroundings *surroundings, GError **error);
