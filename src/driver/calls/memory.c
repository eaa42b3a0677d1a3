/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.c - procedures about how much memory a domain has, and what its guest says of it
 *
 * Theory of operation
 *
 * What a domain has at most is its definition's, and changes with its next start. What of that it
 * has now is between the guest and its balloon: it is asked for, and comes when it comes.
 */
#include <glib/gi18n.h>
#include <inttypes.h>

#include "driver/calls/calls.h"
#include "driver/domain/balloon.h"
#include "driver/domain/definition.h"
#include "driver/error.h"

/* What is to change, in either definition. */
typedef struct {
	gboolean is_period; /* of statistics; else it is about memory */
	gboolean is_maximum;
	guint64 value; /* KiB, or seconds */
} Change;

static const char *job_of(const Change *change)
{
	return change->is_period ? N_("change of the balloon") : N_("change of memory");
}

static gboolean refuse_too_much(const DomainDef *def, guint64 memory_kib, GError **error)
{
	return driver_error(error, VIR_ERR_INVALID_ARG,
			    _("domain '%s' cannot have %" PRIu64 " KiB of memory: its maximum is "
			      "%" PRIu64 " KiB"),
			    def->name, memory_kib, def->memory_kib);
}

static gboolean change_maximum(DomainDef *def, guint64 memory_kib, GError **error)
{
	if (def->numa_cells)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' has NUMA cells, which say how much memory there "
				      "is"),
				    def->name);
	def->memory_kib = memory_kib;
	def->current_memory_kib = MIN(def->current_memory_kib, memory_kib);
	return TRUE;
}

static gboolean change_period(DomainDef *def, guint64 period, GError **error)
{
	if (!def->memballoon)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' has no balloon (memballoon)"), def->name);
	def->memballoon->period = (guint)period;
	return TRUE;
}

static gboolean change_config(DomainDef *def, gconstpointer data, GError **error)
{
	const Change *change = data;

	if (change->is_period)
		return change_period(def, change->value, error);
	if (change->is_maximum)
		return change_maximum(def, change->value, error);
	if (change->value > def->memory_kib)
		return refuse_too_much(def, change->value, error);
	def->current_memory_kib = change->value;
	return TRUE;
}

static gboolean check_live(const Domain *domain, gconstpointer data, GError **error)
{
	const Change *change = data;

	if (change->is_period)
		return TRUE;
	if (change->is_maximum)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is running: the maximum of its memory changes "
				      "with its next start"),
				    domain->name);
	return change->value <= domain->live->memory_kib ||
	       refuse_too_much(domain->live, change->value, error);
}

static gboolean change_live(DomainVmm *vmm, gconstpointer data, GError **error)
{
	const Change *change = data;

	return change->is_period ? balloon_set_period(vmm, (guint)change->value, error) :
				   balloon_set_memory(vmm, change->value, error);
}

static gboolean carry_out(Domain *domain, const Change *change, guint flags, GError **error)
{
	const DefinitionChange both = {
		.job = job_of(change),
		.change_config = change_config,
		.check_live = check_live,
		.change_live = change_live,
		.data = change,
	};

	if (change->value == 0 && !change->is_period)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("domain '%s' cannot have no memory"), domain->name);
	return definition_change(domain, flags, &both, error);
}

static gboolean set_memory(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetMemory_args *request = args;
	const Change change = { .value = request->memory };

	(void)result;
	return carry_out(call->object, &change, VIR_DOMAIN_AFFECT_LIVE, error);
}

static gboolean set_max_memory(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetMaxMemory_args *request = args;
	const Change change = { .is_maximum = TRUE, .value = request->memory };

	(void)result;
	return carry_out(call->object, &change, VIR_DOMAIN_AFFECT_CURRENT, error);
}

static gboolean set_memory_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetMemoryFlags_args *request = args;
	const Change change = {
		.is_maximum = (request->flags & VIR_DOMAIN_MEM_MAXIMUM) != 0,
		.value = request->memory,
	};

	(void)result;
	return carry_out(call->object, &change, request->flags, error);
}

static gboolean set_stats_period(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetMemoryStatsPeriod_args *request = args;
	const Change change = { .is_period = TRUE, .value = (guint64)MAX(request->period, 0) };

	(void)result;
	if (request->period < 0)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("a period of %d seconds"),
				    request->period);
	return carry_out(call->object, &change, request->flags, error);
}

/* What is asked for and what there is room for. */
typedef struct {
	GArray *stats; /* of RpcMemoryStat */
	guint max;
} Answer;

static void add_stat(Answer *answer, int tag, guint64 value)
{
	const RpcMemoryStat stat = { tag, value };

	if (answer->stats->len < answer->max)
		g_array_append_val(answer->stats, stat);
}

static void add_statistic(const BalloonStatistic *statistic, guint64 value, gpointer data)
{
	add_stat(data, statistic->tag, value);
}

/* The guest's, where it has a balloon, and the host's. */
static gboolean memory_stats(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainMemoryStats_args *request = args;
	DomainMemoryStats_ret *ret = result;
	Domain *domain = call->object;
	Answer answer = { .max = MIN(request->max, RPC_DOMAIN_MEMORY_STATS_MAX) };
	g_autoptr(DomainVmm) vmm = NULL;
	g_autoptr(JsonNode) reply = NULL;
	gboolean has_balloon = FALSE;
	guint64 actual = 0;

	g_mutex_lock(&domain->lock);
	vmm = domain_get_vmm(domain, error);
	if (vmm) {
		actual = domain->live->current_memory_kib;
		has_balloon = domain->live->memballoon != NULL;
	}
	g_mutex_unlock(&domain->lock);
	if (!vmm)
		return FALSE;
	/* Where the guest says nothing the host's numbers are told all the same. */
	if (has_balloon)
		reply = qmp_client_ask_shared(vmm->monitor, BALLOON_STATISTICS_COMMAND, NULL);
	answer.stats = g_array_new(FALSE, FALSE, sizeof(RpcMemoryStat));
	add_stat(&answer, VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON, actual);
	add_stat(&answer, VIR_DOMAIN_MEMORY_STAT_RSS, vmm_process_resident_kib(vmm->process));
	balloon_statistics_foreach(reply, add_statistic, &answer);
	ret->stats.stats_len = answer.stats->len;
	ret->stats.stats_val = (RpcMemoryStat *)g_array_free(answer.stats, FALSE);
	return TRUE;
}

#define IMPACT_FLAGS (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

const RpcProcedure calls_memory[] = {
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_SET_MEMORY, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainSetMemory,
			   set_memory),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_SET_MAX_MEMORY, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			   DomainSetMaxMemory, set_max_memory),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_MEMORY_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetMemoryFlags, set_memory_flags,
				 IMPACT_FLAGS | VIR_DOMAIN_MEM_MAXIMUM),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_MEMORY_STATS_PERIOD, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetMemoryStatsPeriod, set_stats_period, IMPACT_FLAGS),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_MEMORY_STATS, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainMemoryStats, memory_stats, 0),
	{ .name = NULL },
};
