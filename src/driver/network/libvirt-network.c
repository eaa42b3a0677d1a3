/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libvirt-network.c - networks that libvirt's network driver has, by name */
#include "driver/network/libvirt-network.h"

#include <glib/gi18n.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/bounded-call.h"
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

typedef struct {
	char *uri;
	char *name;
	char *mac; /* of whose leases are asked for; NULL: for the bridge */
} Question;

static void question_free(gpointer data)
{
	Question *question = data;

	g_free(question->uri);
	g_free(question->name);
	g_free(question->mac);
	g_free(question);
}

static void lease_free(gpointer data)
{
	NetworkLease *lease = data;

	g_free(lease->address);
	g_free(lease->hostname);
	g_free(lease);
}

static NetworkLease *take_lease(const virNetworkDHCPLease *known)
{
	NetworkLease *lease = g_new0(NetworkLease, 1);

	lease->is_ipv6 = known->type == VIR_IP_ADDR_TYPE_IPV6;
	lease->address = g_strdup(known->ipaddr);
	lease->prefix = known->prefix;
	lease->hostname = g_strdup(known->hostname);
	return lease;
}

/* Return: of NetworkLease, for g_ptr_array_unref(). */
static GPtrArray *find_leases(virNetworkPtr network, const Question *question, GError **error)
{
	virNetworkDHCPLeasePtr *known = NULL;
	const int count = virNetworkGetDHCPLeases(network, question->mac, &known, 0);
	GPtrArray *leases;

	if (count < 0) {
		set_error(error, question->name);
		return NULL;
	}
	leases = g_ptr_array_new_with_free_func(lease_free);
	for (int i = 0; i < count; i++) {
		if (known[i]->ipaddr)
			g_ptr_array_add(leases, take_lease(known[i]));
		virNetworkDHCPLeaseFree(known[i]);
	}
	free(known);
	return leases;
}

static gpointer ask(gpointer data, GError **error)
{
	const Question *question = data;
	virConnectPtr connection = virConnectOpen(question->uri);
	virNetworkPtr network = connection ? virNetworkLookupByName(connection, question->name) :
					     NULL;
	gpointer answer = NULL;

	if (!network)
		set_error(error, question->name);
	else if (question->mac)
		answer = find_leases(network, question, error);
	else
		answer = find_bridge(network, question->name, error);
	if (network)
		virNetworkFree(network);
	if (connection)
		virConnectClose(connection);
	return answer;
}

static gpointer ask_in_time(BoundedCall *asking, const Question *asked, guint seconds,
			    GError **error)
{
	Question *question = g_new0(Question, 1);
	g_autoptr(GError) cause = NULL;
	gpointer answer;

	question->uri = g_strdup(asked->uri);
	if (!question->uri)
		question->uri = g_strdup(geteuid() == 0 ? "network:///system" :
							  "network:///session");
	question->name = g_strdup(asked->name);
	question->mac = g_strdup(asked->mac);
	virSetErrorFunc(NULL, say_nothing);
	answer = bounded_call(asking, question, seconds * 1000, &cause);
	if (g_error_matches(cause, DRIVER_ERROR, VIR_ERR_OPERATION_TIMEOUT))
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     _("network '%s': libvirt's daemon for networks: %s"), asked->name,
			     cause->message);
	else if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return answer;
}

char *libvirt_network_bridge(const char *uri, const char *name, guint seconds, GError **error)
{
	static BoundedCall asking = {
		.function = ask,
		.free_input = question_free,
		.free_result = g_free,
	};
	const Question question = { .uri = (char *)uri, .name = (char *)name };

	return ask_in_time(&asking, &question, seconds, error);
}

static void leases_unref(gpointer leases)
{
	g_ptr_array_unref(leases);
}

/* Who only looks may ask: these do not count among those that a start of a domain waits for. */
GPtrArray *libvirt_network_leases(const char *uri, const char *name, const char *mac, guint seconds,
				  GError **error)
{
	static BoundedCall asking = {
		.function = ask,
		.free_input = question_free,
		.free_result = leases_unref,
	};
	const Question question = {
		.uri = (char *)uri,
		.name = (char *)name,
		.mac = (char *)mac,
	};

	return ask_in_time(&asking, &question, seconds, error);
}
