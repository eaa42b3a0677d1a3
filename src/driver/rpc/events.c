/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events.c - telling clients what happens to domains */
#include "driver/rpc/events.h"

#include <glib/gi18n.h>
#include <libvirt/libvirt.h>
#include <string.h>

#include "driver/error.h"
#include "driver/rpc/private.h"
#include "driver/rpc/protocol.h"

/* More than any client needs; what is beyond would only cost memory. */
#define REGISTRATIONS_PER_CLIENT_MAX 256

/* Events on their way to the main thread at which rpc_events_await_room() waits. */
#define POSTED_MAX 8u

/* What one call of rpc_event_encode() makes, give or take a message. */
#define PIECE_SIZE 4096u

typedef struct {
	guint64 order; /* when it was made: of later events it is told, of earlier ones not */
	int callback;
	int event; /* VIR_DOMAIN_EVENT_ID_* */
	gboolean has_uuid;
	guint8 uuid[RPC_UUID_SIZE];
	gboolean is_old; /* of the protocol's first generation */
} Registration;

/*
 * What has happened, once for all who hear of it. Both generations carry the same payload, the
 * newer one with its callback in front.
 */
struct RpcEvent {
	gatomicrefcount references;
	guint64 order;
	int id; /* VIR_DOMAIN_EVENT_ID_* */
	guint8 uuid[RPC_UUID_SIZE];
	gint32 old_procedure; /* 0: the older generation does not have it */
	gint32 new_procedure;
	GBytes *payload;
};

GArray *rpc_events_new_registrations(void)
{
	return g_array_new(FALSE, FALSE, sizeof(Registration));
}

void rpc_events_forget_client(RpcServer *server, RpcClient *client)
{
	g_mutex_lock(&server->events_lock);
	g_array_set_size(client->registrations, 0);
	g_mutex_unlock(&server->events_lock);
}

RpcEvent *rpc_event_ref(RpcEvent *event)
{
	g_atomic_ref_count_inc(&event->references);
	return event;
}

void rpc_event_unref(RpcEvent *event)
{
	if (!g_atomic_ref_count_dec(&event->references))
		return;
	g_bytes_unref(event->payload);
	g_free(event);
}

gsize rpc_event_size(const RpcEvent *event)
{
	return sizeof(*event) + g_bytes_get_size(event->payload);
}

/* Whether a registration that was made before the event is for it. */
static gboolean matches(const Registration *registration, const RpcEvent *event)
{
	return registration->event == event->id && registration->order < event->order &&
	       (!registration->is_old || event->old_procedure != 0) &&
	       (!registration->has_uuid ||
		memcmp(registration->uuid, event->uuid, RPC_UUID_SIZE) == 0);
}

static gboolean wants_event(RpcClient *client, const RpcEvent *event)
{
	gboolean found = FALSE;

	g_mutex_lock(&client->server->events_lock);
	for (guint i = 0; i < client->registrations->len && !found; i++)
		found = matches(&g_array_index(client->registrations, Registration, i), event);
	g_mutex_unlock(&client->server->events_lock);
	return found;
}

static void append_message(GByteArray *piece, const Registration *registration,
			   const RpcEvent *event)
{
	const WireHeader header = {
		.program = WIRE_PROGRAM_REMOTE,
		.version = WIRE_PROGRAM_VERSION,
		.procedure = registration->is_old ? event->old_procedure : event->new_procedure,
		.type = WIRE_EVENT,
	};
	const guint32 callback = GUINT32_TO_BE((guint32)registration->callback);
	const gsize callback_size = registration->is_old ? 0 : sizeof(callback);
	gsize size;
	const void *payload = g_bytes_get_data(event->payload, &size);

	wire_append_header(piece, &header, callback_size + size);
	g_byte_array_append(piece, (const guint8 *)&callback, callback_size);
	g_byte_array_append(piece, payload, size);
}

GBytes *rpc_event_encode(const RpcEvent *event, RpcClient *client, guint64 *order)
{
	GByteArray *piece = g_byte_array_new();

	/* Registrations are in the order in which they were made. */
	g_mutex_lock(&client->server->events_lock);
	for (guint i = 0; i < client->registrations->len && piece->len < PIECE_SIZE; i++) {
		const Registration *registration = &g_array_index(client->registrations,
								  Registration, i);

		if (registration->order < *order || !matches(registration, event))
			continue;
		append_message(piece, registration, event);
		*order = registration->order + 1;
	}
	g_mutex_unlock(&client->server->events_lock);
	if (piece->len > 0)
		return g_byte_array_free_to_bytes(piece);
	g_byte_array_unref(piece);
	return NULL;
}

static RpcDomain wire_domain(const RpcEventDomain *domain)
{
	RpcDomain wire = { .name = (char *)domain->name, .id = domain->id };

	memcpy(wire.uuid, domain->uuid, sizeof(wire.uuid));
	return wire;
}

typedef struct {
	RpcServer *server;
	RpcEvent *event;
} PostedEvent;

static void send_posted(gpointer data)
{
	PostedEvent *posted = data;
	RpcServer *server = posted->server;

	/* Backwards, because closing a client moves the last one into its place. */
	for (guint i = server->clients->len; i-- > 0;) {
		RpcClient *client = g_ptr_array_index(server->clients, i);

		if (wants_event(client, posted->event))
			rpc_client_send_event(client, posted->event);
	}
	rpc_event_unref(posted->event);
	g_free(posted);
	g_mutex_lock(&server->events_lock);
	server->n_posted--;
	g_cond_broadcast(&server->has_room);
	g_mutex_unlock(&server->events_lock);
	rpc_limits_enforce(server);
}

/* @payload: NULL where it is over a limit of the protocol, taken */
static void send_event(RpcServer *server, int id, gint32 old_procedure, gint32 new_procedure,
		       const RpcEventDomain *domain, GBytes *payload)
{
	PostedEvent *posted;
	RpcEvent *event;

	if (!payload)
		return;
	event = g_new0(RpcEvent, 1);
	g_atomic_ref_count_init(&event->references);
	event->id = id;
	event->old_procedure = old_procedure;
	event->new_procedure = new_procedure;
	event->payload = payload;
	memcpy(event->uuid, domain->uuid, sizeof(event->uuid));
	posted = g_new0(PostedEvent, 1);
	posted->server = server;
	posted->event = event;
	/* Together, so that events leave in the order of what has happened. */
	g_mutex_lock(&server->events_lock);
	event->order = server->next_order++;
	server->n_posted++;
	rpc_server_post(server, send_posted, posted);
	g_mutex_unlock(&server->events_lock);
}

void rpc_events_await_room(RpcServer *server)
{
	g_mutex_lock(&server->events_lock);
	while (server->n_posted >= POSTED_MAX && !server->is_stopping)
		g_cond_wait(&server->has_room, &server->events_lock);
	g_mutex_unlock(&server->events_lock);
}

void rpc_events_stop(RpcServer *server)
{
	g_mutex_lock(&server->events_lock);
	server->is_stopping = TRUE;
	g_cond_broadcast(&server->has_room);
	g_mutex_unlock(&server->events_lock);
}

void rpc_events_send_lifecycle(RpcServer *server, const RpcEventDomain *domain, int event,
			       int detail)
{
	const DomainEventLifecycle_msg message = {
		.dom = wire_domain(domain),
		.event = event,
		.detail = detail,
	};

	send_event(server, VIR_DOMAIN_EVENT_ID_LIFECYCLE, RPC_DOMAIN_EVENT_LIFECYCLE,
		   RPC_DOMAIN_EVENT_CALLBACK_LIFECYCLE, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventLifecycle_msg, &message));
}

void rpc_events_send_reboot(RpcServer *server, const RpcEventDomain *domain)
{
	const DomainEventReboot_msg message = { .dom = wire_domain(domain) };

	send_event(server, VIR_DOMAIN_EVENT_ID_REBOOT, RPC_DOMAIN_EVENT_REBOOT,
		   RPC_DOMAIN_EVENT_CALLBACK_REBOOT, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventReboot_msg, &message));
}

void rpc_events_send_watchdog(RpcServer *server, const RpcEventDomain *domain, int action)
{
	const DomainEventWatchdog_msg message = { .dom = wire_domain(domain), .action = action };

	send_event(server, VIR_DOMAIN_EVENT_ID_WATCHDOG, RPC_DOMAIN_EVENT_WATCHDOG,
		   RPC_DOMAIN_EVENT_CALLBACK_WATCHDOG, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventWatchdog_msg, &message));
}

void rpc_events_send_balloon_change(RpcServer *server, const RpcEventDomain *domain,
				    guint64 actual_kib)
{
	const DomainEventBalloonChange_msg message = {
		.dom = wire_domain(domain),
		.actual = actual_kib,
	};

	send_event(server, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, RPC_DOMAIN_EVENT_BALLOON_CHANGE,
		   RPC_DOMAIN_EVENT_CALLBACK_BALLOON_CHANGE, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventBalloonChange_msg, &message));
}

static GBytes *device_payload(const RpcEventDomain *domain, const char *alias)
{
	const DomainEventDevice_msg message = {
		.dom = wire_domain(domain),
		.alias = (char *)alias,
	};

	return wire_encode_payload((xdrproc_t)xdr_DomainEventDevice_msg, &message);
}

void rpc_events_send_device_added(RpcServer *server, const RpcEventDomain *domain,
				  const char *alias)
{
	send_event(server, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, 0,
		   RPC_DOMAIN_EVENT_CALLBACK_DEVICE_ADDED, domain, device_payload(domain, alias));
}

void rpc_events_send_device_removed(RpcServer *server, const RpcEventDomain *domain,
				    const char *alias)
{
	send_event(server, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, RPC_DOMAIN_EVENT_DEVICE_REMOVED,
		   RPC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVED, domain, device_payload(domain, alias));
}

void rpc_events_send_device_kept(RpcServer *server, const RpcEventDomain *domain, const char *alias)
{
	send_event(server, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED, 0,
		   RPC_DOMAIN_EVENT_CALLBACK_DEVICE_REMOVAL_FAILED, domain,
		   device_payload(domain, alias));
}

void rpc_events_send_tray_change(RpcServer *server, const RpcEventDomain *domain, const char *alias,
				 gboolean is_open)
{
	const DomainEventTrayChange_msg message = {
		.dom = wire_domain(domain),
		.alias = (char *)alias,
		.reason = is_open ? VIR_DOMAIN_EVENT_TRAY_CHANGE_OPEN :
				    VIR_DOMAIN_EVENT_TRAY_CHANGE_CLOSE,
	};

	send_event(server, VIR_DOMAIN_EVENT_ID_TRAY_CHANGE, RPC_DOMAIN_EVENT_TRAY_CHANGE,
		   RPC_DOMAIN_EVENT_CALLBACK_TRAY_CHANGE, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventTrayChange_msg, &message));
}

void rpc_events_send_agent(RpcServer *server, const RpcEventDomain *domain, gboolean is_connected)
{
	const DomainEventAgentLifecycle_msg message = {
		.dom = wire_domain(domain),
		.state = is_connected ? VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED :
					VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED,
		.reason = VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL,
	};

	send_event(server, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, 0,
		   RPC_DOMAIN_EVENT_CALLBACK_AGENT_LIFECYCLE, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventAgentLifecycle_msg, &message));
}

void rpc_events_send_disk_error(RpcServer *server, const RpcEventDomain *domain,
				const RpcDiskError *disk_error)
{
	const DomainEventIOError_msg message = {
		.dom = wire_domain(domain),
		.source = (char *)disk_error->source,
		.alias = (char *)disk_error->alias,
		.action = disk_error->action,
	};
	const DomainEventIOErrorReason_msg with_reason = {
		.dom = message.dom,
		.source = message.source,
		.alias = message.alias,
		.action = message.action,
		.reason = (char *)disk_error->reason,
	};

	send_event(server, VIR_DOMAIN_EVENT_ID_IO_ERROR, RPC_DOMAIN_EVENT_IO_ERROR,
		   RPC_DOMAIN_EVENT_CALLBACK_IO_ERROR, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventIOError_msg, &message));
	send_event(server, VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, RPC_DOMAIN_EVENT_IO_ERROR_REASON,
		   RPC_DOMAIN_EVENT_CALLBACK_IO_ERROR_REASON, domain,
		   wire_encode_payload((xdrproc_t)xdr_DomainEventIOErrorReason_msg, &with_reason));
}

/* Return: index of an old registration for @event of the client's, or -1. With events_lock. */
static int find_old(const RpcClient *client, int event)
{
	for (guint i = 0; i < client->registrations->len; i++) {
		const Registration *registration = &g_array_index(client->registrations,
								  Registration, i);

		if (registration->is_old && registration->event == event)
			return i;
	}
	return -1;
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
		return driver_error(error, VIR_ERR_INVALID_ARG, _("unknown kind of event %d"),
				    registration->event);
	g_mutex_lock(&server->events_lock);
	if (registration->is_old && find_old(call->client, registration->event) >= 0)
		driver_error(error, VIR_ERR_OPERATION_INVALID,
			     _("events of kind %d are registered for already"),
			     registration->event);
	else if (call->client->registrations->len >= REGISTRATIONS_PER_CLIENT_MAX)
		driver_error(error, VIR_ERR_OPERATION_INVALID,
			     ngettext("a client may register %d time at most",
				      "a client may register %d times at most",
				      REGISTRATIONS_PER_CLIENT_MAX),
			     REGISTRATIONS_PER_CLIENT_MAX);
	else
		added = TRUE;
	if (added) {
		registration->callback = server->next_callback;
		server->next_callback = server->next_callback % G_MAXINT + 1;
		registration->order = server->next_order++;
		g_array_append_val(call->client->registrations, *registration);
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
	index = find_old(call->client, event);
	if (index >= 0)
		g_array_remove_index(call->client->registrations, index);
	g_mutex_unlock(&server->events_lock);
	return index >= 0 || driver_error(error, VIR_ERR_OPERATION_INVALID,
					  _("events of kind %d are not registered for"), event);
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
	GArray *registrations = call->client->registrations;
	gboolean removed = FALSE;

	(void)result;
	g_mutex_lock(&server->events_lock);
	for (guint i = 0; i < registrations->len && !removed; i++) {
		const Registration *registration = &g_array_index(registrations, Registration, i);

		removed = !registration->is_old && registration->callback == request->callback;
		if (removed)
			g_array_remove_index(registrations, i);
	}
	g_mutex_unlock(&server->events_lock);
	return removed || driver_error(error, VIR_ERR_INVALID_ARG,
				       _("callback %d is not registered"), request->callback);
}

const RpcProcedure rpc_event_procedures[] = {
	RPC_PROCEDURE_RET(RPC_CONNECT_DOMAIN_EVENT_REGISTER, RPC_ACCESS_READ,
			  ConnectDomainEventRegister, event_register),
	RPC_PROCEDURE_RET(RPC_CONNECT_DOMAIN_EVENT_DEREGISTER, RPC_ACCESS_READ,
			  ConnectDomainEventDeregister, event_deregister),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_DOMAIN_EVENT_REGISTER_ANY, RPC_ACCESS_READ, RPC_CONNECTION,
			   ConnectDomainEventRegisterAny, event_register_any),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_DOMAIN_EVENT_DEREGISTER_ANY, RPC_ACCESS_READ, RPC_CONNECTION,
			   ConnectDomainEventDeregisterAny, event_deregister_any),
	RPC_PROCEDURE(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, RPC_ACCESS_READ,
		      RPC_CONNECTION, ConnectDomainEventCallbackRegisterAny,
		      event_callback_register),
	RPC_PROCEDURE_ARGS(RPC_CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, RPC_ACCESS_READ,
			   RPC_CONNECTION, ConnectDomainEventCallbackDeregisterAny,
			   event_callback_deregister),
	{ .name = NULL },
};
