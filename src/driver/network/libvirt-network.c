/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt-network.c - networks that libvirt's network driver has, by name */
#include "driver/network/libvirt-network.h"

#include <glib/gi18n.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/error.h"

/* What it says by itself goes to standard error otherwise. */
static void say_nothing(void *unused, virErrorPtr error)
{
	(void)unused;
	(void)error;
}

static void set_error(GError **error, const char *name)
{
	const virErrorPtr last = virGetLastError();

	driver_error(error, last ? (virErrorNumber)last->code : VIR_ERR_INTERNAL_ERROR,
		     _("network '%s': %s"), name, virGetLastErrorMessage());
}

/* Return: for g_free(). */
static char *find_bridge(virNetworkPtr network, const char *name, GError **error)
{
	const int is_active = virNetworkIsActive(network);
	char *bridge, *result;

	if (is_active == 0) {
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("network '%s' is not active"),
			     name);
		return NULL;
	}
	bridge = is_active > 0 ? virNetworkGetBridgeName(network) : NULL;
	if (!bridge) {
		set_error(error, name);
		return NULL;
	}
	result = g_strdup(bridge);
	free(bridge);
	return result;
}

char *libvirt_network_bridge(const char *uri, const char *name, GError **error)
{
	virConnectPtr connection;
	virNetworkPtr network;
	char *bridge = NULL;

	if (!uri)
		uri = geteuid() == 0 ? "network:///system" : "network:///session";
	virSetErrorFunc(NULL, say_nothing);
	connection = virConnectOpen(uri);
	network = connection ? virNetworkLookupByName(connection, name) : NULL;
	if (network)
		bridge = find_bridge(network, name, error);
	else
		set_error(error, name);
	if (network)
		virNetworkFree(network);
	if (connection)
		virConnectClose(connection);
	return bridge;
}
