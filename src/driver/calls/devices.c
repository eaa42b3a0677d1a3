/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * devices.c - procedures that attach, detach and update devices
 *
 * Theory of operation
 *
 * A device is read from its own document and put into a copy of the definition, which is completed
 * and checked as a whole and then takes the definition's place, as if it had been defined anew.
 * A domain that runs has it plugged in or asked for in between (hot-plug.h).
 */
#include <glib/gi18n.h>

#include "driver/calls/calls.h"
#include "driver/conf/domain-device.h"
#include "driver/domain/definition.h"
#include "driver/domain/hot-plug.h"
#include "driver/error.h"

typedef enum { ATTACH, DETACH, UPDATE } Change;

/* What is under way, for the job. */
static const char *const jobs[] = {
	[ATTACH] = N_("attach"),
	[DETACH] = N_("detach"),
	[UPDATE] = N_("update"),
};

/* A device by its document, or, to be detached, by its alias. */
typedef struct {
	Change change;
	const DomainDevice *device; /* or NULL */
	const char *alias;	    /* or NULL */
	gboolean is_forced;	    /* a drive's tray may be locked */
} Request;

static gboolean change_config(DomainDef *def, gconstpointer data, GError **error)
{
	const Request *request = data;

	if (!request->device)
		return domain_def_detach_alias(def, request->alias, error);
	switch (request->change) {
	case ATTACH:
		return domain_def_attach(def, request->device, error);
	case DETACH:
		return domain_def_detach(def, request->device, error);
	default:
		return domain_def_update(def, request->device, error);
	}
}

/* With the job. Return: the alias, for g_free(), or NULL with @error set. */
static char *find_alias(Domain *domain, const Request *request, GError **error)
{
	char *alias = NULL;

	g_mutex_lock(&domain->lock);
	if (request->device)
		alias = g_strdup(domain_def_find_alias(domain->live, request->device, error));
	else if (domain_def_has_alias(domain->live, request->alias))
		alias = g_strdup(request->alias);
	else
		driver_error(error, VIR_ERR_DEVICE_MISSING, _("no device has the alias '%s'"),
			     request->alias);
	g_mutex_unlock(&domain->lock);
	return alias;
}

static gboolean change_live(DomainVmm *vmm, gconstpointer data, GError **error)
{
	const Request *request = data;
	g_autofree char *alias = NULL;

	if (request->change == ATTACH)
		return hot_plug_attach(vmm, request->device, error);
	if (request->change == UPDATE)
		return hot_plug_update(vmm, request->device, request->is_forced, error);
	alias = find_alias(vmm->domain, request, error);
	return alias && hot_plug_detach(vmm, alias, error);
}

static gboolean carry_out(Domain *domain, const Request *request, guint flags, GError **error)
{
	const DefinitionChange change = {
		.job = jobs[request->change],
		.change_config = change_config,
		.change_live = change_live,
		.data = request,
	};

	return definition_change(domain, flags, &change, error);
}

static gboolean change_device(Domain *domain, const char *xml, guint flags, Change change,
			      GError **error)
{
	g_autoptr(DomainDevice) device = domain_device_parse(xml, DOMAIN_PARSE_INACTIVE, error);
	const Request request = {
		.change = change,
		.device = device,
		.is_forced = flags & VIR_DOMAIN_DEVICE_MODIFY_FORCE,
	};

	return device && carry_out(domain, &request, flags, error);
}

static gboolean attach_device(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAttachDevice_args *request = args;

	(void)result;
	return change_device(call->object, request->xml, VIR_DOMAIN_AFFECT_LIVE, ATTACH, error);
}

static gboolean attach_device_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainAttachDeviceFlags_args *request = args;

	(void)result;
	return change_device(call->object, request->xml, request->flags, ATTACH, error);
}

static gboolean detach_device(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDetachDevice_args *request = args;

	(void)result;
	return change_device(call->object, request->xml, VIR_DOMAIN_AFFECT_LIVE, DETACH, error);
}

static gboolean detach_device_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDetachDeviceFlags_args *request = args;

	(void)result;
	return change_device(call->object, request->xml, request->flags, DETACH, error);
}

static gboolean detach_device_alias(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDetachDeviceAlias_args *wanted = args;
	const Request request = { .change = DETACH, .alias = wanted->alias };

	(void)result;
	return carry_out(call->object, &request, wanted->flags, error);
}

static gboolean update_device_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainUpdateDeviceFlags_args *request = args;

	(void)result;
	return change_device(call->object, request->xml, request->flags, UPDATE, error);
}

#define IMPACT_FLAGS (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

/* FORCE is about the tray of a drive. */
#define UPDATE_FLAGS (IMPACT_FLAGS | VIR_DOMAIN_DEVICE_MODIFY_FORCE)

const RpcProcedure calls_devices[] = {
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_ATTACH_DEVICE, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			   DomainAttachDevice, attach_device),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_ATTACH_DEVICE_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainAttachDeviceFlags, attach_device_flags, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_DETACH_DEVICE, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			   DomainDetachDevice, detach_device),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_DETACH_DEVICE_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainDetachDeviceFlags, detach_device_flags, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_DETACH_DEVICE_ALIAS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainDetachDeviceAlias, detach_device_alias, IMPACT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_UPDATE_DEVICE_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainUpdateDeviceFlags, update_device_flags, UPDATE_FLAGS),
	{ .name = NULL },
};
