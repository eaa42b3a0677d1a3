/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * made-up-machine.h - what devices ask of a machine, for tests and fuzzers that have none
 *
 * I/O threads are the calling thread, with a context that made_up_run() turns. A pin is a buffer of
 * exactly its size beside the array that is guest memory, so that a sanitizer sees who goes beyond
 * a ring; what the guest writes with made_up_store() reaches both. Messages and signals are
 * eventfds.
 */
#pragma once

#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "made-up-copy.h"
#include "made-up-memory.h"
#include "vmm/device/io-thread.h"
#include "vmm/device/surroundings.h"
#include "vmm/memory/pin.h"

/* I/O threads */

struct IoThread {
	guint references;
	GMainContext *context;
};

IoThread *io_thread_new(const char *name G_GNUC_UNUSED, Memory *memory G_GNUC_UNUSED,
			GError **error G_GNUC_UNUSED)
{
	IoThread *thread = g_new0(IoThread, 1);

	thread->references = 1;
	thread->context = g_main_context_new();
	return thread;
}

IoThread *io_thread_ref(IoThread *thread)
{
	thread->references++;
	return thread;
}

void io_thread_unref(IoThread *thread)
{
	if (!thread || --thread->references > 0)
		return;
	g_main_context_unref(thread->context);
	g_free(thread);
}

GMainContext *io_thread_context(IoThread *thread)
{
	return thread->context;
}

void io_thread_own(IoThread *thread G_GNUC_UNUSED, gpointer object, GDestroyNotify free_object)
{
	free_object(object);
}

DmaChannel *io_thread_dma(IoThread *thread G_GNUC_UNUSED)
{
	return NULL;
}

/* What carries is asked for nothing but its pieces. */
DmaChannel *io_thread_window_dma(IoThread *thread, GError **error G_GNUC_UNUSED)
{
	return (DmaChannel *)(void *)thread;
}

IoRing *io_thread_ring(IoThread *thread G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	return NULL;
}

/* Of which made_up_direct_size says how much there is. */
DirectMemory *io_thread_direct(const IoThread *thread)
{
	return (DirectMemory *)thread;
}

gboolean memory_can_be_registered(const Memory *memory G_GNUC_UNUSED)
{
	return TRUE;
}

gboolean memory_has_dma_way(const Memory *memory G_GNUC_UNUSED, DmaWay way)
{
	return way != DMA_WAY_COURIER;
}

KvmMemoryKind memory_kind(const Memory *memory G_GNUC_UNUSED)
{
	return KVM_MEMORY_WINDOWS;
}

gboolean io_thread_is_current(const IoThread *thread G_GNUC_UNUSED)
{
	return TRUE;
}

void io_thread_call(IoThread *thread G_GNUC_UNUSED, void (*function)(void *opaque), void *opaque)
{
	function(opaque);
}

typedef struct {
	void (*ready)(void *opaque);
	void *opaque;
} MadeUpWatch;

static inline gboolean made_up_ready(int fd G_GNUC_UNUSED, GIOCondition condition G_GNUC_UNUSED,
				     gpointer data)
{
	const MadeUpWatch *watch = data;

	watch->ready(watch->opaque);
	return G_SOURCE_CONTINUE;
}

GSource *io_thread_add_fd(IoThread *thread, int fd, void (*ready)(void *opaque), void *opaque)
{
	GSource *source = g_unix_fd_source_new(fd, G_IO_IN);
	MadeUpWatch *watch = g_new(MadeUpWatch, 1);

	*watch = (MadeUpWatch){ ready, opaque };
	g_source_set_callback(source, G_SOURCE_FUNC(made_up_ready), watch, g_free);
	g_source_attach(source, thread->context);
	return source;
}

/* Until there is nothing to do; a guest cannot keep one busy for ever without a step of its own. */
static inline void made_up_run(IoThread *thread)
{
	while (g_main_context_iteration(thread->context, FALSE))
		;
}

/* Pins */

struct MemoryPin {
	guint64 gpa;
	guint64 size;
	guint8 *content;
	MemoryPinLost lost;
	void *opaque;
};

#define MADE_UP_PINS_MAX 64

static MemoryPin *made_up_pins[MADE_UP_PINS_MAX];
static guint made_up_n_pins;

MemoryPin *memory_pin(Memory *memory G_GNUC_UNUSED, guint64 gpa, guint64 size, MemoryPinLost lost,
		      void *opaque, GError **error)
{
	void *address = made_up_address(gpa, size);
	MemoryPin *pin;

	if (!address || size == 0 || made_up_n_pins == MADE_UP_PINS_MAX) {
		g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "no RAM");
		return NULL;
	}
	pin = g_new0(MemoryPin, 1);
	*pin = (MemoryPin){ gpa, size, g_memdup2(address, size), lost, opaque };
	made_up_pins[made_up_n_pins++] = pin;
	return pin;
}

void *memory_pin_address(const MemoryPin *pin)
{
	return pin->content;
}

void memory_unpin(MemoryPin *pin)
{
	guint i = 0;

	if (!pin)
		return;
	while (made_up_pins[i] != pin)
		i++;
	made_up_pins[i] = made_up_pins[--made_up_n_pins];
	memcpy(made_up_address(pin->gpa, pin->size), pin->content, pin->size);
	g_free(pin->content);
	g_free(pin);
}

/* Where the guest finds a byte. */
static inline guint8 *made_up_byte(guint64 gpa)
{
	for (guint i = 0; i < made_up_n_pins; i++)
		if (gpa >= made_up_pins[i]->gpa &&
		    gpa - made_up_pins[i]->gpa < made_up_pins[i]->size)
			return made_up_pins[i]->content + (gpa - made_up_pins[i]->gpa);
	return made_up_address(gpa, 1);
}

static inline void made_up_store(guint64 gpa, guint size, guint64 value)
{
	for (guint i = 0; i < size; i++) {
		guint8 *byte = made_up_byte(gpa + i);

		if (byte)
			*byte = (guint8)(value >> i * 8);
	}
}

static inline guint64 made_up_load(guint64 gpa, guint size)
{
	guint64 value = 0;

	for (guint i = 0; i < size; i++) {
		const guint8 *byte = made_up_byte(gpa + i);

		value |= (guint64)(byte ? *byte : 0xff) << i * 8;
	}
	return value;
}

/* Messages: as many as there are places */

#define MADE_UP_MESSAGES_MAX 512

static int made_up_message_fds[MADE_UP_MESSAGES_MAX];
static guint made_up_n_messages;

static inline int made_up_open_message(void *opaque G_GNUC_UNUSED, guint *number, GError **error)
{
	for (guint i = 0; i < MADE_UP_MESSAGES_MAX; i++) {
		if (made_up_message_fds[i])
			continue;
		*number = i;
		made_up_n_messages++;
		return made_up_message_fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	}
	g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no more messages");
	return -1;
}

static inline void made_up_aim_message(void *opaque G_GNUC_UNUSED, guint number,
				       guint64 address G_GNUC_UNUSED, guint32 data G_GNUC_UNUSED)
{
	g_assert_cmpint(made_up_message_fds[number], !=, 0);
}

static inline void made_up_close_message(void *opaque G_GNUC_UNUSED, guint number)
{
	g_assert_cmpint(close(made_up_message_fds[number]), ==, 0);
	made_up_message_fds[number] = 0;
	made_up_n_messages--;
}

/* Whether a message was sent since the last look. */
static inline gboolean made_up_take_message(guint number)
{
	guint64 count;

	return read(made_up_message_fds[number], &count, sizeof(count)) > 0;
}

/* Signals */

typedef struct {
	int fd;
	void (*received)(void *device);
	void *device;
} MadeUpSignal;

/* Those that there are. */
static GPtrArray *made_up_signals;

static inline void made_up_free_signal(void *opaque)
{
	MadeUpSignal *signal = opaque;

	close(signal->fd);
	g_ptr_array_remove(made_up_signals, signal);
	g_free(signal);
}

static inline gboolean made_up_make_signal(void *opaque G_GNUC_UNUSED,
					   void (*received)(void *device), void *device,
					   DeviceSignal *signal, GError **error G_GNUC_UNUSED)
{
	MadeUpSignal *made_up = g_new(MadeUpSignal, 1);

	*made_up = (MadeUpSignal){ eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), received, device };
	if (!made_up_signals)
		made_up_signals = g_ptr_array_new();
	g_ptr_array_add(made_up_signals, made_up);
	*signal = (DeviceSignal){ made_up->fd, made_up_free_signal, made_up };
	return TRUE;
}

/* What the main thread does now and then. */
static inline void made_up_serve_signals(void)
{
	for (guint i = 0; made_up_signals && i < made_up_signals->len; i++) {
		const MadeUpSignal *signal = g_ptr_array_index(made_up_signals, i);
		guint64 count;

		if (read(signal->fd, &count, sizeof(count)) > 0)
			signal->received(signal->device);
	}
}

static const DeviceMessages made_up_messages = {
	.open = made_up_open_message,
	.aim = made_up_aim_message,
	.close = made_up_close_message,
};
