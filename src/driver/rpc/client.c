/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c - one connection of the RPC server: bytes in, bytes out, and its end */
#include "driver/rpc/client.h"

#include <string.h>

#include "driver/rpc/private.h"

#define READ_CHUNK (64u << 10)

typedef struct {
	gconstpointer key;
	RpcCloseFunction function;
	gpointer data;
	GDestroyNotify free_data;
} OnClose;

RpcClient *rpc_client_ref(RpcClient *client)
{
	g_atomic_ref_count_inc(&client->references);
	return client;
}

static void free_on_close(gpointer data)
{
	OnClose *on_close = data;

	if (on_close->free_data)
		on_close->free_data(on_close->data);
	g_free(on_close);
}

void rpc_client_unref(RpcClient *client)
{
	if (!g_atomic_ref_count_dec(&client->references))
		return;
	g_list_free_full(client->on_close, free_on_close);
	g_queue_clear_full(&client->output, (GDestroyNotify)g_bytes_unref);
	g_byte_array_unref(client->input);
	g_ptr_array_unref(client->streams);
	g_object_unref(client->socket);
	g_mutex_clear(&client->lock);
	g_free(client);
}

gboolean rpc_client_is_readonly(RpcClient *client)
{
	return g_atomic_int_get(&client->is_readonly);
}

uid_t rpc_client_uid(RpcClient *client)
{
	return client->uid;
}

pid_t rpc_client_pid(RpcClient *client)
{
	return client->pid;
}

gboolean rpc_client_is_closed(RpcClient *client)
{
	gboolean is_closed;

	g_mutex_lock(&client->lock);
	is_closed = client->is_closed;
	g_mutex_unlock(&client->lock);
	return is_closed;
}

static void run_on_close(gpointer data)
{
	OnClose *on_close = data;

	on_close->function(on_close->data);
	free_on_close(on_close);
}

void rpc_client_on_close(RpcClient *client, gconstpointer key, RpcCloseFunction function,
			 gpointer data, GDestroyNotify free_data)
{
	OnClose *on_close = g_new0(OnClose, 1);
	gboolean is_closed;

	on_close->key = key;
	on_close->function = function;
	on_close->data = data;
	on_close->free_data = free_data;
	g_mutex_lock(&client->lock);
	is_closed = client->is_closed;
	if (!is_closed)
		client->on_close = g_list_append(client->on_close, on_close);
	g_mutex_unlock(&client->lock);
	if (is_closed)
		rpc_server_run_in_worker(client->server, run_on_close, on_close);
}

void rpc_client_forget_on_close(RpcClient *client, gconstpointer key)
{
	OnClose *found = NULL;

	g_mutex_lock(&client->lock);
	for (GList *link = client->on_close; link && !found; link = link->next) {
		OnClose *on_close = link->data;

		if (on_close->key != key)
			continue;
		found = on_close;
		client->on_close = g_list_delete_link(client->on_close, link);
		break;
	}
	g_mutex_unlock(&client->lock);
	if (found)
		free_on_close(found);
}

static void read_credentials(RpcClient *client)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);

	client->uid = (uid_t)-1;
	if (getsockopt(g_socket_get_fd(client->socket), SOL_SOCKET, SO_PEERCRED, &credentials,
		       &length) < 0)
		return;
	client->uid = credentials.uid;
	client->pid = credentials.pid;
}

RpcClient *rpc_client_new(RpcServer *server, GSocket *socket, gboolean is_readonly)
{
	RpcClient *client = g_new0(RpcClient, 1);

	g_atomic_ref_count_init(&client->references);
	g_mutex_init(&client->lock);
	g_queue_init(&client->output);
	client->server = server;
	client->socket = g_object_ref(socket);
	client->is_readonly = is_readonly;
	client->input = g_byte_array_new();
	client->streams = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_stream_unref);
	g_socket_set_blocking(socket, FALSE);
	read_credentials(client);
	return client;
}

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

void rpc_client_close(RpcClient *client)
{
	GList *on_close;
	gboolean was_closed;

	g_mutex_lock(&client->lock);
	was_closed = client->is_closed;
	client->is_closed = TRUE;
	on_close = g_steal_pointer(&client->on_close);
	g_mutex_unlock(&client->lock);
	if (was_closed)
		return;

	clear_source(&client->read_source);
	clear_source(&client->write_source);
	g_socket_close(client->socket, NULL);
	while (client->streams->len > 0)
		rpc_stream_drop(g_ptr_array_index(client->streams, 0));
	rpc_events_forget_client(client->server, client);
	for (GList *link = on_close; link; link = link->next)
		rpc_server_run_in_worker(client->server, run_on_close, link->data);
	g_list_free(on_close);
	/* May free the client. */
	rpc_server_forget_client(client->server, client);
}

static GSource *add_source(RpcClient *client, GIOCondition condition, GSourceFunc function)
{
	GSource *source = g_socket_create_source(client->socket, condition, NULL);

	g_source_set_callback(source, function, rpc_client_ref(client),
			      (GDestroyNotify)rpc_client_unref);
	g_source_attach(source, client->server->context);
	return source;
}

/* Takes every whole message out of the input, unless the client is paused meanwhile. */
static void take_messages(RpcClient *client)
{
	while (!client->is_closed && client->pauses == 0 &&
	       client->input->len >= WIRE_LENGTH_SIZE) {
		g_autoptr(GBytes) message = NULL;
		gsize size;

		if (!wire_parse_length(client->input->data, &size)) {
			g_warning(
				"client %d sent a message of an impossible length (%" G_GSIZE_FORMAT
				" bytes); it is disconnected",
				(int)client->pid, size);
			rpc_client_close(client);
			return;
		}
		if (client->input->len < size)
			return;
		message = g_bytes_new(client->input->data, size);
		g_byte_array_remove_range(client->input, 0, size);
		rpc_server_handle_message(client->server, client, message);
	}
}

static gboolean on_readable(GSocket *socket, GIOCondition condition, gpointer data)
{
	RpcClient *client = data;
	g_autofree char *chunk = g_malloc(READ_CHUNK);
	g_autoptr(GError) error = NULL;
	gssize length = g_socket_receive(socket, chunk, READ_CHUNK, NULL, &error);

	(void)condition;
	if (length < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
		return G_SOURCE_CONTINUE;
	if (length <= 0) {
		rpc_client_close(client);
		return G_SOURCE_REMOVE;
	}
	client->was_heard = TRUE;
	g_byte_array_append(client->input, (const guint8 *)chunk, length);
	take_messages(client);
	/* Where reading was paused or the client closed, the source is destroyed already. */
	return G_SOURCE_CONTINUE;
}

void rpc_client_start(RpcClient *client)
{
	client->read_source = add_source(client, G_IO_IN, G_SOURCE_FUNC(on_readable));
}

void rpc_client_pause(RpcClient *client, RpcPause why)
{
	client->pauses |= why;
	clear_source(&client->read_source);
}

void rpc_client_resume(RpcClient *client, RpcPause why)
{
	if (!(client->pauses & why))
		return;
	client->pauses &= ~why;
	if (client->pauses || client->is_closed)
		return;
	rpc_client_start(client);
	take_messages(client);
}

/* Writes what the socket takes; FALSE when the connection is broken. */
static gboolean write_output(RpcClient *client)
{
	while (!g_queue_is_empty(&client->output)) {
		GBytes *message = g_queue_peek_head(&client->output);
		g_autoptr(GError) error = NULL;
		gsize size;
		const char *data = g_bytes_get_data(message, &size);
		gssize written = g_socket_send(client->socket, data + client->output_offset,
					       size - client->output_offset, NULL, &error);

		if (written < 0)
			return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
		client->output_offset += written;
		if (client->output_offset < size)
			continue;
		client->output_size -= size;
		client->output_offset = 0;
		g_bytes_unref(g_queue_pop_head(&client->output));
	}
	return TRUE;
}

static gboolean on_writable(GSocket *socket, GIOCondition condition, gpointer data)
{
	RpcClient *client = data;

	(void)socket;
	(void)condition;
	if (!write_output(client)) {
		rpc_client_close(client);
		return G_SOURCE_REMOVE;
	}
	if (!g_queue_is_empty(&client->output))
		return G_SOURCE_CONTINUE;
	g_clear_pointer(&client->write_source, g_source_unref);
	rpc_stream_on_output_empty(client);
	return G_SOURCE_REMOVE;
}

void rpc_client_send(RpcClient *client, GBytes *message)
{
	gsize size = g_bytes_get_size(message);

	if (client->is_closed) {
		g_bytes_unref(message);
		return;
	}
	if (size > RPC_OUTPUT_MAX - client->output_size) {
		g_warning("client %d does not read what it is sent; it is disconnected",
			  (int)client->pid);
		g_bytes_unref(message);
		rpc_client_close(client);
		return;
	}
	g_queue_push_tail(&client->output, message);
	client->output_size += size;
	if (client->write_source)
		return;
	if (!write_output(client)) {
		rpc_client_close(client);
		return;
	}
	if (!g_queue_is_empty(&client->output))
		client->write_source = add_source(client, G_IO_OUT, G_SOURCE_FUNC(on_writable));
}

typedef struct {
	RpcClient *client;
	GBytes *message;
} PostedMessage;

static void send_posted(gpointer data)
{
	PostedMessage *posted = data;

	rpc_client_send(posted->client, posted->message);
	rpc_client_unref(posted->client);
	g_free(posted);
}

void rpc_client_post(RpcClient *client, GBytes *message)
{
	PostedMessage *posted = g_new0(PostedMessage, 1);

	posted->client = rpc_client_ref(client);
	posted->message = message;
	rpc_server_post(client->server, send_posted, posted);
}
