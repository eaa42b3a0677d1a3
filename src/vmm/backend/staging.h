/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * staging.h - the memory in which an I/O thread has what goes between guests and disks
 *
 * Theory of operation
 *
 * One area of fixed size, given out in runs of whole pages: the kernel knows all of it as a
 * registered buffer, pages are aligned as O_DIRECT wants them, and a guest cannot make the host
 * keep more than that of its data, nor have it allocate anything. Who gets nothing, since it is
 * all under way, waits in a queue for what comes back.
 *
 * The area is in no core dump and in no child. One thread's.
 */
#pragma once

#include <glib.h>

typedef struct Staging Staging;

typedef struct StagingWaiter {
	void (*wake)(void *opaque); /* from within staging_give(): try again, wait again */
	void *opaque;
	gboolean is_waiting; /* the area's */
	GList link;
} StagingWaiter;

/* @size: bytes, whole pages. Return: NULL with @error set without memory. */
Staging *staging_new(gsize size, GError **error);
void staging_free(Staging *staging);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Staging, staging_free)

void *staging_memory(const Staging *staging);
gsize staging_size(const Staging *staging);

/*
 * staging_take - a run of memory for @size bytes, 1 to the area's size
 *
 * Return: memory at a page's beginning, its content that of somebody before, or NULL where there
 * is no such run now.
 */
void *staging_take(Staging *staging, gsize size);

/* Gives back what was taken, with the same size; whoever waits is woken, in order. */
void staging_give(Staging *staging, void *memory, gsize size);

/* Once in the queue, in which a waiter is once. */
void staging_wait(Staging *staging, StagingWaiter *waiter);
void staging_wait_no_more(Staging *staging, StagingWaiter *waiter);
