/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent-reader.h - lines of a guest agent, which anybody in the guest may have written
 *
 * Theory of operation
 *
 * QEMU's agent answers with one JSON object a line. A byte 0xff, which is no part of any text,
 * begins anew wherever it comes: that is how an answer to guest-sync-delimited is found behind
 * what earlier commands have left. So reading begins with dropping everything up to one.
 *
 * A line is bounded before it is parsed, in its length, its depth and in how many values it can
 * have at most, since a byte of text can become a hundred of a tree.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#define AGENT_LINE_MAX	 (1u << 20) /* bytes */
#define AGENT_DEPTH_MAX	 64u
#define AGENT_VALUES_MAX 65536u

typedef struct AgentReader AgentReader;

typedef enum {
	AGENT_READER_MORE,	/* every byte is taken, no line is complete */
	AGENT_READER_LINE,	/* one line is complete */
	AGENT_READER_TOO_LARGE, /* a line over one of the limits */
} AgentReaderResult;

/* One that drops everything up to the first 0xff. */
AgentReader *agent_reader_new(void);
void agent_reader_free(AgentReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AgentReader, agent_reader_free)

/*
 * agent_reader_feed - take bytes until one line is complete or too large
 * @used: how many of @size bytes were taken; call again with the rest
 * @line: with AGENT_READER_LINE its text, NUL-terminated, valid until the next call
 *
 * Empty lines are passed over. After TOO_LARGE nothing is taken before the next 0xff.
 */
AgentReaderResult agent_reader_feed(AgentReader *reader, const char *data, gsize size, gsize *used,
				    const char **line);

/*
 * agent_parse_line - a line as an object
 *
 * Return: for json_object_unref(), or NULL where it is none.
 */
JsonObject *agent_parse_line(const char *line);

/* Members by their types; NULL, @fallback and FALSE where they are missing or something else. */
const char *agent_string(JsonObject *object, const char *name);
gint64 agent_number(JsonObject *object, const char *name, gint64 fallback);
gboolean agent_boolean(JsonObject *object, const char *name);
JsonObject *agent_object(JsonObject *object, const char *name);
JsonArray *agent_array(JsonObject *object, const char *name);

/* The elements of an array that are objects, for g_ptr_array_unref(); the tree's. @array: or NULL
 */
GPtrArray *agent_objects(JsonArray *array);

/* Those that are texts of one line: without control characters but tabs. As agent_objects() */
GPtrArray *agent_lines(JsonArray *array);
