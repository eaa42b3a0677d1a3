/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-tap.c - tap devices, one descriptor a pair of queues
 *
 * Theory of operation
 *
 * A read or a write of a tap descriptor is one frame with virtio-net's header in front, which the
 * kernel reads as the device's: it computes checksums and cuts segments, and leaves both undone
 * for frames to the guest where TUNSETOFFLOAD has said that the guest can do without. So headers
 * go through here as they are. The kernel checks those of the guest's once more.
 *
 * Who opens the device (the daemon) makes and names it; this needs no right but the descriptor.
 */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/backend/fd-watch.h"
#include "vmm/backend/net-backend.h"
#include "vmm/backend/net-features.h"
#include "vmm/log.h"

/* Of newer headers than Debian 12's. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* Frames in one go, before others of this thread have their turn. */
#define READS_MAX   64u

#define BUFFER_SIZE (NET_HEADER_SIZE + NET_FRAME_MAX)

typedef struct Tap Tap;

typedef struct {
	Tap *tap;
	guint index;
	int fd; /* -1: closed */
	FdWatch *watch;
	guint8 *frame; /* the last one that was read */
	gsize size;    /* of it with its header, while the client has no room; 0: none is kept */
	gboolean is_attached, is_wanted, has_waiter;
} TapQueue;

struct Tap {
	NetBackend backend;
	TapQueue *queues;
};

/* What the kernel calls what a guest can do without. */
static const struct {
	guint feature;
	guint offload;
} offload_names[] = {
	{ VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM }, { VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
	{ VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 }, { VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	{ VIRTIO_NET_F_GUEST_UFO, TUN_F_UFO },	 { VIRTIO_NET_F_GUEST_USO4, TUN_F_USO4 },
	{ VIRTIO_NET_F_GUEST_USO6, TUN_F_USO6 },
};

static guint offloads_of(guint64 features)
{
	guint offloads = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(offload_names); i++)
		if (features & 1ull << offload_names[i].feature)
			offloads |= offload_names[i].offload;
	return offloads;
}

/* An error that only a device which is no more gives. */
static gboolean is_lost(int code)
{
	return code == EBADFD || code == ENODEV || code == ENXIO;
}

static void update_watch(TapQueue *queue)
{
	if (queue->watch)
		fd_watch_set(queue->watch,
			     (queue->is_wanted ? G_IO_IN : 0) | (queue->has_waiter ? G_IO_OUT : 0));
}

/* Return: FALSE where the client has no room; then the frame is kept. */
static gboolean deliver(TapQueue *queue)
{
	const NetBackend *backend = &queue->tap->backend;
	const gsize size = queue->size - NET_HEADER_SIZE;

	if (size >= NET_FRAME_MIN &&
	    !backend->client->receive(backend->opaque, queue->index, queue->frame,
				      queue->frame + NET_HEADER_SIZE, size)) {
		queue->is_wanted = FALSE;
		return FALSE;
	}
	queue->size = 0;
	return TRUE;
}

/* Return: whether more may be there. */
static gboolean receive_frame(TapQueue *queue)
{
	const gssize got = read(queue->fd, queue->frame, BUFFER_SIZE);

	if (got > (gssize)NET_HEADER_SIZE) {
		queue->size = (gsize)got;
		return deliver(queue);
	}
	/* One that does not fit, or an interface that is down for the moment. */
	if (got < 0 && is_lost(errno))
		net_backend_lose(&queue->tap->backend, g_strerror(errno));
	return FALSE;
}

static void receive_frames(TapQueue *queue)
{
	const NetBackend *backend = &queue->tap->backend;

	for (guint i = 0; i < READS_MAX && receive_frame(queue); i++)
		;
	update_watch(queue);
	backend->client->received(backend->opaque, queue->index);
}

/* Whether the device is there still, though it was reported to have an error. */
static gboolean is_there(const TapQueue *queue)
{
	struct ifreq request = { 0 };

	return ioctl(queue->fd, TUNGETIFF, &request) == 0;
}

static void on_ready(void *opaque, GIOCondition condition)
{
	TapQueue *queue = opaque;
	NetBackend *backend = &queue->tap->backend;

	if (condition & (G_IO_HUP | G_IO_ERR) && !is_there(queue)) {
		net_backend_lose(backend, _("the tap device has been removed"));
		return;
	}
	if (queue->is_wanted && condition & G_IO_IN)
		receive_frames(queue);
	if (backend->is_up && queue->has_waiter && condition & G_IO_OUT) {
		queue->has_waiter = FALSE;
		update_watch(queue);
		backend->client->writable(backend->opaque, queue->index);
	}
}

static void tap_receive(NetBackend *backend, guint index, gboolean is_wanted)
{
	TapQueue *queue = &((Tap *)backend)->queues[index];

	queue->is_wanted = is_wanted;
	if (is_wanted && queue->size > 0) {
		(void)deliver(queue);
		backend->client->received(backend->opaque, index);
	}
	update_watch(queue);
}

static gboolean tap_send(NetBackend *backend, guint index, const guint8 *frame, gsize size)
{
	TapQueue *queue = &((Tap *)backend)->queues[index];

	if (write(queue->fd, frame, NET_HEADER_SIZE + size) >= 0)
		return TRUE;
	if (errno == EAGAIN) {
		queue->has_waiter = TRUE;
		update_watch(queue);
		return FALSE;
	}
	/* A header that the kernel refuses, or an interface that is down: the frame is lost. */
	if (is_lost(errno))
		net_backend_lose(backend, g_strerror(errno));
	return TRUE;
}

static void tap_set_offloads(NetBackend *backend, guint64 features)
{
	if (ioctl(((Tap *)backend)->queues[0].fd, TUNSETOFFLOAD, offloads_of(features)) < 0 &&
	    !is_lost(errno))
		log_warning("net", _("%s: TUNSETOFFLOAD: %s"), backend->name, g_strerror(errno));
}

/* Frames of the host's are for the queues that are attached, and for no others. */
static gboolean attach_queue(const TapQueue *queue, gboolean is_attached)
{
	struct ifreq request = { .ifr_flags = is_attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	return ioctl(queue->fd, TUNSETQUEUE, &request) == 0;
}

static void use_queue(TapQueue *queue, gboolean is_used)
{
	const NetBackend *backend = &queue->tap->backend;

	if (is_used == queue->is_attached)
		return;
	if (!attach_queue(queue, is_used)) {
		log_warning("net", _("%s: queue %u: TUNSETQUEUE: %s"), backend->name, queue->index,
			    g_strerror(errno));
		return;
	}
	queue->is_attached = is_used;
	queue->is_wanted = queue->has_waiter = FALSE;
	queue->size = 0;
	g_clear_pointer(&queue->watch, fd_watch_free);
	if (is_used)
		queue->watch = fd_watch_new(queue->fd, backend->context, on_ready, queue);
}

static void tap_use_queues(NetBackend *backend, guint n)
{
	for (guint i = 0; i < backend->queues; i++)
		use_queue(&((Tap *)backend)->queues[i], i < n);
}

/* All are attached where the device was opened. */
static void tap_attach(NetBackend *backend)
{
	Tap *tap = (Tap *)backend;

	for (guint i = 0; i < backend->queues; i++) {
		tap->queues[i].is_attached = TRUE;
		tap->queues[i].watch = fd_watch_new(tap->queues[i].fd, backend->context, on_ready,
						    &tap->queues[i]);
	}
	tap_use_queues(backend, 1);
}

static void tap_close(NetBackend *backend)
{
	Tap *tap = (Tap *)backend;

	for (guint i = 0; i < backend->queues; i++) {
		TapQueue *queue = &tap->queues[i];

		g_clear_pointer(&queue->watch, fd_watch_free);
		if (queue->fd >= 0)
			close(queue->fd);
		queue->fd = -1;
		queue->is_wanted = queue->has_waiter = FALSE;
	}
}

static void tap_free(NetBackend *backend)
{
	Tap *tap = (Tap *)backend;

	for (guint i = 0; i < backend->queues; i++)
		g_free(tap->queues[i].frame);
	g_free(tap->queues);
	g_free(tap);
}

static const NetOperations operations = {
	.attach = tap_attach,
	.use_queues = tap_use_queues,
	.set_offloads = tap_set_offloads,
	.receive = tap_receive,
	.send = tap_send,
	.close = tap_close,
	.free = tap_free,
};

static gboolean set_error(GError **error, int fd, const char *what)
{
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno),
		    _("network descriptor %d: %s: %s"), fd, what, g_strerror(errno));
	return FALSE;
}

/* Whether @fd is what it has to be; makes its headers as long as those here are. */
static gboolean set_up(int fd, GError **error)
{
	const int header_size = NET_HEADER_SIZE;
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return set_error(error, fd, "TUNGETIFF");
	if (!(request.ifr_flags & IFF_TAP) || !(request.ifr_flags & IFF_VNET_HDR)) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("network descriptor %d is no tap device with IFF_VNET_HDR"), fd);
		return FALSE;
	}
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0)
		return set_error(error, fd, "TUNSETVNETHDRSZ");
	return net_backend_set_nonblocking(fd, error);
}

/* Ends with none set: frames are whole until a driver says that they need not be. */
static guint64 find_offloads(int fd)
{
	const guint segments = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	guint64 features = 0;

	if (ioctl(fd, TUNSETOFFLOAD, segments) == 0)
		features |= NET_FEATURES_TSO;
	if (ioctl(fd, TUNSETOFFLOAD, segments | TUN_F_UFO) == 0)
		features |= NET_FEATURES_UFO;
	if (ioctl(fd, TUNSETOFFLOAD, segments | TUN_F_USO4 | TUN_F_USO6) == 0)
		features |= NET_FEATURES_USO;
	(void)ioctl(fd, TUNSETOFFLOAD, 0);
	return features;
}

NetBackend *net_tap_new(const int *fds, guint n_fds, const char *name, GError **error)
{
	gboolean is_good = TRUE;
	Tap *tap;

	g_assert(n_fds >= 1 && n_fds <= NET_QUEUES_MAX);
	for (guint i = 0; i < n_fds && is_good; i++)
		is_good = set_up(fds[i], error);
	if (!is_good) {
		for (guint i = 0; i < n_fds; i++)
			close(fds[i]);
		return NULL;
	}
	tap = g_new0(Tap, 1);
	net_backend_init(&tap->backend, &operations, name, n_fds);
	tap->backend.offloads = find_offloads(fds[0]);
	tap->queues = g_new0(TapQueue, n_fds);
	for (guint i = 0; i < n_fds; i++)
		tap->queues[i] = (TapQueue){
			.tap = tap,
			.index = i,
			.fd = fds[i],
			.frame = g_malloc(BUFFER_SIZE),
		};
	return &tap->backend;
}
