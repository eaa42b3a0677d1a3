/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * char-socket.c - a stream socket, UNIX or TCP, as a character backend
 *
 * Theory of operation
 *
 * A listening socket has one client at a time; the next one waits in the kernel's queue until that
 * has gone. A socket that is connected is all there is: when its peer has gone, so has the backend.
 *
 * A peer has gone when it has closed its socket, or its half of it. What it has sent before is
 * still read where the client of the backend has only no room at present. Meanwhile there is no
 * watch, which would never wait.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/backend/char-backend.h"
#include "vmm/backend/fd-watch.h"

/* That a peer has closed its half, which poll() can wait for without waiting for input. */
#define PEER_HAS_CLOSED ((GIOCondition)POLLRDHUP)
#define HAS_GONE	(G_IO_HUP | G_IO_ERR | PEER_HAS_CLOSED)

/* When to try again to accept somebody, after the host had no descriptor for that. */
#define ACCEPT_RETRY_MS 1000

typedef struct {
	CharBackend backend;
	int listener; /* or -1 */
	FdWatch *listener_watch;
	GSource *retry;
	int fd; /* -1: nobody is there */
	FdWatch *watch;
	gboolean is_hung_up; /* the peer has gone, and something may be left to be read */
} CharSocket;

static void update(CharBackend *backend);
static void listen_again(CharSocket *self);

static void stop_retrying(CharSocket *self)
{
	if (!self->retry)
		return;
	g_source_destroy(self->retry);
	g_clear_pointer(&self->retry, g_source_unref);
}

static gboolean on_retry(gpointer data)
{
	CharSocket *self = data;

	char_backend_lock(&self->backend);
	if (self->retry) {
		stop_retrying(self);
		listen_again(self);
	}
	char_backend_unlock(&self->backend);
	return G_SOURCE_REMOVE;
}

static void retry_later(CharSocket *self)
{
	g_clear_pointer(&self->listener_watch, fd_watch_free);
	self->retry = g_timeout_source_new(ACCEPT_RETRY_MS);
	g_source_set_callback(self->retry, on_retry, self, NULL);
	g_source_attach(self->retry, self->backend.context);
}

static void close_peer(CharSocket *self)
{
	stop_retrying(self);
	g_clear_pointer(&self->watch, fd_watch_free);
	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	self->is_hung_up = FALSE;
}

/* What the client of the backend has for the one who has gone is for nobody. */
static void lose_peer(CharSocket *self)
{
	close_peer(self);
	if (self->listener >= 0)
		listen_again(self);
	else
		self->backend.end_of_output = EPIPE;
	char_backend_set_open(&self->backend, FALSE);
	char_backend_tell_writable(&self->backend);
}

static void read_input(CharSocket *self)
{
	switch (char_backend_read(&self->backend, self->fd, TRUE)) {
	case CHAR_INPUT_READ:
		break;
	case CHAR_INPUT_FULL:
		update(&self->backend);
		break;
	case CHAR_INPUT_ENDED:
		lose_peer(self);
		break;
	}
}

static gboolean has_something_left(const CharSocket *self)
{
	guint8 byte;

	return recv(self->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void hang_up(CharSocket *self)
{
	if (!self->backend.is_wanted || !has_something_left(self)) {
		lose_peer(self);
		return;
	}
	g_clear_pointer(&self->watch, fd_watch_free);
	self->is_hung_up = TRUE;
	update(&self->backend);
	char_backend_tell_writable(&self->backend);
}

static void on_ready(void *opaque, GIOCondition condition)
{
	CharSocket *self = opaque;

	char_backend_lock(&self->backend);
	if (self->watch && (condition & G_IO_OUT)) {
		char_backend_tell_writable(&self->backend);
		if (self->watch)
			update(&self->backend);
	}
	if (self->watch && char_backend_may_read(&self->backend)) {
		if (condition & (G_IO_IN | HAS_GONE))
			read_input(self);
	} else if (self->watch && (condition & HAS_GONE)) {
		hang_up(self);
	}
	char_backend_unlock(&self->backend);
}

static void adopt_peer(CharSocket *self, int fd)
{
	self->fd = fd;
	g_clear_pointer(&self->listener_watch, fd_watch_free);
	update(&self->backend);
	char_backend_set_open(&self->backend, TRUE);
}

/* Who has gone before it was accepted is nobody; anything else has to do with this host. */
static gboolean is_passing(int code)
{
	return code == EAGAIN || code == EINTR || code == ECONNABORTED || code == EPROTO ||
	       code == EPERM;
}

static void on_connection(void *opaque, GIOCondition condition)
{
	CharSocket *self = opaque;
	int fd;

	(void)condition;
	char_backend_lock(&self->backend);
	if (self->listener_watch) {
		fd = accept4(self->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			adopt_peer(self, fd);
		else if (!is_passing(errno))
			retry_later(self);
	}
	char_backend_unlock(&self->backend);
}

static void listen_again(CharSocket *self)
{
	if (!self->backend.context)
		return;
	self->listener_watch = fd_watch_new(self->listener, self->backend.context, on_connection,
					    self);
	fd_watch_set(self->listener_watch, G_IO_IN);
}

/* One who has hung up is read without being waited for, in turns. */
static gboolean on_left(gpointer data)
{
	CharSocket *self = data;

	char_backend_lock(&self->backend);
	if (self->retry) {
		stop_retrying(self);
		if (self->is_hung_up && char_backend_may_read(&self->backend))
			read_input(self);
		if (self->is_hung_up)
			update(&self->backend);
	}
	char_backend_unlock(&self->backend);
	return G_SOURCE_REMOVE;
}

static void read_what_is_left(CharSocket *self)
{
	if (self->retry || !char_backend_may_read(&self->backend))
		return;
	self->retry = g_idle_source_new();
	g_source_set_priority(self->retry, G_PRIORITY_DEFAULT);
	g_source_set_callback(self->retry, on_left, self, NULL);
	g_source_attach(self->retry, self->backend.context);
}

static void update(CharBackend *backend)
{
	CharSocket *self = (CharSocket *)backend;
	GIOCondition condition = PEER_HAS_CLOSED;

	if (!backend->context || self->fd < 0)
		return;
	if (self->is_hung_up) {
		if (backend->is_wanted)
			read_what_is_left(self);
		else
			lose_peer(self);
		return;
	}
	if (!self->watch)
		self->watch = fd_watch_new(self->fd, backend->context, on_ready, self);
	if (char_backend_may_read(backend))
		condition |= G_IO_IN;
	if (backend->has_waiter)
		condition |= G_IO_OUT;
	fd_watch_set(self->watch, condition);
}

static gsize socket_send(CharBackend *backend, const guint8 *data, gsize size)
{
	CharSocket *self = (CharSocket *)backend;
	gssize sent;

	if (self->fd < 0 || self->is_hung_up)
		return size;
	sent = char_backend_write(self->fd, TRUE, data, size);
	if (sent >= 0)
		return (gsize)sent;
	hang_up(self);
	return size;
}

static void socket_attach(CharBackend *backend)
{
	CharSocket *self = (CharSocket *)backend;

	if (self->listener >= 0)
		listen_again(self);
	else
		update(backend);
}

static void socket_detach(CharBackend *backend)
{
	CharSocket *self = (CharSocket *)backend;

	stop_retrying(self);
	g_clear_pointer(&self->listener_watch, fd_watch_free);
	g_clear_pointer(&self->watch, fd_watch_free);
}

static void socket_free(CharBackend *backend)
{
	CharSocket *self = (CharSocket *)backend;

	close_peer(self);
	if (self->listener >= 0)
		close(self->listener);
	g_free(self);
}

static const CharOperations operations = {
	.attach = socket_attach,
	.send = socket_send,
	.update = update,
	.detach = socket_detach,
	.free = socket_free,
};

static gboolean get_option(int fd, int option, int *value)
{
	socklen_t size = sizeof(*value);

	return getsockopt(fd, SOL_SOCKET, option, value, &size) == 0;
}

gboolean char_socket_look(int fd, gboolean *is_listening)
{
	int type = 0, listens = 0;

	if (!get_option(fd, SO_TYPE, &type) || type != SOCK_STREAM ||
	    !get_option(fd, SO_ACCEPTCONN, &listens))
		return FALSE;
	*is_listening = listens != 0;
	return TRUE;
}

static gboolean check(int fd, gboolean is_server, GError **error)
{
	gboolean is_listening = FALSE;

	if (!char_socket_look(fd, &is_listening)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("descriptor %d is no stream socket"), fd);
		return FALSE;
	}
	if (is_listening == is_server)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    is_server ? _("descriptor %d is no socket that listens") :
				_("descriptor %d is a socket that listens, and not connected"),
		    fd);
	return FALSE;
}

CharBackend *char_socket_new(int fd, gboolean is_server, GError **error)
{
	CharSocket *self;

	/* Only a listening one: others are asked not to wait, each time. */
	if (!check(fd, is_server, error) ||
	    (is_server && !g_unix_set_fd_nonblocking(fd, TRUE, error))) {
		close(fd);
		return NULL;
	}
	self = g_new0(CharSocket, 1);
	self->backend.operations = &operations;
	self->backend.is_open = !is_server;
	self->listener = is_server ? fd : -1;
	self->fd = is_server ? -1 : fd;
	return &self->backend;
}
