/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* paced-signal-test.c - however often there is a reason, one signal a second, and a last one */
#include "vmm/device/paced-signal.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* The I/O thread is the calling thread. */

struct IoThread {
	GMainContext *context;
	guint references;
};

IoThread *io_thread_ref(IoThread *thread)
{
	thread->references++;
	return thread;
}

void io_thread_unref(IoThread *thread)
{
	thread->references--;
}

GMainContext *io_thread_context(IoThread *thread)
{
	return thread->context;
}

void io_thread_call(IoThread *thread G_GNUC_UNUSED, void (*function)(void *opaque), void *opaque)
{
	function(opaque);
}

typedef struct {
	IoThread thread;
	PacedSignal paced;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	*fixture = (Fixture){ .thread.context = g_main_context_new() };
	fixture->paced.signal.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	paced_signal_begin(&fixture->paced, &fixture->thread);
}

static void tear_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const int fd = fixture->paced.signal.fd;

	paced_signal_clear(&fixture->paced);
	g_assert_cmpuint(fixture->thread.references, ==, 0);
	/* Nothing is left that would send. */
	g_assert_false(g_main_context_pending(fixture->thread.context));
	g_main_context_unref(fixture->thread.context);
	close(fd);
}

/* Return: how often it was sent since the last call. */
static guint64 count(const Fixture *fixture)
{
	guint64 sent;

	return read(fixture->paced.signal.fd, &sent, sizeof(sent)) == sizeof(sent) ? sent : 0;
}

static void test_first(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	paced_signal_send(&fixture->paced);
	g_assert_cmpuint(count(fixture), ==, 1);
}

/* However long a busy machine takes for a step of this. */
static void test_many(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const gint64 start = g_get_monotonic_time();
	guint64 seconds;

	for (guint i = 0; i < 1000; i++)
		paced_signal_send(&fixture->paced);
	seconds = (guint64)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
	g_assert_cmpuint(count(fixture), <=, 1 + seconds);
	/* The last one is told, when its time has come. */
	g_assert_nonnull(fixture->paced.wait);
	while (fixture->paced.wait)
		g_main_context_iteration(fixture->thread.context, TRUE);
	g_assert_cmpuint(count(fixture), ==, 1);
	g_assert_cmpint(g_get_monotonic_time() - start, >=, G_USEC_PER_SEC);
}

static void test_clear_while_it_waits(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	while (!fixture->paced.wait)
		paced_signal_send(&fixture->paced);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add("/paced-signal/first", Fixture, NULL, set_up, test_first, tear_down);
	g_test_add("/paced-signal/many", Fixture, NULL, set_up, test_many, tear_down);
	g_test_add("/paced-signal/clear-while-it-waits", Fixture, NULL, set_up,
		   test_clear_while_it_waits, tear_down);
	return g_test_run();
}
