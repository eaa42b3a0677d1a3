/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit.c - how often something may happen that others cause, and what of it is logged */
#include "driver/log-limit.h"

/* Guards the members of every LogLimit, for moments; innermost. */
static GMutex lock;

gint64 rate_limit_take(RateLimit *limit, guint burst, gint64 interval, gint64 now)
{
	const gint64 ahead = MAX(limit->due - now, 0);
	const gint64 room = (gint64)(burst - 1) * interval;

	if (ahead > room)
		return ahead - room;
	limit->due = now + ahead + interval;
	return 0;
}

/* Return: whether a line may be written, with in @suppressed how many were not before it. */
static gboolean take_line(LogLimit *limit, guint *suppressed)
{
	gboolean taken;

	g_mutex_lock(&lock);
	taken = rate_limit_take(&limit->rate, LOG_LIMIT_BURST,
				LOG_LIMIT_SECONDS * G_TIME_SPAN_SECOND,
				g_get_monotonic_time()) == 0;
	*suppressed = limit->suppressed;
	if (taken)
		limit->suppressed = 0;
	else if (limit->suppressed < G_MAXUINT)
		limit->suppressed++;
	g_mutex_unlock(&lock);
	return taken;
}

void log_limit_warning(LogLimit *limit, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;
	guint suppressed;

	if (!take_line(limit, &suppressed))
		return;
	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	if (suppressed)
		g_warning("%s (and %u more like it before)", message, suppressed);
	else
		g_warning("%s", message);
}
