/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.c - bytes in both directions between a client and a descriptor */
#include "driver/rpc/stream.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <libvirt/virterror.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/rpc/private.h"

#define READ_CHUNK (64u << 10)

/* Everything but @references and the constants belongs to the main thread. */
struct RpcStream {
	gatomicrefcount references;
	RpcClient *client; /* a reference */
	gint32 procedure;
	guint32 serial;
	int fd; /* -1 once the stream has ended */
	void (*closed)(gpointer data);
	gpointer data;
	GSource *read_source;	   /* of fd; NULL while the client has something to read */
	GSource *write_source;	   /* of fd; NULL while nothing waits for it */
	GByteArray *input;	   /* of the client's, for fd */
	gboolean has_ended_output; /* fd has nothing more to say */
};

static void watch_for_reading(RpcStream *stream);

RpcStream *rpc_stream_open(RpcCall *call, int fd, void (*closed)(gpointer data), gpointer data)
{
	RpcStream *stream = g_new0(RpcStream, 1);

	g_assert(!call->stream);
	g_atomic_ref_count_init(&stream->references);
	stream->client = rpc_client_ref(call->client);
	stream->procedure = call->procedure;
	stream->serial = call->serial;
	stream->fd = fd;
	stream->closed = closed;
	stream->data = data;
	stream->input = g_byte_array_new();
	g_unix_set_fd_nonblocking(fd, TRUE, NULL);
	g_atomic_ref_count_inc(&stream->references);
	call->stream = stream;
	return stream;
}

void rpc_stream_unref(RpcStream *stream)
{
	if (!g_atomic_ref_count_dec(&stream->references))
		return;
	g_byte_array_unref(stream->input);
	rpc_client_unref(stream->client);
	g_free(stream);
}

static RpcStream *stream_ref(RpcStream *stream)
{
	g_atomic_ref_count_inc(&stream->references);
	return stream;
}

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

void rpc_stream_drop(RpcStream *stream)
{
	RpcClient *client = stream->client;

	if (stream->fd < 0)
		return;
	stream_ref(stream);
	clear_source(&stream->read_source);
	clear_source(&stream->write_source);
	close(stream->fd);
	stream->fd = -1;
	g_ptr_array_remove(client->streams, stream);
	if (stream->closed)
		stream->closed(stream->data);
	/* Unless another stream of the client's is full too. */
	rpc_client_resume(client, RPC_PAUSE_STREAM);
	rpc_stream_unref(stream);
}

static WireHeader stream_header(const RpcStream *stream, WireStatus status)
{
	return (WireHeader){
		.program = WIRE_PROGRAM_REMOTE,
		.version = WIRE_PROGRAM_VERSION,
		.procedure = stream->procedure,
		.type = WIRE_STREAM,
		.serial = stream->serial,
		.status = status,
	};
}

static void fail(RpcStream *stream, const char *reason)
{
	const WireHeader header = stream_header(stream, WIRE_ERROR);
	g_autoptr(GError) error = NULL;

	if (stream->fd < 0)
		return;
	driver_error(&error, VIR_ERR_OPERATION_FAILED, "%s", reason);
	rpc_client_send(stream->client, wire_encode_error(&header, error));
	rpc_stream_drop(stream);
}

static GSource *add_source(RpcStream *stream, GIOCondition condition, GUnixFDSourceFunc function)
{
	GSource *source = g_unix_fd_source_new(stream->fd, condition);

	g_source_set_callback(source, G_SOURCE_FUNC(function), stream_ref(stream),
			      (GDestroyNotify)rpc_stream_unref);
	g_source_attach(source, stream->client->server->context);
	return source;
}

/*
 * One piece at a time: the next is read when the client has taken this one. An error is the
 * end, as a terminal's other side reports its closing.
 */
static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
	RpcStream *stream = data;
	const WireHeader header = stream_header(stream, WIRE_CONTINUE);
	g_autofree char *chunk = g_malloc(READ_CHUNK);
	gssize length = read(fd, chunk, READ_CHUNK);

	(void)condition;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	clear_source(&stream->read_source);
	stream->has_ended_output = length <= 0;
	/* An empty piece tells the client of the end. */
	rpc_client_send(stream->client, wire_encode_data(&header, chunk, MAX(length, 0)));
	if (stream->fd >= 0 && g_queue_is_empty(&stream->client->output))
		watch_for_reading(stream);
	return G_SOURCE_REMOVE;
}

static void watch_for_reading(RpcStream *stream)
{
	if (!stream->read_source && !stream->has_ended_output)
		stream->read_source = add_source(stream, G_IO_IN | G_IO_HUP | G_IO_ERR,
						 on_readable);
}

void rpc_stream_on_output_empty(RpcClient *client)
{
	for (guint i = 0; i < client->streams->len; i++)
		watch_for_reading(g_ptr_array_index(client->streams, i));
}

void rpc_stream_start(RpcStream *stream)
{
	g_ptr_array_add(stream->client->streams, stream_ref(stream));
	if (g_queue_is_empty(&stream->client->output))
		watch_for_reading(stream);
}

/* Writes what the descriptor takes; FALSE when it is broken. */
static gboolean write_input(RpcStream *stream)
{
	while (stream->input->len > 0) {
		gssize written = write(stream->fd, stream->input->data, stream->input->len);

		if (written < 0)
			return errno == EAGAIN || errno == EINTR;
		g_byte_array_remove_range(stream->input, 0, written);
	}
	return TRUE;
}

static gboolean on_writable(int fd, GIOCondition condition, gpointer data)
{
	RpcStream *stream = data;

	(void)fd;
	(void)condition;
	if (!write_input(stream)) {
		fail(stream, _("the other end of the stream is gone"));
		return G_SOURCE_REMOVE;
	}
	if (stream->input->len <= WIRE_STREAM_DATA_MAX)
		rpc_client_resume(stream->client, RPC_PAUSE_STREAM);
	if (stream->input->len > 0)
		return G_SOURCE_CONTINUE;
	g_clear_pointer(&stream->write_source, g_source_unref);
	return G_SOURCE_REMOVE;
}

static void take_input(RpcStream *stream, const guint8 *data, gsize size)
{
	g_byte_array_append(stream->input, data, size);
	if (!stream->write_source && !write_input(stream)) {
		fail(stream, _("the other end of the stream is gone"));
		return;
	}
	if (stream->input->len > 0 && !stream->write_source)
		stream->write_source = add_source(stream, G_IO_OUT, on_writable);
	if (stream->input->len > WIRE_STREAM_DATA_MAX)
		rpc_client_pause(stream->client, RPC_PAUSE_STREAM);
}

/* The client has finished or given up; either is confirmed with an empty message. */
static void end(RpcStream *stream)
{
	const WireHeader header = stream_header(stream, WIRE_OK);

	rpc_client_send(stream->client, wire_encode(&header, NULL, NULL));
	rpc_stream_drop(stream);
}

static RpcStream *find_stream(RpcClient *client, gint32 procedure, guint32 serial)
{
	for (guint i = 0; i < client->streams->len; i++) {
		RpcStream *stream = g_ptr_array_index(client->streams, i);

		if (stream->procedure == procedure && stream->serial == serial)
			return stream;
	}
	return NULL;
}

void rpc_stream_handle_message(RpcClient *client, const WireHeader *header, const guint8 *data,
			       gsize size)
{
	RpcStream *stream = find_stream(client, header->procedure, header->serial);

	/* Messages that were on their way when the stream ended. */
	if (!stream)
		return;
	stream_ref(stream);
	if (header->status == WIRE_CONTINUE)
		take_input(stream, data, size);
	else if (header->status == WIRE_OK || header->status == WIRE_ERROR)
		end(stream);
	else
		fail(stream, _("a stream message has an unknown status"));
	rpc_stream_unref(stream);
}

typedef struct {
	RpcStream *stream;
	char *reason;
} PostedClose;

static void close_posted(gpointer data)
{
	PostedClose *posted = data;

	fail(posted->stream, posted->reason);
	rpc_stream_unref(posted->stream);
	g_free(posted->reason);
	g_free(posted);
}

void rpc_stream_close(RpcStream *stream, const char *reason)
{
	PostedClose *posted = g_new0(PostedClose, 1);

	posted->stream = stream_ref(stream);
	posted->reason = g_strdup(reason);
	rpc_server_post(stream->client->server, close_posted, posted);
}
