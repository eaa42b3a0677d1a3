/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* client.c - one connection of the RPC server: bytes in, bytes out, and its end */
#include "driver/rpc/client.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/rpc/private.h"

/*
 * What one client may have of the main thread until the next one gets its turn: messages that
 * are carried out, pieces and bytes that are written.
 */
#define TURN_MESSAGES 8u
#define TURN_PIECES   8u
#define TURN_BYTES    (256u << 10)

/* Input that was longer gives its memory back when it has been taken. */
#define INPUT_KEPT (16u << 10)

/* Something that waits to be written. */
typedef struct {
	GBytes *bytes;	 /* of an event: the messages that are being written, or NULL */
	RpcEvent *event; /* or NULL */
	guint64 order;	 /* of the event's next registration, see rpc_event_encode() */
	gboolean is_reply;
} Output;

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

static void free_output(gpointer data)
{
	Output *output = data;

	g_clear_pointer(&output->bytes, g_bytes_unref);
	g_clear_pointer(&output->event, rpc_event_unref);
	g_free(output);
}

void rpc_client_unref(RpcClient *client)
{
	if (!g_atomic_ref_count_dec(&client->references))
		return;
	g_list_free_full(client->on_close, free_on_close);
	g_byte_array_unref(client->input);
	g_ptr_array_unref(client->streams);
	g_array_unref(client->registrations);
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

RpcClient *rpc_client_new(RpcServer *server, GSocket *socket, uid_t uid, pid_t pid,
			  gboolean is_readonly)
{
	RpcClient *client = g_new0(RpcClient, 1);

	g_atomic_ref_count_init(&client->references);
	g_mutex_init(&client->lock);
	g_queue_init(&client->output);
	client->server = server;
	client->socket = g_object_ref(socket);
	client->uid = uid;
	client->pid = pid;
	client->came_readonly = is_readonly;
	client->is_readonly = is_readonly;
	client->input = g_byte_array_new();
	client->streams = g_ptr_array_new_with_free_func((GDestroyNotify)rpc_stream_unref);
	client->registrations = rpc_events_new_registrations();
	g_socket_set_blocking(socket, FALSE);
	return client;
}

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

/* Begins an input without anything in it. */
static void renew_input(RpcClient *client)
{
	g_byte_array_unref(client->input);
	client->input = g_byte_array_new();
	client->input_offset = 0;
}

static void drop_input(RpcClient *client)
{
	rpc_limits_release(client, client->input->len - client->input_offset);
	renew_input(client);
}

static void drop_output(RpcClient *client)
{
	rpc_limits_release(client, client->output_size);
	client->output_size = 0;
	client->n_events = 0;
	g_queue_clear_full(&client->output, free_output);
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
	clear_source(&client->turn_source);
	clear_source(&client->write_source);
	clear_source(&client->open_source);
	g_socket_close(client->socket, NULL);
	while (client->streams->len > 0)
		rpc_stream_drop(g_ptr_array_index(client->streams, 0));
	rpc_events_forget_client(client->server, client);
	drop_input(client);
	drop_output(client);
	/* What only reads, and was not begun, is in nobody's interest any more. */
	rpc_workers_drop(client->server->workers, RPC_LANE_READONLY, client);
	for (GList *link = on_close; link; link = link->next)
		rpc_server_run_in_worker(client->server, run_on_close, link->data);
	g_list_free(on_close);
	/* May free the client. */
	rpc_server_forget_client(client->server, client);
}

static GSource *add_socket_source(RpcClient *client, GIOCondition condition, GSourceFunc function)
{
	GSource *source = g_socket_create_source(client->socket, condition, NULL);

	g_source_set_callback(source, function, rpc_client_ref(client),
			      (GDestroyNotify)rpc_client_unref);
	g_source_attach(source, client->server->context);
	return source;
}

static GSource *add_timeout(RpcClient *client, guint milliseconds, GSourceFunc function)
{
	GSource *source = g_timeout_source_new(milliseconds);

	g_source_set_callback(source, function, rpc_client_ref(client),
			      (GDestroyNotify)rpc_client_unref);
	g_source_attach(source, client->server->context);
	return source;
}

static gsize input_length(const RpcClient *client)
{
	return client->input->len - client->input_offset;
}

/* Whether the input begins with something to deal with, be it a length that cannot be. */
static gboolean has_message(const RpcClient *client)
{
	gsize size;

	if (input_length(client) < WIRE_LENGTH_SIZE)
		return FALSE;
	return !wire_parse_length(client->input->data + client->input_offset, &size) ||
	       size > rpc_limits_message_max(client) || size <= input_length(client);
}

/* Takes a whole message of the first @size bytes out of the input. */
static GBytes *cut_message(RpcClient *client, gsize size)
{
	GBytes *message;

	rpc_limits_release(client, size);
	if (client->input_offset == 0 && client->input->len == size && size > INPUT_KEPT) {
		message = g_byte_array_free_to_bytes(client->input);
		client->input = g_byte_array_new();
		return message;
	}
	message = g_bytes_new(client->input->data + client->input_offset, size);
	client->input_offset += size;
	return message;
}

/* Closes the gap that taken messages have left. */
static void compact_input(RpcClient *client)
{
	if (client->input_offset == 0)
		return;
	if (input_length(client) == 0 && client->input->len > INPUT_KEPT) {
		renew_input(client);
		return;
	}
	g_byte_array_remove_range(client->input, 0, client->input_offset);
	client->input_offset = 0;
}

/* Return: FALSE where the client is disconnected for the length of what it sends. */
static gboolean check_length(RpcClient *client, gsize *size)
{
	RpcServer *server = client->server;

	if (!wire_parse_length(client->input->data + client->input_offset, size))
		log_limit_warning(&server->log.length,
				  ngettext("client %d sent a message of an impossible length (%zu "
					   "byte); it is disconnected",
					   "client %d sent a message of an impossible length (%zu "
					   "bytes); it is disconnected",
					   *size),
				  (int)client->pid, *size);
	else if (*size > rpc_limits_message_max(client))
		log_limit_warning(
			&server->log.length,
			client->is_open ?
				ngettext("client %d of user %u sends a message of %zu byte on a "
					 "read-only connection; it is disconnected",
					 "client %d of user %u sends a message of %zu bytes on a "
					 "read-only connection; it is disconnected",
					 *size) :
				ngettext("client %d of user %u sends a message of %zu byte before "
					 "the connection is opened; it is disconnected",
					 "client %d of user %u sends a message of %zu bytes before "
					 "the connection is opened; it is disconnected",
					 *size),
			(int)client->pid, client->uid, *size);
	else
		return TRUE;
	rpc_client_close(client);
	return FALSE;
}

/* Takes whole messages out of the input, until it is another client's turn. */
static void take_messages(RpcClient *client)
{
	client->is_in_turn = TRUE;
	for (guint i = 0;
	     i < TURN_MESSAGES && !client->is_closed && client->pauses == 0 && has_message(client);
	     i++) {
		g_autoptr(GBytes) message = NULL;
		gsize size;

		if (!check_length(client, &size))
			break;
		message = cut_message(client, size);
		rpc_server_handle_message(client->server, client, message);
	}
	client->is_in_turn = FALSE;
	compact_input(client);
}

static void watch_input(RpcClient *client);

static gboolean on_turn(gpointer data)
{
	RpcClient *client = data;
	RpcServer *server = client->server;

	clear_source(&client->turn_source);
	take_messages(client);
	watch_input(client);
	rpc_limits_enforce(server);
	return G_SOURCE_REMOVE;
}

static gboolean on_readable(GSocket *socket, GIOCondition condition, gpointer data)
{
	RpcClient *client = data;
	RpcServer *server = client->server;
	g_autoptr(GError) error = NULL;
	gssize length = g_socket_receive(socket, (char *)server->read_buffer, RPC_READ_CHUNK, NULL,
					 &error);

	(void)condition;
	if (length < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
		return G_SOURCE_CONTINUE;
	if (length <= 0) {
		rpc_client_close(client);
		return G_SOURCE_REMOVE;
	}
	client->was_heard = TRUE;
	g_byte_array_append(client->input, server->read_buffer, length);
	rpc_limits_hold(client, length);
	take_messages(client);
	watch_input(client);
	rpc_limits_enforce(server);
	/* Where it is not wanted any more the source is destroyed already. */
	return G_SOURCE_CONTINUE;
}

/* Sees to it that more is read, or that what was read is taken, unless the client is paused. */
static void watch_input(RpcClient *client)
{
	const gboolean is_served = !client->is_closed && client->pauses == 0;
	const gboolean wants_turn = is_served && has_message(client);

	if (client->is_in_turn)
		return;
	if (!wants_turn)
		clear_source(&client->turn_source);
	else if (!client->turn_source)
		client->turn_source = add_timeout(client, 0, on_turn);
	if (!is_served || wants_turn)
		clear_source(&client->read_source);
	else if (!client->read_source)
		client->read_source = add_socket_source(client, G_IO_IN,
							G_SOURCE_FUNC(on_readable));
}

static gboolean on_open_time_over(gpointer data)
{
	RpcClient *client = data;

	clear_source(&client->open_source);
	if (client->is_open)
		return G_SOURCE_REMOVE;
	log_limit_warning(&client->server->log.not_opened,
			  ngettext("client %d of user %u has not opened its connection for %u "
				   "second; it is disconnected",
				   "client %d of user %u has not opened its connection for %u "
				   "seconds; it is disconnected",
				   RPC_OPEN_SECONDS),
			  (int)client->pid, client->uid, RPC_OPEN_SECONDS);
	rpc_client_close(client);
	return G_SOURCE_REMOVE;
}

void rpc_client_start(RpcClient *client)
{
	client->open_source = add_timeout(client, RPC_OPEN_SECONDS * 1000, on_open_time_over);
	watch_input(client);
}

void rpc_client_set_open(RpcClient *client, gboolean is_open, gboolean is_readonly)
{
	client->is_open = is_open;
	if (is_readonly)
		g_atomic_int_set(&client->is_readonly, TRUE);
	rpc_limits_set_limited(client, !is_open || rpc_client_is_readonly(client));
	clear_source(&client->open_source);
	if (!is_open)
		client->open_source = add_timeout(client, RPC_OPEN_SECONDS * 1000,
						  on_open_time_over);
}

void rpc_client_pause(RpcClient *client, RpcPause why)
{
	client->pauses |= why;
	watch_input(client);
}

void rpc_client_resume(RpcClient *client, RpcPause why)
{
	if (!(client->pauses & why))
		return;
	client->pauses &= ~why;
	watch_input(client);
}

static void set_pause(RpcClient *client, RpcPause why, gboolean is_paused)
{
	if (is_paused)
		rpc_client_pause(client, why);
	else
		rpc_client_resume(client, why);
}

static void review_pauses(RpcClient *client)
{
	set_pause(client, RPC_PAUSE_CALLS, client->n_calls >= RPC_CALLS_PER_CLIENT);
	set_pause(client, RPC_PAUSE_OUTPUT,
		  client->calls_size + client->output_size >= rpc_limits_pause_at(client));
}

void rpc_client_begin_call(RpcClient *client)
{
	client->n_calls++;
	review_pauses(client);
}

void rpc_client_hold_call(RpcClient *client, gsize size)
{
	client->calls_size += size;
	rpc_limits_hold(client, size);
	review_pauses(client);
}

void rpc_client_release_call(RpcClient *client, gsize size)
{
	client->calls_size -= size;
	rpc_limits_release(client, size);
	review_pauses(client);
}

static gsize output_cost(const Output *output)
{
	return RPC_OUTPUT_OVERHEAD +
	       (output->event ? rpc_event_size(output->event) : g_bytes_get_size(output->bytes));
}

/* The first of the output has been written. */
static void finish_output(RpcClient *client)
{
	Output *output = g_queue_pop_head(&client->output);
	const gsize cost = output_cost(output);

	client->output_offset = 0;
	client->output_size -= cost;
	client->n_calls -= output->is_reply;
	client->n_events -= output->event != NULL;
	rpc_limits_release(client, cost);
	free_output(output);
	review_pauses(client);
}

/* The bytes that are written next; NULL where the first of the output has none any more. */
static GBytes *current_piece(RpcClient *client)
{
	Output *output = g_queue_peek_head(&client->output);

	if (!output->bytes)
		output->bytes = rpc_event_encode(output->event, client, &output->order);
	return output->bytes;
}

/* A piece has been written; an event may have more. */
static void finish_piece(RpcClient *client)
{
	Output *output = g_queue_peek_head(&client->output);

	if (!output->event) {
		finish_output(client);
		return;
	}
	g_clear_pointer(&output->bytes, g_bytes_unref);
	client->output_offset = 0;
}

/* Writes a client's share of what the socket takes; FALSE when the connection is broken. */
static gboolean write_output(RpcClient *client)
{
	gsize left = TURN_BYTES;

	for (guint i = 0; i < TURN_PIECES && left > 0 && !g_queue_is_empty(&client->output); i++) {
		GBytes *piece = current_piece(client);
		g_autoptr(GError) error = NULL;
		const char *data;
		gsize size;
		gssize written;

		if (!piece) {
			finish_output(client);
			continue;
		}
		data = g_bytes_get_data(piece, &size);
		written = g_socket_send(client->socket, data + client->output_offset,
					MIN(size - client->output_offset, left), NULL, &error);
		if (written < 0)
			return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
		left -= written;
		client->output_offset += written;
		if (client->output_offset == size)
			finish_piece(client);
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

/* Takes the output. */
static void queue_output(RpcClient *client, const Output *output)
{
	const gsize cost = output_cost(output);

	g_queue_push_tail(&client->output, g_memdup2(output, sizeof(*output)));
	client->output_size += cost;
	client->n_events += output->event != NULL;
	rpc_limits_hold(client, cost);
	review_pauses(client);
	if (client->write_source)
		return;
	if (!write_output(client)) {
		rpc_client_close(client);
		return;
	}
	if (!g_queue_is_empty(&client->output))
		client->write_source = add_socket_source(client, G_IO_OUT,
							 G_SOURCE_FUNC(on_writable));
}

void rpc_client_send(RpcClient *client, GBytes *message)
{
	const Output output = { .bytes = message };

	if (client->is_closed)
		g_bytes_unref(message);
	else
		queue_output(client, &output);
}

void rpc_client_reply(RpcClient *client, GBytes *message)
{
	const Output output = { .bytes = message, .is_reply = TRUE };

	if (client->is_closed)
		g_bytes_unref(message);
	else
		queue_output(client, &output);
}

void rpc_client_send_event(RpcClient *client, RpcEvent *event)
{
	const Output output = { .event = event };

	if (client->is_closed)
		return;
	if (client->n_events >= RPC_EVENTS_MAX) {
		log_limit_warning(
			&client->server->log.not_read,
			_("client %d of user %u does not read its events; it is disconnected"),
			(int)client->pid, client->uid);
		rpc_client_close(client);
		return;
	}
	rpc_event_ref(event);
	queue_output(client, &output);
}
