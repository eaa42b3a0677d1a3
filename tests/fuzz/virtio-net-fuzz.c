/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net-fuzz.c - a guest and a network that mean harm, at a network card
 *
 * The input is a list of steps: chains that the guest makes available, with any flags, addresses
 * and sizes; bytes that it writes into rings, buffers and commands; kicks; frames with any header
 * that come; a network that is full, or goes away; pauses and resets in between. Where its length
 * is odd, the kernel makes the card's copies. What must hold: a frame that leaves has a size that
 * Ethernet has, and a header that asks for nothing but what was agreed on.
 */
#include "../unit/made-up-net.h"
#include "input.h"

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

static guint64 start(MadeUpCard *card, guint choice)
{
	const guint64 features = feature_sets[choice % G_N_ELEMENTS(feature_sets)];

	made_up_card_start(card, features, choice >> 4 & 1);
	return features;
}

/* A chain: for each descriptor where, how much, and whether it is written; at last, how many. */
static void add_chain(Input *input, guint queue)
{
	struct vring_desc *ring = made_up_address(MADE_UP_RING(queue), 0);
	struct vring_avail *available = made_up_address(MADE_UP_DRIVER(queue), 0);
	const guint count = 1 + get(input, 1) % 4;
	const guint head = get(input, 1) % MADE_UP_QUEUE_SIZE;

	for (guint i = 0; i < count; i++) {
		const guint flags = get(input, 1);

		ring[(head + i) % MADE_UP_QUEUE_SIZE] = (struct vring_desc){
			.addr = MADE_UP_RAM + get(input, 2) * 4ull + (flags & 0x80 ? 0x30000 : 0),
			.len = get(input, flags & 0x40 ? 3 : 1),
			.flags = (guint16)((flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)) |
					   (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = (guint16)((head + i + 1) % MADE_UP_QUEUE_SIZE),
		};
	}
	available->ring[available->idx++ % MADE_UP_QUEUE_SIZE] = (guint16)head;
}

static void write_bytes(Input *input)
{
	const guint64 offset = get(input, 2) * 4ull % (MADE_UP_RAM_SIZE - 64);
	const guint count = get(input, 1) % 64;

	for (guint i = 0; i < count; i++)
		made_up_ram[offset + i] = (guint8)get(input, 1);
}

static void receive_frame(Input *input, MadeUpCard *card)
{
	static guint8 frame[NET_FRAME_MAX];
	guint8 header[NET_HEADER_SIZE] = { 0 };
	const guint queue = get(input, 1) % MADE_UP_PAIRS;
	const guint size = CLAMP(get(input, 2), NET_FRAME_MIN, (guint)sizeof(frame));

	for (guint i = 0; i < 10; i++)
		header[i] = (guint8)get(input, 1);
	frame[0] = (guint8)get(input, 1);
	for (guint n = 1 + get(input, 1) % 4; n > 0 && card->network->is_wanted[queue]; n--)
		(void)made_up_frame(card, queue, header, frame, size);
	made_up_frames_end(card, queue);
}

static void check_sent(const MadeUpCard *card, guint64 features)
{
	for (guint i = 0; i < card->network->frames->len; i++) {
		gsize size;
		const guint8 *data = g_bytes_get_data(card->network->frames->pdata[i], &size);
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
	g_ptr_array_set_size(card->network->frames, 0);
}

static void ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *message,
		       gpointer data)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)data;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	MadeUpCard *card = made_up_card_new(MADE_UP_PAIRS,
					    NET_FEATURES_TSO | NET_FEATURES_UFO | NET_FEATURES_USO,
					    size % 2 != 0);
	NetBackend *backend = &card->network->backend;
	gboolean is_drained = FALSE;
	guint64 features;

	g_log_set_default_handler(ignore_log, NULL);
	features = start(card, get(&input, 1));
	while (input.left > 0) {
		const guint step = get(&input, 1);
		guint8 config[VIRTIO_NET_CONFIG_SIZE];

		switch (step % 12) {
		case 0:
		case 1:
			add_chain(&input, step / 12 % MADE_UP_QUEUES);
			break;
		case 2:
			write_bytes(&input);
			break;
		case 3:
		case 4:
			if (!is_drained)
				virtio_net_operations.kicked(card->net, step / 12 % MADE_UP_QUEUES);
			break;
		case 5:
		case 6:
			if (!is_drained)
				receive_frame(&input, card);
			break;
		case 7:
			card->network->room = get(&input, 1);
			if (backend->is_up)
				backend->client->writable(backend->opaque,
							  step / 12 % MADE_UP_PAIRS);
			break;
		case 8:
			if (is_drained)
				virtio_net_operations.resume(card->net);
			else
				virtio_net_operations.drain(card->net);
			is_drained = !is_drained;
			break;
		case 9:
			check_sent(card, features);
			made_up_card_stop(card);
			features = start(card, get(&input, 1));
			is_drained = FALSE;
			break;
		case 10:
			virtio_net_set_link(card->net, step / 12 & 1);
			virtio_net_operations.config_read(
				card->net, step / 12 % VIRTIO_NET_CONFIG_SIZE, config, 1);
			break;
		case 11:
			if (step == 255)
				net_backend_lose(backend, "gone");
			virtio_net_operations.stop_queue(card->net, step / 12 % MADE_UP_QUEUES);
			virtio_queue_disable(card->queues[step / 12 % MADE_UP_QUEUES]);
			break;
		}
		g_main_context_iteration(NULL, FALSE);
	}
	check_sent(card, features);
	made_up_card_stop(card);
	made_up_card_free(card);
	return 0;
}
