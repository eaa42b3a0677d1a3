/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp-client.c - the daemon's end of a domain's monitor */
#include "driver/vmm/qmp-client.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/qmp-splitter.h"
#include "driver/error.h"
#include "driver/vmm/send-descriptor.h"

#define READ_CHUNK 4096

/*
 * Commands that were sent and whose replies nobody has seen: more means a VMM that hangs. Whoever
 * holds the domain's job sends them, one after the other; shared questions do not count, so that
 * no number of askers takes what control needs. All of them together fit into the socket.
 */
#define TICKETS_MAX 64

/* How long a VMM may take to greet until the connection is made anew, in seconds. */
#define GREETING_SECONDS 30

/* How long after the end of a connection the next one is made. */
#define RETRY_MS    1000

#define NO_DEADLINE G_MAXINT64

struct QmpCommandTicket {
	guint64 id;
	char *command;
	gboolean is_shared;
	gint64 sent;   /* of g_get_monotonic_time() */
	guint waiters; /* 0: all have given up */
	gboolean is_done;
	JsonNode *result; /* both NULL: the connection ended before the reply */
	char *failure;
};

struct QmpClient {
	char *path;
	QmpSplitter *splitter;
	char chunk[READ_CHUNK];
	gsize chunk_used; /* of chunk_size, handed to the splitter */
	gsize chunk_size;

	GThread *thread; /* NULL until started */
	int wake;	 /* an eventfd: the thread is to end; -1 until started */
	int process;	 /* a pidfd, or -1; not ours to close */
	const QmpCallbacks *callbacks;
	gpointer opaque;

	GMutex lock; /* guards what follows; innermost */
	GCond answered;
	int socket; /* -1 while there is none; changed by the thread only, once that is started */
	gboolean is_connected; /* commands may be sent */
	gboolean is_closed;    /* the thread has ended, for good */
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

static int poll_timeout(gint64 deadline)
{
	gint64 left;

	if (deadline == NO_DEADLINE)
		return -1;
	left = deadline - g_get_monotonic_time();
	/* Rounded up, so that a poll which times out has reached the deadline. */
	return left <= 0 ? 0 : (int)MIN(left / G_TIME_SPAN_MILLISECOND + 1, G_MAXINT);
}

/* The same, but for what the callbacks want to do before. */
static int idle_timeout(QmpClient *client, gint64 deadline)
{
	const int timeout = poll_timeout(deadline);
	const int idle = client->callbacks && client->callbacks->idle ?
				 client->callbacks->idle(client->opaque) :
				 -1;

	if (idle < 0)
		return timeout;
	return timeout < 0 ? idle : MIN(timeout, idle);
}

/* Waits until the socket has something. */
static gboolean wait_readable(QmpClient *client, gint64 deadline, GError **error)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = client->socket, .events = POLLIN },
			{ .fd = client->wake, .events = POLLIN },
			{ .fd = client->process, .events = POLLIN },
		};
		int n = poll(fds, G_N_ELEMENTS(fds), idle_timeout(client, deadline));

		if (n < 0 && errno != EINTR)
			return driver_error(error, VIR_ERR_SYSTEM_ERROR,
					    _("waiting for the VMM's monitor: %s"),
					    g_strerror(errno));
		if (n <= 0 && poll_timeout(deadline) == 0)
			return driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
					    _("the VMM's monitor does not answer"));
		if (n <= 0)
			continue;
		if (fds[1].revents)
			return driver_error(error, VIR_ERR_INTERNAL_ERROR,
					    _("the VMM's monitor is being left"));
		/* The last words of a VMM that has ended are read before its end is seen. */
		if (fds[0].revents)
			return TRUE;
		return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("the VMM has ended"));
	}
}

static gboolean fill_chunk(QmpClient *client, gint64 deadline, GError **error)
{
	gssize n;

	do {
		if (!wait_readable(client, deadline, error))
			return FALSE;
		n = recv(client->socket, client->chunk, sizeof(client->chunk), MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the VMM has closed its monitor: %s"), g_strerror(errno));
	if (n == 0)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the VMM has closed its monitor"));
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
		driver_error_from(error, VIR_ERR_INTERNAL_ERROR, cause, _("the VMM's monitor: %s"),
				  driver_error_detail(cause));
		return NULL;
	}
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     _("the VMM's monitor has sent something that is no object"));
		return NULL;
	}
	return json_object_ref(json_node_get_object(root));
}

/* The next object that the VMM sends; NULL with @error set at the end of the connection. */
static JsonObject *read_object(QmpClient *client, gint64 deadline, GError **error)
{
	for (;;) {
		QmpSplitterResult result;
		const char *text = NULL;
		gsize used = 0;

		if (client->chunk_used == client->chunk_size &&
		    !fill_chunk(client, deadline, error))
			return NULL;
		result = qmp_splitter_feed(client->splitter, client->chunk + client->chunk_used,
					   client->chunk_size - client->chunk_used, &used, &text);
		client->chunk_used += used;
		if (result == QMP_SPLITTER_OBJECT)
			return parse_object(text, error);
		if (result != QMP_SPLITTER_MORE) {
			driver_error(error, VIR_ERR_INTERNAL_ERROR,
				     _("the VMM's monitor does not speak QMP"));
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

/* With the lock: there is nothing more to come for a ticket. */
static void finish_ticket(QmpClient *client, QmpCommandTicket *ticket)
{
	ticket->is_done = TRUE;
	g_ptr_array_remove(client->tickets, ticket);
	if (ticket->waiters == 0)
		ticket_free(ticket);
	else
		g_cond_broadcast(&client->answered);
}

static void handle_reply(QmpClient *client, JsonObject *reply)
{
	QmpCommandTicket *ticket;
	JsonObject *failure = object_member(reply, "error");

	g_mutex_lock(&client->lock);
	ticket = find_ticket(client, reply);
	if (ticket) {
		const char *description = failure ? string_member(failure, "desc") : NULL;

		/* A node's references are counted atomically; those of what is in it are not. */
		if (json_object_has_member(reply, "return"))
			ticket->result = json_node_ref(json_object_get_member(reply, "return"));
		else
			ticket->failure = g_strdup(description ? description :
								 _("no reason given"));
		finish_ticket(client, ticket);
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

/*
 * Monitor commands are short: a socket that does not take one at once belongs to a VMM that
 * has not read any for a long time.
 */
static gboolean send_text(QmpClient *client, const char *text, int fd, GError **error)
{
	gsize size = strlen(text);
	gssize n;

	do
		n = fd < 0 ? send(client->socket, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) :
			     send_with_descriptor(client->socket, text, size, fd);
	while (n < 0 && errno == EINTR);
	if (n >= 0 && (gsize)n == size)
		return TRUE;
	if (n < 0 && errno != EAGAIN)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("writing to the VMM's monitor: %s"), g_strerror(errno));
	/* What was written in part cannot be taken back. */
	if (n > 0)
		(void)shutdown(client->socket, SHUT_RDWR);
	return driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			    _("the VMM's monitor takes no commands"));
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

static int connect_socket(const char *path, GError **error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("monitor path '%s' is too long"),
			     path);
		return -1;
	}
	strcpy(address.sun_path, path);
	/* Where its queue is full, the VMM does not accept; that is no reason to wait. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("connecting to monitor '%s': %s"),
			     path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* QMP's greeting and the change from negotiation to command mode. */
static gboolean shake_hands(QmpClient *client, gint64 deadline, GError **error)
{
	g_autoptr(JsonObject) greeting = read_object(client, deadline, error);
	g_autofree char *text = command_text("qmp_capabilities", 0, NULL);

	if (!greeting)
		return FALSE;
	if (!json_object_has_member(greeting, "QMP"))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the VMM's monitor does not greet"));
	if (!send_text(client, text, -1, error))
		return FALSE;
	for (;;) {
		g_autoptr(JsonObject) reply = read_object(client, deadline, error);

		if (!reply)
			return FALSE;
		if (json_object_has_member(reply, "return"))
			return TRUE;
		if (!json_object_has_member(reply, "event"))
			return driver_error(error, VIR_ERR_INTERNAL_ERROR,
					    _("the VMM's monitor refuses the handshake"));
	}
}

/* Whoever waits for a reply is told that none comes. */
static void drop_connection(QmpClient *client)
{
	g_mutex_lock(&client->lock);
	client->is_connected = FALSE;
	if (client->socket >= 0)
		close(client->socket);
	client->socket = -1;
	while (client->tickets->len > 0)
		finish_ticket(client, g_ptr_array_index(client->tickets, 0));
	g_mutex_unlock(&client->lock);
	qmp_splitter_free(client->splitter);
	client->splitter = qmp_splitter_new();
	client->chunk_used = 0;
	client->chunk_size = 0;
}

/* Connects and shakes hands; what was made of that on failure goes with drop_connection(). */
static gboolean reach(QmpClient *client, guint seconds, GError **error)
{
	const gint64 deadline = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
	const int fd = connect_socket(client->path, error);

	if (fd < 0)
		return FALSE;
	g_mutex_lock(&client->lock);
	client->socket = fd;
	g_mutex_unlock(&client->lock);
	if (!shake_hands(client, deadline, error))
		return FALSE;
	g_mutex_lock(&client->lock);
	client->is_connected = TRUE;
	g_mutex_unlock(&client->lock);
	return TRUE;
}

/* Until the connection ends. */
static void serve(QmpClient *client, GError **error)
{
	JsonObject *object;

	while ((object = read_object(client, NO_DEADLINE, error))) {
		handle_object(client, object);
		json_object_unref(object);
	}
}

/* Return: FALSE where the VMM is no more, or the thread is to end. */
static gboolean pause_before_retry(const QmpClient *client)
{
	struct pollfd fds[] = {
		{ .fd = client->wake, .events = POLLIN },
		{ .fd = client->process, .events = POLLIN },
	};
	int n;

	if (client->process < 0)
		return FALSE;
	do
		n = poll(fds, G_N_ELEMENTS(fds), RETRY_MS);
	while (n < 0 && errno == EINTR);
	return n == 0;
}

static gboolean reach_from_thread(QmpClient *client, GError **error)
{
	if (!reach(client, GREETING_SECONDS, error))
		return FALSE;
	if (client->callbacks->reached)
		client->callbacks->reached(client->opaque);
	return TRUE;
}

static gpointer run(gpointer data)
{
	QmpClient *client = data;

	for (;;) {
		g_autoptr(GError) error = NULL;

		if (client->socket >= 0 || reach_from_thread(client, &error))
			serve(client, &error);
		drop_connection(client);
		if (!pause_before_retry(client))
			break;
		if (client->callbacks->lost)
			client->callbacks->lost(error, client->opaque);
	}
	g_mutex_lock(&client->lock);
	client->is_closed = TRUE;
	g_mutex_unlock(&client->lock);
	client->callbacks->closed(client->opaque);
	return NULL;
}

QmpClient *qmp_client_new(const char *path)
{
	QmpClient *client = g_new0(QmpClient, 1);

	client->path = g_strdup(path);
	client->socket = -1;
	client->wake = -1;
	client->process = -1;
	client->splitter = qmp_splitter_new();
	client->tickets = g_ptr_array_new();
	client->next_id = 1;
	g_mutex_init(&client->lock);
	g_cond_init(&client->answered);
	return client;
}

QmpClient *qmp_client_connect(const char *path, guint seconds, GError **error)
{
	g_autoptr(QmpClient) client = qmp_client_new(path);

	return reach(client, seconds, error) ? g_steal_pointer(&client) : NULL;
}

gboolean qmp_client_start(QmpClient *client, int process, const QmpCallbacks *callbacks,
			  gpointer opaque, GError **error)
{
	g_autoptr(GError) cause = NULL;

	if (client->wake < 0)
		client->wake = eventfd(0, EFD_CLOEXEC);
	if (client->wake < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR,
				    _("cannot make an eventfd for the VMM's monitor: %s"),
				    g_strerror(errno));
	client->process = process;
	client->callbacks = callbacks;
	client->opaque = opaque;
	client->thread = g_thread_try_new("monitor", run, client, &cause);
	if (client->thread)
		return TRUE;
	driver_error_from(error, VIR_ERR_SYSTEM_ERROR, cause,
			  _("cannot make the thread of the VMM's monitor: %s"),
			  driver_error_detail(cause));
	return FALSE;
}

void qmp_client_disconnect(QmpClient *client)
{
	g_mutex_lock(&client->lock);
	if (client->socket >= 0)
		(void)shutdown(client->socket, SHUT_RDWR);
	g_mutex_unlock(&client->lock);
}

void qmp_client_free(QmpClient *client)
{
	if (!client)
		return;
	if (client->thread) {
		(void)eventfd_write(client->wake, 1);
		g_thread_join(client->thread);
	}
	drop_connection(client);
	if (client->wake >= 0)
		close(client->wake);
	g_ptr_array_unref(client->tickets);
	qmp_splitter_free(client->splitter);
	g_cond_clear(&client->answered);
	g_mutex_clear(&client->lock);
	g_free(client->path);
	g_free(client);
}

/* With the lock. */
static guint count_control_tickets(const QmpClient *client)
{
	guint count = 0;

	for (guint i = 0; i < client->tickets->len; i++) {
		const QmpCommandTicket *ticket = g_ptr_array_index(client->tickets, i);

		count += !ticket->is_shared;
	}
	return count;
}

/* With the lock, which keeps commands of several threads apart on the socket. */
static QmpCommandTicket *send_command(QmpClient *client, const char *command, JsonObject *arguments,
				      int fd, GError **error)
{
	g_autofree char *text = command_text(command, client->next_id, arguments);
	QmpCommandTicket *ticket;

	if (client->is_closed) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("the VMM has closed its monitor"));
		return NULL;
	}
	if (!client->is_connected) {
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     _("the VMM's monitor cannot be reached"));
		return NULL;
	}
	if (!send_text(client, text, fd, error))
		return NULL;
	ticket = g_new0(QmpCommandTicket, 1);
	ticket->id = client->next_id++;
	ticket->command = g_strdup(command);
	ticket->sent = g_get_monotonic_time();
	ticket->waiters = 1;
	g_ptr_array_add(client->tickets, ticket);
	return ticket;
}

static QmpCommandTicket *send_control(QmpClient *client, const char *command, JsonObject *arguments,
				      int fd, GError **error)
{
	QmpCommandTicket *ticket = NULL;

	g_mutex_lock(&client->lock);
	if (count_control_tickets(client) < TICKETS_MAX)
		ticket = send_command(client, command, arguments, fd, error);
	else
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     ngettext("the VMM's monitor has not answered %u command",
				      "the VMM's monitor has not answered %u commands",
				      TICKETS_MAX),
			     TICKETS_MAX);
	g_mutex_unlock(&client->lock);
	return ticket;
}

QmpCommandTicket *qmp_client_send(QmpClient *client, const char *command, JsonObject *arguments,
				  GError **error)
{
	return send_control(client, command, arguments, -1, error);
}

/* With the lock: the same question where it is on its way. */
static QmpCommandTicket *find_shared(const QmpClient *client, const char *command)
{
	for (guint i = 0; i < client->tickets->len; i++) {
		QmpCommandTicket *ticket = g_ptr_array_index(client->tickets, i);

		if (ticket->is_shared && strcmp(ticket->command, command) == 0)
			return ticket;
	}
	return NULL;
}

QmpCommandTicket *qmp_client_share(QmpClient *client, const char *command, GError **error)
{
	QmpCommandTicket *ticket;

	g_mutex_lock(&client->lock);
	ticket = find_shared(client, command);
	if (ticket) {
		ticket->waiters++;
	} else {
		ticket = send_command(client, command, NULL, -1, error);
		if (ticket)
			ticket->is_shared = TRUE;
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
	if (ticket->is_shared)
		deadline = MIN(deadline, ticket->sent + QMP_SHARED_SECONDS * G_TIME_SPAN_SECOND);
	while (!ticket->is_done && in_time)
		in_time = g_cond_wait_until(&client->answered, &client->lock, deadline);
	if (ticket->result)
		result = json_node_ref(ticket->result);
	else if (ticket->failure)
		driver_error(error, VIR_ERR_OPERATION_FAILED, "%s: %s", ticket->command,
			     ticket->failure);
	else if (ticket->is_done)
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     _("the VMM has closed its monitor before it answered %s"),
			     ticket->command);
	else
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     _("the VMM's monitor does not answer %s"), ticket->command);
	/* One that is under way stays in the list, so that its reply is known when it comes. */
	ticket->waiters--;
	if (ticket->waiters == 0 && ticket->is_done)
		ticket_free(ticket);
	g_mutex_unlock(&client->lock);
	return result;
}

static JsonNode *ask(QmpClient *client, const char *command, JsonObject *arguments, int fd,
		     GError **error)
{
	QmpCommandTicket *ticket = send_control(client, command, arguments, fd, error);

	if (!ticket)
		return NULL;
	return qmp_client_wait(client, ticket,
			       g_get_monotonic_time() + QMP_COMMAND_SECONDS * G_TIME_SPAN_SECOND,
			       error);
}

JsonNode *qmp_client_ask(QmpClient *client, const char *command, GError **error)
{
	return ask(client, command, NULL, -1, error);
}

JsonNode *qmp_client_ask_with(QmpClient *client, const char *command, JsonObject *arguments,
			      GError **error)
{
	return ask(client, command, arguments, -1, error);
}

JsonNode *qmp_client_ask_array(QmpClient *client, const char *command, JsonObject *arguments,
			       GError **error)
{
	g_autoptr(JsonNode) reply = ask(client, command, arguments, -1, error);

	if (!reply || JSON_NODE_HOLDS_ARRAY(reply))
		return g_steal_pointer(&reply);
	driver_error(error, VIR_ERR_INTERNAL_ERROR, _("the VMM's answer to %s is no array"),
		     command);
	return NULL;
}

JsonObject *qmp_argument(const char *member, const char *value)
{
	JsonObject *arguments = json_object_new();

	json_object_set_string_member(arguments, member, value);
	return arguments;
}

QmpOutcome qmp_outcome(const GError *error)
{
	if (!error)
		return QMP_DONE;
	return g_error_matches(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED) ? QMP_REFUSED :
										QMP_UNKNOWN;
}

JsonNode *qmp_client_ask_shared(QmpClient *client, const char *command, GError **error)
{
	const gint64 deadline = g_get_monotonic_time() + QMP_SHARED_SECONDS * G_TIME_SPAN_SECOND;
	QmpCommandTicket *ticket = qmp_client_share(client, command, error);

	return ticket ? qmp_client_wait(client, ticket, deadline, error) : NULL;
}

gboolean qmp_client_tell(QmpClient *client, const char *command, GError **error)
{
	return qmp_client_tell_with(client, command, NULL, -1, error);
}

gboolean qmp_client_tell_with(QmpClient *client, const char *command, JsonObject *arguments, int fd,
			      GError **error)
{
	JsonNode *result = ask(client, command, arguments, fd, error);

	if (!result)
		return FALSE;
	json_node_unref(result);
	return TRUE;
}
