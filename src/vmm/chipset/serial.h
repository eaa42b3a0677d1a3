/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * serial.h - a serial port: the 16550A UART as a PC wires it
 *
 * Register names and behaviour are those of the PC16550D data sheet (National
 * Semiconductor, SNLS378).
 */
#pragma once

#include <glib.h>

#include "vmm/device/surroundings.h"

#define SERIAL_PORTS	 8
#define SERIAL_FIFO_SIZE 16

typedef struct Serial Serial;

/* The other end of the line. All are called with the device lock held; none may wait. */
typedef struct {
	void (*transmit)(void *opaque, guint8 byte);
	/* The receiver has room again, after serial_receive_room() was 0. */
	void (*receive_room)(void *opaque);
	/* The port is there, and may be given input from now on; or NULL. */
	void (*connected)(void *opaque, Serial *serial);
} SerialBackend;

extern const BusOperations serial_operations;

Serial *serial_new(const InterruptLine *irq, const SerialBackend *backend, void *opaque);
void serial_free(Serial *serial);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Serial, serial_free)

/* The master reset of the data sheet's table of reset configurations. */
void serial_reset(Serial *serial);

/*
 * serial_receive_room - how many bytes the receiver takes now
 *
 * Return: 0 while it is full; the backend's receive_room() then tells when to ask again.
 */
guint serial_receive_room(Serial *serial);

/* @size is at most serial_receive_room(). */
void serial_receive(Serial *serial, const guint8 *data, guint size);

/* COM1 and COM2. */
#define SERIAL_PLACES 2

/* Adds the port COM1, of @index 0, or COM2; @backend and @opaque as with serial_new(). */
void serial_create(const DeviceSurroundings *surroundings, guint index,
		   const SerialBackend *backend, void *opaque);
