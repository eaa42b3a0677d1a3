/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-pm.h - ACPI's fixed hardware: PM1 event and control registers, and the PM timer
 *
 * ACPI 6.3, section 4.8.3. The registers lie as in an ICH9 with its PM base at 0x600, which
 * is where firmware for q35 puts it.
 */
#pragma once

#include <glib.h>

#include "vmm/chipset/bus.h"
#include "vmm/chipset/device.h"

#define ACPI_PM_BASE	     0x600
#define ACPI_PM_EVENT	     (ACPI_PM_BASE + 0)
#define ACPI_PM_EVENT_SIZE   4
#define ACPI_PM_CONTROL	     (ACPI_PM_BASE + 4)
#define ACPI_PM_CONTROL_SIZE 2
#define ACPI_PM_TIMER	     (ACPI_PM_BASE + 8)
#define ACPI_PM_TIMER_SIZE   4
#define ACPI_PM_TIMER_HZ     3579545
#define ACPI_PM_GPE0	     (ACPI_PM_BASE + 0x20)
#define ACPI_PM_GPE0_SIZE    16

/* Global system interrupt of the SCI. */
#define ACPI_SCI 9

/* What the sleep type of the control register says for S5; the DSDT's \_S5 has the same. */
#define ACPI_PM_SLEEP_TYPE_S5 0

typedef struct AcpiPm AcpiPm;

extern const BusOperations acpi_pm_event_operations;
extern const BusOperations acpi_pm_control_operations;
extern const BusOperations acpi_pm_timer_operations;

/*
 * acpi_pm_new - make the fixed hardware
 * @sci:       the system control interrupt, level-triggered, active high
 * @timer:     of any clock that does not jump
 * @power_off: called when the guest enters S5
 */
AcpiPm *acpi_pm_new(const InterruptLine *sci, const DeviceTimer *timer,
		    void (*power_off)(void *opaque), void *opaque);
void acpi_pm_free(AcpiPm *pm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiPm, acpi_pm_free)

void acpi_pm_reset(AcpiPm *pm);

/* To be called when the deadline that was armed is over. */
void acpi_pm_expired(AcpiPm *pm);

/* Sets PWRBTN_STS, as a short press does. */
void acpi_pm_press_power_button(AcpiPm *pm);
