/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* interfaces.c - procedures that say what has gone through interfaces, and which addresses they
 * have */
#include <glib/gi18n.h>

#include "driver/agent/agent-reader.h"
#include "driver/calls/calls.h"
#include "driver/domain/agent.h"
#include "driver/domain/leases.h"
#include "driver/error.h"
#include "driver/host/net-device.h"

/* With the lock: the device on the host, for g_free(), or NULL with @error set. */
static char *find_device(const Domain *domain, const char *name, gboolean *is_shared,
			 GError **error)
{
	const DomainDef *live = domain->live;
	const DomainInterface *interface = live ? domain_find_interface(live, name) : NULL;

	if (!live)
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	else if (!interface)
		driver_error(error, VIR_ERR_INVALID_ARG, _("domain '%s' has no interface '%s'"),
			     domain->name, name);
	else if (!interface->target)
		driver_error(error, VIR_ERR_INTERNAL_ERROR,
			     _("interface '%s' has no device on the host that would count"), name);
	else {
		*is_shared = interface->type == DOMAIN_INTERFACE_DIRECT;
		return g_strdup(interface->target);
	}
	return NULL;
}

static gboolean interface_stats(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainInterfaceStats_args *request = args;
	DomainInterfaceStats_ret *ret = result;
	Domain *domain = call->object;
	gboolean is_shared = FALSE;
	g_autofree char *device = NULL;
	NetCounters counters;

	g_mutex_lock(&domain->lock);
	device = find_device(domain, request->device, &is_shared, error);
	g_mutex_unlock(&domain->lock);
	if (!device || !net_device_read_guest_counters("/", device, is_shared, &counters, error))
		return FALSE;
	ret->rx_bytes = (gint64)counters.received.bytes;
	ret->rx_packets = (gint64)counters.received.packets;
	ret->rx_errs = (gint64)counters.received.errors;
	ret->rx_drop = (gint64)counters.received.drops;
	ret->tx_bytes = (gint64)counters.sent.bytes;
	ret->tx_packets = (gint64)counters.sent.packets;
	ret->tx_errs = (gint64)counters.sent.errors;
	ret->tx_drop = (gint64)counters.sent.drops;
	return TRUE;
}

/* What the addresses of one interface are asked with. */
typedef struct {
	char *device;
	char mac[DOMAIN_MAC_STRING_SIZE];
} Named;

static void clear_named(gpointer data)
{
	Named *named = data;

	g_free(named->device);
}

/* The interfaces with a device on the host, or NULL with @error set. */
static GArray *list_interfaces(Domain *domain, GError **error)
{
	GArray *list = NULL;

	g_mutex_lock(&domain->lock);
	if (domain->live) {
		list = g_array_new(FALSE, TRUE, sizeof(Named));
		g_array_set_clear_func(list, clear_named);
	} else {
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
			     domain->name);
	}
	for (guint i = 0; list && i < domain->live->interfaces->len; i++) {
		const DomainInterface *interface = domain->live->interfaces->pdata[i];
		Named named = { .device = g_strdup(interface->target) };

		domain_mac_format(interface->mac, named.mac);
		if (named.device)
			g_array_append_val(list, named);
	}
	g_mutex_unlock(&domain->lock);
	return list;
}

/* Takes the addresses over. */
static void fill_interface(RpcInterface *wire, const Named *named, GPtrArray *addresses)
{
	wire->name = g_strdup(named->device);
	wire->hwaddr = g_new(RpcString, 1);
	*wire->hwaddr = g_strdup(named->mac);
	wire->addresses.addresses_len = MIN(addresses->len, RPC_INTERFACE_ADDRESSES_MAX);
	wire->addresses.addresses_val = g_new0(RpcInterfaceAddress, wire->addresses.addresses_len);
	for (guint i = 0; i < wire->addresses.addresses_len; i++) {
		wire->addresses.addresses_val[i].type = VIR_IP_ADDR_TYPE_IPV4;
		wire->addresses.addresses_val[i].address = g_strdup(addresses->pdata[i]);
	}
	g_ptr_array_unref(addresses);
}

/* Those that the host has talked to. An interface without one is left out, as libvirt does. */
static gboolean find_by_arp(Domain *domain, DomainInterfaceAddresses_ret *ret, GError **error)
{
	g_autoptr(GArray) list = list_interfaces(domain, error);

	if (!list)
		return FALSE;
	ret->interfaces.interfaces_val = g_new0(RpcInterface, list->len + 1);
	for (guint i = 0; i < list->len; i++) {
		const Named *named = &g_array_index(list, Named, i);
		GPtrArray *addresses = net_device_find_neighbours("/", named->mac, error);

		if (!addresses)
			return FALSE;
		if (addresses->len > 0)
			fill_interface(
				&ret->interfaces.interfaces_val[ret->interfaces.interfaces_len++],
				named, addresses);
		else
			g_ptr_array_unref(addresses);
	}
	return TRUE;
}

static void fill_leases(RpcInterface *wire, const CardLeases *card)
{
	wire->name = g_strdup(card->device);
	wire->hwaddr = g_new(RpcString, 1);
	*wire->hwaddr = g_strdup(card->mac);
	wire->addresses.addresses_len = MIN(card->leases->len, RPC_INTERFACE_ADDRESSES_MAX);
	wire->addresses.addresses_val = g_new0(RpcInterfaceAddress, wire->addresses.addresses_len);
	for (guint i = 0; i < wire->addresses.addresses_len; i++) {
		const NetworkLease *lease = card->leases->pdata[i];

		wire->addresses.addresses_val[i] = (RpcInterfaceAddress){
			.type = lease->is_ipv6 ? VIR_IP_ADDR_TYPE_IPV6 : VIR_IP_ADDR_TYPE_IPV4,
			.address = g_strdup(lease->address),
			.prefix = lease->prefix,
		};
	}
}

/* Those that libvirt's networks have given. */
static gboolean find_by_lease(Domain *domain, DomainInterfaceAddresses_ret *ret, GError **error)
{
	g_autoptr(GPtrArray) cards = leases_find(domain, error);

	if (!cards)
		return FALSE;
	ret->interfaces.interfaces_len = cards->len;
	ret->interfaces.interfaces_val = g_new0(RpcInterface, cards->len);
	for (guint i = 0; i < cards->len; i++)
		fill_leases(&ret->interfaces.interfaces_val[i], cards->pdata[i]);
	return TRUE;
}

/* An address as the protocol has it; FALSE where the guest's is none. */
static gboolean fill_address(RpcInterfaceAddress *wire, JsonObject *address)
{
	const char *kind = agent_string(address, "ip-address-type");
	const char *text = agent_string(address, "ip-address");
	const gint64 prefix = agent_number(address, "prefix", 0);

	if (!text || prefix < 0 || prefix > 128)
		return FALSE;
	wire->type = g_strcmp0(kind, "ipv6") == 0 ? VIR_IP_ADDR_TYPE_IPV6 : VIR_IP_ADDR_TYPE_IPV4;
	wire->address = g_strdup(text);
	wire->prefix = (u_int)prefix;
	return TRUE;
}

static gboolean fill_guest_interface(RpcInterface *wire, JsonObject *interface)
{
	const char *name = agent_string(interface, "name");
	const char *mac = agent_string(interface, "hardware-address");
	g_autoptr(GPtrArray) addresses = agent_objects(agent_array(interface, "ip-addresses"));

	if (!name)
		return FALSE;
	wire->name = g_strdup(name);
	if (mac) {
		wire->hwaddr = g_new(RpcString, 1);
		*wire->hwaddr = g_strdup(mac);
	}
	wire->addresses.addresses_val = g_new0(RpcInterfaceAddress, addresses->len + 1);
	for (guint i = 0; i < addresses->len; i++)
		wire->addresses.addresses_len +=
			fill_address(&wire->addresses.addresses_val[wire->addresses.addresses_len],
				     addresses->pdata[i]);
	return TRUE;
}

static gboolean find_by_agent(RpcCall *call, DomainInterfaceAddresses_ret *ret, GError **error)
{
	g_autoptr(AgentSession) session = NULL;
	g_autoptr(JsonNode) answer = NULL;
	g_autoptr(GPtrArray) interfaces = NULL;

	if (rpc_client_is_readonly(call->client))
		return driver_error(error, VIR_ERR_OPERATION_DENIED,
				    _("asking the guest agent on a read-only connection"));
	session = agent_begin(call->object, error);
	answer = session ? agent_ask(session, "guest-network-get-interfaces", NULL, error) : NULL;
	if (!answer)
		return FALSE;
	interfaces = agent_objects(JSON_NODE_HOLDS_ARRAY(answer) ? json_node_get_array(answer) :
								   NULL);
	ret->interfaces.interfaces_val = g_new0(RpcInterface, interfaces->len + 1);
	for (guint i = 0; i < interfaces->len; i++)
		ret->interfaces.interfaces_len += fill_guest_interface(
			&ret->interfaces.interfaces_val[ret->interfaces.interfaces_len],
			interfaces->pdata[i]);
	return TRUE;
}

static gboolean interface_addresses(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainInterfaceAddresses_args *request = args;

	switch (request->source) {
	case VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE:
		return find_by_lease(call->object, result, error);
	case VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP:
		return find_by_arp(call->object, result, error);
	case VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT:
		return find_by_agent(call, result, error);
	default:
		return driver_error(error, VIR_ERR_ARGUMENT_UNSUPPORTED,
				    _("unknown source %u of addresses"), request->source);
	}
}

const RpcProcedure calls_interfaces[] = {
	RPC_PROCEDURE(RPC_DOMAIN_INTERFACE_STATS, RPC_ACCESS_READ, CALLS_DOMAIN,
		      DomainInterfaceStats, interface_stats),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_INTERFACE_ADDRESSES, RPC_ACCESS_READ, CALLS_DOMAIN,
			    DomainInterfaceAddresses, interface_addresses, 0),
	{ .name = NULL },
};
