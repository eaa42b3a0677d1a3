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

#include "driver/log-limit.h"
#include "driver/rpc/client.h"
#include "driver/rpc/dispatch.h"
#include "driver/rpc/events.h"
#include "driver/rpc/server.h"
#include "driver/rpc/stream.h"
#include "driver/rpc/wire.h"
#include "driver/rpc/workers.h"

/*
 * What a call and a piece of output cost beside their bytes: structures, nodes of lists, what
 * the allocator adds. Rather more than less.
 */
#define RPC_CALL_OVERHEAD   512u
#define RPC_OUTPUT_OVERHEAD 192u

typedef struct RpcEvent RpcEvent;

/* Why a client is not read from; several reasons may hold at once. */
typedef enum {
	RPC_PAUSE_CALLS = 1 << 0,  /* RPC_CALLS_PER_CLIENT are under way */
	RPC_PAUSE_STREAM = 1 << 1, /* a stream's descriptor takes no more */
	RPC_PAUSE_OUTPUT = 1 << 2, /* its calls and what waits for it are too much */
} RpcPause;

/* A user of the host, while something is held for his clients. See limits.c. */
typedef struct {
	uid_t uid;
	guint n_clients;    /* connected */
	guint n_readonly;   /* of those, through the read-only socket */
	gsize held;	    /* bytes for all his clients */
	gsize held_limited; /* of those, for clients that are limited */
} RpcUser;

struct RpcClient {
	gatomicrefcount references;
	RpcServer *server;
	GSocket *socket;
	uid_t uid;
	pid_t pid;
	gboolean came_readonly; /* constant: through the read-only socket */
	gint is_readonly;	/* atomic */
	gboolean is_open;	/* CONNECT_OPEN has been called */
	gboolean is_limited;	/* not open, or read-only: counts among those in limits.c */
	RpcUser *user;

	GSource *read_source;  /* NULL while paused or closed */
	GSource *turn_source;  /* NULL unless whole messages wait in the input */
	GSource *write_source; /* NULL while nothing waits */
	GSource *open_source;  /* NULL once that has been checked */
	guint pauses;	       /* RpcPause bits */
	gboolean is_in_turn;   /* its messages are being taken */
	GByteArray *input;     /* of messages that are not complete or not taken yet */
	gsize input_offset;    /* taken already of it */
	GQueue output;	       /* of Output, see client.c */
	gsize output_offset;   /* written already of the first */
	gsize output_size;     /* what output costs */
	gsize calls_size;      /* what the calls under way cost, without their replies */
	gsize held;	       /* what input, calls and output cost */
	guint n_calls;	       /* read, and their replies not written yet */
	guint n_events;	       /* in output */
	GPtrArray *streams;    /* of RpcStream, references */

	gboolean has_keepalive;
	gboolean was_heard; /* since the keepalive timer's last turn */
	guint silent_turns;

	GArray *registrations; /* of Registration, see events.c; with the server's events_lock */

	GMutex lock; /* guards what follows */
	gboolean is_closed;
	GList *on_close; /* of OnClose */
};

/* What clients can make the server say over and over. */
typedef struct {
	LogLimit length;
	LogLimit turned_away;
	LogLimit accept;
	LogLimit not_opened;
	LogLimit not_read;
	LogLimit too_much;
	LogLimit silent;
} RpcLogLimits;

struct RpcServer {
	GMainContext *context;
	char *uri;
	gpointer driver;
	GHashTable *procedures;	   /* number to RpcProcedure */
	RpcWorkers *workers;	   /* NULL once the server has stopped */
	GPtrArray *listeners;	   /* of Listener, see server.c */
	GPtrArray *clients;	   /* of RpcClient, references */
	GHashTable *users;	   /* uid to RpcUser */
	guint n_readonly;	   /* clients that came through the read-only socket */
	gsize held;		   /* bytes for all clients */
	gsize held_limited;	   /* of those, for clients that are limited */
	gsize released;		   /* bytes, since free memory was last given back */
	GSource *trim_source;	   /* NULL while too little has been released */
	GSource *keepalive_source; /* NULL while nobody speaks keepalive */
	GSource *retry_source;	   /* NULL unless a job waits for a first thread */
	guint8 *read_buffer;	   /* RPC_READ_CHUNK bytes */
	RpcLogLimits log;
	void (*on_idle)(gpointer data);
	gpointer on_idle_data;

	GMutex events_lock; /* guards what follows, and each client's registrations */
	guint64 next_order; /* of registrations and events, in one row */
	int next_callback;
	guint n_posted; /* events on their way to the main thread */
	GCond has_room; /* fewer are */
	gboolean is_stopping;
};

#define RPC_READ_CHUNK (64u << 10)

/* Runs a function on the main thread, in the order of the calls. */
void rpc_server_post(RpcServer *server, void (*function)(gpointer data), gpointer data);

/* Has a function run on a worker thread, sooner or later. */
void rpc_server_run_in_worker(RpcServer *server, void (*function)(gpointer data), gpointer data);

/* client.c, on the main thread. */
RpcClient *rpc_client_new(RpcServer *server, GSocket *socket, uid_t uid, pid_t pid,
			  gboolean is_readonly);
void rpc_client_start(RpcClient *client);
void rpc_client_close(RpcClient *client);
void rpc_client_pause(RpcClient *client, RpcPause why);
void rpc_client_resume(RpcClient *client, RpcPause why);

/* From here until its reply has been written a call counts as under way. */
void rpc_client_begin_call(RpcClient *client);

/* Queues the reply to a call, which is taken, and writes what goes at once. */
void rpc_client_reply(RpcClient *client, GBytes *message);

/* The same for a message that answers nothing. */
void rpc_client_send(RpcClient *client, GBytes *message);

/* The same for an event, which goes to each registration of the client's that wants it. */
void rpc_client_send_event(RpcClient *client, RpcEvent *event);

/* What the client's calls hold while they are carried out. */
void rpc_client_hold_call(RpcClient *client, gsize size);
void rpc_client_release_call(RpcClient *client, gsize size);

/* CONNECT_OPEN and CONNECT_CLOSE. */
void rpc_client_set_open(RpcClient *client, gboolean is_open, gboolean is_readonly);

/* limits.c, on the main thread. */

/* Whether one more client may connect; where it may not, that is logged. */
gboolean rpc_limits_admit(RpcServer *server, uid_t uid, pid_t pid, gboolean is_readonly);
void rpc_limits_enter(RpcClient *client);
void rpc_limits_leave(RpcClient *client);

/* The client begins or ceases to be one of the limited. */
void rpc_limits_set_limited(RpcClient *client, gboolean is_limited);

/* The longest message that may come from a client now. */
gsize rpc_limits_message_max(const RpcClient *client);

/* Calls and output of a client at which it is not read from. */
gsize rpc_limits_pause_at(const RpcClient *client);

void rpc_limits_hold(RpcClient *client, gsize size);
void rpc_limits_release(RpcClient *client, gsize size);

/*
 * rpc_limits_enforce - disconnect clients until what is held for all is within the limits
 *
 * Any client may be gone afterwards: to be called last in what the main loop calls.
 */
void rpc_limits_enforce(RpcServer *server);

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

/* Nobody waits for room any more. */
void rpc_events_stop(RpcServer *server);
RpcEvent *rpc_event_ref(RpcEvent *event);
void rpc_event_unref(RpcEvent *event);

/* What an event that waits for a client costs. */
gsize rpc_event_size(const RpcEvent *event);

/*
 * rpc_event_encode - some messages of an event's, for as many registrations of a client's
 * @order: zero at first; where the next call goes on
 *
 * Return: NULL when there is none left.
 */
GBytes *rpc_event_encode(const RpcEvent *event, RpcClient *client, guint64 *order);

/* procedure-names.c: the public function behind a procedure of libvirt's, or NULL. */
const char *rpc_procedure_name(gint32 number);

/* connection.c: the procedures of the connection itself. */
extern const RpcProcedure rpc_connection_procedures[];
