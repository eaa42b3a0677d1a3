/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bounded-call.c - calls of others' code that may block, waited for so long and no longer */
#include "driver/bounded-call.h"

#include <glib/gi18n.h>

#include "driver/error.h"

/* One call; its thread's and the waiter's, until one of them has gone. */
typedef struct {
	BoundedCall *call;
	gpointer input;
	GMutex lock; /* guards what follows */
	GCond done;
	gboolean is_done;
	gboolean is_left;
	gpointer result;
	GError *error;
} Turn;

static void turn_free(Turn *turn)
{
	if (turn->call->free_input)
		turn->call->free_input(turn->input);
	if (turn->result)
		turn->call->free_result(turn->result);
	g_clear_error(&turn->error);
	g_mutex_clear(&turn->lock);
	g_cond_clear(&turn->done);
	g_free(turn);
}

static gpointer run(gpointer data)
{
	Turn *turn = data;
	g_autoptr(GError) error = NULL;
	gpointer result = turn->call->function(turn->input, &error);
	gboolean is_left;

	g_mutex_lock(&turn->lock);
	turn->result = result;
	turn->error = g_steal_pointer(&error);
	turn->is_done = TRUE;
	is_left = turn->is_left;
	g_cond_signal(&turn->done);
	g_mutex_unlock(&turn->lock);
	if (is_left) {
		g_atomic_int_add(&turn->call->n_left, -1);
		turn_free(turn);
	}
	return NULL;
}

/* Return: FALSE where the thread has been left, whose the turn is from then on. */
static gboolean wait_for(Turn *turn, guint milliseconds)
{
	const gint64 deadline = g_get_monotonic_time() + milliseconds * G_TIME_SPAN_MILLISECOND;
	gboolean is_done;

	g_mutex_lock(&turn->lock);
	while (!turn->is_done && g_cond_wait_until(&turn->done, &turn->lock, deadline))
		;
	is_done = turn->is_done;
	turn->is_left = !is_done;
	if (turn->is_left)
		g_atomic_int_inc(&turn->call->n_left);
	g_mutex_unlock(&turn->lock);
	return is_done;
}

static Turn *turn_new(BoundedCall *call, gpointer input)
{
	Turn *turn = g_new0(Turn, 1);

	turn->call = call;
	turn->input = input;
	g_mutex_init(&turn->lock);
	g_cond_init(&turn->done);
	return turn;
}

gpointer bounded_call(BoundedCall *call, gpointer input, guint milliseconds, GError **error)
{
	Turn *turn = turn_new(call, input);
	g_autoptr(GError) cause = NULL;
	GThread *thread = NULL;
	gpointer result;

	if (g_atomic_int_get(&call->n_left) >= BOUNDED_CALLS_LEFT_MAX)
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     _("too many earlier ones have had no answer yet"));
	else if (!(thread = g_thread_try_new("bounded-call", run, turn, &cause)))
		driver_error_from(error, VIR_ERR_SYSTEM_ERROR, cause, _("cannot make a thread: %s"),
				  driver_error_detail(cause));
	if (!thread) {
		turn_free(turn);
		return NULL;
	}
	if (!wait_for(turn, milliseconds)) {
		g_thread_unref(thread);
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT, _("no answer in time"));
		return NULL;
	}
	/* So that none is left behind that is about to end. */
	g_thread_join(thread);
	result = g_steal_pointer(&turn->result);
	if (turn->error)
		g_propagate_error(error, g_steal_pointer(&turn->error));
	turn_free(turn);
	return result;
}
