/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* console.c - the host's end of a serial line: descriptors that bytes go to and come from */
#include "vmm/machine/console.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/machine/host-timer.h"

/* How long output is gathered; and how much of it a vCPU's thread writes out itself. */
#define GATHER_NS   G_GINT64_CONSTANT(2000000)
#define GATHER_SIZE 4096

/* How often to look whether a terminal that nobody has open is open again. */
#define HANGUP_RETRY_MS 200

/* One direction of the line. */
typedef struct {
	int fd;		  /* -1: nothing there, or no more */
	gboolean is_ours; /* opened here */
	gboolean is_socket;
	int flags; /* to be put back; -1: as they were */
} Channel;

struct Console {
	GMainContext *context;
	GMutex *device_lock;
	Serial *serial;

	Channel output;
	gboolean has_output; /* it was given, so that its bytes are missed */
	HostTimer *gather_timer;
	GSource *writable; /* while the reader is stuck, or there is none */
	guint8 buffer[CONSOLE_BUFFER_SIZE];
	gsize used;
	guint64 dropped;

	Channel log;
	guint8 log_buffer[GATHER_SIZE];
	gsize log_used;

	Channel input;
	GSource *readable; /* while the serial port has room */
	GSource *retry;	   /* while the terminal is hung up */
};

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

static gboolean is_pty_master(int fd)
{
	unsigned int number;

	return ioctl(fd, TIOCGPTN, &number) == 0;
}

/* Opens what @fd stands for once more, as a file description of our own; -1 where it cannot. */
static int reopen(int fd, int flags)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

	return open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

static gboolean open_channel(Channel *channel, int fd, const char *name, GError **error)
{
	struct stat status;
	int flags;

	channel->fd = -1;
	channel->flags = -1;
	if (fd < 0)
		return TRUE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &status) < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "console %s: %s", name,
			    g_strerror(errno));
		return FALSE;
	}
	channel->fd = fd;
	channel->is_socket = S_ISSOCK(status.st_mode);
	/* A regular file never makes a writer wait; a socket is asked not to, each time. */
	if (channel->is_socket || S_ISREG(status.st_mode) || (flags & O_NONBLOCK))
		return TRUE;
	/* Opening a master's path makes a new terminal. */
	if (!is_pty_master(fd)) {
		int ours = reopen(fd, flags);

		if (ours >= 0) {
			channel->fd = ours;
			channel->is_ours = TRUE;
			return TRUE;
		}
	}
	channel->flags = flags;
	(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return TRUE;
}

static void close_channel(Channel *channel)
{
	if (channel->fd < 0)
		return;
	if (channel->flags >= 0)
		(void)fcntl(channel->fd, F_SETFL, channel->flags);
	if (channel->is_ours)
		close(channel->fd);
	channel->fd = -1;
}

static gssize write_channel(const Channel *channel, const guint8 *data, gsize size)
{
	if (channel->is_socket)
		return send(channel->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(channel->fd, data, size);
}

static gssize read_channel(const Channel *channel, guint8 *data, gsize size)
{
	if (channel->is_socket)
		return recv(channel->fd, data, size, MSG_DONTWAIT);
	return read(channel->fd, data, size);
}

static void watch_writable(Console *console);

/* Writes as much as the reader takes now. */
static void flush(Console *console)
{
	gsize done = 0;

	while (done < console->used) {
		gssize n = write_channel(&console->output, console->buffer + done,
					 console->used - done);

		if (n >= 0) {
			done += n;
		} else if (errno == EAGAIN) {
			watch_writable(console);
			break;
		} else if (errno != EINTR) {
			/* Nobody will read this any more. */
			console->dropped += console->used - done;
			done = console->used;
			close_channel(&console->output);
		}
	}
	console->used -= done;
	memmove(console->buffer, console->buffer + done, console->used);
}

static gboolean on_write_retry(gpointer data)
{
	Console *console = data;

	g_mutex_lock(console->device_lock);
	clear_source(&console->writable);
	flush(console);
	g_mutex_unlock(console->device_lock);
	return G_SOURCE_REMOVE;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data)
{
	(void)fd;
	(void)condition;
	return on_write_retry(data);
}

static gboolean is_hung_up(const Channel *channel)
{
	struct pollfd wanted = { .fd = channel->fd };

	return poll(&wanted, 1, 0) == 1 && (wanted.revents & POLLHUP);
}

static void watch_writable(Console *console)
{
	if (console->writable)
		return;
	/* A full terminal that nobody has open is not writable, but poll() never waits for it. */
	if (is_hung_up(&console->output)) {
		console->writable = g_timeout_source_new(HANGUP_RETRY_MS);
		g_source_set_callback(console->writable, on_write_retry, console, NULL);
	} else {
		console->writable = g_unix_fd_source_new(console->output.fd, G_IO_OUT);
		g_source_set_callback(console->writable, G_SOURCE_FUNC(on_writable), console, NULL);
	}
	g_source_attach(console->writable, console->context);
}

/* A log takes all or has failed: it is no terminal that somebody might read later. */
static void flush_log(Console *console)
{
	gsize done = 0;

	while (done < console->log_used) {
		gssize n = write_channel(&console->log, console->log_buffer + done,
					 console->log_used - done);

		if (n >= 0) {
			done += n;
		} else if (errno != EINTR) {
			log_warning("console", "the log is given up: %s", g_strerror(errno));
			close_channel(&console->log);
			break;
		}
	}
	console->log_used = 0;
}

static void arm_gathering(Console *console)
{
	DeviceTimer timer = host_timer_device(console->gather_timer);

	timer.arm(timer.opaque, timer.now(timer.opaque) + GATHER_NS);
}

static void transmit_to_log(Console *console, guint8 byte)
{
	if (console->log.fd < 0)
		return;
	console->log_buffer[console->log_used++] = byte;
	if (console->log_used == 1)
		arm_gathering(console);
	else if (console->log_used == sizeof(console->log_buffer))
		flush_log(console);
}

/* The gathering is over; called with the device lock held. */
static void on_gathered(void *opaque)
{
	Console *console = opaque;

	flush_log(console);
	if (!console->writable)
		flush(console);
}

static void transmit(void *opaque, guint8 byte)
{
	Console *console = opaque;

	transmit_to_log(console, byte);
	if (!console->has_output)
		return;
	if (console->output.fd < 0 || console->used == sizeof(console->buffer)) {
		console->dropped++;
		return;
	}
	console->buffer[console->used++] = byte;
	if (console->writable)
		return;
	if (console->used == 1)
		arm_gathering(console);
	else if (console->used >= GATHER_SIZE)
		flush(console);
}

static void watch_readable(Console *console);

static gboolean on_retry(gpointer data)
{
	Console *console = data;

	g_mutex_lock(console->device_lock);
	clear_source(&console->retry);
	watch_readable(console);
	g_mutex_unlock(console->device_lock);
	return G_SOURCE_REMOVE;
}

/* A terminal may be opened again; anything else that has ended has ended. */
static void end_input(Console *console)
{
	clear_source(&console->readable);
	if (!isatty(console->input.fd)) {
		close_channel(&console->input);
		return;
	}
	console->retry = g_timeout_source_new(HANGUP_RETRY_MS);
	g_source_set_callback(console->retry, on_retry, console, NULL);
	g_source_attach(console->retry, console->context);
}

static void receive(Console *console)
{
	guint8 data[SERIAL_FIFO_SIZE];
	guint room = serial_receive_room(console->serial);
	gssize n;

	if (room == 0) {
		/* receive_room() begins anew. */
		clear_source(&console->readable);
		return;
	}
	n = read_channel(&console->input, data, MIN(room, sizeof(data)));
	if (n > 0)
		serial_receive(console->serial, data, n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_input(console);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
	Console *console = data;

	(void)fd;
	(void)condition;
	g_mutex_lock(console->device_lock);
	receive(console);
	g_mutex_unlock(console->device_lock);
	return G_SOURCE_CONTINUE;
}

static void watch_readable(Console *console)
{
	if (console->input.fd < 0 || console->readable || console->retry)
		return;
	console->readable = g_unix_fd_source_new(console->input.fd, G_IO_IN);
	g_source_set_callback(console->readable, G_SOURCE_FUNC(on_readable), console, NULL);
	g_source_attach(console->readable, console->context);
}

static void on_receive_room(void *opaque)
{
	watch_readable(opaque);
}

const SerialBackend console_serial_backend = {
	.transmit = transmit,
	.receive_room = on_receive_room,
};

Console *console_new(int output_fd, int input_fd, int log_fd, GMainContext *context,
		     GMutex *device_lock, GError **error)
{
	g_autoptr(Console) console = g_new0(Console, 1);

	console->context = g_main_context_ref(context);
	console->device_lock = device_lock;
	console->has_output = output_fd >= 0;
	console->output.fd = -1;
	console->input.fd = -1;
	console->log.fd = -1;
	if (!open_channel(&console->output, output_fd, "output", error) ||
	    !open_channel(&console->input, input_fd, "input", error) ||
	    !open_channel(&console->log, log_fd, "log", error))
		return NULL;
	console->gather_timer = host_timer_new(CLOCK_MONOTONIC, context, device_lock, on_gathered,
					       console, error);
	if (!console->gather_timer)
		return NULL;
	return g_steal_pointer(&console);
}

void console_free(Console *console)
{
	if (!console)
		return;
	clear_source(&console->retry);
	clear_source(&console->readable);
	flush_log(console);
	if (console->output.fd >= 0)
		flush(console);
	clear_source(&console->writable);
	g_clear_pointer(&console->gather_timer, host_timer_free);
	close_channel(&console->input);
	close_channel(&console->log);
	close_channel(&console->output);
	g_main_context_unref(console->context);
	g_free(console);
}

void console_connect(Console *console, Serial *serial)
{
	g_mutex_lock(console->device_lock);
	console->serial = serial;
	watch_readable(console);
	g_mutex_unlock(console->device_lock);
}

guint64 console_dropped(const Console *console)
{
	return console->dropped;
}
