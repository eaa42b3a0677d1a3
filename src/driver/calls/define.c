/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define.c - procedures that define and undefine domains, and their autostart */
#include "driver/calls/calls.h"

#include "driver/domain/definition.h"
#include "driver/domain/nvram.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include <glib/gi18n.h>

/* Return: the domain, for domain_unref(), or NULL with @error set. */
static Domain *define(Driver *driver, const char *xml, DomainParseFlags flags, GError **error)
{
	g_autoptr(DomainDef) def = domain_def_parse(xml, flags | DOMAIN_PARSE_INACTIVE, error);
	g_autoptr(Domain) domain = NULL;
	gboolean defined;

	if (!def || !driver_complete_definition(driver, def, error))
		return NULL;
	domain = domain_list_obtain(driver->domains, driver, def, error);
	if (!domain || !domain_begin_job(domain, N_("define"), error))
		return NULL;
	defined = definition_set(domain, def, error);
	if (defined)
		def = NULL;
	domain_list_drop_invisible(driver->domains, domain);
	domain_end_job(domain);
	return defined ? g_steal_pointer(&domain) : NULL;
}

static gboolean reply_defined(RpcCall *call, const char *xml, guint flags, RpcDomain *wire,
			      GError **error)
{
	g_autoptr(Domain) domain = NULL;

	domain = define(call->driver, xml,
			flags & VIR_DOMAIN_DEFINE_VALIDATE ? DOMAIN_PARSE_VALIDATE : 0, error);
	if (!domain)
		return FALSE;
	domain_fill_wire(domain, wire);
	return TRUE;
}

static gboolean define_xml(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDefineXml_args *request = args;
	DomainDefineXml_ret *ret = result;

	return reply_defined(call, request->xml, 0, &ret->dom, error);
}

static gboolean define_xml_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainDefineXmlFlags_args *request = args;
	DomainDefineXmlFlags_ret *ret = result;

	return reply_defined(call, request->xml, request->flags, &ret->dom, error);
}

/*
 * With the job. What another domain runs with is not taken away from it; a file of this
 * domain's run is claimed already, and stays the VMM's until it ends.
 */
static gboolean remove_nvram(Domain *domain, GError **error)
{
	DomainList *list = domain->driver->domains;
	g_autofree char *identity = nvram_identity(domain->config);
	gboolean is_active, removed;

	g_mutex_lock(&domain->lock);
	is_active = domain_is_active(domain);
	g_mutex_unlock(&domain->lock);
	if (is_active)
		return nvram_remove(domain->config, error);
	if (!domain_list_claim_nvram(list, domain, identity, error))
		return FALSE;
	removed = nvram_remove(domain->config, error);
	(void)domain_list_claim_nvram(list, domain, NULL, NULL);
	return removed;
}

/* With the job, so that config stays. Variables go first: a domain that is gone has none. */
static gboolean drop_config(Domain *domain, guint flags, GError **error)
{
	const Driver *driver = domain->driver;
	gboolean is_defined;

	g_mutex_lock(&domain->lock);
	is_defined = domain->config != NULL;
	g_mutex_unlock(&domain->lock);
	if (!is_defined)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("cannot undefine transient domain '%s'"), domain->name);
	if (!nvram_check_undefine(domain->config, flags, error))
		return FALSE;
	if ((flags & VIR_DOMAIN_UNDEFINE_NVRAM) && !remove_nvram(domain, error))
		return FALSE;
	if (!store_delete_config(driver, domain->name, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	domain_send_event(domain, VIR_DOMAIN_EVENT_UNDEFINED, VIR_DOMAIN_EVENT_UNDEFINED_REMOVED);
	g_clear_pointer(&domain->config, domain_def_free);
	domain->is_autostart = FALSE;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

static gboolean undefine(Domain *domain, guint flags, GError **error)
{
	gboolean done;

	if (!domain_begin_job(domain, N_("undefine"), error))
		return FALSE;
	done = drop_config(domain, flags, error);
	domain_list_drop_invisible(domain->driver->domains, domain);
	domain_end_job(domain);
	return done;
}

static gboolean domain_undefine(RpcCall *call, const void *args, void *result, GError **error)
{
	(void)args;
	(void)result;
	return undefine(call->object, 0, error);
}

/* But for those about nvram they are about what no domain has here, and ask for nothing. */
#define UNDEFINE_FLAGS                                                               \
	(VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA | \
	 VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM |                \
	 VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_TPM |        \
	 VIR_DOMAIN_UNDEFINE_KEEP_TPM)

static gboolean domain_undefine_flags(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainUndefineFlags_args *request = args;

	(void)result;
	return undefine(call->object, request->flags, error);
}

static gboolean get_autostart(RpcCall *call, const void *args, void *result, GError **error)
{
	DomainGetAutostart_ret *ret = result;
	Domain *domain = call->object;

	(void)args;
	(void)error;
	g_mutex_lock(&domain->lock);
	ret->autostart = domain->is_autostart;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

/* With the job. */
static gboolean change_autostart(Domain *domain, gboolean autostart, GError **error)
{
	gboolean is_defined;

	g_mutex_lock(&domain->lock);
	is_defined = domain->config != NULL;
	g_mutex_unlock(&domain->lock);
	if (!is_defined)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("cannot set autostart for transient domain '%s'"),
				    domain->name);
	if (!store_set_autostart(domain->driver, domain->name, autostart, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	domain->is_autostart = autostart;
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

static gboolean set_autostart(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainSetAutostart_args *request = args;
	Domain *domain = call->object;
	gboolean done;

	(void)result;
	if (!domain_begin_job(domain, N_("autostart"), error))
		return FALSE;
	done = change_autostart(domain, request->autostart != 0, error);
	domain_end_job(domain);
	return done;
}

const RpcProcedure calls_define[] = {
	RPC_PROCEDURE(RPC_DOMAIN_DEFINE_XML, RPC_ACCESS_WRITE, RPC_CONNECTION, DomainDefineXml,
		      define_xml),
	RPC_PROCEDURE_FLAGS(RPC_DOMAIN_DEFINE_XML_FLAGS, RPC_ACCESS_WRITE, RPC_CONNECTION,
			    DomainDefineXmlFlags, define_xml_flags, VIR_DOMAIN_DEFINE_VALIDATE),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_UNDEFINE, RPC_ACCESS_WRITE, CALLS_DOMAIN, DomainUndefine,
			   domain_undefine),
	RPC_PROCEDURE_ARGS_FLAGS(RPC_DOMAIN_UNDEFINE_FLAGS, RPC_ACCESS_WRITE, CALLS_DOMAIN,
				 DomainUndefineFlags, domain_undefine_flags, UNDEFINE_FLAGS),
	RPC_PROCEDURE(RPC_DOMAIN_GET_AUTOSTART, RPC_ACCESS_READ, CALLS_DOMAIN, DomainGetAutostart,
		      get_autostart),
	RPC_PROCEDURE_ARGS(RPC_DOMAIN_SET_AUTOSTART, RPC_ACCESS_WRITE, CALLS_DOMAIN,
			   DomainSetAutostart, set_autostart),
	{ .name = NULL },
};
