/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* requests.c - what other threads ask the main thread to do with the machine */
#include "vmm/machine/requests.h"

#include <string.h>

#include "vmm/machine/wake-source.h"

struct RequestQueue {
	GMutex lock;
	Requests posted; /* under lock */
	GSource *source; /* its ready time is 0 while something is posted */
	void (*posting)(void *opaque);
	void (*serve)(void *opaque);
	void *opaque;
};

static gboolean on_posted(gpointer data)
{
	RequestQueue *queue = data;

	queue->serve(queue->opaque);
	return G_SOURCE_CONTINUE;
}

RequestQueue *request_queue_new(GMainContext *context, void (*posting)(void *opaque),
				void (*serve)(void *opaque), void *opaque)
{
	RequestQueue *queue = g_new0(RequestQueue, 1);

	g_mutex_init(&queue->lock);
	queue->posting = posting;
	queue->serve = serve;
	queue->opaque = opaque;
	queue->source = wake_source_new(context, on_posted, queue);
	return queue;
}

void request_queue_free(RequestQueue *queue)
{
	if (!queue)
		return;
	g_source_destroy(queue->source);
	g_source_unref(queue->source);
	requests_clear(&queue->posted);
	g_mutex_clear(&queue->lock);
	g_free(queue);
}

/* Called with the lock held. */
static void post_locked(RequestQueue *queue, RequestType type)
{
	queue->posted.types |= type;
	queue->posting(queue->opaque);
	g_source_set_ready_time(queue->source, 0);
}

void request_queue_post(RequestQueue *queue, RequestType type)
{
	g_mutex_lock(&queue->lock);
	post_locked(queue, type);
	g_mutex_unlock(&queue->lock);
}

void request_queue_post_debug_exit(RequestQueue *queue, guint32 value)
{
	g_mutex_lock(&queue->lock);
	if (!(queue->posted.types & REQUEST_DEBUG_EXIT))
		queue->posted.exit_value = value;
	post_locked(queue, REQUEST_DEBUG_EXIT);
	g_mutex_unlock(&queue->lock);
}

void request_queue_post_watchdog(RequestQueue *queue, guint action)
{
	g_mutex_lock(&queue->lock);
	queue->posted.watchdogs |= 1u << action;
	post_locked(queue, REQUEST_WATCHDOG);
	g_mutex_unlock(&queue->lock);
}

/* Keeps the first message of a type in @kept, a part of what is posted. */
static void post_message(RequestQueue *queue, RequestType type, char **kept, const GError *error)
{
	g_mutex_lock(&queue->lock);
	if (!(queue->posted.types & type))
		*kept = g_strdup(error->message);
	post_locked(queue, type);
	g_mutex_unlock(&queue->lock);
}

void request_queue_post_failure(RequestQueue *queue, const GError *error)
{
	post_message(queue, REQUEST_FAILURE, &queue->posted.failure, error);
}

void request_queue_post_no_memory(RequestQueue *queue, const GError *error)
{
	post_message(queue, REQUEST_NO_MEMORY, &queue->posted.shortage, error);
}

void request_queue_post_host_touch(RequestQueue *queue, const HostTouch *touch)
{
	g_mutex_lock(&queue->lock);
	if (!queue->posted.touches)
		queue->posted.touches = g_array_new(FALSE, FALSE, sizeof(HostTouch));
	g_array_append_val(queue->posted.touches, *touch);
	post_locked(queue, REQUEST_HOST_TOUCH);
	g_mutex_unlock(&queue->lock);
}

static gboolean is_like(const DiskError *one, const DiskError *other)
{
	return one->is_read == other->is_read && one->action == other->action &&
	       one->error == other->error && strcmp(one->device, other->device) == 0;
}

static void clear_disk_error(gpointer data)
{
	DiskError *error = data;

	g_free((char *)error->device);
}

/* A guest causes as many as it likes. */
static void keep_disk_error(GArray **kept, const DiskError *error)
{
	DiskError copy = *error;

	if (!*kept) {
		*kept = g_array_new(FALSE, FALSE, sizeof(DiskError));
		g_array_set_clear_func(*kept, clear_disk_error);
	}
	for (guint i = 0; i < (*kept)->len; i++)
		if (is_like(&g_array_index(*kept, DiskError, i), error))
			return;
	copy.device = g_strdup(error->device);
	g_array_append_val(*kept, copy);
}

void request_queue_post_disk_error(RequestQueue *queue, const DiskError *error)
{
	g_mutex_lock(&queue->lock);
	keep_disk_error(&queue->posted.disk_errors, error);
	post_locked(queue, REQUEST_DISK_ERROR);
	g_mutex_unlock(&queue->lock);
}

gboolean request_queue_is_empty(RequestQueue *queue)
{
	gboolean is_empty;

	g_mutex_lock(&queue->lock);
	is_empty = queue->posted.types == 0;
	g_mutex_unlock(&queue->lock);
	return is_empty;
}

void request_queue_take(RequestQueue *queue, Requests *requests)
{
	g_mutex_lock(&queue->lock);
	*requests = queue->posted;
	queue->posted = (Requests){ .types = 0 };
	g_mutex_unlock(&queue->lock);
}

void requests_clear(Requests *requests)
{
	g_clear_pointer(&requests->failure, g_free);
	g_clear_pointer(&requests->shortage, g_free);
	g_clear_pointer(&requests->touches, g_array_unref);
	g_clear_pointer(&requests->disk_errors, g_array_unref);
	requests->types = 0;
}
