/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * requests.h - what other threads ask the main thread to do with the machine
 *
 * Theory of operation
 *
 * A vCPU's thread or the memory thread posts; the main thread takes everything that was
 * posted at once. Posting never waits and needs no memory that grows: what is asked for
 * twice before it is done is asked for once, so is an error of a disk that is like another one;
 * of failures and of memory that was not there only the first is kept. Host touches are the
 * exception; each of them holds its thread, so there are no more of them than threads.
 *
 * To post is one step with what has to happen before the request is served, the closing of the
 * gates: whoever has taken what was posted may open them again, and they would stay closed for
 * good if the poster came to it only then.
 */
#pragma once

#include <glib.h>

#include "vmm/device/disk-error.h"
#include "vmm/memory/memory.h"

typedef enum {
	REQUEST_RESET = 1 << 0,
	REQUEST_POWER_OFF = 1 << 1,
	REQUEST_DEBUG_EXIT = 1 << 2,
	REQUEST_FAILURE = 1 << 3,
	REQUEST_HOST_TOUCH = 1 << 4,
	REQUEST_NO_MEMORY = 1 << 5,
	REQUEST_DISK_ERROR = 1 << 6,
	REQUEST_PANIC = 1 << 7,
	REQUEST_CRASH_LOADED = 1 << 8,
	REQUEST_WATCHDOG = 1 << 9,
} RequestType;

typedef struct {
	guint types;	    /* RequestType bits */
	guint32 exit_value; /* what the guest wrote to the debug-exit port */
	guint watchdogs;    /* WatchdogAction bits: 1 << action */
	char *failure;
	char *shortage;	     /* what there was no memory for */
	GArray *touches;     /* HostTouch */
	GArray *disk_errors; /* DiskError, each of its kind once; their names are owned */
} Requests;

typedef struct RequestQueue RequestQueue;

/*
 * request_queue_new - a queue that is served on @context
 * @posting: called with each post, on the poster's thread and under the queue's lock, which nobody
 *           takes before it returns; it must not block, nor use the queue
 * @serve:   called on @context, soon after something was posted
 */
RequestQueue *request_queue_new(GMainContext *context, void (*posting)(void *opaque),
				void (*serve)(void *opaque), void *opaque);
void request_queue_free(RequestQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RequestQueue, request_queue_free)

/* From any thread. What is pointed to is only lent. */
void request_queue_post(RequestQueue *queue, RequestType type);
void request_queue_post_debug_exit(RequestQueue *queue, guint32 value);
void request_queue_post_watchdog(RequestQueue *queue, guint action);
void request_queue_post_failure(RequestQueue *queue, const GError *error);
void request_queue_post_no_memory(RequestQueue *queue, const GError *error);
void request_queue_post_host_touch(RequestQueue *queue, const HostTouch *touch);
void request_queue_post_disk_error(RequestQueue *queue, const DiskError *error);

gboolean request_queue_is_empty(RequestQueue *queue);

/* Moves everything to @requests, which requests_clear() empties. */
void request_queue_take(RequestQueue *queue, Requests *requests);
void requests_clear(Requests *requests);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Requests, requests_clear)
