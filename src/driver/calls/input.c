/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* input.c - procedures that press keys of domains */
#include "driver/calls/calls.h"
#include "driver/domain/send-key.h"

static gboolean domain_send_key(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSendKey_args *request = args;

	(void)result;
	return send_key(call->object, request->codeset, request->keycodes.keycodes_val,
			request->keycodes.keycodes_len, request->holdtime, error);
}

const RpcProcedure calls_input[] = {
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SEND_KEY, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainSendKey,
				 domain_send_key, 0),
	{ .name = NULL },
};
