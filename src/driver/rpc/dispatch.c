/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dispatch.c - what a procedure's table says is seen to before its handler runs */
#include "driver/rpc/dispatch.h"

#include <glib/gi18n.h>

#include "driver/error.h"
#include "driver/rpc/client.h"
#include "driver/rpc/private.h"

/* In the words of libvirt's own drivers, which name the function that the client has called. */
static gboolean refuse_procedure(gint32 number, GError **error)
{
	const char *name = rpc_procedure_name(number);

	if (name)
		return driver_error(error, VIR_ERR_NO_SUPPORT, "%s", name);
	return driver_error(error, VIR_ERR_NO_SUPPORT, _("procedure %d"), number);
}

gboolean rpc_dispatch_check_access(RpcClient *client, const RpcProcedure *procedure, gint32 number,
				   GError **error)
{
	if (!procedure)
		return refuse_procedure(number, error);
	if (procedure->access == RPC_ACCESS_ANYONE)
		return TRUE;
	if (!client->is_open)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("%s before the connection is opened"), procedure->name);
	if (procedure->access == RPC_ACCESS_WRITE && rpc_client_is_readonly(client))
		return driver_error(error, VIR_ERR_OPERATION_DENIED,
				    _("%s on a read-only connection"), procedure->name);
	return TRUE;
}

/* The function of libvirt's that the client has called. */
static const char *function_name(const RpcProcedure *procedure)
{
	const char *name = rpc_procedure_name((gint32)procedure->number);

	return name ? name : procedure->name;
}

static const void *member(const void *args, gsize offset)
{
	return (const guint8 *)args + offset;
}

static guint flags_of(const RpcProcedure *procedure, const void *args)
{
	return *(const u_int *)member(args, procedure->flags_offset);
}

static gboolean check_flags(const RpcProcedure *procedure, RpcClient *client, guint flags,
			    GError **error)
{
	const guint unknown = flags & ~procedure->flags;
	const guint denied = flags & procedure->write_flags;

	if (unknown)
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unsupported flags (%#x) in %s"),
				    unknown, function_name(procedure));
	if (denied && rpc_client_is_readonly(client))
		return driver_error(error, VIR_ERR_OPERATION_DENIED,
				    _("flags (%#x) of %s on a read-only connection"), denied,
				    function_name(procedure));
	return TRUE;
}

gboolean rpc_dispatch(const RpcProcedure *procedure, RpcCall *call, const void *args, void *result,
		      GError **error)
{
	const RpcObjectType *type = procedure->object;
	gboolean done;

	if (type) {
		call->object = type->find(call->driver, member(args, procedure->object_offset),
					  error);
		if (!call->object)
			return FALSE;
	}
	done = (!procedure->has_flags ||
		check_flags(procedure, call->client, flags_of(procedure, args), error)) &&
	       procedure->handler(call, args, result, error);
	if (type)
		type->release(g_steal_pointer(&call->object));
	return done;
}
