/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block-statistics.h - what a domain's disks have read and written
 *
 * The VMM counts that, and says it in answer to query-blockstats, as QEMU does.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#define BLOCK_STATISTICS_COMMAND "query-blockstats"

/* Operations, bytes, and the sum of the time that they took in nanoseconds. */
typedef struct {
	guint64 operations, bytes, time_ns;
} BlockTraffic;

typedef struct {
	BlockTraffic read, written, flushed; /* a flush has no bytes */
} BlockStatistics;

/*
 * block_statistics_find - what the VMM says of one disk
 * @reply: to BLOCK_STATISTICS_COMMAND, whatever it is
 * @alias: of the disk
 *
 * Return: FALSE where it says nothing of that disk.
 */
gboolean block_statistics_find(JsonNode *reply, const char *alias, BlockStatistics *statistics);

void block_statistics_add(BlockStatistics *sum, const BlockStatistics *statistics);
