/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-serial-fuzz.c - libFuzzer target: a guest and peers that mean harm, at consoles and ports
 *
 * The input is a list of steps: chains that the guest makes available, with any flags, addresses
 * and sizes; bytes that it writes into rings, buffers and messages; kicks; bytes that come from
 * the host; a host that is full, comes and goes; ports that are plugged in and out; pauses, resets
 * and resets of queues in between. What must hold: a backend gets no more than it has room for, and
 * no input is taken while the device is drained; what is reported of a port is news.
 */
#include <linux/virtio_console.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../unit/made-up-memory.h"
#include "input.h"
#include "vmm/backend/char-backend.h"
#include "vmm/virtio/virtio-serial.h"

#define PORTS	      3u
#define QUEUES	      (2 * (PORTS + 1))
#define QUEUE_SIZE    16u

#define RING(queue)   (MADE_UP_RAM + (queue)*0x1000ull)
#define DRIVER(queue) (RING(queue) + 0x400)
#define DEVICE(queue) (RING(queue) + 0x800)

/* A host's end that takes and gives what a step says. */
typedef struct {
	CharBackend backend; /* first */
	gsize room;
} Peer;

typedef struct {
	VirtioQueue *queues[QUEUES];
	VirtioSerial *serial;
	SerialPort *ports[PORTS];
	Peer *peers[PORTS];
	gboolean is_reported[PORTS];
	gboolean is_drained;
	int signal_fd;
	void (*report)(void *device);
} World;

static World *world;

/* What the device calls */

VirtioQueue *virtio_device_queue(VirtioDevice *device G_GNUC_UNUSED, guint index)
{
	g_assert_cmpuint(index, <, QUEUES);
	return world->queues[index];
}

IoThread *virtio_device_io_thread(VirtioDevice *device)
{
	return (IoThread *)(void *)device;
}

void virtio_device_broken(VirtioDevice *device G_GNUC_UNUSED, const GError *error)
{
	g_assert_nonnull(error);
}

IoThread *io_thread_ref(IoThread *thread)
{
	return thread;
}

void io_thread_unref(IoThread *thread G_GNUC_UNUSED)
{
}

GMainContext *io_thread_context(IoThread *thread G_GNUC_UNUSED)
{
	return g_main_context_default();
}

DmaChannel *io_thread_dma(IoThread *thread G_GNUC_UNUSED)
{
	return NULL;
}

void io_thread_call(IoThread *thread G_GNUC_UNUSED, void (*function)(void *opaque), void *opaque)
{
	function(opaque);
}

static void free_signal(void *opaque G_GNUC_UNUSED)
{
	close(world->signal_fd);
}

static gboolean make_signal(void *opaque G_GNUC_UNUSED, void (*received)(void *device),
			    void *device G_GNUC_UNUSED, DeviceSignal *signal,
			    GError **error G_GNUC_UNUSED)
{
	world->signal_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	world->report = received;
	*signal = (DeviceSignal){ world->signal_fd, free_signal, NULL };
	return TRUE;
}

static void port_changed(void *opaque G_GNUC_UNUSED, const char *id, gboolean is_open)
{
	const guint number = (guint)(id[0] - '0');

	g_assert_cmpuint(number, <, PORTS);
	g_assert_nonnull(world->ports[number]);
	g_assert_cmpint(world->is_reported[number], !=, is_open);
	world->is_reported[number] = is_open;
}

static const DeviceHost host = { .make_signal = make_signal, .port_changed = port_changed };

static const DeviceSurroundings surroundings = { .host = &host };

/* The host's ends */

static gsize peer_send(CharBackend *backend, const guint8 *data, gsize size)
{
	Peer *peer = (Peer *)backend;
	const gsize taken = backend->is_open ? MIN(size, peer->room) : size;
	guint sum = 0;

	for (gsize i = 0; i < taken; i++)
		sum += data[i];
	/* So that all of it is read. */
	g_assert_cmpuint(sum, <=, taken * 255);
	if (backend->is_open)
		peer->room -= taken;
	return taken;
}

static void peer_update(CharBackend *backend G_GNUC_UNUSED)
{
}

static void peer_free(CharBackend *backend)
{
	g_free(backend);
}

static const CharOperations peer_operations = {
	.send = peer_send,
	.update = peer_update,
	.free = peer_free,
};

static Peer *peer_new(void)
{
	Peer *peer = g_new0(Peer, 1);

	peer->backend.operations = &peer_operations;
	peer->room = 100;
	return peer;
}

/* Bytes come, as far as they are wanted. */
static void peer_gives(Peer *peer, guint size)
{
	static const guint8 data[4096];
	CharBackend *backend = &peer->backend;

	while (size > 0 && char_backend_may_read(backend)) {
		const gsize room = MIN(backend->client->room(backend->opaque), sizeof(data));
		const gsize part = MIN(room, size);

		g_assert_true(part == 0 || !world->is_drained);
		if (part == 0) {
			backend->is_full = TRUE;
			return;
		}
		backend->client->receive(backend->opaque, data, part);
		size -= (guint)part;
	}
}

static void plug(guint number, guint how)
{
	const char id[] = { (char)('0' + number), '\0' };

	world->peers[number] = peer_new();
	world->ports[number] = serial_port_new(id, how & 1 ? "name" : NULL,
					       number == 0 || (how & 2),
					       &world->peers[number]->backend, NULL);
	world->is_reported[number] = FALSE;
	virtio_serial_plug(world->serial, number, world->ports[number]);
}

static void unplug(guint number)
{
	virtio_serial_unplug(world->serial, number);
	g_clear_pointer(&world->ports[number], serial_port_free);
	world->peers[number] = NULL;
}

/* The guest */

static void start(guint how)
{
	VirtioQueueSetup setup = { .size = QUEUE_SIZE, .has_indirect = how & 1 };

	for (guint i = 0; i < QUEUES; i++) {
		setup.descriptors = made_up_address(RING(i), 0x400);
		setup.driver = made_up_address(DRIVER(i), 0x400);
		setup.device = made_up_address(DEVICE(i), 0x400);
		memset(setup.descriptors, 0, 0x1000);
		virtio_queue_enable(world->queues[i], &setup);
	}
	world->is_drained = FALSE;
	virtio_serial_operations.start(world->serial,
				       how & 2 ? VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT) : 0);
}

static void stop(void)
{
	virtio_serial_operations.stop(world->serial);
	for (guint i = 0; i < QUEUES; i++)
		virtio_queue_disable(world->queues[i]);
}

/* A chain: for each descriptor where, how much, and whether it is written; at last, how many. */
static void add_chain(Input *input, guint queue)
{
	struct vring_desc *ring = made_up_address(RING(queue), 0);
	struct vring_avail *available = made_up_address(DRIVER(queue), 0);
	const guint count = 1 + get(input, 1) % 4;
	const guint head = get(input, 1) % QUEUE_SIZE;

	for (guint i = 0; i < count; i++) {
		const guint flags = get(input, 1);

		ring[(head + i) % QUEUE_SIZE] = (struct vring_desc){
			.addr = MADE_UP_RAM + get(input, 2) * 4ull + (flags & 0x80 ? 0x30000 : 0),
			.len = get(input, flags & 0x40 ? 3 : 1),
			.flags = (guint16)((flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)) |
					   (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = (guint16)((head + i + 1) % QUEUE_SIZE),
		};
	}
	available->ring[available->idx++ % QUEUE_SIZE] = (guint16)head;
}

/* A message as a driver sends it, so that an input gets beyond the first. */
static void add_message(guint what)
{
	const guint64 gpa = MADE_UP_RAM + 0x10000 + what * 8;
	struct vring_desc *ring = made_up_address(RING(3), 0);
	struct vring_avail *available = made_up_address(DRIVER(3), 0);
	const guint index = available->idx % QUEUE_SIZE;
	const struct virtio_console_control control = {
		.id = what % 4,
		.event = (guint16)(what / 4 % 8),
		.value = (guint16)(what / 32 % 2),
	};

	memcpy(made_up_address(gpa, sizeof(control)), &control, sizeof(control));
	ring[index] = (struct vring_desc){ .addr = gpa, .len = sizeof(control) };
	available->ring[index] = (guint16)index;
	available->idx++;
	if (!world->is_drained)
		virtio_serial_operations.kicked(world->serial, 3);
}

static void write_bytes(Input *input)
{
	const guint64 offset = get(input, 2) * 4ull % (MADE_UP_RAM_SIZE - 64);
	const guint count = get(input, 1) % 64;

	for (guint i = 0; i < count; i++)
		made_up_ram[offset + i] = (guint8)get(input, 1);
}

static void ignore_log(const gchar *domain G_GNUC_UNUSED, GLogLevelFlags level G_GNUC_UNUSED,
		       const gchar *message G_GNUC_UNUSED, gpointer data G_GNUC_UNUSED)
{
}

static void ignore_interrupt(void *opaque G_GNUC_UNUSED, guint index G_GNUC_UNUSED)
{
}

static void step_of_host(Input *input, guint number, guint what)
{
	Peer *peer = world->peers[number];

	if (!peer) {
		plug(number, what);
		return;
	}
	switch (what % 4) {
	case 0:
		peer_gives(peer, get(input, 2));
		break;
	case 1:
		peer->room = get(input, 2);
		char_backend_tell_writable(&peer->backend);
		break;
	case 2:
		char_backend_set_open(&peer->backend, !peer->backend.is_open);
		if (!peer->backend.is_open)
			char_backend_tell_writable(&peer->backend);
		break;
	case 3:
		unplug(number);
		break;
	}
}

static void pause_or_resume(void)
{
	if (world->is_drained)
		virtio_serial_operations.resume(world->serial);
	else
		virtio_serial_operations.drain(world->serial);
	world->is_drained = !world->is_drained;
}

static void step(Input *input)
{
	const guint type = get(input, 1), argument = type / 9;

	switch (type % 9) {
	case 0:
	case 1:
		add_chain(input, argument % QUEUES);
		break;
	case 2:
		write_bytes(input);
		break;
	case 3:
		if (!world->is_drained)
			virtio_serial_operations.kicked(world->serial, argument % QUEUES);
		break;
	case 4:
		add_message(get(input, 1));
		break;
	case 5:
	case 6:
		step_of_host(input, argument % PORTS, get(input, 1));
		break;
	case 7:
		if (argument % 4 == 0) {
			stop();
			start(get(input, 1));
		} else {
			pause_or_resume();
		}
		break;
	case 8:
		virtio_serial_operations.stop_queue(world->serial, argument % QUEUES);
		virtio_queue_disable(world->queues[argument % QUEUES]);
		break;
	}
	g_main_context_iteration(NULL, FALSE);
	world->report(world->serial);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	World made = { 0 };

	world = &made;
	g_log_set_default_handler(ignore_log, NULL);
	for (guint i = 0; i < QUEUES; i++)
		made.queues[i] = virtio_queue_new(i, ignore_interrupt, NULL);
	made.serial = virtio_serial_new(&surroundings, PORTS, NULL);
	virtio_serial_attach(made.serial, (VirtioDevice *)(void *)&made);
	plug(0, 0);
	plug(1, 1);
	start(get(&input, 1));
	while (input.left > 0)
		step(&input);
	stop();
	for (guint i = 0; i < PORTS; i++)
		if (made.ports[i])
			unplug(i);
	virtio_serial_operations.free(made.serial);
	for (guint i = 0; i < QUEUES; i++)
		virtio_queue_free(made.queues[i]);
	return 0;
}
