/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * console.c - the procedure that connects a client to a domain's console
 *
 * Theory of operation
 *
 * The VMM holds the master of the domain's terminal; a console is its other side, opened by
 * the daemon and carried to the client as a stream. One client at a time has it: two would
 * each get some of the guest's bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#include "driver/calls/calls.h"
#include "driver/error.h"

/* Who has a console; the stream's data. */
typedef struct {
	Domain *domain; /* a reference */
	guint port;
	RpcStream *stream; /* what is in domain->consoles while this is the one; not a reference */
} Session;

/* On the main thread, once for each stream. */
static void on_stream_closed(gpointer data)
{
	Session *session = data;
	Domain *domain = session->domain;
	RpcStream **console = &domain->consoles[session->port];
	RpcStream *ended = NULL;

	g_mutex_lock(&domain->lock);
	if (*console == session->stream)
		ended = g_steal_pointer(console);
	g_mutex_unlock(&domain->lock);
	g_clear_pointer(&ended, rpc_stream_unref);
	domain_unref(domain);
	g_free(session);
}

/* The port of that alias, the first where it is NULL. Return: NULL where there is none. */
static const DomainSerial *find_serial(const DomainDef *def, const char *alias)
{
	for (guint i = 0; i < def->n_serials; i++)
		if (!alias || g_strcmp0(alias, def->serials[i].alias) == 0)
			return &def->serials[i];
	return NULL;
}

/* With the lock: the port that a client names, with a terminal, or NULL with @error set. */
static const DomainSerial *serial_of(const Domain *domain, const char *device, GError **error)
{
	const DomainDef *live = domain->live;
	const DomainSerial *serial = live ? find_serial(live, device) : NULL;

	if (!live)
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	else if (!serial)
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("cannot find console device '%s'"),
			     device ? device : _("default"));
	else if (serial->type != DOMAIN_CHARDEV_PTY || !serial->path)
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     _("console device '%s' is not using a PTY"), serial->alias);
	else
		return serial;
	return NULL;
}

/* With the lock. Return: the port's terminal, opened, or -1 with @error set. */
static int open_terminal(const Domain *domain, const DomainSerial *serial, gboolean is_forced,
			 GError **error)
{
	int fd;

	if (domain->consoles[serial->port] && !is_forced) {
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("Active console session exists for this domain"));
		return -1;
	}
	fd = open(serial->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("opening terminal '%s': %s"),
			     serial->path, g_strerror(errno));
	return fd;
}

static gboolean start_session(RpcCall *call, Domain *domain, const char *device, guint flags,
			      GError **error)
{
	const DomainSerial *serial;
	RpcStream *previous = NULL;
	Session *session;
	int fd = -1;

	g_mutex_lock(&domain->lock);
	serial = serial_of(domain, device, error);
	if (serial)
		fd = open_terminal(domain, serial, flags & VIR_DOMAIN_CONSOLE_FORCE, error);
	if (fd >= 0) {
		session = g_new0(Session, 1);
		session->domain = domain_ref(domain);
		session->port = serial->port;
		previous = g_steal_pointer(&domain->consoles[serial->port]);
		session->stream = rpc_stream_open(call, fd, on_stream_closed, session);
		domain->consoles[serial->port] = session->stream;
	}
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
	return start_session(call, call->object, request->device ? *request->device : NULL,
			     request->flags, error);
}

/* A port never has more than one session, so that every one is a safe one. */
#define CONSOLE_FLAGS (VIR_DOMAIN_CONSOLE_FORCE | VIR_DOMAIN_CONSOLE_SAFE)

const RpcProcedure calls_console[] = {
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_OPEN_CONSOLE, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainOpenConsole, open_console_call, CONSOLE_FLAGS),
	{ .name = NULL },
};
