/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit.c - warnings of the daemon that others can cause */
#include "driver/log-limit.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdarg.h>

void log_limit_warning(LogLimit *limit, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;
	guint64 left_out;

	if (!log_limit_take(limit, g_get_monotonic_time(), &left_out))
		return;
	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	if (left_out > 0)
		g_warning(ngettext("%s (and %" PRIu64 " more like it before)",
				   "%s (and %" PRIu64 " more like it before)", left_out),
			  message, left_out);
	else
		g_warning("%s", message);
}

void log_limit_flush(LogLimit *limit, const char *singular, const char *plural)
{
	const guint64 left_out = log_limit_steal_left_out(limit);

	if (left_out > 0)
		g_warning(ngettext(singular, plural, left_out), left_out);
}
