/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log.c - the log on standard error */
#include "vmm/log.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

static guint enabled_traces;

void log_set_traces(guint traces)
{
	enabled_traces = traces;
}

gboolean log_trace_enabled(LogTrace trace)
{
	return (enabled_traces & trace) != 0;
}

/* A message may quote what a guest or a client said: it gets no line of its own. */
static void replace_control_characters(char *text)
{
	for (; *text; text++) {
		if (g_ascii_iscntrl(*text))
			*text = ' ';
	}
}

static void write_text(const char *area, char *message)
{
	g_autofree char *line = NULL;
	gssize written;

	replace_control_characters(message);
	line = g_strdup_printf("gmem-vmm: %s: %s\n", area, message);
	/* Nobody is left to tell that the log cannot be written. */
	written = write(STDERR_FILENO, line, strlen(line));
	(void)written;
}

/* @level has a place for the message. */
static void write_line(const char *area, const char *level, const char *format, va_list arguments)
{
	g_autofree char *message = g_strdup_vprintf(format, arguments);
	g_autofree char *text = g_strdup_printf(level, message);

	write_text(area, text);
}

void log_error(const char *area, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(area, _("error: %s"), format, arguments);
	va_end(arguments);
}

void log_warning(const char *area, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(area, _("warning: %s"), format, arguments);
	va_end(arguments);
}

void log_info(const char *area, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(area, "%s", format, arguments);
	va_end(arguments);
}

void log_trace(const char *area, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	write_line(area, "%s", format, arguments);
	va_end(arguments);
}

void log_limited(LogLimit *limit, const char *area, const char *format, ...)
{
	g_autofree char *message = NULL, *counted = NULL;
	va_list arguments;
	guint64 left_out;

	if (!log_limit_take(limit, g_get_monotonic_time(), &left_out))
		return;
	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	if (left_out > 0)
		counted = g_strdup_printf(ngettext("%s (%" PRIu64 " more like it left out)",
						   "%s (%" PRIu64 " more like it left out)",
						   left_out),
					  message, left_out);
	write_text(area, counted ? counted : message);
}

static void write_glib_line(const char *domain, GLogLevelFlags level, const char *message,
			    gpointer unused)
{
	(void)unused;
	if (level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO))
		return;
	log_warning(domain ? domain : "glib", "%s", message);
}

void log_take_over_glib(void)
{
	g_log_set_default_handler(write_glib_line, NULL);
}
