/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events.c - telling clients what happens to domains */
#include "driver/rpc/events.h"

#include <libvirt/libvirt.h>
#include <string.h>

#include "driver/error.h"
#include "driver/rpc/private.h"
#include "driver/rpc/protocol.h"

/* More than any client needs; what is beyond would only cost memory. */
#define REGISTRATIONS_PER_CLIENT_MAX 256

typedef struct {
	RpcClient *client; /* no reference: gone with rpc_events_forget_client() */
	int callback;
	int event; /* VIR_DOMAIN_EVENT_ID_* */
	gboolean has_uuid;
	guint8 uuid[RPC_UUID_SIZE];
	gboolean is_old; /* of the protocol's first generation */
} Registration;

GArray *rpc_events_new_registrations(void)
{
	return g_array_new(FALSE, FALSE, sizeof(Registration));
}

void rpc_events_forget_client(RpcServer *server, RpcClient *client)
{
	g_mutex_lock(&server->events_lock);
	for (guint i = server->registrations->len; i-- > 0;) {
		if (g_array_index(server->registrations, Registration, i).client == client)
			g_array_remove_index_fast(server->registrations, i);
	}
	g_mutex_unlock(&server->events_lock);
}

/* One message for one registration; both generations carry the same payload. */
typedef GBytes *(*EncodeEvent)(const Registration *registration, const RpcEventDomain *domain,
			       int event, int detail);

static RpcDomain wire_domain(const RpcEventDomain *domain)
{
	RpcDomain wire = { .name = (char *)domain->name, .id = domain->id };

	memcpy(wire.uuid, domain->uuid, sizeof(wire.uuid));
	return wire;
}

static WireHeader event_header(int procedure)
{
	return (WireHeader){
		.program = WIRE_PROGRAM_REMOTE,
		.version = WIRE_PROGRAM_VERSION,
		.procedure = procedure,
		.type = WIRE_EVENT,
	};
}

static GBytes *encode_lifecycle(const Registration *registration, const RpcEventDomain *domain,
				int event, int detail)
{
	const DomainEventCallbackLifecycle_msg message = {
		.callback = registration->callback,
		.msg = { .dom = wire_domain(domain), .event = event, .detail = detail },
	};
	const WireHeader header = event_header(registration->is_old ?
						       RPC_DOMAIN_EVENT_LIFECYCLE :
						       RPC_DOMAIN_EVENT_CALLBACK_LIFECYCLE);

	if (registration->is_old)
		return wire_encode(&header, (xdrproc_t)xdr_DomainEventLifecycle_msg, &message.msg);
	return wire_encode(&header, (xdrproc_t)xdr_DomainEventCallbackLifecycle_msg, &message);
}

static GBytes *encode_reboot(const Registration *registration, const RpcEventDomain *domain,
			     int event, int detail)
{
	const DomainEventCallbackReboot_msg message = {
		.callback = registration->callback,
		.msg = { .dom = wire_domain(domain) },
	};
	const WireHeader header = event_header(
		registration->is_old ? RPC_DOMAIN_EVENT_REBOOT : RPC_DOMAIN_EVENT_CALLBACK_REBOOT);

	(void)event;
	(void)detail;
	if (registration->is_old)
		return wire_encode(&header, (xdrproc_t)xdr_DomainEventReboot_msg, &message.msg);
	return wire_encode(&header, (xdrproc_t)xdr_DomainEventCallbackReboot_msg, &message);
}

static void send_event(RpcServer *server, int id, EncodeEvent encode, const RpcEventDomain *domain,
		       int event, int detail)
{
	g_mutex_lock(&server->events_lock);
	for (guint i = 0; i < server->registrations->len; i++) {
		const Registration *registration = &g_array_index(server->registrations,
								  Registration, i);
		GBytes *message;

		if (registration->event != id ||
		    (registration->has_uuid &&
		     memcmp(registration->uuid, domain->uuid, RPC_UUID_SIZE) != 0))
			continue;
		message = encode(registration, domain, event, detail);
		if (message)
			rpc_client_post(registration->client, message);
	}
	g_mutex_unlock(&server->events_lock);
}

void rpc_events_send_lifecycle(RpcServer *server, const RpcEventDomain *domain, int event,
			       int detail)
{
	send_event(server, VIR_DOMAIN_EVENT_ID_LIFECYCLE, encode_lifecycle, domain, event, detail);
}

void rpc_events_send_reboot(RpcServer *server, const RpcEventDomain *domain)
{
	send_event(server, VIR_DOMAIN_EVENT_ID_REBOOT, encode_reboot, domain, 0, 0);
}

/* Return: index of an old registration for @event of the client's, or -1. With events_lock. */
static int find_old(RpcServer *server, const RpcClient *client, int event)
{
	for (guint i = 0; i < server->registrations->len; i++) {
		const Registration *registration = &g_array_index(server->registrations,
								  Registration, i);

		if (registration->client == client && registration->is_old &&
		    registration->event == event)
			return i;
	}
	return -1;
}

static guint count_registrations(RpcServer *server, const RpcClient *client)
{
	guint count = 0;

	for (guint i = 0; i < server->registrations->len; i++)
		count += g_array_index(server->registrations, Registration, i).client == client;
	return count;
}

/*
 * Adds a registration. A kind that never happens here, or that only a newer client knows, is
 * accepted: that nothing is heard of it is the truth.
 */
static gboolean add_registration(RpcCall *call, Registration *registration, GError **error)
{
	RpcServer *server = call->client->server;
	gboolean added = FALSE;

	if (registration->event < 0)
		return driver_error(error, VIR_ERR_INVALID_ARG, "unknown kind of event %d",
				    registration->event);
	registration->client = call->client;
	g_mutex_lock(&server->events_lock);
	if (registration->is_old && find_old(server, call->client, registration->event) >= 0)
		driver_error(error, VIR_ERR_OPERATION_INVALID,
			     "events of kind %d are registered for already", registration->event);
	else if (count_registrations(server, call->client) >= REGISTRATIONS_PER_CLIENT_MAX)
		driver_error(error, VIR_ERR_OPERATION_INVALID,
			     "a client may register %d times at most",
			     REGISTRATIONS_PER_CLIENT_MAX);
	else
		added = TRUE;
	if (added) {
		registration->callback = server->next_callback;
		server->next_callback = server->next_callback % G_MAXINT + 1;
		g_array_append_val(server->registrations, *registration);
	}
	g_mutex_unlock(&server->events_lock);
	/* A client that left meanwhile has been forgotten before it was there. */
	if (added && rpc_client_is_closed(call->client))
		rpc_events_forget_client(server, call->client);
	return added;
}

static gboolean remove_old(RpcCall *call, int event, GError **error)
{
	RpcServer *server = call->client->server;
	int index;

	g_mutex_lock(&server->events_lock);
	index = find_old(server, call->client, event);
	if (index >= 0)
		g_array_remove_index_fast(server->registrations, index);
	g_mutex_unlock(&server->events_lock);
	return index >= 0 || driver_error(error, VIR_ERR_OPERATION_INVALID,
					  "events of kind %d are not registered for", event);
}

static gboolean event_register(RpcCall *call, const void *args, void *result, GError **error)
{
	Registration registration = { .event = VIR_DOMAIN_EVENT_ID_LIFECYCLE, .is_old = TRUE };
	ConnectDomainEventRegister_ret *ret = result;

	(void)args;
	ret->registered = 1;
	return add_registration(call, &registration, error);
}

static gboolean event_deregister(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectDomainEventDeregister_ret *ret = result;

	(void)args;
	ret->registered = 0;
	return remove_old(call, VIR_DOMAIN_EVENT_ID_LIFECYCLE, error);
}

static gboolean event_register_any(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectDomainEventRegisterAny_args *request = args;
	Registration registration = { .event = request->event, .is_old = TRUE };

	(void)result;
	return add_registration(call, &registration, error);
}

static gboolean event_deregister_any(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectDomainEventDeregisterAny_args *request = args;

	(void)result;
	return remove_old(call, request->event, error);
}

static gboolean event_callback_register(RpcCall *call, const void *args, void *result,
					GError **error)
{
	const ConnectDomainEventCallbackRegisterAny_args *request = args;
	ConnectDomainEventCallbackRegisterAny_ret *ret = result;
	Registration registration = { .event = request->event };

	if (request->dom) {
		registration.has_uuid = TRUE;
		memcpy(registration.uuid, request->dom->uuid, RPC_UUID_SIZE);
	}
	if (!add_registration(call, &registration, error))
		return FALSE;
	ret->callback = registration.callback;
	return TRUE;
}

static gboolean event_callback_deregister(RpcCall *call, const void *args, void *result,
					  GError **error)
{
	const ConnectDomainEventCallbackDeregisterAny_args *request = args;
	RpcServer *server = call->client->server;
	gboolean removed = FALSE;

	(void)result;
	g_mutex_lock(&server->events_lock);
	for (guint i = 0; i < server->registrations->len && !removed; i++) {
		const Registration *registration = &g_array_index(server->registrations,
								  Registration, i);

		removed = registration->client == call->client && !registration->is_old &&
			  registration->callback == request->callback;
		if (removed)
			g_array_remove_index_fast(server->registrations, i);
	}
	g_mutex_unlock(&server->events_lock);
	return removed || driver_error(error, VIR_ERR_INVALID_ARG, "callback %d is not registered",
				       request->callback);
}

const RpcProcedure rpc_event_procedures[] = {
	RPC_PROCEDURE_RET(RPC_CONNECT_DOMAIN_EVENT_REGISTER, RPC_ACCESS_READ,
			  ConnectDomainEventRegister, event_register),
	RPC_PROCEDURE_RET(RPC_CONNECT_DOMAIN_EVENT_DEREGISTER, RPC_ACCESS_READ,
			  ConnectDomainEventDeregister, event_deregister),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_DOMAIN_EVENT_REGISTER_ANY, RPC_ACCESS_READ,
			   ConnectDomainEventRegisterAny, event_register_any),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, RPC_ACCESS_READ,
			   ConnectDomainEventDeregisterAny, event_deregister_any),
	RPC_PROCEDURE(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, RPC_ACCESS_READ,
		      ConnectDomainEventCallbackRegisterAny, event_callback_register),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, RPC_ACCESS_READ,
			   ConnectDomainEventCallbackDeregisterAny, event_callback_deregister),
	{ .name = NULL },
};
