/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-serial-fuzz.c - libFuzzer target: a guest and peers that mean harm, at consoles and ports
 *
 * The device is on the transport and queues of all. The input is a list of steps: chains that the
 * guest makes available, with any flags, addresses and sizes; bytes that it writes into rings,
 * buffers and messages; kicks; bytes that come from the host; a host that is full, comes and goes;
 * ports that are plugged in and out; accesses to the transport; pauses, resets and resets of queues
 * in between. What must hold: a backend gets no more than it has room for, and no input is taken
 * while the machine is paused; what is reported of a port is news.
 */
#include <linux/virtio_console.h>

#include "virtio-world.h"
#include "vmm/backend/char-backend.h"
#include "vmm/virtio/virtio-serial.h"

#define ID	     "serial0"
#define PORTS	     3u
#define QUEUES	     (2 * (PORTS + 1))
#define SERIAL_CLASS 0x078000

/* The queue of messages to the device, and where there are some, behind all rings. */
#define CONTROL	 3u
#define MESSAGES BUFFERS

/* Of what begins a driver, besides how rings are: no more than a console. */
#define WITHOUT_PORTS 0x80u

/* A host's end that takes and gives what a step says. */
typedef struct {
	CharBackend backend; /* first */
	gsize room;
} Peer;

typedef struct {
	VirtioWorld virtio;
	VirtioSerial *serial;
	SerialPort *ports[PORTS];
	Peer *peers[PORTS];
	gboolean is_reported[PORTS];
} World;

static World *world;

static void port_changed(void *opaque G_GNUC_UNUSED, const char *id, gboolean is_open)
{
	const guint number = (guint)(id[0] - '0');

	g_assert_cmpuint(number, <, PORTS);
	g_assert_nonnull(world->ports[number]);
	g_assert_cmpint(world->is_reported[number], !=, is_open);
	world->is_reported[number] = is_open;
}

static const DeviceHost host = {
	.make_signal = made_up_make_signal,
	.port_changed = port_changed,
};

/* What the device sends signals for, whether it has sent one now or will in a second. */
static void take_reports(void)
{
	for (guint i = 0; i < made_up_signals->len; i++) {
		const MadeUpSignal *signal = g_ptr_array_index(made_up_signals, i);

		signal->received(signal->device);
	}
}

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

		g_assert_true(part == 0 || !world->virtio.is_paused);
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

static void make_device(void)
{
	VirtioDeviceConfig config = {
		.name = "virtio-serial",
		.device_id = VIRTIO_ID_CONSOLE,
		.class_code = SERIAL_CLASS,
		.n_queues = QUEUES,
		.queue_size = 64,
		.config_size = VIRTIO_SERIAL_CONFIG_SIZE,
		.operations = &virtio_serial_operations,
	};

	world->serial = virtio_serial_new(&world->virtio.surroundings, PORTS, NULL);
	g_assert_nonnull(world->serial);
	config.opaque = world->serial;
	virtio_serial_attach(world->serial, world_add_device(&world->virtio, ID, &config));
	plug(0, 0);
	plug(1, 1);
}

/* The guest */

static void start(guint how)
{
	start_driver(&world->virtio,
		     how & WITHOUT_PORTS ? 0 : VIRTIO_FEATURE(VIRTIO_CONSOLE_F_MULTIPORT), QUEUES,
		     how);
}

/* A message as a driver sends it, so that an input gets beyond the first. */
static void add_message(guint what)
{
	const Piece piece = { MESSAGES + what * 8, sizeof(struct virtio_console_control), 0 };

	made_up_store(piece.gpa, 4, what % 4);
	made_up_store(piece.gpa + 4, 2, what / 4 % 8);
	made_up_store(piece.gpa + 6, 2, what / 32 % 2);
	put_chain(&world->virtio, CONTROL, &piece, 1, world->virtio.rings[CONTROL].next,
		  what >= 0xc0);
	kick(&world->virtio, CONTROL);
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

static void take_step(Input *input)
{
	const guint type = get(input, 1), argument = type / 9;

	switch (type % 9) {
	case 0:
		add_chain(&world->virtio, input, argument % QUEUES);
		break;
	case 1:
		add_buffer(&world->virtio, input, argument % QUEUES, argument % 2 == 0);
		break;
	case 2:
		write_bytes(input);
		break;
	case 3:
		kick(&world->virtio, argument % QUEUES);
		break;
	case 4:
		add_message(get(input, 1));
		break;
	case 5:
	case 6:
		step_of_host(input, argument % PORTS, get(input, 1));
		break;
	case 7:
		if (argument % 4 == 0)
			start(get(input, 1));
		else
			pause_or_go_on(&world->virtio);
		break;
	case 8:
		if (argument >= 16)
			touch_transport(&world->virtio, input, argument % QUEUES);
		else
			reset_queue(&world->virtio, argument % QUEUES);
		break;
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	World made = { 0 };

	world = &made;
	g_log_set_default_handler(world_ignore_log, NULL);
	world_start(&made.virtio, &host);
	make_device();
	start(get(&input, 1));
	while (input.left > 0) {
		take_step(&input);
		run_thread(&made.virtio, 4);
		take_reports();
		check_pins(&made.virtio);
	}
	place_bars(&made.virtio);
	write_bar(&made.virtio, STATUS, 1, 0);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	for (guint i = 0; i < PORTS; i++)
		if (made.ports[i])
			unplug(i);
	world_end(&made.virtio, ID);
	return 0;
}
