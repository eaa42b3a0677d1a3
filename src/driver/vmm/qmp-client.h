/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp-client.h - the daemon's end of a domain's monitor
 *
 * Theory of operation
 *
 * Each connection has a thread of its own, the domain's monitor thread, which reads what the
 * VMM says and does nothing else: it hands replies to the callers that wait for them, and
 * calls back for events. So a VMM that hangs holds up its own callers, each for its time
 * limit, and nobody else.
 *
 * Commands carry an id, so that several callers may wait at the same time. The VMM is not
 * trusted: what it sends is bounded (qmp-splitter.h) and its members are checked by their
 * types.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

/* How long a command may take until its caller gives up, in seconds. */
#define QMP_COMMAND_SECONDS 30

typedef struct QmpClient QmpClient;

typedef struct {
	/*
	 * Something happened to the machine. On the monitor thread: must not send commands and
	 * wait for them. @data: the event's, or NULL
	 */
	void (*event)(const char *name, JsonObject *data, gpointer opaque);

	/*
	 * The connection is gone; the last call, on the monitor thread, which may block now.
	 * The client is still there until it is freed.
	 */
	void (*closed)(gpointer opaque);
} QmpCallbacks;

/*
 * qmp_client_connect - connect to a listening monitor and shake hands
 * @path: the socket's
 * @seconds: how long that may take
 *
 * No callback comes before qmp_client_start().
 *
 * Return: a client for qmp_client_free(), or NULL with DRIVER_ERROR: VIR_ERR_OPERATION_TIMEOUT
 * when the VMM was silent, VIR_ERR_INTERNAL_ERROR when it ended or is no QMP server.
 */
QmpClient *qmp_client_connect(const char *path, guint seconds, GError **error);

/* Starts the monitor thread. The callbacks and @opaque must stay until it has ended. */
void qmp_client_start(QmpClient *client, const QmpCallbacks *callbacks, gpointer opaque);

/*
 * Closes the connection and, where it is started, waits for the monitor thread; not to be
 * called on it.
 */
void qmp_client_free(QmpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpClient, qmp_client_free)

/* Ends the connection from any thread; the closed callback follows. */
void qmp_client_disconnect(QmpClient *client);

/* A command that is under way. */
typedef struct QmpCommandTicket QmpCommandTicket;

/*
 * qmp_client_send - send a command without waiting for its reply
 * @arguments: or NULL; taken over
 *
 * Return: a ticket for qmp_client_wait(), or NULL with DRIVER_ERROR where the connection is
 * gone or takes no more.
 */
QmpCommandTicket *qmp_client_send(QmpClient *client, const char *command, JsonObject *arguments,
				  GError **error);

/*
 * qmp_client_wait - the reply to a command
 * @ticket: consumed
 * @deadline: of g_get_monotonic_time()
 *
 * Return: the reply's "return" for json_node_unref(), or NULL with DRIVER_ERROR:
 * VIR_ERR_OPERATION_FAILED with what the VMM said, VIR_ERR_OPERATION_TIMEOUT, or
 * VIR_ERR_INTERNAL_ERROR where the connection ended.
 */
JsonNode *qmp_client_wait(QmpClient *client, QmpCommandTicket *ticket, gint64 deadline,
			  GError **error);

/* Sends a command without arguments and waits QMP_COMMAND_SECONDS at most. */
JsonNode *qmp_client_ask(QmpClient *client, const char *command, GError **error);

/* The same for a command whose answer says nothing more. */
gboolean qmp_client_tell(QmpClient *client, const char *command, GError **error);
