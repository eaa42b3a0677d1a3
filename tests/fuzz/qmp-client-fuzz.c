/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp-client-fuzz.c - libFuzzer target: any bytes as what a VMM's monitor says to the daemon
 *
 * Theory of operation
 *
 * A thread is the VMM. The input's first byte says how far it keeps its manners: it may greet
 * and take the handshake as it should, and it may wait for the daemon's commands before it
 * says the rest of the input and ends the connection, so that replies in it meet commands
 * that are under way. Whatever it says, the client comes to an end: each command has a result
 * or an error, events have a name, and the end of the connection is told once and last.
 *
 *     qmp-client-fuzz -dict=qmp-client.dict CORPUS
 */
#include <glib/gstdio.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/qmp-client.h"

/* What a socket's buffer takes, so that nobody has to wait. */
#define INPUT_MAX 65536

/* More than it takes; a client that waits so long hangs. */
#define PATIENCE_SECONDS 20

#define N_COMMANDS	 4
#define ABANDONED	 2 /* of the commands: its caller does not wait */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	GREETS = 1 << 0,
	WAITS_FOR_COMMANDS = 1 << 1,
};

/* The VMM */

typedef struct {
	int listener;
	guint manners;
	const char *data;
	gsize size;
} Vmm;

static char *socket_path;

static void remove_socket(void)
{
	g_autofree char *folder = g_path_get_dirname(socket_path);

	g_unlink(socket_path);
	g_rmdir(folder);
	g_free(socket_path);
}

static int listen_at_path(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	g_autofree char *folder = g_dir_make_tmp("qmp-client-fuzz-XXXXXX", NULL);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_nonnull(folder);
	socket_path = g_build_filename(folder, "monitor", NULL);
	g_assert_cmpuint(g_strlcpy(address.sun_path, socket_path, sizeof(address.sun_path)), <,
			 sizeof(address.sun_path));
	g_assert_no_errno(bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	g_assert_no_errno(listen(fd, 1));
	atexit(remove_socket);
	return fd;
}

/* The client may be gone already. */
static void say(int fd, const char *data, gsize size)
{
	(void)!send(fd, data, size, MSG_NOSIGNAL);
}

/* Waits for @n_lines of the client's, or its end. */
static void hear(int fd, guint n_lines)
{
	char c;

	while (n_lines > 0 && recv(fd, &c, 1, 0) == 1)
		n_lines -= c == '\n';
}

static gpointer be_vmm(gpointer opaque)
{
	static const char greeting[] = "{\"QMP\": {}}\n";
	static const char agreed[] = "{\"return\": {}}\n";
	const Vmm *vmm = opaque;
	int fd = accept(vmm->listener, NULL, NULL);

	g_assert_no_errno(fd);
	if (vmm->manners & GREETS) {
		say(fd, greeting, strlen(greeting));
		hear(fd, 1);
		say(fd, agreed, strlen(agreed));
		if (vmm->manners & WAITS_FOR_COMMANDS)
			hear(fd, N_COMMANDS);
	}
	say(fd, vmm->data, vmm->size);
	g_assert_no_errno(shutdown(fd, SHUT_WR));
	hear(fd, G_MAXUINT);
	close(fd);
	return NULL;
}

/* The daemon */

typedef struct {
	guint n_events;
	guint n_closed;
} Heard;

static void on_event(const char *name, JsonObject *data, gpointer opaque)
{
	Heard *heard = opaque;

	g_assert_nonnull(name);
	if (data)
		json_object_get_size(data);
	g_assert_cmpuint(heard->n_closed, ==, 0);
	heard->n_events++;
}

static void on_closed(gpointer opaque)
{
	((Heard *)opaque)->n_closed++;
}

static const QmpCallbacks callbacks = { .event = on_event, .closed = on_closed };

static void check_error(const GError *error)
{
	g_assert_nonnull(error);
	g_assert_true(error->domain == DRIVER_ERROR);
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void wait_for(QmpClient *client, QmpCommandTicket *ticket, gint64 deadline)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) result = qmp_client_wait(client, ticket, deadline, &error);

	if (!result)
		check_error(error);
	else
		g_assert_no_error(error);
	if (deadline)
		g_assert_cmpint(g_get_monotonic_time(), <, deadline);
}

static void command(QmpClient *client)
{
	gint64 deadline = g_get_monotonic_time() + PATIENCE_SECONDS * G_TIME_SPAN_SECOND;
	QmpCommandTicket *tickets[N_COMMANDS];

	for (guint i = 0; i < N_COMMANDS; i++) {
		g_autoptr(GError) error = NULL;

		tickets[i] = qmp_client_send(client, "query-status", NULL, &error);
		if (!tickets[i])
			check_error(error);
		else if (i == ABANDONED)
			wait_for(client, g_steal_pointer(&tickets[i]), 0);
	}
	for (guint i = 0; i < N_COMMANDS; i++) {
		if (tickets[i])
			wait_for(client, tickets[i], deadline);
	}
}

static void be_daemon(void)
{
	g_autoptr(GError) error = NULL;
	QmpClient *client = qmp_client_connect(socket_path, PATIENCE_SECONDS, &error);
	Heard heard = { 0 };

	if (!client) {
		check_error(error);
		g_assert_false(g_error_matches(error, DRIVER_ERROR, VIR_ERR_OPERATION_TIMEOUT));
		return;
	}
	g_assert_true(qmp_client_start(client, -1, &callbacks, &heard, NULL));
	command(client);
	qmp_client_free(client);
	g_assert_cmpuint(heard.n_closed, ==, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int listener = -1;
	Vmm vmm;
	GThread *thread;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	if (listener < 0)
		listener = listen_at_path();
	vmm = (Vmm){
		.listener = listener,
		.manners = data[0],
		.data = (const char *)data + 1,
		.size = size - 1,
	};
	thread = g_thread_new("vmm", be_vmm, &vmm);
	be_daemon();
	g_thread_join(thread);
	return 0;
}
