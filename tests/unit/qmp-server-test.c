/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp-server-test.c - events for a client that reads, and for one that does not */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/monitor/qmp-server.h"

static gboolean take(JsonObject *arguments G_GNUC_UNUSED, gpointer opaque,
		     JsonNode **result G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	QmpServer **server = opaque;

	*result = json_node_init_int(json_node_alloc(), qmp_server_take_descriptor(*server));
	return TRUE;
}

static const QmpCommand commands[] = {
	{ "take", .handler = take },
	{ "anything", .handler = take, .takes_anything = TRUE },
	{ NULL },
};

static const QmpCommand more_commands[] = {
	{ "more", .handler = take },
	{ NULL },
};

static const QmpCommand *const tables[] = { commands, more_commands, NULL };

typedef struct {
	QmpServer *server;
	GSocket *client;
	GString *received;
} Bench;

static GSocket *adopt(int fd)
{
	g_autoptr(GError) error = NULL;
	GSocket *socket = g_socket_new_from_fd(fd, &error);

	g_assert_no_error(error);
	g_socket_set_blocking(socket, FALSE);
	return socket;
}

/* A listening socket without a name in any folder, and a client that is connected to it. */
static void connect_pair(GSocket **listener, GSocket **client)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(address.sun_family);
	int fds[] = { socket(AF_UNIX, SOCK_STREAM, 0), socket(AF_UNIX, SOCK_STREAM, 0) };

	/* The kernel chooses an abstract name. */
	g_assert_cmpint(bind(fds[0], (struct sockaddr *)&address, length), ==, 0);
	g_assert_cmpint(listen(fds[0], 1), ==, 0);
	length = sizeof(address);
	g_assert_cmpint(getsockname(fds[0], (struct sockaddr *)&address, &length), ==, 0);
	g_assert_cmpint(connect(fds[1], (struct sockaddr *)&address, length), ==, 0);
	*listener = adopt(fds[0]);
	*client = adopt(fds[1]);
}

/* Lets the server run, and takes what it has sent, until some text has come. */
static void read_until(Bench *bench, const char *text)
{
	while (!strstr(bench->received->str, text)) {
		char chunk[4096];
		gssize n = g_socket_receive(bench->client, chunk, sizeof(chunk), NULL, NULL);

		g_assert_cmpint(n, !=, 0);
		if (n > 0)
			g_string_append_len(bench->received, chunk, n);
		g_main_context_iteration(NULL, FALSE);
	}
}

static void bench_start(Bench *bench)
{
	const char *negotiate = "{\"execute\": \"qmp_capabilities\"}\n";
	g_autoptr(GSocket) listener = NULL;

	connect_pair(&listener, &bench->client);
	bench->received = g_string_new(NULL);
	bench->server = qmp_server_new(listener, tables, &bench->server);
	read_until(bench, "QMP");
	g_assert_cmpint(g_socket_send(bench->client, negotiate, strlen(negotiate), NULL, NULL), ==,
			(gssize)strlen(negotiate));
	read_until(bench, "return");
	g_string_truncate(bench->received, 0);
}

static void bench_end(Bench *bench)
{
	g_clear_pointer(&bench->server, qmp_server_free);
	g_clear_object(&bench->client);
	g_string_free(bench->received, TRUE);
}

static void send_reset(Bench *bench, gboolean guest)
{
	JsonObject *data = json_object_new();

	json_object_set_boolean_member(data, "guest", guest);
	qmp_server_send_event(bench->server, "RESET", data);
}

static guint count(const char *text, const char *word)
{
	guint n = 0;

	for (; (text = strstr(text, word)); text++)
		n++;
	return n;
}

static void test_each_event_is_sent(void)
{
	Bench bench;

	bench_start(&bench);
	for (guint i = 0; i < 100; i++)
		send_reset(&bench, TRUE);
	qmp_server_send_event(bench.server, "STOP", NULL);
	read_until(&bench, "STOP");
	g_assert_cmpuint(count(bench.received->str, "RESET"), ==, 100);
	bench_end(&bench);
}

/* As many as would fill what a client is allowed several times over. */
static void test_a_flood_that_nobody_reads(void)
{
	Bench bench;

	bench_start(&bench);
	for (guint i = 0; i < 100000; i++)
		send_reset(&bench, TRUE);
	/* What says something else is told in its place. */
	send_reset(&bench, FALSE);
	send_reset(&bench, TRUE);
	qmp_server_send_event(bench.server, "STOP", NULL);
	qmp_server_send_event(bench.server, "RESUME", NULL);
	qmp_server_send_event(bench.server, "STOP", NULL);
	qmp_server_send_event(bench.server, "SHUTDOWN", NULL);
	read_until(&bench, "SHUTDOWN");
	g_assert_cmpuint(count(bench.received->str, "RESET"), >, 2);
	g_assert_cmpuint(bench.received->len, <, 1 << 20);
	g_assert_cmpuint(count(bench.received->str, "STOP"), ==, 2);
	g_assert_cmpuint(count(bench.received->str, "RESUME"), ==, 1);
	g_assert_nonnull(strstr(bench.received->str, "false"));
	bench_end(&bench);
}

/* Events that differ do add up; then the client goes, and the next may come. */
static void test_who_reads_nothing_at_all_is_sent_away(void)
{
	char chunk[4096];
	gssize n = -1;
	guint64 received = 0;
	Bench bench;

	bench_start(&bench);
	for (guint i = 0; i < 100000; i++)
		send_reset(&bench, i % 2 == 0);
	while ((n = g_socket_receive(bench.client, chunk, sizeof(chunk), NULL, NULL)) > 0)
		received += n;
	/* The end of the connection, or its reset: not that there is nothing yet. */
	g_assert_cmpuint(received, <, 2 << 20);
	g_assert_true(n == 0 || !g_socket_is_connected(bench.client) ||
		      g_socket_condition_check(bench.client, G_IO_HUP) & G_IO_HUP);
	bench_end(&bench);
}

/* Sends a command, and descriptors with it. */
static void send_with(Bench *bench, const char *text, const int *fds, guint n_fds)
{
	char room[CMSG_SPACE(64 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec data = { .iov_base = (char *)text, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = room,
		.msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
	};
	struct cmsghdr *part = CMSG_FIRSTHDR(&message);

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(part), fds, n_fds * sizeof(int));
	g_assert_cmpint(sendmsg(g_socket_get_fd(bench->client), &message, 0), ==, strlen(text));
}

/* Return: what a command has taken. */
static int reply_of(Bench *bench)
{
	int fd;

	read_until(bench, "}");
	g_assert_cmpint(sscanf(bench->received->str, "{\"return\":%d}", &fd), ==, 1);
	g_string_truncate(bench->received, 0);
	return fd;
}

static gboolean is_same_file(int a, int b)
{
	struct stat first, second;

	g_assert_no_errno(fstat(a, &first));
	g_assert_no_errno(fstat(b, &second));
	return first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

static void test_descriptors(void)
{
	int pipes[2], taken;
	Bench bench;

	bench_start(&bench);
	g_assert_no_errno(pipe2(pipes, O_CLOEXEC));
	send_with(&bench, "{\"execute\":\"take\"}", pipes, 1);
	taken = reply_of(&bench);
	g_assert_true(is_same_file(taken, pipes[0]));
	g_assert_cmpint(fcntl(taken, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	close(taken);
	/* None is left; and with two, one after the other. */
	send_with(&bench, "{\"execute\":\"more\"}{\"execute\":\"take\"}", pipes, 1);
	read_until(&bench, "{\"return\":-1}");
	sscanf(bench.received->str, "{\"return\":%d}", &taken);
	close(taken);
	bench_end(&bench);
	close(pipes[0]);
	close(pipes[1]);
}

/* The writing end is closed with the client, though no command has taken it. */
static void test_descriptors_go_with_the_client(void)
{
	char byte;
	int pipes[2];
	Bench bench;

	bench_start(&bench);
	g_assert_no_errno(pipe2(pipes, O_CLOEXEC));
	send_with(&bench, " ", &pipes[1], 1);
	g_assert_cmpint(
		g_socket_send(bench.client, "{\"execute\":\"query-version\"}", 27, NULL, NULL), ==,
		27);
	read_until(&bench, "return");
	close(pipes[1]);
	bench_end(&bench);
	g_assert_cmpint(read(pipes[0], &byte, 1), ==, 0);
	close(pipes[0]);
}

/* More than are kept for a client; the kernel has none of those that do not fit. */
static void test_too_many_descriptors(void)
{
	int fds[64];
	Bench bench;

	bench_start(&bench);
	for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
		fds[i] = dup(STDOUT_FILENO);
	send_with(&bench, " ", fds, G_N_ELEMENTS(fds));
	send_with(&bench, " ", fds, G_N_ELEMENTS(fds));
	for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
	for (guint i = 0; i <= G_N_ELEMENTS(fds); i++) {
		int taken;

		g_assert_cmpint(
			g_socket_send(bench.client, "{\"execute\":\"take\"}", 18, NULL, NULL), ==,
			18);
		taken = reply_of(&bench);
		if (i < G_N_ELEMENTS(fds))
			close(taken);
		else
			g_assert_cmpint(taken, ==, -1);
	}
	bench_end(&bench);
}

static void test_arguments_that_the_handler_checks(void)
{
	static const char command[] = "{\"execute\":\"anything\",\"arguments\":{\"a\":[{}]}}";
	Bench bench;

	bench_start(&bench);
	g_assert_cmpint(g_socket_send(bench.client, command, strlen(command), NULL, NULL), ==,
			strlen(command));
	g_assert_cmpint(reply_of(&bench), ==, -1);
	bench_end(&bench);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/qmp-server/each-event-is-sent", test_each_event_is_sent);
	g_test_add_func("/qmp-server/a-flood-that-nobody-reads", test_a_flood_that_nobody_reads);
	g_test_add_func("/qmp-server/who-reads-nothing-at-all-is-sent-away",
			test_who_reads_nothing_at_all_is_sent_away);
	g_test_add_func("/qmp-server/descriptors", test_descriptors);
	g_test_add_func("/qmp-server/descriptors-go-with-the-client",
			test_descriptors_go_with_the_client);
	g_test_add_func("/qmp-server/too-many-descriptors", test_too_many_descriptors);
	g_test_add_func("/qmp-server/arguments-that-the-handler-checks",
			test_arguments_that_the_handler_checks);
	return g_test_run();
}
