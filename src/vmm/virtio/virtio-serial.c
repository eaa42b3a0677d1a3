/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-serial.c - consoles and ports for programs of the guest, on one device
 *
 * Theory of operation
 *
 * Port n has a pair of queues (serial-port.h has what goes through them); a pair of control queues
 * says which ports there are, and who has opened them. Without VIRTIO_CONSOLE_F_MULTIPORT there is
 * port 0 alone, always open.
 *
 * What the guest is to be told of a port is not a list of messages, but a set: each kind of message
 * waits once, and says how it is by the time that the guest has a buffer for it. So a guest that
 * gives no buffers, or asks again and again, costs no memory.
 *
 * That the guest has opened or closed a port is for the monitor to say: the I/O thread notes it and
 * sends a signal to the main thread, once a second at most, which compares it with what it has said
 * last.
 *
 * All is on the I/O thread, but for plugging, whose calls wait for it, and the reports. Which port
 * has which number is changed there by the main thread's calls alone, so that the main thread may
 * look at it.
 */
#include "vmm/virtio/virtio-serial.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <linux/virtio_console.h>
#include <string.h>

#include "vmm/device/paced-signal.h"
#include "vmm/log.h"

G_STATIC_ASSERT(sizeof(struct virtio_console_config) == VIRTIO_SERIAL_CONFIG_SIZE);
G_STATIC_ASSERT(sizeof(struct virtio_console_control) == 8);

#define CONTROL_RECEIVE	 2u
#define CONTROL_TRANSMIT 3u

/* Messages, or chains of a port that is not there, before others of the thread have their turn. */
#define ROUNDS 64u

/* What the guest is to be told of a port, in this order. */
typedef enum {
	MESSAGE_REMOVE,
	MESSAGE_ADD,
	MESSAGE_CONSOLE,
	MESSAGE_NAME,
	MESSAGE_OPEN,
	N_MESSAGES,
} Message;

#define WAITING(message) (1u << (message))

typedef struct {
	SerialPort *port;	/* or NULL */
	guint waiting;		/* WAITING() messages */
	gboolean is_announced;	/* the guest knows of it */
	gboolean is_ready;	/* and has said so */
	gboolean has_more;	/* without a port: there may be more to discard, later */
	gboolean is_guest_open; /* atomic: the main thread reads it */
	gboolean is_reported;	/* the main thread's: what was said of that last */
} Slot;

struct VirtioSerial {
	const DeviceSurroundings *surroundings;
	VirtioDevice *device;
	IoThread *thread;
	PacedSignal changed;
	guint max_ports;
	Slot *slots;

	gboolean is_running; /* between start() and stop(), and not drained */
	gboolean is_started;
	gboolean is_broken; /* until stop(): the guest's queues are not looked at */
	gboolean is_multiport;
	gboolean is_ready; /* the guest's driver wants to know of ports */
	GSource *later;
};

/* A change of ports, for the I/O thread. */
typedef struct {
	VirtioSerial *serial;
	guint number;
	SerialPort *port;
} Change;

static gboolean is_serving(const VirtioSerial *serial)
{
	return serial->is_running && !serial->is_broken;
}

static gboolean is_multiport(const VirtioSerial *serial)
{
	return serial->max_ports > 1;
}

guint virtio_serial_queues(guint max_ports)
{
	return max_ports > 1 ? 2 * (max_ports + 1) : 2;
}

/* Ports 1 and up come behind control. */
static guint receive_queue(guint number)
{
	return number == 0 ? 0 : 2 * (number + 1);
}

static guint transmit_queue(guint number)
{
	return receive_queue(number) + 1;
}

static guint port_of(guint queue)
{
	return queue < CONTROL_RECEIVE ? 0 : queue / 2 - 1;
}

static void break_device(VirtioSerial *serial, const GError *error)
{
	serial->is_broken = TRUE;
	virtio_device_broken(serial->device, error);
}

static void break_device_with(VirtioSerial *serial, const char *message)
{
	g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_INVALID_DATA, message);

	break_device(serial, error);
}

/* To the guest */

/* What the message says now. Return: its size. */
static gsize write_message(const VirtioSerial *serial, guint number, Message message, guint8 *data,
			   gsize size)
{
	static const guint16 events[N_MESSAGES] = {
		[MESSAGE_REMOVE] = VIRTIO_CONSOLE_PORT_REMOVE,
		[MESSAGE_ADD] = VIRTIO_CONSOLE_PORT_ADD,
		[MESSAGE_CONSOLE] = VIRTIO_CONSOLE_CONSOLE_PORT,
		[MESSAGE_NAME] = VIRTIO_CONSOLE_PORT_NAME,
		[MESSAGE_OPEN] = VIRTIO_CONSOLE_PORT_OPEN,
	};
	const SerialPort *port = serial->slots[number].port;
	const guint16 value = message != MESSAGE_OPEN || serial_port_is_open(port);
	const struct virtio_console_control control = {
		.id = GUINT32_TO_LE(number),
		.event = GUINT16_TO_LE(events[message]),
		.value = GUINT16_TO_LE(value),
	};
	gsize length = 0;

	memcpy(data, &control, sizeof(control));
	if (message == MESSAGE_NAME) {
		length = strlen(serial_port_name(port));
		g_assert(sizeof(control) + length <= size);
		memcpy(data + sizeof(control), serial_port_name(port), length);
	}
	return sizeof(control) + length;
}

/* Return: FALSE where the guest has no buffer for it now. */
static gboolean send_message(VirtioSerial *serial, guint number, Message message)
{
	VirtioQueue *queue = virtio_device_queue(serial->device, CONTROL_RECEIVE);
	guint8 data[sizeof(struct virtio_console_control) + SERIAL_PORT_NAME_MAX];
	g_autoptr(GError) error = NULL;
	VirtioChain *chain;
	gsize size;

	while (!(chain = virtio_queue_pop(queue, &error)))
		if (error || virtio_queue_enable_kicks(queue))
			break;
	if (error)
		break_device(serial, error);
	if (!chain)
		return FALSE;
	size = write_message(serial, number, message, data, sizeof(data));
	if (chain->in_size < size)
		break_device_with(serial, _("a buffer for control has no room for a message"));
	else if (!virtio_chain_write(chain, io_thread_dma(serial->thread), 0, data, size, &error))
		break_device(serial, error);
	virtio_queue_push(queue, chain, serial->is_broken ? 0 : (guint32)size);
	return !serial->is_broken;
}

/* Return: FALSE where the guest has no buffer for all of it now. */
static gboolean send_waiting(VirtioSerial *serial, guint number)
{
	Slot *slot = &serial->slots[number];

	for (Message message = 0; message < N_MESSAGES; message++) {
		if (!(slot->waiting & WAITING(message)))
			continue;
		if (!send_message(serial, number, message))
			return FALSE;
		slot->waiting &= ~WAITING(message);
		if (message == MESSAGE_ADD)
			slot->is_announced = TRUE;
	}
	return TRUE;
}

static void send_all(VirtioSerial *serial)
{
	VirtioQueue *queue;

	if (!is_serving(serial) || !serial->is_ready)
		return;
	queue = virtio_device_queue(serial->device, CONTROL_RECEIVE);
	for (guint i = 0; i < serial->max_ports && send_waiting(serial, i); i++)
		;
	virtio_queue_notify(queue);
}

/* The guest is told when it has a buffer. */
static void tell(VirtioSerial *serial, guint number, Message message)
{
	serial->slots[number].waiting |= WAITING(message);
}

/* From the guest */

static void set_guest_open(VirtioSerial *serial, guint number, gboolean is_open)
{
	Slot *slot = &serial->slots[number];

	if (slot->port)
		serial_port_set_guest_open(slot->port, is_open);
	if (g_atomic_int_get(&slot->is_guest_open) == is_open)
		return;
	g_atomic_int_set(&slot->is_guest_open, is_open);
	paced_signal_send(&serial->changed);
}

/* The driver is there, and has not heard of anything. */
static void announce_all(VirtioSerial *serial)
{
	serial->is_ready = TRUE;
	for (guint i = 0; i < serial->max_ports; i++) {
		Slot *slot = &serial->slots[i];

		slot->waiting = slot->port ? WAITING(MESSAGE_ADD) : 0;
		slot->is_announced = slot->is_ready = FALSE;
	}
}

static void describe_port(VirtioSerial *serial, guint number)
{
	Slot *slot = &serial->slots[number];

	slot->is_ready = TRUE;
	if (serial_port_is_console(slot->port))
		tell(serial, number, MESSAGE_CONSOLE);
	if (serial_port_name(slot->port))
		tell(serial, number, MESSAGE_NAME);
	if (serial_port_is_open(slot->port))
		tell(serial, number, MESSAGE_OPEN);
}

static void serve_port_message(VirtioSerial *serial, guint number, guint event, gboolean value)
{
	static LogLimit failures;

	if (event == VIRTIO_CONSOLE_PORT_READY && value)
		describe_port(serial, number);
	else if (event == VIRTIO_CONSOLE_PORT_READY)
		log_limited(&failures, serial_port_id(serial->slots[number].port),
			    _("the guest's driver has no use for the port"));
	else if (event == VIRTIO_CONSOLE_PORT_OPEN)
		set_guest_open(serial, number, value);
}

/* What makes no sense is nothing, as with QEMU: drivers of all ages send something. */
static void serve_message(VirtioSerial *serial, const struct virtio_console_control *control)
{
	static LogLimit failures, strangers;
	const guint32 number = GUINT32_FROM_LE(control->id);
	const guint16 event = GUINT16_FROM_LE(control->event);
	const gboolean value = control->value != 0;

	if (event == VIRTIO_CONSOLE_DEVICE_READY && value)
		announce_all(serial);
	else if (event == VIRTIO_CONSOLE_DEVICE_READY)
		log_limited(&failures, "virtio-serial", _("the guest's driver could not begin"));
	else if (number < serial->max_ports && serial->slots[number].port &&
		 serial->slots[number].is_announced)
		serve_port_message(serial, number, event, value);
	else
		log_limited(&strangers, "virtio-serial",
			    _("the guest has sent a message about port %u, which is not there"),
			    number);
}

/* Reads and serves one message. */
static void serve_control_chain(VirtioSerial *serial, VirtioQueue *queue, VirtioChain *chain)
{
	struct virtio_console_control control;
	g_autoptr(GError) error = NULL;
	const gboolean is_whole = chain->out_size >= sizeof(control);

	if (is_whole && !virtio_chain_read(chain, io_thread_dma(serial->thread), 0, &control,
					   sizeof(control), &error))
		break_device(serial, error);
	virtio_queue_push(queue, chain, 0);
	if (is_whole && !error)
		serve_message(serial, &control);
}

static void cancel_later(VirtioSerial *serial)
{
	if (!serial->later)
		return;
	g_source_destroy(serial->later);
	g_clear_pointer(&serial->later, g_source_unref);
}

static void serve_control(VirtioSerial *serial);
static void discard_more(VirtioSerial *serial);

static gboolean on_later(gpointer data)
{
	VirtioSerial *serial = data;

	cancel_later(serial);
	if (serial->is_multiport)
		serve_control(serial);
	discard_more(serial);
	return G_SOURCE_REMOVE;
}

static void do_later(VirtioSerial *serial)
{
	if (serial->later)
		return;
	serial->later = g_idle_source_new();
	g_source_set_priority(serial->later, G_PRIORITY_DEFAULT);
	g_source_set_callback(serial->later, on_later, serial, NULL);
	g_source_attach(serial->later, io_thread_context(serial->thread));
}

static void serve_control(VirtioSerial *serial)
{
	VirtioQueue *queue = virtio_device_queue(serial->device, CONTROL_TRANSMIT);
	g_autoptr(GError) error = NULL;
	VirtioChain *chain;

	for (guint i = 0;
	     i < ROUNDS && is_serving(serial) && (chain = virtio_queue_pop(queue, &error)); i++)
		serve_control_chain(serial, queue, chain);
	virtio_queue_notify(queue);
	if (error)
		break_device(serial, error);
	else if (is_serving(serial) && !virtio_queue_enable_kicks(queue))
		do_later(serial);
	send_all(serial);
}

/* A port that is not there takes what it gets. */
static void discard(VirtioSerial *serial, guint number)
{
	VirtioQueue *queue = virtio_device_queue(serial->device, transmit_queue(number));
	g_autoptr(GError) error = NULL;
	VirtioChain *chain;

	for (guint i = 0; i < ROUNDS && (chain = virtio_queue_pop(queue, &error)); i++)
		virtio_queue_push(queue, chain, 0);
	virtio_queue_notify(queue);
	serial->slots[number].has_more = !error && !virtio_queue_enable_kicks(queue);
	if (error)
		break_device(serial, error);
	else if (serial->slots[number].has_more)
		do_later(serial);
}

static void discard_more(VirtioSerial *serial)
{
	for (guint i = 0; i < serial->max_ports && is_serving(serial); i++)
		if (serial->slots[i].has_more && !serial->slots[i].port)
			discard(serial, i);
}

/* What ports say */

static guint number_of(const VirtioSerial *serial, const SerialPort *port)
{
	guint number = 0;

	while (serial->slots[number].port != port)
		number++;
	return number;
}

static void port_changed(void *opaque, SerialPort *port)
{
	VirtioSerial *serial = opaque;
	const guint number = number_of(serial, port);

	if (serial_port_is_console(port) || !serial->slots[number].is_ready)
		return;
	tell(serial, number, MESSAGE_OPEN);
	send_all(serial);
}

static void port_broken(void *opaque, const GError *error)
{
	break_device(opaque, error);
}

static const SerialPortOwner owner = { .changed = port_changed, .broken = port_broken };

/* What the transport calls */

static guint64 serial_features(void *device)
{
	return is_multiport(device) ? VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) : 0;
}

/* Nobody says how large a terminal is: VIRTIO_CONSOLE_F_SIZE is not offered. */
static void serial_config_read(void *device, guint offset, void *data, guint size)
{
	const VirtioSerial *serial = device;
	const struct virtio_console_config config = {
		.max_nr_ports = GUINT32_TO_LE(serial->max_ports),
	};

	memcpy(data, (const guint8 *)&config + offset, size);
}

/* Without the feature, those of other ports are not looked at. */
static gboolean has_queues(const VirtioSerial *serial, guint number)
{
	return number == 0 || serial->is_multiport;
}

static void begin_port(VirtioSerial *serial, guint number)
{
	if (!has_queues(serial, number))
		return;
	serial_port_begin(serial->slots[number].port,
			  virtio_device_queue(serial->device, receive_queue(number)),
			  virtio_device_queue(serial->device, transmit_queue(number)));
	if (!serial->is_multiport)
		set_guest_open(serial, number, TRUE);
	if (!serial->is_running)
		serial_port_hold(serial->slots[number].port);
}

static void serial_start(void *device, guint64 features)
{
	VirtioSerial *serial = device;

	serial->is_multiport = (features & VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT)) != 0;
	serial->is_broken = FALSE;
	serial->is_started = serial->is_running = TRUE;
	for (guint i = 0; i < serial->max_ports; i++)
		if (serial->slots[i].port)
			begin_port(serial, i);
}

static void serial_kicked(void *device, guint queue)
{
	VirtioSerial *serial = device;
	SerialPort *port;

	if (!is_serving(serial) || (queue >= CONTROL_RECEIVE && !serial->is_multiport))
		return;
	if (queue == CONTROL_RECEIVE) {
		send_all(serial);
		return;
	}
	if (queue == CONTROL_TRANSMIT) {
		serve_control(serial);
		return;
	}
	port = serial->slots[port_of(queue)].port;
	if (queue % 2 == 0 && port)
		serial_port_receive_kicked(port);
	else if (port)
		serial_port_transmit_kicked(port);
	else if (queue % 2 != 0)
		discard(serial, port_of(queue));
}

static void forget_guest(VirtioSerial *serial, guint number)
{
	Slot *slot = &serial->slots[number];

	slot->waiting = 0;
	slot->is_announced = slot->is_ready = FALSE;
	set_guest_open(serial, number, FALSE);
}

static void serial_stop(void *device)
{
	VirtioSerial *serial = device;

	cancel_later(serial);
	serial->is_started = serial->is_running = serial->is_ready = FALSE;
	for (guint i = 0; i < serial->max_ports; i++) {
		if (serial->slots[i].port)
			serial_port_end(serial->slots[i].port);
		forget_guest(serial, i);
	}
}

static void serial_stop_queue(void *device, guint queue)
{
	const VirtioSerial *serial = device;
	SerialPort *port = serial->slots[port_of(queue)].port;

	if (queue == CONTROL_RECEIVE || queue == CONTROL_TRANSMIT || !port)
		return;
	if (queue % 2 == 0)
		serial_port_drop_receive(port);
	else
		serial_port_drop_transmit(port);
}

static void serial_drain(void *device)
{
	VirtioSerial *serial = device;

	cancel_later(serial);
	serial->is_running = FALSE;
	for (guint i = 0; i < serial->max_ports; i++)
		if (serial->slots[i].port)
			serial_port_hold(serial->slots[i].port);
}

/* Each queue is kicked after this. */
static void serial_resume(void *device)
{
	VirtioSerial *serial = device;

	serial->is_running = TRUE;
	for (guint i = 0; i < serial->max_ports; i++)
		if (serial->slots[i].port)
			serial_port_go_on(serial->slots[i].port);
}

/* Ports go before their device does. */
static void serial_free(void *device)
{
	VirtioSerial *serial = device;

	for (guint i = 0; i < serial->max_ports; i++)
		g_assert(!serial->slots[i].port);
	paced_signal_clear(&serial->changed);
	g_clear_pointer(&serial->thread, io_thread_unref);
	g_free(serial->slots);
	g_free(serial);
}

const VirtioDeviceOperations virtio_serial_operations = {
	.features = serial_features,
	.config_read = serial_config_read,
	.start = serial_start,
	.kicked = serial_kicked,
	.stop = serial_stop,
	.stop_queue = serial_stop_queue,
	.drain = serial_drain,
	.resume = serial_resume,
	.free = serial_free,
};

/* For the main thread */

gboolean virtio_serial_is_guest_open(const VirtioSerial *serial, guint number)
{
	return g_atomic_int_get(&serial->slots[number].is_guest_open);
}

static void report_changes(void *device)
{
	VirtioSerial *serial = device;
	const DeviceSurroundings *surroundings = serial->surroundings;

	for (guint i = 0; i < serial->max_ports; i++) {
		Slot *slot = &serial->slots[i];
		const gboolean is_open = g_atomic_int_get(&slot->is_guest_open);

		if (!slot->port || slot->is_reported == is_open)
			continue;
		slot->is_reported = is_open;
		surroundings->host->port_changed(surroundings->opaque, serial_port_id(slot->port),
						 is_open);
	}
}

VirtioSerial *virtio_serial_new(const DeviceSurroundings *surroundings, guint max_ports,
				GError **error)
{
	VirtioSerial *serial = g_new0(VirtioSerial, 1);

	g_assert(max_ports >= 1 && max_ports <= VIRTIO_SERIAL_PORTS_MAX);
	serial->surroundings = surroundings;
	serial->max_ports = max_ports;
	serial->slots = g_new0(Slot, max_ports);
	if (device_make_signal(surroundings, report_changes, serial, &serial->changed.signal,
			       error))
		return serial;
	serial_free(serial);
	return NULL;
}

void virtio_serial_attach(VirtioSerial *serial, VirtioDevice *device)
{
	serial->device = device;
	serial->thread = io_thread_ref(virtio_device_io_thread(device));
	paced_signal_begin(&serial->changed, serial->thread);
}

guint virtio_serial_max_ports(const VirtioSerial *serial)
{
	return serial->max_ports;
}

gboolean virtio_serial_has_port(const VirtioSerial *serial, guint number)
{
	return serial->slots[number].port != NULL;
}

static void plug(void *opaque)
{
	const Change *change = opaque;
	VirtioSerial *serial = change->serial;
	Slot *slot = &serial->slots[change->number];

	slot->port = change->port;
	serial_port_plug(slot->port, serial->thread, &owner, serial);
	if (!serial->is_started)
		return;
	begin_port(serial, change->number);
	/* The guest may have sent something while there was no port, and not kick for it again. */
	if (is_serving(serial))
		serial_port_transmit_kicked(slot->port);
	if (!serial->is_ready)
		return;
	tell(serial, change->number, MESSAGE_ADD);
	send_all(serial);
}

void virtio_serial_plug(VirtioSerial *serial, guint number, SerialPort *port)
{
	Change change = { serial, number, port };

	io_thread_call(serial->thread, plug, &change);
}

static void unplug(void *opaque)
{
	const Change *change = opaque;
	VirtioSerial *serial = change->serial;
	Slot *slot = &serial->slots[change->number];
	const gboolean was_announced = slot->is_announced;
	/* Of one that was here before it. */
	const guint left = slot->waiting & WAITING(MESSAGE_REMOVE);

	serial_port_unplug(slot->port);
	slot->port = NULL;
	forget_guest(serial, change->number);
	slot->waiting = was_announced ? WAITING(MESSAGE_REMOVE) : left;
	/* What the port had in hand is in the queue again, and no kick need come for it. */
	if (is_serving(serial) && has_queues(serial, change->number))
		discard(serial, change->number);
	send_all(serial);
}

void virtio_serial_unplug(VirtioSerial *serial, guint number)
{
	Change change = { serial, number, NULL };

	io_thread_call(serial->thread, unplug, &change);
	serial->slots[number].is_reported = FALSE;
}
