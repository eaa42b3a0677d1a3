/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-backend-test.c - network backends: a stream with a peer that is well or ill behaved, and, for
 * root, a tap device in a network namespace of its own
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <linux/if.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support.h"
#include "vmm/backend/net-features.h"
#include "vmm/backend/net.h"

typedef struct {
	GMainContext *context;
	NetBackend *backend;
	int peer;
	GPtrArray *frames; /* GBytes, that came */
	guint room;	   /* for so many more */
	guint n_batches;   /* ends of what came at once */
	guint n_writable;  /* said to be */
	guint n_link_down; /* said to be */
} Fixture;

static gboolean on_receive(void *opaque, guint queue, const void *header, const void *frame,
			   gsize size)
{
	static const guint8 zeroes[NET_HEADER_SIZE];
	Fixture *fixture = opaque;

	g_assert_cmpuint(queue, ==, 0);
	g_assert_cmpmem(header, NET_HEADER_SIZE, zeroes, NET_HEADER_SIZE);
	if (fixture->room == 0)
		return FALSE;
	fixture->room--;
	g_ptr_array_add(fixture->frames, g_bytes_new(frame, size));
	return TRUE;
}

static void on_received(void *opaque, guint queue)
{
	(void)queue;
	((Fixture *)opaque)->n_batches++;
}

static void on_writable(void *opaque, guint queue)
{
	(void)queue;
	((Fixture *)opaque)->n_writable++;
}

static void on_link_down(void *opaque)
{
	((Fixture *)opaque)->n_link_down++;
}

static const NetClient client = {
	.receive = on_receive,
	.received = on_received,
	.writable = on_writable,
	.link_down = on_link_down,
};

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	int ends[2];

	g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fixture->context = g_main_context_new();
	fixture->frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	fixture->room = G_MAXUINT;
	fixture->peer = ends[1];
	fixture->backend = net_stream_new(ends[0], "net0", &error);
	g_assert_no_error(error);
	net_attach(fixture->backend, fixture->context, &client, fixture);
	net_receive(fixture->backend, 0, TRUE);
}

static void stop(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	net_free(fixture->backend);
	if (fixture->peer >= 0)
		close(fixture->peer);
	g_ptr_array_unref(fixture->frames);
	g_main_context_unref(fixture->context);
}

/* All that there is to be done now. */
static void run(Fixture *fixture)
{
	while (g_main_context_iteration(fixture->context, FALSE))
		;
}

static void write_all(int fd, const void *data, gsize size)
{
	while (size > 0) {
		const gssize n = write(fd, data, size);

		g_assert_cmpint(n, >, 0);
		data = (const guint8 *)data + n;
		size -= (gsize)n;
	}
}

static void read_all(int fd, void *data, gsize size)
{
	while (size > 0) {
		const gssize n = read(fd, data, size);

		g_assert_cmpint(n, >, 0);
		data = (guint8 *)data + n;
		size -= (gsize)n;
	}
}

/* A frame with its length in front, of bytes that tell it from others; for g_free(). */
static guint8 *make_frame(gsize size, guint8 seed)
{
	guint8 *frame = g_malloc(4 + size);
	const guint32 length = GUINT32_TO_BE((guint32)size);

	memcpy(frame, &length, 4);
	for (gsize i = 0; i < size; i++)
		frame[4 + i] = (guint8)(seed + i * 7);
	return frame;
}

static void assert_frame(const Fixture *fixture, guint index, gsize size, guint8 seed)
{
	g_autofree guint8 *expected = make_frame(size, seed);
	GBytes *frame;

	g_assert_cmpuint(fixture->frames->len, >, index);
	frame = fixture->frames->pdata[index];
	g_assert_cmpmem(g_bytes_get_data(frame, NULL), g_bytes_get_size(frame), expected + 4, size);
}

static void test_receive(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *small = make_frame(NET_FRAME_MIN, 1);
	g_autofree guint8 *large = make_frame(NET_FRAME_MAX, 2);

	write_all(fixture->peer, small, 4 + NET_FRAME_MIN);
	write_all(fixture->peer, large, 4 + NET_FRAME_MAX);
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 2);
	assert_frame(fixture, 0, NET_FRAME_MIN, 1);
	assert_frame(fixture, 1, NET_FRAME_MAX, 2);
	g_assert_cmpuint(fixture->n_link_down, ==, 0);
}

static void test_pieces(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *frame = make_frame(60, 3);

	for (guint round = 0; round < 3; round++)
		for (guint i = 0; i < 64; i++) {
			g_assert_cmpuint(fixture->frames->len, ==, round);
			write_all(fixture->peer, frame + i, 1);
			run(fixture);
		}
	g_assert_cmpuint(fixture->frames->len, ==, 3);
	assert_frame(fixture, 2, 60, 3);
}

/* More than the buffer has room for, in one go. */
static void test_many(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint n = 0;

	for (guint round = 0; round < 50; round++) {
		for (guint i = 0; i < 20; i++, n++) {
			g_autofree guint8 *frame = make_frame(1514, (guint8)n);

			write_all(fixture->peer, frame, 4 + 1514);
		}
		run(fixture);
	}
	g_assert_cmpuint(fixture->frames->len, ==, n);
	for (guint i = 0; i < n; i++)
		assert_frame(fixture, i, 1514, (guint8)i);
	g_assert_cmpuint(fixture->n_batches, <, n);
}

static void test_no_room(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < 10; i++) {
		g_autofree guint8 *frame = make_frame(100, (guint8)i);

		write_all(fixture->peer, frame, 104);
	}
	fixture->room = 3;
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 3);
	fixture->room = 2;
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 3);
	net_receive(fixture->backend, 0, TRUE);
	g_assert_cmpuint(fixture->frames->len, ==, 5);
	fixture->room = G_MAXUINT;
	net_receive(fixture->backend, 0, TRUE);
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 10);
	for (guint i = 0; i < 10; i++)
		assert_frame(fixture, i, 100, (guint8)i);
}

static void test_not_wanted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *frame = make_frame(100, 5);

	net_receive(fixture->backend, 0, FALSE);
	write_all(fixture->peer, frame, 104);
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 0);
	net_receive(fixture->backend, 0, TRUE);
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 1);
}

static void test_runt(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *runt = make_frame(NET_FRAME_MIN - 1, 6);
	g_autofree guint8 *frame = make_frame(NET_FRAME_MIN, 7);

	write_all(fixture->peer, runt, 4 + NET_FRAME_MIN - 1);
	write_all(fixture->peer, frame, 4 + NET_FRAME_MIN);
	run(fixture);
	g_assert_cmpuint(fixture->frames->len, ==, 1);
	assert_frame(fixture, 0, NET_FRAME_MIN, 7);
}

static void assert_lost(Fixture *fixture)
{
	guint8 frame[NET_HEADER_SIZE + 60] = { 0 };

	g_assert_cmpuint(fixture->n_link_down, ==, 1);
	g_assert_false(net_is_up(fixture->backend));
	/* What comes then does no harm. */
	g_assert_true(net_send(fixture->backend, 0, frame, 60));
	net_flush(fixture->backend, 0);
	net_receive(fixture->backend, 0, TRUE);
	net_set_offloads(fixture->backend, 0);
	run(fixture);
	g_assert_cmpuint(fixture->n_link_down, ==, 1);
}

static void test_bad_length(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint32 lengths[] = { 0, NET_FRAME_MAX + 1, 0x7fffffff, 0x80000000, G_MAXUINT32 };

	for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
		const guint32 length = GUINT32_TO_BE(lengths[i]);

		write_all(fixture->peer, &length, 4);
		run(fixture);
		assert_lost(fixture);
		g_assert_cmpuint(fixture->frames->len, ==, 0);
		stop(fixture, NULL);
		*fixture = (Fixture){ 0 };
		start(fixture, NULL);
	}
}

static void test_peer_ends(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *frame = make_frame(100, 8);

	write_all(fixture->peer, frame, 104);
	write_all(fixture->peer, frame, 50);
	close(fixture->peer);
	fixture->peer = -1;
	run(fixture);
	/* What came whole counts. */
	g_assert_cmpuint(fixture->frames->len, ==, 1);
	assert_lost(fixture);
}

/* Seen, too, while nothing is read and nothing written. */
static void test_peer_ends_unwanted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	net_receive(fixture->backend, 0, FALSE);
	close(fixture->peer);
	fixture->peer = -1;
	run(fixture);
	assert_lost(fixture);
}

static void test_peer_ends_at_send(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint8 frame[NET_HEADER_SIZE + 60] = { 0 };

	close(fixture->peer);
	fixture->peer = -1;
	g_assert_true(net_send(fixture->backend, 0, frame, 60));
	net_flush(fixture->backend, 0);
	assert_lost(fixture);
}

static void test_send(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *frame = g_malloc0(NET_HEADER_SIZE + NET_FRAME_MAX);
	g_autofree guint8 *expected = make_frame(NET_FRAME_MAX, 9);
	g_autofree guint8 *got = g_malloc(4 + NET_FRAME_MAX);

	memset(frame, 0xff, NET_HEADER_SIZE);
	memcpy(frame + NET_HEADER_SIZE, expected + 4, NET_FRAME_MAX);
	g_assert_true(net_send(fixture->backend, 0, frame, NET_FRAME_MAX));
	net_flush(fixture->backend, 0);
	read_all(fixture->peer, got, 4 + NET_FRAME_MAX);
	g_assert_cmpmem(got, 4 + NET_FRAME_MAX, expected, 4 + NET_FRAME_MAX);
}

/* A peer that does not read: all that was taken arrives, in order, once it does. */
static void test_send_full(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const gsize size = 1514;
	guint n_sent = 0, n_refused = 0, n_read = 0;

	while (n_sent < 2000 || n_read < n_sent) {
		while (n_sent < 2000 && n_refused == fixture->n_writable) {
			g_autofree guint8 *frame = make_frame(size, (guint8)n_sent);
			g_autofree guint8 *whole = g_malloc0(NET_HEADER_SIZE + size);

			memcpy(whole + NET_HEADER_SIZE, frame + 4, size);
			if (net_send(fixture->backend, 0, whole, size))
				n_sent++;
			else
				n_refused++;
		}
		net_flush(fixture->backend, 0);
		if (n_read < n_sent) {
			g_autofree guint8 *expected = make_frame(size, (guint8)n_read);
			g_autofree guint8 *got = g_malloc(4 + size);

			read_all(fixture->peer, got, 4 + size);
			g_assert_cmpmem(got, 4 + size, expected, 4 + size);
			n_read++;
		}
		run(fixture);
	}
	g_assert_cmpuint(n_refused, >, 0);
	g_assert_cmpuint(n_refused, ==, fixture->n_writable);
}

static void test_no_stream(void)
{
	g_autoptr(GError) error = NULL;
	int ends[2];

	g_assert_no_errno(pipe2(ends, O_CLOEXEC));
	g_assert_null(net_stream_new(ends[0], "net0", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
	/* Taken over. */
	g_assert_cmpint(fcntl(ends[0], F_GETFD), ==, -1);
	g_clear_error(&error);
	g_assert_null(net_tap_new(&ends[1], 1, "net0", &error));
	g_assert_nonnull(error);
	g_assert_cmpint(fcntl(ends[1], F_GETFD), ==, -1);
}

/*
 * Tap.
 */

typedef struct {
	GMainContext *context;
	NetBackend *backend;
	int raw; /* sees and sends what goes through the interface */
	int index;
	guint n_came, n_link_down;
	guint8 last[2048];
	gsize last_size;
} TapFixture;

static gboolean on_tap_receive(void *opaque, guint queue, const void *header, const void *frame,
			       gsize size)
{
	TapFixture *fixture = opaque;

	(void)queue;
	(void)header;
	/* What the host's own stack says by itself is none of the test's. */
	if (size < 14 || ((const guint8 *)frame)[12] != 0x88 || size > sizeof(fixture->last))
		return TRUE;
	fixture->n_came++;
	fixture->last_size = size;
	memcpy(fixture->last, frame, size);
	return TRUE;
}

static void on_tap_received(void *opaque, guint queue)
{
	(void)opaque;
	(void)queue;
}

static void on_tap_link_down(void *opaque)
{
	((TapFixture *)opaque)->n_link_down++;
}

static const NetClient tap_client = {
	.receive = on_tap_receive,
	.received = on_tap_received,
	.link_down = on_tap_link_down,
};

static gboolean enter_namespace(void)
{
	g_autofree char *ip = g_find_program_in_path("ip");

	if (ip && access("/dev/net/tun", R_OK | W_OK) == 0 && unshare(CLONE_NEWNET) == 0)
		return TRUE;
	g_test_skip("needs ip(8), tap devices and the right to make a network namespace");
	return FALSE;
}

static int open_tap(const char *name)
{
	const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	g_assert_cmpint(fd, >=, 0);
	g_strlcpy(request.ifr_name, name, IFNAMSIZ);
	g_assert_no_errno(ioctl(fd, TUNSETIFF, &request));
	return fd;
}

static void set_flags(int socket, const char *name, short flags)
{
	struct ifreq request = { .ifr_flags = flags };

	g_strlcpy(request.ifr_name, name, IFNAMSIZ);
	g_assert_no_errno(ioctl(socket, SIOCSIFFLAGS, &request));
}

static void tap_run(TapFixture *fixture)
{
	while (g_main_context_iteration(fixture->context, FALSE))
		;
}

static void set_up_tap(TapFixture *fixture)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5) };
	struct ifreq request = { 0 };
	g_autoptr(GError) error = NULL;
	const int fd = open_tap("gmemtest0");

	fixture->raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x88b5));
	g_assert_cmpint(fixture->raw, >=, 0);
	g_strlcpy(request.ifr_name, "gmemtest0", IFNAMSIZ);
	g_assert_no_errno(ioctl(fixture->raw, SIOCGIFINDEX, &request));
	address.sll_ifindex = request.ifr_ifindex;
	set_flags(fixture->raw, "gmemtest0", IFF_UP);
	g_assert_no_errno(bind(fixture->raw, (const struct sockaddr *)&address, sizeof(address)));
	fixture->backend = net_tap_new(&fd, 1, "net0", &error);
	g_assert_no_error(error);
	fixture->context = g_main_context_new();
	net_attach(fixture->backend, fixture->context, &tap_client, fixture);
	net_receive(fixture->backend, 0, TRUE);
}

static void test_tap(void)
{
	guint8 frame[NET_HEADER_SIZE + 60] = { 0 }, got[256];
	TapFixture fixture = { 0 };

	if (!enter_namespace())
		return;
	set_up_tap(&fixture);
	g_assert_cmphex(net_offloads(fixture.backend) & NET_FEATURES_TSO, ==, NET_FEATURES_TSO);
	net_set_offloads(fixture.backend, net_offloads(fixture.backend));
	net_set_offloads(fixture.backend, 0);

	/* From the guest to the host. */
	memset(frame + NET_HEADER_SIZE, 0x02, 12);
	frame[NET_HEADER_SIZE + 12] = 0x88;
	frame[NET_HEADER_SIZE + 13] = 0xb5;
	g_assert_true(net_send(fixture.backend, 0, frame, 60));
	net_flush(fixture.backend, 0);
	g_assert_cmpint(read(fixture.raw, got, sizeof(got)), ==, 60);
	g_assert_cmpmem(got, 60, frame + NET_HEADER_SIZE, 60);

	/* A header that lies: the kernel has none of it, and the link goes on. */
	frame[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	frame[6] = 0xff;
	frame[7] = 0xff;
	g_assert_true(net_send(fixture.backend, 0, frame, 60));
	g_assert_true(net_is_up(fixture.backend));
	memset(frame, 0, NET_HEADER_SIZE);

	/* From the host to the guest. */
	g_assert_cmpint(write(fixture.raw, frame + NET_HEADER_SIZE, 60), ==, 60);
	while (fixture.n_came == 0)
		g_main_context_iteration(fixture.context, TRUE);
	g_assert_cmpmem(fixture.last, fixture.last_size, frame + NET_HEADER_SIZE, 60);

	/* While the interface is down frames are lost, and the link is there. */
	set_flags(fixture.raw, "gmemtest0", 0);
	g_assert_true(net_send(fixture.backend, 0, frame, 60));
	tap_run(&fixture);
	g_assert_true(net_is_up(fixture.backend));
	net_free(fixture.backend);
	close(fixture.raw);
	g_main_context_unref(fixture.context);
}

static void remove_interface(const char *name)
{
	g_autofree char *command = g_strdup_printf("ip link delete %s", name);

	g_assert_cmpint(system(command), ==, 0);
}

static void test_tap_removed(void)
{
	TapFixture fixture = { 0 };

	if (!enter_namespace())
		return;
	set_up_tap(&fixture);
	remove_interface("gmemtest0");
	while (fixture.n_link_down == 0)
		g_main_context_iteration(fixture.context, TRUE);
	g_assert_false(net_is_up(fixture.backend));
	tap_run(&fixture);
	g_assert_cmpuint(fixture.n_link_down, ==, 1);
	net_free(fixture.backend);
	close(fixture.raw);
	g_main_context_unref(fixture.context);
}

/* Nothing stays open. */
static void test_descriptors(void)
{
	Fixture fixture = { 0 };
	guint before;

	start(&fixture, NULL);
	stop(&fixture, NULL);
	before = count_fds();
	fixture = (Fixture){ 0 };
	start(&fixture, NULL);
	stop(&fixture, NULL);
	g_assert_cmpuint(count_fds(), ==, before);
}

static void add(const char *name, void (*function)(Fixture *, gconstpointer))
{
	g_test_add(name, Fixture, NULL, start, function, stop);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	signal(SIGPIPE, SIG_IGN);
	add("/net-stream/receive", test_receive);
	add("/net-stream/pieces", test_pieces);
	add("/net-stream/many", test_many);
	add("/net-stream/no-room", test_no_room);
	add("/net-stream/not-wanted", test_not_wanted);
	add("/net-stream/runt", test_runt);
	add("/net-stream/bad-length", test_bad_length);
	add("/net-stream/peer-ends", test_peer_ends);
	add("/net-stream/peer-ends-unwanted", test_peer_ends_unwanted);
	add("/net-stream/peer-ends-at-send", test_peer_ends_at_send);
	add("/net-stream/send", test_send);
	add("/net-stream/send-full", test_send_full);
	g_test_add_func("/net-stream/no-stream", test_no_stream);
	g_test_add_func("/net-stream/descriptors", test_descriptors);
	g_test_add_func("/net-tap/frames", test_tap);
	g_test_add_func("/net-tap/removed", test_tap_removed);
	return g_test_run();
}
