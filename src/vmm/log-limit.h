/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log-limit.h - a bound for what a guest or a client can have the log say
 *
 * Theory of operation
 *
 * Each place that logs on somebody else's behalf has a LogLimit of its own. The first few
 * lines of a minute are written; the others of that minute are counted, and the first line
 * after it says how many they were. So a kind of message costs a few lines a minute whatever
 * causes it, and none goes unsaid that comes alone.
 */
#pragma once

#include <glib.h>

#define LOG_LIMIT_LINES	  3
#define LOG_LIMIT_SECONDS 60

/* All zeroes at first. It has no lock: see log_limited(). */
typedef struct {
	gint64 minute_ends_us;
	guint lines;	  /* that were written in it */
	guint64 left_out; /* since the last line that was written */
} LogLimit;

/*
 * log_limit_pass - whether a line may be written
 * @now_us:   of a clock that does not go back
 * @left_out: where it may, how many before it were not
 */
gboolean log_limit_pass(LogLimit *limit, gint64 now_us, guint64 *left_out);
