/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-limit.h - how often something may happen that others cause, and what of it is logged
 *
 * Theory of operation
 *
 * What a guest, a VMM or a client can make happen, it can make happen a thousand times a second.
 * A rate limit lets through a burst and from then on one turn an interval: it remembers a single
 * moment, at which all that was let through would have come one interval after the other. A log
 * limit is one for lines of a log. What it keeps back is counted, and the next line says how many.
 *
 * A limit belongs to who causes the messages or to what they are about: a flood of one kind must
 * not hide another kind.
 */
#pragma once

#include <glib.h>

/* Zeroed, it has its whole burst. Not for several threads at once. */
typedef struct {
	gint64 due; /* when all that was let through would have come, of g_get_monotonic_time() */
} RateLimit;

/*
 * rate_limit_take - have one turn, where there is one
 * @burst: how many may come at once
 * @interval: in microseconds, for one turn more
 * @now: of g_get_monotonic_time()
 *
 * Return: 0 where the turn is taken, otherwise in how many microseconds there is one.
 */
gint64 rate_limit_take(RateLimit *limit, guint burst, gint64 interval, gint64 now);

/* Lines that come at once, and the seconds until there may be one more. */
#define LOG_LIMIT_BURST	  10
#define LOG_LIMIT_SECONDS 10

/* Zeroed, it has its whole burst. Safe on any thread. */
typedef struct {
	RateLimit rate;
	guint64 left_out; /* since the last line */
} LogLimit;

/*
 * log_limit_take - whether a line may be written
 * @now: of g_get_monotonic_time()
 * @left_out: where it may, how many before it were not
 */
gboolean log_limit_take(LogLimit *limit, gint64 now, guint64 *left_out);

/* How many lines were left out since the last one; they count as told from here on. */
guint64 log_limit_steal_left_out(LogLimit *limit);
