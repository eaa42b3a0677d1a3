/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-rng.c - a source of randomness for the guest
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.4.
 *
 * Theory of operation
 *
 * Each buffer that the guest makes available is filled, from its start and with RNG_CHUNK bytes at
 * most, with what the host's kernel has (getrandom(2)), or what a descriptor gives. There are three
 * reasons to let buffers wait in the queue: the descriptor has nothing at present, the guest has
 * had its bytes of this period, and others of the I/O thread have their turn. Then kicks are not
 * needed; a source of the I/O thread's context goes on.
 */
#include "vmm/virtio/virtio-rng.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <sys/random.h>
#include <unistd.h>

#include "vmm/virtio/pci.h"

#define RNG_CLASS      0x00ff00
#define RNG_QUEUE_SIZE 64
#define RNG_CHUNK      4096u
#define RNG_NO_LIMIT   G_MAXINT64

/* Buffers in one go: a guest can make them available faster than they are filled. */
#define RNG_ROUND RNG_QUEUE_SIZE

typedef struct {
	VirtioOptions options;
	char *rng_fd;
	guint64 max_bytes;
	guint64 period; /* milliseconds */
} RngDescription;

typedef struct {
	VirtioDevice *device;
	int fd; /* -1: the kernel's */
	guint64 max_bytes;
	guint period;
	guint64 left;	   /* of this period */
	gint64 period_end; /* of g_get_monotonic_time() */
	GSource *waiting;  /* for the next period, for the descriptor, or for its turn */
} Rng;

static void serve(Rng *rng);

/* Waiting */

static void stop_waiting(Rng *rng)
{
	if (!rng->waiting)
		return;
	g_source_destroy(rng->waiting);
	g_clear_pointer(&rng->waiting, g_source_unref);
}

static gboolean on_period(gpointer data)
{
	Rng *rng = data;

	stop_waiting(rng);
	serve(rng);
	return G_SOURCE_REMOVE;
}

static gboolean on_readable(int fd, GIOCondition condition, gpointer data)
{
	(void)fd;
	(void)condition;
	return on_period(data);
}

static void wait_with(Rng *rng, GSource *source, GSourceFunc function)
{
	g_source_set_callback(source, function, rng, NULL);
	g_source_attach(source, io_thread_context(virtio_device_io_thread(rng->device)));
	rng->waiting = source;
}

static void wait_for_period(Rng *rng)
{
	gint64 left = rng->period_end - g_get_monotonic_time();

	wait_with(rng, g_timeout_source_new((guint)MAX(left / 1000 + 1, 1)), on_period);
}

static void wait_for_descriptor(Rng *rng)
{
	wait_with(rng, g_unix_fd_source_new(rng->fd, G_IO_IN), G_SOURCE_FUNC(on_readable));
}

/* Behind what else is ready, a reset that waits say. */
static void wait_for_turn(Rng *rng)
{
	GSource *source = g_idle_source_new();

	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	wait_with(rng, source, on_period);
}

/* What is left to the guest of this period. */
static guint64 allowance(Rng *rng)
{
	gint64 now = g_get_monotonic_time();

	if (now >= rng->period_end) {
		rng->period_end = now + (gint64)rng->period * 1000;
		rng->left = rng->max_bytes;
	}
	return rng->left;
}

/* Return: as read(2). */
static gssize get_bytes(const Rng *rng, guint8 *bytes, gsize size)
{
	gssize n;

	/* A courier's deadline is a signal. */
	do {
		n = rng->fd < 0 ? getrandom(bytes, size, 0) : read(rng->fd, bytes, size);
	} while (n < 0 && errno == EINTR);
	return n;
}

/*
 * Return: TRUE where the chain has gone back to the guest; FALSE where it waits, or with @error
 * set.
 */
static gboolean fill(Rng *rng, VirtioQueue *queue, VirtioChain *chain, GError **error)
{
	guint8 bytes[RNG_CHUNK];
	gsize size = MIN(MIN(chain->in_size, allowance(rng)), sizeof(bytes));
	gssize n = size > 0 ? get_bytes(rng, bytes, size) : 0;
	int code = errno;

	if (chain->in_size > 0 && (size == 0 || (n < 0 && code == EAGAIN))) {
		virtio_queue_unpop(queue, chain);
		if (size == 0)
			wait_for_period(rng);
		else
			wait_for_descriptor(rng);
		return FALSE;
	}
	if (n < 0 || (n == 0 && size > 0)) {
		virtio_queue_drop(chain);
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, _("reading random bytes: %s"),
			    n < 0 ? g_strerror(code) : _("the source has come to its end"));
		return FALSE;
	}
	if (!virtio_chain_write(chain, io_thread_dma(virtio_device_io_thread(rng->device)), 0,
				bytes, (gsize)n, error)) {
		virtio_queue_drop(chain);
		return FALSE;
	}
	rng->left -= (guint64)n;
	virtio_queue_push(queue, chain, (guint32)n);
	return TRUE;
}

static void serve(Rng *rng)
{
	VirtioQueue *queue = virtio_device_queue(rng->device, 0);
	g_autoptr(GError) error = NULL;
	guint left = RNG_ROUND;
	VirtioChain *chain;

	if (rng->waiting)
		return;
	do {
		virtio_queue_disable_kicks(queue);
		while (left > 0 && (chain = virtio_queue_pop(queue, &error)) &&
		       fill(rng, queue, chain, &error))
			left--;
		virtio_queue_notify(queue);
		if (left == 0)
			wait_for_turn(rng);
	} while (!error && !rng->waiting && !virtio_queue_enable_kicks(queue));
	if (error)
		virtio_device_broken(rng->device, error);
}

/* What the transport asks for */

static void rng_kicked(void *opaque, guint queue)
{
	(void)queue;
	serve(opaque);
}

static void rng_stop(void *opaque)
{
	stop_waiting(opaque);
}

static void rng_stop_queue(void *opaque, guint queue)
{
	(void)queue;
	stop_waiting(opaque);
}

static void rng_free(void *opaque)
{
	Rng *rng = opaque;

	if (rng->fd >= 0)
		close(rng->fd);
	g_free(rng);
}

/* Who is paused waits for nothing; everything is looked at again afterwards. */
static const VirtioDeviceOperations rng_operations = {
	.kicked = rng_kicked,
	.stop = rng_stop,
	.stop_queue = rng_stop_queue,
	.drain = rng_stop,
	.free = rng_free,
};

/* The description */

static const JsonField fields[] = {
	VIRTIO_OPTION_FIELDS(RngDescription, options),
	{ .name = "rng-fd",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(RngDescription, rng_fd) },
	{ .name = "max-bytes",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(RngDescription, max_bytes),
	  .value = RNG_NO_LIMIT,
	  .minimum = 1,
	  .maximum = RNG_NO_LIMIT },
	{ .name = "period",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(RngDescription, period),
	  .value = 1000,
	  .minimum = 1,
	  .maximum = G_MAXINT32 },
	{ .name = NULL },
};

static gboolean take_descriptor(Rng *rng, const DeviceContext *context, const char *name,
				GError **error)
{
	rng->fd = descriptor_table_take(context->descriptors, context->owner, "rng-fd", name,
					error);
	if (rng->fd < 0)
		return FALSE;
	return g_unix_set_fd_nonblocking(rng->fd, TRUE, error);
}

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const RngDescription *description = opaque;
	Rng *rng = g_new0(Rng, 1);
	const VirtioDeviceConfig config = {
		.name = "virtio-rng",
		.device_id = VIRTIO_ID_RNG,
		.class_code = RNG_CLASS,
		.n_queues = 1,
		.queue_size = RNG_QUEUE_SIZE,
		.operations = &rng_operations,
		.opaque = rng,
	};

	rng->fd = -1;
	rng->max_bytes = description->max_bytes;
	rng->period = (guint)description->period;
	if (!description->rng_fd || take_descriptor(rng, context, description->rng_fd, error))
		rng->device = virtio_pci_new(context, &description->options, &config, error);
	if (rng->device)
		return TRUE;
	rng_free(rng);
	return FALSE;
}

const DeviceType virtio_rng_type = {
	.name = "virtio-rng-pci",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(RngDescription),
	.create = create,
};
