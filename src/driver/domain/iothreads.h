/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * iothreads.h - threads that serve devices of a domain that runs: where they run, and which there
 * are
 *
 * Theory of operation
 *
 * The VMM makes them and ends them, and says their numbers (query-iothreads). The daemon asks each
 * time: nobody does so often, and a number that was kept could be another thread's by then.
 *
 * Where one runs, the daemon asks the kernel and tells it: the VMM may not.
 *
 * A thread that comes or goes is in the domain when the VMM has done it. Where nobody has heard
 * whether it has, the domain takes over what the VMM says when that can be reached again.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/* What the threads are asked for by, and its answer. */
#define IOTHREADS_COMMAND "query-iothreads"

/*
 * iothreads_find_number - what the VMM says of a thread
 * @reply: to IOTHREADS_COMMAND, anything
 *
 * Return: FALSE where it says nothing, or no number from 0 on.
 */
gboolean iothreads_find_number(JsonNode *reply, guint id, const char *member, guint64 *number);

/* The kernel's number of a thread, as the VMM says; -1 where it does not. */
pid_t iothreads_find(JsonNode *reply, guint id);

/*
 * iothreads_pin - have a thread run on some of the host's processors
 *
 * With the job, without the lock. Return: FALSE with VIR_ERR_OPERATION_FAILED that names the
 * thread, or with the monitor's error.
 */
gboolean iothreads_pin(const DomainVmm *vmm, guint id, const CpuSet *cpus, GError **error);

/* The same for all threads of which the domain says where they run. */
gboolean iothreads_pin_all(const DomainVmm *vmm, GError **error);

/* Both with the job, without the lock, and for a thread that the domain does not have any more or
 * not yet. */
gboolean iothreads_make(const DomainVmm *vmm, guint id, GError **error);
gboolean iothreads_end(const DomainVmm *vmm, guint id, GError **error);

/*
 * iothreads_catch_up - the domain has those threads that the VMM has
 *
 * With the job, without the lock. Return: FALSE where the VMM does not say.
 */
gboolean iothreads_catch_up(DomainVmm *vmm, GError **error);
