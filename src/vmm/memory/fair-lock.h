/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fair-lock.h - a lock that is given in the order in which it was asked for
 *
 * Theory of operation
 *
 * Who lets go of a GMutex and takes it at once gets it, before the one who was woken for it:
 * a thread that works in a loop keeps all others out. Here each takes a ticket, and the lock
 * goes to the next number. So nobody waits for more than one turn of each other thread. A turn
 * costs a wake-up where somebody waits, and next to nothing where nobody does.
 */
#pragma once

#include <glib.h>

typedef struct {
	GMutex mutex; /* guards the two numbers */
	GCond turn;
	guint64 next;	 /* the number that the next who comes gets */
	guint64 serving; /* whose turn it is; equal to next where the lock is free */
} FairLock;

void fair_lock_init(FairLock *lock);
void fair_lock_clear(FairLock *lock);

void fair_lock_lock(FairLock *lock);
void fair_lock_unlock(FairLock *lock);
