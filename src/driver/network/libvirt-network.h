/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvirt-network.h - networks that libvirt's network driver has, by name
 *
 * libvirt makes, firewalls and numbers them (virtnetworkd, or libvirtd). Here they are asked for by
 * its public API, as any client does; a guest's card becomes a port of the network's bridge.
 */
#pragma once

#include <glib.h>

/* Less than what calls wait for the job of a domain. */
#define LIBVIRT_NETWORK_SECONDS 20

/*
 * libvirt_network_bridge - the bridge of a network
 * @uri: of libvirt's network driver; NULL: "network:///system", or session where we are not root
 * @seconds: that libvirt's daemon may take, which may have to be started
 *
 * Return: its name, for g_free(); NULL with DRIVER_ERROR, of libvirt's own code where it is libvirt
 * that refuses, VIR_ERR_OPERATION_TIMEOUT where it does not answer, that names the network.
 */
char *libvirt_network_bridge(const char *uri, const char *name, guint seconds, GError **error);

/* An address that a network's DHCP server has given to somebody. */
typedef struct {
	gboolean is_ipv6;
	char *address;
	guint prefix;
	char *hostname; /* that its owner has asked for or been given, or NULL */
} NetworkLease;

/*
 * libvirt_network_leases - the addresses that a network has given to one card, as far as they last
 * @uri, @seconds: as above
 * @mac: as domain_mac_format() writes it
 *
 * Return: of NetworkLease, for g_ptr_array_unref(), none where nobody has asked for one; NULL with
 * DRIVER_ERROR as above.
 */
GPtrArray *libvirt_network_leases(const char *uri, const char *name, const char *mac, guint seconds,
				  GError **error);
