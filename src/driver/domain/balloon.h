/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * balloon.h - how much of its memory a guest has, and what it says of it
 *
 * Theory of operation
 *
 * A guest with a balloon gives memory back when it is asked to, and takes its time. What it has is
 * currentMemory of the live definition: all of it at the start, and then what the VMM tells. What
 * is asked for at the start is currentMemory of the definition.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "driver/domain/domain.h"

/* What QMP is asked for, for balloon_statistics_foreach(). */
#define BALLOON_STATISTICS_COMMAND "query-balloon-statistics"

/*
 * balloon_begin - ask for what a domain that starts is to have, and for statistics
 * @memory_kib: that it is to have
 *
 * With the job. Nothing happens where the domain has no balloon.
 */
gboolean balloon_begin(DomainVmm *vmm, guint64 memory_kib, GError **error);

/* With the job. Return: FALSE with @error, VIR_ERR_OPERATION_INVALID where there is no balloon. */
gboolean balloon_set_memory(DomainVmm *vmm, guint64 memory_kib, GError **error);
gboolean balloon_set_period(DomainVmm *vmm, guint period, GError **error);

/* A kind of statistic, of those that the guest may tell. */
typedef struct {
	const char *member; /* QMP's */
	int tag;	    /* VIR_DOMAIN_MEMORY_STAT_* */
	const char *field;  /* of virConnectGetAllDomainStats(), behind "balloon." */
	guint unit;	    /* bytes that are one */
} BalloonStatistic;

/*
 * balloon_statistics_foreach - what the guest has said
 * @reply: to BALLOON_STATISTICS_COMMAND, which may be anything
 */
void balloon_statistics_foreach(JsonNode *reply,
				void (*function)(const BalloonStatistic *statistic, guint64 value,
						 gpointer data),
				gpointer data);
