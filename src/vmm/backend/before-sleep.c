/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* before-sleep.c - work that is done each time before a thread sleeps */
#include "vmm/backend/before-sleep.h"

typedef struct {
	GSource source;
	void (*work)(void *opaque);
	void *opaque;
} BeforeSleep;

static gboolean on_prepare(GSource *source, gint *timeout)
{
	const BeforeSleep *self = (const BeforeSleep *)source;

	*timeout = -1;
	self->work(self->opaque);
	return FALSE;
}

static gboolean on_check(GSource *source)
{
	(void)source;
	return FALSE;
}

static gboolean on_dispatch(GSource *source, GSourceFunc callback, gpointer opaque)
{
	(void)source;
	(void)callback;
	(void)opaque;
	return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {
	.prepare = on_prepare,
	.check = on_check,
	.dispatch = on_dispatch,
};

GSource *before_sleep_new(GMainContext *context, void (*work)(void *opaque), void *opaque)
{
	GSource *source = g_source_new(&functions, sizeof(BeforeSleep));
	BeforeSleep *self = (BeforeSleep *)source;

	self->work = work;
	self->opaque = opaque;
	g_source_set_priority(source, G_PRIORITY_HIGH);
	g_source_attach(source, context);
	return source;
}

void before_sleep_free(GSource *source)
{
	g_source_destroy(source);
	g_source_unref(source);
}
