/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * qmp-server.h - a QMP monitor on a listening socket: framing, negotiation, dispatch, events
 *
 * Theory of operation
 *
 * One client is served at a time; the next waits in the socket's backlog. Everything runs in
 * the main context. A command is looked up in a table, its arguments are checked against
 * the table's description, and its handler is called: on the main thread, or, for one that
 * may take long, on a worker thread, in which case nothing more is read from the client
 * until the reply is out. So replies come in the order of the commands.
 *
 * What the machine does not survive, the monitor survives: a client may send anything, read
 * nothing and leave at any time.
 *
 * Names, shapes and meaning follow QEMU's docs/interop/qmp-spec.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>
#include <json-glib/json-glib.h>

typedef enum {
	QMP_TYPE_INT,
	QMP_TYPE_STRING,
	QMP_TYPE_BOOL,
	QMP_TYPE_ARRAY,
	QMP_TYPE_OBJECT,
} QmpType;

typedef struct {
	const char *name; /* NULL ends the table */
	QmpType type;
	gboolean is_optional;
} QmpArgument;

/*
 * @arguments: an object that holds what the table allows and nothing else
 * @result:    what "return" holds, taken by the caller; left alone it is an empty object
 */
typedef gboolean (*QmpHandler)(JsonObject *arguments, gpointer opaque, JsonNode **result,
			       GError **error);

typedef struct {
	const char *name;	      /* NULL ends the table */
	const QmpArgument *arguments; /* or NULL */
	QmpHandler handler;
	gboolean is_slow;	 /* runs on a worker thread */
	gboolean takes_anything; /* the handler checks its arguments itself */
} QmpCommand;

typedef struct QmpServer QmpServer;

/*
 * qmp_server_new - serve a monitor
 * @listener: a listening socket
 * @tables:   of commands, up to a NULL; qmp_capabilities, query-commands and query-version are
 *            built in
 * @opaque:   for the handlers
 */
QmpServer *qmp_server_new(GSocket *listener, const QmpCommand *const *tables, gpointer opaque);

/* Sends what is queued, waiting for a slow client for a second at most, and ends. */
void qmp_server_free(QmpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpServer, qmp_server_free)

/*
 * qmp_server_take_descriptor - what came with a command (SCM_RIGHTS), for its handler
 *
 * Return: the one that came first of those that the client has sent and nobody has taken, the
 * caller's from then on; or -1. Those that are left are closed with the client's connection.
 */
int qmp_server_take_descriptor(QmpServer *server);

/* Whether a worker thread still runs a handler; its opaque pointer has to stay then. */
gboolean qmp_server_is_busy(const QmpServer *server);

/*
 * qmp_server_send_event - send an event to the client, if one has negotiated
 * @data: taken; may be NULL
 *
 * Where the client does not read and the last thing that waits for it says the same, that one
 * is enough: a guest that resets in a loop does not have its host's client sent away.
 */
void qmp_server_send_event(QmpServer *server, const char *name, JsonObject *data);
