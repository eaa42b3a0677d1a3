/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent-client.c - talking to QEMU's guest agent */
#include "driver/agent/agent-client.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/json-text.h"
#include "driver/agent/agent-reader.h"
#include "driver/error.h"

#define READ_CHUNK 4096

/* What a guest may say until it has answered, before as well as after the answer's 0xff. */
#define TALK_MAX (4u * AGENT_LINE_MAX)

/* Of what the agent says about a failure, which clients and logs show. */
#define REASON_MAX 1000

struct AgentClient {
	int fd;
	AgentReader *reader;
	char chunk[READ_CHUNK];
	gsize chunk_used;
	gsize chunk_size;
	gsize heard;	   /* bytes, since the last command was sent */
	gboolean is_over;  /* no answer can be told from another one any more */
	gboolean is_early; /* a deadline was over, and nothing else has failed */
	gboolean is_sent;  /* the last command, whole */
};

void agent_client_end(AgentClient *client)
{
	if (!client)
		return;
	close(client->fd);
	agent_reader_free(client->reader);
	g_free(client);
}

/* Return: FALSE with @error; the conversation is over. */
static gboolean give_up(AgentClient *client, GError **error, const char *why)
{
	client->is_over = TRUE;
	return driver_error(error, VIR_ERR_AGENT_UNRESPONSIVE, "%s", why);
}

static gboolean wait_for(AgentClient *client, short events, gint64 deadline, GError **error)
{
	for (;;) {
		struct pollfd poll_fd = { .fd = client->fd, .events = events };
		const gint64 left = deadline - g_get_monotonic_time();
		/* Rounded up, so that a poll which times out has reached the deadline. */
		const int timeout = left <= 0 ?
					    0 :
					    (int)MIN(left / G_TIME_SPAN_MILLISECOND + 1, G_MAXINT);
		const int n = poll(&poll_fd, 1, timeout);

		if (n > 0)
			return TRUE;
		if (n < 0 && errno != EINTR)
			return give_up(client, error, g_strerror(errno));
		if (n == 0) {
			client->is_early = TRUE;
			return give_up(client, error,
				       _("the guest agent has not answered in time"));
		}
	}
}

static gboolean send_text(AgentClient *client, const char *text, gsize size, gint64 deadline,
			  GError **error)
{
	client->heard = 0;
	client->is_sent = FALSE;
	while (size > 0) {
		const gssize n = send(client->fd, text, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			size -= (gsize)n;
		} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
			return give_up(client, error, _("the guest agent's channel has ended"));
		} else if (!wait_for(client, POLLOUT, deadline, error)) {
			return FALSE;
		}
	}
	client->is_sent = TRUE;
	return TRUE;
}

static gboolean fill_chunk(AgentClient *client, gint64 deadline, GError **error)
{
	gssize n;

	if (client->heard > TALK_MAX)
		return give_up(client, error, _("the guest agent talks and does not answer"));
	do {
		if (!wait_for(client, POLLIN, deadline, error))
			return FALSE;
		n = recv(client->fd, client->chunk, sizeof(client->chunk), MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0)
		return give_up(client, error, _("the guest agent's channel has ended"));
	client->heard += (gsize)n;
	client->chunk_used = 0;
	client->chunk_size = (gsize)n;
	return TRUE;
}

/* The next line; NULL with @error where there is none, the conversation being over. */
static const char *read_line(AgentClient *client, gint64 deadline, GError **error)
{
	for (;;) {
		AgentReaderResult result;
		const char *line;
		gsize used;

		if (client->chunk_used == client->chunk_size &&
		    !fill_chunk(client, deadline, error))
			return NULL;
		result = agent_reader_feed(client->reader, client->chunk + client->chunk_used,
					   client->chunk_size - client->chunk_used, &used, &line);
		client->chunk_used += used;
		if (result == AGENT_READER_LINE)
			return line;
		if (result == AGENT_READER_TOO_LARGE) {
			give_up(client, error, _("the guest agent's answer is too large"));
			return NULL;
		}
	}
}

static char *command_text(const char *command, JsonObject *arguments)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
	g_autofree char *text = NULL;

	json_object_set_string_member(object, "execute", command);
	if (arguments)
		json_object_set_object_member(object, "arguments", arguments);
	text = json_to_string(root, FALSE);
	return g_strconcat(text, "\n", NULL);
}

static gboolean is_answer_to_sync(const char *line, gint64 number)
{
	g_autoptr(JsonObject) object = agent_parse_line(line);

	return object && agent_number(object, "return", -1) == number;
}

/* What earlier conversations have left is before the 0xff, or behind one and no answer to this. */
static gboolean synchronise(AgentClient *client, gint64 deadline, GError **error)
{
	const gint64 number = g_random_int_range(1, G_MAXINT32);
	JsonObject *arguments = json_object_new();
	g_autofree char *text = NULL;
	g_autofree char *delimited = NULL;
	const char *line;

	json_object_set_int_member(arguments, "id", number);
	text = command_text("guest-sync-delimited", arguments);
	/* The guest's side drops what it has of a command that was cut off. */
	delimited = g_strconcat("\xff", text, NULL);
	if (!send_text(client, delimited, strlen(delimited), deadline, error))
		return FALSE;
	while ((line = read_line(client, deadline, error)))
		if (is_answer_to_sync(line, number))
			return TRUE;
	return FALSE;
}

AgentClient *agent_client_begin(int fd, gint64 deadline, GError **error)
{
	g_autoptr(AgentClient) client = g_new0(AgentClient, 1);

	client->fd = fd;
	client->reader = agent_reader_new();
	return synchronise(client, deadline, error) ? g_steal_pointer(&client) : NULL;
}

/* Some of what the agent says, in one line. */
static char *reason_of(JsonObject *failure)
{
	const char *text = agent_string(failure, "desc");
	char *reason;

	if (!text)
		return g_strdup(_("no reason given"));
	reason = g_utf8_make_valid(text, (gssize)MIN(strlen(text), REASON_MAX));
	for (char *at = reason; *at; at++)
		if (g_ascii_iscntrl(*at))
			*at = ' ';
	return reason;
}

static void report_failure(const char *command, JsonObject *failure, GError **error)
{
	const char *kind = agent_string(failure, "class");
	g_autofree char *reason = reason_of(failure);
	const gboolean is_missing = g_strcmp0(kind, "CommandNotFound") == 0 ||
				    g_strcmp0(kind, "CommandDisabled") == 0;

	driver_error(error, is_missing ? VIR_ERR_OPERATION_UNSUPPORTED : VIR_ERR_INTERNAL_ERROR,
		     _("the guest agent's %s: %s"), command, reason);
}

/* Return: an object with "return" or "error", for json_object_unref(). */
static JsonObject *exchange(AgentClient *client, const char *text, gint64 deadline, GError **error)
{
	JsonObject *answer;
	const char *line;

	if (client->is_over) {
		give_up(client, error, _("the guest agent has failed before"));
		return NULL;
	}
	if (!send_text(client, text, strlen(text), deadline, error))
		return NULL;
	line = read_line(client, deadline, error);
	if (!line)
		return NULL;
	answer = agent_parse_line(line);
	if (answer &&
	    (json_object_has_member(answer, "return") || json_object_has_member(answer, "error")))
		return answer;
	if (answer)
		json_object_unref(answer);
	give_up(client, error, _("the guest agent has sent something that is no answer"));
	return NULL;
}

JsonNode *agent_client_ask(AgentClient *client, const char *command, JsonObject *arguments,
			   gint64 deadline, GError **error)
{
	g_autofree char *text = command_text(command, arguments);
	g_autoptr(JsonObject) answer = exchange(client, text, deadline, error);

	if (!answer)
		return NULL;
	if (json_object_has_member(answer, "return"))
		return json_node_ref(json_object_get_member(answer, "return"));
	report_failure(command, agent_object(answer, "error"), error);
	return NULL;
}

gboolean agent_client_tell(AgentClient *client, const char *command, JsonObject *arguments,
			   gint64 deadline, GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(JsonNode) answer = NULL;

	client->is_early = FALSE;
	client->is_sent = FALSE;
	answer = agent_client_ask(client, command, arguments, deadline, &cause);
	/* A guest that has done it, and is no more, has not failed. */
	if (answer ||
	    (client->is_sent && (client->is_early || (client->is_over && client->heard == 0))))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&cause));
	return FALSE;
}

/* One line of a text that is an object, or NULL. */
static char *line_of(const char *text)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	g_autofree char *line = NULL;
	JsonNode *root;

	if (!json_text_is_bounded(text, AGENT_LINE_MAX, AGENT_DEPTH_MAX, AGENT_VALUES_MAX) ||
	    !json_parser_load_from_data(parser, text, -1, NULL))
		return NULL;
	root = json_parser_get_root(parser);
	if (!root || !JSON_NODE_HOLDS_OBJECT(root))
		return NULL;
	line = json_to_string(root, FALSE);
	return g_strconcat(line, "\n", NULL);
}

char *agent_client_pass(AgentClient *client, const char *command, gint64 deadline, GError **error)
{
	g_autofree char *line = line_of(command);
	g_autoptr(JsonObject) answer = NULL;
	g_autoptr(JsonNode) root = NULL;

	if (!line) {
		driver_error(error, VIR_ERR_INVALID_ARG,
			     _("a command of the guest agent's is a JSON object"));
		return NULL;
	}
	answer = exchange(client, line, deadline, error);
	if (!answer)
		return NULL;
	root = json_node_init_object(json_node_alloc(), answer);
	return json_to_string(root, FALSE);
}
