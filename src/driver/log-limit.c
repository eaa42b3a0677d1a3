/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit.c - warnings that others can cause, as often as a reader of the log can bear */
#include "driver/log-limit.h"

#include <stdarg.h>

/* Return: whether a message may be written; then *left_out is how many were not, before it. */
static gboolean may_say(LogLimit *limit, guint64 *left_out)
{
	const gint64 now = g_get_monotonic_time();
	gboolean may;

	g_mutex_lock(&limit->lock);
	if (now >= limit->period_ends) {
		limit->period_ends = now + LOG_LIMIT_SECONDS * G_TIME_SPAN_SECOND;
		limit->n_said = 0;
	}
	may = limit->n_said < LOG_LIMIT_MESSAGES;
	if (may) {
		limit->n_said++;
		*left_out = limit->n_left_out;
		limit->n_left_out = 0;
	} else {
		limit->n_left_out++;
	}
	g_mutex_unlock(&limit->lock);
	return may;
}

void log_limit_warning(LogLimit *limit, const char *format, ...)
{
	g_autofree char *message = NULL;
	guint64 left_out = 0;
	va_list arguments;

	if (!may_say(limit, &left_out))
		return;
	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	if (left_out > 0)
		g_warning("%s (%" G_GUINT64_FORMAT " messages like this were left out)", message,
			  left_out);
	else
		g_warning("%s", message);
}

void log_limit_flush(LogLimit *limit, const char *what)
{
	guint64 left_out;

	g_mutex_lock(&limit->lock);
	left_out = limit->n_left_out;
	limit->n_left_out = 0;
	g_mutex_unlock(&limit->lock);
	if (left_out > 0)
		g_warning("%" G_GUINT64_FORMAT " messages about %s were left out", left_out, what);
}
