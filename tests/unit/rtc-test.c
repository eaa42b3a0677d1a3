/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rtc-test.c - the real-time clock against the MC146818's data sheet */
#include "device-bench.h"
#include "vmm/chipset/rtc.h"

#define BASE   0x70
#define SECOND 1000000000ll

/* Two seconds before the end of February 29th, 2024, which was a Thursday. */
#define EPOCH 1709251198ll

enum {
	SECONDS,
	SECONDS_ALARM,
	MINUTES,
	MINUTES_ALARM,
	HOURS,
	HOURS_ALARM,
	DAY_OF_WEEK,
	DAY_OF_MONTH,
	MONTH,
	YEAR,
	A,
	B,
	C,
	D,
	CENTURY = 0x32,
};

/* Register B */
enum { H24 = 0x02, DM = 0x04, SQWE = 0x08, UIE = 0x10, AIE = 0x20, PIE = 0x40, SET = 0x80 };

/* Register C */
enum { UF = 0x10, AF = 0x20, PF = 0x40, IRQF = 0x80 };

/* Register A */
enum { UIP = 0x80, DIVIDER_HELD = 0x70, DIVIDER_32KHZ = 0x20 };

typedef struct {
	Bench bench;
	DeviceTimer timer;
	Rtc *rtc;
} Fixture;

static void start(Fixture *fixture, gconstpointer data)
{
	RtcTickPolicy policy = GPOINTER_TO_INT(data);
	InterruptLine line;

	bench_start(&fixture->bench);
	fixture->bench.now = EPOCH * SECOND;
	line = bench_line(&fixture->bench, 8);
	fixture->timer = bench_timer(&fixture->bench);
	fixture->rtc = rtc_new(&line, &fixture->timer, 0, policy);
	bus_add(fixture->bench.bus, BASE, RTC_PORTS, "rtc", &rtc_operations, fixture->rtc);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	rtc_free(fixture->rtc);
	bench_end(&fixture->bench);
}

static guint8 get(Fixture *fixture, guint8 reg)
{
	bench_out(&fixture->bench, BASE, reg);
	return bench_in(&fixture->bench, BASE + 1);
}

static void put(Fixture *fixture, guint8 reg, guint8 value)
{
	bench_out(&fixture->bench, BASE, reg);
	bench_out(&fixture->bench, BASE + 1, value);
}

/* Turns the clock to its deadline, as the owner of a timer does. */
static void run_to_deadline(Fixture *fixture)
{
	g_assert_cmpint(fixture->bench.deadline, !=, DEVICE_TIMER_NEVER);
	g_assert_cmpint(fixture->bench.deadline, >, fixture->bench.now);
	fixture->bench.now = fixture->bench.deadline;
	rtc_expired(fixture->rtc);
}

static void assert_time(Fixture *fixture, guint8 hours, guint8 minutes, guint8 seconds)
{
	g_assert_cmphex(get(fixture, HOURS), ==, hours);
	g_assert_cmphex(get(fixture, MINUTES), ==, minutes);
	g_assert_cmphex(get(fixture, SECONDS), ==, seconds);
}

static void assert_date(Fixture *fixture, guint8 century, guint8 year, guint8 month, guint8 day,
			guint8 day_of_week)
{
	g_assert_cmphex(get(fixture, CENTURY), ==, century);
	g_assert_cmphex(get(fixture, YEAR), ==, year);
	g_assert_cmphex(get(fixture, MONTH), ==, month);
	g_assert_cmphex(get(fixture, DAY_OF_MONTH), ==, day);
	g_assert_cmphex(get(fixture, DAY_OF_WEEK), ==, day_of_week);
}

static void set_time(Fixture *fixture, guint8 hours, guint8 minutes, guint8 seconds)
{
	put(fixture, HOURS, hours);
	put(fixture, MINUTES, minutes);
	put(fixture, SECONDS, seconds);
}

static void set_alarm(Fixture *fixture, guint8 hours, guint8 minutes, guint8 seconds)
{
	put(fixture, HOURS_ALARM, hours);
	put(fixture, MINUTES_ALARM, minutes);
	put(fixture, SECONDS_ALARM, seconds);
}

/* Time and date */

static void test_decimal(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, B), ==, H24);
	assert_time(fixture, 0x23, 0x59, 0x58);
	assert_date(fixture, 0x20, 0x24, 0x02, 0x29, 5);
	fixture->bench.now += 2 * SECOND - 1;
	assert_time(fixture, 0x23, 0x59, 0x59);
	fixture->bench.now += 1;
	assert_time(fixture, 0x00, 0x00, 0x00);
	assert_date(fixture, 0x20, 0x24, 0x03, 0x01, 6);
}

static void test_binary(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | DM);
	assert_time(fixture, 23, 59, 58);
	assert_date(fixture, 20, 24, 2, 29, 5);
	set_time(fixture, 12, 34, 56);
	assert_time(fixture, 12, 34, 56);
}

static void test_twelve_hours(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint8 of_24, of_12;
	} hours[] = { { 0x00, 0x12 }, { 0x01, 0x01 }, { 0x11, 0x11 },
		      { 0x12, 0x92 }, { 0x13, 0x81 }, { 0x23, 0x91 } };

	for (gsize i = 0; i < G_N_ELEMENTS(hours); i++) {
		put(fixture, B, H24);
		put(fixture, HOURS, hours[i].of_24);
		put(fixture, B, 0);
		g_assert_cmphex(get(fixture, HOURS), ==, hours[i].of_12);
		put(fixture, HOURS, 0x05);
		put(fixture, HOURS, hours[i].of_12);
		put(fixture, B, H24);
		g_assert_cmphex(get(fixture, HOURS), ==, hours[i].of_24);
	}
}

static void test_century_turns(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | SET);
	put(fixture, YEAR, 0x99);
	put(fixture, MONTH, 0x12);
	put(fixture, DAY_OF_MONTH, 0x31);
	put(fixture, B, H24);
	fixture->bench.now += 2 * SECOND;
	assert_time(fixture, 0x00, 0x00, 0x00);
	assert_date(fixture, 0x21, 0x00, 0x01, 0x01, 6);
}

/* Register B, SET: the time stands still and is the guest's to write. */
static void test_time_is_set(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | SET);
	fixture->bench.now += 100 * SECOND;
	assert_time(fixture, 0x23, 0x59, 0x58);
	set_time(fixture, 0x10, 0x20, 0x30);
	put(fixture, DAY_OF_MONTH, 0x01);
	put(fixture, MONTH, 0x07);
	put(fixture, YEAR, 0x95);
	put(fixture, CENTURY, 0x19);
	fixture->bench.now += 100 * SECOND;
	assert_time(fixture, 0x10, 0x20, 0x30);
	put(fixture, B, H24);
	fixture->bench.now += 5 * SECOND;
	assert_time(fixture, 0x10, 0x20, 0x35);
	assert_date(fixture, 0x19, 0x95, 0x07, 0x01, 7);
}

/* Neither reads of the time before it nor nonsense in it stop the clock. */
static void test_dates_that_no_calendar_has(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | SET);
	put(fixture, DAY_OF_MONTH, 0x31);
	g_assert_cmphex(get(fixture, DAY_OF_MONTH), ==, 0x31);
	put(fixture, B, H24);
	assert_date(fixture, 0x20, 0x24, 0x03, 0x02, 7);
	for (guint8 reg = SECONDS; reg <= YEAR; reg++)
		put(fixture, reg, 0xff);
	put(fixture, CENTURY, 0xff);
	fixture->bench.now += SECOND;
	g_assert_cmphex(get(fixture, SECONDS) & 0x0f, <=, 9);
	set_time(fixture, 0, 0, 0);
	assert_time(fixture, 0, 0, 0);
}

static void test_day_of_week_follows_the_date(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, DAY_OF_WEEK, 1);
	g_assert_cmphex(get(fixture, DAY_OF_WEEK), ==, 5);
}

/* Updates */

static void test_update_in_progress(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->bench.now += SECOND - 244001;
	g_assert_cmphex(get(fixture, A), ==, DIVIDER_32KHZ | 6);
	fixture->bench.now += 1;
	g_assert_cmphex(get(fixture, A), ==, UIP | DIVIDER_32KHZ | 6);
	put(fixture, B, H24 | SET);
	g_assert_cmphex(get(fixture, A) & UIP, ==, 0);
	put(fixture, B, H24);
	fixture->bench.now += 244000;
	g_assert_cmphex(get(fixture, A) & UIP, ==, 0);
	/* Read-only. */
	put(fixture, A, UIP | DIVIDER_32KHZ | 6);
	g_assert_cmphex(get(fixture, A) & UIP, ==, 0);
}

static void test_update_flag(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, A, DIVIDER_32KHZ);
	get(fixture, C);
	fixture->bench.now += SECOND - 1;
	g_assert_cmphex(get(fixture, C), ==, 0);
	fixture->bench.now += 1;
	/* The alarm's bytes are zeroes: not yet. */
	g_assert_cmphex(get(fixture, C), ==, UF);
	g_assert_cmphex(get(fixture, C), ==, 0);
	fixture->bench.now += 1;
	g_assert_cmphex(get(fixture, C), ==, 0);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 0);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

static void test_update_interrupt(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, A, DIVIDER_32KHZ);
	fixture->bench.now += SECOND / 4;
	put(fixture, B, H24 | UIE);
	for (guint i = 1; i <= 3; i++) {
		g_assert_cmpint(fixture->bench.deadline, ==, (EPOCH + i) * SECOND);
		run_to_deadline(fixture);
		g_assert_true(fixture->bench.level);
		/* Nothing more is armed before the guest has seen it. */
		g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
		g_assert_cmphex(get(fixture, C) & ~AF, ==, IRQF | UF);
		g_assert_false(fixture->bench.level);
	}
	put(fixture, B, H24);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

static void test_set_disables_the_update_interrupt(Fixture *fixture,
						   gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | SET | UIE | AIE);
	g_assert_cmphex(get(fixture, B), ==, H24 | SET | AIE);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	fixture->bench.now += 100 * SECOND;
	g_assert_cmphex(get(fixture, C) & (UF | AF), ==, 0);
}

/* An early call of the timer's owner, or one too many, does no harm. */
static void test_spurious_expiry(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | UIE);
	rtc_expired(fixture->rtc);
	g_assert_false(fixture->bench.level);
	run_to_deadline(fixture);
	rtc_expired(fixture->rtc);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 1);
}

/* Periodic interrupts */

static void test_periodic_rates(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	/* The data sheet's table for 32768 Hz, in nanoseconds rounded up. */
	static const gint64 periods[] = {
		0,	 3906250, 7812500,  122071,   244141,	488282,	   976563,    1953125,
		3906250, 7812500, 15625000, 31250000, 62500000, 125000000, 250000000, 500000000,
	};

	for (guint rate = 1; rate < G_N_ELEMENTS(periods); rate++) {
		put(fixture, B, H24);
		fixture->bench.now = (EPOCH + 10 * rate) * SECOND;
		put(fixture, A, DIVIDER_32KHZ | rate);
		get(fixture, C);
		put(fixture, B, H24 | PIE);
		g_assert_cmpint(fixture->bench.deadline - fixture->bench.now, ==, periods[rate]);
		run_to_deadline(fixture);
		g_assert_true(fixture->bench.level);
		g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
		g_assert_cmphex(get(fixture, C), ==, IRQF | PF);
	}
	/* Rate 0 is none. */
	put(fixture, A, DIVIDER_32KHZ);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	fixture->bench.now += SECOND;
	g_assert_cmphex(get(fixture, C) & PF, ==, 0);
}

/* 8192 interrupts a second, every one of them taken: not one is lost, not one too many. */
static void test_periodic_does_not_drift(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, A, DIVIDER_32KHZ | 3);
	put(fixture, B, H24 | PIE);
	for (guint i = 0; i < 8192; i++) {
		run_to_deadline(fixture);
		g_assert_cmphex(get(fixture, C) & (IRQF | PF), ==, IRQF | PF);
	}
	g_assert_cmpint(fixture->bench.now, ==, (EPOCH + 1) * SECOND);
}

/* 64 a second, from a whole second on. */
#define TICK (SECOND / 64)

static void start_ticks(Fixture *fixture)
{
	put(fixture, A, DIVIDER_32KHZ | 10);
	get(fixture, C);
	put(fixture, B, H24 | PIE);
	run_to_deadline(fixture);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 1);
}

/* Acknowledges what is there until nothing is, as a handler does. Return: how often it had to. */
static guint acknowledge_all(Fixture *fixture)
{
	guint n = 0;

	for (; fixture->bench.level; n++)
		g_assert_cmphex(get(fixture, C) & (IRQF | PF), ==, IRQF | PF);
	return n;
}

static void test_late_ticks_are_lost(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_ticks(fixture);
	fixture->bench.now += 5 * TICK;
	g_assert_cmpuint(acknowledge_all(fixture), ==, 1);
	/* The next comes when its time comes, and a late timer's are lost too. */
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + TICK);
	fixture->bench.now += 4 * TICK;
	rtc_expired(fixture->rtc);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 1);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 2);
}

/* Each has an edge of its own, and the rate goes on as if nothing had been late. */
static void test_late_ticks_are_caught_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_ticks(fixture);
	fixture->bench.now += 5 * TICK;
	g_assert_cmpuint(acknowledge_all(fixture), ==, 6);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 6);
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + TICK);
	fixture->bench.now += 4 * TICK;
	rtc_expired(fixture->rtc);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 4);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 10);
	run_to_deadline(fixture);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 1);
}

/* A guest that takes a tick and a half for each gets as many as there were in the end. */
static void test_slow_guest_catches_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	gint64 begin;

	start_ticks(fixture);
	begin = fixture->bench.now;
	for (guint i = 0; i < 100; i++) {
		fixture->bench.now += TICK * 3 / 2;
		g_assert_true(fixture->bench.level);
		get(fixture, C);
	}
	while (fixture->bench.level)
		get(fixture, C);
	while (fixture->bench.now < begin + 200 * TICK) {
		run_to_deadline(fixture);
		acknowledge_all(fixture);
	}
	g_assert_cmpint(fixture->bench.now, ==, begin + 200 * TICK);
	g_assert_cmpuint(fixture->bench.n_raised, ==, 201);
}

/* Of one that reads until nothing is flagged, not everything is spent on one interrupt. */
static void test_ticks_are_caught_up_in_portions(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_ticks(fixture);
	fixture->bench.now += 50 * TICK;
	g_assert_cmpuint(acknowledge_all(fixture), ==, 21);
	run_to_deadline(fixture);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 21);
	run_to_deadline(fixture);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 11);
	run_to_deadline(fixture);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 1);
}

/* A guest that has slept for a year is not kept busy for longer than a while. */
static void test_ticks_to_catch_up_are_bounded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint n;

	start_ticks(fixture);
	fixture->bench.now += 366 * 86400 * SECOND;
	n = acknowledge_all(fixture);
	for (guint portion = 1; portion > 0 && n < 100000; n += portion) {
		run_to_deadline(fixture);
		portion = acknowledge_all(fixture) - 1;
	}
	g_assert_cmpuint(n, ==, 65537);
}

static void test_ticks_of_another_rate_are_as_much_time(Fixture *fixture,
							gconstpointer data G_GNUC_UNUSED)
{
	start_ticks(fixture);
	fixture->bench.now += 4 * TICK;
	/* Half the rate: two are owed, besides that which is flagged. */
	put(fixture, A, DIVIDER_32KHZ | 11);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 3);
}

static void test_ticks_that_nobody_waits_for(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint8 a, b;
	} cases[] = {
		{ DIVIDER_32KHZ | 10, H24 },	  /* not enabled */
		{ DIVIDER_32KHZ, H24 | PIE },	  /* no rate */
		{ DIVIDER_HELD | 10, H24 | PIE }, /* no clock */
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		put(fixture, A, DIVIDER_32KHZ | 10);
		put(fixture, B, H24 | PIE);
		fixture->bench.now += 5 * TICK;
		put(fixture, A, cases[i].a);
		put(fixture, B, cases[i].b);
		put(fixture, A, DIVIDER_32KHZ | 10);
		put(fixture, B, H24 | PIE);
		get(fixture, C);
		g_assert_false(fixture->bench.level);
	}
	fixture->bench.now += 5 * TICK;
	rtc_expired(fixture->rtc);
	rtc_reset(fixture->rtc);
	put(fixture, B, H24 | PIE);
	run_to_deadline(fixture);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 1);
	/* Nor are those owed that come while they are not enabled. */
	put(fixture, B, H24);
	fixture->bench.now += 5 * TICK;
	put(fixture, B, H24 | PIE);
	g_assert_cmpuint(acknowledge_all(fixture), ==, 1);
}

static gint64 hasty_now(void *opaque)
{
	Bench *bench = opaque;

	return bench->now += TICK;
}

/* The controllers take edges: one that comes while another is acknowledged needs its own. */
static void test_tick_during_acknowledgement(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	InterruptLine line = bench_line(&fixture->bench, 8);
	DeviceTimer timer = fixture->timer;
	g_autoptr(Rtc) rtc = NULL;
	guint raised;

	timer.now = hasty_now;
	rtc = rtc_new(&line, &timer, 0, RTC_TICK_DELAY);
	rtc_operations.write(rtc, 0, 1, A);
	rtc_operations.write(rtc, 1, 1, DIVIDER_32KHZ | 10);
	rtc_operations.write(rtc, 0, 1, B);
	rtc_operations.write(rtc, 1, 1, H24 | PIE);
	g_assert_true(fixture->bench.level);
	raised = fixture->bench.n_raised;
	rtc_operations.write(rtc, 0, 1, C);
	rtc_operations.read(rtc, 1, 1);
	g_assert_true(fixture->bench.level);
	g_assert_cmpuint(fixture->bench.n_raised, ==, raised + 1);
}

/* Alarms */

static void test_alarm(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_alarm(fixture, 0x00, 0x00, 0x03);
	get(fixture, C);
	put(fixture, B, H24 | AIE);
	g_assert_cmpint(fixture->bench.deadline, ==, (EPOCH + 5) * SECOND);
	run_to_deadline(fixture);
	g_assert_true(fixture->bench.level);
	g_assert_cmphex(get(fixture, C) & ~PF, ==, IRQF | AF | UF);
	/* The next is tomorrow's. */
	g_assert_cmpint(fixture->bench.deadline, ==, (EPOCH + 5 + 86400) * SECOND);
}

static void test_alarm_of_now_is_tomorrows(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_alarm(fixture, 0x23, 0x59, 0x58);
	put(fixture, B, H24 | AIE);
	g_assert_cmpint(fixture->bench.deadline, ==, (EPOCH + 86400) * SECOND);
}

static void test_alarms_that_do_not_care(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint8 hours, minutes, seconds;
		gint64 from_now;
	} cases[] = {
		{ 0xff, 0xff, 0xff, 1 },
		{ 0xc0, 0xc0, 0xc0, 1 },
		{ 0xff, 0xff, 0x57, 59 },
		{ 0xff, 0xff, 0x00, 2 },
		{ 0xff, 0x58, 0x58, 59 * 60 },
		{ 0xff, 0x59, 0x57, 3599 },
		{ 0x05, 0xff, 0xff, 5 * 3600 + 2 },
		{ 0x22, 0xff, 0x00, 22 * 3600 + 2 },
		{ 0x23, 0x59, 0x57, 86399 },
	};

	put(fixture, B, H24 | AIE);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		set_alarm(fixture, cases[i].hours, cases[i].minutes, cases[i].seconds);
		g_assert_cmpint(fixture->bench.deadline - fixture->bench.now, ==,
				cases[i].from_now * SECOND);
	}
}

static void test_alarms_that_never_go_off(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | AIE);
	set_alarm(fixture, 0xff, 0xff, 0x60);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	set_alarm(fixture, 0xff, 0x60, 0xff);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	set_alarm(fixture, 0x24, 0xff, 0xff);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	fixture->bench.now += 100000 * SECOND;
	rtc_expired(fixture->rtc);
	g_assert_false(fixture->bench.level);
	/* Time that passed before it became possible does not count. */
	set_alarm(fixture, 0xff, 0xff, 0xff);
	g_assert_false(fixture->bench.level);
	run_to_deadline(fixture);
	g_assert_true(fixture->bench.level);
}

static void test_alarm_of_twelve_hours(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, AIE);
	set_alarm(fixture, 0x81, 0x00, 0x00);
	g_assert_cmpint(fixture->bench.deadline, ==, (EPOCH + 2 + 13 * 3600) * SECOND);
	set_alarm(fixture, 0x12, 0x30, 0x00);
	g_assert_cmpint(fixture->bench.deadline, ==, (EPOCH + 2 + 1800) * SECOND);
}

/* A guest that looked away for a week sees that there was an alarm. */
static void test_alarm_in_time_that_has_passed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set_alarm(fixture, 0x04, 0x00, 0x00);
	get(fixture, C);
	fixture->bench.now += 3600 * SECOND;
	g_assert_cmphex(get(fixture, C) & AF, ==, 0);
	fixture->bench.now += 7 * 86400 * SECOND;
	g_assert_cmphex(get(fixture, C) & AF, ==, AF);
	g_assert_cmphex(get(fixture, C), ==, 0);
}

/* The divider, the host's clock, reset */

/* "Divider control": the first update comes half a second after the divider is let go. */
static void test_divider(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->bench.now += SECOND / 8;
	put(fixture, A, DIVIDER_HELD);
	set_time(fixture, 0x10, 0x00, 0x00);
	fixture->bench.now += 1000 * SECOND;
	assert_time(fixture, 0x10, 0x00, 0x00);
	put(fixture, A, DIVIDER_32KHZ);
	get(fixture, C);
	fixture->bench.now += SECOND / 2 - 1;
	assert_time(fixture, 0x10, 0x00, 0x00);
	g_assert_cmphex(get(fixture, C), ==, 0);
	fixture->bench.now += 1;
	assert_time(fixture, 0x10, 0x00, 0x01);
	g_assert_cmphex(get(fixture, C) & UF, ==, UF);
	fixture->bench.now += SECOND - 1;
	assert_time(fixture, 0x10, 0x00, 0x01);
	put(fixture, B, H24 | UIE);
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + 1);
}

static void test_divider_stops_interrupts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | PIE | AIE | UIE);
	put(fixture, A, DIVIDER_HELD | 6);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	fixture->bench.now += 100 * SECOND;
	rtc_expired(fixture->rtc);
	g_assert_false(fixture->bench.level);
	put(fixture, A, DIVIDER_32KHZ | 6);
	g_assert_false(fixture->bench.level);
	g_assert_cmpint(fixture->bench.deadline, >, fixture->bench.now);
}

static void test_clock_that_is_set_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, B, H24 | UIE);
	fixture->bench.now -= 1000 * SECOND;
	rtc_expired(fixture->rtc);
	g_assert_false(fixture->bench.level);
	assert_time(fixture, 0x23, 0x43, 0x18);
	run_to_deadline(fixture);
	g_assert_true(fixture->bench.level);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, 0x40, 0x5a);
	set_alarm(fixture, 0x01, 0x02, 0x03);
	set_time(fixture, 0x10, 0x00, 0x00);
	put(fixture, B, H24 | DM | PIE | AIE | UIE | SQWE);
	run_to_deadline(fixture);
	g_assert_true(fixture->bench.level);
	rtc_reset(fixture->rtc);
	g_assert_false(fixture->bench.level);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmphex(get(fixture, B), ==, H24 | DM);
	g_assert_cmphex(get(fixture, C), ==, 0);
	g_assert_cmphex(get(fixture, 0x40), ==, 0x5a);
	g_assert_cmphex(get(fixture, HOURS_ALARM), ==, 0x01);
	g_assert_cmpuint(get(fixture, HOURS), ==, 10);
}

static guint8 read_register(Rtc *rtc, guint8 reg)
{
	rtc_operations.write(rtc, 0, 1, reg);
	return rtc_operations.read(rtc, 1, 1);
}

/* An hour ahead, which is another month, and a day behind; a reset leaves it so. */
static void test_base(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		gint64 offset;
		guint8 month, day, hours;
	} cases[] = {
		{ 0, 0x02, 0x29, 0x23 },
		{ 3600, 0x03, 0x01, 0x00 },
		{ -86400, 0x02, 0x28, 0x23 },
	};
	InterruptLine line = bench_line(&fixture->bench, 8);

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Rtc)
			rtc = rtc_new(&line, &fixture->timer, cases[i].offset, RTC_TICK_DELAY);

		rtc_reset(rtc);
		g_assert_cmphex(read_register(rtc, MONTH), ==, cases[i].month);
		g_assert_cmphex(read_register(rtc, DAY_OF_MONTH), ==, cases[i].day);
		g_assert_cmphex(read_register(rtc, HOURS), ==, cases[i].hours);
		g_assert_cmphex(read_register(rtc, MINUTES), ==, 0x59);
	}
}

/* Registers */

static void test_cmos_memory(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint index = 14; index < RTC_CMOS_SIZE; index++) {
		if (index != CENTURY)
			put(fixture, index, index ^ 0x55);
	}
	for (guint index = 14; index < RTC_CMOS_SIZE; index++) {
		if (index != CENTURY)
			g_assert_cmphex(get(fixture, index), ==, index ^ 0x55);
	}
	rtc_set_cmos(fixture->rtc, 0x5b, 0x77);
	g_assert_cmphex(get(fixture, 0x5b), ==, 0x77);
	/* Bit 7 of the index masks NMIs and selects nothing. */
	g_assert_cmphex(get(fixture, 0x80 | 0x5b), ==, 0x77);
}

static void test_index(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	bench_out(&fixture->bench, BASE, D);
	g_assert_cmphex(bench_in(&fixture->bench, BASE), ==, 0xff);
	/* One word writes index and data. */
	bus_write(fixture->bench.bus, BASE, 2, 0x3440);
	g_assert_cmphex(get(fixture, 0x40), ==, 0x34);
	g_assert_cmphex(bus_read(fixture->bench.bus, BASE, 2), ==, 0x34ff);
}

static void test_read_only_registers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, D, 0);
	g_assert_cmphex(get(fixture, D), ==, 0x80);
	get(fixture, C);
	put(fixture, C, 0xff);
	g_assert_cmphex(get(fixture, C), ==, 0);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

static void add_catchup(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, GINT_TO_POINTER(RTC_TICK_CATCHUP), start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/rtc/time/decimal", test_decimal);
	add("/rtc/time/binary", test_binary);
	add("/rtc/time/twelve-hours", test_twelve_hours);
	add("/rtc/time/century-turns", test_century_turns);
	add("/rtc/time/is-set", test_time_is_set);
	add("/rtc/time/dates-that-no-calendar-has", test_dates_that_no_calendar_has);
	add("/rtc/time/day-of-week-follows-the-date", test_day_of_week_follows_the_date);
	add("/rtc/update/in-progress", test_update_in_progress);
	add("/rtc/update/flag", test_update_flag);
	add("/rtc/update/interrupt", test_update_interrupt);
	add("/rtc/update/set-disables-the-interrupt", test_set_disables_the_update_interrupt);
	add("/rtc/update/spurious-expiry", test_spurious_expiry);
	add("/rtc/periodic/rates", test_periodic_rates);
	add("/rtc/periodic/does-not-drift", test_periodic_does_not_drift);
	add("/rtc/periodic/during-acknowledgement", test_tick_during_acknowledgement);
	add("/rtc/periodic/delay", test_late_ticks_are_lost);
	add_catchup("/rtc/periodic/catchup", test_late_ticks_are_caught_up);
	add_catchup("/rtc/periodic/catchup-of-a-slow-guest", test_slow_guest_catches_up);
	add_catchup("/rtc/periodic/catchup-in-portions", test_ticks_are_caught_up_in_portions);
	add_catchup("/rtc/periodic/catchup-is-bounded", test_ticks_to_catch_up_are_bounded);
	add_catchup("/rtc/periodic/catchup-at-another-rate",
		    test_ticks_of_another_rate_are_as_much_time);
	add_catchup("/rtc/periodic/catchup-that-nobody-waits-for",
		    test_ticks_that_nobody_waits_for);
	add_catchup("/rtc/periodic/catchup-does-not-drift", test_periodic_does_not_drift);
	add("/rtc/alarm/exact", test_alarm);
	add("/rtc/alarm/of-now-is-tomorrows", test_alarm_of_now_is_tomorrows);
	add("/rtc/alarm/do-not-care", test_alarms_that_do_not_care);
	add("/rtc/alarm/never-go-off", test_alarms_that_never_go_off);
	add("/rtc/alarm/of-twelve-hours", test_alarm_of_twelve_hours);
	add("/rtc/alarm/in-time-that-has-passed", test_alarm_in_time_that_has_passed);
	add("/rtc/divider/half-a-second", test_divider);
	add("/rtc/divider/stops-interrupts", test_divider_stops_interrupts);
	add("/rtc/clock-that-is-set-back", test_clock_that_is_set_back);
	add("/rtc/reset", test_reset);
	add("/rtc/base", test_base);
	add("/rtc/registers/cmos-memory", test_cmos_memory);
	add("/rtc/registers/index", test_index);
	add("/rtc/registers/read-only", test_read_only_registers);

	return g_test_run();
}
