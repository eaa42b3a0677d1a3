/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * events.h - telling clients what happens to domains
 *
 * Theory of operation
 *
 * A client registers for a kind of event, of one domain or of all. libvirt's protocol has
 * two generations: the older one registers a kind at most once a connection, the newer one
 * any number of times, each with an id that comes with its events. Both are served.
 * Functions here are safe on any thread.
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

/* The procedures that register and deregister. */
extern const RpcProcedure rpc_event_procedures[];
