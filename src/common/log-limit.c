/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit.c - how often something may happen that others cause, and what of it is logged */
#include "common/log-limit.h"

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

gboolean log_limit_take(LogLimit *limit, gint64 now, guint64 *left_out)
{
	gboolean taken;

	g_mutex_lock(&lock);
	taken = rate_limit_take(&limit->rate, LOG_LIMIT_BURST,
				LOG_LIMIT_SECONDS * G_TIME_SPAN_SECOND, now) == 0;
	*left_out = limit->left_out;
	limit->left_out = taken ? 0 : limit->left_out + 1;
	g_mutex_unlock(&lock);
	return taken;
}

guint64 log_limit_steal_left_out(LogLimit *limit)
{
	guint64 left_out;

	g_mutex_lock(&lock);
	left_out = limit->left_out;
	limit->left_out = 0;
	g_mutex_unlock(&lock);
	return left_out;
}
