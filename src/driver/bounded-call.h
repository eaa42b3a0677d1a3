/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bounded-call.h - calls of others' code that may block, waited for so long and no longer
 *
 * Theory of operation
 *
 * What resolves a host's name, or asks another daemon by a library, has no time limit that one
 * could set, and cannot be interrupted. Such a call gets a thread of its own. Whoever wants the
 * result waits for it, and leaves the thread alone when the time is over: what the call returns
 * then is freed by that thread. So that threads do not pile up behind a host that never answers, a
 * kind of call is refused while too many of it have been left.
 */
#pragma once

#include <glib.h>

/* One kind of call; static, since threads that were left use it. */
typedef struct {
	/* On a thread of its own. Return: the result, or NULL with @error set. */
	gpointer (*function)(gpointer input, GError **error);
	void (*free_input)(gpointer input);   /* or NULL */
	void (*free_result)(gpointer result); /* of one that nobody waits for any more */
	gint n_left;			      /* atomic: threads that nobody waits for any more */
} BoundedCall;

/* Of a kind. */
#define BOUNDED_CALLS_LEFT_MAX 8

/*
 * bounded_call - make such a call
 * @input: taken over
 * @milliseconds: to wait
 *
 * Return: the result; NULL with the function's error, or with VIR_ERR_OPERATION_TIMEOUT where there
 * was no answer in time or too many have been left, or VIR_ERR_SYSTEM_ERROR without a thread.
 */
gpointer bounded_call(BoundedCall *call, gpointer input, guint milliseconds, GError **error);
