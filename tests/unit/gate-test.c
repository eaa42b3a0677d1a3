/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate-test.c - gates that plain threads pass: who is held stays outside, and nobody waits for ever
 */
#include "vmm/kvm/gate.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS 4
#define HOLDS	500

typedef struct Passer Passer;

/* "Inside" is a loop that ends by itself after a while, or by a kick. */
typedef struct {
	GateSet *gates;
	Passer *passers;
	int left_fd;
	guint64 value;	 /* what is in flight: written inside, and by whoever holds the gates */
	gint is_blocked; /* whether those inside stay there, kicked or not */
} Shared;

struct Passer {
	Shared *shared;
	guint index;
	GThread *thread;
	gint is_kicked;
	guint64 added;	     /* its own */
	guint slices;	     /* its own */
	guint exits_ignored; /* its own */
};

static void kick(gpointer opaque, guint index)
{
	Shared *shared = opaque;

	g_atomic_int_set(&shared->passers[index].is_kicked, TRUE);
}

static gpointer pass(gpointer data)
{
	Passer *passer = data;
	Shared *shared = passer->shared;

	gate_attach(shared->gates, passer->index);
	for (;;) {
		g_atomic_int_set(&passer->is_kicked, FALSE);
		if (!gate_enter(shared->gates, passer->index))
			return NULL;
		do {
			__atomic_fetch_add(&shared->value, 1, __ATOMIC_RELAXED);
			passer->added++;
		} while (g_atomic_int_get(&shared->is_blocked) ||
			 (!g_atomic_int_get(&passer->is_kicked) && passer->added % 1000));
		if (!gate_leave(shared->gates, passer->index)) {
			passer->exits_ignored++;
			continue;
		}
		if (gate_begin_slice(shared->gates, passer->index)) {
			passer->slices++;
			gate_end_slice(shared->gates, passer->index);
		}
	}
}

static void start(Shared *shared, Passer *passers)
{
	*shared = (Shared){ .passers = passers, .left_fd = eventfd(0, EFD_CLOEXEC) };
	shared->gates = gate_set_new(THREADS, kick, shared);
	for (guint i = 0; i < THREADS; i++) {
		passers[i] = (Passer){ .shared = shared, .index = i };
		passers[i].thread = g_thread_new("passer", pass, &passers[i]);
		gate_await_attached(shared->gates, i);
	}
}

static void end(Shared *shared)
{
	gate_set_close(shared->gates, GATE_STOP);
	for (guint i = 0; i < THREADS; i++)
		g_thread_join(shared->passers[i].thread);
	gate_set_free(shared->gates);
	close(shared->left_fd);
}

static void hold(Shared *shared)
{
	eventfd_t value;

	gate_set_hold(shared->gates, shared->left_fd);
	while (!gate_set_is_outside(shared->gates, NULL))
		eventfd_read(shared->left_fd, &value);
}

static void await_inside(Shared *shared, guint index)
{
	while (gate_entry(shared->gates, index) % 2 == 0)
		g_thread_yield();
}

/* What is copied, changed and put back under a hold loses no increment of those inside. */
static void test_hold(void)
{
	Passer passers[THREADS];
	guint64 sum = 0;
	Shared shared;

	start(&shared, passers);
	gate_set_open(shared.gates, GATE_PAUSE);
	for (guint i = 0; i < HOLDS; i++) {
		guint64 copy;

		hold(&shared);
		/* Plain accesses: ThreadSanitizer says so where somebody is inside. */
		copy = shared.value;
		shared.value = 0;
		g_thread_yield();
		shared.value = copy;
		gate_set_release(shared.gates);
		if (i % 100 == 0)
			await_inside(&shared, i / 100 % THREADS);
	}
	gate_set_pause(shared.gates);
	for (guint i = 0; i < THREADS; i++) {
		g_assert_cmpuint(gate_entry(shared.gates, i) % 2, ==, 0);
		sum += passers[i].added;
	}
	g_assert_cmpuint(shared.value, ==, sum);
	g_assert_cmpuint(sum, >, 0);
	end(&shared);
}

/* Who is blocked inside is let off by its entry count, and by no other. */
static void test_excused(void)
{
	guint64 excused[GATE_MAX] = { 0 };
	Passer passers[THREADS];
	Shared shared;

	start(&shared, passers);
	g_atomic_int_set(&shared.is_blocked, TRUE);
	gate_open(shared.gates, 0, GATE_PAUSE);
	await_inside(&shared, 0);
	gate_set_hold(shared.gates, shared.left_fd);
	g_assert_false(gate_set_is_outside(shared.gates, NULL));
	g_assert_false(gate_set_is_outside(shared.gates, excused));
	excused[0] = gate_entry(shared.gates, 0);
	g_assert_true(gate_set_is_outside(shared.gates, excused));
	excused[0] += 2;
	g_assert_false(gate_set_is_outside(shared.gates, excused));
	g_atomic_int_set(&shared.is_blocked, FALSE);
	gate_set_release(shared.gates);
	end(&shared);
}

/* A pause does not wait for a thread that is stalled; such a thread is not kicked. */
static void test_stalled(void)
{
	Passer passers[THREADS];
	Shared shared;

	start(&shared, passers);
	g_atomic_int_set(&shared.is_blocked, TRUE);
	gate_open(shared.gates, 1, GATE_PAUSE);
	await_inside(&shared, 1);
	gate_mark_stalled(shared.gates, 1, TRUE);
	gate_set_pause(shared.gates);
	g_assert_cmpuint(gate_entry(shared.gates, 1) % 2, ==, 1);
	g_assert_false(g_atomic_int_get(&passers[1].is_kicked));
	/* For the end it is. */
	gate_set_abandon(shared.gates);
	g_assert_true(g_atomic_int_get(&passers[1].is_kicked));
	g_atomic_int_set(&shared.is_blocked, FALSE);
	gate_set_pause(shared.gates);
	end(&shared);
	g_assert_cmpuint(passers[1].exits_ignored, ==, 1);
}

/* Each reason has to go; a reset makes an exit and its slices matter no more. */
static void test_reasons(void)
{
	Passer passers[THREADS];
	Shared shared;
	guint64 entry;

	start(&shared, passers);
	g_atomic_int_set(&shared.is_blocked, TRUE);
	gate_open(shared.gates, 2, GATE_PAUSE);
	await_inside(&shared, 2);
	gate_set_close(shared.gates, GATE_RESET);
	gate_close(shared.gates, 2, GATE_FAILED);
	g_atomic_int_set(&shared.is_blocked, FALSE);
	gate_set_pause(shared.gates);
	entry = gate_entry(shared.gates, 2);
	gate_set_open(shared.gates, GATE_PAUSE);
	gate_set_open(shared.gates, GATE_RESET);
	g_assert_cmpuint(gate_entry(shared.gates, 2), ==, entry);
	gate_set_open(shared.gates, GATE_FAILED);
	await_inside(&shared, 2);
	end(&shared);
	g_assert_cmpuint(passers[2].exits_ignored, ==, 1);
}

static void test_threads(void)
{
	Passer passers[THREADS];
	Shared shared;

	start(&shared, passers);
	for (guint i = 0; i < THREADS; i++)
		g_assert_cmpint(gate_set_find_thread(shared.gates, gate_thread_id(shared.gates, i)),
				==, (int)i);
	g_assert_cmpint(gate_set_find_thread(shared.gates, gettid()), ==, -1);
	end(&shared);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gate/hold", test_hold);
	g_test_add_func("/gate/excused", test_excused);
	g_test_add_func("/gate/stalled", test_stalled);
	g_test_add_func("/gate/reasons", test_reasons);
	g_test_add_func("/gate/threads", test_threads);
	return g_test_run();
}
