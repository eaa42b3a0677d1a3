/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net-test.c - a network card, with a driver that is well behaved and one that is not
 */
#include "made-up-net.h"

enum { RX = 0, TX = 1, RX_1 = 2, TX_1 = 3, CONTROL_1 = 2, CONTROL_2 = 4 };

#define HEADER ((gsize)NET_HEADER_SIZE)
#define FEATURES                                                                            \
	(NET_FEATURE(MRG_RXBUF) | NET_FEATURE(CTRL_VQ) | NET_FEATURE(CTRL_RX) |             \
	 NET_FEATURE(CTRL_RX_EXTRA) | NET_FEATURE(CTRL_VLAN) | NET_FEATURE(CTRL_MAC_ADDR) | \
	 NET_FEATURE(GUEST_ANNOUNCE))

typedef struct {
	MadeUpCard *card;
	guint free[MADE_UP_QUEUES]; /* next descriptor to take */
	guint16 next[MADE_UP_QUEUES], seen[MADE_UP_QUEUES];
	guint64 buffer; /* next one to take */
} Fixture;

typedef struct {
	guint64 gpa;
	guint32 size;
	gboolean is_in;
} Buffer;

static const guint8 no_header[NET_HEADER_SIZE];

static void start_card(Fixture *fixture, guint pairs, guint64 offloads, guint64 features,
		       gboolean has_copy)
{
	*fixture = (Fixture){ .buffer = MADE_UP_BUFFERS };
	fixture->card = made_up_card_new(pairs, offloads, has_copy);
	made_up_card_start(fixture->card, features, FALSE);
}

static void start_with(Fixture *fixture, guint pairs, guint64 offloads, guint64 features)
{
	start_card(fixture, pairs, offloads, features, FALSE);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_with(fixture, 1, 0, FEATURES);
}

/* The kernel makes its copies. */
static void start_copied(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_card(fixture, 1, 0, FEATURES, TRUE);
}

static void stop(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	made_up_card_stop(fixture->card);
	made_up_card_free(fixture->card);
	while (g_main_context_iteration(NULL, FALSE))
		;
}

/* The driver */

static guint64 take_buffer(Fixture *fixture, guint32 size)
{
	const guint64 gpa = fixture->buffer;

	fixture->buffer += size;
	g_assert_nonnull(made_up_address(gpa, size));
	return gpa;
}

static void add(Fixture *fixture, guint queue, const Buffer *buffers, guint count)
{
	struct vring_desc *ring = made_up_address(MADE_UP_RING(queue), 0);
	struct vring_avail *available = made_up_address(MADE_UP_DRIVER(queue), 0);
	const guint head = fixture->free[queue] % MADE_UP_QUEUE_SIZE;

	for (guint i = 0; i < count; i++) {
		const guint at = fixture->free[queue]++ % MADE_UP_QUEUE_SIZE;

		ring[at] = (struct vring_desc){
			.addr = buffers[i].gpa,
			.len = buffers[i].size,
			.flags = (guint16)((buffers[i].is_in ? VRING_DESC_F_WRITE : 0) |
					   (i + 1 < count ? VRING_DESC_F_NEXT : 0)),
			.next = (guint16)(fixture->free[queue] % MADE_UP_QUEUE_SIZE),
		};
	}
	available->ring[fixture->next[queue]++ % MADE_UP_QUEUE_SIZE] = (guint16)head;
	available->idx = fixture->next[queue];
}

static void kick(Fixture *fixture, guint queue)
{
	virtio_net_operations.kicked(fixture->card->net, queue);
}

/* Whether a chain came back. */
static gboolean take_used(Fixture *fixture, guint queue, guint32 *written)
{
	const struct vring_used *used = made_up_address(MADE_UP_DEVICE(queue), 0);

	*written = 0;

	if (used->idx == fixture->seen[queue])
		return FALSE;
	*written = used->ring[fixture->seen[queue]++ % MADE_UP_QUEUE_SIZE].len;
	return TRUE;
}

static guint64 add_receive(Fixture *fixture, guint32 size)
{
	const Buffer buffer = { take_buffer(fixture, size), size, TRUE };

	add(fixture, RX, &buffer, 1);
	return buffer.gpa;
}

/* A frame of bytes that tell it from others; @to is the first byte of the address it is for. */
static void make_frame(guint8 *frame, gsize size, guint8 seed)
{
	for (gsize i = 0; i < size; i++)
		frame[i] = (guint8)(seed + i * 3);
	frame[0] = 0x52;
}

static void send_frame(Fixture *fixture, guint queue, const void *header, const guint8 *frame,
		       gsize size)
{
	const guint64 gpa = take_buffer(fixture, (guint32)(HEADER + size));
	const Buffer buffers[] = {
		{ gpa, (guint32)HEADER, FALSE },
		{ gpa + HEADER, (guint32)size, FALSE },
	};

	memcpy(made_up_address(gpa, HEADER), header, HEADER);
	memcpy(made_up_address(gpa + HEADER, size), frame, size);
	add(fixture, queue, buffers, size > 0 ? 2 : 1);
}

static void assert_sent(const Fixture *fixture, guint index, const guint8 *frame, gsize size)
{
	const GPtrArray *frames = fixture->card->network->frames;
	gsize sent;
	const guint8 *data;

	g_assert_cmpuint(frames->len, >, index);
	data = g_bytes_get_data(frames->pdata[index], &sent);
	g_assert_cmpmem(data + HEADER, sent - HEADER, frame, size);
}

/* Return: the answer. */
static guint8 command(Fixture *fixture, guint8 class, guint8 number, const void *data, gsize size)
{
	const guint64 gpa = take_buffer(fixture, (guint32)size + 3);
	const Buffer buffers[] = {
		{ gpa, (guint32)size + 2, FALSE },
		{ gpa + size + 2, 1, TRUE },
	};
	const guint queue = fixture->card->network->backend.queues > 1 ? CONTROL_2 : CONTROL_1;
	guint8 *bytes = made_up_address(gpa, size + 3);
	guint32 written;

	bytes[0] = class;
	bytes[1] = number;
	memcpy(bytes + 2, data, size);
	bytes[size + 2] = 0xff;
	add(fixture, queue, buffers, 2);
	kick(fixture, queue);
	g_assert_true(take_used(fixture, queue, &written));
	g_assert_cmpuint(written, ==, 1);
	return bytes[size + 2];
}

static gboolean receive(Fixture *fixture, const guint8 *frame, gsize size)
{
	const gboolean is_taken = made_up_frame(fixture->card, 0, no_header, frame, size);

	made_up_frames_end(fixture->card, 0);
	return is_taken;
}

/* Sending */

static void test_send(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint8 frames[5][200];
	guint32 written;

	for (guint i = 0; i < 5; i++) {
		make_frame(frames[i], sizeof(frames[i]), (guint8)i);
		send_frame(fixture, TX, no_header, frames[i], 100 + i);
	}
	kick(fixture, TX);
	for (guint i = 0; i < 5; i++) {
		assert_sent(fixture, i, frames[i], 100 + i);
		g_assert_true(take_used(fixture, TX, &written));
		g_assert_cmpuint(written, ==, 0);
	}
	g_assert_false(take_used(fixture, TX, &written));
	/* One interrupt for all. */
	g_assert_cmpuint(fixture->card->n_interrupts[TX], ==, 1);
}

/* No room: the guest has its chains back, and no more are taken until there is. */
static void test_send_no_room(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	NetBackend *backend = &fixture->card->network->backend;
	guint8 frame[64];
	guint32 written;

	fixture->card->network->room = 2;
	for (guint i = 0; i < 4; i++) {
		make_frame(frame, sizeof(frame), (guint8)i);
		send_frame(fixture, TX, no_header, frame, sizeof(frame));
	}
	kick(fixture, TX);
	for (guint i = 0; i < 4; i++)
		g_assert_true(take_used(fixture, TX, &written));
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 2);
	make_frame(frame, sizeof(frame), 4);
	send_frame(fixture, TX, no_header, frame, sizeof(frame));
	kick(fixture, TX);
	g_assert_false(take_used(fixture, TX, &written));
	fixture->card->network->room = G_MAXUINT;
	backend->client->writable(backend->opaque, 0);
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 5);
	for (guint i = 0; i < 5; i++) {
		make_frame(frame, sizeof(frame), (guint8)i);
		assert_sent(fixture, i, frame, sizeof(frame));
	}
}

/* More than one batch has room for: it goes on by itself, also where all have had their turn. */
static void test_send_large(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint32 size = HEADER + NET_FRAME_MAX;
	const Buffer buffer = { take_buffer(fixture, size), size, FALSE };

	for (guint i = 0; i < MADE_UP_QUEUE_SIZE; i++)
		add(fixture, TX, &buffer, 1);
	kick(fixture, TX);
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_assert_cmpuint(fixture->card->network->frames->len, ==, MADE_UP_QUEUE_SIZE);
	g_assert_cmpuint(fixture->card->n_broken, ==, 0);
}

/* No frames, for Ethernet: they are lost, and the device goes on. */
static void test_send_odd_sizes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint32 sizes[] = { HEADER, HEADER + 1, HEADER + NET_FRAME_MIN - 1,
				  HEADER + NET_FRAME_MAX + 1 };
	const guint64 gpa = take_buffer(fixture, HEADER + NET_FRAME_MAX + 1);
	guint32 written;

	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
		const Buffer buffer = { gpa, sizes[i], FALSE };

		add(fixture, TX, &buffer, 1);
	}
	kick(fixture, TX);
	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
		g_assert_true(take_used(fixture, TX, &written));
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 0);
	g_assert_cmpuint(fixture->card->n_broken, ==, 0);
}

static void assert_broken_by(Fixture *fixture, guint queue, const Buffer *buffers, guint count)
{
	add(fixture, queue, buffers, count);
	kick(fixture, queue);
	if (queue == RX) {
		guint8 frame[60];

		make_frame(frame, sizeof(frame), 0);
		(void)receive(fixture, frame, sizeof(frame));
	}
	g_assert_cmpuint(fixture->card->n_broken, ==, 1);
	/* It has had enough until the reset. */
	add(fixture, queue, buffers, count);
	kick(fixture, queue);
	g_assert_cmpuint(fixture->card->n_broken, ==, 1);
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 0);
	made_up_card_stop(fixture->card);
	made_up_card_start(fixture->card, FEATURES, FALSE);
	memset(fixture->next, 0, sizeof(fixture->next));
	memset(fixture->seen, 0, sizeof(fixture->seen));
	fixture->card->n_broken = 0;
}

static void test_broken(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint64 gpa = take_buffer(fixture, 64);
	const Buffer short_header[] = { { gpa, HEADER - 1, FALSE } };
	const Buffer nothing_out[] = { { gpa, 64, TRUE } };
	const Buffer no_ram[] = { { 0x10, 64, FALSE } };
	const Buffer nothing_in[] = { { gpa, 64, FALSE } };
	const Buffer in_no_ram[] = { { 0x10, 4096, TRUE } };
	const Buffer no_answer[] = { { gpa, 3, FALSE } };
	const Buffer no_command[] = { { gpa, 1, FALSE }, { gpa, 1, TRUE } };
	const Buffer answer_no_ram[] = { { gpa, 3, FALSE }, { 0x10, 1, TRUE } };
	const Buffer command_no_ram[] = { { 0x10, 3, FALSE }, { gpa, 1, TRUE } };

	assert_broken_by(fixture, TX, short_header, 1);
	assert_broken_by(fixture, TX, nothing_out, 1);
	assert_broken_by(fixture, TX, no_ram, 1);
	assert_broken_by(fixture, RX, nothing_in, 1);
	assert_broken_by(fixture, RX, in_no_ram, 1);
	assert_broken_by(fixture, CONTROL_1, no_answer, 1);
	assert_broken_by(fixture, CONTROL_1, no_command, 2);
	assert_broken_by(fixture, CONTROL_1, answer_no_ram, 2);
	assert_broken_by(fixture, CONTROL_1, command_no_ram, 2);
}

/* Headers that ask for what was not agreed on, or for what cannot be, lose their frame. */
static void test_headers(void)
{
	static const struct {
		guint64 features;
		struct virtio_net_hdr_v1 header;
		gboolean is_sent;
	} cases[] = {
		{ 0, { 0 }, TRUE },
		{ 0, { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34 }, FALSE },
		{ NET_FEATURE(CSUM),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16 },
		  TRUE },
		{ NET_FEATURE(CSUM),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 98, .csum_offset = 1 },
		  FALSE },
		{ NET_FEATURE(CSUM),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .csum_start = 0xffff,
		    .csum_offset = 0xffff },
		  FALSE },
		{ NET_FEATURE(CSUM),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		    .gso_size = 50,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  FALSE },
		{ NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		    .gso_size = 50,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  TRUE },
		{ NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		    .gso_size = 0,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  FALSE },
		{ NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4),
		  { .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 50 },
		  FALSE },
		{ NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
		    .gso_size = 50,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  FALSE },
		{ NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		    .hdr_len = 101,
		    .gso_size = 50,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  FALSE },
		{ NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4),
		  { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		    .gso_type = 0x7f,
		    .gso_size = 50,
		    .csum_start = 34,
		    .csum_offset = 16 },
		  FALSE },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		Fixture fixture;
		guint8 frame[100];

		start_with(&fixture, 1, NET_FEATURES_TSO, FEATURES | cases[i].features);
		make_frame(frame, sizeof(frame), 1);
		send_frame(&fixture, TX, &cases[i].header, frame, sizeof(frame));
		kick(&fixture, TX);
		g_assert_cmpuint(fixture.card->network->frames->len, ==, cases[i].is_sent ? 1 : 0);
		g_assert_cmpuint(fixture.card->n_broken, ==, 0);
		stop(&fixture, NULL);
	}
}

/* Receiving */

static void test_receive(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint64 gpa = add_receive(fixture, 2048);
	const struct virtio_net_hdr_v1 *header = made_up_address(gpa, HEADER);
	guint8 frame[1514];
	guint32 written;

	make_frame(frame, sizeof(frame), 9);
	kick(fixture, RX);
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_cmpuint(written, ==, HEADER + sizeof(frame));
	g_assert_cmpuint(header->num_buffers, ==, 1);
	g_assert_cmpmem(made_up_address(gpa + HEADER, sizeof(frame)), sizeof(frame), frame,
			sizeof(frame));
	g_assert_cmpuint(fixture->card->n_interrupts[RX], ==, 1);
}

/* A frame over many buffers, of odd sizes and cut in odd places, the header too. */
static void test_receive_merged(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint32 sizes[] = { 5, 5, 5, 100, 1, 1000, 2000 };
	const gsize total = 5 + 5 + 5 + 100 + 1 + 600;
	guint64 gpas[G_N_ELEMENTS(sizes)];
	guint8 frame[5 + 5 + 5 + 100 + 1 + 600 - NET_HEADER_SIZE];
	guint8 got[sizeof(frame) + NET_HEADER_SIZE];
	struct virtio_net_hdr_v1 header;
	guint32 written;
	gsize at = 0;

	make_frame(frame, sizeof(frame), 4);
	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
		gpas[i] = add_receive(fixture, sizes[i]);
	kick(fixture, RX);
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	for (gsize i = 0; at < total; i++) {
		g_assert_true(take_used(fixture, RX, &written));
		g_assert_cmpuint(written, ==, MIN(sizes[i], total - at));
		memcpy(got + at, made_up_address(gpas[i], written), written);
		at += written;
	}
	g_assert_false(take_used(fixture, RX, &written));
	memcpy(&header, got, sizeof(header));
	g_assert_cmpuint(header.num_buffers, ==, 6);
	g_assert_cmpmem(got + HEADER, total - HEADER, frame, sizeof(frame));
	/* The buffer that is left serves the next one. */
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_cmpuint(written, ==, total);
}

static void test_receive_no_buffers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint8 frame[100];
	guint32 written;

	make_frame(frame, sizeof(frame), 5);
	kick(fixture, RX);
	g_assert_false(receive(fixture, frame, sizeof(frame)));
	/* Not enough for the frame: that is no room either. */
	(void)add_receive(fixture, 50);
	kick(fixture, RX);
	g_assert_false(receive(fixture, frame, sizeof(frame)));
	(void)add_receive(fixture, 62);
	kick(fixture, RX);
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_true(take_used(fixture, RX, &written));
}

/* All that the queue can hold is too small for the frame: it is lost, smaller ones are not. */
static void test_receive_never_fits(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint8 large[1000], small[60];
	guint32 written;

	make_frame(large, sizeof(large), 6);
	make_frame(small, sizeof(small), 7);
	for (guint i = 0; i < MADE_UP_QUEUE_SIZE; i++)
		(void)add_receive(fixture, 40);
	kick(fixture, RX);
	g_assert_true(receive(fixture, large, sizeof(large)));
	g_assert_false(take_used(fixture, RX, &written));
	g_assert_true(receive(fixture, small, sizeof(small)));
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_cmpuint(written, ==, HEADER + sizeof(small) - 40);
}

static void test_receive_not_mergeable(void)
{
	guint8 large[100], small[60];
	Fixture fixture;
	guint32 written;

	start_with(&fixture, 1, 0, FEATURES & ~NET_FEATURE(MRG_RXBUF));
	make_frame(large, sizeof(large), 6);
	make_frame(small, sizeof(small), 7);
	(void)add_receive(&fixture, 80);
	kick(&fixture, RX);
	g_assert_true(receive(&fixture, large, sizeof(large)));
	g_assert_false(take_used(&fixture, RX, &written));
	g_assert_true(receive(&fixture, small, sizeof(small)));
	g_assert_true(take_used(&fixture, RX, &written));
	g_assert_cmpuint(written, ==, HEADER + sizeof(small));
	stop(&fixture, NULL);
}

/* A pause gives back what no frame came for; then all goes on. */
static void test_drain(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint8 frame[100];
	guint32 written;

	make_frame(frame, sizeof(frame), 8);
	(void)add_receive(fixture, 50);
	kick(fixture, RX);
	g_assert_false(receive(fixture, frame, sizeof(frame)));
	virtio_net_operations.drain(fixture->card->net);
	g_assert_false(fixture->card->network->is_wanted[0]);
	send_frame(fixture, TX, no_header, frame, sizeof(frame));
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 0);
	virtio_net_operations.resume(fixture->card->net);
	(void)add_receive(fixture, 100);
	for (guint i = 0; i < 3; i++)
		kick(fixture, i);
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 1);
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_cmpuint(written, ==, 50);
	g_assert_true(take_used(fixture, RX, &written));
	g_assert_cmpuint(written, ==, 62);
}

/* Control */

static gboolean is_accepted(Fixture *fixture, const guint8 *address, guint vlan)
{
	guint8 frame[60] = { 0 };
	guint32 written;

	memcpy(frame, address, NET_MAC_SIZE);
	if (vlan) {
		frame[12] = 0x81;
		frame[14] = (guint8)(vlan >> 8);
		frame[15] = (guint8)vlan;
	}
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	return take_used(fixture, RX, &written);
}

static void set_mode(Fixture *fixture, guint8 mode, guint8 value)
{
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_RX, mode, &value, 1), ==, VIRTIO_NET_OK);
}

static void test_filter(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 everybody[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const guint8 group[] = { 0x01, 0, 0x5e, 0, 0, 1 };
	static const guint8 other[] = { 0x52, 0x54, 0, 9, 9, 9 };
	static const guint8 new_mac[] = { 0x52, 0x54, 0, 7, 7, 7 };
	static const guint8 table[] = { 1, 0, 0, 0, 0x52, 0x54, 0,    9, 9, 9,
					1, 0, 0, 0, 0x01, 0,	0x5e, 0, 0, 1 };
	static const guint8 no_table[8] = { 0 };
	const guint16 vlan = GUINT16_TO_LE(100);

	for (guint i = 0; i < MADE_UP_QUEUE_SIZE; i++)
		(void)add_receive(fixture, 100);
	kick(fixture, RX);
	g_assert_true(is_accepted(fixture, other, 0));
	set_mode(fixture, VIRTIO_NET_CTRL_RX_PROMISC, 0);
	g_assert_false(is_accepted(fixture, other, 0));
	g_assert_false(is_accepted(fixture, group, 0));
	g_assert_true(is_accepted(fixture, made_up_mac, 0));
	g_assert_true(is_accepted(fixture, everybody, 0));
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, table,
				 sizeof(table)),
			 ==, VIRTIO_NET_OK);
	g_assert_true(is_accepted(fixture, other, 0));
	g_assert_true(is_accepted(fixture, group, 0));
	set_mode(fixture, VIRTIO_NET_CTRL_RX_NOMULTI, 1);
	g_assert_false(is_accepted(fixture, group, 0));
	set_mode(fixture, VIRTIO_NET_CTRL_RX_NOBCAST, 1);
	g_assert_false(is_accepted(fixture, everybody, 0));
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
				 no_table, sizeof(no_table)),
			 ==, VIRTIO_NET_OK);
	g_assert_false(is_accepted(fixture, other, 0));
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET,
				 new_mac, sizeof(new_mac)),
			 ==, VIRTIO_NET_OK);
	g_assert_true(is_accepted(fixture, new_mac, 0));
	g_assert_false(is_accepted(fixture, made_up_mac, 0));
	g_assert_false(is_accepted(fixture, new_mac, 100));
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, &vlan, 2),
			 ==, VIRTIO_NET_OK);
	g_assert_true(is_accepted(fixture, new_mac, 100));
	g_assert_false(is_accepted(fixture, new_mac, 101));
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, &vlan, 2),
			 ==, VIRTIO_NET_OK);
	g_assert_false(is_accepted(fixture, new_mac, 100));
	set_mode(fixture, VIRTIO_NET_CTRL_RX_ALLUNI, 1);
	g_assert_true(is_accepted(fixture, other, 0));
}

/* Commands that are none are answered so, and change nothing. */
static void test_bad_commands(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint8 class, number;
		gsize size;
		guint8 data[16];
	} cases[] = {
		{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 0, { 0 } },
		{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 2, { 0 } },
		{ VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST + 1, 1, { 0 } },
		{ VIRTIO_NET_CTRL_RX, 0xff, 1, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 5, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, 7, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, 2, 6, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 0, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 7, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 9, { 0 } },
		{ VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, 8, { 1 } },
		{ VIRTIO_NET_CTRL_MAC,
		  VIRTIO_NET_CTRL_MAC_TABLE_SET,
		  8,
		  { 0xff, 0xff, 0xff, 0xff } },
		{ VIRTIO_NET_CTRL_MAC,
		  VIRTIO_NET_CTRL_MAC_TABLE_SET,
		  8,
		  { 0, 0, 0, 0, 0xab, 0xaa, 0xaa, 0xaa } },
		{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 2, { 0, 0x10 } },
		{ VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 1, { 1 } },
		{ VIRTIO_NET_CTRL_VLAN, 2, 2, { 1 } },
		{ VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, 0, { 0 } },
		{ VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, { 1 } },
		{ VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 8, { 0 } },
		{ 0xff, 0, 4, { 0 } },
	};
	static const guint8 other[] = { 0x52, 0x54, 0, 9, 9, 9 };
	const gsize too_long = 8192;
	g_autofree guint8 *zeroes = g_malloc0(too_long);

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_cmpuint(command(fixture, cases[i].class, cases[i].number, cases[i].data,
					 cases[i].size),
				 ==, VIRTIO_NET_ERR);
	g_assert_cmpuint(command(fixture, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET,
				 zeroes, too_long),
			 ==, VIRTIO_NET_ERR);
	g_assert_cmpuint(fixture->card->n_broken, ==, 0);
	(void)add_receive(fixture, 100);
	kick(fixture, RX);
	g_assert_true(is_accepted(fixture, other, 0));
}

static guint16 read_status(const Fixture *fixture)
{
	guint16 status;

	virtio_net_operations.config_read(fixture->card->net,
					  G_STRUCT_OFFSET(struct virtio_net_config, status),
					  &status, sizeof(status));
	return GUINT16_FROM_LE(status);
}

static void test_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	NetBackend *backend = &fixture->card->network->backend;
	guint8 frame[60];
	guint32 written;

	make_frame(frame, sizeof(frame), 1);
	(void)add_receive(fixture, 100);
	kick(fixture, RX);
	g_assert_cmpuint(read_status(fixture), ==, VIRTIO_NET_S_LINK_UP);
	virtio_net_set_link(fixture->card->net, FALSE);
	virtio_net_set_link(fixture->card->net, FALSE);
	g_assert_cmpuint(fixture->card->n_changes, ==, 1);
	g_assert_cmpuint(read_status(fixture), ==, 0);
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	g_assert_false(take_used(fixture, RX, &written));
	send_frame(fixture, TX, no_header, frame, sizeof(frame));
	kick(fixture, TX);
	g_assert_true(take_used(fixture, TX, &written));
	g_assert_cmpuint(fixture->card->network->frames->len, ==, 0);

	virtio_net_set_link(fixture->card->net, TRUE);
	g_assert_cmpuint(read_status(fixture), ==, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	g_assert_cmpuint(
		command(fixture, VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK, "", 0), ==,
		VIRTIO_NET_OK);
	g_assert_cmpuint(read_status(fixture), ==, VIRTIO_NET_S_LINK_UP);
	g_assert_true(receive(fixture, frame, sizeof(frame)));
	g_assert_true(take_used(fixture, RX, &written));

	/* The host's side goes away while frames wait for room there. */
	fixture->card->network->room = 0;
	send_frame(fixture, TX, no_header, frame, sizeof(frame));
	kick(fixture, TX);
	send_frame(fixture, TX, no_header, frame, sizeof(frame));
	net_backend_lose(backend, "unplugged");
	while (g_main_context_iteration(NULL, FALSE))
		;
	g_assert_cmpuint(read_status(fixture), ==, 0);
	g_assert_true(take_used(fixture, TX, &written));
	g_assert_true(take_used(fixture, TX, &written));
}

static void test_config(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	struct virtio_net_config config;

	virtio_net_operations.config_read(fixture->card->net, 0, &config, VIRTIO_NET_CONFIG_SIZE);
	g_assert_cmpmem(config.mac, NET_MAC_SIZE, made_up_mac, NET_MAC_SIZE);
	g_assert_cmpuint(config.mtu, ==, 1500);
	g_assert_cmpuint(config.max_virtqueue_pairs, ==, 1);
	for (guint offset = 0; offset < VIRTIO_NET_CONFIG_SIZE; offset++) {
		guint8 byte;

		virtio_net_operations.config_read(fixture->card->net, offset, &byte, 1);
		g_assert_cmpuint(byte, ==, ((guint8 *)&config)[offset]);
	}
	g_assert_cmphex(virtio_net_operations.features(fixture->card->net) &
				(NET_FEATURE(CSUM) | NET_FEATURE(MQ)),
			==, 0);
	g_assert_cmphex(virtio_net_operations.features(fixture->card->net) & FEATURES, ==,
			FEATURES);
}

static void test_pairs(void)
{
	const guint16 two = GUINT16_TO_LE(2), none = 0, three = GUINT16_TO_LE(3);
	Fixture fixture;
	guint8 frame[60];
	guint32 written;

	start_with(&fixture, 2, 0, FEATURES | NET_FEATURE(MQ));
	make_frame(frame, sizeof(frame), 1);
	for (guint i = 0; i < 5; i++)
		kick(&fixture, i);
	g_assert_false(fixture.card->network->is_wanted[1]);
	send_frame(&fixture, TX_1, no_header, frame, sizeof(frame));
	kick(&fixture, TX_1);
	g_assert_cmpuint(fixture.card->network->frames->len, ==, 0);
	g_assert_cmpuint(
		command(&fixture, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &none, 2),
		==, VIRTIO_NET_ERR);
	g_assert_cmpuint(
		command(&fixture, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &three, 2),
		==, VIRTIO_NET_ERR);
	g_assert_cmpuint(
		command(&fixture, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &two, 2), ==,
		VIRTIO_NET_OK);
	g_assert_cmpuint(fixture.card->network->used_queues, ==, 2);
	g_assert_true(fixture.card->network->is_wanted[1]);
	g_assert_true(take_used(&fixture, TX_1, &written));
	g_assert_cmpuint(fixture.card->network->frames->len, ==, 1);
	stop(&fixture, NULL);

	/* Where they are not agreed on, control is behind the first pair. */
	start_with(&fixture, 2, 0, FEATURES);
	send_frame(&fixture, TX_1, no_header, frame, sizeof(frame));
	kick(&fixture, TX_1);
	g_assert_cmpuint(fixture.card->network->frames->len, ==, 0);
	stop(&fixture, NULL);
}

static void test_offloads(void)
{
	const guint64 some = GUINT64_TO_LE(NET_FEATURE(GUEST_CSUM) | NET_FEATURE(GUEST_TSO4));
	const guint64 segments = GUINT64_TO_LE(NET_FEATURE(GUEST_TSO4));
	const guint64 strange = GUINT64_TO_LE(NET_FEATURE(GUEST_CSUM) | NET_FEATURE(GUEST_UFO));
	const struct virtio_net_hdr_v1 header = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = 20,
		.csum_start = 34,
		.csum_offset = 16,
	};
	guint8 frame[100];
	Fixture fixture;
	guint32 written;
	guint64 gpa;

	make_frame(frame, sizeof(frame), 2);
	start_with(&fixture, 1, NET_FEATURES_TSO,
		   FEATURES | NET_FEATURES_TSO | NET_FEATURE(CTRL_GUEST_OFFLOADS));
	g_assert_true(fixture.card->network->set_offloads & NET_FEATURE(GUEST_TSO6));
	g_assert_cmpuint(command(&fixture, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				 VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &strange, 8),
			 ==, VIRTIO_NET_ERR);
	g_assert_cmpuint(command(&fixture, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				 VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &some, 8),
			 ==, VIRTIO_NET_OK);
	g_assert_cmphex(fixture.card->network->set_offloads, ==, GUINT64_FROM_LE(some));
	g_assert_cmpuint(command(&fixture, VIRTIO_NET_CTRL_GUEST_OFFLOADS,
				 VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, &segments, 8),
			 ==, VIRTIO_NET_OK);
	g_assert_cmphex(fixture.card->network->set_offloads, ==, 0);

	/* The network's header reaches the guest. */
	gpa = add_receive(&fixture, 200);
	kick(&fixture, RX);
	g_assert_true(made_up_frame(fixture.card, 0, &header, frame, sizeof(frame)));
	made_up_frames_end(fixture.card, 0);
	g_assert_true(take_used(&fixture, RX, &written));
	g_assert_cmpmem(made_up_address(gpa, 10), 10, &header, 10);
	stop(&fixture, NULL);

	/* A guest that cannot use it gets no such frame; one that was under way is lost. */
	start_with(&fixture, 1, NET_FEATURES_TSO, FEATURES | NET_FEATURE(GUEST_CSUM));
	(void)add_receive(&fixture, 200);
	kick(&fixture, RX);
	g_assert_true(made_up_frame(fixture.card, 0, &header, frame, sizeof(frame)));
	made_up_frames_end(fixture.card, 0);
	g_assert_false(take_used(&fixture, RX, &written));
	stop(&fixture, NULL);
}

static void add_test(const char *name, void (*function)(Fixture *, gconstpointer))
{
	g_autofree char *copied = g_strconcat(name, "/copied", NULL);

	g_test_add(name, Fixture, NULL, start, function, stop);
	g_test_add(copied, Fixture, NULL, start_copied, function, stop);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_test("/virtio-net/send", test_send);
	add_test("/virtio-net/send-no-room", test_send_no_room);
	add_test("/virtio-net/send-large", test_send_large);
	add_test("/virtio-net/send-odd-sizes", test_send_odd_sizes);
	add_test("/virtio-net/broken", test_broken);
	g_test_add_func("/virtio-net/headers", test_headers);
	add_test("/virtio-net/receive", test_receive);
	add_test("/virtio-net/receive-merged", test_receive_merged);
	add_test("/virtio-net/receive-no-buffers", test_receive_no_buffers);
	add_test("/virtio-net/receive-never-fits", test_receive_never_fits);
	g_test_add_func("/virtio-net/receive-not-mergeable", test_receive_not_mergeable);
	add_test("/virtio-net/drain", test_drain);
	add_test("/virtio-net/filter", test_filter);
	add_test("/virtio-net/bad-commands", test_bad_commands);
	add_test("/virtio-net/link", test_link);
	add_test("/virtio-net/config", test_config);
	g_test_add_func("/virtio-net/pairs", test_pairs);
	g_test_add_func("/virtio-net/offloads", test_offloads);
	return g_test_run();
}
