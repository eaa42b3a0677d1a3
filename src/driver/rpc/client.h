/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client.h - one connection of the RPC server, as handlers see it
 *
 * Theory of operation
 *
 * A client's socket, buffers and streams belong to the main thread. Handlers run on worker
 * threads and use what is declared here, which is safe on any thread. A client stays
 * allocated while somebody holds a reference, also after its connection is gone.
 */
#pragma once

#include <glib.h>
#include <rpc/rpc.h>
#include <sys/types.h>

typedef struct RpcClient RpcClient;

RpcClient *rpc_client_ref(RpcClient *client);
void rpc_client_unref(RpcClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcClient, rpc_client_unref)

/* Whether it came in on the read-only socket or asked for a read-only connection. */
gboolean rpc_client_is_readonly(RpcClient *client);

/* Who connected, as the kernel says (SO_PEERCRED). */
uid_t rpc_client_uid(RpcClient *client);
pid_t rpc_client_pid(RpcClient *client);

/* Whether the connection is gone; it may go right after this has said no. */
gboolean rpc_client_is_closed(RpcClient *client);

/*
 * rpc_client_on_close - have a function called once the connection is gone
 * @key: names the registration, for rpc_client_forget_on_close()
 *
 * The function runs on a worker thread, where it may block; at once where the connection is
 * gone already. @data is freed with @free_data after it ran or was forgotten.
 */
typedef void (*RpcCloseFunction)(gpointer data);
void rpc_client_on_close(RpcClient *client, gconstpointer key, RpcCloseFunction function,
			 gpointer data, GDestroyNotify free_data);
void rpc_client_forget_on_close(RpcClient *client, gconstpointer key);
