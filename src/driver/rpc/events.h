/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events.h - telling clients what happens to domains
 *
 * Theory of operation
 *
 * A client registers for a kind of event, of one domain or of all. libvirt's protocol has
 * two generations: the older one registers a kind at most once a connection, the newer one
 * any number of times, each with an id that comes with its events. Both are served.
 *
 * An event is encoded once. What waits for a client is the event, whatever number of
 * registrations it has: their messages are made when it reads them.
 *
 * Functions here are safe on any thread, unless they say otherwise.
 */
#pragma once

#include <glib.h>

#include "driver/rpc/dispatch.h"

typedef struct RpcServer RpcServer;

/* What clients know a domain by. */
typedef struct {
	const char *name;
	const guint8 *uuid; /* VIR_UUID_BUFLEN bytes */
	int id;
} RpcEventDomain;

/* @event: VIR_DOMAIN_EVENT_*, @detail: VIR_DOMAIN_EVENT_<event>_* */
void rpc_events_send_lifecycle(RpcServer *server, const RpcEventDomain *domain, int event,
			       int detail);
void rpc_events_send_reboot(RpcServer *server, const RpcEventDomain *domain);

/* @actual_kib: what of its memory the guest has now */
void rpc_events_send_balloon_change(RpcServer *server, const RpcEventDomain *domain,
				    guint64 actual_kib);

/* @alias: of a device that has been attached to a domain that runs, or is gone */
void rpc_events_send_device_added(RpcServer *server, const RpcEventDomain *domain,
				  const char *alias);
void rpc_events_send_device_removed(RpcServer *server, const RpcEventDomain *domain,
				    const char *alias);

/* @alias: of a device that the guest has been asked to let go of, and keeps */
void rpc_events_send_device_kept(RpcServer *server, const RpcEventDomain *domain,
				 const char *alias);

/* @alias: of a drive whose tray has been opened or closed */
void rpc_events_send_tray_change(RpcServer *server, const RpcEventDomain *domain, const char *alias,
				 gboolean is_open);

/* The guest's agent has come or gone. */
void rpc_events_send_agent(RpcServer *server, const RpcEventDomain *domain, gboolean is_connected);

/* @action: VIR_DOMAIN_EVENT_WATCHDOG_*: what is done to a guest that is not alive */
void rpc_events_send_watchdog(RpcServer *server, const RpcEventDomain *domain, int action);

/* A disk that could not be read or written. */
typedef struct {
	const char *source; /* where it stores its data, or "" */
	const char *alias;
	int action;	    /* VIR_DOMAIN_EVENT_IO_ERROR_*: what has become of it */
	const char *reason; /* "enospc", or "" */
} RpcDiskError;

/* There are two kinds of event about that, of which the newer one has the reason. */
void rpc_events_send_disk_error(RpcServer *server, const RpcEventDomain *domain,
				const RpcDiskError *disk_error);

/*
 * rpc_events_await_room - wait until clients have been handed what was sent, but for a few
 *
 * For whoever sends as many events as somebody else likes, a VMM's monitor: events that come
 * faster than they can be handed on would pile up. Not on the main thread, and without a lock
 * that the main thread may want.
 */
void rpc_events_await_room(RpcServer *server);

/* The procedures that register and deregister. */
extern const RpcProcedure rpc_event_procedures[];
