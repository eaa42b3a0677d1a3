/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io-thread-test.c - a thread on which devices serve their queues */
#include <sys/eventfd.h>
#include <unistd.h>

#include "made-up-memory.h"
#include "vmm/device/io-thread.h"

typedef struct {
	IoThread *thread;
	int fd;
	GSource *source;
	guint n_calls;
	guint n_kicks;
	gboolean was_there;
} World;

static void note_call(void *opaque)
{
	World *world = opaque;

	world->was_there = io_thread_is_current(world->thread);
	world->n_calls++;
}

static void call_again(void *opaque)
{
	World *world = opaque;

	io_thread_call(world->thread, note_call, world);
}

static void test_calls(void)
{
	World world = { .thread = io_thread_new("io", NULL, NULL) };

	g_assert_false(io_thread_is_current(world.thread));
	g_assert_nonnull(io_thread_dma(world.thread));
	for (guint i = 1; i <= 1000; i++) {
		io_thread_call(world.thread, i & 1 ? note_call : call_again, &world);
		g_assert_true(world.was_there);
		g_assert_cmpuint(world.n_calls, ==, i);
	}
	io_thread_unref(io_thread_ref(world.thread));
	io_thread_call(world.thread, note_call, &world);
	io_thread_unref(world.thread);
}

static void on_kick(void *opaque)
{
	World *world = opaque;
	guint64 count;

	g_assert_true(io_thread_is_current(world->thread));
	g_assert_cmpint(read(world->fd, &count, sizeof(count)), ==, sizeof(count));
	g_atomic_int_inc(&world->n_kicks);
}

static void stop_listening(void *opaque)
{
	World *world = opaque;

	g_source_destroy(world->source);
	g_source_unref(world->source);
}

static void test_descriptors(void)
{
	const guint64 one = 1;
	World world = { .thread = io_thread_new("io", NULL, NULL) };

	world.fd = eventfd(0, EFD_NONBLOCK);
	world.source = io_thread_add_fd(world.thread, world.fd, on_kick, &world);
	for (guint i = 1; i <= 100; i++) {
		g_assert_cmpint(write(world.fd, &one, sizeof(one)), ==, sizeof(one));
		while ((guint)g_atomic_int_get(&world.n_kicks) < i)
			g_thread_yield();
	}
	io_thread_call(world.thread, stop_listening, &world);
	g_assert_cmpint(write(world.fd, &one, sizeof(one)), ==, sizeof(one));
	io_thread_call(world.thread, note_call, &world);
	g_assert_cmpint(g_atomic_int_get(&world.n_kicks), ==, 100);
	io_thread_unref(world.thread);
	close(world.fd);
}

/* A queue that is never empty does not keep a call waiting. */
static void on_busy(void *opaque)
{
	World *world = opaque;

	g_atomic_int_inc(&world->n_kicks);
}

static void test_calls_come_first(void)
{
	World world = { .thread = io_thread_new("io", NULL, NULL), .fd = eventfd(1, EFD_NONBLOCK) };

	world.source = io_thread_add_fd(world.thread, world.fd, on_busy, &world);
	while (g_atomic_int_get(&world.n_kicks) == 0)
		g_thread_yield();
	io_thread_call(world.thread, note_call, &world);
	g_assert_cmpuint(world.n_calls, ==, 1);
	io_thread_call(world.thread, stop_listening, &world);
	io_thread_unref(world.thread);
	close(world.fd);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/io-thread/calls", test_calls);
	g_test_add_func("/io-thread/descriptors", test_descriptors);
	g_test_add_func("/io-thread/calls-come-first", test_calls_come_first);
	return g_test_run();
}
