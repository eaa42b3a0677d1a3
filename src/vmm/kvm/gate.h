/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gate.h - what a thread passes before it enters the guest, and how others keep it out
 *
 * Theory of operation
 *
 * Each vCPU has a gate: a lock, the reasons for which it is closed, and whether the thread is
 * inside, which is KVM_RUN. A closed gate keeps a thread from entering; a kick makes one that is
 * inside leave. The machine closes gates to pause, the memory engine while a page's content is in
 * flight. A thread that is inside but blocked on a userfaultfd event cannot leave before the
 * event is served; the memory engine, which serves it, knows it by its thread id.
 *
 * A gate knows nothing of KVM: what it takes to make a thread leave is the owner's kick. So the
 * memory engine, which needs this file only, works with any threads.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "common/domain-limits.h"

#define GATE_MAX LIMIT_VCPUS

/* Why a gate is closed; several reasons may hold at once. */
typedef enum {
	GATE_PAUSE = 1 << 0,	 /* the machine is paused */
	GATE_HOLD = 1 << 1,	 /* a page's content is in flight */
	GATE_FAILED = 1 << 2,	 /* this thread cannot go on until it is reset */
	GATE_STOP = 1 << 3,	 /* the thread has to end */
	GATE_RESET = 1 << 4,	 /* registers are about to be set */
	GATE_ABANDONED = 1 << 5, /* memory is not what it was: never again */
} GateReason;

typedef struct GateSet GateSet;

/*
 * Makes the thread of a gate leave, or not enter if it is about to; called with the gate's lock
 * held, so that it is inside, and only after gate_attach().
 */
typedef void (*GateKick)(gpointer opaque, guint index);

/* @count gates, 1 to GATE_MAX, that are closed for GATE_PAUSE. */
GateSet *gate_set_new(guint count, GateKick kick, gpointer opaque);
void gate_set_free(GateSet *gates);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GateSet, gate_set_free)

guint gate_set_count(const GateSet *gates);

/* What follows is for the thread of a gate. First it says which gate is its. */
void gate_attach(GateSet *gates, guint index);

/* Waits until the gate is open, and is inside. Return: FALSE when the thread has to end. */
gboolean gate_enter(GateSet *gates, guint index);

/*
 * The thread is outside again. Return: FALSE where a reset or the end is about to come, so that
 * what made it leave does not matter.
 */
gboolean gate_leave(GateSet *gates, guint index);

/*
 * gate_begin_slice - begin a part of what the thread does outside for a long time
 *
 * Between two slices it is as if it were about to enter: it waits where its gate is closed for a
 * pause. For a hold it need not, since each slice waits for the memory engine's lock.
 *
 * Return: FALSE where nothing of it matters any more; else gate_end_slice() has to follow.
 */
gboolean gate_begin_slice(GateSet *gates, guint index);
void gate_end_slice(GateSet *gates, guint index);

/* What follows is for the owner. */

/* Waits for gate_attach(). */
void gate_await_attached(GateSet *gates, guint index);

/* Thread id (gettid) of a gate's thread. */
pid_t gate_thread_id(const GateSet *gates, guint index);

/* Closes a gate for a reason other than a hold, and kicks its thread where it is inside. */
void gate_close(GateSet *gates, guint index, GateReason reason);

/* Takes reasons away; without any the gate is open. */
void gate_open(GateSet *gates, guint index, guint reasons);

void gate_set_close(GateSet *gates, GateReason reason);
void gate_set_open(GateSet *gates, guint reasons);

/*
 * gate_set_pause - close every gate, and wait until each thread is outside, in no slice, or stalled
 *
 * Not from a gate's own thread. Idempotent.
 */
void gate_set_pause(GateSet *gates);

/*
 * What follows is the memory engine's.
 *
 * gate_set_hold() closes the gates and kicks; each time that a thread leaves while they are
 * closed, @wake_fd (an eventfd) is written to. gate_set_release() opens them.
 */
void gate_set_hold(GateSet *gates, int wake_fd);
void gate_set_release(GateSet *gates);

/*
 * gate_set_abandon - close the gates for good: nobody enters again, and nothing that makes one
 * leave matters
 *
 * Those are kicked too that were marked as stalled: what they wait for is to come right after.
 */
void gate_set_abandon(GateSet *gates);

/*
 * gate_entry - a count that is odd while a thread is inside and grows by one each time that it
 * enters or leaves
 *
 * Two equal odd values mean that it has been inside all the time between.
 */
guint64 gate_entry(GateSet *gates, guint index);

/*
 * gate_set_is_outside - whether each thread is outside
 * @excused: gate_set_count() entry counts; a thread that is still inside since the entry that
 *           the count stands for is let off. NULL: none is.
 */
gboolean gate_set_is_outside(GateSet *gates, const guint64 *excused);

/* Return: the index of the gate whose thread @thread_id is, or -1. */
int gate_set_find_thread(const GateSet *gates, pid_t thread_id);

/*
 * gate_mark_stalled - whether a thread waits for a host touch that will not be served for now;
 * gate_set_pause() does not wait for such a thread, nor kick it
 */
void gate_mark_stalled(GateSet *gates, guint index, gboolean stalled);
