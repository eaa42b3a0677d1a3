/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* char-sink.c - output that never makes its writer wait */
#include "vmm/backend/char-sink.h"

#include <string.h>

struct CharSink {
	CharBackend *backend;
	guint8 *buffer; /* NULL: nothing was written yet */
	gsize used;
	guint64 dropped;
	gboolean is_waiting;
};

CharSink *char_sink_new(CharBackend *backend)
{
	CharSink *sink = g_new0(CharSink, 1);

	sink->backend = backend;
	return sink;
}

void char_sink_free(CharSink *sink)
{
	if (!sink)
		return;
	g_free(sink->buffer);
	g_free(sink);
}

void char_sink_put(CharSink *sink, const guint8 *data, gsize size)
{
	const gsize kept = char_end_of_output(sink->backend) ?
				   0 :
				   MIN(size, CHAR_SINK_SIZE - sink->used);

	sink->dropped += size - kept;
	if (kept == 0)
		return;
	if (!sink->buffer)
		sink->buffer = g_malloc(CHAR_SINK_SIZE);
	memcpy(sink->buffer + sink->used, data, kept);
	sink->used += kept;
}

void char_sink_flush(CharSink *sink)
{
	gsize sent;

	if (sink->is_waiting || sink->used == 0)
		return;
	sent = char_send(sink->backend, sink->buffer, sink->used);
	if (char_end_of_output(sink->backend)) {
		sink->dropped += sink->used;
		sent = sink->used;
	}
	sink->used -= sent;
	memmove(sink->buffer, sink->buffer + sent, sink->used);
	sink->is_waiting = sink->used > 0;
}

void char_sink_writable(CharSink *sink)
{
	sink->is_waiting = FALSE;
	char_sink_flush(sink);
}

gsize char_sink_used(const CharSink *sink)
{
	return sink->used;
}

guint64 char_sink_dropped(const CharSink *sink)
{
	return sink->dropped;
}

gboolean char_sink_is_waiting(const CharSink *sink)
{
	return sink->is_waiting;
}
