/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * private.h - what the files of this folder share
 *
 * Members are the main thread's unless they say otherwise. The locks here are innermost: no
 * function of another folder is called with one held.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>

#include "driver/rpc/client.h"
#include "driver/rpc/dispatch.h"
#include "driver/rpc/events.h"
#include "driver/rpc/server.h"
#include "driver/rpc/stream.h"
#include "driver/rpc/wire.h"

/* Why a client is not read from; several reasons may hold at once. */
typedef enum {
	RPC_PAUSE_CALLS = 1 << 0,  /* RPC_CALLS_PER_CLIENT are under way */
	RPC_PAUSE_STREAM = 1 << 1, /* a stream's descriptor takes no more */
} RpcPause;

struct RpcClient {
	gatomicrefcount references;
	RpcServer *server;
	GSocket *socket;
	uid_t uid;
	pid_t pid;
	gint is_readonly; /* atomic */
	gint is_open;	  /* atomic: CONNECT_OPEN has been called */

	GSource *read_source;  /* NULL while paused or closed */
	GSource *write_source; /* NULL while nothing waits */
	guint pauses;	       /* RpcPause bits */
	GByteArray *input;     /* of messages that are not complete or not taken yet */
	GQueue output;	       /* of GBytes */
	gsize output_offset;   /* written already of the first */
	gsize output_size;     /* bytes in all of output */
	guint n_calls;
	GPtrArray *streams; /* of RpcStream, references */

	gboolean has_keepalive;
	gboolean was_heard; /* since the keepalive timer's last turn */
	guint silent_turns;

	GMutex lock; /* guards what follows */
	gboolean is_closed;
	GList *on_close; /* of OnClose */
};

struct RpcServer {
	GMainContext *context;
	char *uri;
	gpointer driver;
	GHashTable *procedures;	   /* number to RpcProcedure */
	GThreadPool *workers;	   /* runs what rpc_server_run_in_worker() is given */
	GPtrArray *listeners;	   /* of Listener, see server.c */
	GPtrArray *clients;	   /* of RpcClient, references */
	GSource *keepalive_source; /* NULL while nobody speaks keepalive */
	void (*on_idle)(gpointer data);
	gpointer on_idle_data;

	GMutex jobs_lock; /* guards what follows */
	GCond jobs_done;
	guint n_jobs; /* given to workers and not done */

	GMutex events_lock;    /* guards what follows */
	GArray *registrations; /* of Registration, see events.c */
	int next_callback;
};

/* Runs a function on the main thread, in the order of the calls. */
void rpc_server_post(RpcServer *server, void (*function)(gpointer data), gpointer data);

/* Has a function run on a worker thread. */
void rpc_server_run_in_worker(RpcServer *server, void (*function)(gpointer data), gpointer data);

/* client.c, on the main thread. */
RpcClient *rpc_client_new(RpcServer *server, GSocket *socket, gboolean is_readonly);
void rpc_client_start(RpcClient *client);
void rpc_client_close(RpcClient *client);
void rpc_client_pause(RpcClient *client, RpcPause why);
void rpc_client_resume(RpcClient *client, RpcPause why);

/* Queues a message, which is taken, and writes what goes at once. */
void rpc_client_send(RpcClient *client, GBytes *message);

/* The same from any thread. */
void rpc_client_post(RpcClient *client, GBytes *message);

/* server.c: carries out one whole message. */
void rpc_server_handle_message(RpcServer *server, RpcClient *client, GBytes *message);

/* A client's connection is gone. */
void rpc_server_forget_client(RpcServer *server, RpcClient *client);

/* Starts asking the client whether it is still there. */
void rpc_server_start_keepalive(RpcServer *server, RpcClient *client);

/* stream.c, on the main thread. */
void rpc_stream_start(RpcStream *stream);
void rpc_stream_drop(RpcStream *stream);
void rpc_stream_handle_message(RpcClient *client, const WireHeader *header, const guint8 *data,
			       gsize size);

/* All that was queued for the client has been written. */
void rpc_stream_on_output_empty(RpcClient *client);

/* events.c: any thread. */
GArray *rpc_events_new_registrations(void);
void rpc_events_forget_client(RpcServer *server, RpcClient *client);

/* connection.c: the procedures of the connection itself. */
extern const RpcProcedure rpc_connection_procedures[];
