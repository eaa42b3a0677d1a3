/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * glib-locks.c - GLib's mutexes and conditions as ThreadSanitizer can see them
 *
 * Theory of operation
 *
 * Debian's GLib is not built with the sanitizer, and its GMutex is a futex: the sanitizer sees
 * neither that two threads take the same one in turn, nor who woke whom, and reports all that they
 * share. In a build with the sanitizer each test is linked with these functions, which the
 * program's own calls then find before GLib's: they keep a lock of pthreads behind the GMutex, and
 * the sanitizer knows those. GLib's calls of its own locks stay as they are, so what only its
 * thread pools and queues order is still not seen.
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <time.h>

static pthread_mutex_t *mutex_of(GMutex *mutex)
{
	pthread_mutex_t *made, *found = g_atomic_pointer_get(&mutex->p);

	if (found)
		return found;
	/* Zeroed is new: whoever locks it first makes what is behind it. */
	made = g_new(pthread_mutex_t, 1);
	pthread_mutex_init(made, NULL);
	if (g_atomic_pointer_compare_and_exchange(&mutex->p, NULL, made))
		return made;
	pthread_mutex_destroy(made);
	g_free(made);
	return g_atomic_pointer_get(&mutex->p);
}

static pthread_cond_t *cond_of(GCond *cond)
{
	pthread_cond_t *made, *found = g_atomic_pointer_get(&cond->p);
	pthread_condattr_t attributes;

	if (found)
		return found;
	made = g_new(pthread_cond_t, 1);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(made, &attributes);
	pthread_condattr_destroy(&attributes);
	if (g_atomic_pointer_compare_and_exchange(&cond->p, NULL, made))
		return made;
	pthread_cond_destroy(made);
	g_free(made);
	return g_atomic_pointer_get(&cond->p);
}

void g_mutex_init(GMutex *mutex)
{
	mutex->p = NULL;
}

void g_mutex_clear(GMutex *mutex)
{
	pthread_mutex_t *made = g_atomic_pointer_get(&mutex->p);

	if (!made)
		return;
	pthread_mutex_destroy(made);
	g_free(made);
	mutex->p = NULL;
}

void g_mutex_lock(GMutex *mutex)
{
	pthread_mutex_lock(mutex_of(mutex));
}

gboolean g_mutex_trylock(GMutex *mutex)
{
	return pthread_mutex_trylock(mutex_of(mutex)) == 0;
}

void g_mutex_unlock(GMutex *mutex)
{
	pthread_mutex_unlock(mutex_of(mutex));
}

void g_cond_init(GCond *cond)
{
	cond->p = NULL;
}

void g_cond_clear(GCond *cond)
{
	pthread_cond_t *made = g_atomic_pointer_get(&cond->p);

	if (!made)
		return;
	pthread_cond_destroy(made);
	g_free(made);
	cond->p = NULL;
}

void g_cond_wait(GCond *cond, GMutex *mutex)
{
	pthread_cond_wait(cond_of(cond), mutex_of(mutex));
}

gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
	const struct timespec end = {
		.tv_sec = end_time / G_USEC_PER_SEC,
		.tv_nsec = (end_time % G_USEC_PER_SEC) * 1000,
	};

	return pthread_cond_timedwait(cond_of(cond), mutex_of(mutex), &end) != ETIMEDOUT;
}

void g_cond_signal(GCond *cond)
{
	pthread_cond_signal(cond_of(cond));
}

void g_cond_broadcast(GCond *cond)
{
	pthread_cond_broadcast(cond_of(cond));
}
