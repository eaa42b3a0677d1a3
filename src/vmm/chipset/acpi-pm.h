/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-pm.h - an ICH9's block of power management registers: PM1, PM timer, GPE0, SMI, TCO
 *
 * ACPI 6.3, section 4.8.3, and the ICH9's data sheet, sections 13.8.3 and 13.9. The block is
 * moved as a whole by the PM base of the LPC bridge; firmware for q35 puts it at 0x600.
 */
#pragma once

#include <glib.h>

#include "vmm/chipset/ich9-lpc.h"
#include "vmm/device/surroundings.h"
#include "vmm/watchdog/tco.h"

#define ACPI_PM_BASE	     0x600
#define ACPI_PM_SIZE	     0x80

#define ACPI_PM_EVENT	     (ACPI_PM_BASE + 0)
#define ACPI_PM_EVENT_SIZE   4
#define ACPI_PM_CONTROL	     (ACPI_PM_BASE + 4)
#define ACPI_PM_CONTROL_SIZE 2
#define ACPI_PM_TIMER	     (ACPI_PM_BASE + 8)
#define ACPI_PM_TIMER_SIZE   4
#define ACPI_PM_GPE0	     (ACPI_PM_BASE + 0x20)
#define ACPI_PM_GPE0_SIZE    16 /* status, enable: eight bytes each */
#define ACPI_PM_TIMER_HZ     3579545

/* Global system interrupt of the SCI. */
#define ACPI_SCI 9

/* What the sleep type of the control register says for S5; the DSDT's \_S5 has the same. */
#define ACPI_PM_SLEEP_TYPE_S5 0

typedef struct AcpiPm AcpiPm;

/* Of the whole block, ACPI_PM_SIZE ports. */
extern const BusOperations acpi_pm_operations;

/*
 * acpi_pm_new - make the fixed hardware
 * @sci:       the system control interrupt, level-triggered, active high
 * @timer:     of any clock that does not jump; given back by acpi_pm_free()
 * @power_off: called when the guest enters S5
 */
AcpiPm *acpi_pm_new(const InterruptLine *sci, const DeviceTimer *timer,
		    void (*power_off)(void *opaque), void *opaque);
void acpi_pm_free(AcpiPm *pm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiPm, acpi_pm_free)

void acpi_pm_reset(AcpiPm *pm);

/* To be called when the deadline that was armed is over. */
void acpi_pm_expired(AcpiPm *pm);

/*
 * GBL_SMI_EN no longer changes, until a reset: for SMI_LOCK, a bit of the LPC bridge (data
 * sheet, section 13.8.1.1).
 */
void acpi_pm_lock_smi(AcpiPm *pm);

/* Sets PWRBTN_STS, as a short press does. */
void acpi_pm_press_power_button(AcpiPm *pm);

/* The machine's, or NULL. */
AcpiPm *acpi_pm_find(const DeviceRegistry *registry);

/* The bridge that moves it. */
Ich9Lpc *acpi_pm_lpc(const AcpiPm *pm);

/* A watchdog in place of the one that cannot be started; it outlives the last access. */
void acpi_pm_connect_watchdog(AcpiPm *pm, Tco *tco);
gboolean acpi_pm_has_watchdog(const AcpiPm *pm);

/*
 * acpi_pm_create - add the fixed hardware to a machine
 * @lpc: the bridge that moves it
 *
 * Return: the block, which is the machine's registry's; NULL with @error set.
 */
AcpiPm *acpi_pm_create(const DeviceSurroundings *surroundings, Ich9Lpc *lpc, GError **error);
