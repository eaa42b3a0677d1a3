/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* block-statistics.c - what a domain's disks have read and written */
#include "driver/domain/block-statistics.h"

#include <string.h>

#include "driver/domain/follow.h"

/* 0 for what is missing or no number of that kind. */
static guint64 count(JsonObject *object, const char *name)
{
	return (guint64)MAX(follow_number(object, name), 0);
}

/* Return: the element's statistics, or NULL where it is of another disk or no such thing. */
static JsonObject *statistics_of(JsonNode *element, const char *alias)
{
	JsonObject *object = JSON_NODE_HOLDS_OBJECT(element) ? json_node_get_object(element) : NULL;
	JsonNode *member = object ? json_object_get_member(object, "stats") : NULL;

	if (!member || !JSON_NODE_HOLDS_OBJECT(member) ||
	    strcmp(follow_string(object, "qdev"), alias) != 0)
		return NULL;
	return json_node_get_object(member);
}

static void take(JsonObject *object, BlockStatistics *statistics)
{
	*statistics = (BlockStatistics){
		.read = { .operations = count(object, "rd_operations"),
			  .bytes = count(object, "rd_bytes"),
			  .time_ns = count(object, "rd_total_time_ns") },
		.written = { .operations = count(object, "wr_operations"),
			     .bytes = count(object, "wr_bytes"),
			     .time_ns = count(object, "wr_total_time_ns") },
		.flushed = { .operations = count(object, "flush_operations"),
			     .time_ns = count(object, "flush_total_time_ns") },
	};
}

gboolean block_statistics_find(JsonNode *reply, const char *alias, BlockStatistics *statistics)
{
	JsonArray *list = JSON_NODE_HOLDS_ARRAY(reply) ? json_node_get_array(reply) : NULL;

	for (guint i = 0; list && i < json_array_get_length(list); i++) {
		JsonObject *object = statistics_of(json_array_get_element(list, i), alias);

		if (!object)
			continue;
		take(object, statistics);
		return TRUE;
	}
	return FALSE;
}

static void add_traffic(BlockTraffic *sum, const BlockTraffic *traffic)
{
	sum->operations += traffic->operations;
	sum->bytes += traffic->bytes;
	sum->time_ns += traffic->time_ns;
}

void block_statistics_add(BlockStatistics *sum, const BlockStatistics *statistics)
{
	add_traffic(&sum->read, &statistics->read);
	add_traffic(&sum->written, &statistics->written);
	add_traffic(&sum->flushed, &statistics->flushed);
}
