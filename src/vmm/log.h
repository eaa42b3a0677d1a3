/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * log.h - the log on standard error: one line an entry, "gmem-vmm: area: message"
 *
 * The area is a name, the same in each language; messages are translated by who writes them.
 * Each line leaves in one write(2), so that lines of several threads do not mix. May be
 * called from any thread, with any lock held.
 */
#pragma once

#include <glib.h>

#include "common/log-limit.h"

typedef enum {
	LOG_TRACE_MEMSLOT = 1 << 0,
	LOG_TRACE_CONVERSION = 1 << 1,
} LogTrace;

/* Which trace points print lines; set once, before the first thread. */
void log_set_traces(guint traces);
gboolean log_trace_enabled(LogTrace trace);

void log_error(const char *area, const char *format, ...) G_GNUC_PRINTF(2, 3);
void log_warning(const char *area, const char *format, ...) G_GNUC_PRINTF(2, 3);
void log_info(const char *area, const char *format, ...) G_GNUC_PRINTF(2, 3);
void log_trace(const char *area, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * log_limited - a line that a guest or a client can cause as often as it likes
 * @limit: of this place in the code, static; what it leaves out is counted
 */
void log_limited(LogLimit *limit, const char *area, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sends what GLib itself logs through the same door. */
void log_take_over_glib(void);
