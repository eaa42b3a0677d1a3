/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttle-test.c - limits of bytes and operations, by a clock that is made up */
#include <string.h>

#include "vmm/backend/throttle.h"

#define KIB 1024u
#define MIB (1024u * KIB)

/* Requests that wait at a time, as many as a guest would have. */
#define DEPTH 16

static gint64 now;

static gint64 made_up_clock(void)
{
	return now;
}

typedef struct {
	Throttle *throttle;
	GQueue *order; /* of Client, as they are admitted; or NULL */
	ThrottleEntry entry;
	guint64 count;
	gboolean is_open; /* asks again as soon as it has been admitted */
} Client;

static void enter(Client *client)
{
	throttle_enter(client->throttle, &client->entry);
}

static void on_admitted(void *opaque)
{
	Client *client = opaque;

	client->count++;
	if (client->order)
		g_queue_push_tail(client->order, client);
	if (client->is_open)
		enter(client);
}

static void client_init(Client *client, Throttle *throttle, gboolean is_write, guint64 size)
{
	*client = (Client){ .throttle = throttle };
	client->entry = (ThrottleEntry){
		.is_write = is_write,
		.size = size,
		.admitted = on_admitted,
		.opaque = client,
	};
}

static Throttle *limited(const ThrottleConfig *config)
{
	Throttle *throttle = throttle_new(made_up_clock);

	g_assert_null(throttle_config_check(config));
	throttle_set(throttle, config);
	return throttle;
}

/* Lets time go by, as fast as those that wait need it. */
static void run_for(Throttle *throttle, gint64 seconds)
{
	const gint64 end = now + seconds * G_TIME_SPAN_SECOND;

	while (now < end) {
		const gint64 wait = throttle_run(throttle);

		g_assert_cmpint(wait, !=, 0);
		now = wait < 0 ? end : MIN(now + wait, end);
	}
	(void)throttle_run(throttle);
}

/* Several at a time, which never stop asking. */
static void clients_begin(Client *clients, Throttle *throttle, gboolean is_write, guint64 size)
{
	for (guint i = 0; i < DEPTH; i++) {
		client_init(&clients[i], throttle, is_write, size);
		clients[i].is_open = TRUE;
		enter(&clients[i]);
	}
}

static guint64 clients_end(Client *clients)
{
	guint64 count = 0;

	for (guint i = 0; i < DEPTH; i++) {
		throttle_leave(clients[i].throttle, &clients[i].entry);
		count += clients[i].count;
	}
	return count;
}

static void assert_about(guint64 value, guint64 expected)
{
	g_assert_cmpuint(value, >=, expected - expected / 50);
	g_assert_cmpuint(value, <=, expected + expected / 50);
}

static void test_bytes(void)
{
	const ThrottleConfig config = { .limits[THROTTLE_BYTES_READ] = { .average = MIB } };
	g_autoptr(Throttle) throttle = limited(&config);
	Client clients[DEPTH];

	clients_begin(clients, throttle, FALSE, 4 * KIB);
	run_for(throttle, 100);
	/* A tenth of a second's worth at once, and then a second's worth in each. */
	assert_about(clients_end(clients) * 4 * KIB, 100 * MIB);
}

static void test_operations(void)
{
	const ThrottleConfig config = {
		.limits[THROTTLE_OPERATIONS_WRITTEN] = { .average = 100 },
		.operation_size = 64 * KIB,
	};
	g_autoptr(Throttle) throttle = limited(&config);
	Client clients[DEPTH];

	clients_begin(clients, throttle, TRUE, 4 * KIB);
	run_for(throttle, 100);
	assert_about(clients_end(clients), 10000);
	/* Each of these is four. */
	clients_begin(clients, throttle, TRUE, 256 * KIB);
	run_for(throttle, 100);
	assert_about(clients_end(clients), 2500);
}

static void test_reads_do_not_hold_writes(void)
{
	const ThrottleConfig config = { .limits[THROTTLE_BYTES_READ] = { .average = MIB } };
	g_autoptr(Throttle) throttle = limited(&config);
	Client large, small, write;

	client_init(&large, throttle, FALSE, 10 * MIB);
	client_init(&small, throttle, FALSE, 512);
	client_init(&write, throttle, TRUE, 100 * MIB);
	enter(&large);
	g_assert_cmpuint(large.count, ==, 1);
	enter(&small);
	enter(&write);
	g_assert_cmpuint(write.count, ==, 1);
	run_for(throttle, 9);
	g_assert_cmpuint(small.count, ==, 0);
	run_for(throttle, 1);
	g_assert_cmpuint(small.count, ==, 1);
}

/* With a limit of all together, one write is not held up by many reads. */
static void test_turns(void)
{
	const ThrottleConfig config = { .limits[THROTTLE_OPERATIONS] = { .average = 10 } };
	g_autoptr(Throttle) throttle = limited(&config);
	GQueue order = G_QUEUE_INIT;
	Client reads[DEPTH], write;
	gint place;

	for (guint i = 0; i < DEPTH; i++) {
		client_init(&reads[i], throttle, FALSE, 512);
		reads[i].order = &order;
		enter(&reads[i]);
	}
	client_init(&write, throttle, TRUE, 512);
	write.order = &order;
	enter(&write);
	run_for(throttle, 10);
	g_assert_cmpuint(g_queue_get_length(&order), ==, DEPTH + 1);
	place = g_queue_index(&order, &write);
	g_assert_cmpint(place, <=, 3);
	/* The reads are in their order. */
	g_queue_remove(&order, &write);
	for (guint i = 0; i < DEPTH; i++)
		g_assert_true(g_queue_peek_nth(&order, i) == &reads[i]);
	g_queue_clear(&order);
}

static void test_burst(void)
{
	const ThrottleConfig config = {
		.limits[THROTTLE_BYTES] = { .average = MIB, .maximum = 10 * MIB, .length = 5 },
	};
	g_autoptr(Throttle) throttle = limited(&config);
	Client clients[DEPTH];
	guint64 before;

	clients_begin(clients, throttle, FALSE, 64 * KIB);
	run_for(throttle, 5);
	before = clients_end(clients) * 64 * KIB;
	assert_about(before, 51 * MIB);
	/* What leaks in those seconds goes on top. */
	clients_begin(clients, throttle, FALSE, 64 * KIB);
	run_for(throttle, 100);
	assert_about(clients_end(clients) * 64 * KIB, 104 * MIB);
}

static void test_limits_that_change(void)
{
	const ThrottleConfig slow = { .limits[THROTTLE_BYTES] = { .average = 1 } };
	const ThrottleConfig fast = { .limits[THROTTLE_BYTES] = { .average = MIB } };
	const ThrottleConfig none = { 0 };
	g_autoptr(Throttle) throttle = limited(&slow);
	Client clients[3];

	g_assert_true(throttle_is_limited(throttle));
	for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
		client_init(&clients[i], throttle, TRUE, MIB);
		enter(&clients[i]);
	}
	run_for(throttle, 60);
	g_assert_cmpuint(clients[0].count, ==, 1);
	g_assert_cmpuint(clients[1].count, ==, 0);
	throttle_set(throttle, &fast);
	run_for(throttle, 1);
	g_assert_cmpuint(clients[1].count, ==, 1);
	g_assert_cmpuint(clients[2].count, ==, 0);
	throttle_set(throttle, &none);
	g_assert_cmpuint(clients[2].count, ==, 1);
	g_assert_false(throttle_is_limited(throttle));
}

static void test_who_leaves(void)
{
	const ThrottleConfig config = { .limits[THROTTLE_BYTES] = { .average = MIB } };
	g_autoptr(Throttle) throttle = limited(&config);
	Client first, second, third;

	client_init(&first, throttle, FALSE, MIB);
	client_init(&second, throttle, FALSE, MIB);
	client_init(&third, throttle, FALSE, MIB);
	enter(&first);
	enter(&second);
	enter(&third);
	throttle_leave(throttle, &first.entry);
	throttle_leave(throttle, &second.entry);
	run_for(throttle, 1);
	g_assert_cmpuint(second.count, ==, 0);
	g_assert_cmpuint(third.count, ==, 1);
	throttle_leave(throttle, &third.entry);
}

/* A clock that goes back lets nobody wait for longer than the limit says. */
static void test_clock_that_goes_back(void)
{
	const ThrottleConfig config = { .limits[THROTTLE_BYTES] = { .average = MIB } };
	g_autoptr(Throttle) throttle = limited(&config);
	Client first, second;

	client_init(&first, throttle, FALSE, MIB);
	client_init(&second, throttle, FALSE, MIB);
	enter(&first);
	enter(&second);
	now -= 1000 * G_TIME_SPAN_SECOND;
	run_for(throttle, 1);
	g_assert_cmpuint(second.count, ==, 1);
}

static void quit(void *opaque)
{
	g_main_loop_quit(opaque);
}

/* With the real one: somebody calls throttle_run(). */
static void test_timer(void)
{
	const ThrottleConfig config = { .limits[THROTTLE_OPERATIONS] = { .average = 100 } };
	g_autoptr(GMainContext) context = g_main_context_new();
	g_autoptr(GMainLoop) loop = g_main_loop_new(context, FALSE);
	g_autoptr(Throttle) throttle = throttle_new(NULL);
	const gint64 began = g_get_monotonic_time();
	ThrottleEntry last = { .admitted = quit, .opaque = loop };
	Client clients[DEPTH];

	throttle_attach(throttle, context);
	throttle_set(throttle, &config);
	for (guint i = 0; i < DEPTH; i++) {
		client_init(&clients[i], throttle, FALSE, 0);
		enter(&clients[i]);
	}
	throttle_enter(throttle, &last);
	g_main_loop_run(loop);
	g_assert_cmpint(g_get_monotonic_time() - began, >=,
			(DEPTH - 11) * G_TIME_SPAN_SECOND / 100);
	g_assert_cmpuint(clients[DEPTH - 1].count, ==, 1);
}

static void test_what_makes_no_sense(void)
{
	static const struct {
		ThrottleConfig config;
		const char *words;
	} cases[] = {
		{ { .limits[THROTTLE_BYTES] = { .maximum = 1 } }, "without an average" },
		{ { .limits[THROTTLE_BYTES] = { .average = 2, .maximum = 1 } },
		  "below its average" },
		{ { .limits[THROTTLE_OPERATIONS] = { .average = 2, .length = 2 } },
		  "without a maximum" },
		{ { .limits[THROTTLE_BYTES] = { .average = THROTTLE_VALUE_MAX + 1 } },
		  "too large" },
		{ { .limits[THROTTLE_BYTES] = { .average = 1,
						.maximum = THROTTLE_VALUE_MAX,
						.length = 2 } },
		  "too large for so long" },
		{ { .limits[THROTTLE_BYTES] = { .average = 1 },
		    .limits[THROTTLE_BYTES_WRITTEN] = { .average = 1 } },
		  "of reading or writing alone" },
		{ { .operation_size = 1, .limits[THROTTLE_BYTES] = { .average = 1 } },
		  "no limit of them" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *words = throttle_config_check(&cases[i].config);

		g_assert_nonnull(words);
		if (!strstr(words, cases[i].words))
			g_error("'%s' is not in '%s'", cases[i].words, words);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/throttle/bytes", test_bytes);
	g_test_add_func("/throttle/operations", test_operations);
	g_test_add_func("/throttle/reads-do-not-hold-writes", test_reads_do_not_hold_writes);
	g_test_add_func("/throttle/turns", test_turns);
	g_test_add_func("/throttle/burst", test_burst);
	g_test_add_func("/throttle/limits-that-change", test_limits_that_change);
	g_test_add_func("/throttle/who-leaves", test_who_leaves);
	g_test_add_func("/throttle/clock-that-goes-back", test_clock_that_goes_back);
	g_test_add_func("/throttle/timer", test_timer);
	g_test_add_func("/throttle/what-makes-no-sense", test_what_makes_no_sense);
	return g_test_run();
}
