/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server.h - the RPC server: sockets, clients, worker threads
 *
 * Theory of operation
 *
 * The main thread owns every socket: it accepts, reads whole messages, writes what is queued,
 * and never blocks. Calls go to worker threads, one each, so that a call that takes its time
 * holds up nobody. What keeps that bounded are the limits below: a client with
 * RPC_CALLS_PER_CLIENT calls under way is not read from until one is answered, and one that
 * does not read its replies is disconnected at RPC_OUTPUT_MAX.
 *
 * docs/rpc.md describes the protocol and how to add a procedure.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>

#include "driver/rpc/dispatch.h"

#define RPC_CLIENTS_MAX	     1000u
#define RPC_CALLS_PER_CLIENT 5u
#define RPC_OUTPUT_MAX	     (64u << 20)

/* Seconds without a word of a client that speaks keepalive, and how many times that. */
#define RPC_KEEPALIVE_INTERVAL 5u
#define RPC_KEEPALIVE_COUNT    5u

typedef struct RpcServer RpcServer;

/*
 * rpc_server_new - a server without sockets
 * @tables: NULL-terminated array of tables, each ended by a row without a name
 * @uri:    what clients may open, "gmem:///system"
 * @driver: for the handlers, in RpcCall
 *
 * Lives on the thread-default main context of its maker, the main thread's.
 */
RpcServer *rpc_server_new(const RpcProcedure *const *tables, const char *uri, gpointer driver);

/*
 * rpc_server_stop - disconnect everybody, and wait for the calls under way and for what
 * rpc_client_on_close() has asked for
 *
 * Events may still be sent to the server; nobody hears them. Nothing else may be.
 */
void rpc_server_stop(RpcServer *server);

/* Stops it where that has not been done. */
void rpc_server_free(RpcServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcServer, rpc_server_free)

/* Serves a listening socket, which stays the caller's too. */
void rpc_server_add_socket(RpcServer *server, GSocket *listener, gboolean is_readonly);

/* Serves a connection that is there already. For tests, and for inetd-like use. */
void rpc_server_add_connection(RpcServer *server, GSocket *socket, gboolean is_readonly);

guint rpc_server_count_clients(RpcServer *server);

/* Has @function called on the main thread when the last client has left. */
void rpc_server_on_idle(RpcServer *server, void (*function)(gpointer data), gpointer data);
