/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net-fuzz.c - a guest and a network that mean harm, at a network card
 *
 * The device is on the transport and queues of all. The input is a list of steps: chains that the
 * guest makes available, with any flags, addresses and sizes; bytes that it writes into rings,
 * buffers and commands; kicks; frames with any header that come; a network that is full, or goes
 * away; accesses to the transport; pauses and resets in between. Where its length is odd, the
 * kernel makes the card's copies. What must hold: a frame that leaves has a size that Ethernet has,
 * and a header that asks for nothing but what was agreed on; none is wanted by a card that is
 * paused.
 */
#include <linux/virtio_net.h>

#include "../unit/made-up-network.h"
#include "virtio-world.h"
#include "vmm/virtio/virtio-net.h"

#define ID	   "net0"
#define QUEUES	   (2 * MADE_UP_PAIRS + 1)
#define CARD_CLASS 0x020000

/* One for the card, with what goes with it and room for its answer. */
#define COMMAND (BUFFERS + 0x10000)

typedef struct {
	VirtioWorld virtio;
	MadeUpNetwork *network;
	VirtioNet *net;
} World;

static const DeviceHost host = { .make_signal = made_up_make_signal };

/* What a guest may agree on. */
static const guint64 feature_sets[] = {
	0,
	NET_FEATURE(MRG_RXBUF) | NET_FEATURE(CTRL_VQ) | NET_FEATURE(CTRL_RX) |
		NET_FEATURE(CTRL_RX_EXTRA) | NET_FEATURE(CTRL_VLAN) | NET_FEATURE(CTRL_MAC_ADDR) |
		NET_FEATURE(GUEST_ANNOUNCE) | NET_FEATURE(MQ) | NET_FEATURE(CTRL_GUEST_OFFLOADS) |
		NET_FEATURES_TSO | NET_FEATURES_UFO | NET_FEATURES_USO,
	NET_FEATURE(CTRL_VQ) | NET_FEATURE(MQ) | NET_FEATURE(GUEST_CSUM),
	NET_FEATURE(MRG_RXBUF) | NET_FEATURE(GUEST_TSO4) | NET_FEATURE(HOST_TSO6) |
		NET_FEATURE(CTRL_VQ) | NET_FEATURE(CTRL_GUEST_OFFLOADS),
};

static void make_card(World *world, gboolean has_copy)
{
	const VirtioNetConfig config = {
		.mac = { 0x52, 0x54, 0, 1, 2, 3 },
		.mtu = 1500,
		.has_multiqueue = TRUE,
		.is_link_up = TRUE,
	};
	VirtioDeviceConfig device = {
		.name = "virtio-net",
		.device_id = VIRTIO_ID_NET,
		.class_code = CARD_CLASS,
		.n_queues = QUEUES,
		.queue_size = 256,
		.config_size = VIRTIO_NET_CONFIG_SIZE,
		.operations = &virtio_net_operations,
	};

	world->network = made_up_network_new(MADE_UP_PAIRS, NET_FEATURES_TSO | NET_FEATURES_UFO |
								    NET_FEATURES_USO);
	world->net = virtio_net_new(&config, &world->network->backend);
	device.opaque = world->net;
	virtio_net_attach(world->net, world_add_device(&world->virtio, ID, &device),
			  has_copy ? guest_copy_new(NULL, NULL) : NULL);
}

/* @choice: the device's features, and how rings are */
static void start(World *world, guint choice)
{
	start_driver(&world->virtio, feature_sets[choice % G_N_ELEMENTS(feature_sets)], QUEUES,
		     choice >> 2);
}

static void receive_frames(World *world, Input *input)
{
	static guint8 frame[NET_FRAME_MAX];
	guint8 header[NET_HEADER_SIZE] = { 0 };
	const guint queue = get(input, 1) % MADE_UP_PAIRS;
	const guint size = CLAMP(get(input, 2), NET_FRAME_MIN, (guint)sizeof(frame));
	guint n;

	for (guint i = 0; i < 10; i++)
		header[i] = (guint8)get(input, 1);
	frame[0] = (guint8)get(input, 1);
	n = 1 + get(input, 1) % 4;
	if (!world->network->is_wanted[queue])
		return;
	while (n-- > 0 && world->network->is_wanted[queue])
		(void)made_up_network_gives(world->network, queue, header, frame, size);
	made_up_network_gave(world->network, queue);
}

/* On the queue that is control's with these features. */
static void add_command(World *world, Input *input)
{
	const gboolean has_pairs = (agreed_features(&world->virtio) & NET_FEATURE(MQ)) != 0;
	const guint queue = has_pairs ? QUEUES - 1 : 2, size = get(input, 1) % 64;
	const Piece pieces[] = {
		{ COMMAND, 2, 0 },
		{ COMMAND + 2, size, 0 },
		{ COMMAND + 0x100, 1, VRING_DESC_F_WRITE },
	};

	made_up_store(COMMAND, 1, get(input, 1) % 6);
	made_up_store(COMMAND + 1, 1, get(input, 1) % 6);
	for (guint i = 0; i < size; i++)
		made_up_store(COMMAND + 2 + i, 1, get(input, 1));
	put_chain(&world->virtio, queue, pieces, G_N_ELEMENTS(pieces),
		  world->virtio.rings[queue].next, size % 2);
	kick(&world->virtio, queue);
}

static void check_frame(GBytes *frame, guint64 features)
{
	gsize size;
	const guint8 *data = g_bytes_get_data(frame, &size);
	struct virtio_net_hdr_v1 header;

	g_assert_cmpuint(size, >=, NET_HEADER_SIZE + NET_FRAME_MIN);
	g_assert_cmpuint(size, <=, NET_HEADER_SIZE + NET_FRAME_MAX);
	memcpy(&header, data, sizeof(header));
	if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		g_assert_true(features & NET_FEATURE(CSUM));
	if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		g_assert_true(features & (NET_FEATURE(HOST_TSO4) | NET_FEATURE(HOST_TSO6) |
					  NET_FEATURE(HOST_UFO) | NET_FEATURE(HOST_USO)));
}

static void check(World *world)
{
	GPtrArray *frames = world->network->frames;
	const guint64 features = agreed_features(&world->virtio);

	for (guint i = 0; i < frames->len; i++)
		check_frame(frames->pdata[i], features);
	g_ptr_array_set_size(frames, 0);
	for (guint i = 0; i < MADE_UP_PAIRS; i++)
		g_assert_false(world->virtio.is_paused && world->network->is_wanted[i]);
	check_pins(&world->virtio);
}

static void take_step(World *world, Input *input)
{
	const guint step = get(input, 1), argument = step / 12;
	NetBackend *backend = &world->network->backend;

	switch (step % 12) {
	case 0:
		add_chain(&world->virtio, input, argument % QUEUES);
		break;
	case 1:
		add_buffer(&world->virtio, input, argument % QUEUES, argument % 2 == 0);
		break;
	case 2:
		if (argument % 2)
			add_command(world, input);
		else
			write_bytes(input);
		break;
	case 3:
	case 4:
		kick(&world->virtio, argument % QUEUES);
		break;
	case 5:
	case 6:
		receive_frames(world, input);
		break;
	case 7:
		world->network->room = get(input, 1);
		if (backend->is_up)
			backend->client->writable(backend->opaque, argument % MADE_UP_PAIRS);
		break;
	case 8:
		pause_or_go_on(&world->virtio);
		break;
	case 9:
		start(world, get(input, 1));
		break;
	case 10:
		if (argument >= 10) {
			touch_transport(&world->virtio, input, argument % QUEUES);
			break;
		}
		virtio_net_set_link(world->net, argument & 1);
		read_bar(&world->virtio, CONFIG + argument, 1);
		break;
	case 11:
		if (step == 251)
			net_backend_lose(backend, "gone");
		reset_queue(&world->virtio, argument % QUEUES);
		break;
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	World world = { 0 };

	g_log_set_default_handler(world_ignore_log, NULL);
	world_start(&world.virtio, &host);
	make_card(&world, size % 2 != 0);
	start(&world, get(&input, 1));
	while (input.left > 0) {
		take_step(&world, &input);
		run_thread(&world.virtio, 4);
		made_up_serve_signals();
		check(&world);
	}
	place_bars(&world.virtio);
	write_bar(&world.virtio, STATUS, 1, 0);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	world_end(&world.virtio, ID);
	made_up_network_free(world.network);
	return 0;
}
