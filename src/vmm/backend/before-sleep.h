/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * before-sleep.h - work that is done each time before a thread sleeps
 *
 * What has ended since the thread woke up is told together then. It is done before the sources of
 * backends look, which send to the kernel what begins in it.
 */
#pragma once

#include <glib.h>

/*
 * before_sleep_new - have @work done before @context's thread sleeps
 *
 * Return: for before_sleep_free()
 */
GSource *before_sleep_new(GMainContext *context, void (*work)(void *opaque), void *opaque);

/* On that thread, or while it does not look at the context. */
void before_sleep_free(GSource *source);
