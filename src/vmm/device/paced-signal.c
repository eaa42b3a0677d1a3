/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* paced-signal.c - a signal to the main thread that is sent once a second at most */
#include "vmm/device/paced-signal.h"

#define INTERVAL_US G_USEC_PER_SEC

/* With the lock held. */
static void send_now(PacedSignal *paced, gint64 now)
{
	paced->sent = now;
	device_signal_send(&paced->signal);
}

/* With the lock held. */
static void stop_waiting(PacedSignal *paced)
{
	if (!paced->wait)
		return;
	g_source_destroy(paced->wait);
	g_clear_pointer(&paced->wait, g_source_unref);
}

static gboolean on_time(gpointer data)
{
	PacedSignal *paced = data;

	g_mutex_lock(&paced->lock);
	stop_waiting(paced);
	send_now(paced, g_get_monotonic_time());
	g_mutex_unlock(&paced->lock);
	return G_SOURCE_REMOVE;
}

/* With the lock held. */
static void wait_for(PacedSignal *paced, gint64 microseconds)
{
	paced->wait = g_timeout_source_new((guint)((microseconds + 999) / 1000));
	g_source_set_callback(paced->wait, on_time, paced, NULL);
	g_source_attach(paced->wait, io_thread_context(paced->thread));
}

void paced_signal_begin(PacedSignal *paced, IoThread *thread)
{
	paced->thread = io_thread_ref(thread);
	g_mutex_init(&paced->lock);
}

void paced_signal_send(PacedSignal *paced)
{
	gint64 now;

	g_mutex_lock(&paced->lock);
	now = g_get_monotonic_time();
	if (!paced->wait && (paced->sent == 0 || now - paced->sent >= INTERVAL_US))
		send_now(paced, now);
	else if (!paced->wait)
		wait_for(paced, INTERVAL_US - (now - paced->sent));
	g_mutex_unlock(&paced->lock);
}

/* On the I/O thread, which may be about to send. */
static void end(void *opaque)
{
	PacedSignal *paced = opaque;

	g_mutex_lock(&paced->lock);
	stop_waiting(paced);
	g_mutex_unlock(&paced->lock);
}

void paced_signal_clear(PacedSignal *paced)
{
	if (paced->thread) {
		io_thread_call(paced->thread, end, paced);
		g_mutex_clear(&paced->lock);
		g_clear_pointer(&paced->thread, io_thread_unref);
	}
	device_signal_clear(&paced->signal);
}
