/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* serial-port.c - one port of virtio-serial */
#include "vmm/virtio/serial-port.h"

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/backend/char-sink.h"

/* How much is taken from the guest at once. */
#define PORT_BUFFER 16384u

/* How often that is done before others of the thread have their turn. */
#define ROUNDS 8u

struct SerialPort {
	char *id;
	char *name;
	gboolean is_console;
	CharBackend *backend;
	CharSink *sink; /* of a console */
	CharLog *log;	/* or NULL */

	IoThread *thread; /* NULL: not plugged in */
	const SerialPortOwner *owner;
	void *opaque;

	VirtioQueue *receive; /* NULL: not begun, as transmit */
	VirtioQueue *transmit;
	gboolean is_held;
	gboolean is_broken; /* until it ends: the guest's queues are not looked at */
	gboolean is_guest_open;
	GSource *later; /* what the guest sends is looked at again */

	VirtioChain *room;    /* that nothing has come for yet; or NULL */
	VirtioChain *sending; /* that is being read; or NULL */
	guint64 sent;	      /* of the chain that is, or was, being read */

	guint8 *buffer; /* NULL: nothing was sent yet */
	gsize start, end;
	gboolean is_waiting; /* for room in the backend */
};

static gboolean is_serving(const SerialPort *port)
{
	return port->receive && !port->is_held && !port->is_broken;
}

static void break_device(SerialPort *port, const GError *error)
{
	port->is_broken = TRUE;
	port->owner->broken(port->opaque, error);
}

static DmaChannel *channel_of(const SerialPort *port)
{
	return io_thread_dma(port->thread);
}

/* To the guest */

/* Return: FALSE where the guest has no room now, and will tell when it has. */
static gboolean find_room(SerialPort *port)
{
	g_autoptr(GError) error = NULL;

	while (!port->room) {
		port->room = virtio_queue_pop(port->receive, &error);
		if (error)
			break_device(port, error);
		if (!port->room && (port->is_broken || virtio_queue_enable_kicks(port->receive)))
			return FALSE;
	}
	virtio_queue_disable_kicks(port->receive);
	return TRUE;
}

static gsize on_room(void *opaque)
{
	SerialPort *port = opaque;

	if (!is_serving(port) || !port->is_guest_open || !find_room(port))
		return 0;
	if (port->room->in_size == 0) {
		g_autoptr(GError)
			error = g_error_new(G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
					    _("a buffer of port '%s' has no room"), port->id);

		break_device(port, error);
		return 0;
	}
	return (gsize)port->room->in_size;
}

static void on_receive(void *opaque, const guint8 *data, gsize size)
{
	SerialPort *port = opaque;
	VirtioChain *chain = g_steal_pointer(&port->room);
	g_autoptr(GError) error = NULL;
	const gboolean is_good = virtio_chain_write(chain, channel_of(port), 0, data, size, &error);

	if (!is_good)
		break_device(port, error);
	virtio_queue_push(port->receive, chain, is_good ? (guint32)size : 0);
	virtio_queue_notify(port->receive);
}

/* From the guest */

static void cancel_later(SerialPort *port)
{
	if (!port->later)
		return;
	g_source_destroy(port->later);
	g_clear_pointer(&port->later, g_source_unref);
}

static gboolean on_later(gpointer data)
{
	SerialPort *port = data;

	cancel_later(port);
	serial_port_transmit_kicked(port);
	return G_SOURCE_REMOVE;
}

static void do_later(SerialPort *port)
{
	if (port->later)
		return;
	port->later = g_idle_source_new();
	g_source_set_priority(port->later, G_PRIORITY_DEFAULT);
	g_source_set_callback(port->later, on_later, port, NULL);
	g_source_attach(port->later, io_thread_context(port->thread));
}

/* What was taken from the guest goes to the host. Return: FALSE where the rest has to wait. */
static gboolean empty_buffer(SerialPort *port)
{
	const gsize size = port->end - port->start;

	if (size == 0)
		return TRUE;
	if (port->sink) {
		char_sink_put(port->sink, port->buffer + port->start, size);
		char_sink_flush(port->sink);
		port->start = port->end;
	} else {
		port->start += char_send(port->backend, port->buffer + port->start, size);
	}
	port->is_waiting = port->start < port->end;
	return !port->is_waiting;
}

/* Takes the next bytes of a chain. Return: FALSE with @error set. */
static gboolean read_chain(SerialPort *port, const VirtioChain *chain, GError **error)
{
	const guint64 left = chain->out_size > port->sent ? chain->out_size - port->sent : 0;
	const gsize size = (gsize)MIN(left, PORT_BUFFER);

	port->start = port->end = 0;
	if (size == 0)
		return TRUE;
	if (!port->buffer)
		port->buffer = g_malloc(PORT_BUFFER);
	if (!virtio_chain_read(chain, channel_of(port), port->sent, port->buffer, size, error))
		return FALSE;
	port->end = size;
	port->sent += size;
	if (port->log)
		char_log_put(port->log, port->buffer, size);
	return TRUE;
}

static void finish_chain(SerialPort *port)
{
	virtio_queue_push(port->transmit, g_steal_pointer(&port->sending), 0);
	port->sent = 0;
}

/* Fills the empty buffer. Return: FALSE where the guest has sent nothing more, or is broken. */
static gboolean fill_buffer(SerialPort *port)
{
	g_autoptr(GError) error = NULL;

	if (!port->sending)
		port->sending = virtio_queue_pop(port->transmit, &error);
	if (port->sending && !read_chain(port, port->sending, &error))
		finish_chain(port);
	if (error)
		break_device(port, error);
	if (!port->sending)
		return FALSE;
	if (port->sent >= port->sending->out_size)
		finish_chain(port);
	return TRUE;
}

/* Return: whether to go on later. */
static gboolean transmit(SerialPort *port)
{
	for (guint i = 0; i < ROUNDS; i++) {
		if (!empty_buffer(port))
			return FALSE;
		if (fill_buffer(port))
			continue;
		if (port->is_broken || virtio_queue_enable_kicks(port->transmit))
			return FALSE;
		virtio_queue_disable_kicks(port->transmit);
	}
	return TRUE;
}

void serial_port_transmit_kicked(SerialPort *port)
{
	if (!is_serving(port) || port->is_waiting)
		return;
	virtio_queue_disable_kicks(port->transmit);
	if (transmit(port))
		do_later(port);
	virtio_queue_notify(port->transmit);
	if (port->log)
		char_log_flush(port->log);
}

static void on_writable(void *opaque)
{
	SerialPort *port = opaque;

	if (port->sink) {
		char_sink_writable(port->sink);
		return;
	}
	port->is_waiting = FALSE;
	if (empty_buffer(port))
		serial_port_transmit_kicked(port);
}

static void on_changed(void *opaque)
{
	SerialPort *port = opaque;

	port->owner->changed(port->opaque, port);
}

static const CharClient client = {
	.room = on_room,
	.receive = on_receive,
	.writable = on_writable,
	.changed = on_changed,
};

/* The guest's end */

static void update_input(SerialPort *port)
{
	if (is_serving(port) && port->is_guest_open)
		char_accept_input(port->backend);
	else if (!port->receive || !port->is_guest_open)
		char_refuse_input(port->backend);
}

void serial_port_begin(SerialPort *port, VirtioQueue *receive, VirtioQueue *transmit)
{
	port->receive = receive;
	port->transmit = transmit;
	port->is_held = port->is_broken = FALSE;
}

void serial_port_drop_receive(SerialPort *port)
{
	g_clear_pointer(&port->room, virtio_queue_drop);
}

/* What was sent and waits for room is lost, as with a line that is cut. */
void serial_port_drop_transmit(SerialPort *port)
{
	cancel_later(port);
	g_clear_pointer(&port->sending, virtio_queue_drop);
	port->sent = 0;
}

void serial_port_end(SerialPort *port)
{
	if (!port->receive)
		return;
	serial_port_drop_receive(port);
	serial_port_drop_transmit(port);
	port->start = port->end = 0;
	port->is_waiting = FALSE;
	port->receive = port->transmit = NULL;
	port->is_guest_open = FALSE;
	update_input(port);
}

void serial_port_hold(SerialPort *port)
{
	if (!port->receive)
		return;
	port->is_held = TRUE;
	cancel_later(port);
	if (port->room)
		virtio_queue_unpop(port->receive, g_steal_pointer(&port->room));
	if (port->sending)
		virtio_queue_unpop(port->transmit, g_steal_pointer(&port->sending));
}

void serial_port_go_on(SerialPort *port)
{
	port->is_held = FALSE;
}

void serial_port_set_guest_open(SerialPort *port, gboolean is_open)
{
	port->is_guest_open = is_open;
	update_input(port);
}

void serial_port_receive_kicked(SerialPort *port)
{
	update_input(port);
}

/* The host's end */

SerialPort *serial_port_new(const char *id, const char *name, gboolean is_console,
			    CharBackend *backend, CharLog *log)
{
	SerialPort *port = g_new0(SerialPort, 1);

	port->id = g_strdup(id);
	port->name = g_strdup(name);
	port->is_console = is_console;
	port->backend = backend;
	port->sink = is_console ? char_sink_new(backend) : NULL;
	port->log = log;
	return port;
}

void serial_port_free(SerialPort *port)
{
	char_sink_free(port->sink);
	char_free(port->backend);
	char_log_free(port->log);
	g_free(port->buffer);
	g_free(port->name);
	g_free(port->id);
	g_free(port);
}

const char *serial_port_id(const SerialPort *port)
{
	return port->id;
}

const char *serial_port_name(const SerialPort *port)
{
	return port->name;
}

gboolean serial_port_is_console(const SerialPort *port)
{
	return port->is_console;
}

void serial_port_plug(SerialPort *port, IoThread *thread, const SerialPortOwner *owner,
		      void *opaque)
{
	port->thread = thread;
	port->owner = owner;
	port->opaque = opaque;
	char_attach(port->backend, io_thread_context(thread), NULL, &client, port);
	if (port->log)
		char_log_attach(port->log, io_thread_context(thread), NULL);
}

/* Chains in hand are the guest's again, one that was read in part too. */
void serial_port_unplug(SerialPort *port)
{
	if (!port->thread)
		return;
	if (port->receive) {
		serial_port_hold(port);
		serial_port_end(port);
	}
	if (port->sink)
		char_sink_writable(port->sink);
	char_detach(port->backend);
	if (port->log)
		char_log_detach(port->log);
	port->thread = NULL;
}

gboolean serial_port_is_open(const SerialPort *port)
{
	return port->is_console || char_is_open(port->backend);
}
