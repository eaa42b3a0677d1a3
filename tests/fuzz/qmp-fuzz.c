/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp-fuzz.c - libFuzzer target: any bytes as what a QMP client sends
 *
 * The bytes go through the splitter in pieces of two sizes, which must come to the same, and
 * to a monitor with commands that take arguments of every type. Each line of its answer must
 * be a JSON object.
 *
 *     qmp-fuzz -dict=qmp.dict CORPUS
 */
#include <errno.h>
#include <gio/gio.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "answer.h"
#include "common/qmp-splitter.h"
#include "vmm/monitor/qmp-server.h"

/* What a socket's buffer takes, so that nobody has to wait. */
#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The splitter */

static char *split(const char *data, gsize size, gsize piece)
{
	g_autoptr(QmpSplitter) splitter = qmp_splitter_new();
	GString *seen = g_string_new(NULL);

	while (size > 0) {
		gsize used = 0, given = MIN(piece, size);
		const char *object = NULL;
		QmpSplitterResult result = qmp_splitter_feed(splitter, data, given, &used, &object);

		g_assert_cmpuint(used, >, 0);
		g_assert_cmpuint(used, <=, given);
		g_string_append_printf(seen, "%d:%s\n", result == QMP_SPLITTER_MORE ? 0 : result,
				       object ? object : "");
		if (result == QMP_SPLITTER_MORE) {
			g_assert_cmpuint(used, ==, given);
			g_string_truncate(seen, seen->len - strlen("0:\n"));
		}
		if (result == QMP_SPLITTER_OBJECT)
			g_assert_cmpuint(strlen(object), <=, QMP_OBJECT_MAX);
		data += used;
		size -= used;
	}
	return g_string_free(seen, FALSE);
}

static void check_splitter(const char *data, gsize size)
{
	g_autofree char *whole = split(data, size, size);
	g_autofree char *pieces = split(data, size, 1 + size % 7);

	g_assert_cmpstr(whole, ==, pieces);
}

/* The monitor */

static gboolean give_back(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	(void)opaque;
	(void)error;
	*result = json_node_init_object(json_node_alloc(), arguments);
	return TRUE;
}

static gboolean fail(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	(void)opaque;
	(void)result;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s",
		    json_object_get_string_member(arguments, "s"));
	return FALSE;
}

static const QmpArgument arguments[] = {
	{ "s", QMP_TYPE_STRING, FALSE },
	{ "i", QMP_TYPE_INT, TRUE },
	{ "b", QMP_TYPE_BOOL, TRUE },
	{ "a", QMP_TYPE_ARRAY, TRUE },
	{ .name = NULL },
};

static const QmpCommand commands[] = {
	{ "give-back", arguments, give_back },
	{ "slow", arguments, give_back, .is_slow = TRUE },
	{ "fail", arguments, fail },
	{ .name = NULL },
};

static const QmpCommand more_commands[] = {
	{ "stop", NULL, give_back },
	{ "anything", NULL, give_back, .takes_anything = TRUE },
	{ .name = NULL },
};

static const QmpCommand *const tables[] = { commands, more_commands, NULL };

static struct sockaddr_un address;
static socklen_t address_length = sizeof(address);

/* A monitor at an address without a name in the file system. */
static QmpServer *monitor_new(void)
{
	const struct sockaddr_un any = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_autoptr(GSocket) listener = NULL;

	g_assert_no_errno(bind(fd, (const struct sockaddr *)&any, sizeof(any.sun_family)));
	g_assert_no_errno(listen(fd, 4));
	g_assert_no_errno(getsockname(fd, (struct sockaddr *)&address, &address_length));
	listener = g_socket_new_from_fd(fd, NULL);
	g_assert_nonnull(listener);
	return qmp_server_new(listener, tables, NULL);
}

static void check_answer(const GByteArray *answer)
{
	g_autofree char *text = g_strndup((const char *)answer->data, answer->len);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (char **line = lines; *line && line[1]; line++) {
		g_autoptr(JsonParser) parser = json_parser_new();
		g_autoptr(GError) error = NULL;

		json_parser_load_from_data(parser, *line, -1, &error);
		if (error || !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)))
			g_error("answered '%s'", *line);
	}
}

static void check_monitor(const guint8 *data, gsize size)
{
	static const char greeting[] = "{\"execute\":\"qmp_capabilities\"}\n";
	static QmpServer *monitor;
	g_autoptr(GByteArray) answer = g_byte_array_new();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!monitor)
		monitor = monitor_new();
	g_assert_no_errno(connect(fd, (const struct sockaddr *)&address, address_length));
	/* Every other input is a client's that knows its manners. */
	if (size % 2)
		g_assert_cmpint(send(fd, greeting, strlen(greeting), MSG_NOSIGNAL), >, 0);
	g_assert_cmpint(send(fd, data, size, MSG_NOSIGNAL), ==, size);
	g_assert_no_errno(shutdown(fd, SHUT_WR));
	while (take_answer(fd, answer))
		g_main_context_iteration(NULL, TRUE);
	while (qmp_server_is_busy(monitor))
		g_main_context_iteration(NULL, TRUE);
	check_answer(answer);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > INPUT_MAX)
		return 0;
	check_splitter((const char *)data, size);
	check_monitor(data, size);
	return 0;
}
