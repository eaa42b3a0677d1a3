/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * statistics.h - what virConnectGetAllDomainStats says of a domain
 *
 * Theory of operation
 *
 * Most is read from the daemon's own state and from procfs. The group "vm", what disks have
 * read and written, and which threads there are the VMM is asked for, so it is done in two steps:
 * first every domain's monitor is asked, then the answers are waited for until one deadline for
 * all. A domain that hangs loses its numbers; the others keep theirs, and nobody waits twice.
 *
 * Whoever may look may ask as often as he likes, so that a VMM has one such question of a kind to
 * answer at a time: all who ask while it is on its way get its answer.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"
#include "driver/rpc/protocol.h"

/* The groups that this driver has. */
#define STATISTICS_GROUPS                                                                 \
	(VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON | \
	 VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK |    \
	 VIR_DOMAIN_STATS_IOTHREAD | VIR_DOMAIN_STATS_VM)

typedef struct StatisticsQuestion StatisticsQuestion;

/*
 * statistics_ask - start collecting
 * @groups: of STATISTICS_GROUPS
 *
 * Return: for statistics_answer().
 */
StatisticsQuestion *statistics_ask(Domain *domain, guint groups);

/*
 * statistics_answer - collect
 * @question: consumed
 * @deadline: of g_get_monotonic_time()
 * @stats: filled with memory for the XDR filter to free
 */
void statistics_answer(StatisticsQuestion *question, gint64 deadline, RpcDomainStats *stats);
