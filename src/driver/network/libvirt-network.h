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
