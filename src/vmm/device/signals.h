/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signals.h - what a device sends and gets without the device lock, by descriptors
 *
 * Theory of operation
 *
 * A thread that serves a device has three things to say or hear: a message for the guest's
 * processors, a write of the guest's to a register that only says "look", and that the main thread
 * should do something under the device lock. All three are writes to an eventfd, so that neither
 * side waits for the other, or needs to know who it is.
 */
#pragma once

#include <glib.h>

/* Message signalled interrupts. The calls are made by the main thread or with the device lock. */
typedef struct {
	/* Return: an eventfd that is @close's to close, or -1 with @error set. */
	int (*open)(void *opaque, guint *number, GError **error);
	/* Says what a write to it, by any thread, sends from now on. */
	void (*aim)(void *opaque, guint number, guint64 address, guint32 data);
	void (*close)(void *opaque, guint number);
	void *opaque;
} DeviceMessages;

/*
 * Registers that nobody reads, whose writes go to an eventfd. It is for speed alone: where there
 * are none (NULL), or no more (FALSE), writes go to the device by the bus. Device lock held.
 */
typedef struct {
	gboolean (*watch)(void *opaque, guint64 gpa, int fd);
	void (*unwatch)(void *opaque, guint64 gpa, int fd);
	void *opaque;
} DeviceDoorbells;

/* A function that the main thread calls with the device lock held, some time after any thread's
 * device_signal_send(). */
typedef struct {
	int fd;
	void (*free)(void *opaque);
	void *opaque;
} DeviceSignal;

void device_signal_send(const DeviceSignal *signal);

/* Gives it back; one that is all zero, too. With the device lock held, on the main thread. */
void device_signal_clear(DeviceSignal *signal);
