/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* watchdog-test.c - the chipset's watchdog against the ICH9's data sheet, section 13.9 */
#include "device-bench.h"
#include "vmm/watchdog/tco.h"

#define HALTED	0x0800
#define LOCKED	0x1000
#define TIMEOUT 0x08
#define SECOND	0x06

typedef struct {
	Bench bench;
	Tco *tco;
	gboolean may_act;
	guint n_acts;
} Fixture;

static gboolean may_act(void *opaque)
{
	return ((Fixture *)opaque)->may_act;
}

static void act(void *opaque)
{
	((Fixture *)opaque)->n_acts++;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const TcoHost host = { may_act, act, fixture };
	DeviceTimer timer;

	bench_start(&fixture->bench);
	timer = bench_timer(&fixture->bench);
	fixture->tco = tco_new(&host);
	countdown_init_with(tco_countdown(fixture->tco), &timer);
	tco_reset(fixture->tco);
	fixture->may_act = TRUE;
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	tco_free(fixture->tco);
	bench_end(&fixture->bench);
}

static guint get(Fixture *fixture, guint offset)
{
	return tco_read(fixture->tco, offset, 2);
}

static void put(Fixture *fixture, guint offset, guint16 value)
{
	tco_write_byte(fixture->tco, offset, value & 0xff);
	tco_write_byte(fixture->tco, offset + 1, value >> 8);
}

static void pass(Fixture *fixture, gint64 time)
{
	fixture->bench.now += time;
	tco_expired(fixture->tco);
}

static void test_after_a_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, TCO_TIMER), ==, 4);
	g_assert_cmphex(get(fixture, TCO_CONTROL_1), ==, 0);
	g_assert_cmphex(get(fixture, TCO_CONTROL_2), ==, 8);
	g_assert_cmphex(get(fixture, TCO_IRQ_GENERATION), ==, 3);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

static void test_over_twice(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, TCO_TIMER, 10);
	put(fixture, TCO_RELOAD, 1);
	g_assert_cmpuint(get(fixture, TCO_RELOAD), ==, 10);
	pass(fixture, 3 * TCO_TICK);
	g_assert_cmpuint(get(fixture, TCO_RELOAD), ==, 7);
	g_assert_cmphex(get(fixture, TCO_STATUS_1), ==, 0);
	pass(fixture, 7 * TCO_TICK);
	g_assert_cmphex(get(fixture, TCO_STATUS_1), ==, TIMEOUT);
	g_assert_cmpuint(fixture->n_acts, ==, 0);
	pass(fixture, 10 * TCO_TICK);
	g_assert_cmpuint(fixture->n_acts, ==, 1);
	g_assert_cmphex(get(fixture, TCO_STATUS_2), ==, SECOND);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	/* That stays for who asks after the reset. */
	tco_reset(fixture->tco);
	g_assert_cmphex(get(fixture, TCO_STATUS_1), ==, 0);
	g_assert_cmphex(get(fixture, TCO_STATUS_2), ==, SECOND);
}

static void test_reloaded_between(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, TCO_RELOAD, 1);
	for (guint i = 0; i < 5; i++) {
		pass(fixture, 4 * TCO_TICK);
		g_assert_cmphex(get(fixture, TCO_STATUS_1), ==, TIMEOUT);
		put(fixture, TCO_STATUS_1, TIMEOUT);
		put(fixture, TCO_RELOAD, 1);
	}
	g_assert_cmpuint(fixture->n_acts, ==, 0);
}

static void test_without_leave(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->may_act = FALSE;
	put(fixture, TCO_RELOAD, 1);
	pass(fixture, 4 * TCO_TICK);
	pass(fixture, 4 * TCO_TICK);
	g_assert_cmpuint(fixture->n_acts, ==, 0);
	g_assert_cmphex(get(fixture, TCO_STATUS_2), ==, SECOND);
	/* It goes on, and acts when it may. */
	fixture->may_act = TRUE;
	pass(fixture, 4 * TCO_TICK);
	pass(fixture, 4 * TCO_TICK);
	g_assert_cmpuint(fixture->n_acts, ==, 1);
}

static void test_halted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, TCO_RELOAD, 1);
	pass(fixture, TCO_TICK);
	put(fixture, TCO_CONTROL_1, HALTED);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmpuint(get(fixture, TCO_RELOAD), ==, 3);
	put(fixture, TCO_RELOAD, 1);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	put(fixture, TCO_CONTROL_1, 0);
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + 4 * TCO_TICK);
}

static void test_locked(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, TCO_CONTROL_1, LOCKED);
	put(fixture, TCO_CONTROL_1, HALTED);
	g_assert_cmphex(get(fixture, TCO_CONTROL_1), ==, LOCKED | HALTED);
	tco_reset(fixture->tco);
	g_assert_cmphex(get(fixture, TCO_CONTROL_1), ==, 0);
}

/* Two ticks at least, whatever a guest writes. */
static void test_times(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint16 written;
		guint ticks;
	} cases[] = { { 0, 2 },		{ 1, 2 },	   { 2, 2 },
		      { 0x3ff, 0x3ff }, { 0xffff, 0x3ff }, { 0xfc00, 2 } };

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		put(fixture, TCO_TIMER, cases[i].written);
		put(fixture, TCO_RELOAD, 0);
		g_assert_cmpint(fixture->bench.deadline, ==,
				fixture->bench.now + cases[i].ticks * TCO_TICK);
	}
}

/* What is left at a pause is left after it, however long that was. */
static void test_pause(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	Countdown *countdown = tco_countdown(fixture->tco);

	put(fixture, TCO_RELOAD, 1);
	pass(fixture, TCO_TICK);
	countdown_pause(countdown);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	pass(fixture, 1000 * TCO_TICK);
	g_assert_cmphex(get(fixture, TCO_STATUS_1), ==, 0);
	countdown_resume(countdown);
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + 3 * TCO_TICK);
	/* One that stands still does so afterwards, too; so does one that is reset in the pause. */
	put(fixture, TCO_CONTROL_1, HALTED);
	countdown_pause(countdown);
	countdown_resume(countdown);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	put(fixture, TCO_CONTROL_1, 0);
	countdown_pause(countdown);
	tco_reset(fixture->tco);
	countdown_resume(countdown);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

static void test_every_register(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint offset = 0; offset < TCO_SIZE; offset++) {
		for (guint value = 0; value <= 0xff; value++) {
			tco_write_byte(fixture->tco, offset, (guint8)value);
			for (guint size = 1; size <= 4; size *= 2)
				g_assert_cmphex((guint64)tco_read(fixture->tco, offset, size) >>
							size * 8,
						==, 0);
			if (fixture->bench.deadline != DEVICE_TIMER_NEVER)
				pass(fixture, fixture->bench.deadline - fixture->bench.now);
		}
	}
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/tco/after-a-reset", test_after_a_reset);
	add("/tco/over-twice", test_over_twice);
	add("/tco/reloaded-between", test_reloaded_between);
	add("/tco/without-leave", test_without_leave);
	add("/tco/halted", test_halted);
	add("/tco/locked", test_locked);
	add("/tco/times", test_times);
	add("/tco/pause", test_pause);
	add("/tco/every-register", test_every_register);
	return g_test_run();
}
