/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serial-port.h - one port of virtio-serial: bytes between its two queues and a character backend
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.3.
 *
 * Theory of operation
 *
 * A port that comes to the guest's programs makes either side wait for the other: chains that the
 * backend has no room for stay in the queue, and the backend reads as much as there is room for in
 * the guest's buffers, while the guest has the port open.
 *
 * A console does not make the guest wait: Linux' driver waits for its buffer with a lock and with
 * interrupts off. What a stuck reader leaves no room for is dropped, as with a serial port.
 *
 * It never holds more than PORT_BUFFER bytes that the guest has sent, or a CharSink of them. All is
 * on the I/O thread but new and free.
 */
#pragma once

#include "vmm/backend/char-log.h"
#include "vmm/backend/char.h"
#include "vmm/device/io-thread.h"
#include "vmm/virtio/queue.h"

/* The longest name of one, without the end of it. */
#define SERIAL_PORT_NAME_MAX 255u

typedef struct SerialPort SerialPort;

/* Who has the port. On the I/O thread. */
typedef struct {
	/* serial_port_is_open() is another. */
	void (*changed)(void *opaque, SerialPort *port);
	/* The guest has made a mistake; @error is only lent. */
	void (*broken)(void *opaque, const GError *error);
} SerialPortOwner;

/*
 * serial_port_new - make a port that is nowhere
 * @name:    that the guest finds it by, no longer than SERIAL_PORT_NAME_MAX; or NULL
 * @backend: taken
 * @log:     taken; or NULL
 */
SerialPort *serial_port_new(const char *id, const char *name, gboolean is_console,
			    CharBackend *backend, CharLog *log);

/* After serial_port_unplug(), if it was plugged in. */
void serial_port_free(SerialPort *port);

const char *serial_port_id(const SerialPort *port);
const char *serial_port_name(const SerialPort *port);
gboolean serial_port_is_console(const SerialPort *port);

/* The backend begins to work, and ends. */
void serial_port_plug(SerialPort *port, IoThread *thread, const SerialPortOwner *owner,
		      void *opaque);
void serial_port_unplug(SerialPort *port);

/* Whether somebody is at the host's end; of a console, always. */
gboolean serial_port_is_open(const SerialPort *port);

/* The queues can be used, from begin() to end(), after which they have none of their chains. */
void serial_port_begin(SerialPort *port, VirtioQueue *receive, VirtioQueue *transmit);
void serial_port_end(SerialPort *port);

/* Not between hold() and go_on(): chains that were in hand are in their queues again. */
void serial_port_hold(SerialPort *port);
void serial_port_go_on(SerialPort *port);

/* The guest resets one queue of the two. */
void serial_port_drop_receive(SerialPort *port);
void serial_port_drop_transmit(SerialPort *port);

/* The guest has opened or closed the port: nothing is read for one that it has closed. */
void serial_port_set_guest_open(SerialPort *port, gboolean is_open);

void serial_port_receive_kicked(SerialPort *port);
void serial_port_transmit_kicked(SerialPort *port);
