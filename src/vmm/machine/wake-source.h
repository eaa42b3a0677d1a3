/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* wake-source.h - a source by which any thread has a function called on a main context, soon */
#pragma once

#include <glib.h>

/*
 * wake_source_new - make one, attached
 * @function: called once for any number of calls of g_source_set_ready_time(source, 0) that came
 *            before; returns G_SOURCE_CONTINUE
 *
 * Waking it neither waits nor needs memory. Return: for g_source_destroy() and g_source_unref().
 */
GSource *wake_source_new(GMainContext *context, GSourceFunc function, gpointer data);
