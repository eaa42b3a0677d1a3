/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fair-lock.c - a lock that is given in the order in which it was asked for */
#include "vmm/memory/fair-lock.h"

void fair_lock_init(FairLock *lock)
{
	g_mutex_init(&lock->mutex);
	g_cond_init(&lock->turn);
	lock->next = 0;
	lock->serving = 0;
	lock->sharing = 0;
}

void fair_lock_clear(FairLock *lock)
{
	g_cond_clear(&lock->turn);
	g_mutex_clear(&lock->mutex);
}

/* With the mutex held. */
static void await_turn(FairLock *lock)
{
	guint64 ticket = lock->next++;

	while (lock->serving != ticket)
		g_cond_wait(&lock->turn, &lock->mutex);
}

/* With the mutex held. All who wait look: there are some twenty threads at most. */
static void wake(FairLock *lock)
{
	if (lock->serving != lock->next)
		g_cond_broadcast(&lock->turn);
}

void fair_lock_lock(FairLock *lock)
{
	g_mutex_lock(&lock->mutex);
	await_turn(lock);
	/* It is this thread's turn until it lets go: nobody joins those who share any more. */
	while (lock->sharing > 0)
		g_cond_wait(&lock->turn, &lock->mutex);
	g_mutex_unlock(&lock->mutex);
}

void fair_lock_unlock(FairLock *lock)
{
	g_mutex_lock(&lock->mutex);
	lock->serving++;
	wake(lock);
	g_mutex_unlock(&lock->mutex);
}

void fair_lock_lock_shared(FairLock *lock)
{
	g_mutex_lock(&lock->mutex);
	await_turn(lock);
	lock->sharing++;
	lock->serving++;
	wake(lock);
	g_mutex_unlock(&lock->mutex);
}

void fair_lock_unlock_shared(FairLock *lock)
{
	g_mutex_lock(&lock->mutex);
	if (--lock->sharing == 0)
		wake(lock);
	g_mutex_unlock(&lock->mutex);
}
