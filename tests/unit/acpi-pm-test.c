/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-pm-test.c - PM1 and the PM timer against ACPI 6.3, sections 4.8.2 and 4.8.3; the rest
 * of the block against the ICH9's data sheet, sections 13.8.3 and 13.9
 */
#include "device-bench.h"
#include "vmm/chipset/acpi-pm.h"

#define SECOND	       1000000000ll

#define STATUS	       ACPI_PM_EVENT
#define ENABLE	       (ACPI_PM_EVENT + 2)
#define CONTROL	       ACPI_PM_CONTROL
#define TIMER	       ACPI_PM_TIMER

#define GPE0_STATUS    ACPI_PM_GPE0
#define GPE0_ENABLE    (ACPI_PM_GPE0 + 8)
#define SMI_ENABLE     (ACPI_PM_BASE + 0x30)
#define SMI_STATUS     (ACPI_PM_BASE + 0x34)
#define CONTROL_OF_TCO (ACPI_PM_BASE + 0x68)
#define TIMER_OF_TCO   (ACPI_PM_BASE + 0x72)

/* Status and enable */
enum { TMR = 0x0001, GBL = 0x0020, PWRBTN = 0x0100, SLPBTN = 0x0200, RTC = 0x0400 };

/* Control */
enum { SCI_EN = 0x0001, SLP_TYP = 0x1c00, SLP_EN = 0x2000 };

typedef struct {
	Bench bench;
	AcpiPm *pm;
	guint n_power_offs;
} Fixture;

static void on_power_off(void *opaque)
{
	((Fixture *)opaque)->n_power_offs++;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	InterruptLine line;
	DeviceTimer timer;

	bench_start(&fixture->bench);
	line = bench_line(&fixture->bench, 9);
	timer = bench_timer(&fixture->bench);
	fixture->pm = acpi_pm_new(&line, &timer, on_power_off, fixture);
	bus_add(fixture->bench.bus, ACPI_PM_BASE, ACPI_PM_SIZE, "block", &acpi_pm_operations,
		fixture->pm);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	acpi_pm_free(fixture->pm);
	bench_end(&fixture->bench);
}

static guint16 get(Fixture *fixture, guint port)
{
	return bus_read(fixture->bench.bus, port, 2);
}

static void put(Fixture *fixture, guint port, guint16 value)
{
	bus_write(fixture->bench.bus, port, 2, value);
}

static guint32 ticks(Fixture *fixture)
{
	return bus_read(fixture->bench.bus, TIMER, 4);
}

/* The clock's time at a tick of the timer, rounded up. */
static gint64 time_of(guint64 tick)
{
	return ((unsigned __int128)tick * SECOND + ACPI_PM_TIMER_HZ - 1) / ACPI_PM_TIMER_HZ;
}

static void test_power_on(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
	g_assert_cmphex(get(fixture, ENABLE), ==, 0);
	g_assert_cmphex(get(fixture, CONTROL), ==, SCI_EN);
	g_assert_false(fixture->bench.level);
}

static void test_enable_bits_stick(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, ENABLE, 0xffff);
	g_assert_cmphex(get(fixture, ENABLE), ==, TMR | GBL | PWRBTN | SLPBTN | RTC);
	put(fixture, ENABLE, PWRBTN);
	g_assert_cmphex(get(fixture, ENABLE), ==, PWRBTN);
	bench_out(&fixture->bench, ENABLE, GBL);
	g_assert_cmphex(get(fixture, ENABLE), ==, PWRBTN | GBL);
	bench_out(&fixture->bench, ENABLE + 1, 0);
	g_assert_cmphex(get(fixture, ENABLE), ==, GBL);
	g_assert_false(fixture->bench.level);
}

/* The SCI is a level: up while an event that is enabled has not been acknowledged. */
static void test_power_button(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	acpi_pm_press_power_button(fixture->pm);
	g_assert_cmphex(get(fixture, STATUS), ==, PWRBTN);
	g_assert_false(fixture->bench.level);
	put(fixture, ENABLE, PWRBTN);
	g_assert_true(fixture->bench.level);
	put(fixture, ENABLE, 0);
	g_assert_false(fixture->bench.level);
	put(fixture, ENABLE, PWRBTN);
	put(fixture, STATUS, PWRBTN);
	g_assert_false(fixture->bench.level);
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
	acpi_pm_press_power_button(fixture->pm);
	acpi_pm_press_power_button(fixture->pm);
	g_assert_true(fixture->bench.level);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 3);
}

/* Written ones clear, zeroes do not; and no width of the access changes that. */
static void test_status_is_cleared_by_ones(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	acpi_pm_press_power_button(fixture->pm);
	put(fixture, STATUS, 0);
	put(fixture, STATUS, (guint16)~PWRBTN);
	bench_out(&fixture->bench, STATUS, 0xff);
	g_assert_cmphex(get(fixture, STATUS), ==, PWRBTN);
	bench_out(&fixture->bench, STATUS + 1, PWRBTN >> 8);
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
	acpi_pm_press_power_button(fixture->pm);
	bus_write(fixture->bench.bus, STATUS, 4, (guint32)GBL << 16 | PWRBTN);
	g_assert_cmphex(bus_read(fixture->bench.bus, STATUS, 4), ==, (guint32)GBL << 16);
	put(fixture, STATUS, 0xffff);
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
}

/* Control */

static void test_control_keeps_the_sleep_type(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, CONTROL, 0xdfff & ~SLP_EN);
	g_assert_cmphex(get(fixture, CONTROL), ==, SLP_TYP | SCI_EN);
	put(fixture, CONTROL, 0);
	/* There is no way out of ACPI mode. */
	g_assert_cmphex(get(fixture, CONTROL), ==, SCI_EN);
	g_assert_cmpuint(fixture->n_power_offs, ==, 0);
}

static void test_sleep(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint type = 0; type < 8; type++) {
		put(fixture, CONTROL, type << 10);
		g_assert_cmpuint(fixture->n_power_offs, ==, 0);
		put(fixture, CONTROL, SLP_EN | type << 10);
		/* SLP_EN is write-only. */
		g_assert_cmphex(get(fixture, CONTROL), ==, SCI_EN | type << 10);
		g_assert_cmpuint(fixture->n_power_offs, ==, type == ACPI_PM_SLEEP_TYPE_S5);
		fixture->n_power_offs = 0;
	}
}

static void test_sleep_by_bytes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	bench_out(&fixture->bench, CONTROL, SCI_EN);
	g_assert_cmpuint(fixture->n_power_offs, ==, 0);
	bench_out(&fixture->bench, CONTROL + 1, (SLP_EN | ACPI_PM_SLEEP_TYPE_S5 << 10) >> 8);
	g_assert_cmpuint(fixture->n_power_offs, ==, 1);
	/* A word is one request. */
	put(fixture, CONTROL, SLP_EN | ACPI_PM_SLEEP_TYPE_S5 << 10);
	g_assert_cmpuint(fixture->n_power_offs, ==, 2);
}

/* The timer */

static void test_timer_counts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmpuint(ticks(fixture), ==, 0);
	fixture->bench.now = SECOND;
	g_assert_cmpuint(ticks(fixture), ==, 3579545);
	fixture->bench.now = time_of(1) - 1;
	g_assert_cmpuint(ticks(fixture), ==, 0);
	fixture->bench.now = time_of(1);
	g_assert_cmpuint(ticks(fixture), ==, 1);
	fixture->bench.now = time_of(G_MAXUINT32);
	g_assert_cmphex(ticks(fixture), ==, G_MAXUINT32);
	fixture->bench.now = time_of(1ull << 32);
	g_assert_cmphex(ticks(fixture), ==, 0);
	/* Two hundred years later. */
	fixture->bench.now = G_MAXINT64;
	g_assert_cmphex(ticks(fixture), ==,
			(guint32)((unsigned __int128)G_MAXINT64 * 3579545 / SECOND));
}

static void test_timer_is_read_only_and_in_parts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->bench.now = time_of(0x12345678);
	bus_write(fixture->bench.bus, TIMER, 4, 0);
	g_assert_cmphex(bus_read(fixture->bench.bus, TIMER, 4), ==, 0x12345678);
	g_assert_cmphex(bus_read(fixture->bench.bus, TIMER + 1, 2), ==, 0x3456);
	g_assert_cmphex(bus_read(fixture->bench.bus, TIMER + 3, 1), ==, 0x12);
	g_assert_cmphex(bus_read(fixture->bench.bus, TIMER + 3, 2), ==, 0x12);
}

/* TMR_STS is set whenever the timer's most significant bit changes, up or down. */
static void test_timer_status(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint64 half = 1; half <= 4; half++) {
		fixture->bench.now = time_of(half << 31) - 1;
		g_assert_cmphex(get(fixture, STATUS), ==, 0);
		fixture->bench.now = time_of(half << 31);
		g_assert_cmphex(get(fixture, STATUS), ==, TMR);
		put(fixture, STATUS, TMR);
		g_assert_cmphex(get(fixture, STATUS), ==, 0);
	}
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

static void test_timer_interrupt(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->bench.now = 77 * SECOND;
	put(fixture, ENABLE, TMR);
	for (guint64 half = 1; half <= 3; half++) {
		g_assert_cmpint(fixture->bench.deadline, ==, time_of(half << 31));
		acpi_pm_expired(fixture->pm);
		g_assert_false(fixture->bench.level);
		fixture->bench.now = fixture->bench.deadline;
		acpi_pm_expired(fixture->pm);
		g_assert_true(fixture->bench.level);
		g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
		put(fixture, STATUS, TMR);
		g_assert_false(fixture->bench.level);
	}
	put(fixture, ENABLE, 0);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

/* The rest of the block */

static guint32 get_long(Fixture *fixture, guint port)
{
	return bus_read(fixture->bench.bus, port, 4);
}

static void put_long(Fixture *fixture, guint port, guint32 value)
{
	bus_write(fixture->bench.bus, port, 4, value);
}

static void test_general_purpose_events(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_long(fixture, GPE0_ENABLE, 0x12345678);
	put_long(fixture, GPE0_ENABLE + 4, 0x9abcdef0);
	bench_out(&fixture->bench, GPE0_ENABLE + 1, 0xff);
	g_assert_cmphex(get_long(fixture, GPE0_ENABLE), ==, 0x1234ff78);
	g_assert_cmphex(get_long(fixture, GPE0_ENABLE + 4), ==, 0x9abcdef0);
	put_long(fixture, GPE0_STATUS, G_MAXUINT32);
	g_assert_cmphex(get_long(fixture, GPE0_STATUS), ==, 0);
	g_assert_cmphex(get_long(fixture, GPE0_STATUS + 4), ==, 0);
	g_assert_false(fixture->bench.level);
}

enum { GBL_SMI_EN = 0x0001, EOS = 0x0002, APMC_EN = 0x0020, TCO_EN = 0x2000 };

static void test_smi_enables(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	/* SeaBIOS sets system management mode up where APMC_EN is clear. */
	g_assert_cmphex(get_long(fixture, SMI_ENABLE), ==, APMC_EN);
	put_long(fixture, SMI_ENABLE, G_MAXUINT32);
	g_assert_cmphex(get_long(fixture, SMI_ENABLE), ==, GBL_SMI_EN | EOS | APMC_EN | TCO_EN);
	acpi_pm_lock_smi(fixture->pm);
	put_long(fixture, SMI_ENABLE, 0);
	g_assert_cmphex(get_long(fixture, SMI_ENABLE), ==, GBL_SMI_EN | APMC_EN);
	g_assert_cmphex(get_long(fixture, SMI_STATUS), ==, 0);

	acpi_pm_reset(fixture->pm);
	acpi_pm_lock_smi(fixture->pm);
	put_long(fixture, SMI_ENABLE, GBL_SMI_EN | TCO_EN);
	g_assert_cmphex(get_long(fixture, SMI_ENABLE), ==, APMC_EN | TCO_EN);

	/* A reset unlocks. */
	acpi_pm_reset(fixture->pm);
	put_long(fixture, SMI_ENABLE, GBL_SMI_EN);
	g_assert_cmphex(get_long(fixture, SMI_ENABLE), ==, GBL_SMI_EN | APMC_EN);
}

static void test_watchdog_is_halted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, CONTROL_OF_TCO), ==, 0x0800);
	put(fixture, CONTROL_OF_TCO, 0);
	g_assert_cmphex(get(fixture, CONTROL_OF_TCO), ==, 0x0800);
	g_assert_cmpuint(get(fixture, TIMER_OF_TCO), ==, 4);
	fixture->bench.now = 1000 * SECOND;
	g_assert_cmphex(get(fixture, ACPI_PM_BASE + 0x64), ==, 0);
	g_assert_cmphex(get(fixture, ACPI_PM_BASE + 0x66), ==, 0);
}

static void test_nothing_else_in_the_block(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, ACPI_PM_BASE + 0x06), ==, 0);
	put_long(fixture, ACPI_PM_BASE + 0x10, G_MAXUINT32);
	g_assert_cmphex(get_long(fixture, ACPI_PM_BASE + 0x10), ==, 0);
	put_long(fixture, ACPI_PM_BASE + 0x7c, G_MAXUINT32);
	g_assert_cmphex(get_long(fixture, ACPI_PM_BASE + 0x7c), ==, 0);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, ENABLE, PWRBTN | TMR);
	put(fixture, CONTROL, SLP_TYP);
	put_long(fixture, GPE0_ENABLE, 1);
	put_long(fixture, SMI_ENABLE, TCO_EN);
	acpi_pm_press_power_button(fixture->pm);
	fixture->bench.now = time_of(5ull << 31);
	acpi_pm_reset(fixture->pm);
	g_assert_false(fixture->bench.level);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	test_power_on(fixture, NULL);
	g_assert_cmphex(get_long(fixture, GPE0_ENABLE), ==, 0);
	g_assert_cmphex(get_long(fixture, SMI_ENABLE), ==, APMC_EN);
	/* The timer goes on. */
	g_assert_cmphex(ticks(fixture), ==, 1u << 31);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/acpi-pm/power-on", test_power_on);
	add("/acpi-pm/event/enable-bits-stick", test_enable_bits_stick);
	add("/acpi-pm/event/power-button", test_power_button);
	add("/acpi-pm/event/status-is-cleared-by-ones", test_status_is_cleared_by_ones);
	add("/acpi-pm/control/keeps-the-sleep-type", test_control_keeps_the_sleep_type);
	add("/acpi-pm/control/sleep", test_sleep);
	add("/acpi-pm/control/sleep-by-bytes", test_sleep_by_bytes);
	add("/acpi-pm/timer/counts", test_timer_counts);
	add("/acpi-pm/timer/read-only-and-in-parts", test_timer_is_read_only_and_in_parts);
	add("/acpi-pm/timer/status", test_timer_status);
	add("/acpi-pm/timer/interrupt", test_timer_interrupt);
	add("/acpi-pm/block/general-purpose-events", test_general_purpose_events);
	add("/acpi-pm/block/smi-enables", test_smi_enables);
	add("/acpi-pm/block/watchdog-is-halted", test_watchdog_is_halted);
	add("/acpi-pm/block/nothing-else", test_nothing_else_in_the_block);
	add("/acpi-pm/reset", test_reset);

	return g_test_run();
}
