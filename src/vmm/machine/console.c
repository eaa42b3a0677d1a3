/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* console.c - the host's end of a serial line */
#include "vmm/machine/console.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <unistd.h>

#include "vmm/backend/char-log.h"
#include "vmm/backend/char-sink.h"
#include "vmm/log.h"
#include "vmm/machine/host-timer.h"

/* How long output is gathered; and how much of it a vCPU's thread writes out itself. */
#define GATHER_NS   G_GINT64_CONSTANT(2000000)
#define GATHER_SIZE 4096

struct Console {
	const char *area; /* of a registry's: of the log */
	GMutex *device_lock;
	Serial *serial;
	CharBackend *backend; /* NULL: nothing is there */
	CharSink *output;     /* the same */
	CharLog *log;	      /* or NULL */
	HostTimer *gather_timer;
};

static void arm_gathering(Console *console)
{
	DeviceTimer timer = host_timer_device(console->gather_timer);

	timer.arm(timer.opaque, timer.now(timer.opaque) + GATHER_NS);
}

/* The gathering is over; called with the device lock held. */
static void on_gathered(void *opaque)
{
	Console *console = opaque;

	if (console->log)
		char_log_flush(console->log);
	if (console->output)
		char_sink_flush(console->output);
}

static void put_log(Console *console, guint8 byte)
{
	gsize gathered;

	char_log_put(console->log, &byte, 1);
	gathered = char_log_gathered(console->log);
	if (gathered == 1)
		arm_gathering(console);
	else if (gathered >= GATHER_SIZE)
		char_log_flush(console->log);
}

static void put_output(Console *console, guint8 byte)
{
	gsize used;

	char_sink_put(console->output, &byte, 1);
	used = char_sink_used(console->output);
	if (char_sink_is_waiting(console->output))
		return;
	if (used == 1)
		arm_gathering(console);
	else if (used >= GATHER_SIZE)
		char_sink_flush(console->output);
}

static void transmit(void *opaque, guint8 byte)
{
	Console *console = opaque;

	if (console->log)
		put_log(console, byte);
	if (console->output)
		put_output(console, byte);
}

static void on_receive_room(void *opaque)
{
	Console *console = opaque;

	if (console->backend)
		char_accept_input(console->backend);
}

static void on_connected(void *opaque, Serial *serial)
{
	Console *console = opaque;

	console->serial = serial;
	on_receive_room(console);
}

const SerialBackend console_serial_backend = {
	.transmit = transmit,
	.receive_room = on_receive_room,
	.connected = on_connected,
};

static gsize on_room(void *opaque)
{
	const Console *console = opaque;

	return serial_receive_room(console->serial);
}

static void on_receive(void *opaque, const guint8 *data, gsize size)
{
	const Console *console = opaque;

	serial_receive(console->serial, data, (guint)size);
}

static void on_writable(void *opaque)
{
	const Console *console = opaque;

	char_sink_writable(console->output);
}

static const CharClient client = {
	.room = on_room,
	.receive = on_receive,
	.writable = on_writable,
};

/* One of our own; @wrong: the error where @fd is of no use, with a place for what errno says. */
static gboolean copy_fd(int fd, const char *wrong, int *copy, GError **error)
{
	*copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || *copy >= 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), wrong, g_strerror(errno));
	return FALSE;
}

/* Takes both. */
static gboolean open_backend(Console *console, int output_fd, int input_fd, GError **error)
{
	gboolean is_listening;

	if (output_fd < 0 && input_fd < 0)
		return TRUE;
	if (output_fd == input_fd && char_socket_look(output_fd, &is_listening))
		console->backend = char_socket_new(output_fd, is_listening, error);
	else
		console->backend = char_fd_new(output_fd, input_fd, error);
	if (!console->backend)
		return FALSE;
	if (output_fd >= 0)
		console->output = char_sink_new(console->backend);
	return TRUE;
}

static gboolean open_log(Console *console, int log_fd, GError **error)
{
	int log;

	if (log_fd < 0)
		return TRUE;
	if (!copy_fd(log_fd, _("console log: %s"), &log, error))
		return FALSE;
	console->log = char_log_new(log, "console", error);
	return console->log != NULL;
}

static gboolean open_all(Console *console, int output_fd, int input_fd, int log_fd, GError **error)
{
	int output, input;

	if (!copy_fd(output_fd, _("console output: %s"), &output, error))
		return FALSE;
	if (input_fd == output_fd) {
		input = output;
	} else if (!copy_fd(input_fd, _("console input: %s"), &input, error)) {
		if (output >= 0)
			close(output);
		return FALSE;
	}
	return open_backend(console, output, input, error) && open_log(console, log_fd, error);
}

static void attach(Console *console, GMainContext *context)
{
	if (console->backend)
		char_attach(console->backend, context, console->device_lock, &client, console);
	if (console->log)
		char_log_attach(console->log, context, console->device_lock);
}

Console *console_new(int output_fd, int input_fd, int log_fd, GMainContext *context,
		     GMutex *device_lock, GError **error)
{
	g_autoptr(Console) console = g_new0(Console, 1);

	console->device_lock = device_lock;
	if (!open_all(console, output_fd, input_fd, log_fd, error))
		return NULL;
	console->gather_timer = host_timer_new(CLOCK_MONOTONIC, context, device_lock, on_gathered,
					       console, error);
	if (!console->gather_timer)
		return NULL;
	attach(console, context);
	return g_steal_pointer(&console);
}

void console_free(Console *console)
{
	if (!console)
		return;
	if (console->log)
		char_log_detach(console->log);
	if (console->output)
		char_sink_writable(console->output);
	if (console->backend)
		char_detach(console->backend);
	g_clear_pointer(&console->log, char_log_free);
	g_clear_pointer(&console->output, char_sink_free);
	g_clear_pointer(&console->backend, char_free);
	g_clear_pointer(&console->gather_timer, host_timer_free);
	g_free(console);
}

guint64 console_dropped(const Console *console)
{
	return console->output ? char_sink_dropped(console->output) : 0;
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

/* In the registry. */
static char *make_id(const char *area)
{
	return g_strdup_printf("console/%s", area);
}

gboolean console_exists(const DeviceRegistry *registry, const char *area)
{
	g_autofree char *id = make_id(area);

	return device_registry_has(registry, id);
}

Console *console_create(DeviceRegistry *registry, const char *area, int output_fd, int input_fd,
			int log_fd, GMainContext *context, GMutex *device_lock, GError **error)
{
	g_autofree char *id = make_id(area);
	Console *console = console_new(output_fd, input_fd, log_fd, context, device_lock, error);

	if (!console)
		return NULL;
	console->area = area;
	device_registry_add(registry, id, &device_operations, console);
	return console;
}
