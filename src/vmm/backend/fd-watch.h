/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fd-watch.h - waits for a descriptor in a main context, for conditions that change often
 *
 * GLib's own source for a descriptor has its conditions for life; a backend waits for room to
 * write only while there is something to be written, and stops reading while its guest has no
 * room.
 */
#pragma once

#include <glib.h>

typedef struct FdWatch FdWatch;

/*
 * fd_watch_new - wait for @fd in @context, for nothing yet
 * @ready: on the context's thread, with what is there; may free the watch. G_IO_HUP and G_IO_ERR
 *	   come without having been waited for.
 */
FdWatch *fd_watch_new(int fd, GMainContext *context,
		      void (*ready)(void *opaque, GIOCondition condition), void *opaque);

/* @fd stays open. On the context's thread, or while it is not dispatching. */
void fd_watch_free(FdWatch *watch);

/* What to wait for from now on; on any thread. */
void fd_watch_set(FdWatch *watch, GIOCondition condition);
