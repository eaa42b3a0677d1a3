/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * char-fd.c - terminals, pipes and files as a character backend
 *
 * Theory of operation
 *
 * A master of a pseudo-terminal is hung up while nobody has the other side open. poll() then never
 * waits for it, so that there is no watch meanwhile, but a look now and then. What is sent to it
 * until then goes to the terminal's buffer, as long as there is room: who opens it next finds it.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/backend/char-backend.h"
#include "vmm/backend/fd-watch.h"

/* How often to look whether a terminal that nobody has open is open again. */
#define HANGUP_RETRY_MS 200

/* One direction. */
typedef struct {
	int fd;	   /* or -1 */
	int flags; /* to be put back; -1: as they were */
	gboolean is_terminal;
	gboolean is_socket; /* of another kind than char-socket.c's, or of one direction */
	gboolean has_ended;
	FdWatch *watch;
} Channel;

typedef struct {
	CharBackend backend;
	Channel output;
	Channel input;	/* may have the same descriptor */
	GSource *retry; /* while it is hung up */
} CharFd;

static void update(CharBackend *backend);

static gboolean is_usable(const Channel *channel)
{
	return channel->fd >= 0 && !channel->has_ended;
}

static void stop_watching(Channel *channel)
{
	g_clear_pointer(&channel->watch, fd_watch_free);
}

static void stop_retrying(CharFd *self)
{
	if (!self->retry)
		return;
	g_source_destroy(self->retry);
	g_clear_pointer(&self->retry, g_source_unref);
}

static void end_channel(CharFd *self, Channel *channel)
{
	stop_watching(channel);
	channel->has_ended = TRUE;
	if (!is_usable(&self->input) && !is_usable(&self->output))
		char_backend_set_open(&self->backend, FALSE);
}

/* What poll() has of a descriptor without waiting. */
static short look(const Channel *channel)
{
	struct pollfd wanted = { .fd = channel->fd, .events = POLLIN };

	return poll(&wanted, 1, 0) == 1 ? wanted.revents : 0;
}

static gboolean is_hung_up(const Channel *channel)
{
	return is_usable(channel) && channel->is_terminal && (look(channel) & POLLHUP);
}

static gboolean on_retry(gpointer data);

static void hang_up(CharFd *self)
{
	stop_watching(&self->input);
	stop_watching(&self->output);
	if (!self->retry) {
		self->retry = g_timeout_source_new(HANGUP_RETRY_MS);
		g_source_set_callback(self->retry, on_retry, self, NULL);
		g_source_attach(self->retry, self->backend.context);
	}
	char_backend_set_open(&self->backend, FALSE);
}

/* A terminal may be opened again; anything else that has ended has ended. */
static void read_input(CharFd *self)
{
	switch (char_backend_read(&self->backend, self->input.fd, self->input.is_socket)) {
	case CHAR_INPUT_READ:
		break;
	case CHAR_INPUT_FULL:
		update(&self->backend);
		break;
	case CHAR_INPUT_ENDED:
		if (self->input.is_terminal)
			hang_up(self);
		else
			end_channel(self, &self->input);
		break;
	}
}

static void on_readable(void *opaque, GIOCondition condition)
{
	CharFd *self = opaque;

	char_backend_lock(&self->backend);
	if (self->input.watch && char_backend_may_read(&self->backend))
		read_input(self);
	else if (self->input.watch && (condition & (G_IO_HUP | G_IO_ERR)))
		hang_up(self);
	char_backend_unlock(&self->backend);
}

static void on_writable(void *opaque, GIOCondition condition)
{
	CharFd *self = opaque;

	(void)condition;
	char_backend_lock(&self->backend);
	if (self->output.watch) {
		stop_watching(&self->output);
		char_backend_tell_writable(&self->backend);
	}
	char_backend_unlock(&self->backend);
}

/* Nobody has it open still: what they wrote may be there, or room may have come. */
static void stay_hung_up(CharFd *self)
{
	if (is_usable(&self->input) && char_backend_may_read(&self->backend) &&
	    (look(&self->input) & POLLIN))
		(void)char_backend_read(&self->backend, self->input.fd, self->input.is_socket);
	hang_up(self);
}

static gboolean on_retry(gpointer data)
{
	CharFd *self = data;
	CharBackend *backend = &self->backend;

	char_backend_lock(backend);
	if (self->retry) {
		stop_retrying(self);
		if (is_hung_up(&self->input) || is_hung_up(&self->output)) {
			stay_hung_up(self);
		} else {
			char_backend_set_open(backend, TRUE);
			update(backend);
		}
		char_backend_tell_writable(backend);
	}
	char_backend_unlock(backend);
	return G_SOURCE_REMOVE;
}

/* A terminal is watched for its hang-up, too; anything else tells that when it is read. */
static void update_input(CharFd *self)
{
	const gboolean may_read = char_backend_may_read(&self->backend);

	if (!is_usable(&self->input) || !(may_read || self->input.is_terminal)) {
		stop_watching(&self->input);
		return;
	}
	if (!self->input.watch)
		self->input.watch = fd_watch_new(self->input.fd, self->backend.context, on_readable,
						 self);
	fd_watch_set(self->input.watch, may_read ? G_IO_IN : 0);
}

static void update_output(CharFd *self)
{
	if (!self->backend.has_waiter || !is_usable(&self->output)) {
		stop_watching(&self->output);
		return;
	}
	/* A full terminal that nobody has open is not writable, but poll() never waits for it. */
	if (is_hung_up(&self->output)) {
		hang_up(self);
		return;
	}
	if (!self->output.watch)
		self->output.watch = fd_watch_new(self->output.fd, self->backend.context,
						  on_writable, self);
	fd_watch_set(self->output.watch, G_IO_OUT);
}

static void update(CharBackend *backend)
{
	CharFd *self = (CharFd *)backend;

	if (!backend->context || self->retry)
		return;
	update_input(self);
	update_output(self);
}

static void fd_attach(CharBackend *backend)
{
	CharFd *self = (CharFd *)backend;

	if (is_hung_up(&self->input))
		hang_up(self);
	else
		update(backend);
}

static gsize fd_send(CharBackend *backend, const guint8 *data, gsize size)
{
	CharFd *self = (CharFd *)backend;
	gssize sent;

	if (!is_usable(&self->output))
		return size;
	sent = char_backend_write(self->output.fd, self->output.is_socket, data, size);
	if (sent >= 0)
		return (gsize)sent;
	backend->end_of_output = errno;
	end_channel(self, &self->output);
	return size;
}

static void fd_detach(CharBackend *backend)
{
	CharFd *self = (CharFd *)backend;

	stop_retrying(self);
	stop_watching(&self->input);
	stop_watching(&self->output);
}

static void close_channel(Channel *channel)
{
	if (channel->fd < 0)
		return;
	if (channel->flags >= 0)
		(void)fcntl(channel->fd, F_SETFL, channel->flags);
	close(channel->fd);
}

static void fd_free(CharBackend *backend)
{
	CharFd *self = (CharFd *)backend;

	/* The flags that were found last are put back first. */
	if (self->input.fd == self->output.fd)
		self->input.fd = -1;
	close_channel(&self->input);
	close_channel(&self->output);
	g_free(self);
}

static const CharOperations operations = {
	.attach = fd_attach,
	.send = fd_send,
	.update = update,
	.detach = fd_detach,
	.free = fd_free,
};

/* A regular file never makes a writer wait; a socket is asked not to, each time. */
static gboolean open_channel(Channel *channel, GError **error)
{
	struct stat status;
	int flags;

	if (channel->fd < 0)
		return TRUE;
	flags = fcntl(channel->fd, F_GETFL);
	if (flags < 0 || fstat(channel->fd, &status) < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "%s",
			    g_strerror(errno));
		return FALSE;
	}
	channel->is_terminal = S_ISCHR(status.st_mode) && isatty(channel->fd);
	channel->is_socket = S_ISSOCK(status.st_mode);
	if (channel->is_socket || S_ISREG(status.st_mode) || (flags & O_NONBLOCK))
		return TRUE;
	channel->flags = flags;
	(void)fcntl(channel->fd, F_SETFL, flags | O_NONBLOCK);
	return TRUE;
}

CharBackend *char_fd_new(int output_fd, int input_fd, GError **error)
{
	CharFd *self = g_new0(CharFd, 1);

	self->backend.operations = &operations;
	self->backend.is_open = TRUE;
	self->output = (Channel){ .fd = output_fd, .flags = -1 };
	self->input = (Channel){ .fd = input_fd, .flags = -1 };
	if (open_channel(&self->output, error) && open_channel(&self->input, error))
		return &self->backend;
	fd_free(&self->backend);
	return NULL;
}
