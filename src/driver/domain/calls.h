/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * calls.h - the procedures of the RPC server that are about the host and its domains
 *
 * Each file calls-*.c has the handlers of one subject and their table. A handler looks the
 * domain up, does what is asked through the interfaces of this folder, and fills the reply.
 */
#pragma once

#include "driver/domain/driver.h"
#include "driver/rpc/dispatch.h"
#include "driver/rpc/protocol.h"

extern const RpcProcedure calls_host[];
extern const RpcProcedure calls_find[];
extern const RpcProcedure calls_define[];
extern const RpcProcedure calls_lifecycle[];
extern const RpcProcedure calls_query[];
extern const RpcProcedure calls_security[];
extern const RpcProcedure calls_statistics[];
extern const RpcProcedure calls_console[];

/* All of the above, for rpc_server_new(). */
extern const RpcProcedure *const calls_tables[];

/* Return: the domain that a client names, for domain_unref(), or NULL with @error. */
Domain *calls_domain(const RpcCall *call, const RpcDomain *wire, GError **error);

/* Fills what a client knows a domain by. */
void calls_fill_domain(RpcDomain *wire, Domain *domain);

/* Return: FALSE with VIR_ERR_INVALID_ARG where @flags has a bit that @known has not. */
gboolean calls_check_flags(const char *procedure, guint flags, guint known, GError **error);
