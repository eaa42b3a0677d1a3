/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host-timer.c - a device's timer on a clock of the host */
#include "vmm/machine/host-timer.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NS_PER_SECOND G_GINT64_CONSTANT(1000000000)

struct HostTimer {
	clockid_t clock;
	int fd;
	GSource *source;
	GMutex *device_lock;
	void (*expired)(void *opaque);
	void *opaque;
	gint64 deadline; /* what fd is armed for */
};

static gint64 timer_now(void *opaque)
{
	HostTimer *timer = opaque;
	struct timespec now;

	clock_gettime(timer->clock, &now);
	return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static void timer_arm(void *opaque, gint64 deadline)
{
	HostTimer *timer = opaque;
	struct itimerspec when = { 0 };
	int flags = TFD_TIMER_ABSTIME;

	if (deadline == timer->deadline)
		return;
	timer->deadline = deadline;
	if (deadline != DEVICE_TIMER_NEVER) {
		/* Zero would disarm. */
		deadline = MAX(deadline, 1);
		when.it_value.tv_sec = deadline / NS_PER_SECOND;
		when.it_value.tv_nsec = deadline % NS_PER_SECOND;
		/* A clock that is set is an expiry too: the device then looks again. */
		if (timer->clock == CLOCK_REALTIME)
			flags |= TFD_TIMER_CANCEL_ON_SET;
	}
	/* ECANCELED, the clock was set meanwhile: the timer is armed all the same. */
	if (timerfd_settime(timer->fd, flags, &when, NULL) < 0 && errno != ECANCELED)
		g_error("timerfd_settime: %s", g_strerror(errno));
}

static gboolean on_expired(gint fd, GIOCondition condition, gpointer data)
{
	HostTimer *timer = data;
	guint64 expirations;
	gssize n;

	(void)condition;
	g_mutex_lock(timer->device_lock);
	n = read(fd, &expirations, sizeof(expirations));
	/* EAGAIN: armed anew since the poll. */
	if (n > 0 || errno == ECANCELED) {
		timer->deadline = DEVICE_TIMER_NEVER;
		timer->expired(timer->opaque);
	}
	g_mutex_unlock(timer->device_lock);
	return G_SOURCE_CONTINUE;
}

HostTimer *host_timer_new(clockid_t clock, GMainContext *context, GMutex *device_lock,
			  void (*expired)(void *opaque), void *opaque, GError **error)
{
	HostTimer *timer;
	int fd = timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "timerfd_create: %s",
			    g_strerror(errno));
		return NULL;
	}
	timer = g_new0(HostTimer, 1);
	timer->clock = clock;
	timer->fd = fd;
	timer->device_lock = device_lock;
	timer->expired = expired;
	timer->opaque = opaque;
	timer->deadline = DEVICE_TIMER_NEVER;
	timer->source = g_unix_fd_source_new(fd, G_IO_IN);
	g_source_set_callback(timer->source, G_SOURCE_FUNC(on_expired), timer, NULL);
	g_source_attach(timer->source, context);
	return timer;
}

void host_timer_free(HostTimer *timer)
{
	if (!timer)
		return;
	g_source_destroy(timer->source);
	g_source_unref(timer->source);
	close(timer->fd);
	g_free(timer);
}

static void timer_free(void *opaque)
{
	host_timer_free(opaque);
}

DeviceTimer host_timer_device(HostTimer *timer)
{
	return (DeviceTimer){
		.now = timer_now,
		.arm = timer_arm,
		.free = timer_free,
		.opaque = timer,
	};
}
