/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* char-log.c - where a copy of a guest's output goes */
#include "vmm/backend/char-log.h"

#include <glib/gi18n.h>

#include "vmm/backend/char-sink.h"
#include "vmm/log.h"

struct CharLog {
	char *area;
	CharBackend *backend;
	CharSink *sink;
	gboolean is_given_up;
};

static void look_for_end(CharLog *log)
{
	const int code = char_end_of_output(log->backend);

	if (code == 0 || log->is_given_up)
		return;
	log->is_given_up = TRUE;
	log_warning(log->area, _("the log is given up: %s"), g_strerror(code));
}

static void on_writable(void *opaque)
{
	CharLog *log = opaque;

	char_sink_writable(log->sink);
	look_for_end(log);
}

static const CharClient client = { .writable = on_writable };

CharLog *char_log_new(int fd, const char *area, GError **error)
{
	CharBackend *backend = char_fd_new(fd, -1, error);
	CharLog *log;

	if (!backend)
		return NULL;
	log = g_new0(CharLog, 1);
	log->area = g_strdup(area);
	log->backend = backend;
	log->sink = char_sink_new(backend);
	return log;
}

void char_log_attach(CharLog *log, GMainContext *context, GMutex *lock)
{
	char_attach(log->backend, context, lock, &client, log);
}

/* What can still be written without waiting is. */
void char_log_detach(CharLog *log)
{
	char_sink_writable(log->sink);
	char_detach(log->backend);
}

void char_log_free(CharLog *log)
{
	if (!log)
		return;
	char_sink_free(log->sink);
	char_free(log->backend);
	g_free(log->area);
	g_free(log);
}

void char_log_put(CharLog *log, const guint8 *data, gsize size)
{
	char_sink_put(log->sink, data, size);
}

void char_log_flush(CharLog *log)
{
	char_sink_flush(log->sink);
	look_for_end(log);
}

gsize char_log_gathered(const CharLog *log)
{
	return char_sink_is_waiting(log->sink) ? 0 : char_sink_used(log->sink);
}
