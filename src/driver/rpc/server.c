/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server.c - the RPC server: sockets, clients, worker threads */
#include "driver/rpc/server.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/socket.h>

#include "driver/error.h"
#include "driver/rpc/private.h"

/* How long it takes until a first thread is tried again for a job that has to be done. */
#define RETRY_MS 1000

/* How long nobody is let in after somebody could not be. */
#define ACCEPT_PAUSE_MS 1000

/* A call with more bytes counts as large among those that only read. */
#define LARGE_CALL (64u << 10)

/* Keepalive's two procedures; both have no payload. */
#define KEEPALIVE_PING 1
#define KEEPALIVE_PONG 2

typedef struct {
	void (*function)(gpointer data);
	gpointer data;
} Job;

/* A call on its way to a worker and back. */
typedef struct {
	RpcServer *server;
	RpcClient *client; /* a reference */
	const RpcProcedure *procedure;
	WireHeader header; /* of the reply */
	gsize size;	   /* held for it, without its reply */
	GBytes *message;
	GBytes *reply;
	RpcStream *stream; /* opened by the handler, or NULL */
	gboolean succeeded;
} Work;

static gboolean run_posted(gpointer data)
{
	const Job *job = data;

	job->function(job->data);
	return G_SOURCE_REMOVE;
}

void rpc_server_post(RpcServer *server, void (*function)(gpointer data), gpointer data)
{
	GSource *source = g_idle_source_new();
	Job *job = g_new0(Job, 1);

	job->function = function;
	job->data = data;
	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	g_source_set_callback(source, run_posted, job, g_free);
	g_source_attach(source, server->context);
	g_source_unref(source);
}

static void run_job(gpointer data)
{
	Job *job = data;

	job->function(job->data);
	g_free(job);
}

static gboolean on_retry(gpointer data)
{
	RpcServer *server = data;

	if (!rpc_workers_retry(server->workers))
		return G_SOURCE_CONTINUE;
	g_clear_pointer(&server->retry_source, g_source_unref);
	return G_SOURCE_REMOVE;
}

static void start_retrying(gpointer data)
{
	RpcServer *server = data;

	if (server->retry_source || !server->workers)
		return;
	server->retry_source = g_timeout_source_new(RETRY_MS);
	g_source_set_callback(server->retry_source, on_retry, server, NULL);
	g_source_attach(server->retry_source, server->context);
}

void rpc_server_run_in_worker(RpcServer *server, void (*function)(gpointer data), gpointer data)
{
	Job *job = g_new0(Job, 1);
	const RpcJob worker_job = {
		.name = _("the end of a client"),
		.function = run_job,
		.data = job,
	};

	job->function = function;
	job->data = data;
	if (!rpc_workers_run(server->workers, RPC_LANE_WRITABLE, &worker_job, NULL))
		rpc_server_post(server, start_retrying, server);
}

/* A socket at which clients arrive. */
typedef struct {
	RpcServer *server;
	GSocket *socket; /* a reference */
	gboolean is_readonly;
	GSource *source; /* waits for a client, or for the end of a pause */
} Listener;

static void listener_stop(Listener *listener)
{
	if (!listener->source)
		return;
	g_source_destroy(listener->source);
	g_clear_pointer(&listener->source, g_source_unref);
}

static void listener_free(gpointer data)
{
	Listener *listener = data;

	listener_stop(listener);
	g_object_unref(listener->socket);
	g_free(listener);
}

/* Procedures that would only be in the way of each other if two had one number. */
static void add_procedures(RpcServer *server, const RpcProcedure *table)
{
	for (; table->name; table++) {
		gboolean is_new = g_hash_table_insert(
			server->procedures, GUINT_TO_POINTER(table->number), (gpointer)table);

		g_assert(is_new);
	}
}

RpcServer *rpc_server_new(const RpcProcedure *const *tables, const char *uri, gpointer driver)
{
	RpcServer *server = g_new0(RpcServer, 1);

	g_mutex_init(&server->events_lock);
	g_cond_init(&server->has_room);
	server->context = g_main_context_ref_thread_default();
	server->uri = g_strdup(uri);
	server->driver = driver;
	server->procedures = g_hash_table_new(NULL, NULL);
	add_procedures(server, rpc_connection_procedures);
	add_procedures(server, rpc_event_procedures);
	for (; *tables; tables++)
		add_procedures(server, *tables);
	server->workers = rpc_workers_new();
	server->listeners = g_ptr_array_new_with_free_func(listener_free);
	server->clients = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_client_unref);
	server->users = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	server->read_buffer = g_malloc(RPC_READ_CHUNK);
	server->next_order = 1;
	server->next_callback = 1;
	return server;
}

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

/* What was left out of the log because there was too much of it. */
static void flush_log(RpcServer *server)
{
	log_limit_flush(&server->log.length,
			"%" PRIu64 " message about messages of impossible lengths was left out",
			"%" PRIu64 " messages about messages of impossible lengths were left out");
	log_limit_flush(&server->log.turned_away,
			"%" PRIu64 " message about clients that were turned away was left out",
			"%" PRIu64 " messages about clients that were turned away were left out");
	log_limit_flush(&server->log.accept,
			"%" PRIu64 " message about clients that could not be accepted was left out",
			"%" PRIu64
			" messages about clients that could not be accepted were left out");
	log_limit_flush(&server->log.not_opened,
			"%" PRIu64 " message about connections that were not opened was left out",
			"%" PRIu64
			" messages about connections that were not opened were left out");
	log_limit_flush(&server->log.not_read,
			"%" PRIu64 " message about events that were not read was left out",
			"%" PRIu64 " messages about events that were not read were left out");
	log_limit_flush(
		&server->log.too_much,
		"%" PRIu64 " message about clients for which too much was held was left out",
		"%" PRIu64 " messages about clients for which too much was held were left out");
	log_limit_flush(&server->log.silent,
			"%" PRIu64 " message about clients that did not answer was left out",
			"%" PRIu64 " messages about clients that did not answer were left out");
}

gboolean rpc_server_stop(RpcServer *server)
{
	if (!server->workers)
		return TRUE;
	g_ptr_array_set_size(server->listeners, 0);
	server->on_idle = NULL;
	rpc_events_stop(server);
	while (server->clients->len > 0)
		rpc_client_close(g_ptr_array_index(server->clients, 0));
	flush_log(server);
	if (!rpc_workers_stop(server->workers, RPC_STOP_READONLY_SECONDS, RPC_STOP_SECONDS))
		return FALSE;
	g_clear_pointer(&server->workers, rpc_workers_free);
	/* What the last workers have posted still names the server. */
	while (g_main_context_iteration(server->context, FALSE))
		continue;
	clear_source(&server->keepalive_source);
	clear_source(&server->retry_source);
	clear_source(&server->trim_source);
	return TRUE;
}

void rpc_server_free(RpcServer *server)
{
	gboolean has_stopped;

	if (!server)
		return;
	has_stopped = rpc_server_stop(server);
	g_assert(has_stopped);
	g_hash_table_unref(server->users);
	g_ptr_array_unref(server->clients);
	g_ptr_array_unref(server->listeners);
	g_hash_table_unref(server->procedures);
	g_main_context_unref(server->context);
	g_cond_clear(&server->has_room);
	g_mutex_clear(&server->events_lock);
	g_free(server->read_buffer);
	g_free(server->uri);
	g_free(server);
}

/* Who is at the other end, as the kernel says. */
static struct ucred read_credentials(GSocket *socket)
{
	struct ucred credentials = { 0 };
	socklen_t length = sizeof(credentials);

	if (getsockopt(g_socket_get_fd(socket), SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
		credentials.uid = (uid_t)-1;
	return credentials;
}

void rpc_server_add_connection(RpcServer *server, GSocket *socket, gboolean is_readonly)
{
	const struct ucred peer = read_credentials(socket);
	RpcClient *client;

	if (!rpc_limits_admit(server, peer.uid, peer.pid, is_readonly)) {
		g_socket_close(socket, NULL);
		return;
	}
	client = rpc_client_new(server, socket, peer.uid, peer.pid, is_readonly);
	rpc_limits_enter(client);
	g_ptr_array_add(server->clients, client);
	rpc_client_start(client);
}

static void listen_to_clients(Listener *listener);

static gboolean on_pause_over(gpointer data)
{
	listen_to_clients(data);
	return G_SOURCE_REMOVE;
}

/*
 * A client that cannot be accepted, for want of descriptors as a rule, stays at the head of the
 * socket's queue, and the socket readable. Only time helps.
 */
static void pause_listening(Listener *listener)
{
	listener_stop(listener);
	listener->source = g_timeout_source_new(ACCEPT_PAUSE_MS);
	g_source_set_callback(listener->source, on_pause_over, listener, NULL);
	g_source_attach(listener->source, listener->server->context);
}

static gboolean on_connection(GSocket *socket, GIOCondition condition, gpointer data)
{
	Listener *listener = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocket) connection = g_socket_accept(socket, NULL, &error);

	(void)condition;
	if (connection) {
		rpc_server_add_connection(listener->server, connection, listener->is_readonly);
	} else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
		log_limit_warning(&listener->server->log.accept, _("accepting a client: %s"),
				  error->message);
		pause_listening(listener);
	}
	return G_SOURCE_CONTINUE;
}

static void listen_to_clients(Listener *listener)
{
	listener_stop(listener);
	listener->source = g_socket_create_source(listener->socket, G_IO_IN, NULL);
	g_source_set_callback(listener->source, G_SOURCE_FUNC(on_connection), listener, NULL);
	g_source_attach(listener->source, listener->server->context);
}

void rpc_server_add_socket(RpcServer *server, GSocket *socket, gboolean is_readonly)
{
	Listener *listener = g_new0(Listener, 1);

	g_socket_set_blocking(socket, FALSE);
	listener->server = server;
	listener->socket = g_object_ref(socket);
	listener->is_readonly = is_readonly;
	listen_to_clients(listener);
	g_ptr_array_add(server->listeners, listener);
}

guint rpc_server_count_clients(RpcServer *server)
{
	return server->clients->len;
}

void rpc_server_on_idle(RpcServer *server, void (*function)(gpointer data), gpointer data)
{
	server->on_idle = function;
	server->on_idle_data = data;
}

void rpc_server_forget_client(RpcServer *server, RpcClient *client)
{
	rpc_limits_leave(client);
	g_ptr_array_remove_fast(server->clients, client);
	if (server->clients->len > 0)
		return;
	clear_source(&server->keepalive_source);
	if (server->on_idle)
		server->on_idle(server->on_idle_data);
}

static gboolean on_keepalive(gpointer data)
{
	RpcServer *server = data;

	/* Backwards, because closing a client moves the last one into its place. */
	for (guint i = server->clients->len; i-- > 0;) {
		RpcClient *client = g_ptr_array_index(server->clients, i);
		const WireHeader ping = {
			.program = WIRE_PROGRAM_KEEPALIVE,
			.version = WIRE_PROGRAM_VERSION,
			.procedure = KEEPALIVE_PING,
			.type = WIRE_EVENT,
		};

		/* One that is not read from cannot be heard. */
		if (client->was_heard || client->pauses)
			client->silent_turns = 0;
		client->was_heard = FALSE;
		if (!client->has_keepalive || client->silent_turns++ == 0)
			continue;
		if (client->silent_turns > RPC_KEEPALIVE_COUNT) {
			log_limit_warning(&server->log.silent,
					  _("client %d does not answer; it is disconnected"),
					  (int)client->pid);
			rpc_client_close(client);
			continue;
		}
		rpc_client_send(client, wire_encode(&ping, NULL, NULL));
	}
	return G_SOURCE_CONTINUE;
}

static void start_keepalive(gpointer data)
{
	RpcClient *client = data;
	RpcServer *server = client->server;

	client->has_keepalive = TRUE;
	if (!client->is_closed && !server->keepalive_source) {
		server->keepalive_source = g_timeout_source_new_seconds(RPC_KEEPALIVE_INTERVAL);
		g_source_set_callback(server->keepalive_source, on_keepalive, server, NULL);
		g_source_attach(server->keepalive_source, server->context);
	}
	rpc_client_unref(client);
}

void rpc_server_start_keepalive(RpcServer *server, RpcClient *client)
{
	rpc_server_post(server, start_keepalive, rpc_client_ref(client));
}

/* Answers a message that has come to nothing. */
static void reply_error(RpcClient *client, const WireHeader *header, const GError *error)
{
	rpc_client_reply(client, wire_encode_error(header, error));
}

static void free_work(gpointer data)
{
	Work *work = data;

	rpc_client_release_call(work->client, work->size);
	g_clear_pointer(&work->reply, g_bytes_unref);
	g_bytes_unref(work->message);
	rpc_client_unref(work->client);
	g_free(work);
}

/* On the main thread again: the reply goes out, and the stream behind it. */
static void finish_work(gpointer data)
{
	Work *work = data;
	RpcServer *server = work->server;
	RpcClient *client = work->client;

	rpc_client_reply(client, g_steal_pointer(&work->reply));
	if (work->stream && work->succeeded && !client->is_closed)
		rpc_stream_start(work->stream);
	else if (work->stream)
		rpc_stream_drop(work->stream);
	g_clear_pointer(&work->stream, rpc_stream_unref);
	free_work(work);
	rpc_limits_enforce(server);
}

/* Calls the handler with decoded arguments; FALSE with @error set for an error reply. */
static gboolean call_handler(Work *work, const void *args, GError **error)
{
	const RpcProcedure *procedure = work->procedure;
	g_autofree void *result = procedure->result_filter ? g_malloc0(procedure->result_size) :
							     NULL;
	RpcCall call = {
		.client = work->client,
		.procedure = procedure->number,
		.serial = work->header.serial,
		.driver = work->server->driver,
	};

	work->succeeded = rpc_dispatch(procedure, &call, args, result, error);
	work->stream = call.stream;
	if (work->succeeded) {
		work->reply = wire_encode(&work->header, procedure->result_filter, result);
		if (!work->reply)
			work->succeeded =
				driver_error(error, VIR_ERR_RPC,
					     _("the result of %s exceeds the protocol's limits"),
					     procedure->name);
	}
	if (procedure->result_filter)
		xdr_free(procedure->result_filter, result);
	return work->succeeded;
}

/* Carries a call out, up to its encoded reply. */
static void do_call(Work *work)
{
	const RpcProcedure *procedure = work->procedure;
	g_autofree void *args = procedure->args_filter ? g_malloc0(procedure->args_size) : NULL;
	g_autoptr(GError) error = NULL;
	gsize size;
	const guint8 *message = g_bytes_get_data(work->message, &size);
	const gsize start = WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE;

	if (args && !wire_decode(message + start, size - start, procedure->args_filter, args))
		driver_error(&error, VIR_ERR_RPC, _("the arguments of %s cannot be decoded"),
			     procedure->name);
	else
		call_handler(work, args, &error);
	if (args)
		xdr_free(procedure->args_filter, args);
	if (!work->reply)
		work->reply = wire_encode_error(&work->header, error);
}

/* On a worker thread. */
static void do_work(gpointer data)
{
	Work *work = data;

	do_call(work);
	rpc_server_post(work->server, finish_work, work);
}

static void send_to_worker(Work *work)
{
	const RpcClient *client = work->client;
	const RpcJob job = {
		.name = work->procedure->name,
		.function = do_work,
		.drop = free_work,
		.data = work,
		.owner = client,
		.uid = client->uid,
		.is_large = client->is_limited && work->size > LARGE_CALL,
	};
	g_autoptr(GError) error = NULL;

	if (rpc_workers_run(work->server->workers,
			    client->is_limited ? RPC_LANE_READONLY : RPC_LANE_WRITABLE, &job,
			    &error))
		return;
	work->reply = wire_encode_error(&work->header, error);
	finish_work(work);
}

static gboolean is_served(const WireHeader *header)
{
	return header->version == WIRE_PROGRAM_VERSION &&
	       (header->program == WIRE_PROGRAM_REMOTE || header->program == WIRE_PROGRAM_QEMU);
}

/* The two programs share a table. Return: NULL where there is no such procedure. */
static const RpcProcedure *find_procedure(RpcServer *server, const WireHeader *call)
{
	const guint32 program = call->program == WIRE_PROGRAM_QEMU ? RPC_QEMU_PROGRAM : 0;
	const guint32 number = (guint32)call->procedure;

	if (number >= RPC_QEMU_PROGRAM)
		return NULL;
	return g_hash_table_lookup(server->procedures, GUINT_TO_POINTER(number | program));
}

static void handle_call(RpcServer *server, RpcClient *client, const WireHeader *call,
			GBytes *message)
{
	const RpcProcedure *procedure = find_procedure(server, call);
	WireHeader reply = *call;
	g_autoptr(GError) error = NULL;
	Work *work;

	reply.type = WIRE_REPLY;
	reply.status = WIRE_OK;
	rpc_client_begin_call(client);
	if (!rpc_dispatch_check_access(client, procedure, call->procedure, &error)) {
		reply_error(client, &reply, error);
		return;
	}
	work = g_new0(Work, 1);
	work->server = server;
	work->client = rpc_client_ref(client);
	work->procedure = procedure;
	work->header = reply;
	work->size = g_bytes_get_size(message) + RPC_CALL_OVERHEAD;
	work->message = g_bytes_ref(message);
	rpc_client_hold_call(client, work->size);
	if (procedure->access == RPC_ACCESS_ANYONE) {
		do_call(work);
		finish_work(work);
	} else {
		send_to_worker(work);
	}
}

static void handle_keepalive(RpcClient *client, const WireHeader *header)
{
	WireHeader pong = *header;

	/* Being heard is all that a pong is for. */
	if (header->procedure != KEEPALIVE_PING)
		return;
	pong.procedure = KEEPALIVE_PONG;
	pong.type = WIRE_EVENT;
	pong.status = WIRE_OK;
	rpc_client_begin_call(client);
	rpc_client_reply(client, wire_encode(&pong, NULL, NULL));
}

static void refuse_message(RpcClient *client, const WireHeader *header)
{
	WireHeader reply = *header;
	g_autoptr(GError) error = NULL;

	reply.type = WIRE_REPLY;
	if (!is_served(header))
		driver_error(&error, VIR_ERR_NO_SUPPORT, _("program %#x, version %u"),
			     header->program, header->version);
	else
		driver_error(&error, VIR_ERR_RPC,
			     _("a message of type %u is not a client's to send"), header->type);
	rpc_client_begin_call(client);
	reply_error(client, &reply, error);
}

void rpc_server_handle_message(RpcServer *server, RpcClient *client, GBytes *message)
{
	WireHeader header;
	gsize size;
	const guint8 *data = g_bytes_get_data(message, &size);
	const gsize start = WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE;

	wire_parse_header(data, size, &header);
	if (header.program == WIRE_PROGRAM_KEEPALIVE && header.version == WIRE_PROGRAM_VERSION)
		handle_keepalive(client, &header);
	else if (!is_served(&header))
		refuse_message(client, &header);
	else if (header.type == WIRE_CALL)
		handle_call(server, client, &header, message);
	else if (header.type == WIRE_STREAM && header.program == WIRE_PROGRAM_REMOTE)
		rpc_stream_handle_message(client, &header, data + start, size - start);
	else
		refuse_message(client, &header);
}
