/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host-signal.c - a device's way from any thread to the main context */
#include "vmm/machine/host-signal.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
	int fd;
	GSource *source;
	GMutex *device_lock;
	void (*received)(void *device);
	void *device;
} HostSignal;

static gboolean on_sent(int fd, GIOCondition condition, gpointer data)
{
	HostSignal *signal = data;
	guint64 count;

	(void)condition;
	g_mutex_lock(signal->device_lock);
	if (read(fd, &count, sizeof(count)) > 0)
		signal->received(signal->device);
	g_mutex_unlock(signal->device_lock);
	return G_SOURCE_CONTINUE;
}

static void free_signal(void *opaque)
{
	HostSignal *signal = opaque;

	g_source_destroy(signal->source);
	g_source_unref(signal->source);
	close(signal->fd);
	g_free(signal);
}

gboolean host_signal_new(GMainContext *context, GMutex *device_lock, void (*received)(void *device),
			 void *device, DeviceSignal *signal, GError **error)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	HostSignal *host_signal;

	if (fd < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "eventfd: %s",
			    g_strerror(errno));
		return FALSE;
	}
	host_signal = g_new0(HostSignal, 1);
	host_signal->fd = fd;
	host_signal->device_lock = device_lock;
	host_signal->received = received;
	host_signal->device = device;
	host_signal->source = g_unix_fd_source_new(fd, G_IO_IN);
	g_source_set_callback(host_signal->source, G_SOURCE_FUNC(on_sent), host_signal, NULL);
	g_source_attach(host_signal->source, context);
	*signal = (DeviceSignal){ .fd = fd, .free = free_signal, .opaque = host_signal };
	return TRUE;
}
