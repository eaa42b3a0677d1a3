/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dispatch.h - from a procedure's number to the function that carries it out
 *
 * Theory of operation
 *
 * The server's main thread reads whole messages, finds their RpcProcedure, and hands the call
 * to a worker thread; what anyone may call it carries out at once. There the arguments are
 * decoded with its XDR filter, the handler runs, blocks as long as it must, and fills the
 * result, which is encoded and queued for the client.
 * Replies of one client may come back in another order than its calls: that is how libvirt's
 * protocol works, the serial tells them apart.
 */
#pragma once

#include <glib.h>
#include <rpc/rpc.h>

typedef struct RpcClient RpcClient;
typedef struct RpcStream RpcStream;

/* A call that is being carried out; valid while its handler runs. */
typedef struct {
	RpcClient *client; /* alive while the call is; see rpc/client.h */
	guint32 procedure;
	guint32 serial;
	gpointer driver;   /* what rpc_server_new() was given */
	RpcStream *stream; /* opened by the handler; the server's, see stream.h */
} RpcCall;

/*
 * @args:   decoded arguments, or NULL for a procedure without; freed by the caller after
 * @result: zeroed, to be filled with memory from malloc()/g_malloc(): freed by the caller
 *          with the XDR filter
 *
 * Return: TRUE for a reply, FALSE with @error set (DRIVER_ERROR) for an error reply.
 */
typedef gboolean (*RpcHandler)(RpcCall *call, const void *args, void *result, GError **error);

typedef enum {
	RPC_ACCESS_READ,   /* allowed on the read-only socket */
	RPC_ACCESS_WRITE,  /* VIR_ERR_OPERATION_DENIED there */
	RPC_ACCESS_ANYONE, /* allowed before CONNECT_OPEN; on the main thread, must not block */
} RpcAccess;

typedef struct {
	guint32 number;
	const char *name; /* for logs and errors; NULL ends a table */
	RpcAccess access;
	xdrproc_t args_filter; /* NULL: no arguments */
	gsize args_size;
	xdrproc_t result_filter; /* NULL: no result */
	gsize result_size;
	RpcHandler handler;
} RpcProcedure;

/*
 * A row of a procedure table. NAME_args and NAME_ret are the .x file's types; the variants
 * say which of the two exist.
 */
/* Versions of clang-format do not agree on macros of initializers. */
/* clang-format off */
#define RPC_PROCEDURE(number_, access_, name_, handler_)       \
	{                                                      \
		.number = (number_),                           \
		.name = #name_,                                \
		.access = (access_),                           \
		.args_filter = (xdrproc_t)xdr_##name_##_args,  \
		.args_size = sizeof(name_##_args),             \
		.result_filter = (xdrproc_t)xdr_##name_##_ret, \
		.result_size = sizeof(name_##_ret),            \
		.handler = (handler_),                         \
	}
#define RPC_PROCEDURE_ARGS(number_, access_, name_, handler_) \
	{                                                     \
		.number = (number_),                          \
		.name = #name_,                               \
		.access = (access_),                          \
		.args_filter = (xdrproc_t)xdr_##name_##_args, \
		.args_size = sizeof(name_##_args),            \
		.handler = (handler_),                        \
	}
#define RPC_PROCEDURE_RET(number_, access_, name_, handler_)   \
	{                                                      \
		.number = (number_),                           \
		.name = #name_,                                \
		.access = (access_),                           \
		.result_filter = (xdrproc_t)xdr_##name_##_ret, \
		.result_size = sizeof(name_##_ret),            \
		.handler = (handler_),                         \
	}
#define RPC_PROCEDURE_PLAIN(number_, access_, name_, handler_) \
	{                                                      \
		.number = (number_),                           \
		.name = #name_,                                \
		.access = (access_),                           \
		.handler = (handler_),                         \
	}
/* clang-format on */
