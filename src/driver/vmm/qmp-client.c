/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp-client.c - the daemon's end of a domain's monitor */
#include "driver/vmm/qmp-client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/qmp-splitter.h"
#include "driver/error.h"

#define READ_CHUNK 4096

/* Commands that were sent and whose replies nobody has seen: more means a VMM that hangs. */
#define TICKETS_MAX 64

struct QmpCommandTicket {
	guint64 id;
	char *command;
	gboolean is_answered;
	gboolean is_abandoned; /* its caller has given up */
	JsonNode *result;
	char *failure;
};

struct QmpClient {
	int socket;
	QmpSplitter *splitter;
	char chunk[READ_CHUNK];
	gsize chunk_used; /* of chunk_size, handed to the splitter */
	gsize chunk_size;

	GThread *thread; /* NULL until started */
	const QmpCallbacks *callbacks;
	gpointer opaque;

	GMutex lock; /* guards what follows; innermost */
	GCond answered;
	gboolean is_closed;
	guint64 next_id;
	GPtrArray *tickets; /* of QmpCommandTicket, under way */
};

static void ticket_free(QmpCommandTicket *ticket)
{
	g_clear_pointer(&ticket->result, json_node_unref);
	g_free(ticket->failure);
	g_free(ticket->command);
	g_free(ticket);
}

/* Waits for the socket's bytes, which a time limit on the socket may bound. */
static gboolean fill_chunk(QmpClient *client, GError **error)
{
	gssize n;

	do
		n = recv(client->socket, client->chunk, sizeof(client->chunk), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
				    "the VMM's monitor does not answer");
	if (n <= 0)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    "the VMM has closed its monitor%s%s", n < 0 ? ": " : "",
				    n < 0 ? g_strerror(errno) : "");
	client->chunk_used = 0;
	client->chunk_size = n;
	return TRUE;
}

static JsonObject *parse_object(const char *text, GError **error)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(GError) cause = NULL;
	JsonNode *root;

	if (!json_parser_load_from_data(parser, text, -1, &cause)) {
		driver_error_from(error, VIR_ERR_INTERNAL_ERROR, cause, "the VMM's monitor");
		return NULL;
	}
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     "the VMM's monitor has sent something that is no object");
		return NULL;
	}
	return json_object_ref(json_node_get_object(root));
}

/* The next object that the VMM sends; NULL with @error set at the end of the connection. */
static JsonObject *read_object(QmpClient *client, GError **error)
{
	for (;;) {
		QmpSplitterResult result;
		const char *text = NULL;
		gsize used = 0;

		if (client->chunk_used == client->chunk_size && !fill_chunk(client, error))
			return NULL;
		result = qmp_splitter_feed(client->splitter, client->chunk + client->chunk_used,
					   client->chunk_size - client->chunk_used, &used, &text);
		client->chunk_used += used;
		if (result == QMP_SPLITTER_OBJECT)
			return parse_object(text, error);
		if (result != QMP_SPLITTER_MORE) {
			driver_error(error, VIR_ERR_INTERNAL_ERROR,
				     "the VMM's monitor does not speak QMP");
			return NULL;
		}
	}
}

static const char *string_member(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_STRING ?
		       json_node_get_string(node) :
		       NULL;
}

static JsonObject *object_member(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

/* With the lock. */
static QmpCommandTicket *find_ticket(QmpClient *client, JsonObject *reply)
{
	JsonNode *id = json_object_get_member(reply, "id");

	if (!id || !JSON_NODE_HOLDS_VALUE(id) || json_node_get_value_type(id) != G_TYPE_INT64)
		return NULL;
	for (guint i = 0; i < client->tickets->len; i++) {
		QmpCommandTicket *ticket = g_ptr_array_index(client->tickets, i);

		if (ticket->id == (guint64)json_node_get_int(id))
			return ticket;
	}
	return NULL;
}

static void handle_reply(QmpClient *client, JsonObject *reply)
{
	QmpCommandTicket *ticket;
	JsonObject *failure = object_member(reply, "error");

	g_mutex_lock(&client->lock);
	ticket = find_ticket(client, reply);
	if (ticket) {
		const char *description = failure ? string_member(failure, "desc") : NULL;

		if (json_object_has_member(reply, "return"))
			ticket->result = json_node_copy(json_object_get_member(reply, "return"));
		else
			ticket->failure = g_strdup(description ? description : "no reason given");
		ticket->is_answered = TRUE;
		g_ptr_array_remove(client->tickets, ticket);
		if (ticket->is_abandoned)
			ticket_free(ticket);
		g_cond_broadcast(&client->answered);
	}
	g_mutex_unlock(&client->lock);
}

static void handle_object(QmpClient *client, JsonObject *object)
{
	const char *event = string_member(object, "event");

	if (event)
		client->callbacks->event(event, object_member(object, "data"), client->opaque);
	else
		handle_reply(client, object);
}

static void close_connection(QmpClient *client)
{
	g_mutex_lock(&client->lock);
	client->is_closed = TRUE;
	for (guint i = client->tickets->len; i-- > 0;) {
		QmpCommandTicket *ticket = g_ptr_array_index(client->tickets, i);

		if (ticket->is_abandoned) {
			g_ptr_array_remove_index(client->tickets, i);
			ticket_free(ticket);
		}
	}
	g_cond_broadcast(&client->answered);
	g_mutex_unlock(&client->lock);
	(void)shutdown(client->socket, SHUT_RDWR);
}

static gpointer run(gpointer data)
{
	QmpClient *client = data;
	JsonObject *object;

	while ((object = read_object(client, NULL))) {
		handle_object(client, object);
		json_object_unref(object);
	}
	close_connection(client);
	client->callbacks->closed(client->opaque);
	return NULL;
}

/*
 * Monitor commands are short: a socket that does not take one at once belongs to a VMM that
 * has not read any for a long time.
 */
static gboolean send_text(QmpClient *client, const char *text, GError **error)
{
	gsize size = strlen(text);
	gssize n;

	do
		n = send(client->socket, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && (gsize)n == size)
		return TRUE;
	if (n < 0 && errno != EAGAIN)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    "writing to the VMM's monitor: %s", g_strerror(errno));
	/* What was written in part cannot be taken back. */
	if (n > 0)
		(void)shutdown(client->socket, SHUT_RDWR);
	return driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			    "the VMM's monitor takes no commands");
}

static char *command_text(const char *command, guint64 id, JsonObject *arguments)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = NULL;

	json_object_set_string_member(object, "execute", command);
	if (id)
		json_object_set_int_member(object, "id", id);
	if (arguments)
		json_object_set_object_member(object, "arguments", arguments);
	text = json_to_string(root, FALSE);
	return g_strconcat(text, "\n", NULL);
}

static void set_receive_timeout(int fd, guint seconds)
{
	const struct timeval timeout = { .tv_sec = seconds };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
}

static int connect_socket(const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "monitor path '%s' is too long", path);
		return -1;
	}
	strcpy(address.sun_path, path);
	/* Where its queue is full, the VMM does not accept; that is no reason to wait. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "connecting to monitor '%s': %s", path,
			     g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* QMP's greeting and the change from negotiation to command mode. */
static gboolean shake_hands(QmpClient *client, GError **error)
{
	g_autoptr(JsonObject) greeting = read_object(client, error);
	g_autofree char *text = command_text("qmp_capabilities", 0, NULL);

	if (!greeting)
		return FALSE;
	if (!json_object_has_member(greeting, "QMP"))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    "the VMM's monitor does not greet");
	if (!send_text(client, text, error))
		return FALSE;
	for (;;) {
		g_autoptr(JsonObject) reply = read_object(client, error);

		if (!reply)
			return FALSE;
		if (json_object_has_member(reply, "return"))
			return TRUE;
		if (!json_object_has_member(reply, "event"))
			return driver_error(error, VIR_ERR_INTERNAL_ERROR,
					    "the VMM's monitor refuses the handshake");
	}
}

QmpClient *qmp_client_connect(const char *path, guint seconds, GError **error)
{
	g_autoptr(QmpClient) client = NULL;
	int fd = connect_socket(path, error);
	int flags;

	if (fd < 0)
		return NULL;
	flags = fcntl(fd, F_GETFL);
	(void)fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
	client = g_new0(QmpClient, 1);
	client->socket = fd;
	client->splitter = qmp_splitter_new();
	client->tickets = g_ptr_array_new();
	client->next_id = 1;
	g_mutex_init(&client->lock);
	g_cond_init(&client->answered);
	set_receive_timeout(fd, seconds);
	if (!shake_hands(client, error))
		return NULL;
	set_receive_timeout(fd, 0);
	return g_steal_pointer(&client);
}

void qmp_client_start(QmpClient *client, const QmpCallbacks *callbacks, gpointer opaque)
{
	client->callbacks = callbacks;
	client->opaque = opaque;
	client->thread = g_thread_new("monitor", run, client);
}

void qmp_client_disconnect(QmpClient *client)
{
	(void)shutdown(client->socket, SHUT_RDWR);
}

void qmp_client_free(QmpClient *client)
{
	if (!client)
		return;
	qmp_client_disconnect(client);
	if (client->thread)
		g_thread_join(client->thread);
	for (guint i = 0; i < client->tickets->len; i++)
		ticket_free(g_ptr_array_index(client->tickets, i));
	g_ptr_array_unref(client->tickets);
	qmp_splitter_free(client->splitter);
	close(client->socket);
	g_cond_clear(&client->answered);
	g_mutex_clear(&client->lock);
	g_free(client);
}

QmpCommandTicket *qmp_client_send(QmpClient *client, const char *command, JsonObject *arguments,
				  GError **error)
{
	g_autofree char *text = NULL;
	QmpCommandTicket *ticket = NULL;

	/* The lock keeps commands of several threads apart on the socket. */
	g_mutex_lock(&client->lock);
	text = command_text(command, client->next_id, arguments);
	if (client->is_closed) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "the VMM has closed its monitor");
	} else if (client->tickets->len >= TICKETS_MAX) {
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     "the VMM's monitor has not answered %u commands", TICKETS_MAX);
	} else if (send_text(client, text, error)) {
		ticket = g_new0(QmpCommandTicket, 1);
		ticket->id = client->next_id++;
		ticket->command = g_strdup(command);
		g_ptr_array_add(client->tickets, ticket);
	}
	g_mutex_unlock(&client->lock);
	return ticket;
}

JsonNode *qmp_client_wait(QmpClient *client, QmpCommandTicket *ticket, gint64 deadline,
			  GError **error)
{
	JsonNode *result = NULL;
	gboolean in_time = TRUE;

	g_mutex_lock(&client->lock);
	while (!ticket->is_answered && !client->is_closed && in_time)
		in_time = g_cond_wait_until(&client->answered, &client->lock, deadline);
	if (ticket->is_answered) {
		result = g_steal_pointer(&ticket->result);
		if (!result)
			driver_error(error, VIR_ERR_OPERATION_FAILED, "%s: %s", ticket->command,
				     ticket->failure);
		ticket_free(ticket);
	} else if (client->is_closed) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     "the VMM has ended before it answered %s", ticket->command);
		g_ptr_array_remove(client->tickets, ticket);
		ticket_free(ticket);
	} else {
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     "the VMM's monitor does not answer %s", ticket->command);
		ticket->is_abandoned = TRUE;
	}
	g_mutex_unlock(&client->lock);
	return result;
}

JsonNode *qmp_client_ask(QmpClient *client, const char *command, GError **error)
{
	QmpCommandTicket *ticket = qmp_client_send(client, command, NULL, error);

	if (!ticket)
		return NULL;
	return qmp_client_wait(client, ticket,
			       g_get_monotonic_time() + QMP_COMMAND_SECONDS * G_TIME_SPAN_SECOND,
			       error);
}

gboolean qmp_client_tell(QmpClient *client, const char *command, GError **error)
{
	JsonNode *result = qmp_client_ask(client, command, error);

	if (!result)
		return FALSE;
	json_node_unref(result);
	return TRUE;
}
