/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lifecycle.c - procedures that start, stop and steer domains */
#include "driver/calls/calls.h"

#include "driver/domain/agent.h"
#include "driver/domain/end.h"
#include "driver/domain/start.h"
#include "driver/domain/steer.h"
#include "driver/error.h"
#include <glib/gi18n.h>

/* FORCE_BOOT and BYPASS_CACHE are about saved images; there are none, so they ask for nothing. */
#define CREATE_FLAGS                                                                              \
	(VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY | VIR_DOMAIN_START_BYPASS_CACHE | \
	 VIR_DOMAIN_START_FORCE_BOOT | VIR_DOMAIN_START_RESET_NVRAM)

/* With the job: what a defined domain is to be started with, or NULL with @error set. */
static DomainDef *def_to_start(Domain *domain, GError **error)
{
	DomainDef *def = NULL;

	g_mutex_lock(&domain->lock);
	if (domain_is_active(domain))
		driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is already running"),
			     domain->name);
	else if (!domain->config)
		driver_error(error, VIR_ERR_NO_DOMAIN, _("domain '%s' is gone"), domain->name);
	else
		def = domain_def_copy(domain->config);
	g_mutex_unlock(&domain->lock);
	return def;
}

static gboolean start(const RpcCall *call, Domain *domain, guint flags, GError **error)
{
	DomainDef *def;
	gboolean started = FALSE;

	if (!domain_begin_job(domain, N_("start"), error))
		return FALSE;
	def = def_to_start(domain, error);
	if (def)
		started = start_domain(domain, def, flags, call->client, error);
	domain_end_job(domain);
	return started;
}

static gboolean create(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return start(call, call->object, 0, error);
}

static gboolean create_with_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainCreateWithFlags_args *request = args;
	DomainCreateWithFlags_ret *ret = result;
	Domain *domain = call->object;

	if (!start(call, domain, request->flags, error))
		return FALSE;
	domain_fill_wire(domain, &ret->dom);
	return TRUE;
}

/* With the job. */
static gboolean check_inactive(Domain *domain, GError **error)
{
	gboolean is_active;

	g_mutex_lock(&domain->lock);
	is_active = domain_is_active(domain);
	g_mutex_unlock(&domain->lock);
	return !is_active || driver_error(error, VIR_ERR_OPERATION_INVALID,
					  _("domain '%s' is already running"), domain->name);
}

static gboolean create_xml(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainCreateXml_args *request = args;
	DomainCreateXml_ret *ret = result;
	Driver *driver = call->driver;
	const DomainParseFlags validate = request->flags & VIR_DOMAIN_START_VALIDATE ?
						  DOMAIN_PARSE_VALIDATE :
						  0;
	g_autoptr(DomainDef) def = NULL;
	g_autoptr(Domain) domain = NULL;
	gboolean started = FALSE;

	def = domain_def_parse(request->xml, DOMAIN_PARSE_INACTIVE | validate, error);
	if (!def || !driver_complete_definition(driver, def, error))
		return FALSE;
	domain = domain_list_obtain(driver->domains, driver, def, error);
	if (!domain || !domain_begin_job(domain, N_("start"), error))
		return FALSE;
	if (check_inactive(domain, error))
		started = start_domain(domain, g_steal_pointer(&def), request->flags, call->client,
				       error);
	domain_list_drop_invisible(driver->domains, domain);
	domain_end_job(domain);
	if (started)
		domain_fill_wire(domain, &ret->dom);
	return started;
}

/* Where nothing is said the agent is asked, if it is there: a guest may not hear its button. */
static gboolean wants_agent(Domain *domain, guint flags, guint agent_flag)
{
	gboolean is_connected;

	if (flags)
		return flags & agent_flag;
	g_mutex_lock(&domain->lock);
	is_connected = agent_is_connected(domain);
	g_mutex_unlock(&domain->lock);
	return is_connected;
}

/* @agent_flag: of @flags, which has this, the power button, both or nothing */
static gboolean ask_guest_to_end(Domain *domain, guint flags, guint agent_flag, gboolean is_reboot,
				 GError **error)
{
	g_autoptr(GError) cause = NULL;

	if (!wants_agent(domain, flags, agent_flag))
		return steer_shutdown(domain, is_reboot, error);
	if (agent_shutdown(domain, is_reboot, &cause))
		return TRUE;
	/* Who would be content with either gets the button. */
	if (flags != agent_flag)
		return steer_shutdown(domain, is_reboot, error);
	g_propagate_error(error, g_steal_pointer(&cause));
	return FALSE;
}

static gboolean shut_down(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return ask_guest_to_end(call->object, 0, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT, FALSE, error);
}

#define SHUTDOWN_FLAGS (VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN | VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)

static gboolean shut_down_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainShutdownFlags_args *request = args;

	(void)result;
	return ask_guest_to_end(call->object, request->flags, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
				FALSE, error);
}

#define REBOOT_FLAGS (VIR_DOMAIN_REBOOT_ACPI_POWER_BTN | VIR_DOMAIN_REBOOT_GUEST_AGENT)

static gboolean reboot(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainReboot_args *request = args;

	(void)result;
	return ask_guest_to_end(call->object, request->flags, VIR_DOMAIN_REBOOT_GUEST_AGENT, TRUE,
				error);
}

static gboolean reset(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return steer_reset(call->object, error);
}

static gboolean destroy(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return end_destroy(call->object, FALSE, error);
}

static gboolean destroy_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDestroyFlags_args *request = args;

	(void)result;
	return end_destroy(call->object, request->flags & VIR_DOMAIN_DESTROY_GRACEFUL, error);
}

static gboolean suspend(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return steer_suspend(call->object, error);
}

static gboolean resume(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return steer_resume(call->object, error);
}

const RpcProcedure calls_lifecycle[] = {
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_CREATE, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainCreate, create),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_CREATE_WITH_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			    DomainCreateWithFlags, create_with_flags, CREATE_FLAGS),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_CREATE_XML, RPC_ACCESS_WRITE, RPC_CONNECTION,
			    DomainCreateXml, create_xml, CREATE_FLAGS | VIR_DOMAIN_START_VALIDATE),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_SHUTDOWN, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainShutdown,
			   shut_down),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_SHUTDOWN_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainShutdownFlags, shut_down_flags, SHUTDOWN_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_REBOOT, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainReboot,
				 reboot, REBOOT_FLAGS),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_RESET, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainReset,
				 reset, 0),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_DESTROY, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainDestroy,
			   destroy),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_DESTROY_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainDestroyFlags, destroy_flags, VIR_DOMAIN_DESTROY_GRACEFUL),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_SUSPEND, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainSuspend,
			   suspend),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_RESUME, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainResume, resume),
	{ .name = NULL },
};
