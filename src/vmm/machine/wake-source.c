/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wake-source.c - a source by which any thread has a function called on a main context, soon */
#include "vmm/machine/wake-source.h"

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
	g_source_set_ready_time(source, -1);
	return callback(data);
}

static GSourceFuncs source_functions = { .dispatch = dispatch };

GSource *wake_source_new(GMainContext *context, GSourceFunc function, gpointer data)
{
	GSource *source = g_source_new(&source_functions, sizeof(GSource));

	g_source_set_callback(source, function, data, NULL);
	g_source_attach(source, context);
	return source;
}
