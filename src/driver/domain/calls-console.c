/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * calls-console.c - the procedure that connects a client to a domain's console
 *
 * Theory of operation
 *
 * The VMM holds the master of the domain's terminal; a console is its other side, opened by
 * the daemon and carried to the client as a stream. One client at a time has it: two would
 * each get some of the guest's bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "driver/domain/calls.h"
#include "driver/error.h"

/* Who has a console; the stream's data. */
typedef struct {
	Domain *domain;	   /* a reference */
	RpcStream *stream; /* what domain->console is while this is the one; not a reference */
} Session;

/* On the main thread, once for each stream. */
static void on_stream_closed(gpointer data)
{
	Session *session = data;
	Domain *domain = session->domain;
	RpcStream *ended = NULL;

	g_mutex_lock(&domain->lock);
	if (domain->console == session->stream)
		ended = g_steal_pointer(&domain->console);
	g_mutex_unlock(&domain->lock);
	g_clear_pointer(&ended, rpc_stream_unref);
	domain_unref(domain);
	g_free(session);
}

/* With the lock: the terminal of the console that a client names, or NULL with @error set. */
static const char *terminal_of(const Domain *domain, const char *device, GError **error)
{
	const DomainDef *live = domain->live;
	const DomainSerial *serial = live && live->n_serials ? &live->serials[0] : NULL;

	if (!live)
		driver_error(error, VIR_ERR_OPERATION_INVALID, "domain '%s' is not running",
			     domain->name);
	else if (!serial || (device && g_strcmp0(device, serial->alias) != 0))
		driver_error(error, VIR_ERR_INTERNAL_ERROR, "cannot find console device '%s'",
			     device ? device : "default");
	else if (serial->type != DOMAIN_CHARDEV_PTY || !serial->path)
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     "console device '%s' is not using a PTY", serial->alias);
	else
		return serial->path;
	return NULL;
}

/* With the lock. Return: the terminal, opened, or -1 with @error set. */
static int open_console(const Domain *domain, const char *device, gboolean is_forced,
			GError **error)
{
	const char *path = terminal_of(domain, device, error);
	int fd;

	if (!path)
		return -1;
	if (domain->console && !is_forced) {
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     "Active console session exists for this domain");
		return -1;
	}
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "opening terminal '%s': %s", path,
			     g_strerror(errno));
	return fd;
}

static gboolean start_session(RpcCall *call, Domain *domain, const char *device, guint flags,
			      GError **error)
{
	RpcStream *previous = NULL;
	Session *session;
	int fd;

	g_mutex_lock(&domain->lock);
	fd = open_console(domain, device, flags & VIR_DOMAIN_CONSOLE_FORCE, error);
	if (fd >= 0) {
		session = g_new0(Session, 1);
		session->domain = domain_ref(domain);
		previous = g_steal_pointer(&domain->console);
		session->stream = rpc_stream_open(call, fd, on_stream_closed, session);
		domain->console = session->stream;
	}
	g_mutex_unlock(&domain->lock);
	if (previous) {
		rpc_stream_close(previous, "another client has taken the console over");
		rpc_stream_unref(previous);
	}
	return fd >= 0;
}

static gboolean open_console_call(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainOpenConsole_args *request = args;
	g_autoptr(Domain) domain = calls_domain(call, &request->dom, error);

	(void)result;
	/* There is never more than one session, so that every one is a safe one. */
	return domain &&
	       calls_check_flags("virDomainOpenConsole", request->flags,
				 VIR_DOMAIN_CONSOLE_FORCE | VIR_DOMAIN_CONSOLE_SAFE, error) &&
	       start_session(call, domain, request->device ? *request->device : NULL,
			     request->flags, error);
}

const RpcProcedure calls_console[] = {
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_OPEN_CONSOLE, RPC_ACCESS_WRITE, DomainOpenConsole,
			   open_console_call),
	{ .name = NULL },
};
