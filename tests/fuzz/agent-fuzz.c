/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * agent-fuzz.c - libFuzzer target: any bytes as what a guest's agent says to the daemon
 *
 * The reader takes them in pieces whose sizes the first byte says. A line is within its limits and
 * has no byte that begins anew; one that is an object is looked at as answers are.
 *
 *     agent-fuzz -dict=qmp.dict CORPUS
 */
#include <glib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "driver/agent/agent-reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const char *line)
{
	g_autoptr(JsonObject) object = agent_parse_line(line);
	g_autoptr(GPtrArray) objects = NULL;
	g_autoptr(GPtrArray) lines = NULL;

	if (!object)
		return;
	lines = agent_lines(agent_array(object, "return"));
	for (guint i = 0; i < lines->len; i++)
		if (strpbrk(lines->pdata[i], "\r\n\x1b"))
			abort();
	(void)agent_number(object, "return", -1);
	(void)agent_boolean(object, "return");
	(void)agent_string(agent_object(object, "error"), "desc");
	objects = agent_objects(agent_array(object, "return"));
	for (guint i = 0; i < objects->len; i++) {
		const char *name = agent_string(objects->pdata[i], "name");
		g_autoptr(GPtrArray)
			parts = agent_objects(agent_array(objects->pdata[i], "ip-addresses"));

		if (name && !g_utf8_validate(name, -1, NULL))
			abort();
		for (guint j = 0; j < parts->len; j++)
			(void)agent_number(parts->pdata[j], "prefix", 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(AgentReader) reader = agent_reader_new();
	const gsize piece = size > 0 ? data[0] + 1 : 1;
	gsize at = 1;

	while (at < size) {
		const gsize length = MIN(piece, size - at);
		const char *line = NULL;
		gsize used = 0;
		const AgentReaderResult result = agent_reader_feed(reader, (const char *)data + at,
								   length, &used, &line);

		if (used > length || (used == 0 && length > 0) ||
		    (result == AGENT_READER_LINE) != (line != NULL))
			abort();
		at += used;
		if (line &&
		    (*line == '\0' || strlen(line) > AGENT_LINE_MAX || strpbrk(line, "\xff\n")))
			abort();
		if (line)
			look_at(line);
	}
	return 0;
}
