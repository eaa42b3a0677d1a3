/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fair-lock.h - a lock that is given in the order in which it was asked for, to one or to several
 *
 * Theory of operation
 *
 * Who lets go of a GMutex and takes it at once gets it, before the one who was woken for it:
 * a thread that works in a loop keeps all others out. Here each takes a ticket, and the lock
 * goes to the next number. So nobody waits for more than one turn of each other thread. A turn
 * costs a wake-up where somebody waits, and next to nothing where nobody does.
 *
 * Several may share it. One who comes to share takes a ticket too, and passes the turn on as soon
 * as it has it: so those who share and come one after the other have the lock together, and who
 * wants it alone waits for those before it and for nobody who came later. None may take it twice.
 */
#pragma once

#include <glib.h>

typedef struct {
	GMutex mutex; /* guards the two numbers */
	GCond turn;
	guint64 next;	 /* the number that the next who comes gets */
	guint64 serving; /* whose turn it is; equal to next where nobody waits or has it alone */
	guint sharing;	 /* how many have it together */
} FairLock;

void fair_lock_init(FairLock *lock);
void fair_lock_clear(FairLock *lock);

void fair_lock_lock(FairLock *lock);
void fair_lock_unlock(FairLock *lock);

void fair_lock_lock_shared(FairLock *lock);
void fair_lock_unlock_shared(FairLock *lock);
