/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-limit.h - warnings that others can cause, as often as a reader of the log can bear
 *
 * Theory of operation
 *
 * Each kind of message has a limit of its own: so many in a period, and the rest is counted.
 * The first message of the next period that there is a message in says how many were left out
 * before it. So a flood costs the log a few lines, and is seen in it.
 */
#pragma once

#include <glib.h>

/* Messages of one kind in a period, and how long that is. */
#define LOG_LIMIT_MESSAGES 10u
#define LOG_LIMIT_SECONDS  30u

/* Zeroed is new. Safe on any thread. */
typedef struct {
	GMutex lock; /* guards what follows */
	gint64 period_ends;
	guint n_said;
	guint64 n_left_out;
} LogLimit;

/* g_warning(), unless too many of this limit's have been written. */
void log_limit_warning(LogLimit *limit, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Says how many were left out since the last message, if any; for the end of the program. */
void log_limit_flush(LogLimit *limit, const char *what);
