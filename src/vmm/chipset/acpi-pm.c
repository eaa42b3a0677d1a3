/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-pm.c - an ICH9's block of power management registers: PM1, PM timer, GPE0, SMI, TCO
 *
 * Theory of operation
 *
 * The machine is always in ACPI mode: there is no SMI command port to enable it with, so
 * SCI_EN reads as one and cannot be cleared. Registers are taken a byte at a time: every bit
 * means the same in whatever width it is written. Only the PM timer, which changes while it
 * is read, is read in one piece.
 *
 * The PM timer is computed from the clock. Its status bit, which a guest hardly ever looks
 * at, is computed when it is looked at, and a deadline is armed only while the guest wants
 * an interrupt from it.
 *
 * General purpose events can be enabled; none ever happens, so that their status reads zero.
 *
 * There is no system management mode and nothing raises an SMI. Of SMI_EN those bits stick
 * whose effect nobody could miss. APMC_EN reads as one: SeaBIOS takes it for the sign that
 * system management mode has been set up and lets it be, as on QEMU without it.
 *
 * The TCO watchdog is a device of its own (itco.c). Where a machine has none it is halted and
 * cannot be started; a driver that tries finds that out by reading TCO_TMR_HLT back.
 */
#include "vmm/chipset/acpi-pm.h"

#define NS_PER_SECOND 1000000000
#define DEVICE_ID     "chipset/pm"

/* Registers by their offset in the block. */
enum {
	REG_PM1_STATUS = 0x00,
	REG_PM1_ENABLE = 0x02,
	REG_PM1_CONTROL = 0x04,
	REG_PM_TIMER = 0x08,
	REG_GPE0_ENABLE = 0x28,
	REG_SMI_ENABLE = 0x30,
	REG_TCO = 0x60,
	REG_TCO1_CONTROL = 0x68,
	REG_TCO_TIMER = 0x72,
};

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

enum {
	SMI_GLOBAL = 1 << 0,
	SMI_END_OF_SMI = 1 << 1,
	SMI_APMC = 1 << 5,
	SMI_TCO = 1 << 13,
	SMI_KEPT = SMI_GLOBAL | SMI_END_OF_SMI | SMI_TCO,
};

#define TCO1_CONTROL_HALTED (1 << 11)
#define TCO_TIMER_DEFAULT   4 /* of 0.6 s */

struct AcpiPm {
	BusWindow *window; /* of a machine's */
	Ich9Lpc *lpc;	   /* the same */
	Tco *tco;	   /* or NULL */
	InterruptLine sci;
	DeviceTimer timer;
	void (*power_off)(void *opaque);
	void *opaque;
	guint16 status;
	guint16 enable;
	guint16 control; /* without SCI_EN */
	guint64 gpe0_enable;
	guint32 smi_enable; /* of SMI_KEPT */
	gboolean is_smi_locked;
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

static void write_status(AcpiPm *pm, guint shift, guint8 value)
{
	update_status(pm);
	pm->status &= ~(value << shift);
	update_interrupt(pm);
}

static void write_enable(AcpiPm *pm, guint shift, guint8 value)
{
	pm->enable = ((pm->enable & ~(0xff << shift)) | value << shift) & PM1_ENABLE_MASK;
	update_interrupt(pm);
}

static void write_control(AcpiPm *pm, guint shift, guint8 value)
{
	guint16 control = (pm->control & ~(0xff << shift)) | value << shift;
	guint sleep_type = control >> PM1_SLEEP_TYPE_SHIFT & PM1_SLEEP_TYPE_MASK;

	pm->control = control & PM1_CONTROL_KEPT;
	if ((control & PM1_SLEEP_ENABLE) && sleep_type == ACPI_PM_SLEEP_TYPE_S5)
		pm->power_off(pm->opaque);
}

static void write_gpe0_enable(AcpiPm *pm, guint shift, guint8 value)
{
	pm->gpe0_enable = (pm->gpe0_enable & ~(0xffull << shift)) | (guint64)value << shift;
}

static void write_smi_enable(AcpiPm *pm, guint shift, guint8 value)
{
	guint32 enable = (pm->smi_enable & ~(0xffu << shift)) | (guint32)value << shift;
	guint32 mask = pm->is_smi_locked ? SMI_KEPT & ~SMI_GLOBAL : SMI_KEPT;

	pm->smi_enable = (pm->smi_enable & ~mask) | (enable & mask);
}

/* What has no register here is reserved, or reads as zero and ignores what is written. */
static guint8 read_byte(AcpiPm *pm, guint64 offset)
{
	switch (offset) {
	case REG_PM1_STATUS ... REG_PM1_STATUS + 1:
		update_status(pm);
		return pm->status >> (offset - REG_PM1_STATUS) * 8;
	case REG_PM1_ENABLE ... REG_PM1_ENABLE + 1:
		return pm->enable >> (offset - REG_PM1_ENABLE) * 8;
	case REG_PM1_CONTROL ... REG_PM1_CONTROL + 1:
		return (pm->control | PM1_SCI_ENABLED) >> (offset - REG_PM1_CONTROL) * 8;
	case REG_GPE0_ENABLE ... REG_GPE0_ENABLE + 7:
		return pm->gpe0_enable >> (offset - REG_GPE0_ENABLE) * 8;
	case REG_SMI_ENABLE ... REG_SMI_ENABLE + 3:
		return (pm->smi_enable | SMI_APMC) >> (offset - REG_SMI_ENABLE) * 8;
	case REG_TCO1_CONTROL ... REG_TCO1_CONTROL + 1:
		return TCO1_CONTROL_HALTED >> (offset - REG_TCO1_CONTROL) * 8;
	case REG_TCO_TIMER:
		return TCO_TIMER_DEFAULT;
	default:
		return 0;
	}
}

static guint64 pm_read(void *device, guint64 offset, guint size)
{
	AcpiPm *pm = device;
	guint32 timer = timer_ticks(pm);
	guint64 value = 0;

	if (pm->tco && offset >= REG_TCO)
		return tco_read(pm->tco, offset - REG_TCO, size);

	for (guint i = 0; i < size; i++) {
		guint64 at = offset + i;
		guint8 byte = at >= REG_PM_TIMER && at < REG_PM_TIMER + ACPI_PM_TIMER_SIZE ?
				      timer >> (at - REG_PM_TIMER) * 8 :
				      read_byte(pm, at);

		value |= (guint64)byte << (i * 8);
	}
	return value;
}

static void write_byte(AcpiPm *pm, guint64 offset, guint8 value)
{
	if (pm->tco && offset >= REG_TCO) {
		tco_write_byte(pm->tco, offset - REG_TCO, value);
		return;
	}
	switch (offset) {
	case REG_PM1_STATUS ... REG_PM1_STATUS + 1:
		write_status(pm, (offset - REG_PM1_STATUS) * 8, value);
		break;
	case REG_PM1_ENABLE ... REG_PM1_ENABLE + 1:
		write_enable(pm, (offset - REG_PM1_ENABLE) * 8, value);
		break;
	case REG_PM1_CONTROL ... REG_PM1_CONTROL + 1:
		write_control(pm, (offset - REG_PM1_CONTROL) * 8, value);
		break;
	case REG_GPE0_ENABLE ... REG_GPE0_ENABLE + 7:
		write_gpe0_enable(pm, (offset - REG_GPE0_ENABLE) * 8, value);
		break;
	case REG_SMI_ENABLE ... REG_SMI_ENABLE + 3:
		write_smi_enable(pm, (offset - REG_SMI_ENABLE) * 8, value);
		break;
	}
}

static void pm_write(void *device, guint64 offset, guint size, guint64 value)
{
	for (guint i = 0; i < size; i++)
		write_byte(device, offset + i, value >> (i * 8));
}

const BusOperations acpi_pm_operations = {
	.read = pm_read,
	.write = pm_write,
	.max_access = 4,
};

/* Sets up a block that has its timer. */
static void start_block(AcpiPm *pm, const InterruptLine *sci, void (*power_off)(void *opaque),
			void *opaque)
{
	pm->sci = *sci;
	pm->power_off = power_off;
	pm->opaque = opaque;
	pm->half_wrap = timer_ticks(pm) >> 31;
}

AcpiPm *acpi_pm_new(const InterruptLine *sci, const DeviceTimer *timer,
		    void (*power_off)(void *opaque), void *opaque)
{
	AcpiPm *pm = g_new0(AcpiPm, 1);

	pm->timer = *timer;
	start_block(pm, sci, power_off, opaque);
	return pm;
}

void acpi_pm_free(AcpiPm *pm)
{
	if (!pm)
		return;
	device_timer_clear(&pm->timer);
	g_free(pm);
}

void acpi_pm_reset(AcpiPm *pm)
{
	update_status(pm);
	pm->status = 0;
	pm->enable = 0;
	pm->control = 0;
	pm->gpe0_enable = 0;
	pm->smi_enable = 0;
	pm->is_smi_locked = FALSE;
	update_interrupt(pm);
}

void acpi_pm_expired(AcpiPm *pm)
{
	update_interrupt(pm);
}

void acpi_pm_lock_smi(AcpiPm *pm)
{
	pm->is_smi_locked = TRUE;
}

void acpi_pm_press_power_button(AcpiPm *pm)
{
	pm->status |= PM1_POWER_BUTTON;
	update_interrupt(pm);
}

static void move_block(void *opaque, guint16 base, gboolean enabled)
{
	const AcpiPm *pm = opaque;

	bus_move_window(pm->window, base, enabled ? ACPI_PM_SIZE : 0);
}

static void lock_smi(void *opaque)
{
	acpi_pm_lock_smi(opaque);
}

static void expire_device(void *device)
{
	acpi_pm_expired(device);
}

static void reset_device(void *device)
{
	acpi_pm_reset(device);
}

static void free_device(void *device)
{
	acpi_pm_free(device);
}

static const DeviceOperations device_operations = {
	.reset = reset_device,
	.free = free_device,
};

AcpiPm *acpi_pm_find(const DeviceRegistry *registry)
{
	return device_registry_find(registry, DEVICE_ID, &device_operations);
}

Ich9Lpc *acpi_pm_lpc(const AcpiPm *pm)
{
	return pm->lpc;
}

void acpi_pm_connect_watchdog(AcpiPm *pm, Tco *tco)
{
	pm->tco = tco;
}

gboolean acpi_pm_has_watchdog(const AcpiPm *pm)
{
	return pm->tco != NULL;
}

AcpiPm *acpi_pm_create(const DeviceSurroundings *surroundings, Ich9Lpc *lpc, GError **error)
{
	g_autoptr(AcpiPm) pm = g_new0(AcpiPm, 1);
	const Ich9LpcPm block = { .move = move_block, .lock_smi = lock_smi, .opaque = pm };

	if (!device_make_timer(surroundings, DEVICE_CLOCK_MONOTONIC, expire_device, pm, &pm->timer,
			       error))
		return NULL;
	start_block(pm, &surroundings->sci, surroundings->host->power_off, surroundings->opaque);
	pm->window = bus_add_window(surroundings->ports, "PM block", &acpi_pm_operations, pm);
	ich9_lpc_connect_pm(lpc, &block);
	pm->lpc = lpc;
	device_registry_add(surroundings->registry, DEVICE_ID, &device_operations, pm);
	return g_steal_pointer(&pm);
}
