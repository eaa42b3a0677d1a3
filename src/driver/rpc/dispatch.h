/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dispatch.h - from a procedure's number to the function that carries it out
 *
 * Theory of operation
 *
 * The server's main thread reads whole messages, finds their RpcProcedure, and hands the call
 * to a worker thread; what anyone may call it carries out at once. There the arguments are
 * decoded with its XDR filter, the object that the call is about is looked up, its flags are
 * checked, the handler runs, blocks as long as it must, and fills the result, which is encoded
 * and queued for the client. All that a table says of a procedure is seen to here, so that a
 * handler has what it is about, and no flag that it does not know.
 * Replies of one client may come back in another order than its calls: that is how libvirt's
 * protocol works, the serial tells them apart.
 */
#pragma once

#include <glib.h>
#include <rpc/rpc.h>
#include <stddef.h>

typedef struct RpcClient RpcClient;
typedef struct RpcStream RpcStream;

/* A call that is being carried out; valid while its handler runs. */
typedef struct {
	RpcClient *client; /* alive while the call is; see rpc/client.h */
	guint32 procedure;
	guint32 serial;
	gpointer driver;   /* what rpc_server_new() was given */
	gpointer object;   /* what the call is about; see RpcObjectType */
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

/* A kind of thing that procedures are about: this folder knows none. */
typedef struct {
	/*
	 * @wire: what the client names it by: that member of the decoded arguments
	 *
	 * Return: the object, for release(), or NULL with @error set (DRIVER_ERROR).
	 */
	gpointer (*find)(gpointer driver, const void *wire, GError **error);
	void (*release)(gpointer object);
} RpcObjectType;

/* In a procedure's number: it is one of the program that is named for QEMU. */
#define RPC_QEMU_PROGRAM 0x40000000u

typedef struct {
	guint32 number;
	const char *name; /* for logs and errors; NULL ends a table */
	RpcAccess access;
	xdrproc_t args_filter; /* NULL: no arguments */
	gsize args_size;
	xdrproc_t result_filter; /* NULL: no result */
	gsize result_size;
	RpcHandler handler;
	const RpcObjectType *object; /* NULL: it is about the connection */
	gsize object_offset;	     /* of what names it, in the arguments */
	gboolean has_flags;
	gsize flags_offset; /* in the arguments: an unsigned int */
	guint flags;	    /* those that it knows; others are VIR_ERR_INVALID_ARG */
	guint write_flags;  /* of those: VIR_ERR_OPERATION_DENIED on a read-only connection */
} RpcProcedure;

/*
 * rpc_dispatch_check_access - whether a client may call a procedure now
 * @procedure: NULL where @number is not served
 *
 * On the main thread.
 */
gboolean rpc_dispatch_check_access(RpcClient *client, const RpcProcedure *procedure, gint32 number,
				   GError **error);

/*
 * rpc_dispatch - carry a procedure out that its caller may call
 *
 * Looks its object up, checks its flags and calls the handler, with what that is given.
 */
gboolean rpc_dispatch(const RpcProcedure *procedure, RpcCall *call, const void *args, void *result,
		      GError **error);

/*
 * A row of a procedure table. NAME_args and NAME_ret are the .x file's types; the variants say
 * which of the two exist: both, _ARGS, _RET, or with _PLAIN none. Those with _FLAGS have
 * NAME_args.flags, and know @flags_ of them. @object_ says what the procedure is about: it is
 * RPC_CONNECTION, or a macro of that kind whose RpcObjectType it names. Procedures without
 * arguments can be about nothing else than the connection.
 */
#define RPC_CONNECTION(name_) .object = NULL

/* Versions of clang-format do not agree on macros of initializers. */
/* clang-format off */
#define RPC_ROW(number_, access_, name_, handler_) \
	.number = (number_),                       \
	.name = #name_,                            \
	.access = (access_),                       \
	.handler = (handler_)
#define RPC_ROW_ARGS(object_, name_)                  \
	.args_filter = (xdrproc_t)xdr_##name_##_args, \
	.args_size = sizeof(name_##_args),            \
	object_(name_)
#define RPC_ROW_RET(name_)                             \
	.result_filter = (xdrproc_t)xdr_##name_##_ret, \
	.result_size = sizeof(name_##_ret)
#define RPC_ROW_FLAGS(name_, flags_)                     \
	.has_flags = TRUE,                               \
	.flags_offset = offsetof(name_##_args, flags),   \
	.flags = (flags_)

#define RPC_PROCEDURE(number_, access_, object_, name_, handler_) \
	{                                                         \
		RPC_ROW(number_, access_, name_, handler_),       \
		RPC_ROW_ARGS(object_, name_),                     \
		RPC_ROW_RET(name_),                               \
	}
#define RPC_PROCEDURE_FLAGS(number_, access_, object_, name_, handler_, flags_) \
	{                                                                       \
		RPC_ROW(number_, access_, name_, handler_),                     \
		RPC_ROW_ARGS(object_, name_),                                   \
		RPC_ROW_RET(name_),                                             \
		RPC_ROW_FLAGS(name_, flags_),                                   \
	}
#define RPC_PROCEDURE_WRITE_FLAGS(number_, access_, object_, name_, handler_, flags_, write_flags_) \
	{                                                                                           \
		RPC_ROW(number_, access_, name_, handler_),                                         \
		RPC_ROW_ARGS(object_, name_),                                                       \
		RPC_ROW_RET(name_),                                                                 \
		RPC_ROW_FLAGS(name_, flags_),                                                       \
		.write_flags = (write_flags_),                                                      \
	}
#define RPC_PROCEDURE_ARGS(number_, access_, object_, name_, handler_) \
	{                                                              \
		RPC_ROW(number_, access_, name_, handler_),            \
		RPC_ROW_ARGS(object_, name_),                          \
	}
#define RPC_PROCEDURE_ARGS_FLAGS(number_, access_, object_, name_, handler_, flags_) \
	{                                                                            \
		RPC_ROW(number_, access_, name_, handler_),                          \
		RPC_ROW_ARGS(object_, name_),                                        \
		RPC_ROW_FLAGS(name_, flags_),                                        \
	}
#define RPC_PROCEDURE_RET(number_, access_, name_, handler_) \
	{                                                    \
		RPC_ROW(number_, access_, name_, handler_),  \
		RPC_ROW_RET(name_),                          \
	}
#define RPC_PROCEDURE_PLAIN(number_, access_, name_, handler_) \
	{                                                      \
		RPC_ROW(number_, access_, name_, handler_),    \
	}
/* clang-format on */
