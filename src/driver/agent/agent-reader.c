/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* agent-reader.c - lines of a guest agent, which anybody in the guest may have written */
#include "driver/agent/agent-reader.h"

#include <string.h>

#include "common/json-text.h"

#define BEGIN_ANEW '\xff'

struct AgentReader {
	GString *line;
	JsonText json;	      /* what of the line has come */
	gboolean is_complete; /* the line was handed out */
	gboolean is_skipping; /* to the next BEGIN_ANEW */
};

AgentReader *agent_reader_new(void)
{
	AgentReader *reader = g_new0(AgentReader, 1);

	reader->line = g_string_new(NULL);
	reader->is_skipping = TRUE;
	return reader;
}

void agent_reader_free(AgentReader *reader)
{
	if (!reader)
		return;
	g_string_free(reader->line, TRUE);
	g_free(reader);
}

static void begin_line(AgentReader *reader)
{
	g_string_truncate(reader->line, 0);
	reader->json = (JsonText){ 0 };
	reader->is_complete = FALSE;
}

/* Return: FALSE where the line is over a limit, or no JSON. */
static gboolean count_byte(AgentReader *reader, char byte)
{
	return json_text_take(&reader->json, byte) && reader->json.depth <= AGENT_DEPTH_MAX &&
	       reader->json.values <= AGENT_VALUES_MAX && reader->line->len < AGENT_LINE_MAX;
}

/* Return: what there is to say of it, or MORE. */
static AgentReaderResult take_byte(AgentReader *reader, char byte)
{
	if (reader->is_complete)
		begin_line(reader);
	if (byte == BEGIN_ANEW) {
		begin_line(reader);
		reader->is_skipping = FALSE;
		return AGENT_READER_MORE;
	}
	if (reader->is_skipping || (byte == '\n' && reader->line->len == 0))
		return AGENT_READER_MORE;
	if (byte == '\n') {
		reader->is_complete = TRUE;
		return AGENT_READER_LINE;
	}
	/* A text has no such byte, and what is behind it would be overlooked. */
	if (byte == '\0' || !count_byte(reader, byte)) {
		begin_line(reader);
		reader->is_skipping = TRUE;
		return AGENT_READER_TOO_LARGE;
	}
	g_string_append_c(reader->line, byte);
	return AGENT_READER_MORE;
}

AgentReaderResult agent_reader_feed(AgentReader *reader, const char *data, gsize size, gsize *used,
				    const char **line)
{
	AgentReaderResult result = AGENT_READER_MORE;
	gsize i = 0;

	while (i < size && result == AGENT_READER_MORE)
		result = take_byte(reader, data[i++]);
	*used = i;
	*line = result == AGENT_READER_LINE ? reader->line->str : NULL;
	return result;
}

JsonObject *agent_parse_line(const char *line)
{
	g_autoptr(JsonParser) parser = json_parser_new_immutable();
	JsonNode *root;

	if (!g_utf8_validate(line, -1, NULL) || !json_parser_load_from_data(parser, line, -1, NULL))
		return NULL;
	root = json_parser_get_root(parser);
	return root && JSON_NODE_HOLDS_OBJECT(root) ? json_object_ref(json_node_get_object(root)) :
						      NULL;
}

/* A member that is a value of a type, or NULL. */
static JsonNode *value_of(JsonObject *object, const char *name, GType type)
{
	JsonNode *node = object ? json_object_get_member(object, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ?
		       node :
		       NULL;
}

const char *agent_string(JsonObject *object, const char *name)
{
	JsonNode *node = value_of(object, name, G_TYPE_STRING);

	return node ? json_node_get_string(node) : NULL;
}

gint64 agent_number(JsonObject *object, const char *name, gint64 fallback)
{
	JsonNode *node = value_of(object, name, G_TYPE_INT64);

	return node ? json_node_get_int(node) : fallback;
}

gboolean agent_boolean(JsonObject *object, const char *name)
{
	JsonNode *node = value_of(object, name, G_TYPE_BOOLEAN);

	return node && json_node_get_boolean(node);
}

JsonObject *agent_object(JsonObject *object, const char *name)
{
	JsonNode *node = object ? json_object_get_member(object, name) : NULL;

	return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *agent_array(JsonObject *object, const char *name)
{
	JsonNode *node = object ? json_object_get_member(object, name) : NULL;

	return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

GPtrArray *agent_objects(JsonArray *array)
{
	GPtrArray *objects = g_ptr_array_new();

	for (guint i = 0; array && i < json_array_get_length(array); i++) {
		JsonNode *node = json_array_get_element(array, i);

		if (JSON_NODE_HOLDS_OBJECT(node))
			g_ptr_array_add(objects, json_node_get_object(node));
	}
	return objects;
}

/* Who writes texts into a file, one a line, would have more of them from one that is none. */
static gboolean is_line(const char *text)
{
	for (const char *at = text; *at; at++)
		if (g_ascii_iscntrl(*at) && *at != '\t')
			return FALSE;
	return TRUE;
}

GPtrArray *agent_lines(JsonArray *array)
{
	GPtrArray *lines = g_ptr_array_new();

	for (guint i = 0; array && i < json_array_get_length(array); i++) {
		JsonNode *node = json_array_get_element(array, i);
		const char *text = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

		if (text && is_line(text))
			g_ptr_array_add(lines, (gpointer)text);
	}
	return lines;
}
