/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* link.c - what a domain's network card has behind it, by the type of its <interface> */
#include "driver/network/link.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/libvirt-network.h"
#include "driver/network/macvtap.h"
#include "driver/network/passt.h"
#include "driver/network/tap.h"
#include "driver/network/traffic.h"

void network_link_clear(NetworkLink *link)
{
	for (guint i = 0; link->fds && i < link->fds->len; i++)
		close(g_array_index(link->fds, int, i));
	g_clear_pointer(&link->fds, g_array_unref);
	if (link->passt_socket >= 0)
		close(link->passt_socket);
	link->passt_socket = -1;
}

static guint count_queues(const DomainInterface *interface)
{
	return MAX(interface->queues, 1);
}

static gboolean open_passt(NetworkLink *link, GError **error)
{
	int ends[2];

	if (!passt_is_installed(PASST_PROGRAM, error))
		return FALSE;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make a socket: %s"),
				    g_strerror(errno));
	g_array_append_val(link->fds, ends[0]);
	link->passt_socket = ends[1];
	return TRUE;
}

/* @bridge: NULL: in none */
static char *open_tap(const DomainInterface *interface, const char *bridge, NetworkLink *link,
		      GError **error)
{
	const TapConfig config = {
		.name = interface->target ? interface->target : TAP_NAME_TEMPLATE,
		.is_there = interface->type == DOMAIN_INTERFACE_ETHERNET &&
			    interface->is_managed == DOMAIN_SWITCH_NO,
		.queues = count_queues(interface),
		.mac = interface->mac,
		.mtu = interface->mtu,
		.bridge = bridge,
	};

	return tap_open(&config, link->fds, error);
}

static char *open_network(DomainInterface *interface, NetworkLink *link, GError **error)
{
	g_free(interface->bridge);
	interface->bridge = libvirt_network_bridge(NULL, interface->source, LIBVIRT_NETWORK_SECONDS,
						   error);
	return interface->bridge ? open_tap(interface, interface->bridge, link, error) : NULL;
}

static char *open_macvtap(const DomainInterface *interface, NetworkLink *link, GError **error)
{
	static const enum macvlan_mode modes[] = {
		[DOMAIN_DIRECT_VEPA] = MACVLAN_MODE_VEPA,
		[DOMAIN_DIRECT_BRIDGE] = MACVLAN_MODE_BRIDGE,
		[DOMAIN_DIRECT_PRIVATE] = MACVLAN_MODE_PRIVATE,
		[DOMAIN_DIRECT_PASSTHROUGH] = MACVLAN_MODE_PASSTHRU,
	};
	const MacvtapConfig config = {
		.name = interface->target,
		.lower = interface->source,
		.mode = modes[interface->mode],
		.queues = count_queues(interface),
		.mac = interface->mac,
		.mtu = interface->mtu,
	};

	return macvtap_open(&config, link->fds, error);
}

gboolean network_link_open(DomainInterface *interface, NetworkLink *link, GError **error)
{
	char *name = NULL;

	switch (interface->type) {
	case DOMAIN_INTERFACE_USER:
		return open_passt(link, error);
	case DOMAIN_INTERFACE_BRIDGE:
		name = open_tap(interface, interface->source, link, error);
		break;
	case DOMAIN_INTERFACE_ETHERNET:
		name = open_tap(interface, NULL, link, error);
		break;
	case DOMAIN_INTERFACE_DIRECT:
		name = open_macvtap(interface, link, error);
		break;
	case DOMAIN_INTERFACE_NETWORK:
		name = open_network(interface, link, error);
		break;
	}
	if (!name)
		return FALSE;
	g_free(interface->target);
	interface->target = name;
	if (domain_bandwidth_is_empty(&interface->bandwidth) ||
	    network_link_limit(interface, error))
		return TRUE;
	network_link_forget(interface);
	return FALSE;
}

/*
 * What comes to the guest is what the host sends by a tap. A macvtap device is the guest's own:
 * what it sends is the guest's.
 */
gboolean network_link_limit(const DomainInterface *interface, GError **error)
{
	const DomainBandwidth *bandwidth = &interface->bandwidth;

	if (interface->type == DOMAIN_INTERFACE_DIRECT)
		return traffic_limit(interface->target, &bandwidth->outbound, &bandwidth->inbound,
				     error);
	return traffic_limit(interface->target, &bandwidth->inbound, &bandwidth->outbound, error);
}

gboolean network_link_change_limit(const DomainInterface *was, const DomainInterface *interface,
				   GError **error)
{
	g_autoptr(GError) cause = NULL;
	g_autoptr(GError) lost = NULL;

	if (domain_bandwidth_is_same(&was->bandwidth, &interface->bandwidth) ||
	    network_link_limit(interface, &cause))
		return TRUE;
	if (network_link_limit(was, &lost)) {
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("%s; what limited it before could not be put back, so that nothing "
			      "limits it now: %s"),
			    driver_error_detail(cause), driver_error_detail(lost));
}

void network_link_forget(const DomainInterface *interface)
{
	static const DomainBandwidthLimit none;

	/* A device that stays is as it was found. */
	if (interface->is_managed == DOMAIN_SWITCH_NO &&
	    !domain_bandwidth_is_empty(&interface->bandwidth) && interface->target)
		(void)traffic_limit(interface->target, &none, &none, NULL);
	if (interface->type == DOMAIN_INTERFACE_DIRECT && interface->target)
		macvtap_delete(interface->target);
}

void network_links_forget(const DomainDef *def)
{
	for (guint i = 0; def && i < def->interfaces->len; i++)
		network_link_forget(def->interfaces->pdata[i]);
}
