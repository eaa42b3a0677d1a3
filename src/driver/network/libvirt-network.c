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
} Question;

static void question_free(gpointer data)
{
	Question *question = data;

	g_free(question->uri);
	g_free(question->name);
	g_free(question);
}

static gpointer ask(gpointer data, GError **error)
{
	const Question *question = data;
	virConnectPtr connection = virConnectOpen(question->uri);
	virNetworkPtr network = connection ? virNetworkLookupByName(connection, question->name) :
					     NULL;
	char *bridge = NULL;

	if (network)
		bridge = find_bridge(network, question->name, error);
	else
		set_error(error, question->name);
	if (network)
		virNetworkFree(network);
	if (connection)
		virConnectClose(connection);
	return bridge;
}

char *libvirt_network_bridge(const char *uri, const char *name, guint seconds, GError **error)
{
	static BoundedCall asking = {
		.function = ask,
		.free_input = question_free,
		.free_result = g_free,
	};
	Question *question = g_new0(Question, 1);
	g_autoptr(GError) cause = NULL;
	char *bridge;

	if (!uri)
		uri = geteuid() == 0 ? "network:///system" : "network:///session";
	question->uri = g_strdup(uri);
	question->name = g_strdup(name);
	virSetErrorFunc(NULL, say_nothing);
	bridge = bounded_call(&asking, question, seconds * 1000, &cause);
	if (g_error_matches(cause, DRIVER_ERROR, VIR_ERR_OPERATION_TIMEOUT))
		driver_error(error, VIR_ERR_OPERATION_TIMEOUT,
			     _("network '%s': libvirt's daemon for networks: %s"), name,
			     cause->message);
	else if (cause)
		g_propagate_error(error, g_steal_pointer(&cause));
	return bridge;
}
