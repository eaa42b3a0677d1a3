/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * console.c - the procedures that connect a client to a domain's consoles and channels
 *
 * Theory of operation
 *
 * The VMM holds the master of a terminal, or listens at a socket; a session is the terminal's other
 * side, or a connection, opened by the daemon and carried to the client as a stream. One client at
 * a time has it: two would each get some of the guest's bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "driver/calls/calls.h"
#include "driver/error.h"
#include "driver/vmm/vmm-connect.h"

/* Who has a console; the stream's data. */
typedef struct {
	Domain *domain; /* a reference */
	char *alias;
	RpcStream *stream; /* what is in domain->sessions while this is the one; not a reference */
} Session;

/* On the main thread, once for each stream. */
static void on_stream_closed(gpointer data)
{
	Session *session = data;
	Domain *domain = session->domain;
	RpcStream *ended = NULL;
	char *alias = NULL;

	g_mutex_lock(&domain->lock);
	if (g_hash_table_lookup(domain->sessions, session->alias) == session->stream)
		g_hash_table_steal_extended(domain->sessions, session->alias, (gpointer *)&alias,
					    (gpointer *)&ended);
	g_mutex_unlock(&domain->lock);
	g_clear_pointer(&ended, rpc_stream_unref);
	g_free(alias);
	g_free(session->alias);
	domain_unref(domain);
	g_free(session);
}

/* What a client names; plain data of the live definition. */
typedef struct {
	const char *alias;
	const DomainChardev *chardev;
} Place;

static gboolean take_serial(const DomainSerial *serial, const char *alias, Place *place)
{
	if (alias && g_strcmp0(alias, serial->alias) != 0)
		return FALSE;
	*place = (Place){ serial->alias, &serial->chardev };
	return TRUE;
}

/* The serial port or console of that alias, the first where it is NULL. */
static gboolean find_console(const DomainDef *def, const char *alias, Place *place)
{
	for (guint i = 0; i < def->n_serials; i++)
		if (take_serial(&def->serials[i], alias, place))
			return TRUE;
	for (guint i = 0; i < def->consoles->len; i++) {
		const DomainPort *port = def->consoles->pdata[i];

		if (alias && g_strcmp0(alias, port->alias) != 0)
			continue;
		*place = (Place){ port->alias, &port->chardev };
		return TRUE;
	}
	return FALSE;
}

/* With the lock: the console that a client names, with a terminal; FALSE with @error set. */
static gboolean console_of(const Domain *domain, const char *device, Place *place, GError **error)
{
	const DomainDef *live = domain->live;

	if (!live)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is not running"), domain->name);
	if (!find_console(live, device, place))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("cannot find console device '%s'"),
				    device ? device : _("default"));
	if (place->chardev->type != DOMAIN_CHARDEV_PTY || !place->chardev->path)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("console device '%s' is not using a PTY"), place->alias);
	return TRUE;
}

/* With the lock: the channel that a client names; FALSE with @error set. */
static gboolean channel_of(const Domain *domain, const char *name, Place *place, GError **error)
{
	const DomainDef *live = domain->live;
	const DomainPort *port = live ? domain_find_channel(live, name) : NULL;

	if (!live)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is not running"), domain->name);
	if (!port)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR, _("cannot find channel '%s'"),
				    name ? name : _("default"));
	if (port == domain_find_agent(live))
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("channel '%s' is the guest agent's, which this daemon speaks "
				      "with"),
				    port->alias);
	*place = (Place){ port->alias, &port->chardev };
	if (place->chardev->type == DOMAIN_CHARDEV_PTY && place->chardev->path)
		return TRUE;
	return (place->chardev->type == DOMAIN_CHARDEV_UNIX && place->chardev->is_server) ||
	       driver_error(error, VIR_ERR_INTERNAL_ERROR,
			    _("channel '%s' is neither a socket that listens nor a terminal"),
			    port->alias);
}

static int open_terminal(const char *path, GError **error)
{
	const int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("opening terminal '%s': %s"), path,
			     g_strerror(errno));
	return fd;
}

/* With the lock. Return: a place's other side, opened, or -1 with @error set. */
static int open_place(const Domain *domain, const Place *place, gboolean is_forced, GError **error)
{
	if (g_hash_table_contains(domain->sessions, place->alias) && !is_forced) {
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("Active console session exists for this domain"));
		return -1;
	}
	if (place->chardev->type == DOMAIN_CHARDEV_PTY)
		return open_terminal(place->chardev->path, error);
	return vmm_connect_at_once(place->alias, place->chardev->path, error);
}

/* With the lock. Takes @fd over. Return: a stream whose place this one takes, or NULL. */
static RpcStream *begin_session(RpcCall *call, Domain *domain, const char *alias, int fd)
{
	Session *session = g_new0(Session, 1);
	RpcStream *previous = NULL;
	char *previous_alias = NULL;

	session->domain = domain_ref(domain);
	session->alias = g_strdup(alias);
	g_hash_table_steal_extended(domain->sessions, alias, (gpointer *)&previous_alias,
				    (gpointer *)&previous);
	g_free(previous_alias);
	session->stream = rpc_stream_open(call, fd, on_stream_closed, session);
	g_hash_table_insert(domain->sessions, g_strdup(alias), session->stream);
	return previous;
}

/* @find: console_of() or channel_of() */
static gboolean start_session(RpcCall *call,
			      gboolean (*find)(const Domain *domain, const char *name, Place *place,
					       GError **error),
			      const char *name, gboolean is_forced, GError **error)
{
	Domain *domain = call->object;
	RpcStream *previous = NULL;
	Place place;
	int fd = -1;

	g_mutex_lock(&domain->lock);
	if (find(domain, name, &place, error))
		fd = open_place(domain, &place, is_forced, error);
	if (fd >= 0)
		previous = begin_session(call, domain, place.alias, fd);
	g_mutex_unlock(&domain->lock);
	if (previous) {
		rpc_stream_close(previous, _("another client has taken the console over"));
		rpc_stream_unref(previous);
	}
	return fd >= 0;
}

static gboolean open_console_call(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainOpenConsole_args *request = args;

	(void)result;
	return start_session(call, console_of, request->device ? *request->device : NULL,
			     request->flags & VIR_DOMAIN_CONSOLE_FORCE, error);
}

static gboolean open_channel_call(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainOpenChannel_args *request = args;

	(void)result;
	return start_session(call, channel_of, request->name ? *request->name : NULL,
			     request->flags & VIR_DOMAIN_CHANNEL_FORCE, error);
}

/* A port never has more than one session, so that every one is a safe one. */
#define CONSOLE_FLAGS (VIR_DOMAIN_CONSOLE_FORCE | VIR_DOMAIN_CONSOLE_SAFE)

const RpcProcedure calls_console[] = {
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_OPEN_CONSOLE, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainOpenConsole, open_console_call, CONSOLE_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_OPEN_CHANNEL, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainOpenChannel, open_channel_call, VIR_DOMAIN_CHANNEL_FORCE),
	{ .name = NULL },
};
