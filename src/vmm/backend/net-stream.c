/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-stream.c - frames over a connected UNIX stream socket
 *
 * Theory of operation
 *
 * Each frame has its length in front, 4 bytes, big-endian: what passt speaks, and QEMU's
 * "-netdev stream". Either direction has one buffer: a read takes what is there, whole frames of
 * it are given away, the rest moves to the front; frames that are sent gather until net_flush().
 * A length that no frame has means that the two ends are no longer agreed on where frames begin,
 * and nothing that follows could be believed: the link is lost.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/backend/fd-watch.h"
#include "vmm/backend/net-backend.h"

#define LENGTH_SIZE 4u

/* Room for one frame of any size, and for many of usual ones. */
#define BUFFER_SIZE (256u << 10)

/* Reads in one go, before others of this thread have their turn. */
#define READS_MAX 4u

typedef struct {
	guint8 *data;
	gsize start, end; /* what is in it */
} Buffer;

typedef struct {
	NetBackend backend;
	int fd; /* -1: closed */
	FdWatch *watch;
	Buffer in, out;
	gboolean is_wanted;  /* frames are */
	gboolean has_waiter; /* a frame was refused */
} Stream;

static const guint8 no_header[NET_HEADER_SIZE];

static gsize buffer_used(const Buffer *buffer)
{
	return buffer->end - buffer->start;
}

/* Moves what is in it to the front. */
static void buffer_compact(Buffer *buffer)
{
	memmove(buffer->data, buffer->data + buffer->start, buffer_used(buffer));
	buffer->end -= buffer->start;
	buffer->start = 0;
}

static void update_watch(Stream *stream)
{
	GIOCondition condition = 0;

	if (!stream->watch)
		return;
	if (stream->is_wanted)
		condition |= G_IO_IN;
	if (buffer_used(&stream->out) > 0 || stream->has_waiter)
		condition |= G_IO_OUT;
	fd_watch_set(stream->watch, condition);
}

/* The error of a read or a write that is none: try again later. */
static gboolean is_later(int code)
{
	return code == EAGAIN || code == EINTR;
}

/* What is gathered leaves, as far as the socket takes it. */
static void write_out(Stream *stream)
{
	Buffer *out = &stream->out;
	gssize written = 0;

	while (buffer_used(out) > 0) {
		written = write(stream->fd, out->data + out->start, buffer_used(out));
		if (written < 0)
			break;
		out->start += (gsize)written;
	}
	if (written < 0 && !is_later(errno)) {
		net_backend_lose(&stream->backend, g_strerror(errno));
		return;
	}
	if (buffer_used(out) == 0)
		out->start = out->end = 0;
	update_watch(stream);
}

static void tell_waiter(Stream *stream)
{
	if (!stream->has_waiter)
		return;
	stream->has_waiter = FALSE;
	update_watch(stream);
	stream->backend.client->writable(stream->backend.opaque, 0);
}

static gboolean stream_send(NetBackend *backend, guint queue, const guint8 *frame, gsize size)
{
	Stream *stream = (Stream *)backend;
	Buffer *out = &stream->out;
	const guint32 length = GUINT32_TO_BE((guint32)size);

	(void)queue;
	if (buffer_used(out) + LENGTH_SIZE + size > BUFFER_SIZE)
		write_out(stream);
	if (!backend->is_up)
		return TRUE;
	if (buffer_used(out) + LENGTH_SIZE + size > BUFFER_SIZE) {
		stream->has_waiter = TRUE;
		update_watch(stream);
		return FALSE;
	}
	if (out->end + LENGTH_SIZE + size > BUFFER_SIZE)
		buffer_compact(out);
	memcpy(out->data + out->end, &length, LENGTH_SIZE);
	memcpy(out->data + out->end + LENGTH_SIZE, frame + NET_HEADER_SIZE, size);
	out->end += LENGTH_SIZE + size;
	return TRUE;
}

static void stream_flush(NetBackend *backend, guint queue)
{
	(void)queue;
	write_out((Stream *)backend);
}

/* The length of the frame that begins the buffer; FALSE: not all of it is there. */
static gboolean frame_length(const Buffer *in, guint32 *length)
{
	guint32 value;

	if (buffer_used(in) < LENGTH_SIZE)
		return FALSE;
	memcpy(&value, in->data + in->start, LENGTH_SIZE);
	*length = GUINT32_FROM_BE(value);
	return TRUE;
}

/* Gives away what is there whole. Return: FALSE where the client has no room, or the link went. */
static gboolean deliver(Stream *stream)
{
	NetBackend *backend = &stream->backend;
	Buffer *in = &stream->in;
	guint32 length;

	while (stream->is_wanted && frame_length(in, &length)) {
		if (length == 0 || length > NET_FRAME_MAX) {
			g_autofree char *why =
				g_strdup_printf(_("a frame of %u bytes was announced"), length);

			net_backend_lose(backend, why);
			return FALSE;
		}
		if (buffer_used(in) < LENGTH_SIZE + length)
			break;
		/* What is shorter than Ethernet's header is nobody's. */
		if (length >= NET_FRAME_MIN &&
		    !backend->client->receive(backend->opaque, 0, no_header,
					      in->data + in->start + LENGTH_SIZE, length)) {
			stream->is_wanted = FALSE;
			break;
		}
		in->start += LENGTH_SIZE + length;
	}
	return stream->is_wanted;
}

/* Return: whether more may be there. */
static gboolean read_in(Stream *stream)
{
	Buffer *in = &stream->in;
	gssize got;

	buffer_compact(in);
	got = read(stream->fd, in->data + in->end, BUFFER_SIZE - in->end);
	if (got > 0) {
		in->end += (gsize)got;
		return in->end == BUFFER_SIZE;
	}
	if (got == 0)
		net_backend_lose(&stream->backend, _("the peer has closed its socket"));
	else if (!is_later(errno))
		net_backend_lose(&stream->backend, g_strerror(errno));
	return FALSE;
}

static void receive_frames(Stream *stream)
{
	gboolean has_more = TRUE;

	for (guint i = 0; i < READS_MAX && has_more && deliver(stream); i++) {
		has_more = read_in(stream);
		if (stream->backend.is_up)
			has_more = deliver(stream) && has_more;
	}
	if (stream->backend.is_up)
		update_watch(stream);
	stream->backend.client->received(stream->backend.opaque, 0);
}

static void on_ready(void *opaque, GIOCondition condition)
{
	Stream *stream = opaque;

	if (condition & G_IO_OUT)
		write_out(stream);
	if (stream->backend.is_up && stream->is_wanted && condition & (G_IO_IN | G_IO_HUP))
		receive_frames(stream);
	else if (stream->backend.is_up && condition & (G_IO_HUP | G_IO_ERR))
		net_backend_lose(&stream->backend, _("the peer has closed its socket"));
	if (stream->backend.is_up && buffer_used(&stream->out) == 0)
		tell_waiter(stream);
}

static void stream_receive(NetBackend *backend, guint queue, gboolean is_wanted)
{
	Stream *stream = (Stream *)backend;

	(void)queue;
	stream->is_wanted = is_wanted;
	update_watch(stream);
	/* What has been read already makes no descriptor ready. */
	if (is_wanted && buffer_used(&stream->in) > 0) {
		(void)deliver(stream);
		if (backend->is_up)
			update_watch(stream);
		backend->client->received(backend->opaque, 0);
	}
}

static void stream_attach(NetBackend *backend)
{
	Stream *stream = (Stream *)backend;

	stream->watch = fd_watch_new(stream->fd, backend->context, on_ready, stream);
}

static void stream_close(NetBackend *backend)
{
	Stream *stream = (Stream *)backend;

	g_clear_pointer(&stream->watch, fd_watch_free);
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
	stream->is_wanted = FALSE;
	stream->out.start = stream->out.end = 0;
}

static void stream_free(NetBackend *backend)
{
	Stream *stream = (Stream *)backend;

	g_free(stream->in.data);
	g_free(stream->out.data);
	g_free(stream);
}

static const NetOperations operations = {
	.attach = stream_attach,
	.receive = stream_receive,
	.send = stream_send,
	.flush = stream_flush,
	.close = stream_close,
	.free = stream_free,
};

static gboolean is_stream_socket(int fd)
{
	int family = 0, type = 0;
	socklen_t size = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 && family == AF_UNIX &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

NetBackend *net_stream_new(int fd, const char *name, GError **error)
{
	Stream *stream;

	if (!is_stream_socket(fd)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("network descriptor %d is no UNIX stream socket"), fd);
		close(fd);
		return NULL;
	}
	if (!net_backend_set_nonblocking(fd, error)) {
		close(fd);
		return NULL;
	}
	stream = g_new0(Stream, 1);
	net_backend_init(&stream->backend, &operations, name, 1);
	stream->fd = fd;
	stream->in.data = g_malloc(BUFFER_SIZE);
	stream->out.data = g_malloc(BUFFER_SIZE);
	return &stream->backend;
}
