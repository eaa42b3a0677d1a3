/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fair-lock-test.c - the memory engine's lock: one at a time, and each in its turn */
#include "vmm/memory/fair-lock.h"

#define THREADS 4
#define ROUNDS	20000

typedef struct {
	FairLock lock;
	guint64 sum;	      /* under lock */
	guint order[THREADS]; /* under lock: who had it first, second... */
	guint n_served;	      /* under lock */
} Shared;

typedef struct {
	Shared *shared;
	guint number;
} Waiter;

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
	GThread *threads[THREADS];
	Shared shared = { .sum = 0 };

	fair_lock_init(&shared.lock);
	for (guint i = 0; i < THREADS; i++)
		threads[i] = g_thread_new("adder", add, &shared);
	for (guint i = 0; i < THREADS; i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(shared.sum, ==, THREADS * ROUNDS);
	fair_lock_clear(&shared.lock);
}

static gpointer wait_for_turn(gpointer data)
{
	const Waiter *waiter = data;
	Shared *shared = waiter->shared;

	fair_lock_lock(&shared->lock);
	shared->order[shared->n_served++] = waiter->number;
	fair_lock_unlock(&shared->lock);
	return NULL;
}

/* Until so many have asked for the lock since it was made. */
static void await_asked(FairLock *lock, guint64 wanted)
{
	guint64 asked;

	do {
		g_thread_yield();
		g_mutex_lock(&lock->mutex);
		asked = lock->next;
		g_mutex_unlock(&lock->mutex);
	} while (asked < wanted);
}

/* Who has the lock lets it go and asks again at once: those that waited come first. */
static void test_each_in_its_turn(void)
{
	GThread *threads[THREADS];
	Waiter waiters[THREADS];
	Shared shared = { .n_served = 0 };

	fair_lock_init(&shared.lock);
	fair_lock_lock(&shared.lock);
	for (guint i = 0; i < THREADS; i++) {
		waiters[i] = (Waiter){ &shared, i };
		threads[i] = g_thread_new("waiter", wait_for_turn, &waiters[i]);
		await_asked(&shared.lock, i + 2);
	}
	fair_lock_unlock(&shared.lock);
	fair_lock_lock(&shared.lock);
	g_assert_cmpuint(shared.n_served, ==, THREADS);
	for (guint i = 0; i < THREADS; i++)
		g_assert_cmpuint(shared.order[i], ==, i);
	fair_lock_unlock(&shared.lock);
	for (guint i = 0; i < THREADS; i++)
		g_thread_join(threads[i]);
	fair_lock_clear(&shared.lock);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fair-lock/one-at-a-time", test_one_at_a_time);
	g_test_add_func("/fair-lock/each-in-its-turn", test_each_in_its_turn);
	return g_test_run();
}
