/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io-thread.c - a thread on which devices serve their queues */
#include "vmm/device/io-thread.h"

#include <glib-unix.h>
#include <unistd.h>

#include "vmm/sandbox/sandbox.h"

struct IoThread {
	gatomicrefcount references;
	Memory *memory;
	DmaChannel *dma;
	DmaChannel *window_dma; /* NULL until a device wants it */
	IoRing *ring;		/* or NULL */
	DirectMemory *direct;	/* the same */
	gpointer object;	/* that goes with it, or NULL */
	GDestroyNotify free_object;
	GMainContext *context;
	GMainLoop *loop;
	GThread *thread;
	pid_t id;
};

/* A function that is to run there, and who waits for it. */
typedef struct {
	void (*function)(void *opaque);
	void *opaque;
	GMutex lock;
	GCond cond;
	gboolean is_done;
} Call;

typedef struct {
	void (*ready)(void *opaque);
	void *opaque;
} Watch;

static gpointer run(gpointer data)
{
	IoThread *thread = data;

	thread->id = gettid();
	memory_attach_thread(thread->memory);
	sandbox_enter_thread(SANDBOX_THREAD_IO);
	g_main_context_push_thread_default(thread->context);
	g_main_loop_run(thread->loop);
	g_main_context_pop_thread_default(thread->context);
	return NULL;
}

static void do_nothing(void *opaque)
{
	(void)opaque;
}

IoThread *io_thread_new(const char *name, Memory *memory, GError **error)
{
	DmaChannel *dma = dma_channel_new(memory, error);
	IoThread *thread;

	if (!dma)
		return NULL;
	thread = g_new0(IoThread, 1);
	g_atomic_ref_count_init(&thread->references);
	thread->memory = memory;
	thread->dma = dma;
	thread->context = g_main_context_new();
	thread->loop = g_main_loop_new(thread->context, FALSE);
	thread->thread = g_thread_try_new(name, run, thread, error);
	if (!thread->thread) {
		io_thread_unref(thread);
		return NULL;
	}
	/* What it opens as it begins, it opens while it may. */
	io_thread_call(thread, do_nothing, NULL);
	return thread;
}

IoThread *io_thread_ref(IoThread *thread)
{
	g_atomic_ref_count_inc(&thread->references);
	return thread;
}

static void quit(void *opaque)
{
	IoThread *thread = opaque;

	g_main_loop_quit(thread->loop);
}

void io_thread_unref(IoThread *thread)
{
	if (!thread || !g_atomic_ref_count_dec(&thread->references))
		return;
	if (thread->thread) {
		io_thread_call(thread, quit, thread);
		g_thread_join(thread->thread);
	}
	if (thread->object)
		thread->free_object(thread->object);
	direct_memory_free(thread->direct);
	io_ring_free(thread->ring);
	g_main_loop_unref(thread->loop);
	g_main_context_unref(thread->context);
	dma_channel_free(thread->window_dma);
	dma_channel_free(thread->dma);
	g_free(thread);
}

GMainContext *io_thread_context(IoThread *thread)
{
	return thread->context;
}

DmaChannel *io_thread_dma(IoThread *thread)
{
	return thread->dma;
}

DmaChannel *io_thread_window_dma(IoThread *thread, GError **error)
{
	if (!thread->window_dma)
		thread->window_dma = dma_channel_new(thread->memory, error);
	return thread->window_dma;
}

void io_thread_own(IoThread *thread, gpointer object, GDestroyNotify free_object)
{
	thread->object = object;
	thread->free_object = free_object;
}

static gboolean make_ring(IoThread *thread, GError **error)
{
	thread->ring = io_ring_new(error);
	if (!thread->ring)
		return FALSE;
	thread->direct = direct_memory_new(thread->memory, IO_RING_FIRST_DIRECT, IO_RING_DIRECT,
					   io_ring_set_buffer, thread->ring, error);
	if (!thread->direct)
		g_clear_pointer(&thread->ring, io_ring_free);
	return thread->direct != NULL;
}

IoRing *io_thread_ring(IoThread *thread, GError **error)
{
	if (!thread->ring && make_ring(thread, error))
		io_ring_attach(thread->ring, thread->context);
	return thread->ring;
}

DirectMemory *io_thread_direct(const IoThread *thread)
{
	return thread->direct;
}

pid_t io_thread_id(const IoThread *thread)
{
	return thread->id;
}

gboolean io_thread_is_shared(const IoThread *thread)
{
	return !g_atomic_ref_count_compare((gatomicrefcount *)&thread->references, 1);
}

gboolean io_thread_is_current(const IoThread *thread)
{
	return g_thread_self() == thread->thread;
}

static gboolean carry_out(gpointer data)
{
	Call *call = data;

	/* From who waits to here what the function finds goes by this lock, and back. */
	g_mutex_lock(&call->lock);
	call->function(call->opaque);
	call->is_done = TRUE;
	g_cond_signal(&call->cond);
	g_mutex_unlock(&call->lock);
	return G_SOURCE_REMOVE;
}

void io_thread_call(IoThread *thread, void (*function)(void *opaque), void *opaque)
{
	Call call = { .function = function, .opaque = opaque };
	GSource *source;

	if (io_thread_is_current(thread)) {
		function(opaque);
		return;
	}
	g_mutex_init(&call.lock);
	g_cond_init(&call.cond);
	source = g_idle_source_new();
	/* A reset is not to wait for a queue that is never empty. */
	g_source_set_priority(source, G_PRIORITY_HIGH);
	g_source_set_callback(source, carry_out, &call, NULL);
	g_mutex_lock(&call.lock);
	g_source_attach(source, thread->context);
	g_source_unref(source);
	while (!call.is_done)
		g_cond_wait(&call.cond, &call.lock);
	g_mutex_unlock(&call.lock);
	g_cond_clear(&call.cond);
	g_mutex_clear(&call.lock);
}

static gboolean on_ready(int fd, GIOCondition condition, gpointer data)
{
	const Watch *watch = data;

	(void)fd;
	(void)condition;
	watch->ready(watch->opaque);
	return G_SOURCE_CONTINUE;
}

GSource *io_thread_add_fd(IoThread *thread, int fd, void (*ready)(void *opaque), void *opaque)
{
	GSource *source = g_unix_fd_source_new(fd, G_IO_IN);
	Watch *watch = g_new(Watch, 1);

	*watch = (Watch){ ready, opaque };
	g_source_set_callback(source, G_SOURCE_FUNC(on_ready), watch, g_free);
	g_source_attach(source, thread->context);
	return source;
}
