/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * calls.h - the procedures of the RPC server that are about the host and its domains
 *
 * Each other file has the handlers of one subject and their table, which says what a procedure
 * is about, who may call it and which flags it knows (rpc/dispatch.h): all that has been seen to
 * when a handler runs. It does what is asked through the interfaces of driver/domain, and fills
 * the reply.
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
extern const RpcProcedure calls_devices[];
extern const RpcProcedure calls_disks[];
extern const RpcProcedure calls_input[];
extern const RpcProcedure calls_interfaces[];
extern const RpcProcedure calls_iothreads[];
extern const RpcProcedure calls_memory[];
extern const RpcProcedure calls_agent[];
extern const RpcProcedure calls_guest_info[];
extern const RpcProcedure calls_qemu[];
extern const RpcProcedure calls_tuning[];
extern const RpcProcedure calls_vcpus[];

/* All of the above, for rpc_server_new(). */
extern const RpcProcedure *const calls_tables[];

/* What a procedure is about whose NAME_args.dom is a domain: Domain *, in RpcCall.object. */
extern const RpcObjectType calls_domain_type;
#define CALLS_DOMAIN(name_) \
	.object = &calls_domain_type, .object_offset = offsetof(name_##_args, dom)

/* Return: the domain that a client names, for domain_unref(), or NULL with VIR_ERR_NO_DOMAIN. */
Domain *calls_find_domain(const Driver *driver, const RpcDomain *wire, GError **error);
