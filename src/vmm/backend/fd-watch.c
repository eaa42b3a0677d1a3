/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fd-watch.c - waits for a descriptor in a main context, for conditions that change often */
#include "vmm/backend/fd-watch.h"

struct FdWatch {
	GSource source; /* first: GLib makes it */
	gpointer tag;
	GIOCondition condition;
	void (*ready)(void *opaque, GIOCondition condition);
	void *opaque;
};

static gboolean check(GSource *source)
{
	return g_source_query_unix_fd(source, ((FdWatch *)source)->tag) != 0;
}

static gboolean dispatch(GSource *source, GSourceFunc unused, gpointer data)
{
	FdWatch *watch = (FdWatch *)source;
	const GIOCondition condition = g_source_query_unix_fd(source, watch->tag);

	(void)unused;
	(void)data;
	if (condition)
		watch->ready(watch->opaque, condition);
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = { .check = check, .dispatch = dispatch };

FdWatch *fd_watch_new(int fd, GMainContext *context,
		      void (*ready)(void *opaque, GIOCondition condition), void *opaque)
{
	GSource *source = g_source_new(&functions, sizeof(FdWatch));
	FdWatch *watch = (FdWatch *)source;

	watch->ready = ready;
	watch->opaque = opaque;
	watch->tag = g_source_add_unix_fd(source, fd, 0);
	g_source_attach(source, context);
	return watch;
}

void fd_watch_free(FdWatch *watch)
{
	if (!watch)
		return;
	g_source_destroy(&watch->source);
	g_source_unref(&watch->source);
}

void fd_watch_set(FdWatch *watch, GIOCondition condition)
{
	if (watch->condition == condition)
		return;
	watch->condition = condition;
	g_source_modify_unix_fd(&watch->source, watch->tag, condition);
}
