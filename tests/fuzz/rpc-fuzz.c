/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rpc-fuzz.c - libFuzzer target: any bytes as what an RPC client sends
 *
 * Theory of operation
 *
 * The input's first byte says what the rest is:
 *
 *  - arguments of one of the driver's procedures. What decodes must encode, and what that
 *    came to must decode to the same. No handler runs.
 *  - a stream of bytes, as they come from a client, or a list of messages of which the input
 *    says everything but the program and the length, so that the fuzzer need not guess them.
 *    Both go to a server with a few procedures of its own. It must let go of the client
 *    when the client has finished, and what it answered must be messages.
 *
 *     rpc-fuzz CORPUS
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "answer.h"
#include "driver/calls/calls.h"
#include "driver/error.h"
#include "driver/rpc/private.h"
#include "driver/rpc/protocol.h"

/* What a socket's buffer takes, so that nobody has to wait. */
#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Arguments */

static const RpcProcedure *choose_procedure(guint number)
{
	guint n = 0;

	for (;;) {
		for (const RpcProcedure *const *table = calls_tables; *table; table++) {
			for (const RpcProcedure *row = *table; row->name; row++) {
				if (row->args_filter && n++ == number)
					return row;
			}
		}
		number %= n;
		n = 0;
	}
}

static GBytes *encode(const RpcProcedure *procedure, const void *args)
{
	const WireHeader header = { .program = WIRE_PROGRAM_REMOTE };
	GBytes *message = wire_encode(&header, procedure->args_filter, args);

	g_assert_nonnull(message);
	return message;
}

static void check_arguments(const guint8 *data, gsize size)
{
	const gsize start = WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE;
	const RpcProcedure *procedure = choose_procedure(data[0]);
	g_autofree void *args = g_malloc0(procedure->args_size);
	g_autofree void *again = g_malloc0(procedure->args_size);
	/* A piece of memory of its own, so that a byte too many is seen. */
	g_autofree guint8 *payload = g_memdup2(data + 1, size - 1);

	if (wire_decode(payload, size - 1, procedure->args_filter, args)) {
		g_autoptr(GBytes) message = encode(procedure, args);
		g_autoptr(GBytes) same = NULL;
		const guint8 *bytes = g_bytes_get_data(message, NULL);

		g_assert_true(wire_decode(bytes + start, g_bytes_get_size(message) - start,
					  procedure->args_filter, again));
		same = encode(procedure, again);
		g_assert_true(g_bytes_equal(message, same));
	}
	xdr_free(procedure->args_filter, args);
	xdr_free(procedure->args_filter, again);
}

/* A server */

enum { ECHO = 1001, STREAM = 1002, FAIL = 1003 };

static gboolean do_echo(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)call;
	(void)error;
	*(RpcString *)result = g_strdup(*(const RpcString *)args);
	return TRUE;
}

/* A stream whose device says hello and is gone. */
static gboolean do_stream(RpcCall *call, const void *args, void *result, GError **error)
{
	int ends[2];

	(void)args;
	(void)result;
	(void)error;
	g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	g_assert_cmpint(send(ends[1], "hello", 5, MSG_NOSIGNAL), ==, 5);
	close(ends[1]);
	rpc_stream_unref(rpc_stream_open(call, ends[0], NULL, NULL));
	return TRUE;
}

static gboolean do_fail(RpcCall *call, const void *args, void *result, GError **error)
{
	do_stream(call, args, result, error);
	return driver_error(error, VIR_ERR_OPERATION_FAILED, "%s", *(const RpcString *)args);
}

static const RpcProcedure procedures[] = {
	{ ECHO, "Echo", RPC_ACCESS_ANYONE, (xdrproc_t)xdr_RpcString, sizeof(RpcString),
	  (xdrproc_t)xdr_RpcString, sizeof(RpcString), do_echo },
	{ STREAM, "Stream", RPC_ACCESS_ANYONE, .handler = do_stream },
	{ FAIL, "Fail", RPC_ACCESS_WRITE, (xdrproc_t)xdr_RpcString, sizeof(RpcString),
	  .handler = do_fail },
	{ .name = NULL },
};

static const RpcProcedure *const tables[] = { procedures, NULL };

static void be_quiet(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
	if (!(level & G_LOG_LEVEL_WARNING))
		g_log_default_handler(domain, level, message, data);
}

static RpcServer *server_new(void)
{
	g_log_set_default_handler(be_quiet, NULL);
	return rpc_server_new(tables, "gmem:///fuzz", NULL);
}

/* Whole messages, but for the last, which the end of the connection may have cut off. */
static void check_answer(const GByteArray *answer)
{
	gsize size = 0;

	for (gsize done = 0; done + WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE <= answer->len;
	     done += size) {
		WireHeader header;

		g_assert_true(wire_parse_length(answer->data + done, &size));
		wire_parse_header(answer->data + done, size, &header);
		g_assert_cmpuint(header.type, !=, WIRE_CALL);
	}
}

/* Whether the server has something to read or to carry out for its client. */
static gboolean is_busy(const RpcServer *server, GSocket *socket)
{
	const RpcClient *client;

	if (server->clients->len == 0)
		return FALSE;
	client = g_ptr_array_index(server->clients, 0);
	return client->n_calls > 0 || g_socket_get_available_bytes(socket) > 0;
}

static void talk(const guint8 *data, gsize size)
{
	static RpcServer *server;
	g_autoptr(GByteArray) answer = g_byte_array_new();
	g_autoptr(GSocket) socket = NULL;
	int ends[2];

	if (!server)
		server = server_new();
	g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	socket = g_socket_new_from_fd(ends[0], NULL);
	g_assert_nonnull(socket);
	rpc_server_add_connection(server, socket, FALSE);
	g_assert_cmpint(send(ends[1], data, size, MSG_NOSIGNAL), ==, size);
	while (is_busy(server, socket) && take_answer(ends[1], answer))
		g_main_context_iteration(NULL, TRUE);
	g_assert_no_errno(shutdown(ends[1], SHUT_WR));
	while (take_answer(ends[1], answer))
		g_main_context_iteration(NULL, TRUE);
	g_assert_cmpuint(rpc_server_count_clients(server), ==, 0);
	check_answer(answer);
	close(ends[1]);
}

/* Messages */

typedef struct __attribute__((packed)) {
	guint8 procedure;
	guint8 type;
	guint8 serial;
	guint8 status;
	guint16 size; /* of the payload that follows */
} Step;

static gint32 message_procedure(guint8 chosen)
{
	static const gint32 numbers[] = {
		ECHO,
		STREAM,
		FAIL,
		RPC_CONNECT_OPEN,
		RPC_CONNECT_CLOSE,
		RPC_CONNECT_GET_URI,
		RPC_AUTH_LIST,
		RPC_CONNECT_SUPPORTS_FEATURE,
		RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY,
		RPC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY,
	};

	return chosen < 200 ? numbers[chosen % G_N_ELEMENTS(numbers)] : chosen;
}

static void append_message(GByteArray *stream, const Step *step, const guint8 *payload, gsize size)
{
	const WireHeader header = {
		.program = step->type & 0x80 ? WIRE_PROGRAM_KEEPALIVE : WIRE_PROGRAM_REMOTE,
		.version = WIRE_PROGRAM_VERSION,
		.procedure = message_procedure(step->procedure),
		.type = step->type & 0x0f,
		.serial = step->serial & 7,
		.status = step->status,
	};
	g_autoptr(GBytes) message = wire_encode_data(&header, payload, size);

	g_byte_array_append(stream, g_bytes_get_data(message, NULL), g_bytes_get_size(message));
}

static void talk_in_messages(const guint8 *data, gsize size)
{
	g_autoptr(GByteArray) stream = g_byte_array_new();
	Step step;

	while (size >= sizeof(step)) {
		gsize length;

		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		size -= sizeof(step);
		length = MIN(step.size, size);
		append_message(stream, &step, data, length);
		data += length;
		size -= length;
	}
	if (stream->len > 0 && stream->len <= INPUT_MAX)
		talk(stream->data, stream->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > INPUT_MAX)
		return 0;
	switch (data[0] % 3) {
	case 0:
		check_arguments(data + 1, size - 1);
		break;
	case 1:
		talk(data + 1, size - 1);
		break;
	default:
		talk_in_messages(data + 1, size - 1);
		break;
	}
	return 0;
}
