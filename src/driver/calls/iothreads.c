/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iothreads.c - procedures about the threads that serve devices */
#include <glib/gi18n.h>

#include "driver/calls/calls.h"
#include "driver/domain/definition.h"
#include "driver/error.h"
#include "driver/host/node.h"

/* The ids of a domain's, live or of its definition, or NULL with @error set. */
static GArray *list_ids(Domain *domain, guint flags, GError **error)
{
	const DomainDef *def;
	GArray *ids = NULL;

	g_mutex_lock(&domain->lock);
	def = definition_choose_def(domain, flags, error);
	if (def)
		ids = g_array_copy(def->iothreads);
	g_mutex_unlock(&domain->lock);
	return ids;
}

static gboolean get_info(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainGetIOThreadInfo_args *request = args;
	DomainGetIOThreadInfo_ret *ret = result;
	g_autoptr(GArray) ids = list_ids(call->object, request->flags, error);
	g_autoptr(NodeInfo) node = ids ? node_info_read("/", error) : NULL;

	if (!node)
		return FALSE;
	ret->info.info_val = g_new0(RpcIOThreadInfo, ids->len + 1);
	ret->info.info_len = ret->ret = ids->len;
	for (guint i = 0; i < ids->len; i++) {
		RpcIOThreadInfo *info = &ret->info.info_val[i];
		guint8 *map;
		gsize length;
		guint online;

		/* They may run on each of the host's processors. */
		(void)node_cpu_map(node, &map, &length, &online);
		info->id = g_array_index(ids, guint, i);
		info->cpumap.cpumap_val = (char *)map;
		info->cpumap.cpumap_len = (u_int)length;
	}
	return TRUE;
}

const RpcProcedure calls_iothreads[] = {
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_GET_IOTHREAD_INFO, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainGetIOThreadInfo, get_info,
			    VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG),
	{ .name = NULL },
};
