/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp-server.c - a QMP monitor on a listening socket */
#include "vmm/monitor/qmp-server.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/qmp-splitter.h"
#include "config.h"
#include "vmm/log.h"
#include "vmm/sandbox/sandbox.h"

/* What may wait for a client that does not read; then it is sent away. */
#define OUTPUT_MAX  (1u << 20)

#define INPUT_CHUNK 4096

/* That a client has sent and no command has taken: more than the queues of a network card. */
#define DESCRIPTORS_MAX 64

/* What a client that is slow at the very end is waited for. */
#define LAST_FLUSH_MS 1000

typedef struct {
	QmpServer *server;
	GSocket *socket;
	GSource *read_source;  /* NULL while a slow command runs */
	GSource *write_source; /* NULL while nothing waits */
	QmpSplitter *splitter;
	GByteArray *input;   /* read and not yet taken */
	GArray *descriptors; /* int: that came and nobody has taken */
	GByteArray *output;
	char *last_event; /* what the last message says, where that is an event; or NULL */
	gboolean has_negotiated;
	gboolean is_gone;
	gint references;
} QmpClient;

struct QmpServer {
	GSocket *listener;
	GSource *accept_source;
	const QmpCommand *const *tables;
	gpointer opaque;
	QmpClient *client; /* or NULL */
	guint n_slow_calls;
	LogLimit warnings;
};

/* One command on its way through a worker thread. */
typedef struct {
	QmpClient *client;
	const QmpCommand *command;
	JsonObject *arguments;
	JsonNode *id;
	gpointer opaque;
} SlowCall;

static void wait_for_client(QmpServer *server);
static void process_input(QmpClient *client);

static QmpClient *client_ref(QmpClient *client)
{
	client->references++;
	return client;
}

static void client_unref(QmpClient *client)
{
	if (--client->references > 0)
		return;
	qmp_splitter_free(client->splitter);
	g_byte_array_unref(client->input);
	g_byte_array_unref(client->output);
	for (guint i = 0; i < client->descriptors->len; i++)
		close(g_array_index(client->descriptors, int, i));
	g_array_unref(client->descriptors);
	g_free(client->last_event);
	g_object_unref(client->socket);
	g_free(client);
}

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

/* The client has left, or has to. Its memory goes with the last call that uses it. */
static void close_client(QmpClient *client)
{
	QmpServer *server = client->server;

	if (client->is_gone)
		return;
	client->is_gone = TRUE;
	clear_source(&client->read_source);
	clear_source(&client->write_source);
	g_socket_close(client->socket, NULL);
	if (server->client == client) {
		server->client = NULL;
		wait_for_client(server);
	}
	client_unref(client);
}

/* Writes what the socket takes; FALSE when the client is gone. */
static gboolean write_output(QmpClient *client)
{
	while (client->output->len > 0) {
		g_autoptr(GError) error = NULL;
		gssize written = g_socket_send(client->socket, (const char *)client->output->data,
					       client->output->len, NULL, &error);

		if (written < 0 && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
			return TRUE;
		if (written < 0)
			return FALSE;
		g_byte_array_remove_range(client->output, 0, written);
	}
	return TRUE;
}

static gboolean on_writable(GSocket *socket, GIOCondition condition, gpointer data)
{
	QmpClient *client = data;

	(void)socket;
	(void)condition;
	if (!write_output(client)) {
		close_client(client);
		return G_SOURCE_REMOVE;
	}
	if (client->output->len > 0)
		return G_SOURCE_CONTINUE;
	g_clear_pointer(&client->write_source, g_source_unref);
	return G_SOURCE_REMOVE;
}

static GSource *add_socket_source(GSocket *socket, GIOCondition condition, GSourceFunc function,
				  gpointer data)
{
	GSource *source = g_socket_create_source(socket, condition, NULL);

	g_source_set_callback(source, function, data, NULL);
	g_source_attach(source, NULL);
	return source;
}

/* Queues a message, which is taken, and sends what goes at once. */
static void send_message(QmpClient *client, JsonObject *message)
{
	g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), message);
	g_autofree char *json = json_to_string(node, FALSE);
	/* A client's half of a surrogate pair is no UTF-8 when it is quoted or echoed. */
	g_autofree char *text = g_utf8_make_valid(json, -1);

	json_object_unref(message);
	if (client->is_gone)
		return;
	g_clear_pointer(&client->last_event, g_free);
	if (client->output->len + strlen(text) + 2 > OUTPUT_MAX) {
		log_limited(&client->server->warnings, "monitor",
			    _("warning: the client does not read; it is disconnected"));
		close_client(client);
		return;
	}
	g_byte_array_append(client->output, (const guint8 *)text, strlen(text));
	g_byte_array_append(client->output, (const guint8 *)"\r\n", 2);
	if (!write_output(client)) {
		close_client(client);
		return;
	}
	if (client->output->len > 0 && !client->write_source)
		client->write_source = add_socket_source(client->socket, G_IO_OUT,
							 G_SOURCE_FUNC(on_writable), client);
}

/* Echoes a command's id, where it has one. */
static void add_id(JsonObject *message, JsonNode *id)
{
	if (id)
		json_object_set_member(message, "id", json_node_copy(id));
}

static void send_error(QmpClient *client, JsonNode *id, const char *class, const char *description)
{
	JsonObject *message = json_object_new();
	JsonObject *error = json_object_new();

	json_object_set_string_member(error, "class", class);
	json_object_set_string_member(error, "desc", description);
	json_object_set_object_member(message, "error", error);
	add_id(message, id);
	send_message(client, message);
}

/* @result is taken; NULL stands for an empty object. */
static void send_return(QmpClient *client, JsonNode *id, JsonNode *result)
{
	JsonObject *message = json_object_new();

	if (result)
		json_object_set_member(message, "return", result);
	else
		json_object_set_object_member(message, "return", json_object_new());
	add_id(message, id);
	send_message(client, message);
}

static JsonObject *version_object(void)
{
	JsonObject *version = json_object_new();
	JsonObject *numbers = json_object_new();
	int major = 0;
	int minor = 0;
	int micro = 0;

	sscanf(PACKAGE_VERSION, "%d.%d.%d", &major, &minor, &micro);
	json_object_set_int_member(numbers, "major", major);
	json_object_set_int_member(numbers, "minor", minor);
	json_object_set_int_member(numbers, "micro", micro);
	/* QEMU's clients look for this name, whatever the program. */
	json_object_set_object_member(version, "qemu", numbers);
	json_object_set_string_member(version, "package", "libvirt-gmem-" PACKAGE_VERSION);
	return version;
}

static void send_greeting(QmpClient *client)
{
	JsonObject *message = json_object_new();
	JsonObject *qmp = json_object_new();

	json_object_set_object_member(qmp, "version", version_object());
	json_object_set_array_member(qmp, "capabilities", json_array_new());
	json_object_set_object_member(message, "QMP", qmp);
	send_message(client, message);
}

static gboolean has_type(JsonNode *node, QmpType type)
{
	switch (type) {
	case QMP_TYPE_INT:
		return JSON_NODE_HOLDS_VALUE(node) &&
		       json_node_get_value_type(node) == G_TYPE_INT64;
	case QMP_TYPE_STRING:
		return JSON_NODE_HOLDS_VALUE(node) &&
		       json_node_get_value_type(node) == G_TYPE_STRING;
	case QMP_TYPE_BOOL:
		return JSON_NODE_HOLDS_VALUE(node) &&
		       json_node_get_value_type(node) == G_TYPE_BOOLEAN;
	case QMP_TYPE_ARRAY:
		return JSON_NODE_HOLDS_ARRAY(node);
	case QMP_TYPE_OBJECT:
		return JSON_NODE_HOLDS_OBJECT(node);
	}
	return FALSE;
}

static const QmpArgument *find_argument(const QmpArgument *table, const char *name)
{
	for (; table && table->name; table++) {
		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

/* Return: what is wrong with the arguments, for g_free(), or NULL. */
static char *check_arguments(const QmpArgument *table, JsonObject *arguments)
{
	static const char *const wrong_type[] = {
		[QMP_TYPE_INT] = N_("argument '%s' must be an integer"),
		[QMP_TYPE_STRING] = N_("argument '%s' must be a string"),
		[QMP_TYPE_BOOL] = N_("argument '%s' must be a boolean"),
		[QMP_TYPE_ARRAY] = N_("argument '%s' must be an array"),
		[QMP_TYPE_OBJECT] = N_("argument '%s' must be an object"),
	};
	g_autoptr(GList) names = json_object_get_members(arguments);

	for (const GList *name = names; name; name = name->next) {
		const QmpArgument *argument = find_argument(table, name->data);

		if (!argument)
			return g_strdup_printf(_("argument '%s' is unexpected"),
					       (const char *)name->data);
		if (!has_type(json_object_get_member(arguments, name->data), argument->type))
			return g_strdup_printf(_(wrong_type[argument->type]), argument->name);
	}
	for (; table && table->name; table++) {
		if (!table->is_optional && !json_object_has_member(arguments, table->name))
			return g_strdup_printf(_("argument '%s' is missing"), table->name);
	}
	return NULL;
}

static const QmpCommand *find_command(const QmpCommand *const *tables, const char *name)
{
	for (; *tables; tables++)
		for (const QmpCommand *command = *tables; command->name; command++)
			if (strcmp(command->name, name) == 0)
				return command;
	return NULL;
}

static const QmpArgument capabilities_arguments[] = {
	{ "enable", QMP_TYPE_ARRAY, TRUE },
	{ NULL },
};

/* The commands that are the protocol's own, and what each does. */
typedef void (*BuiltinHandler)(QmpClient *client, JsonObject *arguments, JsonNode *id);

static void negotiate(QmpClient *client, JsonObject *arguments, JsonNode *id)
{
	if (client->has_negotiated) {
		send_error(client, id, "CommandNotFound",
			   _("capabilities have been negotiated already"));
		return;
	}
	if (json_object_has_member(arguments, "enable") &&
	    json_array_get_length(json_object_get_array_member(arguments, "enable")) > 0) {
		send_error(client, id, "GenericError", _("no capability is offered"));
		return;
	}
	client->has_negotiated = TRUE;
	send_return(client, id, NULL);
}

static void query_version(QmpClient *client, JsonObject *arguments, JsonNode *id)
{
	g_autoptr(JsonObject) version = version_object();

	(void)arguments;
	send_return(client, id, json_node_init_object(json_node_alloc(), version));
}

static void query_commands(QmpClient *client, JsonObject *arguments, JsonNode *id);

static const struct {
	const char *name;
	const QmpArgument *arguments;
	BuiltinHandler handler;
} builtins[] = {
	{ "qmp_capabilities", capabilities_arguments, negotiate },
	{ "query-commands", NULL, query_commands },
	{ "query-version", NULL, query_version },
};

static void add_command_name(JsonArray *names, const char *name)
{
	JsonObject *entry = json_object_new();

	json_object_set_string_member(entry, "name", name);
	json_array_add_object_element(names, entry);
}

static void query_commands(QmpClient *client, JsonObject *arguments, JsonNode *id)
{
	JsonArray *names = json_array_new();

	(void)arguments;
	for (gsize i = 0; i < G_N_ELEMENTS(builtins); i++)
		add_command_name(names, builtins[i].name);
	for (const QmpCommand *const *table = client->server->tables; *table; table++)
		for (const QmpCommand *command = *table; command->name; command++)
			add_command_name(names, command->name);
	send_return(client, id, json_node_init_array(json_node_alloc(), names));
	json_array_unref(names);
}

static void free_slow_call(gpointer data)
{
	SlowCall *call = data;

	json_object_unref(call->arguments);
	g_clear_pointer(&call->id, json_node_unref);
	client_unref(call->client);
	g_free(call);
}

static void run_slow_call(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
	const SlowCall *call = data;
	g_autoptr(GError) error = NULL;
	JsonNode *result = NULL;

	(void)source;
	(void)cancellable;
	sandbox_enter_thread(SANDBOX_THREAD_WORKER);
	if (call->command->handler(call->arguments, call->opaque, &result, &error))
		g_task_return_pointer(task, result, (GDestroyNotify)json_node_unref);
	else
		g_task_return_error(task, g_steal_pointer(&error));
}

static gboolean on_readable(GSocket *socket, GIOCondition condition, gpointer data);

static void resume_reading(QmpClient *client)
{
	if (!client->is_gone && !client->read_source)
		client->read_source = add_socket_source(client->socket, G_IO_IN,
							G_SOURCE_FUNC(on_readable), client);
}

static void on_slow_call_done(GObject *source, GAsyncResult *task, gpointer data)
{
	SlowCall *call = g_task_get_task_data(G_TASK(task));
	QmpServer *server = data;
	g_autoptr(GError) error = NULL;
	JsonNode *result = g_task_propagate_pointer(G_TASK(task), &error);

	(void)source;
	server->n_slow_calls--;
	if (call->client->is_gone) {
		g_clear_pointer(&result, json_node_unref);
		return;
	}
	if (error)
		send_error(call->client, call->id, "GenericError", error->message);
	else
		send_return(call->client, call->id, result);
	resume_reading(call->client);
	process_input(call->client);
}

static void start_slow_call(QmpClient *client, const QmpCommand *command, JsonObject *arguments,
			    JsonNode *id)
{
	g_autoptr(GTask) task = g_task_new(NULL, NULL, on_slow_call_done, client->server);
	SlowCall *call = g_new0(SlowCall, 1);

	call->client = client_ref(client);
	call->command = command;
	call->arguments = json_object_ref(arguments);
	call->id = id ? json_node_copy(id) : NULL;
	call->opaque = client->server->opaque;
	g_task_set_task_data(task, call, free_slow_call);
	client->server->n_slow_calls++;
	clear_source(&client->read_source);
	g_task_run_in_thread(task, run_slow_call);
}

static void call_command(QmpClient *client, const QmpCommand *command, JsonObject *arguments,
			 JsonNode *id)
{
	g_autoptr(GError) error = NULL;
	JsonNode *result = NULL;

	if (command->is_slow)
		start_slow_call(client, command, arguments, id);
	else if (command->handler(arguments, client->server->opaque, &result, &error))
		send_return(client, id, result);
	else
		send_error(client, id, "GenericError", error->message);
}

static void dispatch(QmpClient *client, const char *name, JsonObject *arguments, JsonNode *id)
{
	const QmpCommand *command = find_command(client->server->tables, name);
	const QmpArgument *table = command ? command->arguments : NULL;
	BuiltinHandler builtin = NULL;
	g_autofree char *complaint = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(builtins); i++) {
		if (strcmp(builtins[i].name, name) != 0)
			continue;
		builtin = builtins[i].handler;
		table = builtins[i].arguments;
	}
	if (!client->has_negotiated && builtin != negotiate) {
		send_error(client, id, "CommandNotFound",
			   _("capabilities have to be negotiated first, with qmp_capabilities"));
		return;
	}
	if (!command && !builtin) {
		complaint = g_strdup_printf(_("there is no command '%s'"), name);
		send_error(client, id, "CommandNotFound", complaint);
		return;
	}
	if (!command || !command->takes_anything)
		complaint = check_arguments(table, arguments);
	if (complaint)
		send_error(client, id, "GenericError", complaint);
	else if (builtin)
		builtin(client, arguments, id);
	else
		call_command(client, command, arguments, id);
}

/* Return: what is wrong with a request's members, for g_free(), or NULL. */
static char *check_request(JsonObject *request)
{
	g_autoptr(GList) names = json_object_get_members(request);

	for (const GList *name = names; name; name = name->next) {
		if (strcmp(name->data, "execute") != 0 && strcmp(name->data, "arguments") != 0 &&
		    strcmp(name->data, "id") != 0)
			return g_strdup_printf(_("member '%s' of the request is unexpected"),
					       (const char *)name->data);
	}
	if (!json_object_has_member(request, "execute"))
		return g_strdup(_("the request has no member 'execute'"));
	if (!has_type(json_object_get_member(request, "execute"), QMP_TYPE_STRING))
		return g_strdup(_("member 'execute' of the request must be a string"));
	if (json_object_has_member(request, "arguments") &&
	    !JSON_NODE_HOLDS_OBJECT(json_object_get_member(request, "arguments")))
		return g_strdup(_("member 'arguments' of the request must be an object"));
	return NULL;
}

static void process_object(QmpClient *client, const char *text)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autoptr(JsonObject) arguments = NULL;
	g_autofree char *complaint = NULL;
	g_autoptr(GError) error = NULL;
	JsonObject *request;
	JsonNode *id;

	if (!g_utf8_validate(text, -1, NULL)) {
		send_error(client, NULL, "GenericError", _("the request is not UTF-8"));
		return;
	}
	if (!json_parser_load_from_data(parser, text, -1, &error) ||
	    !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
		complaint = error ? g_strdup_printf(_("the request is not JSON: %s"),
						    error->message) :
				    g_strdup(_("the request is not JSON: no object"));
		send_error(client, NULL, "GenericError", complaint);
		return;
	}
	request = json_node_get_object(json_parser_get_root(parser));
	id = json_object_get_member(request, "id");
	complaint = check_request(request);
	if (complaint) {
		send_error(client, id, "GenericError", complaint);
		return;
	}
	if (json_object_has_member(request, "arguments"))
		arguments = json_object_ref(json_object_get_object_member(request, "arguments"));
	else
		arguments = json_object_new();
	dispatch(client, json_object_get_string_member(request, "execute"), arguments, id);
}

/* Takes commands out of what was read until one runs on a worker, or no whole one is left. */
static void process_input(QmpClient *client)
{
	client_ref(client);
	while (!client->is_gone && client->read_source && client->input->len > 0) {
		const char *object = NULL;
		gsize used;
		QmpSplitterResult result = qmp_splitter_feed(client->splitter,
							     (const char *)client->input->data,
							     client->input->len, &used, &object);

		g_byte_array_remove_range(client->input, 0, used);
		if (result == QMP_SPLITTER_OBJECT)
			process_object(client, object);
		else if (result == QMP_SPLITTER_STRAY)
			send_error(client, NULL, "GenericError",
				   _("the request is not a JSON object"));
		else if (result == QMP_SPLITTER_TOO_LARGE)
			send_error(client, NULL, "GenericError",
				   _("the request is too large or nested too deeply"));
	}
	client_unref(client);
}

/* Keeps what came with a message; what is too many is closed, and missed by who wants it. */
static void keep_descriptors(QmpClient *client, const struct msghdr *message)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR((struct msghdr *)message, part)) {
		gsize size = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (gsize at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			if (client->descriptors->len < DESCRIPTORS_MAX)
				g_array_append_val(client->descriptors, fd);
			else
				close(fd);
		}
	}
}

/* As recv(), with the descriptors that come along. */
static gssize receive(QmpClient *client, char *chunk, gsize size)
{
	union {
		struct cmsghdr header; /* for alignment */
		char room[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control;
	struct iovec data = { .iov_base = chunk, .iov_len = size };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	gssize length = recvmsg(g_socket_get_fd(client->socket), &message,
				MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (length >= 0)
		keep_descriptors(client, &message);
	return length;
}

static gboolean on_readable(GSocket *socket, GIOCondition condition, gpointer data)
{
	QmpClient *client = data;
	char chunk[INPUT_CHUNK];
	gssize length = receive(client, chunk, sizeof(chunk));

	(void)socket;
	(void)condition;
	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return G_SOURCE_CONTINUE;
	if (length <= 0) {
		close_client(client);
		return G_SOURCE_REMOVE;
	}
	g_byte_array_append(client->input, (const guint8 *)chunk, length);
	process_input(client);
	/* Whoever ended the source has destroyed it already. */
	return G_SOURCE_CONTINUE;
}

static gboolean on_connection(GSocket *listener, GIOCondition condition, gpointer data)
{
	QmpServer *server = data;
	g_autoptr(GError) error = NULL;
	g_autoptr(GSocket) socket = g_socket_accept(listener, NULL, &error);
	QmpClient *client;

	(void)condition;
	if (!socket) {
		if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
			log_limited(&server->warnings, "monitor",
				    _("warning: accepting a client: %s"), error->message);
		return G_SOURCE_CONTINUE;
	}
	g_socket_set_blocking(socket, FALSE);
	client = g_new0(QmpClient, 1);
	client->server = server;
	client->socket = g_steal_pointer(&socket);
	client->splitter = qmp_splitter_new();
	client->input = g_byte_array_new();
	client->descriptors = g_array_new(FALSE, FALSE, sizeof(int));
	client->output = g_byte_array_new();
	client->references = 1;
	server->client = client;
	g_clear_pointer(&server->accept_source, g_source_unref);
	resume_reading(client);
	send_greeting(client);
	return G_SOURCE_REMOVE;
}

static void wait_for_client(QmpServer *server)
{
	server->accept_source = add_socket_source(server->listener, G_IO_IN,
						  G_SOURCE_FUNC(on_connection), server);
}

QmpServer *qmp_server_new(GSocket *listener, const QmpCommand *const *tables, gpointer opaque)
{
	QmpServer *server = g_new0(QmpServer, 1);

	g_socket_set_blocking(listener, FALSE);
	server->listener = g_object_ref(listener);
	server->tables = tables;
	server->opaque = opaque;
	wait_for_client(server);
	return server;
}

int qmp_server_take_descriptor(QmpServer *server)
{
	GArray *descriptors = server->client ? server->client->descriptors : NULL;
	int fd;

	if (!descriptors || descriptors->len == 0)
		return -1;
	fd = g_array_index(descriptors, int, 0);
	g_array_remove_index(descriptors, 0);
	return fd;
}

gboolean qmp_server_is_busy(const QmpServer *server)
{
	return server->n_slow_calls > 0;
}

static void flush_last_output(QmpClient *client)
{
	gint64 deadline = g_get_monotonic_time() + LAST_FLUSH_MS * 1000;

	while (write_output(client) && client->output->len > 0) {
		gint64 left = deadline - g_get_monotonic_time();

		if (left <= 0 ||
		    !g_socket_condition_timed_wait(client->socket, G_IO_OUT, left, NULL, NULL))
			return;
	}
}

void qmp_server_free(QmpServer *server)
{
	if (!server)
		return;
	if (server->client) {
		QmpClient *client = server->client;

		flush_last_output(client);
		server->client = NULL;
		close_client(client);
	}
	clear_source(&server->accept_source);
	g_object_unref(server->listener);
	g_free(server);
}

/* Return: what an event says, its time left aside; for g_free(). */
static char *describe_event(const char *name, JsonObject *data)
{
	g_autoptr(JsonNode) node = NULL;
	g_autofree char *json = NULL;

	if (!data)
		return g_strdup(name);
	node = json_node_init_object(json_node_alloc(), data);
	json = json_to_string(node, FALSE);
	return g_strconcat(name, " ", json, NULL);
}

void qmp_server_send_event(QmpServer *server, const char *name, JsonObject *data)
{
	gint64 now = g_get_real_time();
	QmpClient *client = server->client;
	g_autofree char *event = describe_event(name, data);
	JsonObject *message;
	JsonObject *timestamp;

	if (!client || !client->has_negotiated ||
	    (client->output->len > 0 && g_strcmp0(client->last_event, event) == 0)) {
		g_clear_pointer(&data, json_object_unref);
		return;
	}
	message = json_object_new();
	timestamp = json_object_new();
	json_object_set_string_member(message, "event", name);
	if (data)
		json_object_set_object_member(message, "data", data);
	json_object_set_int_member(timestamp, "seconds", now / G_USEC_PER_SEC);
	json_object_set_int_member(timestamp, "microseconds", now % G_USEC_PER_SEC);
	json_object_set_object_member(message, "timestamp", timestamp);
	client_ref(client);
	send_message(client, message);
	if (!client->is_gone)
		client->last_event = g_steal_pointer(&event);
	client_unref(client);
}
