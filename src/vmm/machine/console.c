/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* console.c - the host's end of a serial line: descriptors that bytes go to and come from */
#include "vmm/machine/console.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <inttypes.h>
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
	int fd; /* -1: nothing there, or no more */
	gboolean is_socket;
	int flags; /* to be put back; -1: as they were */
} Channel;

/* Where output goes, and what has not gone yet. */
typedef struct {
	Console *console;
	Channel channel;
	gboolean is_given; /* so that its bytes are missed */
	gboolean is_log;
	GSource *writable; /* while the reader is stuck, or there is none */
	guint8 buffer[CONSOLE_BUFFER_SIZE];
	gsize used;
	guint64 dropped;
} Sink;

struct Console {
	const char *area; /* of a registry's: of the log */
	GMainContext *context;
	GMutex *device_lock;
	Serial *serial;

	Sink output;
	Sink log;
	HostTimer *gather_timer;

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

/* @wrong: the error where @fd is of no use, with a place for what errno says */
static gboolean open_channel(Channel *channel, int fd, const char *wrong, GError **error)
{
	struct stat status;
	int flags;

	channel->fd = -1;
	channel->flags = -1;
	if (fd < 0)
		return TRUE;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &status) < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), wrong,
			    g_strerror(errno));
		return FALSE;
	}
	channel->fd = fd;
	channel->is_socket = S_ISSOCK(status.st_mode);
	/* A regular file never makes a writer wait; a socket is asked not to, each time. */
	if (channel->is_socket || S_ISREG(status.st_mode) || (flags & O_NONBLOCK))
		return TRUE;
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

static void watch_writable(Sink *sink);

/* Nobody will read this any more. */
static void give_up(Sink *sink)
{
	if (sink->is_log)
		log_warning("console", _("the log is given up: %s"), g_strerror(errno));
	sink->dropped += sink->used;
	sink->used = 0;
	close_channel(&sink->channel);
}

/* Writes as much as the reader takes now. */
static void flush(Sink *sink)
{
	gsize done = 0;

	while (done < sink->used) {
		gssize n = write_channel(&sink->channel, sink->buffer + done, sink->used - done);

		if (n >= 0) {
			done += n;
		} else if (errno == EAGAIN) {
			watch_writable(sink);
			break;
		} else if (errno != EINTR) {
			break;
		}
	}
	sink->used -= done;
	memmove(sink->buffer, sink->buffer + done, sink->used);
	if (sink->used > 0 && !sink->writable)
		give_up(sink);
}

static gboolean on_write_retry(gpointer data)
{
	Sink *sink = data;
	GMutex *lock = sink->console->device_lock;

	g_mutex_lock(lock);
	clear_source(&sink->writable);
	flush(sink);
	g_mutex_unlock(lock);
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

static void watch_writable(Sink *sink)
{
	if (sink->writable)
		return;
	/* A full terminal that nobody has open is not writable, but poll() never waits for it. */
	if (is_hung_up(&sink->channel)) {
		sink->writable = g_timeout_source_new(HANGUP_RETRY_MS);
		g_source_set_callback(sink->writable, on_write_retry, sink, NULL);
	} else {
		sink->writable = g_unix_fd_source_new(sink->channel.fd, G_IO_OUT);
		g_source_set_callback(sink->writable, G_SOURCE_FUNC(on_writable), sink, NULL);
	}
	g_source_attach(sink->writable, sink->console->context);
}

static void arm_gathering(Console *console)
{
	DeviceTimer timer = host_timer_device(console->gather_timer);

	timer.arm(timer.opaque, timer.now(timer.opaque) + GATHER_NS);
}

/* The gathering is over; called with the device lock held. */
static void on_gathered(void *opaque)
{
	Console *console = opaque;

	if (!console->log.writable)
		flush(&console->log);
	if (!console->output.writable)
		flush(&console->output);
}

static void put(Sink *sink, guint8 byte)
{
	if (!sink->is_given)
		return;
	if (sink->channel.fd < 0 || sink->used == sizeof(sink->buffer)) {
		sink->dropped++;
		return;
	}
	sink->buffer[sink->used++] = byte;
	if (sink->writable)
		return;
	if (sink->used == 1)
		arm_gathering(sink->console);
	else if (sink->used >= GATHER_SIZE)
		flush(sink);
}

static void transmit(void *opaque, guint8 byte)
{
	Console *console = opaque;

	put(&console->log, byte);
	put(&console->output, byte);
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

static void on_connected(void *opaque, Serial *serial)
{
	Console *console = opaque;

	console->serial = serial;
	watch_readable(console);
}

const SerialBackend console_serial_backend = {
	.transmit = transmit,
	.receive_room = on_receive_room,
	.connected = on_connected,
};

static gboolean open_sink(Console *console, Sink *sink, int fd, const char *wrong, GError **error)
{
	sink->console = console;
	sink->is_given = fd >= 0;
	return open_channel(&sink->channel, fd, wrong, error);
}

static void close_sink(Sink *sink)
{
	if (sink->channel.fd >= 0)
		flush(sink);
	clear_source(&sink->writable);
	close_channel(&sink->channel);
}

Console *console_new(int output_fd, int input_fd, int log_fd, GMainContext *context,
		     GMutex *device_lock, GError **error)
{
	g_autoptr(Console) console = g_new0(Console, 1);

	console->context = g_main_context_ref(context);
	console->device_lock = device_lock;
	console->output.channel.fd = -1;
	console->log.channel.fd = -1;
	console->log.is_log = TRUE;
	console->input.fd = -1;
	if (!open_sink(console, &console->output, output_fd, _("console output: %s"), error) ||
	    !open_channel(&console->input, input_fd, _("console input: %s"), error) ||
	    !open_sink(console, &console->log, log_fd, _("console log: %s"), error))
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
	close_channel(&console->input);
	close_sink(&console->log);
	close_sink(&console->output);
	g_clear_pointer(&console->gather_timer, host_timer_free);
	g_main_context_unref(console->context);
	g_free(console);
}

guint64 console_dropped(const Console *console)
{
	return console->output.dropped;
}

static void free_device(void *device)
{
	Console *console = device;
	guint64 dropped;

	g_mutex_lock(console->device_lock);
	dropped = console_dropped(console);
	g_mutex_unlock(console->device_lock);
	if (dropped > 0)
		log_warning(console->area,
			    ngettext("%" PRIu64 " byte was dropped: nobody read it",
				     "%" PRIu64 " bytes were dropped: nobody read them", dropped),
			    dropped);
	console_free(console);
}

static const DeviceOperations device_operations = { .free = free_device };

Console *console_create(DeviceRegistry *registry, const char *area, int output_fd, int input_fd,
			int log_fd, GMainContext *context, GMutex *device_lock, GError **error)
{
	g_autofree char *id = g_strdup_printf("console/%s", area);
	Console *console = console_new(output_fd, input_fd, log_fd, context, device_lock, error);

	if (!console)
		return NULL;
	console->area = area;
	device_registry_add(registry, id, &device_operations, console);
	return console;
}
