/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * server.h - the RPC server: sockets, clients, worker threads
 *
 * Theory of operation
 *
 * The main thread owns every socket: it accepts, reads whole messages, writes what is queued,
 * and never blocks. Calls go to worker threads (workers.h), so that a call that takes its time
 * holds up nobody; only what anybody may call is carried out at once, since it never blocks.
 *
 * A call is under way until its reply has been written. A client with RPC_CALLS_PER_CLIENT of
 * them is not read from, so that one that does not read fills its own socket and no more.
 * limits.c says who may connect, and how much is held for whom.
 *
 * docs/rpc.md describes the protocol and how to add a procedure.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>

#include "driver/rpc/dispatch.h"

/*
 * Connections: of all; of users that are neither root nor the daemon's own; through the
 * read-only socket; through it, of such others; through it, of one of these.
 */
#define RPC_CLIENTS_MAX			   1000u
#define RPC_CLIENTS_OF_OTHERS_MAX	   900u
#define RPC_CLIENTS_READONLY_MAX	   700u
#define RPC_CLIENTS_READONLY_OF_OTHERS_MAX 600u
#define RPC_CLIENTS_READONLY_PER_USER_MAX  200u

/* Seconds that a connection may be without CONNECT_OPEN. */
#define RPC_OPEN_SECONDS     30u

#define RPC_CALLS_PER_CLIENT 5u

/* Events that wait for one client. */
#define RPC_EVENTS_MAX 2048u

/* Bytes of one message with its length word; what is open and may write has the protocol's. */
#define RPC_MESSAGE_UNOPENED_MAX (64u << 10)
#define RPC_MESSAGE_READONLY_MAX (8u << 20)

/*
 * Bytes that are held. "Limited" are clients that are not open or are read-only: one client's
 * calls and output at which it is not read from, and the sum over all clients at which some
 * are disconnected.
 */
#define RPC_HELD_PAUSE_LIMITED (4u << 20)
#define RPC_HELD_PAUSE	       (64u << 20)
#define RPC_HELD_LIMITED_MAX   (64u << 20)
#define RPC_HELD_MAX	       (192u << 20)

/* Seconds that rpc_server_stop() waits for calls: those that only read, and others. */
#define RPC_STOP_READONLY_SECONDS 2u
#define RPC_STOP_SECONDS	  20u

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
 *
 * Return: FALSE where calls do not end in time, with a warning that says which. They go on, so
 * that neither the server nor what they use may be freed: the process is to end.
 */
gboolean rpc_server_stop(RpcServer *server);

/* Stops it where that has not been done; it must not have failed. */
void rpc_server_free(RpcServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcServer, rpc_server_free)

/* Serves a listening socket, which stays the caller's too. */
void rpc_server_add_socket(RpcServer *server, GSocket *listener, gboolean is_readonly);

/* Serves a connection that is there already. For tests, and for inetd-like use. */
void rpc_server_add_connection(RpcServer *server, GSocket *socket, gboolean is_readonly);

guint rpc_server_count_clients(RpcServer *server);

/* Has @function called on the main thread when the last client has left. */
void rpc_server_on_idle(RpcServer *server, void (*function)(gpointer data), gpointer data);
