/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fair-lock-test.c - the memory engine's lock: one or several at a time, and each in its turn */
#include "vmm/memory/fair-lock.h"

#define THREADS 4
#define ROUNDS	20000

typedef struct {
	FairLock lock;
	guint64 sum;	      /* under lock */
	guint order[THREADS]; /* under lock: who had it first, second... */
	guint n_served;	      /* under lock */
	gint n_sharing;
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

static gpointer share(gpointer data)
{
	Shared *shared = data;

	fair_lock_lock_shared(&shared->lock);
	g_atomic_int_inc(&shared->n_sharing);
	/* All of them are here at once, or this never ends. */
	while (g_atomic_int_get(&shared->n_sharing) < THREADS)
		g_thread_yield();
	fair_lock_unlock_shared(&shared->lock);
	return NULL;
}

static void test_several_share_it(void)
{
	GThread *threads[THREADS];
	Shared shared = { .sum = 0 };

	fair_lock_init(&shared.lock);
	for (guint i = 0; i < THREADS; i++)
		threads[i] = g_thread_new("sharer", share, &shared);
	for (guint i = 0; i < THREADS; i++)
		g_thread_join(threads[i]);
	fair_lock_lock(&shared.lock);
	fair_lock_unlock(&shared.lock);
	fair_lock_clear(&shared.lock);
}

/* Who wants it alone waits for those who share, and those who come to share later for that one. */
static void test_those_who_come_later_do_not_pass(void)
{
	Shared shared = { .n_served = 0 };
	Waiter waiter = { &shared, 0 };
	GThread *alone, *later;

	fair_lock_init(&shared.lock);
	fair_lock_lock_shared(&shared.lock);
	alone = g_thread_new("waiter", wait_for_turn, &waiter);
	await_asked(&shared.lock, 2);
	g_atomic_int_set(&shared.n_sharing, THREADS - 1);
	later = g_thread_new("sharer", share, &shared);
	await_asked(&shared.lock, 3);
	g_assert_cmpint(g_atomic_int_get(&shared.n_sharing), ==, THREADS - 1);
	g_assert_cmpuint(shared.n_served, ==, 0);
	fair_lock_unlock_shared(&shared.lock);
	g_thread_join(alone);
	g_thread_join(later);
	g_assert_cmpuint(shared.n_served, ==, 1);
	fair_lock_clear(&shared.lock);
}

/* Each of those who share sees what those did who had it alone, and nothing halfway. */
static gpointer look(gpointer data)
{
	Shared *shared = data;

	for (guint i = 0; i < ROUNDS; i++) {
		fair_lock_lock_shared(&shared->lock);
		g_assert_cmpuint(shared->sum % 2, ==, 0);
		fair_lock_unlock_shared(&shared->lock);
	}
	return NULL;
}

static gpointer add_two(gpointer data)
{
	Shared *shared = data;

	for (guint i = 0; i < ROUNDS; i++) {
		fair_lock_lock(&shared->lock);
		shared->sum++;
		shared->sum++;
		fair_lock_unlock(&shared->lock);
	}
	return NULL;
}

static void test_alone_or_shared(void)
{
	GThread *threads[THREADS];
	Shared shared = { .sum = 0 };

	fair_lock_init(&shared.lock);
	for (guint i = 0; i < THREADS; i++)
		threads[i] = g_thread_new("thread", i % 2 ? add_two : look, &shared);
	for (guint i = 0; i < THREADS; i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(shared.sum, ==, THREADS / 2 * 2 * ROUNDS);
	fair_lock_clear(&shared.lock);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fair-lock/one-at-a-time", test_one_at_a_time);
	g_test_add_func("/fair-lock/each-in-its-turn", test_each_in_its_turn);
	g_test_add_func("/fair-lock/several-share-it", test_several_share_it);
	g_test_add_func("/fair-lock/those-who-come-later-do-not-pass",
			test_those_who_come_later_do_not_pass);
	g_test_add_func("/fair-lock/alone-or-shared", test_alone_or_shared);
	return g_test_run();
}
