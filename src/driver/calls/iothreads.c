/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iothreads.c - procedures about the threads that serve devices */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/calls/calls.h"
#include "driver/domain/definition.h"
#include "driver/domain/iothreads.h"
#include "driver/domain/tuning.h"
#include "driver/error.h"
#include "driver/host/node.h"

#define IMPACT_FLAGS (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

/*
 * Which there are, and where they run.
 */

/* Whom a question is about. */
typedef struct {
	GArray *threads; /* of DomainIothread */
	DomainVmm *vmm;	 /* a reference; NULL for a definition */
} Asked;

static void asked_clear(Asked *asked)
{
	g_clear_pointer(&asked->threads, g_array_unref);
	g_clear_pointer(&asked->vmm, domain_vmm_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Asked, asked_clear)

static gboolean choose_asked(Domain *domain, guint flags, Asked *asked, GError **error)
{
	const DomainDef *def;
	gboolean is_chosen;

	g_mutex_lock(&domain->lock);
	def = definition_choose_def(domain, flags, error);
	is_chosen = def != NULL;
	if (def && def == domain->live) {
		asked->vmm = domain_get_vmm(domain, error);
		is_chosen = asked->vmm != NULL;
	}
	if (is_chosen)
		asked->threads = g_array_copy(def->iothreads);
	g_mutex_unlock(&domain->lock);
	return is_chosen;
}

static gboolean fill_live(const Asked *asked, RpcIOThreadInfo *infos, GError **error)
{
	g_autoptr(JsonNode)
		reply = qmp_client_ask_shared(asked->vmm->monitor, IOTHREADS_COMMAND, error);

	if (!reply)
		return FALSE;
	for (guint i = 0; i < asked->threads->len; i++) {
		const pid_t tid = iothreads_find(reply, infos[i].id);
		guint8 *map;
		gsize length;

		if (!vmm_process_get_affinity(asked->vmm->process, tid, &map, &length, error))
			return FALSE;
		infos[i].cpumap.cpumap_val = (char *)map;
		infos[i].cpumap.cpumap_len = (u_int)length;
	}
	return TRUE;
}

static void fill_map(RpcIOThreadInfo *info, const CpuSet *cpus)
{
	const guint length = (cpu_set_end(cpus) + 7) / 8;

	info->cpumap.cpumap_val = g_memdup2(cpus->words, length);
	info->cpumap.cpumap_len = length;
}

/* One of which the definition does not say it may run on each of the host's processors. */
static gboolean fill_config(const Asked *asked, RpcIOThreadInfo *infos, GError **error)
{
	g_autoptr(NodeInfo) node = node_info_read("/", error);

	if (!node)
		return FALSE;
	for (guint i = 0; i < asked->threads->len; i++) {
		const CpuSet *cpus = &g_array_index(asked->threads, DomainIothread, i).cpus;
		guint8 *map;
		gsize length;
		guint online;

		if (!cpu_set_is_empty(cpus)) {
			fill_map(&infos[i], cpus);
			continue;
		}
		(void)node_cpu_map(node, &map, &length, &online);
		infos[i].cpumap.cpumap_val = (char *)map;
		infos[i].cpumap.cpumap_len = (u_int)length;
	}
	return TRUE;
}

static gboolean get_info(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetIOThreadInfo_args *request = args;
	DomainGetIOThreadInfo_ret *ret = result;
	g_auto(Asked) asked = { 0 };

	if (!choose_asked(call->object, request->flags, &asked, error))
		return FALSE;
	ret->info.info_val = g_new0(RpcIOThreadInfo, asked.threads->len + 1);
	ret->info.info_len = ret->ret = asked.threads->len;
	for (guint i = 0; i < asked.threads->len; i++)
		ret->info.info_val[i].id = g_array_index(asked.threads, DomainIothread, i).id;
	if (asked.threads->len == 0)
		return TRUE;
	return asked.vmm ? fill_live(&asked, ret->info.info_val, error) :
			   fill_config(&asked, ret->info.info_val, error);
}

/*
 * Where they are to run.
 */

typedef struct {
	guint id;
	CpuSet cpus;
} Pinning;

static gboolean change_pin(DomainDef *def, gpointer data, GError **error)
{
	const Pinning *pinning = data;

	return domain_pin_iothread(def, pinning->id, &pinning->cpus, error);
}

static gboolean apply_pin(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error)
{
	const Pinning *pinning = data;

	(void)def;
	return iothreads_pin(vmm, pinning->id, &pinning->cpus, error);
}

static gboolean read_map(const guint8 *map, guint length, CpuSet *cpus, GError **error)
{
	for (guint i = 0; i < length * 8; i++) {
		if (!(map[i / 8] & 1u << i % 8))
			continue;
		if (i >= CPU_SET_SIZE)
			return driver_error(error, VIR_ERR_INVALID_ARG,
					    _("processor %u: those below %u can be named"), i,
					    CPU_SET_SIZE);
		cpu_set_add(cpus, i);
	}
	return !cpu_set_is_empty(cpus) ||
	       driver_error(error, VIR_ERR_INVALID_ARG, _("no processor is named"));
}

static gboolean pin(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainPinIOThread_args *request = args;
	Pinning pinning = { .id = request->id };
	const Tuning tuning = { N_("pin iothread"), change_pin, apply_pin, &pinning };

	(void)result;
	return read_map((const guint8 *)request->cpumap.cpumap_val, request->cpumap.cpumap_len,
			&pinning.cpus, error) &&
	       tuning_carry_out(call->object, request->flags, &tuning, error);
}

/*
 * They come and go.
 */

static gboolean change_add(DomainDef *def, gpointer data, GError **error)
{
	const guint *id = data;

	return domain_add_iothread(def, *id, error);
}

static gboolean apply_add(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error)
{
	const guint *id = data;

	(void)def;
	return iothreads_make(vmm, *id, error);
}

static gboolean add(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAddIOThread_args *request = args;
	guint id = request->id;
	const Tuning tuning = { N_("add iothread"), change_add, apply_add, &id };

	(void)result;
	return tuning_carry_out(call->object, request->flags, &tuning, error);
}

static gboolean change_del(DomainDef *def, gpointer data, GError **error)
{
	const guint *id = data;

	return domain_remove_iothread(def, *id, error);
}

static gboolean apply_del(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error)
{
	const guint *id = data;

	(void)def;
	return iothreads_end(vmm, *id, error);
}

static gboolean del(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDelIOThread_args *request = args;
	guint id = request->id;
	const Tuning tuning = { N_("delete iothread"), change_del, apply_del, &id };

	(void)result;
	return tuning_carry_out(call->object, request->flags, &tuning, error);
}

/*
 * How they wait. They sleep until there is something to do: a thread that is not to poll is what
 * there is, and nothing else can be asked for.
 */

static gboolean check_param(const RpcTypedParam *param, GError **error)
{
	if (strcmp(param->field, VIR_DOMAIN_IOTHREAD_POLL_MAX_NS) != 0)
		return driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
				    _("iothreads have no parameter '%s': they do not poll, and "
				      "have no pool"),
				    param->field);
	if (param->value.type != VIR_TYPED_PARAM_ULLONG)
		return driver_error(error, VIR_ERR_INVALID_ARG,
				    _("parameter '%s' has a wrong type"), param->field);
	return param->value.RpcTypedValue_u.ul == 0 ||
	       driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
			    _("parameter '%s' is 0, and nothing else: iothreads do not poll"),
			    param->field);
}

static gboolean change_nothing(DomainDef *def, gpointer data, GError **error)
{
	const guint *id = data;

	return domain_find_iothread(def, *id) ||
	       driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no iothread %u"),
			    def->name, *id);
}

static gboolean apply_nothing(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error)
{
	(void)vmm;
	(void)def;
	(void)data;
	(void)error;
	return TRUE;
}

static gboolean set_params(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetIOThreadParams_args *request = args;
	guint id = request->id;
	const Tuning tuning = { N_("set iothread"), change_nothing, apply_nothing, &id };

	(void)result;
	for (guint i = 0; i < request->params.params_len; i++)
		if (!check_param(&request->params.params_val[i], error))
			return FALSE;
	return tuning_carry_out(call->object, request->flags, &tuning, error);
}

const RpcProcedure calls_iothreads[] = {
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_IOTHREAD_INFO, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetIOThreadInfo, get_info, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_PIN_IOTHREAD, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainPinIOThread, pin, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_ADD_IOTHREAD, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainAddIOThread, add, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_DEL_IOTHREAD, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainDelIOThread, del, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SET_IOTHREAD_PARAMS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainSetIOThreadParams, set_params, IMPACT_FLAGS),
	{ .name = NULL },
};
