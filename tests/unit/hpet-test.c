/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* hpet-test.c - high precision event timers against the IA-PC HPET specification 1.0a */
#include "device-bench.h"
#include "vmm/chipset/hpet.h"

#define TICK	      10ll
#define SECOND	      1000000000ll

#define CAPABILITIES  0x000
#define CONFIGURATION 0x010
#define STATUS	      0x020
#define COUNTER	      0x0f0
#define TIMER(n)      (0x100 + 0x20 * (n))
#define COMPARATOR(n) (TIMER(n) + 8)

#define ROUTES	      0x00f00000u /* 20 to 23 */
#define LINES	      32

enum { LEVEL = 0x002, ENABLE = 0x004, PERIODIC = 0x008, SET_VALUE = 0x040, BITS_32 = 0x100 };

#define ROUTE(line) ((line) << 9)

typedef struct {
	Bench bench;
	Hpet *hpet;
	gboolean levels[LINES];
	guint n_raised[LINES];
	guint n_armed;
} Fixture;

static void set_line(void *opaque, guint line, gboolean level)
{
	Fixture *fixture = opaque;

	g_assert_cmpuint(line, <, LINES);
	g_assert_cmphex(ROUTES & 1u << line, !=, 0);
	g_assert_cmpint(fixture->levels[line], !=, level);
	fixture->levels[line] = level;
	fixture->n_raised[line] += level;
}

static gint64 now(void *opaque)
{
	return ((Fixture *)opaque)->bench.now;
}

static void arm(void *opaque, gint64 deadline)
{
	Fixture *fixture = opaque;

	fixture->bench.deadline = deadline;
	fixture->n_armed++;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const InterruptLine interrupt = { .set = set_line, .opaque = fixture };
	const DeviceTimer timer = { .now = now, .arm = arm, .opaque = fixture };

	bench_start(&fixture->bench);
	fixture->bench.now = 77 * SECOND;
	fixture->hpet = hpet_new(&interrupt, ROUTES, &timer);
	bus_add(fixture->bench.bus, HPET_ADDRESS, HPET_SIZE, "hpet", &hpet_operations,
		fixture->hpet);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	hpet_free(fixture->hpet);
	bench_end(&fixture->bench);
}

static guint64 get(Fixture *fixture, guint offset)
{
	return bus_read(fixture->bench.bus, HPET_ADDRESS + offset, 8);
}

static void put(Fixture *fixture, guint offset, guint64 value)
{
	bus_write(fixture->bench.bus, HPET_ADDRESS + offset, 8, value);
}

static void put_long(Fixture *fixture, guint offset, guint32 value)
{
	bus_write(fixture->bench.bus, HPET_ADDRESS + offset, 4, value);
}

static void pass(Fixture *fixture, gint64 ns)
{
	fixture->bench.now += ns;
}

/* Goes to the deadline, as the machine's timer does. */
static void wait_for_deadline(Fixture *fixture)
{
	g_assert_cmpint(fixture->bench.deadline, !=, DEVICE_TIMER_NEVER);
	fixture->bench.now = fixture->bench.deadline;
	hpet_expired(fixture->hpet);
	g_assert_cmpint(fixture->bench.deadline, >, fixture->bench.now);
}

static void test_power_on(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	/* 10 ns in femtoseconds; 64 bits, three timers, no legacy replacement. */
	g_assert_cmphex(get(fixture, CAPABILITIES), ==, 0x0098968080862201);
	g_assert_cmphex(get(fixture, CONFIGURATION), ==, 0);
	g_assert_cmphex(get(fixture, COUNTER), ==, 0);
	for (guint i = 0; i < HPET_TIMERS; i++) {
		g_assert_cmphex(get(fixture, TIMER(i)), ==, 0x00f0000000000030);
		g_assert_cmphex(get(fixture, COMPARATOR(i)), ==, G_MAXUINT64);
	}
	g_assert_cmphex(get(fixture, TIMER(HPET_TIMERS)), ==, 0);
	g_assert_cmphex(get(fixture, 0x3f8), ==, 0);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
}

static void test_counter(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pass(fixture, SECOND);
	g_assert_cmpuint(get(fixture, COUNTER), ==, 0);
	put(fixture, CONFIGURATION, 3);
	g_assert_cmphex(get(fixture, CONFIGURATION), ==, 1);
	/* Parts of a tick are not lost, however often it is read. */
	for (guint i = 0; i < 10; i++) {
		g_assert_cmpuint(get(fixture, COUNTER), ==, i * 19 / 10);
		pass(fixture, 19);
	}
	put(fixture, CONFIGURATION, 0);
	pass(fixture, SECOND);
	g_assert_cmpuint(get(fixture, COUNTER), ==, 19);
	put(fixture, COUNTER, 0x1fffffffe);
	put(fixture, CONFIGURATION, 1);
	pass(fixture, 2 * TICK);
	g_assert_cmphex(bus_read(fixture->bench.bus, HPET_ADDRESS + COUNTER, 4), ==, 0);
	g_assert_cmphex(bus_read(fixture->bench.bus, HPET_ADDRESS + COUNTER + 4, 4), ==, 2);
	/* Reading the counter arms nothing. */
	g_assert_cmpuint(fixture->n_armed, ==, 0);
}

static void test_accesses(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_long(fixture, COUNTER + 4, 0x11223344);
	put_long(fixture, COUNTER, 0x55667788);
	g_assert_cmphex(get(fixture, COUNTER), ==, 0x1122334455667788);
	g_assert_cmphex(bus_read(fixture->bench.bus, HPET_ADDRESS + COUNTER + 3, 2), ==, 0x4455);
	/* Not 32 or 64 bits, not aligned. */
	bus_write(fixture->bench.bus, HPET_ADDRESS + COUNTER, 2, 0);
	bus_write(fixture->bench.bus, HPET_ADDRESS + COUNTER + 2, 4, 0);
	bus_write(fixture->bench.bus, HPET_ADDRESS + COUNTER - 4, 8, 0);
	g_assert_cmphex(get(fixture, COUNTER), ==, 0x1122334455667788);
	put(fixture, CAPABILITIES, 0);
	g_assert_cmphex(get(fixture, CAPABILITIES), ==, 0x0098968080862201);
}

static void test_one_shot(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, TIMER(1), ENABLE | ROUTE(21));
	put(fixture, COMPARATOR(1), 1000);
	g_assert_cmpint(fixture->bench.deadline, ==, DEVICE_TIMER_NEVER);
	put(fixture, CONFIGURATION, 1);
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + 1000 * TICK);
	pass(fixture, 999 * TICK);
	hpet_expired(fixture->hpet);
	g_assert_cmpuint(fixture->n_raised[21], ==, 0);
	wait_for_deadline(fixture);
	/* An edge, once. */
	g_assert_cmpuint(fixture->n_raised[21], ==, 1);
	g_assert_false(fixture->levels[21]);
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
	pass(fixture, 3600 * SECOND);
	hpet_expired(fixture->hpet);
	g_assert_cmpuint(fixture->n_raised[21], ==, 1);
}

/* A value that has been passed matches a round later: drivers look at the counter again. */
static void test_late_comparator(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, CONFIGURATION, 1);
	pass(fixture, 100 * TICK);
	put(fixture, TIMER(0), ENABLE | BITS_32 | ROUTE(20));
	put(fixture, COMPARATOR(0), 100);
	g_assert_cmpint(fixture->bench.deadline, ==, fixture->bench.now + (1ll << 32) * TICK);
	put(fixture, COMPARATOR(0), 0x500000063);
	g_assert_cmphex(get(fixture, COMPARATOR(0)), ==, 0x63);
	wait_for_deadline(fixture);
	g_assert_cmphex(get(fixture, COUNTER), ==, 0x100000063);
	g_assert_cmpuint(fixture->n_raised[20], ==, 1);
	/* And again, without end. */
	wait_for_deadline(fixture);
	g_assert_cmphex(get(fixture, COUNTER), ==, 0x200000063);
	g_assert_cmpuint(fixture->n_raised[20], ==, 2);
}

static void test_periodic(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint32 period = 100000; /* a millisecond */

	put(fixture, CONFIGURATION, 1);
	put(fixture, TIMER(0), ENABLE | PERIODIC | SET_VALUE | ROUTE(22));
	put(fixture, COMPARATOR(0), 50);
	put(fixture, COMPARATOR(0), period);
	g_assert_cmphex(get(fixture, TIMER(0)) & SET_VALUE, ==, 0);
	for (guint i = 0; i < 3; i++) {
		g_assert_cmpuint(get(fixture, COMPARATOR(0)), ==, 50 + i * period);
		wait_for_deadline(fixture);
		g_assert_cmpuint(get(fixture, COUNTER), ==, 50 + i * period);
		g_assert_cmpuint(fixture->n_raised[22], ==, i + 1);
	}
	/* What was missed comes once, and the steps stay where they were. */
	pass(fixture, 1000 * period * TICK);
	hpet_expired(fixture->hpet);
	g_assert_cmpuint(fixture->n_raised[22], ==, 4);
	g_assert_cmpuint(get(fixture, COMPARATOR(0)), ==, 50 + 1003 * period);
}

/* A period of a tick is none for a host. */
static void test_short_period(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, CONFIGURATION, 1);
	put(fixture, TIMER(2), ENABLE | PERIODIC | SET_VALUE | BITS_32 | ROUTE(20));
	put(fixture, COMPARATOR(2), 1);
	for (guint i = 0; i < 10; i++) {
		g_assert_cmpint(fixture->bench.deadline, >=, fixture->bench.now + 99990);
		wait_for_deadline(fixture);
		g_assert_cmpuint(fixture->n_raised[20], ==, i + 1);
	}
	/* A period of nothing is the first match alone. */
	put(fixture, COMPARATOR(2), 0);
	wait_for_deadline(fixture);
	g_assert_cmpint(fixture->bench.deadline, >, fixture->bench.now + 40 * SECOND);
}

static void test_level(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, CONFIGURATION, 1);
	put(fixture, TIMER(0), LEVEL | ENABLE | ROUTE(23));
	put(fixture, COMPARATOR(0), 100);
	put(fixture, TIMER(1), LEVEL | ROUTE(23));
	put(fixture, COMPARATOR(1), 200);
	wait_for_deadline(fixture);
	g_assert_true(fixture->levels[23]);
	g_assert_cmphex(get(fixture, STATUS), ==, 1);
	pass(fixture, SECOND);
	/* Without its enable bit a timer shows its status all the same. */
	g_assert_cmphex(get(fixture, STATUS), ==, 3);
	put(fixture, TIMER(1), LEVEL | ENABLE | ROUTE(23));
	put_long(fixture, STATUS, 1);
	g_assert_true(fixture->levels[23]);
	put_long(fixture, STATUS, 2);
	g_assert_false(fixture->levels[23]);
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
	g_assert_cmpuint(fixture->n_raised[23], ==, 1);
}

static void test_routes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, CONFIGURATION, 1);
	put(fixture, TIMER(0), LEVEL | ENABLE | ROUTE(21));
	/* No such route. */
	put(fixture, TIMER(0), LEVEL | ENABLE | ROUTE(2));
	g_assert_cmphex((guint32)get(fixture, TIMER(0)), ==, 0x30 | LEVEL | ENABLE | ROUTE(21));
	put(fixture, COMPARATOR(0), 5);
	wait_for_deadline(fixture);
	g_assert_true(fixture->levels[21]);
	/* A line that is up moves. */
	put(fixture, TIMER(0), LEVEL | ENABLE | ROUTE(22));
	g_assert_false(fixture->levels[21]);
	g_assert_true(fixture->levels[22]);
	put(fixture, TIMER(0), ENABLE | ROUTE(22));
	g_assert_false(fixture->levels[22]);
	/* A timer that was never given a route has none that works. */
	put(fixture, TIMER(1), LEVEL | ENABLE);
	put(fixture, COMPARATOR(1), 100);
	put(fixture, TIMER(2), ENABLE);
	put(fixture, COMPARATOR(2), 100);
	wait_for_deadline(fixture);
	g_assert_cmphex(get(fixture, STATUS), ==, 2);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture, CONFIGURATION, 1);
	put(fixture, TIMER(0), LEVEL | ENABLE | ROUTE(21));
	put(fixture, COMPARATOR(0), 5);
	put(fixture, TIMER(1), ENABLE | PERIODIC | ROUTE(21));
	put(fixture, COMPARATOR(1), 1000000);
	wait_for_deadline(fixture);
	hpet_reset(fixture->hpet);
	g_assert_false(fixture->levels[21]);
	g_assert_cmphex(get(fixture, STATUS), ==, 0);
	test_power_on(fixture, NULL);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/hpet/power-on", test_power_on);
	add("/hpet/counter", test_counter);
	add("/hpet/accesses", test_accesses);
	add("/hpet/one-shot", test_one_shot);
	add("/hpet/late-comparator", test_late_comparator);
	add("/hpet/periodic", test_periodic);
	add("/hpet/short-period", test_short_period);
	add("/hpet/level", test_level);
	add("/hpet/routes", test_routes);
	add("/hpet/reset", test_reset);

	return g_test_run();
}
