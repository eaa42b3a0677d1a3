/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * console.h - the host's end of a serial line: character backends that bytes go to and come from
 *
 * Theory of operation
 *
 * Output is gathered for a moment and written in one piece, on the main context; a vCPU's
 * thread writes only where that fills up. Nothing ever waits for a reader: what a stuck one
 * leaves no room for is dropped and counted (backend/char-sink.h). That holds for the log, too.
 *
 * Input is read when the serial port has room, and only as much, so that it waits in the
 * host's kernel and not here.
 *
 * A descriptor of a pipe or terminal that is not non-blocking is made so, and put back at the
 * end. Others who share it would see that: whoever can gives one of its own
 * (option_make_own() of option-files.h).
 */
#pragma once

#include <glib.h>

#include "vmm/backend/char-sink.h"
#include "vmm/chipset/serial.h"

#define CONSOLE_BUFFER_SIZE CHAR_SINK_SIZE

typedef struct Console Console;

/* The opaque pointer that goes with it is the Console; input flows once it is connected. */
extern const SerialBackend console_serial_backend;

/*
 * console_new - make the end of a serial line
 * @output_fd, @input_fd: each may be -1, or the same; the console has copies of its own
 * @log_fd:               where output goes too, whether anybody reads it or not; or -1
 * @device_lock:          held around everything that concerns the serial port
 */
Console *console_new(int output_fd, int input_fd, int log_fd, GMainContext *context,
		     GMutex *device_lock, GError **error);

/* Writes out what it still can without waiting. */
void console_free(Console *console);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Console, console_free)

/*
 * console_create - make one that @registry frees
 * @area: of the log, as the option that says where the console is; at the end it is told there
 *        how much was dropped
 */
Console *console_create(DeviceRegistry *registry, const char *area, int output_fd, int input_fd,
			int log_fd, GMainContext *context, GMutex *device_lock, GError **error);

/* Whether @registry has one of that area. */
gboolean console_exists(const DeviceRegistry *registry, const char *area);

/* Bytes that were dropped so far; only with the device lock held. */
guint64 console_dropped(const Console *console);
