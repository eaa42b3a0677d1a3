/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* char-test.c - character backends: who waits for whom, who comes and goes */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/backend/char.h"

/* How long what has to come is waited for, and what is not to come is not. */
#define PATIENCE_MS 30000
#define QUIET_MS    100

#define LARGE	    (4u << 20)

typedef struct {
	GMainContext *context;
	CharBackend *backend;
	gsize room;
	GByteArray *received;
	guint n_writable;
	guint n_changed;
} Fixture;

static gsize on_room(void *opaque)
{
	return ((Fixture *)opaque)->room;
}

static void on_receive(void *opaque, const guint8 *data, gsize size)
{
	Fixture *fixture = opaque;

	g_assert_cmpuint(size, >, 0);
	g_assert_cmpuint(size, <=, fixture->room);
	fixture->room -= size;
	g_byte_array_append(fixture->received, data, (guint)size);
}

static void on_writable(void *opaque)
{
	((Fixture *)opaque)->n_writable++;
}

static void on_changed(void *opaque)
{
	((Fixture *)opaque)->n_changed++;
}

static const CharClient client = {
	.room = on_room,
	.receive = on_receive,
	.writable = on_writable,
	.changed = on_changed,
};

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->context = g_main_context_new();
	fixture->received = g_byte_array_new();
	fixture->room = G_MAXSIZE;
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	char_free(fixture->backend);
	g_byte_array_unref(fixture->received);
	g_main_context_unref(fixture->context);
}

/* Takes what was made of a descriptor. */
static void use(Fixture *fixture, CharBackend *backend, const GError *error)
{
	g_assert_no_error(error);
	fixture->backend = backend;
	char_attach(backend, fixture->context, NULL, &client, fixture);
}

static gboolean on_time(gpointer data)
{
	*(gboolean *)data = TRUE;
	return G_SOURCE_REMOVE;
}

/* Turns the context until @condition, or the patience is over. */
#define RUN_UNTIL(fixture, condition)                                       \
	do {                                                                \
		gboolean is_over = FALSE;                                   \
		GSource *timer = g_timeout_source_new(PATIENCE_MS);         \
		g_source_set_callback(timer, on_time, &is_over, NULL);      \
		g_source_attach(timer, (fixture)->context);                 \
		while (!(condition) && !is_over)                            \
			g_main_context_iteration((fixture)->context, TRUE); \
		g_source_destroy(timer);                                    \
		g_source_unref(timer);                                      \
		g_assert_true(condition);                                   \
	} while (0)

/* Return: how often something woke the context up in a while: nobody is to be busy with nothing. */
static guint run_quietly(Fixture *fixture)
{
	gboolean is_over = FALSE;
	GSource *timer = g_timeout_source_new(QUIET_MS);
	guint wakeups = 0;

	g_source_set_callback(timer, on_time, &is_over, NULL);
	g_source_attach(timer, fixture->context);
	while (!is_over)
		wakeups += g_main_context_iteration(fixture->context, TRUE);
	g_source_unref(timer);
	return wakeups;
}

static void make_pair(int ends[2])
{
	g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
}

/* Connected to each other; the backend has one end. */
static int use_pair(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	int ends[2];

	make_pair(ends);
	use(fixture, char_socket_new(ends[0], FALSE, &error), error);
	g_assert_true(char_is_open(fixture->backend));
	return ends[1];
}

static int make_listener(struct sockaddr_in *address)
{
	socklen_t size = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	g_assert_no_errno(bind(fd, (struct sockaddr *)address, sizeof(*address)));
	g_assert_no_errno(listen(fd, 4));
	g_assert_no_errno(getsockname(fd, (struct sockaddr *)address, &size));
	return fd;
}

static int connect_to(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_no_errno(connect(fd, (const struct sockaddr *)address, sizeof(*address)));
	return fd;
}

static void assert_received(const Fixture *fixture, const char *text)
{
	g_assert_cmpmem(fixture->received->data, fixture->received->len, text, strlen(text));
}

static void assert_peer_reads(int peer, const char *text)
{
	char data[64];

	g_assert_cmpint(read(peer, data, sizeof(data)), ==, (gssize)strlen(text));
	g_assert_cmpmem(data, strlen(text), text, strlen(text));
}

static gsize send_text(const Fixture *fixture, const char *text)
{
	return char_send(fixture->backend, (const guint8 *)text, strlen(text));
}

static void test_socket_both_ways(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int peer = use_pair(fixture);

	g_assert_cmpint(write(peer, "abc", 3), ==, 3);
	run_quietly(fixture);
	assert_received(fixture, "");
	char_accept_input(fixture->backend);
	RUN_UNTIL(fixture, fixture->received->len == 3);
	assert_received(fixture, "abc");
	g_assert_cmpuint(send_text(fixture, "xyz"), ==, 3);
	assert_peer_reads(peer, "xyz");
	close(peer);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
	g_assert_cmpuint(fixture->n_changed, ==, 1);
	g_assert_cmpint(char_end_of_output(fixture->backend), !=, 0);
	g_assert_cmpuint(send_text(fixture, "lost"), ==, 4);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
}

/* What finds no room waits in the kernel, and its peer with it. */
static void test_socket_whose_client_is_slow(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *bytes = g_malloc0(LARGE);
	int peer = use_pair(fixture);

	g_assert_no_errno(fcntl(peer, F_SETFL, O_NONBLOCK));
	fixture->room = 10;
	char_accept_input(fixture->backend);
	g_assert_cmpint(write(peer, bytes, LARGE), <, LARGE);
	RUN_UNTIL(fixture, fixture->received->len == 10);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	g_assert_cmpuint(fixture->received->len, ==, 10);
	fixture->room = 5;
	char_accept_input(fixture->backend);
	RUN_UNTIL(fixture, fixture->received->len == 15);
	close(peer);
}

/* Who has sent and gone is heard to the end, by a client that takes it in its own time. */
static void test_peer_that_has_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int peer = use_pair(fixture);

	fixture->room = 2;
	char_accept_input(fixture->backend);
	g_assert_cmpint(write(peer, "abcdef", 6), ==, 6);
	RUN_UNTIL(fixture, fixture->received->len == 2);
	close(peer);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	g_assert_true(char_is_open(fixture->backend));
	g_assert_cmpuint(send_text(fixture, "nobody"), ==, 6);
	fixture->room = G_MAXSIZE;
	char_accept_input(fixture->backend);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
	assert_received(fixture, "abcdef");
}

/* That nothing is left is no matter of room, by TCP, where only one half is closed, either. */
static void test_peer_that_has_left_nothing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	struct sockaddr_in address;
	int peer;

	use(fixture, char_socket_new(make_listener(&address), TRUE, &error), error);
	fixture->room = 1;
	char_accept_input(fixture->backend);
	peer = connect_to(&address);
	g_assert_cmpint(write(peer, "a", 1), ==, 1);
	RUN_UNTIL(fixture, fixture->received->len == 1);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	close(peer);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
}

/* But a client that wants nothing does not keep it. */
static void test_peer_that_nobody_hears(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int peer = use_pair(fixture);

	g_assert_cmpint(write(peer, "abc", 3), ==, 3);
	close(peer);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
	assert_received(fixture, "");
}

static void test_socket_whose_peer_is_slow(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree guint8 *bytes = g_malloc0(LARGE);
	g_autofree guint8 *got = g_malloc(LARGE);
	int peer = use_pair(fixture);
	gsize sent = char_send(fixture->backend, bytes, LARGE);

	g_assert_cmpuint(sent, >, 0);
	g_assert_cmpuint(sent, <, LARGE);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	g_assert_cmpuint(fixture->n_writable, ==, 0);
	g_assert_no_errno(fcntl(peer, F_SETFL, O_NONBLOCK));
	while (read(peer, got, LARGE) > 0)
		;
	RUN_UNTIL(fixture, fixture->n_writable == 1);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	g_assert_cmpuint(fixture->n_writable, ==, 1);
	g_assert_cmpuint(send_text(fixture, "x"), ==, 1);

	/* One who waits is told that nobody will read it any more. */
	while (char_send(fixture->backend, bytes, LARGE) == LARGE)
		;
	close(peer);
	RUN_UNTIL(fixture, fixture->n_writable == 2);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
	g_assert_cmpuint(char_send(fixture->backend, bytes, LARGE), ==, LARGE);
}

static void test_server_has_one_client_after_the_other(Fixture *fixture,
						       gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	struct sockaddr_in address;
	int first, second;

	use(fixture, char_socket_new(make_listener(&address), TRUE, &error), error);
	g_assert_false(char_is_open(fixture->backend));
	g_assert_cmpuint(send_text(fixture, "nobody"), ==, 6);
	char_accept_input(fixture->backend);

	first = connect_to(&address);
	second = connect_to(&address);
	g_assert_cmpint(write(second, "second", 6), ==, 6);
	RUN_UNTIL(fixture, char_is_open(fixture->backend));
	g_assert_cmpuint(send_text(fixture, "one"), ==, 3);
	assert_peer_reads(first, "one");
	g_assert_cmpint(write(first, "first ", 6), ==, 6);
	RUN_UNTIL(fixture, fixture->received->len == 6);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	assert_received(fixture, "first ");

	close(first);
	RUN_UNTIL(fixture, fixture->received->len == 12);
	assert_received(fixture, "first second");
	g_assert_cmpuint(fixture->n_changed, ==, 3);
	g_assert_cmpint(char_end_of_output(fixture->backend), ==, 0);
	g_assert_cmpuint(send_text(fixture, "two"), ==, 3);
	assert_peer_reads(second, "two");
	close(second);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
	g_assert_cmpuint(run_quietly(fixture), <, 5);
}

static void assert_refused(int fd, gboolean is_server)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(char_socket_new(fd, is_server, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

static void test_what_is_no_such_socket(void)
{
	struct sockaddr_in address;
	int ends[2];

	make_pair(ends);
	assert_refused(ends[0], TRUE);
	assert_refused(make_listener(&address), FALSE);
	assert_refused(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), FALSE);
	assert_refused(open("/dev/null", O_RDWR | O_CLOEXEC), FALSE);
	close(ends[1]);
}

static int open_slave(int master)
{
	char name[64];
	int slave;

	g_assert_cmpint(ptsname_r(master, name, sizeof(name)), ==, 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	g_assert_cmpint(slave, >=, 0);
	return slave;
}

/* Raw, as the driver makes one, and nobody has it open. */
static int open_master(void)
{
	struct termios terminal;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave;

	g_assert_no_errno(grantpt(master));
	g_assert_no_errno(unlockpt(master));
	slave = open_slave(master);
	g_assert_no_errno(tcgetattr(slave, &terminal));
	cfmakeraw(&terminal);
	g_assert_no_errno(tcsetattr(slave, TCSANOW, &terminal));
	close(slave);
	return master;
}

static void test_terminal_that_is_opened_and_closed(Fixture *fixture,
						    gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	int master = open_master();
	int slave;

	use(fixture, char_fd_new(master, master, &error), error);
	g_assert_false(char_is_open(fixture->backend));
	/* Kept by the terminal for who comes. */
	g_assert_cmpuint(send_text(fixture, "early"), ==, 5);
	g_assert_cmpuint(run_quietly(fixture), <, 5);

	slave = open_slave(master);
	RUN_UNTIL(fixture, char_is_open(fixture->backend));
	assert_peer_reads(slave, "early");
	g_assert_cmpint(write(slave, "abc", 3), ==, 3);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	assert_received(fixture, "");
	char_accept_input(fixture->backend);
	RUN_UNTIL(fixture, fixture->received->len == 3);

	/* That it is closed is seen by who does not read, too. */
	char_refuse_input(fixture->backend);
	close(slave);
	RUN_UNTIL(fixture, !char_is_open(fixture->backend));
	slave = open_slave(master);
	RUN_UNTIL(fixture, char_is_open(fixture->backend));
	close(slave);
}

static void test_pipes_that_end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	int in[2], out[2];

	g_assert_true(g_unix_open_pipe(in, FD_CLOEXEC, NULL));
	g_assert_true(g_unix_open_pipe(out, FD_CLOEXEC, NULL));
	use(fixture, char_fd_new(out[1], in[0], &error), error);
	char_accept_input(fixture->backend);
	g_assert_cmpint(write(in[1], "abc", 3), ==, 3);
	close(in[1]);
	RUN_UNTIL(fixture, fixture->received->len == 3);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	g_assert_true(char_is_open(fixture->backend));
	g_assert_cmpuint(send_text(fixture, "out"), ==, 3);
	assert_peer_reads(out[0], "out");
	close(out[0]);
	g_assert_cmpuint(send_text(fixture, "lost"), ==, 4);
	g_assert_cmpint(char_end_of_output(fixture->backend), ==, EPIPE);
	g_assert_false(char_is_open(fixture->backend));
	g_assert_cmpuint(run_quietly(fixture), <, 5);
}

static void test_null(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	use(fixture, char_null_new(), NULL);
	char_accept_input(fixture->backend);
	g_assert_true(char_is_open(fixture->backend));
	g_assert_cmpuint(send_text(fixture, "abc"), ==, 3);
	g_assert_cmpuint(run_quietly(fixture), <, 5);
	char_refuse_input(fixture->backend);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	g_test_init(&argc, &argv, NULL);
	add("/char/socket/both-ways", test_socket_both_ways);
	add("/char/socket/slow-client", test_socket_whose_client_is_slow);
	add("/char/socket/slow-peer", test_socket_whose_peer_is_slow);
	add("/char/socket/peer-has-gone", test_peer_that_has_gone);
	add("/char/socket/peer-has-left-nothing", test_peer_that_has_left_nothing);
	add("/char/socket/peer-that-nobody-hears", test_peer_that_nobody_hears);
	add("/char/socket/server", test_server_has_one_client_after_the_other);
	g_test_add_func("/char/socket/refused", test_what_is_no_such_socket);
	add("/char/fd/terminal", test_terminal_that_is_opened_and_closed);
	add("/char/fd/pipes", test_pipes_that_end);
	add("/char/null", test_null);

	return g_test_run();
}
