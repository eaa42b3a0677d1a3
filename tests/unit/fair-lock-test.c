/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fair-lock-test.c - the memory engine's lock: one at a time, and each in its turn */
#include <stdlib.h>

#include "vmm/memory/fair-lock.h"

#define GREEDY 4
#define ROUNDS 20000

typedef struct {
	FairLock lock;
	guint64 sum;	 /* under lock */
	gint turns;	 /* atomic: of the greedy ones */
	gint has_to_end; /* atomic */
} Shared;

static gpointer add(gpointer data)
{
	Shared *shared = data;

	for (guint i = 0; i < ROUNDS; i++) {
		fair_lock_lock(&shared->lock);
		shared->sum++;
		fair_lock_unlock(&shared->lock);
	}
	return NULL;
}

static void test_one_at_a_time(void)
{
	GThread *threads[GREEDY];
	Shared shared = { .sum = 0 };

	fair_lock_init(&shared.lock);
	for (guint i = 0; i < GREEDY; i++)
		threads[i] = g_thread_new("adder", add, &shared);
	for (guint i = 0; i < GREEDY; i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(shared.sum, ==, GREEDY * ROUNDS);
	fair_lock_clear(&shared.lock);
}

/* Takes the lock again as soon as it has let go of it, and works under it meanwhile. */
static gpointer be_greedy(gpointer data)
{
	Shared *shared = data;

	while (!g_atomic_int_get(&shared->has_to_end)) {
		gint64 until;

		fair_lock_lock(&shared->lock);
		g_atomic_int_inc(&shared->turns);
		until = g_get_monotonic_time() + 100;
		while (g_get_monotonic_time() < until)
			;
		fair_lock_unlock(&shared->lock);
	}
	return NULL;
}

static int compare(gconstpointer one, gconstpointer other)
{
	return *(const gint *)one - *(const gint *)other;
}

/*
 * How many turns others have, as a rule, while this thread waits for the lock: the median, since
 * it may lose its processor right before it asks. It asks while one of them has the lock.
 */
static guint count_turns_of_others(Shared *shared)
{
	gint turns[101];

	for (guint i = 0; i < G_N_ELEMENTS(turns); i++) {
		gint before = g_atomic_int_get(&shared->turns), now;

		do {
			now = g_atomic_int_get(&shared->turns);
		} while (now == before);
		fair_lock_lock(&shared->lock);
		turns[i] = g_atomic_int_get(&shared->turns) - now;
		fair_lock_unlock(&shared->lock);
	}
	qsort(turns, G_N_ELEMENTS(turns), sizeof(turns[0]), compare);
	return turns[G_N_ELEMENTS(turns) / 2];
}

static void test_nobody_is_kept_out(void)
{
	GThread *threads[GREEDY];
	Shared shared = { .turns = 0 };
	guint turns;

	fair_lock_init(&shared.lock);
	for (guint i = 0; i < GREEDY; i++)
		threads[i] = g_thread_new("greedy", be_greedy, &shared);
	turns = count_turns_of_others(&shared);
	g_atomic_int_set(&shared.has_to_end, TRUE);
	for (guint i = 0; i < GREEDY; i++)
		g_thread_join(threads[i]);
	g_test_message("%u turns of %u others", turns, GREEDY);
	g_assert_cmpuint(turns, <=, GREEDY);
	fair_lock_clear(&shared.lock);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fair-lock/one-at-a-time", test_one_at_a_time);
	g_test_add_func("/fair-lock/nobody-is-kept-out", test_nobody_is_kept_out);
	return g_test_run();
}
