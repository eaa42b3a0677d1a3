/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rpc-test.c - the RPC server, talked to in bytes
 *
 * Theory of operation
 *
 * Each test has a server of its own, on a thread of its own, with two sockets in a temporary
 * folder and the procedures below. The client is a plain socket: what it sends and expects
 * is written down as the words of the protocol, not made by the code under test. After each
 * test a new client must be served, the server must have said what the test expects it to
 * say in its log and nothing else, and no descriptor may be left.
 */
#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/log-limit.h"
#include "driver/rpc/client.h"
#include "driver/rpc/events.h"
#include "driver/rpc/protocol.h"
#include "driver/rpc/server.h"
#include "driver/rpc/stream.h"
#include "driver/rpc/wire.h"
#include "driver/rpc/workers.h"
#include "support.h"

#define URI "gmem:///test"

/* Nothing here takes so long unless it hangs. */
#define PATIENCE_SECONDS 60

#define PROGRAM		 0x20008086u
#define KEEPALIVE	 0x6b656570u
#define LARGEST_MESSAGE	 (4u + (32u << 20))

/* The test's own procedures, where libvirt has none. */
enum {
	ECHO = 5001,   /* text to the same text */
	CHANGE = 5002, /* writes */
	WAIT = 5003,   /* does not return before its gate opens */
	BYTES = 5004,  /* counts opaque bytes */
	FLOOD = 5005,  /* a result over its own limit */
	STREAM = 5006, /* a stream to Fixture.stream_fd */
	LEAVE = 5007,  /* waits as WAIT does, then asks to be told of its client's end */
	FAIL = 5008,   /* opens a stream to Fixture.stream_fd, and fails */
};

#define TEXT_MAX (4u << 20)

typedef struct {
	char *text;
} Text;

typedef struct {
	u_int length;
	char *bytes;
} Bytes;

typedef struct {
	char *folder;
	char *path;
	char *readonly_path;
	guint fds_at_start;
	guint fds_when_served;

	GThread *thread;
	GMainContext *context;
	GMainLoop *loop;
	RpcServer *server;
	GAsyncQueue *answers; /* of the server's thread to the test's */
	gboolean is_idle_awaited;
	gboolean has_stopped; /* what the last rpc_server_stop() said */

	GMutex lock; /* guards what follows */
	GCond changed;
	gboolean is_open; /* the gate of WAIT and LEAVE */
	guint n_waiting;  /* calls that have come to the gate */
	guint n_left;	  /* clients whose end was told to LEAVE */
	guint n_closed;	  /* streams that have ended */
	int stream_fd;
	GPtrArray *warnings;
} Fixture;

static Fixture *current; /* for the log's handler only */

/* What the server's procedures do */

static bool_t xdr_text(XDR *xdr, Text *text)
{
	return xdr_string(xdr, &text->text, TEXT_MAX);
}

static bool_t xdr_test_bytes(XDR *xdr, Bytes *bytes)
{
	return xdr_bytes(xdr, &bytes->bytes, &bytes->length, 100);
}

static bool_t xdr_count(XDR *xdr, u_int *count)
{
	return xdr_u_int(xdr, count);
}

static gboolean do_echo(RpcCall *call G_GNUC_UNUSED, const void *args, void *result,
			GError **error G_GNUC_UNUSED)
{
	((Text *)result)->text = g_strdup(((const Text *)args)->text);
	return TRUE;
}

static gboolean do_change(RpcCall *call G_GNUC_UNUSED, const void *args G_GNUC_UNUSED,
			  void *result G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	return TRUE;
}

static gboolean do_bytes(RpcCall *call G_GNUC_UNUSED, const void *args, void *result,
			 GError **error G_GNUC_UNUSED)
{
	*(u_int *)result = ((const Bytes *)args)->length;
	return TRUE;
}

static gboolean do_flood(RpcCall *call G_GNUC_UNUSED, const void *args G_GNUC_UNUSED, void *result,
			 GError **error G_GNUC_UNUSED)
{
	Bytes *bytes = result;

	bytes->length = 101;
	bytes->bytes = g_malloc0(bytes->length);
	return TRUE;
}

static void pass_gate(Fixture *fixture)
{
	g_mutex_lock(&fixture->lock);
	fixture->n_waiting++;
	g_cond_broadcast(&fixture->changed);
	while (!fixture->is_open)
		g_cond_wait(&fixture->changed, &fixture->lock);
	g_mutex_unlock(&fixture->lock);
}

static gboolean do_wait(RpcCall *call, const void *args G_GNUC_UNUSED, void *result G_GNUC_UNUSED,
			GError **error G_GNUC_UNUSED)
{
	pass_gate(call->driver);
	return TRUE;
}

static void count(Fixture *fixture, guint *counter)
{
	g_mutex_lock(&fixture->lock);
	++*counter;
	g_cond_broadcast(&fixture->changed);
	g_mutex_unlock(&fixture->lock);
}

static void on_left(gpointer data)
{
	Fixture *fixture = data;

	count(fixture, &fixture->n_left);
}

static gboolean do_leave(RpcCall *call, const void *args G_GNUC_UNUSED, void *result G_GNUC_UNUSED,
			 GError **error G_GNUC_UNUSED)
{
	pass_gate(call->driver);
	rpc_client_on_close(call->client, call, on_left, call->driver, NULL);
	return TRUE;
}

static void on_stream_closed(gpointer data)
{
	Fixture *fixture = data;

	count(fixture, &fixture->n_closed);
}

static gboolean do_stream(RpcCall *call, const void *args G_GNUC_UNUSED, void *result G_GNUC_UNUSED,
			  GError **error G_GNUC_UNUSED)
{
	Fixture *fixture = call->driver;

	rpc_stream_unref(rpc_stream_open(call, fixture->stream_fd, on_stream_closed, fixture));
	return TRUE;
}

static gboolean do_fail(RpcCall *call, const void *args, void *result, GError **error)
{
	do_stream(call, args, result, error);
	return driver_error(error, VIR_ERR_OPERATION_FAILED, "as it should");
}

static const RpcProcedure procedures[] = {
	{ ECHO, "Echo", RPC_ACCESS_READ, (xdrproc_t)xdr_text, sizeof(Text), (xdrproc_t)xdr_text,
	  sizeof(Text), do_echo },
	{ CHANGE, "Change", RPC_ACCESS_WRITE, .handler = do_change },
	{ WAIT, "Wait", RPC_ACCESS_READ, .handler = do_wait },
	{ BYTES, "Bytes", RPC_ACCESS_READ, (xdrproc_t)xdr_test_bytes, sizeof(Bytes),
	  (xdrproc_t)xdr_count, sizeof(u_int), do_bytes },
	{ FLOOD, "Flood", RPC_ACCESS_READ, .result_filter = (xdrproc_t)xdr_test_bytes,
	  .result_size = sizeof(Bytes), .handler = do_flood },
	{ STREAM, "Stream", RPC_ACCESS_READ, .handler = do_stream },
	{ LEAVE, "Leave", RPC_ACCESS_READ, .handler = do_leave },
	{ FAIL, "Fail", RPC_ACCESS_READ, .handler = do_fail },
	{ .name = NULL },
};

static const RpcProcedure *const tables[] = { procedures, NULL };

/* The server's thread */

static void collect_log(const char *domain, GLogLevelFlags level, const char *message,
			gpointer data G_GNUC_UNUSED)
{
	if (!current || !(level & G_LOG_LEVEL_WARNING)) {
		g_log_default_handler(domain, level, message, NULL);
		return;
	}
	g_mutex_lock(&current->lock);
	g_ptr_array_add(current->warnings, g_strdup(message));
	g_mutex_unlock(&current->lock);
}

static void answer(Fixture *fixture)
{
	g_async_queue_push(fixture->answers, fixture);
}

static void await_answer(Fixture *fixture)
{
	if (!g_async_queue_timeout_pop(fixture->answers, PATIENCE_SECONDS * G_USEC_PER_SEC))
		g_error("the server's thread hangs");
}

/* Has the server's thread run a function. */
static void on_server(Fixture *fixture, GSourceFunc function)
{
	g_main_context_invoke(fixture->context, function, fixture);
}

static void on_idle(gpointer data)
{
	Fixture *fixture = data;

	if (fixture->is_idle_awaited)
		answer(fixture);
	fixture->is_idle_awaited = FALSE;
}

static gboolean answer_when_idle(gpointer data)
{
	Fixture *fixture = data;

	fixture->is_idle_awaited = TRUE;
	if (rpc_server_count_clients(fixture->server) == 0)
		on_idle(fixture);
	return G_SOURCE_REMOVE;
}

static gboolean answer_at_once(gpointer data)
{
	answer(data);
	return G_SOURCE_REMOVE;
}

static gboolean stop_in_vain(gpointer data)
{
	Fixture *fixture = data;

	fixture->has_stopped = rpc_server_stop(fixture->server);
	answer(fixture);
	return G_SOURCE_REMOVE;
}

static gboolean quit(gpointer data)
{
	Fixture *fixture = data;

	g_main_loop_quit(fixture->loop);
	return G_SOURCE_REMOVE;
}

static GSocket *listen_at(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocket) socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
						 G_SOCKET_PROTOCOL_DEFAULT, &error);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);

	g_assert_no_error(error);
	g_socket_set_listen_backlog(socket, 128);
	g_socket_bind(socket, address, FALSE, &error);
	g_assert_no_error(error);
	g_socket_listen(socket, &error);
	g_assert_no_error(error);
	return g_steal_pointer(&socket);
}

static gpointer serve(gpointer data)
{
	Fixture *fixture = data;
	g_autoptr(GSocket) socket = listen_at(fixture->path);
	g_autoptr(GSocket) readonly_socket = listen_at(fixture->readonly_path);

	g_main_context_push_thread_default(fixture->context);
	fixture->server = rpc_server_new(tables, URI, fixture);
	rpc_server_add_socket(fixture->server, socket, FALSE);
	rpc_server_add_socket(fixture->server, readonly_socket, TRUE);
	rpc_server_on_idle(fixture->server, on_idle, fixture);
	answer(fixture);
	g_main_loop_run(fixture->loop);
	rpc_server_free(fixture->server);
	g_main_context_pop_thread_default(fixture->context);
	return NULL;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	fixture->fds_at_start = count_fds();
	fixture->folder = g_dir_make_tmp("rpc-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->path = g_build_filename(fixture->folder, "sock", NULL);
	fixture->readonly_path = g_build_filename(fixture->folder, "sock-ro", NULL);
	g_mutex_init(&fixture->lock);
	g_cond_init(&fixture->changed);
	fixture->stream_fd = -1;
	fixture->warnings = g_ptr_array_new_with_free_func(g_free);
	fixture->answers = g_async_queue_new();
	fixture->context = g_main_context_new();
	fixture->loop = g_main_loop_new(fixture->context, FALSE);
	current = fixture;
	fixture->thread = g_thread_new("server", serve, fixture);
	await_answer(fixture);
	fixture->fds_when_served = count_fds();
}

static void stop(Fixture *fixture)
{
	if (!fixture->thread)
		return;
	on_server(fixture, quit);
	g_thread_join(g_steal_pointer(&fixture->thread));
}

/* Takes one warning that has to be there. */
static void expect_warning(Fixture *fixture, const char *pattern)
{
	g_autofree char *warning = NULL;

	g_mutex_lock(&fixture->lock);
	if (fixture->warnings->len > 0)
		warning = g_ptr_array_steal_index(fixture->warnings, 0);
	g_mutex_unlock(&fixture->lock);
	if (!warning || !g_pattern_match_simple(pattern, warning))
		g_error("'%s' was to be logged, and was: %s", pattern, warning ? warning : "none");
}

static guint count_warnings(Fixture *fixture)
{
	guint count;

	g_mutex_lock(&fixture->lock);
	count = fixture->warnings->len;
	g_mutex_unlock(&fixture->lock);
	return count;
}

static void await_count(Fixture *fixture, const guint *counter, guint wanted)
{
	gint64 deadline = g_get_monotonic_time() + PATIENCE_SECONDS * G_USEC_PER_SEC;

	g_mutex_lock(&fixture->lock);
	while (*counter < wanted) {
		if (!g_cond_wait_until(&fixture->changed, &fixture->lock, deadline))
			g_error("waited for a count of %u; it is %u", wanted, *counter);
	}
	g_assert_cmpuint(*counter, ==, wanted);
	g_mutex_unlock(&fixture->lock);
}

static void open_gate(Fixture *fixture)
{
	g_mutex_lock(&fixture->lock);
	fixture->is_open = TRUE;
	g_cond_broadcast(&fixture->changed);
	g_mutex_unlock(&fixture->lock);
}

/* The client's end */

static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpint(fd, >=, 0);
	g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	g_assert_no_errno(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	g_assert_no_errno(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)));
	g_assert_no_errno(connect(fd, (const struct sockaddr *)&address, sizeof(address)));
	return fd;
}

/* Return: FALSE where the server has closed the connection. */
static gboolean try_send(int fd, const guint8 *data, gsize size)
{
	while (size > 0) {
		gssize sent = send(fd, data, size, MSG_NOSIGNAL);

		if (sent < 0) {
			g_assert_true(errno == EPIPE || errno == ECONNRESET);
			return FALSE;
		}
		data += sent;
		size -= sent;
	}
	return TRUE;
}

static void send_bytes(int fd, const guint8 *data, gsize size)
{
	g_assert_true(try_send(fd, data, size));
}

static void receive_bytes(int fd, guint8 *data, gsize size)
{
	while (size > 0) {
		gssize length = recv(fd, data, size, 0);

		if (length <= 0)
			g_error("%zu more bytes were to come: %s", size,
				length == 0 ? "connection closed" : g_strerror(errno));
		data += length;
		size -= length;
	}
}

/* The server has closed the connection, with nothing more to read. */
static void assert_closed(int fd)
{
	guint8 byte;
	gssize length = recv(fd, &byte, 1, 0);

	if (length > 0)
		g_error("the connection was to be closed; a byte came");
	/* A reset is what comes of data that the server did not read. */
	if (length < 0)
		g_assert_cmpint(errno, ==, ECONNRESET);
}

static void assert_bytes(int fd, const guint8 *expected, gsize size)
{
	g_autofree guint8 *received = g_malloc(size);

	receive_bytes(fd, received, size);
	g_assert_cmpmem(received, size, expected, size);
}

static void put_word(GByteArray *message, guint32 word)
{
	const guint32 big = GUINT32_TO_BE(word);

	g_byte_array_append(message, (const guint8 *)&big, sizeof(big));
}

static void put_bytes(GByteArray *message, const void *bytes, gsize length)
{
	static const guint8 padding[4];

	put_word(message, length);
	g_byte_array_append(message, bytes, length);
	g_byte_array_append(message, padding, -length & 3);
}

static void put_string(GByteArray *message, const char *text)
{
	put_bytes(message, text, strlen(text));
}

static GByteArray *message_new(guint32 program, guint32 version, guint32 procedure, guint32 type,
			       guint32 serial, guint32 status)
{
	GByteArray *message = g_byte_array_new();

	put_word(message, 0);
	put_word(message, program);
	put_word(message, version);
	put_word(message, procedure);
	put_word(message, type);
	put_word(message, serial);
	put_word(message, status);
	return message;
}

static GByteArray *call_new(guint32 procedure, guint32 serial)
{
	return message_new(PROGRAM, 1, procedure, WIRE_CALL, serial, 0);
}

/* Writes the length word, now that it is known. */
static void finish(GByteArray *message)
{
	const guint32 length = GUINT32_TO_BE(message->len);

	memcpy(message->data, &length, sizeof(length));
}

static void send_message(int fd, GByteArray *message)
{
	finish(message);
	send_bytes(fd, message->data, message->len);
	g_byte_array_unref(message);
}

static void send_call(int fd, guint32 procedure, guint32 serial)
{
	send_message(fd, call_new(procedure, serial));
}

static GByteArray *echo_new(guint32 serial, const char *text)
{
	GByteArray *message = call_new(ECHO, serial);

	put_string(message, text);
	return message;
}

typedef struct {
	guint32 length, program, version, procedure, type, serial, status;
	GByteArray *payload;
} Reply;

static void reply_clear(Reply *reply)
{
	g_clear_pointer(&reply->payload, g_byte_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reply, reply_clear)

static Reply receive(int fd)
{
	guint32 words[7];
	Reply reply;

	receive_bytes(fd, (guint8 *)words, sizeof(words));
	for (guint i = 0; i < G_N_ELEMENTS(words); i++)
		words[i] = GUINT32_FROM_BE(words[i]);
	reply = (Reply){ words[0], words[1], words[2], words[3], words[4], words[5], words[6] };
	g_assert_cmpuint(reply.length, >=, sizeof(words));
	g_assert_cmpuint(reply.length, <=, LARGEST_MESSAGE);
	reply.payload = g_byte_array_new();
	g_byte_array_set_size(reply.payload, reply.length - sizeof(words));
	receive_bytes(fd, reply.payload->data, reply.payload->len);
	return reply;
}

static void assert_reply(const Reply *reply, guint32 procedure, guint32 serial, guint32 status)
{
	g_assert_cmphex(reply->program, ==, PROGRAM);
	g_assert_cmpuint(reply->version, ==, 1);
	g_assert_cmpuint(reply->procedure, ==, procedure);
	g_assert_cmpuint(reply->serial, ==, serial);
	g_assert_cmpuint(reply->status, ==, status);
}

static void expect_empty(int fd, guint32 procedure, guint32 serial)
{
	g_auto(Reply) reply = receive(fd);

	assert_reply(&reply, procedure, serial, WIRE_OK);
	g_assert_cmpuint(reply.type, ==, WIRE_REPLY);
	g_assert_cmpuint(reply.payload->len, ==, 0);
}

static void expect_echo(int fd, guint32 serial, const char *text)
{
	g_autoptr(GByteArray) payload = g_byte_array_new();
	g_auto(Reply) reply = receive(fd);

	assert_reply(&reply, ECHO, serial, WIRE_OK);
	g_assert_cmpuint(reply.type, ==, WIRE_REPLY);
	put_string(payload, text);
	g_assert_cmpmem(reply.payload->data, reply.payload->len, payload->data, payload->len);
}

/* The error's code is its first word. */
static void assert_error(const Reply *reply, virErrorNumber code, const char *pattern)
{
	RpcError error = { 0 };

	g_assert_cmpuint(reply->status, ==, WIRE_ERROR);
	g_assert_true(wire_decode(reply->payload->data, reply->payload->len,
				  (xdrproc_t)xdr_RpcError, &error));
	g_assert_cmpint(error.code, ==, (int)code);
	g_assert_nonnull(error.message);
	if (!g_pattern_match_simple(pattern, *error.message))
		g_error("the error says '%s', and not '%s'", *error.message, pattern);
	xdr_free((xdrproc_t)xdr_RpcError, (char *)&error);
}

static void expect_error(int fd, guint32 procedure, guint32 serial, virErrorNumber code,
			 const char *pattern)
{
	g_auto(Reply) reply = receive(fd);

	assert_reply(&reply, procedure, serial, WIRE_ERROR);
	g_assert_cmpuint(reply.type, ==, WIRE_REPLY);
	assert_error(&reply, code, pattern);
}

static void open_connection(int fd, guint32 flags)
{
	GByteArray *open = call_new(RPC_CONNECT_OPEN, 1);

	put_word(open, 1);
	put_string(open, URI);
	put_word(open, flags);
	send_message(fd, open);
	expect_empty(fd, RPC_CONNECT_OPEN, 1);
}

static int connect_and_open(Fixture *fixture)
{
	int fd = connect_to(fixture->path);

	open_connection(fd, 0);
	return fd;
}

static void assert_served(int fd)
{
	send_message(fd, echo_new(4711, "still there?"));
	expect_echo(fd, 4711, "still there?");
}

static void await_idle(Fixture *fixture)
{
	on_server(fixture, answer_when_idle);
	await_answer(fixture);
}

/* A new client is served, and when all have left nothing of them is left. */
static void assert_unharmed(Fixture *fixture)
{
	int fd = connect_and_open(fixture);

	assert_served(fd);
	close(fd);
	await_idle(fixture);
	g_assert_cmpuint(count_fds(), ==, fixture->fds_when_served);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	open_gate(fixture);
	if (fixture->thread)
		assert_unharmed(fixture);
	stop(fixture);
	current = NULL;
	if (fixture->warnings->len > 0)
		g_error("unexpected: %s", (char *)fixture->warnings->pdata[0]);
	g_remove(fixture->path);
	g_remove(fixture->readonly_path);
	g_assert_no_errno(g_rmdir(fixture->folder));
	g_main_loop_unref(fixture->loop);
	g_main_context_unref(fixture->context);
	g_async_queue_unref(fixture->answers);
	g_ptr_array_unref(fixture->warnings);
	g_cond_clear(&fixture->changed);
	g_mutex_clear(&fixture->lock);
	g_free(fixture->readonly_path);
	g_free(fixture->path);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds_at_start);
}

/* Calls and replies */

static void test_call_byte_for_byte(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 call[] = {
		0x00, 0x00, 0x00, 0x28,					  /* length */
		0x20, 0x00, 0x80, 0x86,					  /* program */
		0x00, 0x00, 0x00, 0x01,					  /* version */
		0x00, 0x00, 0x13, 0x89,					  /* procedure */
		0x00, 0x00, 0x00, 0x00,					  /* type: call */
		0x80, 0x00, 0x00, 0x07,					  /* serial */
		0x00, 0x00, 0x00, 0x00,					  /* status */
		0x00, 0x00, 0x00, 0x05, 'h', 'e', 'l', 'l', 'o', 0, 0, 0, /* payload */
	};
	guint8 reply[sizeof(call)];
	int fd = connect_and_open(fixture);

	memcpy(reply, call, sizeof(call));
	reply[19] = 1; /* type: reply */
	send_bytes(fd, call, sizeof(call));
	assert_bytes(fd, reply, sizeof(reply));
	close(fd);
}

static void test_error_byte_for_byte(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char text[] = "this function is not supported by the connection driver: "
				   "procedure 9999";
	g_autoptr(GByteArray) expected = message_new(PROGRAM, 1, 9999, WIRE_REPLY, 3, WIRE_ERROR);
	int fd = connect_and_open(fixture);

	put_word(expected, VIR_ERR_NO_SUPPORT);
	put_word(expected, VIR_FROM_DOMAIN);
	put_word(expected, 1);
	put_string(expected, text);
	put_word(expected, VIR_ERR_ERROR);
	for (guint i = 0; i < 4; i++)
		put_word(expected, 0); /* no domain, no further texts */
	put_word(expected, (guint32)-1);
	put_word(expected, (guint32)-1);
	put_word(expected, 0); /* no network */
	finish(expected);

	send_call(fd, 9999, 3);
	assert_bytes(fd, expected->data, expected->len);
	assert_served(fd);
	close(fd);
}

static void test_procedures_nobody_has(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint32 numbers[] = { 0, 444, 4999, 0x7fffffff, 0x80000000, 0xffffffff };
	int fd = connect_and_open(fixture);

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
		send_call(fd, numbers[i], i);
		expect_error(fd, numbers[i], i, VIR_ERR_NO_SUPPORT, "*procedure *");
	}
	assert_served(fd);
	close(fd);
}

/* As libvirt's drivers say it, who are asked by the function's name. */
static void test_functions_by_name(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint32 number;
		const char *name;
	} cases[] = {
		{ 30, "virDomainSetMaxMemory" },  { 104, "virDomainMemoryPeek" },
		{ 228, "virNodeGetMemoryStats" }, { 335, "virDomainFSFreeze" },
		{ 107, "procedure 107" },
	};
	int fd = connect_and_open(fixture);

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *expected = g_strdup_printf(
			"this function is not supported by the connection driver: %s",
			cases[i].name);

		send_call(fd, cases[i].number, i);
		expect_error(fd, cases[i].number, i, VIR_ERR_NO_SUPPORT, expected);
	}
	assert_served(fd);
	close(fd);
}

static void test_other_programs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint32 program, version;
	} cases[] = {
		{ 0, 1 }, { 0x20008088, 1 }, { PROGRAM, 0 }, { PROGRAM, 2 }, { KEEPALIVE, 2 },
	};
	int fd = connect_and_open(fixture);

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(Reply) reply = { 0 };

		send_message(fd, message_new(cases[i].program, cases[i].version, ECHO, WIRE_CALL, i,
					     WIRE_OK));
		reply = receive(fd);
		g_assert_cmphex(reply.program, ==, cases[i].program);
		g_assert_cmpuint(reply.version, ==, cases[i].version);
		g_assert_cmpuint(reply.type, ==, WIRE_REPLY);
		g_assert_cmpuint(reply.serial, ==, i);
		assert_error(&reply, VIR_ERR_NO_SUPPORT, "*program *, version *");
	}
	assert_served(fd);
	close(fd);
}

/* Replies and events are the server's to send; 4 and 5 are calls with descriptors. */
static void test_other_types(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint32 types[] = { WIRE_REPLY, WIRE_EVENT, 4, 5, 6, 0xffffffff };
	int fd = connect_and_open(fixture);

	for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
		send_message(fd, message_new(PROGRAM, 1, ECHO, types[i], i, WIRE_OK));
		expect_error(fd, ECHO, i, VIR_ERR_RPC, "*a message of type *");
	}
	assert_served(fd);
	close(fd);
}

static void test_result_over_its_limit(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	send_call(fd, FLOOD, 2);
	expect_error(fd, FLOOD, 2, VIR_ERR_RPC, "*the result of Flood exceeds*");
	assert_served(fd);
	close(fd);
}

/* Lengths */

static void test_impossible_lengths(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint32 lengths[] = {
		0, 3, 4, 27, LARGEST_MESSAGE + 1, 0x7fffffff, 0x80000000, 0xffffffff
	};

	for (gsize i = 0; i < G_N_ELEMENTS(lengths); i++) {
		g_autoptr(GByteArray) call = echo_new(1, "text");
		const guint32 length = GUINT32_TO_BE(lengths[i]);
		int fd = connect_and_open(fixture);

		memcpy(call->data, &length, sizeof(length));
		try_send(fd, call->data, call->len);
		assert_closed(fd);
		expect_warning(fixture, "client * sent a message of an impossible length (*");
		close(fd);
	}
}

static void test_length_word_alone_decides(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 too_long[] = { 0x02, 0x00, 0x00, 0x05 };
	int fd = connect_and_open(fixture);

	send_bytes(fd, too_long, 4);
	assert_closed(fd);
	expect_warning(fixture,
		       "client * sent a message of an impossible length (33554437 bytes)*");
	close(fd);
}

static void test_largest_message_is_awaited(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 largest[] = { 0x02, 0x00, 0x00, 0x04, 0x20, 0x00 };
	int fd = connect_and_open(fixture);

	send_bytes(fd, largest, sizeof(largest));
	close(fd);
}

static void test_large_message(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = g_strnfill(TEXT_MAX, 'x');
	int fd = connect_and_open(fixture);

	send_message(fd, echo_new(9, text));
	expect_echo(fd, 9, text);
	close(fd);
}

/* A payload of the protocol's limit, for a procedure that takes less. */
static void test_message_of_the_limit(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	GByteArray *call = echo_new(5, "a");
	guint used = call->len;
	int fd = connect_and_open(fixture);

	g_byte_array_set_size(call, LARGEST_MESSAGE);
	memset(call->data + used, 0, call->len - used);
	send_message(fd, call);
	expect_echo(fd, 5, "a");
	close(fd);
}

static void test_cut_off_anywhere(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GByteArray) call = echo_new(1, "cut off");

	finish(call);
	for (guint length = 0; length < call->len; length++) {
		int fd = connect_and_open(fixture);

		send_bytes(fd, call->data, length);
		close(fd);
	}
}

/* Whoever sends no more than half of it is not answered, and is let go. */
static void test_cut_off_and_shut_down(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GByteArray) call = echo_new(1, "cut off");
	int fd = connect_and_open(fixture);

	finish(call);
	send_bytes(fd, call->data, call->len - 1);
	g_assert_no_errno(shutdown(fd, SHUT_WR));
	assert_closed(fd);
	close(fd);
}

/* Payloads */

static void test_payload_too_short(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GByteArray) whole = echo_new(1, "five!");
	int fd = connect_and_open(fixture);

	for (guint length = 28; length < whole->len; length++) {
		GByteArray *call = g_byte_array_new();

		g_byte_array_append(call, whole->data, length);
		send_message(fd, call);
		expect_error(fd, ECHO, 1, VIR_ERR_RPC, "*the arguments of Echo*");
	}
	assert_served(fd);
	close(fd);
}

/* As libvirt's own server has it: newer clients may append to a procedure's arguments. */
static void test_payload_too_long(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	GByteArray *call = echo_new(1, "text");
	int fd = connect_and_open(fixture);

	g_byte_array_append(call, (const guint8 *)"and more", 7);
	send_message(fd, call);
	expect_echo(fd, 1, "text");
	assert_served(fd);
	close(fd);
}

static void test_payload_where_none_is_wanted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	GByteArray *call = call_new(CHANGE, 1);
	int fd = connect_and_open(fixture);

	put_string(call, "text");
	send_message(fd, call);
	expect_empty(fd, CHANGE, 1);
	close(fd);
}

static void test_lengths_that_claim_too_much(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint32 procedure[] = { ECHO, BYTES };
	static const guint32 lengths[] = { 9,	       100,	     101,
					   TEXT_MAX,   TEXT_MAX + 1, 0x7fffffff,
					   0x80000000, 0xfffffffc,   0xffffffff };
	int fd = connect_and_open(fixture);

	for (gsize i = 0; i < G_N_ELEMENTS(procedure); i++) {
		for (gsize j = 0; j < G_N_ELEMENTS(lengths); j++) {
			GByteArray *call = call_new(procedure[i], j);

			put_word(call, lengths[j]);
			g_byte_array_append(call, (const guint8 *)"12345678", 8);
			send_message(fd, call);
			expect_error(fd, procedure[i], j, VIR_ERR_RPC, "*the arguments of *");
		}
	}
	assert_served(fd);
	close(fd);
}

static void test_opaque_up_to_its_limit(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char bytes[101];
	int fd = connect_and_open(fixture);

	for (guint length = 0; length <= 100; length++) {
		GByteArray *call = call_new(BYTES, length);
		g_auto(Reply) reply = { 0 };

		put_bytes(call, bytes, length);
		send_message(fd, call);
		reply = receive(fd);
		assert_reply(&reply, BYTES, length, WIRE_OK);
		g_assert_cmpuint(reply.payload->len, ==, 4);
		g_assert_cmpuint(reply.payload->data[3], ==, length);
	}
	close(fd);
}

/* How calls arrive */

static void test_two_calls_in_one_write(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GByteArray) calls = echo_new(1, "first");
	g_autoptr(GByteArray) second = echo_new(2, "second");
	int fd = connect_and_open(fixture);
	gboolean seen[2] = { FALSE, FALSE };

	finish(calls);
	finish(second);
	g_byte_array_append(calls, second->data, second->len);
	send_bytes(fd, calls->data, calls->len);
	/* The serial tells which reply it is; they come in any order. */
	for (guint i = 0; i < 2; i++) {
		g_auto(Reply) reply = receive(fd);

		guint call = reply.serial - 1;

		assert_reply(&reply, ECHO, reply.serial, WIRE_OK);
		if (call >= G_N_ELEMENTS(seen))
			g_error("a reply to a call that nobody made: %u", reply.serial);
		g_assert_false(seen[call]);
		seen[call] = TRUE;
		g_assert_cmpuint(reply.payload->data[3], ==, call == 0 ? 5 : 6);
	}
	close(fd);
}

static void test_call_byte_by_byte(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GByteArray) call = echo_new(1, "slowly");
	int fd = connect_and_open(fixture);

	finish(call);
	for (guint i = 0; i < call->len; i++) {
		send_bytes(fd, call->data + i, 1);
		/* So that the server has read it before the next is sent. */
		on_server(fixture, answer_at_once);
		await_answer(fixture);
	}
	expect_echo(fd, 1, "slowly");
	close(fd);
}

static void test_calls_per_client_are_limited(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint n = RPC_CALLS_PER_CLIENT * 3;
	int fd = connect_and_open(fixture);
	int other = connect_and_open(fixture);
	guint64 seen = 0;

	for (guint i = 0; i < n; i++)
		send_call(fd, WAIT, i);
	await_count(fixture, &fixture->n_waiting, RPC_CALLS_PER_CLIENT);
	/* One client's calls that take their time hold up nobody else's. */
	assert_served(other);
	/* And none beyond the limit has come through meanwhile. */
	await_count(fixture, &fixture->n_waiting, RPC_CALLS_PER_CLIENT);

	open_gate(fixture);
	for (guint i = 0; i < n; i++) {
		g_auto(Reply) reply = receive(fd);

		assert_reply(&reply, WAIT, reply.serial, WIRE_OK);
		g_assert_cmpuint(reply.serial, <, n);
		seen |= 1ull << reply.serial;
	}
	g_assert_cmphex(seen, ==, (1ull << n) - 1);
	close(fd);
	close(other);
}

static void test_many_clients(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fds[200];

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		fds[i] = connect_and_open(fixture);
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		send_message(fds[i], echo_new(i, "me too"));
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		expect_echo(fds[i], i, "me too");
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
		close(fds[i]);
}

/* Return: FALSE, and the test is skipped, where so many descriptors are not allowed. */
static gboolean allow_descriptors(rlim_t n)
{
	struct rlimit limit;

	g_assert_no_errno(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < n) {
		g_test_skip("too few descriptors are allowed");
		return FALSE;
	}
	limit.rlim_cur = MAX(limit.rlim_cur, n);
	g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &limit));
	return TRUE;
}

static void test_one_client_too_many(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree int *fds = g_new(int, RPC_CLIENTS_MAX);
	int one_more;

	if (!allow_descriptors(2 * RPC_CLIENTS_MAX + 100))
		return;
	for (guint i = 0; i < RPC_CLIENTS_MAX; i++)
		fds[i] = connect_and_open(fixture);
	one_more = connect_to(fixture->path);
	assert_closed(one_more);
	close(one_more);
	expect_warning(fixture, "1000 clients are connected; one more is turned away (*");
	assert_served(fds[RPC_CLIENTS_MAX - 1]);
	for (guint i = 0; i < RPC_CLIENTS_MAX; i++)
		close(fds[i]);
	/* Before that, the next would be one too many again. */
	await_idle(fixture);
}

/* One that cannot be accepted waits, is tried again at leisure, and is in nobody's way. */
static void test_no_descriptor_for_a_client(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int here_before = connect_and_open(fixture);
	int lowest_free = dup(here_before);
	gint64 begin = g_get_monotonic_time();
	struct rlimit limit, none_left;
	guint warnings = 0;
	int waiting;

	g_assert_cmpint(lowest_free, >=, 0);
	g_assert_no_errno(close(lowest_free));
	g_assert_no_errno(getrlimit(RLIMIT_NOFILE, &limit));
	none_left = limit;
	/* The client's own end takes the last one. */
	none_left.rlim_cur = lowest_free + 1;
	g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &none_left));
	waiting = connect_to(fixture->path);
	while (warnings == 0) {
		g_usleep(G_USEC_PER_SEC / 10);
		assert_served(here_before);
		warnings = count_warnings(fixture);
	}
	g_assert_no_errno(setrlimit(RLIMIT_NOFILE, &limit));
	open_connection(waiting, 0);
	assert_served(waiting);
	warnings = count_warnings(fixture);
	g_assert_cmpuint(warnings, <=, 1 + (g_get_monotonic_time() - begin) / G_USEC_PER_SEC);
	while (warnings-- > 0)
		expect_warning(fixture, "accepting a client: *");
	close(waiting);
	close(here_before);
}

/* Who may call what */

static void test_readonly_socket(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_to(fixture->readonly_path);

	open_connection(fd, 0);
	send_call(fd, CHANGE, 2);
	expect_error(fd, CHANGE, 2, VIR_ERR_OPERATION_DENIED, "*Change on a read-only connection*");
	assert_served(fd);
	close(fd);
}

static void test_readonly_by_request(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_to(fixture->path);

	open_connection(fd, VIR_CONNECT_RO);
	send_call(fd, CHANGE, 2);
	expect_error(fd, CHANGE, 2, VIR_ERR_OPERATION_DENIED, "*Change*");
	/* Nor does opening it again help. */
	open_connection(fd, 0);
	send_call(fd, CHANGE, 3);
	expect_error(fd, CHANGE, 3, VIR_ERR_OPERATION_DENIED, "*Change*");
	close(fd);
}

static void test_call_before_open(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_to(fixture->path);
	g_auto(Reply) list = { 0 };

	send_message(fd, echo_new(1, "too early"));
	expect_error(fd, ECHO, 1, VIR_ERR_OPERATION_INVALID, "*Echo before *");
	send_call(fd, CHANGE, 2);
	expect_error(fd, CHANGE, 2, VIR_ERR_OPERATION_INVALID, "*Change before *");
	send_call(fd, RPC_AUTH_LIST, 3);
	list = receive(fd);
	assert_reply(&list, RPC_AUTH_LIST, 3, WIRE_OK);
	open_connection(fd, 0);
	assert_served(fd);
	close(fd);
}

static void test_call_after_close(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	send_call(fd, RPC_CONNECT_CLOSE, 2);
	expect_empty(fd, RPC_CONNECT_CLOSE, 2);
	send_message(fd, echo_new(3, "too late"));
	expect_error(fd, ECHO, 3, VIR_ERR_OPERATION_INVALID, "*Echo*");
	close(fd);
}

static void test_uri_of_another_driver(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_to(fixture->path);
	GByteArray *open = call_new(RPC_CONNECT_OPEN, 1);

	put_word(open, 1);
	put_string(open, "qemu:///system");
	put_word(open, 0);
	send_message(fd, open);
	expect_error(fd, RPC_CONNECT_OPEN, 1, VIR_ERR_NO_CONNECT, "*qemu:///system*" URI "*");
	send_call(fd, CHANGE, 2);
	expect_error(fd, CHANGE, 2, VIR_ERR_OPERATION_INVALID, "*Change*");
	close(fd);
}

/* Keepalive */

static void test_ping_is_answered(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 ping[] = {
		0x00, 0x00, 0x00, 0x1c, 'k', 'e', 'e', 'p',
		0,    0,    0,	  1,			  /* length, program, version */
		0x00, 0x00, 0x00, 0x01, 0,   0,	  0,   2, /* ping, event */
		0x00, 0x00, 0x00, 0x00, 0,   0,	  0,   0,
	};
	guint8 pong[sizeof(ping)];
	int fd = connect_to(fixture->path);

	memcpy(pong, ping, sizeof(ping));
	pong[15] = 2;
	send_bytes(fd, ping, sizeof(ping));
	assert_bytes(fd, pong, sizeof(pong));
	close(fd);
}

static void test_pong_is_not_answered(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	send_message(fd, message_new(KEEPALIVE, 1, 2, WIRE_EVENT, 0, WIRE_OK));
	send_message(fd, message_new(KEEPALIVE, 1, 77, WIRE_EVENT, 0, WIRE_OK));
	/* The next that comes is the reply to this. */
	assert_served(fd);
	close(fd);
}

/* Clients that go */

static void test_client_vanishes_during_its_call(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	send_call(fd, WAIT, 1);
	await_count(fixture, &fixture->n_waiting, 1);
	close(fd);
	assert_unharmed(fixture);
	open_gate(fixture);
}

/* It is told all the same, though the client was gone when it asked. */
static void test_end_of_a_client_that_is_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	send_call(fd, LEAVE, 1);
	await_count(fixture, &fixture->n_waiting, 1);
	close(fd);
	assert_unharmed(fixture);
	open_gate(fixture);
	await_count(fixture, &fixture->n_left, 1);
}

static void test_end_of_a_client(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	open_gate(fixture);
	send_call(fd, LEAVE, 1);
	expect_empty(fd, LEAVE, 1);
	g_assert_cmpuint(fixture->n_left, ==, 0);
	close(fd);
	await_count(fixture, &fixture->n_left, 1);
}

static void test_stop_ends_clients(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);

	open_gate(fixture);
	send_call(fd, LEAVE, 1);
	expect_empty(fd, LEAVE, 1);
	stop(fixture);
	g_assert_cmpuint(fixture->n_left, ==, 1);
	assert_closed(fd);
	close(fd);
}

static gpointer open_gate_when_closed(gpointer data)
{
	Fixture *fixture = data;

	/* The test's end of the connection sees that the server has begun to stop. */
	assert_closed(fixture->stream_fd);
	open_gate(fixture);
	return NULL;
}

/* The call is under way when the server stops, and asks to be told of what has happened. */
static void test_stop_waits_for_calls(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	GThread *thread;

	send_call(fd, LEAVE, 1);
	await_count(fixture, &fixture->n_waiting, 1);
	fixture->stream_fd = fd;
	thread = g_thread_new("gate", open_gate_when_closed, fixture);
	stop(fixture);
	g_thread_join(thread);
	g_assert_cmpuint(fixture->n_left, ==, 1);
	close(fd);
}

/* A read-only call that does not end is named and left. The gate lets the test end. */
static void test_stop_leaves_calls(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const gint64 begin = g_get_monotonic_time();
	int fd = connect_to(fixture->readonly_path);

	open_connection(fd, 0);
	send_call(fd, WAIT, 1);
	await_count(fixture, &fixture->n_waiting, 1);
	on_server(fixture, stop_in_vain);
	await_answer(fixture);
	g_assert_false(fixture->has_stopped);
	g_assert_cmpint(g_get_monotonic_time() - begin, <, 10 * G_USEC_PER_SEC);
	expect_warning(fixture, "1 call does not end and is left (Wait)");
	open_gate(fixture);
	stop(fixture);
	close(fd);
}

/* Clients that do not read */

/*
 * Sends as much of a message as goes. The server gets its turns in between: one that reads
 * makes room with each. Return: how much was sent before it stopped reading.
 */
static gsize send_until_stuck(Fixture *fixture, int fd, const GByteArray *message)
{
	gsize sent = 0;
	guint turns = 0;

	while (sent < message->len && turns < 3) {
		gssize length = send(fd, message->data + sent, message->len - sent,
				     MSG_DONTWAIT | MSG_NOSIGNAL);

		if (length > 0) {
			sent += length;
			turns = 0;
			continue;
		}
		g_assert_cmpint(errno, ==, EAGAIN);
		turns++;
		on_server(fixture, answer_at_once);
		await_answer(fixture);
	}
	return sent;
}

/* Its calls stay in its own socket, and are answered when it reads. */
static void test_replies_that_are_not_read(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = g_strnfill(TEXT_MAX, 'x');
	g_autoptr(GByteArray) call = echo_new(1, text);
	int fd = connect_and_open(fixture);
	int other = connect_and_open(fixture);
	guint n_sent = 0;
	gsize sent;

	finish(call);
	while ((sent = send_until_stuck(fixture, fd, call)) == call->len) {
		n_sent++;
		g_assert_cmpuint(n_sent, <, 3 * RPC_CALLS_PER_CLIENT);
	}
	assert_served(other);
	for (guint i = 0; i < RPC_CALLS_PER_CLIENT; i++)
		expect_echo(fd, 1, text);
	send_bytes(fd, call->data + sent, call->len - sent);
	for (guint i = RPC_CALLS_PER_CLIENT; i < n_sent + 1; i++)
		expect_echo(fd, 1, text);
	close(fd);
	close(other);
}

/* Pings, before the connection is open: what is small is not free. */
static void test_pongs_that_are_not_read(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GByteArray) ping = message_new(KEEPALIVE, 1, 1, WIRE_EVENT, 0, WIRE_OK);
	g_autoptr(GByteArray) pings = g_byte_array_new();
	const gsize far_too_much = 8u << 20;
	int fd = connect_to(fixture->path);
	int other = connect_and_open(fixture);
	gsize n_sent = 0;
	gsize sent;

	finish(ping);
	for (guint i = 0; i < 1000; i++)
		g_byte_array_append(pings, ping->data, ping->len);
	while ((sent = send_until_stuck(fixture, fd, pings)) == pings->len) {
		n_sent += sent;
		g_assert_cmpuint(n_sent, <, far_too_much);
	}
	n_sent += sent;
	assert_served(other);
	for (gsize i = 0; i < n_sent / ping->len; i++) {
		g_auto(Reply) pong = receive(fd);

		g_assert_cmphex(pong.program, ==, KEEPALIVE);
		g_assert_cmpuint(pong.procedure, ==, 2);
	}
	close(fd);
	close(other);
}

static void register_for_reboots(int fd, guint32 serial)
{
	GByteArray *call = call_new(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, serial);
	g_auto(Reply) reply = { 0 };

	put_word(call, VIR_DOMAIN_EVENT_ID_REBOOT);
	put_word(call, 0); /* every domain's */
	send_message(fd, call);
	reply = receive(fd);
	assert_reply(&reply, RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, serial, WIRE_OK);
}

static void send_reboots(Fixture *fixture, guint n)
{
	static const guint8 uuid[RPC_UUID_SIZE] = { 0x47, 0x11 };
	const RpcEventDomain domain = { .name = "test", .uuid = uuid, .id = 1 };

	for (guint i = 0; i < n; i++)
		rpc_events_send_reboot(fixture->server, &domain);
	/* Behind them, so that they have been dealt with. */
	on_server(fixture, answer_at_once);
	await_answer(fixture);
}

static void expect_reboot(int fd, guint32 callback)
{
	g_autoptr(GByteArray) payload = g_byte_array_new();
	static const guint8 uuid[RPC_UUID_SIZE] = { 0x47, 0x11 };
	g_auto(Reply) reply = receive(fd);

	assert_reply(&reply, RPC_DOMAIN_EVENT_CALLBACK_REBOOT, 0, WIRE_OK);
	g_assert_cmpuint(reply.type, ==, WIRE_EVENT);
	put_word(payload, callback);
	put_string(payload, "test");
	g_byte_array_append(payload, uuid, sizeof(uuid));
	put_word(payload, 1);
	g_assert_cmpmem(reply.payload->data, reply.payload->len, payload->data, payload->len);
}

static void register_for(int fd, int event, guint32 serial)
{
	GByteArray *call = call_new(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, serial);
	g_auto(Reply) reply = { 0 };

	put_word(call, (guint32)event);
	put_word(call, 0); /* every domain's */
	send_message(fd, call);
	reply = receive(fd);
	assert_reply(&reply, RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, serial, WIRE_OK);
}

static void expect_disk_error(int fd, gint32 procedure, guint32 callback, const char *reason)
{
	g_autoptr(GByteArray) payload = g_byte_array_new();
	static const guint8 uuid[RPC_UUID_SIZE] = { 0x47, 0x11 };
	g_auto(Reply) reply = receive(fd);

	assert_reply(&reply, procedure, 0, WIRE_OK);
	g_assert_cmpuint(reply.type, ==, WIRE_EVENT);
	put_word(payload, callback);
	put_string(payload, "test");
	g_byte_array_append(payload, uuid, sizeof(uuid));
	put_word(payload, 1);
	put_string(payload, "/disk.raw");
	put_string(payload, "virtio-disk0");
	put_word(payload, VIR_DOMAIN_EVENT_IO_ERROR_PAUSE);
	if (reason)
		put_string(payload, reason);
	g_assert_cmpmem(reply.payload->data, reply.payload->len, payload->data, payload->len);
}

/* Of two kinds, one with the reason. */
static void test_events_of_disk_errors(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 uuid[RPC_UUID_SIZE] = { 0x47, 0x11 };
	const RpcEventDomain domain = { .name = "test", .uuid = uuid, .id = 1 };
	const RpcDiskError disk_error = {
		.source = "/disk.raw",
		.alias = "virtio-disk0",
		.action = VIR_DOMAIN_EVENT_IO_ERROR_PAUSE,
		.reason = "enospc",
	};
	int fd = connect_and_open(fixture);

	register_for(fd, VIR_DOMAIN_EVENT_ID_IO_ERROR, 1);
	register_for(fd, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, 2);
	rpc_events_send_disk_error(fixture->server, &domain, &disk_error);
	expect_disk_error(fd, RPC_DOMAIN_EVENT_CALLBACK_IO_ERROR, 1, NULL);
	expect_disk_error(fd, RPC_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, 2, "enospc");
	assert_served(fd);
	close(fd);
}

/* Each registration is told of each event, in order; one that is gone of none. */
static void test_events_of_many_registrations(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint n = 200;
	int fd = connect_and_open(fixture);
	GByteArray *deregister = call_new(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, n);

	send_reboots(fixture, 1); /* before anybody listens */
	for (guint i = 0; i < n; i++)
		register_for_reboots(fd, i);
	put_word(deregister, 7);
	send_message(fd, deregister);
	expect_empty(fd, RPC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, n);
	send_reboots(fixture, 3);
	for (guint event = 0; event < 3; event++) {
		for (guint i = 1; i <= n; i++) {
			if (i != 7)
				expect_reboot(fd, i);
		}
	}
	assert_served(fd);
	close(fd);
}

/* Whoever reads keeps hearing of them; whoever does not is let go. */
static void test_events_that_are_not_read(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int deaf = connect_and_open(fixture);
	int fd = connect_and_open(fixture);

	register_for_reboots(deaf, 1);
	for (guint i = 2; i <= 250; i++)
		register_for_reboots(deaf, i);
	register_for_reboots(fd, 1);
	for (guint sent = 0; sent < 2 * RPC_EVENTS_MAX; sent += 64) {
		send_reboots(fixture, 64);
		for (guint i = 0; i < 64; i++)
			expect_reboot(fd, 251);
	}
	assert_served(fd);
	expect_warning(fixture, "client * does not read its events; it is disconnected");
	close(fd);
	close(deaf);
}

/* Limits */

static void expect_too_long(Fixture *fixture, int fd, guint32 length, const char *pattern)
{
	const guint32 word = GUINT32_TO_BE(length);

	send_bytes(fd, (const guint8 *)&word, sizeof(word));
	assert_closed(fd);
	expect_warning(fixture, pattern);
	close(fd);
}

static void test_message_before_open(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	expect_too_long(fixture, connect_to(fixture->path), RPC_MESSAGE_UNOPENED_MAX + 1,
			"client * sends a message of 65537 bytes before the connection is opened*");
}

static void test_message_when_readonly(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = g_strnfill(TEXT_MAX, 'x');
	int fd = connect_to(fixture->readonly_path);

	open_connection(fd, 0);
	/* What a reader may say reaches further than what anybody says. */
	send_message(fd, echo_new(9, text));
	expect_echo(fd, 9, text);
	expect_too_long(fixture, fd, RPC_MESSAGE_READONLY_MAX + 1,
			"client * sends a message of 8388609 bytes on a read-only connection*");
}

/*
 * Messages that never end, together more than is held for read-only clients: some of them lose
 * their connection, and others are served as ever.
 */
static void test_sum_of_what_is_held(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const gsize n = RPC_HELD_LIMITED_MAX / RPC_MESSAGE_READONLY_MAX + 2;
	g_autoptr(GByteArray) message = call_new(ECHO, 1);
	g_autofree int *fds = g_new(int, n);
	int other = connect_and_open(fixture);
	gsize n_closed = 0;

	g_byte_array_set_size(message, RPC_MESSAGE_READONLY_MAX);
	finish(message);
	for (gsize i = 0; i < n; i++) {
		fds[i] = connect_to(fixture->readonly_path);
		open_connection(fds[i], 0);
		try_send(fds[i], message->data, message->len - 1);
	}
	assert_served(other);
	for (gsize i = 0; i < n; i++) {
		guint8 byte;
		const gssize length = recv(fds[i], &byte, 1, MSG_DONTWAIT);

		n_closed += length == 0 || errno == ECONNRESET;
		close(fds[i]);
	}
	g_assert_cmpuint(n_closed, >=, 2);
	g_assert_cmpuint(n_closed, <, n);
	for (gsize i = 0; i < n_closed; i++)
		expect_warning(fixture, "too much is held for read-only clients; client *");
	close(other);
}

/* The calls of read-only clients have threads of their own, and so many. */
static void test_readonly_calls_have_their_lane(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fds[4];
	int other = connect_and_open(fixture);

	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
		fds[i] = connect_to(fixture->readonly_path);
		open_connection(fds[i], 0);
		for (guint call = 0; call < RPC_CALLS_PER_CLIENT; call++)
			send_call(fds[i], WAIT, call);
	}
	await_count(fixture, &fixture->n_waiting, RPC_WORKERS_READONLY_MAX);
	assert_served(other);
	await_count(fixture, &fixture->n_waiting, RPC_WORKERS_READONLY_MAX);
	open_gate(fixture);
	for (gsize i = 0; i < G_N_ELEMENTS(fds); i++) {
		for (guint call = 0; call < RPC_CALLS_PER_CLIENT; call++) {
			g_auto(Reply) reply = receive(fds[i]);

			assert_reply(&reply, WAIT, reply.serial, WIRE_OK);
		}
		close(fds[i]);
	}
	close(other);
}

static void test_writers_have_their_slots(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree int *fds = g_new(int, RPC_CLIENTS_READONLY_MAX);
	int one_more;

	if (!allow_descriptors(2 * RPC_CLIENTS_MAX + 100))
		return;
	for (guint i = 0; i < RPC_CLIENTS_READONLY_MAX; i++)
		fds[i] = connect_to(fixture->readonly_path);
	one_more = connect_to(fixture->readonly_path);
	assert_closed(one_more);
	close(one_more);
	expect_warning(fixture, "700 clients are connected; one more is turned away (*read-only)");
	one_more = connect_and_open(fixture);
	assert_served(one_more);
	close(one_more);
	for (guint i = 0; i < RPC_CLIENTS_READONLY_MAX; i++)
		close(fds[i]);
	await_idle(fixture);
}

/* A flood of one kind costs the log a few lines, and one that says how many there are not. */
static void test_log_is_not_flooded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint8 too_short[] = { 0, 0, 0, 1 };
	const guint n = 3 * LOG_LIMIT_BURST;

	for (guint i = 0; i < n; i++) {
		int fd = connect_to(fixture->path);

		send_bytes(fd, too_short, sizeof(too_short));
		assert_closed(fd);
		close(fd);
	}
	for (guint i = 0; i < LOG_LIMIT_BURST; i++)
		expect_warning(fixture,
			       "client * sent a message of an impossible length (1 byte)*");
	g_assert_cmpuint(count_warnings(fixture), ==, 0);
	stop(fixture);
	expect_warning(fixture, "20 messages about messages of impossible lengths were left out");
}

/* Streams */

/* Opens a stream. Return: the other end of its descriptor. */
static int open_stream(Fixture *fixture, int fd, guint32 serial)
{
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int ends[2];

	g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	g_assert_no_errno(
		setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	fixture->stream_fd = ends[0];
	send_call(fd, STREAM, serial);
	expect_empty(fd, STREAM, serial);
	return ends[1];
}

static void send_stream(int fd, guint32 serial, guint32 status, const char *bytes)
{
	GByteArray *message = message_new(PROGRAM, 1, STREAM, WIRE_STREAM, serial, status);

	g_byte_array_append(message, (const guint8 *)bytes, strlen(bytes));
	send_message(fd, message);
}

static void expect_stream(int fd, guint32 serial, guint32 status, const char *bytes)
{
	g_auto(Reply) reply = receive(fd);

	assert_reply(&reply, STREAM, serial, status);
	g_assert_cmpuint(reply.type, ==, WIRE_STREAM);
	g_assert_cmpmem(reply.payload->data, reply.payload->len, bytes, strlen(bytes));
}

static void test_stream_both_ways(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	int device = open_stream(fixture, fd, 2);

	send_bytes(device, (const guint8 *)"login: ", 7);
	expect_stream(fd, 2, WIRE_CONTINUE, "login: ");
	send_stream(fd, 2, WIRE_CONTINUE, "root");
	assert_bytes(device, (const guint8 *)"root", 4);
	assert_served(fd);

	send_stream(fd, 2, WIRE_OK, "");
	expect_stream(fd, 2, WIRE_OK, "");
	assert_closed(device);
	await_count(fixture, &fixture->n_closed, 1);
	close(device);
	close(fd);
}

static void test_stream_of_an_ended_device(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	int device = open_stream(fixture, fd, 2);

	send_bytes(device, (const guint8 *)"bye", 3);
	close(device);
	expect_stream(fd, 2, WIRE_CONTINUE, "bye");
	expect_stream(fd, 2, WIRE_CONTINUE, "");
	send_stream(fd, 2, WIRE_ERROR, "");
	expect_stream(fd, 2, WIRE_OK, "");
	close(fd);
}

static void test_stream_that_was_not_opened(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	int device = open_stream(fixture, fd, 2);

	send_stream(fd, 3, WIRE_CONTINUE, "another's");
	send_stream(fd, 3, WIRE_OK, "");
	send_stream(fd, 2, WIRE_CONTINUE, "mine");
	assert_bytes(device, (const guint8 *)"mine", 4);
	close(fd);
	close(device);
}

static void test_stream_with_an_unknown_status(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	int device = open_stream(fixture, fd, 2);
	g_auto(Reply) reply = { 0 };

	send_stream(fd, 2, 3, "");
	reply = receive(fd);
	g_assert_cmpuint(reply.type, ==, WIRE_STREAM);
	assert_error(&reply, VIR_ERR_OPERATION_FAILED, "*unknown status*");
	assert_closed(device);
	assert_served(fd);
	close(device);
	close(fd);
}

static void test_stream_of_a_client_that_vanishes(Fixture *fixture,
						  gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	int device = open_stream(fixture, fd, 2);

	close(fd);
	assert_closed(device);
	await_count(fixture, &fixture->n_closed, 1);
	close(device);
}

static void test_stream_of_a_call_that_fails(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	int fd = connect_and_open(fixture);
	int ends[2];

	g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	fixture->stream_fd = ends[0];
	send_call(fd, FAIL, 2);
	expect_error(fd, FAIL, 2, VIR_ERR_OPERATION_FAILED, "*as it should*");
	assert_closed(ends[1]);
	await_count(fixture, &fixture->n_closed, 1);
	close(ends[1]);
	close(fd);
}

/* What is sent into a stream: bytes that tell where they belong. */
static void fill_piece(guint8 *piece, gsize size, gsize position)
{
	for (gsize i = 0; i < size; i++)
		piece[i] = (position + i) % 251;
}

typedef struct {
	int fd;
	gsize size;
} Device;

static gpointer read_device(gpointer data)
{
	const Device *device = data;
	guint8 received[4096], expected[4096];

	for (gsize position = 0; position < device->size;) {
		gsize size = MIN(sizeof(received), device->size - position);

		receive_bytes(device->fd, received, size);
		fill_piece(expected, size, position);
		g_assert_cmpmem(received, size, expected, size);
		position += size;
	}
	return NULL;
}

/* A device that takes nothing does not make its client's bytes pile up in the server. */
static void test_stream_that_is_stuck(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const gsize piece = 200000, far_too_much = 32u << 20;
	int fd = connect_and_open(fixture);
	Device device = { .fd = open_stream(fixture, fd, 2) };
	g_autoptr(GByteArray)
		message = message_new(PROGRAM, 1, STREAM, WIRE_STREAM, 2, WIRE_CONTINUE);
	const gsize start_of_data = message->len;
	GThread *reader;
	gsize sent;

	g_byte_array_set_size(message, start_of_data + piece);
	finish(message);
	do {
		fill_piece(message->data + start_of_data, piece, device.size);
		sent = send_until_stuck(fixture, fd, message);
		device.size += piece;
		g_assert_cmpuint(device.size, <, far_too_much);
	} while (sent == message->len);

	/* Once the device takes something, everything arrives. */
	reader = g_thread_new("device", read_device, &device);
	send_bytes(fd, message->data + sent, message->len - sent);
	g_thread_join(reader);
	close(fd);
	close(device.fd);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	/* Warnings are collected and compared. */
	g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
	g_log_set_default_handler(collect_log, NULL);
	/* Has a descriptor, which no test should count as its own. */
	g_main_context_default();

	add("/rpc/call/byte-for-byte", test_call_byte_for_byte);
	add("/rpc/call/error-byte-for-byte", test_error_byte_for_byte);
	add("/rpc/call/procedures-nobody-has", test_procedures_nobody_has);
	add("/rpc/call/functions-by-name", test_functions_by_name);
	add("/rpc/call/other-programs", test_other_programs);
	add("/rpc/call/other-types", test_other_types);
	add("/rpc/call/result-over-its-limit", test_result_over_its_limit);
	add("/rpc/length/impossible", test_impossible_lengths);
	add("/rpc/length/word-alone-decides", test_length_word_alone_decides);
	add("/rpc/length/largest-is-awaited", test_largest_message_is_awaited);
	add("/rpc/length/large", test_large_message);
	add("/rpc/length/of-the-limit", test_message_of_the_limit);
	add("/rpc/length/cut-off-anywhere", test_cut_off_anywhere);
	add("/rpc/length/cut-off-and-shut-down", test_cut_off_and_shut_down);
	add("/rpc/payload/too-short", test_payload_too_short);
	add("/rpc/payload/too-long", test_payload_too_long);
	add("/rpc/payload/where-none-is-wanted", test_payload_where_none_is_wanted);
	add("/rpc/payload/lengths-that-claim-too-much", test_lengths_that_claim_too_much);
	add("/rpc/payload/opaque-up-to-its-limit", test_opaque_up_to_its_limit);
	add("/rpc/arrival/two-calls-in-one-write", test_two_calls_in_one_write);
	add("/rpc/arrival/byte-by-byte", test_call_byte_by_byte);
	add("/rpc/arrival/calls-per-client-are-limited", test_calls_per_client_are_limited);
	add("/rpc/arrival/many-clients", test_many_clients);
	add("/rpc/arrival/one-client-too-many", test_one_client_too_many);
	add("/rpc/arrival/no-descriptor-for-a-client", test_no_descriptor_for_a_client);
	add("/rpc/access/readonly-socket", test_readonly_socket);
	add("/rpc/access/readonly-by-request", test_readonly_by_request);
	add("/rpc/access/before-open", test_call_before_open);
	add("/rpc/access/after-close", test_call_after_close);
	add("/rpc/access/uri-of-another-driver", test_uri_of_another_driver);
	add("/rpc/keepalive/ping-is-answered", test_ping_is_answered);
	add("/rpc/keepalive/pong-is-not-answered", test_pong_is_not_answered);
	add("/rpc/end/client-vanishes-during-its-call", test_client_vanishes_during_its_call);
	add("/rpc/end/of-a-client-that-is-gone", test_end_of_a_client_that_is_gone);
	add("/rpc/end/of-a-client", test_end_of_a_client);
	add("/rpc/end/stop-ends-clients", test_stop_ends_clients);
	add("/rpc/end/stop-waits-for-calls", test_stop_waits_for_calls);
	add("/rpc/end/stop-leaves-calls", test_stop_leaves_calls);
	add("/rpc/unread/replies", test_replies_that_are_not_read);
	add("/rpc/unread/pongs", test_pongs_that_are_not_read);
	add("/rpc/unread/events", test_events_that_are_not_read);
	add("/rpc/events/many-registrations", test_events_of_many_registrations);
	add("/rpc/events/disk-errors", test_events_of_disk_errors);
	add("/rpc/limits/message-before-open", test_message_before_open);
	add("/rpc/limits/message-when-readonly", test_message_when_readonly);
	add("/rpc/limits/sum", test_sum_of_what_is_held);
	add("/rpc/limits/readonly-calls-have-their-lane", test_readonly_calls_have_their_lane);
	add("/rpc/limits/writers-have-their-slots", test_writers_have_their_slots);
	add("/rpc/limits/log-is-not-flooded", test_log_is_not_flooded);
	add("/rpc/stream/both-ways", test_stream_both_ways);
	add("/rpc/stream/ended-device", test_stream_of_an_ended_device);
	add("/rpc/stream/not-opened", test_stream_that_was_not_opened);
	add("/rpc/stream/unknown-status", test_stream_with_an_unknown_status);
	add("/rpc/stream/client-vanishes", test_stream_of_a_client_that_vanishes);
	add("/rpc/stream/call-fails", test_stream_of_a_call_that_fails);
	add("/rpc/stream/stuck", test_stream_that_is_stuck);

	return g_test_run();
}
