/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp-client.h - the daemon's end of a domain's monitor
 *
 * Theory of operation
 *
 * Each VMM has a thread of its own, the domain's monitor thread, which reads what the VMM says
 * and does nothing else: it hands replies to the callers that wait for them, and calls back for
 * events. So a VMM that hangs holds up its own callers, each for its time limit, and nobody else.
 *
 * The connection is less than the VMM. It may be lost while the VMM goes on: a VMM drops a
 * client that does not keep up, a daemon drops a VMM that sends what is no QMP. So the thread
 * connects again, for as long as the process is there; a pidfd says when it is not. The same
 * thread makes the first connection to a VMM that an earlier daemon has started, and waits for
 * its greeting however long that takes: a VMM that is silent today may answer tomorrow.
 *
 * Commands carry an id, so that several callers may wait at the same time. How many may be
 * unanswered is limited. Questions that many may ask are shared: while one is on its way, who
 * asks the same gets its answer, so that no number of askers uses up what control needs.
 *
 * The VMM is not trusted: what it sends is bounded (qmp-splitter.h) and its members are checked
 * by their types.
 */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

/* How long a command may take until its caller gives up, in seconds. */
#define QMP_COMMAND_SECONDS 30

/*
 * How long after a shared question was sent its answer is waited for, in seconds: a VMM that hangs
 * holds up those who ask first, and not everybody who asks from then on.
 */
#define QMP_SHARED_SECONDS 5

typedef struct QmpClient QmpClient;

typedef struct {
	/*
	 * Something happened to the machine. On the monitor thread: must not send commands and
	 * wait for them. @data: the event's, or NULL
	 */
	void (*event)(const char *name, JsonObject *data, gpointer opaque);

	/*
	 * The monitor thread has handled what has come and is about to wait. Return: for how long
	 * at most, in milliseconds, until this is called again; -1 for ever.
	 */
	int (*idle)(gpointer opaque);

	/*
	 * The connection was lost or cannot be made while the process is there; that will be tried
	 * again. On the monitor thread.
	 */
	void (*lost)(const GError *why, gpointer opaque);

	/*
	 * The VMM has been reached, for the first time or again: what it has said meanwhile is
	 * lost. Not called for the connection that qmp_client_connect() has made.
	 */
	void (*reached)(gpointer opaque);

	/*
	 * The VMM's process has ended, or qmp_client_free() waits; the last call, on the monitor
	 * thread. The client is still there until it is freed.
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

/*
 * qmp_client_new - a client that its monitor thread connects
 * @path: the socket's
 *
 * Until then commands fail with VIR_ERR_OPERATION_TIMEOUT.
 *
 * Return: a client for qmp_client_free().
 */
QmpClient *qmp_client_new(const char *path);

/*
 * qmp_client_start - start the monitor thread
 * @process: a pidfd of the VMM, or -1 where the end of the connection is the VMM's; it must stay
 *   until the client is freed, as must @callbacks and @opaque
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR where the thread cannot be made; it may be tried again.
 */
gboolean qmp_client_start(QmpClient *client, int process, const QmpCallbacks *callbacks,
			  gpointer opaque, GError **error);

/*
 * Closes the connection and, where it is started, waits for the monitor thread; not to be
 * called on it.
 */
void qmp_client_free(QmpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpClient, qmp_client_free)

/* Gives the connection up from any thread; the monitor thread makes another one. */
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
 * qmp_client_share - ask what others may be asking at the same time
 * @command: changes nothing
 *
 * Where the same question is on its way, also one that nobody waits for any more, its answer
 * will do, and nothing is sent.
 *
 * Return: as of qmp_client_send(), whose limit this does not count for.
 */
QmpCommandTicket *qmp_client_share(QmpClient *client, const char *command, GError **error);

/*
 * qmp_client_wait - the reply to a command
 * @ticket: consumed
 * @deadline: of g_get_monotonic_time(); for a shared question also QMP_SHARED_SECONDS
 *
 * Return: the reply's "return" for json_node_unref(), only to be read, since others may have it
 * too; or NULL with DRIVER_ERROR: VIR_ERR_OPERATION_FAILED with what the VMM said,
 * VIR_ERR_OPERATION_TIMEOUT, or VIR_ERR_INTERNAL_ERROR where the connection ended.
 */
JsonNode *qmp_client_wait(QmpClient *client, QmpCommandTicket *ticket, gint64 deadline,
			  GError **error);

/* Asks what others may be asking, and waits QMP_SHARED_SECONDS at most; as qmp_client_share() and
 * qmp_client_wait(). */
JsonNode *qmp_client_ask_shared(QmpClient *client, const char *command, GError **error);

/* Sends a command without arguments and waits QMP_COMMAND_SECONDS at most. */
JsonNode *qmp_client_ask(QmpClient *client, const char *command, GError **error);
JsonNode *qmp_client_ask_with(QmpClient *client, const char *command, JsonObject *arguments,
			      GError **error);

/* The same for a question whose answer is an array; @arguments: or NULL; taken over. */
JsonNode *qmp_client_ask_array(QmpClient *client, const char *command, JsonObject *arguments,
			       GError **error);

/* Arguments that are one text, for json_object_unref(). */
JsonObject *qmp_argument(const char *member, const char *value);

/* What is known of a command that was sent. */
typedef enum {
	QMP_DONE,
	QMP_REFUSED, /* the VMM says that it has not done it */
	QMP_UNKNOWN, /* the VMM has not said */
} QmpOutcome;

/* @error: that of asking or telling; NULL: there was none */
QmpOutcome qmp_outcome(const GError *error);

/* The same for a command whose answer says nothing more. */
gboolean qmp_client_tell(QmpClient *client, const char *command, GError **error);

/*
 * qmp_client_tell_with - the same for a command with arguments, and a descriptor for it
 * @arguments: or NULL; taken over
 * @fd: still the caller's; -1: none
 */
gboolean qmp_client_tell_with(QmpClient *client, const char *command, JsonObject *arguments, int fd,
			      GError **error);
