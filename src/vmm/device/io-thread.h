/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * io-thread.h - a thread on which devices serve their queues
 *
 * Theory of operation
 *
 * It runs a GMainContext, and has a DMA channel of its own, so that what it carries waits for
 * nobody else's. A device adds its sources to the context, for descriptors and deadlines, and does
 * everything with its queues there: of one device two things never happen at once.
 *
 * It never takes the device lock. Who holds the device lock may call into it and wait
 * (io_thread_call()), for a reset or a pause.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "vmm/backend/io-ring.h"
#include "vmm/memory/direct.h"
#include "vmm/memory/dma.h"

typedef struct IoThread IoThread;

/*
 * io_thread_new - start one
 * @name:   of the thread, as far as it fits: 15 characters
 * @memory: outlives it
 *
 * Before the first vCPU runs with two-sided memory, whose DMA channels can only be made then.
 *
 * Return: one that io_thread_unref() gives back, or NULL with @error set.
 */
IoThread *io_thread_new(const char *name, Memory *memory, GError **error);
IoThread *io_thread_ref(IoThread *thread);

/* The last one ends the thread. Not on the thread itself. */
void io_thread_unref(IoThread *thread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IoThread, io_thread_unref)

GMainContext *io_thread_context(IoThread *thread);

/* The thread's channel, to be used on the thread. */
DmaChannel *io_thread_dma(IoThread *thread);

/*
 * io_thread_window_dma - another channel of the thread's, for which nobody copies
 *
 * To be used on the thread, for a device that is to have a window for all that it reads and writes.
 * On the main thread, while devices are made; the first call makes it.
 *
 * Return: a channel that goes with the thread, or NULL with @error set.
 */
DmaChannel *io_thread_window_dma(IoThread *thread, GError **error);

/* Has something go with the thread: it is freed when the thread has ended, and before its channel
 * is. Once. */
void io_thread_own(IoThread *thread, gpointer object, GDestroyNotify free_object);

/*
 * io_thread_ring - the thread's io_uring, which a first disk has made
 *
 * On the main thread, while devices are made. The ring, and its staging memory, are then to be
 * used on the thread.
 *
 * Return: a ring that goes with the thread, or NULL with @error set.
 */
IoRing *io_thread_ring(IoThread *thread, GError **error);

/*
 * Guest memory that its ring reads and writes without a copy, to be used on the thread; NULL where
 * it has no ring.
 */
DirectMemory *io_thread_direct(const IoThread *thread);

/* Its number (gettid), for query-iothreads and for thread pinning. */
pid_t io_thread_id(const IoThread *thread);

/* Whether somebody besides one owner has a reference. */
gboolean io_thread_is_shared(const IoThread *thread);

/* Whether the caller is on it. */
gboolean io_thread_is_current(const IoThread *thread);

/*
 * io_thread_call - run a function on the thread, and wait until it returns
 *
 * From any thread, the thread itself too; the device lock may be held, no lock that the thread
 * takes.
 */
void io_thread_call(IoThread *thread, void (*function)(void *opaque), void *opaque);

/*
 * io_thread_add_fd - have a function called on the thread whenever @fd can be read
 *
 * Return: a source that g_source_destroy() takes away, on the thread, and that is the caller's to
 * unref.
 */
GSource *io_thread_add_fd(IoThread *thread, int fd, void (*ready)(void *opaque), void *opaque);
