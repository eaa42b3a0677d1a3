/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * devices.c - procedures that attach, detach and update devices
 *
 * Theory of operation
 *
 * A device is read from its own document and put into a copy of the definition, which is completed
 * and checked as a whole and then takes the definition's place, as if it had been defined anew.
 */
#include <glib/gi18n.h>

#include "driver/calls/calls.h"
#include "driver/conf/domain-device.h"
#include "driver/domain/definition.h"
#include "driver/error.h"

typedef enum { ATTACH, DETACH, UPDATE } Change;

/* Under way, for the job; and what a domain that runs has none of. */
static const struct {
	const char *job;
	const char *refusal;
} changes[] = {
	[ATTACH] = { N_("attach"), N_("device '%s' cannot be attached while the domain runs") },
	[DETACH] = { N_("detach"), N_("device '%s' cannot be detached while the domain runs") },
	[UPDATE] = { N_("update"), N_("device '%s' cannot be updated while the domain runs") },
};

static gboolean apply(DomainDef *def, const DomainDevice *device, Change change, GError **error)
{
	switch (change) {
	case ATTACH:
		return domain_def_attach(def, device, error);
	case DETACH:
		return domain_def_detach(def, device, error);
	default:
		return domain_def_update(def, device, error);
	}
}

/* With the job. What the call affects has to be there when it does. */
static gboolean check_impact(Domain *domain, guint flags, const char *device, Change change,
			     GError **error)
{
	gboolean has_it;

	g_mutex_lock(&domain->lock);
	has_it = definition_resolve_impact(domain, &flags, error);
	g_mutex_unlock(&domain->lock);
	if (has_it && (flags & VIR_DOMAIN_AFFECT_LIVE))
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _(changes[change].refusal), device);
	return has_it;
}

/* With the job. */
static gboolean change_config(Domain *domain, const DomainDevice *device, guint flags,
			      Change change, GError **error)
{
	g_autoptr(DomainDef) def = NULL;

	if (!check_impact(domain, flags, domain_device_name(device), change, error))
		return FALSE;
	def = definition_begin_change(domain, error);
	return def && apply(def, device, change, error) &&
	       definition_end_change(domain, def, error);
}

static gboolean change_device(Domain *domain, const char *xml, guint flags, Change change,
			      GError **error)
{
	g_autoptr(DomainDevice) device = domain_device_parse(xml, DOMAIN_PARSE_INACTIVE, error);
	gboolean changed;

	if (!device || !domain_begin_job(domain, changes[change].job, error))
		return FALSE;
	changed = change_config(domain, device, flags, change, error);
	domain_end_job(domain);
	return changed;
}

/* With the job. */
static gboolean detach_by_alias(Domain *domain, const char *alias, guint flags, GError **error)
{
	g_autoptr(DomainDef) def = NULL;

	if (!check_impact(domain, flags, alias, DETACH, error))
		return FALSE;
	def = definition_begin_change(domain, error);
	return def && domain_def_detach_alias(def, alias, error) &&
	       definition_end_change(domain, def, error);
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
	const DomainDetachDeviceAlias_args *request = args;
	Domain *domain = call->object;
	gboolean detached;

	(void)result;
	if (!domain_begin_job(domain, changes[DETACH].job, error))
		return FALSE;
	detached = detach_by_alias(domain, request->alias, request->flags, error);
	domain_end_job(domain);
	return detached;
}

static gboolean update_device_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainUpdateDeviceFlags_args *request = args;

	(void)result;
	return change_device(call->object, request->xml, request->flags, UPDATE, error);
}

#define IMPACT_FLAGS (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)

/* FORCE is about the tray of a drive, and no drive has one here. */
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
