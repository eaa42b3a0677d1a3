/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * end.h - ending domains, and what is left of a run
 *
 * Theory of operation
 *
 * Whoever ends a domain gets there twice, by its own hand and by the end of the process; the first
 * one with the job cleans up, the second one finds that the VMM is not the domain's any more.
 *
 * A VMM is ended because somebody wants that, because the domain's XML does, or because its start
 * has failed, and for no other reason: one that does not answer, or cannot be reached, may come
 * back.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/* How long a VMM that was told to end may take before it is killed, and then again. */
#define END_SECONDS 10

/*
 * end_destroy - end a domain's VMM, whatever it is doing
 * @graceful: do not kill a VMM that does not end when it is told to
 *
 * Without the job, which it takes when the VMM has ended.
 */
gboolean end_destroy(Domain *domain, gboolean graceful, GError **error);

/* What the end will be told as: VIR_DOMAIN_SHUTOFF_*. Without the lock. */
void end_set_reason(DomainVmm *vmm, int reason);

/* Ends a VMM, and puts its run away. With the job, without the lock. */
void end_run(DomainVmm *vmm);

/*
 * end_finish - put the run of a VMM away that has ended
 *
 * With the job, without the lock. The end may have been seen and cleaned up by another.
 */
void end_finish(DomainVmm *vmm);

/*
 * end_explain - what there is to say about a VMM that has ended by itself
 *
 * After vmm_logger_wait(), without the lock: it may take a second.
 *
 * Return: text for g_free().
 */
char *end_explain(DomainVmm *vmm);

/* What is left of a run whose VMM an earlier daemon had, and which is not there any more. With the
 * job, without the lock. */
void end_put_away(Domain *domain);

/* The end of a client is not the domain's any more. With the lock. */
void end_forget_autodestroy(Domain *domain);
