/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* server.c - the RPC server: sockets, clients, worker threads */
#include "driver/rpc/server.h"

#include "driver/error.h"
#include "driver/rpc/private.h"

/* How long a worker that has nothing to do is kept for the next call. */
#define IDLE_WORKER_MS 15000

/* How long nobody is let in after somebody could not be. */
#define ACCEPT_PAUSE_MS 1000

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

static void run_job(gpointer data, gpointer user_data)
{
	Job *job = data;
	RpcServer *server = user_data;

	job->function(job->data);
	g_free(job);
	g_mutex_lock(&server->jobs_lock);
	if (--server->n_jobs == 0)
		g_cond_broadcast(&server->jobs_done);
	g_mutex_unlock(&server->jobs_lock);
}

void rpc_server_run_in_worker(RpcServer *server, void (*function)(gpointer data), gpointer data)
{
	Job *job = g_new0(Job, 1);

	job->function = function;
	job->data = data;
	g_mutex_lock(&server->jobs_lock);
	server->n_jobs++;
	g_mutex_unlock(&server->jobs_lock);
	/* A thread that cannot be made now is made later; the job waits in the queue. */
	g_thread_pool_push(server->workers, job, NULL);
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
	g_mutex_init(&server->jobs_lock);
	g_cond_init(&server->jobs_done);
	server->context = g_main_context_ref_thread_default();
	server->uri = g_strdup(uri);
	server->driver = driver;
	server->procedures = g_hash_table_new(NULL, NULL);
	add_procedures(server, rpc_connection_procedures);
	add_procedures(server, rpc_event_procedures);
	for (; *tables; tables++)
		add_procedures(server, *tables);
	g_thread_pool_set_max_idle_time(IDLE_WORKER_MS);
	server->workers = g_thread_pool_new(run_job, server, -1, FALSE, NULL);
	server->listeners = g_ptr_array_new_with_free_func(listener_free);
	server->clients = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_client_unref);
	server->registrations = rpc_events_new_registrations();
	server->next_callback = 1;
	return server;
}

static void stop_keepalive(RpcServer *server)
{
	if (!server->keepalive_source)
		return;
	g_source_destroy(server->keepalive_source);
	g_clear_pointer(&server->keepalive_source, g_source_unref);
}

/* A pool that is being freed takes no more, and a job may ask for another one. */
static void wait_for_jobs(RpcServer *server)
{
	g_mutex_lock(&server->jobs_lock);
	while (server->n_jobs > 0)
		g_cond_wait(&server->jobs_done, &server->jobs_lock);
	g_mutex_unlock(&server->jobs_lock);
}

void rpc_server_stop(RpcServer *server)
{
	if (!server->workers)
		return;
	g_ptr_array_set_size(server->listeners, 0);
	server->on_idle = NULL;
	while (server->clients->len > 0)
		rpc_client_close(g_ptr_array_index(server->clients, 0));
	wait_for_jobs(server);
	g_thread_pool_free(g_steal_pointer(&server->workers), FALSE, TRUE);
	/* What the last workers have posted still names the server. */
	while (g_main_context_iteration(server->context, FALSE))
		continue;
	stop_keepalive(server);
}

void rpc_server_free(RpcServer *server)
{
	if (!server)
		return;
	rpc_server_stop(server);
	g_array_unref(server->registrations);
	g_ptr_array_unref(server->clients);
	g_ptr_array_unref(server->listeners);
	g_hash_table_unref(server->procedures);
	g_main_context_unref(server->context);
	g_cond_clear(&server->jobs_done);
	g_mutex_clear(&server->jobs_lock);
	g_mutex_clear(&server->events_lock);
	g_free(server->uri);
	g_free(server);
}

void rpc_server_add_connection(RpcServer *server, GSocket *socket, gboolean is_readonly)
{
	RpcClient *client;

	if (server->clients->len >= RPC_CLIENTS_MAX) {
		g_warning("%u clients are connected; one more is turned away", RPC_CLIENTS_MAX);
		g_socket_close(socket, NULL);
		return;
	}
	client = rpc_client_new(server, socket, is_readonly);
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
		g_warning("accepting a client: %s", error->message);
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
	g_ptr_array_remove_fast(server->clients, client);
	if (server->clients->len > 0)
		return;
	stop_keepalive(server);
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
			g_warning("client %d does not answer; it is disconnected",
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

static void send_error(RpcClient *client, const WireHeader *header, const GError *error)
{
	rpc_client_send(client, wire_encode_error(header, error));
}

/* On the main thread again: the reply goes out, and the stream behind it. */
static void finish_work(gpointer data)
{
	Work *work = data;
	RpcClient *client = work->client;

	if (client->is_closed)
		g_clear_pointer(&work->reply, g_bytes_unref);
	else
		rpc_client_send(client, g_steal_pointer(&work->reply));
	if (work->stream && work->succeeded && !client->is_closed)
		rpc_stream_start(work->stream);
	else if (work->stream)
		rpc_stream_drop(work->stream);
	g_clear_pointer(&work->stream, rpc_stream_unref);
	client->n_calls--;
	rpc_client_resume(client, RPC_PAUSE_CALLS);
	g_bytes_unref(work->message);
	rpc_client_unref(client);
	g_free(work);
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

	work->succeeded = procedure->handler(&call, args, result, error);
	work->stream = call.stream;
	if (work->succeeded) {
		work->reply = wire_encode(&work->header, procedure->result_filter, result);
		if (!work->reply)
			work->succeeded = driver_error(
				error, VIR_ERR_RPC,
				"the result of %s exceeds the protocol's limits", procedure->name);
	}
	if (procedure->result_filter)
		xdr_free(procedure->result_filter, result);
	return work->succeeded;
}

/* On a worker thread. */
static void do_work(gpointer data)
{
	Work *work = data;
	const RpcProcedure *procedure = work->procedure;
	g_autofree void *args = procedure->args_filter ? g_malloc0(procedure->args_size) : NULL;
	g_autoptr(GError) error = NULL;
	gsize size;
	const guint8 *message = g_bytes_get_data(work->message, &size);
	const gsize start = WIRE_LENGTH_SIZE + WIRE_HEADER_SIZE;

	if (args && !wire_decode(message + start, size - start, procedure->args_filter, args))
		driver_error(&error, VIR_ERR_RPC, "the arguments of %s cannot be decoded",
			     procedure->name);
	else
		call_handler(work, args, &error);
	if (args)
		xdr_free(procedure->args_filter, args);
	if (!work->reply)
		work->reply = wire_encode_error(&work->header, error);
	rpc_server_post(work->server, finish_work, work);
}

/* Whether a client may call a procedure now. */
static gboolean check_access(RpcClient *client, const RpcProcedure *procedure, gint32 number,
			     GError **error)
{
	if (!procedure)
		return driver_error(error, VIR_ERR_NO_SUPPORT, "procedure %d", number);
	if (procedure->access == RPC_ACCESS_ANYONE)
		return TRUE;
	if (!g_atomic_int_get(&client->is_open))
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    "%s before the connection is opened", procedure->name);
	if (procedure->access == RPC_ACCESS_WRITE && rpc_client_is_readonly(client))
		return driver_error(error, VIR_ERR_OPERATION_DENIED, "%s on a read-only connection",
				    procedure->name);
	return TRUE;
}

static void handle_call(RpcServer *server, RpcClient *client, const WireHeader *call,
			GBytes *message)
{
	const RpcProcedure *procedure =
		g_hash_table_lookup(server->procedures, GUINT_TO_POINTER((guint)call->procedure));
	WireHeader reply = *call;
	g_autoptr(GError) error = NULL;
	Work *work;

	reply.type = WIRE_REPLY;
	reply.status = WIRE_OK;
	if (!check_access(client, procedure, call->procedure, &error)) {
		send_error(client, &reply, error);
		return;
	}
	work = g_new0(Work, 1);
	work->server = server;
	work->client = rpc_client_ref(client);
	work->procedure = procedure;
	work->header = reply;
	work->message = g_bytes_ref(message);
	if (++client->n_calls >= RPC_CALLS_PER_CLIENT)
		rpc_client_pause(client, RPC_PAUSE_CALLS);
	rpc_server_run_in_worker(server, do_work, work);
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
	rpc_client_send(client, wire_encode(&pong, NULL, NULL));
}

static void refuse_message(RpcClient *client, const WireHeader *header)
{
	WireHeader reply = *header;
	g_autoptr(GError) error = NULL;

	reply.type = WIRE_REPLY;
	if (header->program != WIRE_PROGRAM_REMOTE || header->version != WIRE_PROGRAM_VERSION)
		driver_error(&error, VIR_ERR_NO_SUPPORT, "program %#x, version %u", header->program,
			     header->version);
	else
		driver_error(&error, VIR_ERR_RPC, "a message of type %u is not a client's to send",
			     header->type);
	send_error(client, &reply, error);
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
	else if (header.program != WIRE_PROGRAM_REMOTE || header.version != WIRE_PROGRAM_VERSION)
		refuse_message(client, &header);
	else if (header.type == WIRE_CALL)
		handle_call(server, client, &header, message);
	else if (header.type == WIRE_STREAM)
		rpc_stream_handle_message(client, &header, data + start, size - start);
	else
		refuse_message(client, &header);
}
