/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fair-lock.c - a lock that is given in the order in which it was asked for */
#include "vmm/memory/fair-lock.h"

void fair_lock_init(FairLock *lock)
{
	g_mutex_init(&lock->mutex);
	g_cond_init(&lock->turn);
	lock->next = 0;
	lock->serving = 0;
}

void fair_lock_clear(FairLock *lock)
{
	g_cond_clear(&lock->turn);
	g_mutex_clear(&lock->mutex);
}

void fair_lock_lock(FairLock *lock)
{
	guint64 ticket;

	g_mutex_lock(&lock->mutex);
	ticket = lock->next++;
	while (lock->serving != ticket)
		g_cond_wait(&lock->turn, &lock->mutex);
	g_mutex_unlock(&lock->mutex);
}

void fair_lock_unlock(FairLock *lock)
{
	g_mutex_lock(&lock->mutex);
	lock->serving++;
	/* All of them look: there are some twenty threads at most. */
	if (lock->serving != lock->next)
		g_cond_broadcast(&lock->turn);
	g_mutex_unlock(&lock->mutex);
}
