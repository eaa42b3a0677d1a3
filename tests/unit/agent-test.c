/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent-test.c - conversations with a guest agent that does what it should, and with one that means
 * harm
 *
 * A thread is the guest. It reads what the daemon sends, and answers the commands in turn with what
 * the test gave it; in an answer "@" stands for the number of guest-sync-delimited.
 */
#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/agent/agent-client.h"
#include "driver/agent/agent-reader.h"
#include "driver/error.h"
#include "support.h"

#define SYNCED "\xff{\"return\": @}\n"

typedef struct {
	int fd;
	const char *const *answers; /* up to a NULL; then it hangs up, or is silent */
	gboolean is_silent;	    /* until the other end has gone */
	GString *asked;		    /* all that has come */
} Guest;

/* Reads to the end of a line. Return: FALSE at the end of the connection. */
static gboolean read_command(Guest *guest)
{
	char byte;

	do {
		if (read(guest->fd, &byte, 1) != 1)
			return FALSE;
		g_string_append_c(guest->asked, byte);
	} while (byte != '\n');
	return TRUE;
}

/* The number of the last command. */
static gint64 number_of(const Guest *guest)
{
	const char *id = g_strrstr(guest->asked->str, "\"id\":");

	return id ? g_ascii_strtoll(id + strlen("\"id\":"), NULL, 10) : 0;
}

static void write_all(int fd, const char *data, gsize size)
{
	while (size > 0) {
		const gssize n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		data += n;
		size -= (gsize)n;
	}
}

static gpointer be_guest(gpointer data)
{
	Guest *guest = data;

	for (guint i = 0; guest->answers[i] && read_command(guest); i++) {
		g_autoptr(GString) answer = g_string_new(guest->answers[i]);
		g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, number_of(guest));

		g_string_replace(answer, "@", number, 0);
		write_all(guest->fd, answer->str, answer->len);
	}
	while (guest->is_silent && read_command(guest))
		continue;
	close(guest->fd);
	return NULL;
}

typedef struct {
	Guest guest;
	GThread *thread;
	int fd; /* the daemon's end */
} World;

static void world_init(World *world, const char *const *answers, gboolean is_silent)
{
	int fds[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
	world->fd = fds[0];
	world->guest = (Guest){ fds[1], answers, is_silent, g_string_new(NULL) };
	world->thread = g_thread_new("guest", be_guest, &world->guest);
}

/* After the conversation has ended. */
static void world_end(World *world)
{
	g_thread_join(world->thread);
	g_string_free(world->guest.asked, TRUE);
}

static gint64 in_seconds(double seconds)
{
	return g_get_monotonic_time() + (gint64)(seconds * G_TIME_SPAN_SECOND);
}

/* Begins a conversation that has to succeed. */
static AgentClient *begin(World *world)
{
	g_autoptr(GError) error = NULL;
	AgentClient *client = agent_client_begin(world->fd, in_seconds(20), &error);

	g_assert_no_error(error);
	g_assert_nonnull(client);
	return client;
}

static void test_command(void)
{
	static const char *const answers[] = { SYNCED, "{\"return\": {\"host-name\": \"h\"}}\n",
					       NULL };
	World world;
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) answer = NULL;
	AgentClient *client;

	world_init(&world, answers, FALSE);
	client = begin(&world);
	answer = agent_client_ask(client, "guest-get-host-name", NULL, in_seconds(20), &error);
	g_assert_no_error(error);
	g_assert_cmpstr(agent_string(json_node_get_object(answer), "host-name"), ==, "h");
	agent_client_end(client);
	g_assert_true(g_str_has_prefix(world.guest.asked->str,
				       "\xff{\"execute\":\"guest-sync-delimited\""));
	world_end(&world);
}

/* What earlier commands have left, and what is no JSON, is passed over. */
static void test_rubbish_before(void)
{
	static const char *const answers[] = {
		"{\"return\": 1}\n{\"retu\xff{\"return\": 5}\n}}}[\n" SYNCED,
		"\n\n{\"return\": 7}\n",
		NULL,
	};
	World world;
	g_autoptr(GError) error = NULL;
	g_autoptr(JsonNode) answer = NULL;
	AgentClient *client;

	world_init(&world, answers, FALSE);
	client = begin(&world);
	answer = agent_client_ask(client, "guest-fsfreeze-thaw", NULL, in_seconds(20), &error);
	g_assert_no_error(error);
	g_assert_cmpint(json_node_get_int(answer), ==, 7);
	agent_client_end(client);
	world_end(&world);
}

static void assert_fails(const char *answer, int code, const char *words)
{
	const char *const answers[] = { SYNCED, answer, NULL };
	World world;
	g_autoptr(GError) error = NULL;
	AgentClient *client;

	world_init(&world, answers, FALSE);
	client = begin(&world);
	g_assert_null(agent_client_ask(client, "guest-info", NULL, in_seconds(20), &error));
	g_assert_error(error, DRIVER_ERROR, code);
	g_assert_nonnull(strstr(error->message, words));
	agent_client_end(client);
	world_end(&world);
}

static void test_answers_that_are_none(void)
{
	g_autofree char *deep = g_strnfill(AGENT_DEPTH_MAX + 1, '[');
	g_autofree char *long_one = g_strnfill(AGENT_LINE_MAX + 1, 'x');
	g_autofree char *many = g_strnfill(AGENT_VALUES_MAX + 1, ',');

	assert_fails("{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no such\"}}\n",
		     VIR_ERR_OPERATION_UNSUPPORTED, "no such");
	assert_fails("{\"error\": {\"class\": \"GenericError\", \"desc\": \"a\\nb\"}}\n",
		     VIR_ERR_INTERNAL_ERROR, "a b");
	assert_fails("{\"error\": 1}\n", VIR_ERR_INTERNAL_ERROR, "no reason");
	assert_fails("{}\n", VIR_ERR_AGENT_UNRESPONSIVE, "no answer");
	assert_fails("[]\n", VIR_ERR_AGENT_UNRESPONSIVE, "no answer");
	assert_fails("\xc3\x28\n", VIR_ERR_AGENT_UNRESPONSIVE, "no answer");
	assert_fails("", VIR_ERR_AGENT_UNRESPONSIVE, "ended");
	assert_fails(deep, VIR_ERR_AGENT_UNRESPONSIVE, "too large");
	assert_fails(long_one, VIR_ERR_AGENT_UNRESPONSIVE, "too large");
	assert_fails(many, VIR_ERR_AGENT_UNRESPONSIVE, "too large");
	/* What the parser would take for the begin of an array, and a count for a string's inside.
	 */
	assert_fails("{'\"':[]}\n", VIR_ERR_AGENT_UNRESPONSIVE, "too large");
	assert_fails("{/*\"*/\"return\":[]}\n", VIR_ERR_AGENT_UNRESPONSIVE, "too large");
}

/* Whatever it says, it does not say it for ever. */
static void test_endless_talk(void)
{
	g_autofree char *line = g_strnfill(1000, 'x');
	g_autoptr(GString) talk = g_string_new(NULL);
	const char *answers[] = { NULL, NULL };
	World world;
	g_autoptr(GError) error = NULL;

	while (talk->len < 6 * AGENT_LINE_MAX)
		g_string_append_printf(talk, "\xff%s\n", line);
	answers[0] = talk->str;
	world_init(&world, answers, TRUE);
	g_assert_null(agent_client_begin(world.fd, in_seconds(60), &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_AGENT_UNRESPONSIVE);
	g_assert_nonnull(strstr(error->message, "talks"));
	world_end(&world);
}

/* A silent one costs the time that was given, and no more; what comes late is no answer. */
static void test_silence(void)
{
	static const char *const answers[] = { SYNCED, NULL };
	World world;
	const gint64 start = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	AgentClient *client;

	world_init(&world, answers, TRUE);
	client = begin(&world);
	g_assert_null(agent_client_ask(client, "guest-info", NULL, in_seconds(0.05), &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_AGENT_UNRESPONSIVE);
	g_assert_nonnull(strstr(error->message, "in time"));
	g_clear_error(&error);
	g_assert_null(agent_client_ask(client, "guest-info", NULL, in_seconds(20), &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_AGENT_UNRESPONSIVE);
	g_assert_nonnull(strstr(error->message, "before"));
	agent_client_end(client);
	world_end(&world);
	g_assert_cmpint(g_get_monotonic_time() - start, <, 15 * G_TIME_SPAN_SECOND);
}

/* A shutdown is not answered, unless it fails. */
static void test_tell(void)
{
	static const char *const silent[] = { SYNCED, NULL };
	static const char *const refusing[] = { SYNCED, "{\"error\": {\"desc\": \"never\"}}\n",
						NULL };
	World world;
	g_autoptr(GError) error = NULL;
	AgentClient *client;

	world_init(&world, silent, TRUE);
	client = begin(&world);
	g_assert_true(agent_client_tell(client, "guest-shutdown", NULL, in_seconds(0.05), &error));
	g_assert_no_error(error);
	agent_client_end(client);
	world_end(&world);

	world_init(&world, refusing, FALSE);
	client = begin(&world);
	g_assert_false(agent_client_tell(client, "guest-shutdown", NULL, in_seconds(20), &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	agent_client_end(client);
	world_end(&world);
}

/* What the guest has never got it cannot have done. */
static void test_tell_nobody(void)
{
	static const char *const leaving[] = { SYNCED, NULL };
	World world;
	g_autoptr(GError) error = NULL;
	AgentClient *client;

	world_init(&world, leaving, FALSE);
	client = begin(&world);
	world_end(&world);
	for (guint i = 0; i < 2; i++) {
		g_assert_false(
			agent_client_tell(client, "guest-shutdown", NULL, in_seconds(20), &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_AGENT_UNRESPONSIVE);
		g_clear_error(&error);
	}
	agent_client_end(client);
}

/* A client's command is one line, whatever it looks like, and its answer is the agent's. */
static void test_pass(void)
{
	static const char *const answers[] = { SYNCED, "{\"error\": {\"desc\": \"no\"}}\n", NULL };
	World world;
	g_autoptr(GError) error = NULL;
	g_autofree char *answer = NULL;
	AgentClient *client;

	world_init(&world, answers, FALSE);
	client = begin(&world);
	g_assert_null(agent_client_pass(client, "no object", in_seconds(20), &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INVALID_ARG);
	g_clear_error(&error);
	answer = agent_client_pass(client, "{\"execute\":\n\"guest-ping\"}\n", in_seconds(20),
				   &error);
	g_assert_no_error(error);
	g_assert_cmpstr(answer, ==, "{\"error\":{\"desc\":\"no\"}}");
	g_assert_true(g_str_has_suffix(world.guest.asked->str, "\n{\"execute\":\"guest-ping\"}\n"));
	agent_client_end(client);
	world_end(&world);
}

/* Texts that would be several where each is a line, or change a terminal, are none. */
static void test_lines(void)
{
	g_autoptr(JsonObject)
		object = agent_parse_line("{\"return\": [\"a\\tb\", 7, null, [\"c\"], \"d\\ne\", "
					  "\"f\\r\", \"\\u001b[2J\", \"\", \"\u00fc\"]}");
	g_autoptr(GPtrArray) lines = agent_lines(agent_array(object, "return"));
	g_autoptr(GPtrArray) none = agent_lines(NULL);

	g_assert_cmpuint(lines->len, ==, 3);
	g_assert_cmpstr(lines->pdata[0], ==, "a\tb");
	g_assert_cmpstr(lines->pdata[1], ==, "");
	g_assert_cmpstr(lines->pdata[2], ==, "\u00fc");
	g_assert_cmpuint(none->len, ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/agent/command", test_command);
	g_test_add_func("/agent/rubbish-before", test_rubbish_before);
	g_test_add_func("/agent/answers-that-are-none", test_answers_that_are_none);
	g_test_add_func("/agent/endless-talk", test_endless_talk);
	g_test_add_func("/agent/silence", test_silence);
	g_test_add_func("/agent/tell", test_tell);
	g_test_add_func("/agent/tell-nobody", test_tell_nobody);
	g_test_add_func("/agent/pass", test_pass);
	g_test_add_func("/agent/lines", test_lines);
	return g_test_run();
}
