/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-pm.c - ACPI's fixed hardware: PM1 event and control registers, and the PM timer
 *
 * Theory of operation
 *
 * The machine is always in ACPI mode: there is no SMI command port to enable it with, so
 * SCI_EN reads as one and cannot be cleared. The event registers are taken a byte at a time;
 * every bit of theirs means the same in whatever width it is written.
 *
 * The PM timer is computed from the clock. Its status bit, which a guest hardly ever looks
 * at, is computed when it is looked at, and a deadline is armed only while the guest wants
 * an interrupt from it.
 */
#include "vmm/chipset/acpi-pm.h"

#define NS_PER_SECOND 1000000000

enum {
	PM1_TIMER = 1 << 0,
	PM1_GLOBAL = 1 << 5,
	PM1_POWER_BUTTON = 1 << 8,
	PM1_SLEEP_BUTTON = 1 << 9,
	PM1_RTC = 1 << 10,

	/*
	 * Only the timer's and the power button's events ever happen. The others can be enabled
	 * all the same: Linux complains where an enable bit does not stick.
	 */
	PM1_ENABLE_MASK = PM1_TIMER | PM1_GLOBAL | PM1_POWER_BUTTON | PM1_SLEEP_BUTTON | PM1_RTC,
};

enum {
	PM1_SCI_ENABLED = 1 << 0,
	PM1_SLEEP_TYPE_SHIFT = 10,
	PM1_SLEEP_TYPE_MASK = 7,
	PM1_SLEEP_ENABLE = 1 << 13,
	PM1_CONTROL_KEPT = PM1_SLEEP_TYPE_MASK << PM1_SLEEP_TYPE_SHIFT,
};

struct AcpiPm {
	InterruptLine sci;
	DeviceTimer timer;
	void (*power_off)(void *opaque);
	void *opaque;
	guint16 status;
	guint16 enable;
	guint16 control;   /* without SCI_EN */
	guint64 half_wrap; /* count of changes of the timer's top bit that status knows of */
};

static guint64 timer_ticks(const AcpiPm *pm)
{
	unsigned __int128 ns = pm->timer.now(pm->timer.opaque);

	return ns * ACPI_PM_TIMER_HZ / NS_PER_SECOND;
}

/* The clock's time when the timer's top bit changes for the @number-th time, rounded up. */
static gint64 half_wrap_time(guint64 number)
{
	unsigned __int128 ticks = (unsigned __int128)number << 31;

	return (ticks * NS_PER_SECOND + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;
}

static void update_status(AcpiPm *pm)
{
	guint64 half_wrap = timer_ticks(pm) >> 31;

	if (half_wrap != pm->half_wrap)
		pm->status |= PM1_TIMER;
	pm->half_wrap = half_wrap;
}

static void update_interrupt(AcpiPm *pm)
{
	gboolean is_timer_wanted;

	update_status(pm);
	is_timer_wanted = pm->enable & ~pm->status & PM1_TIMER;
	interrupt_line_set(&pm->sci, (pm->enable & pm->status) != 0);
	pm->timer.arm(pm->timer.opaque,
		      is_timer_wanted ? half_wrap_time(pm->half_wrap + 1) : DEVICE_TIMER_NEVER);
}

static guint64 event_read(void *device, guint64 offset, guint size)
{
	AcpiPm *pm = device;
	guint32 value;

	(void)size;
	update_status(pm);
	value = pm->status | (guint32)pm->enable << 16;
	return value >> (offset * 8) & 0xff;
}

static void event_write(void *device, guint64 offset, guint size, guint64 value)
{
	AcpiPm *pm = device;
	guint shift = offset % 2 * 8;

	(void)size;
	update_status(pm);
	if (offset < 2)
		pm->status &= ~(value << shift);
	else
		pm->enable = ((pm->enable & ~(0xff << shift)) | value << shift) & PM1_ENABLE_MASK;
	update_interrupt(pm);
}

const BusOperations acpi_pm_event_operations = {
	.read = event_read,
	.write = event_write,
	.max_access = 1,
};

static guint64 control_read(void *device, guint64 offset, guint size)
{
	AcpiPm *pm = device;

	(void)size;
	return (pm->control | PM1_SCI_ENABLED) >> (offset * 8) & 0xff;
}

static void control_write(void *device, guint64 offset, guint size, guint64 value)
{
	AcpiPm *pm = device;
	guint shift = offset * 8;
	guint16 control = (pm->control & ~(0xff << shift)) | value << shift;
	guint sleep_type = control >> PM1_SLEEP_TYPE_SHIFT & PM1_SLEEP_TYPE_MASK;

	(void)size;
	pm->control = control & PM1_CONTROL_KEPT;
	if ((control & PM1_SLEEP_ENABLE) && sleep_type == ACPI_PM_SLEEP_TYPE_S5)
		pm->power_off(pm->opaque);
}

const BusOperations acpi_pm_control_operations = {
	.read = control_read,
	.write = control_write,
	.max_access = 1,
};

static guint64 timer_read(void *device, guint64 offset, guint size)
{
	AcpiPm *pm = device;

	(void)size;
	return (guint32)timer_ticks(pm) >> (offset * 8);
}

static void timer_write(void *device, guint64 offset, guint size, guint64 value)
{
	/* The timer is read-only. */
	(void)device;
	(void)offset;
	(void)size;
	(void)value;
}

const BusOperations acpi_pm_timer_operations = {
	.read = timer_read,
	.write = timer_write,
	.max_access = 4,
};

AcpiPm *acpi_pm_new(const InterruptLine *sci, const DeviceTimer *timer,
		    void (*power_off)(void *opaque), void *opaque)
{
	AcpiPm *pm = g_new0(AcpiPm, 1);

	pm->sci = *sci;
	pm->timer = *timer;
	pm->power_off = power_off;
	pm->opaque = opaque;
	pm->half_wrap = timer_ticks(pm) >> 31;
	return pm;
}

void acpi_pm_free(AcpiPm *pm)
{
	g_free(pm);
}

void acpi_pm_reset(AcpiPm *pm)
{
	update_status(pm);
	pm->status = 0;
	pm->enable = 0;
	pm->control = 0;
	update_interrupt(pm);
}

void acpi_pm_expired(AcpiPm *pm)
{
	update_interrupt(pm);
}

void acpi_pm_press_power_button(AcpiPm *pm)
{
	pm->status |= PM1_POWER_BUTTON;
	update_interrupt(pm);
}
