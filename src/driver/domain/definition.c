/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* definition.c - the definition that a domain's next start uses, and what calls affect */
#include "driver/domain/definition.h"

#include <glib/gi18n.h>

#include "driver/conf/domain-device.h"
#include "driver/conf/run-state.h"
#include "driver/domain/driver.h"
#include "driver/domain/follow.h"
#include "driver/domain/store.h"
#include "driver/error.h"

gboolean definition_set(Domain *domain, DomainDef *def, GError **error)
{
	const Driver *driver = domain->driver;
	gboolean is_new;

	if (!store_save_config(driver, def, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	is_new = !domain->config;
	domain_def_free(domain->config);
	domain->config = def;
	domain->is_updated = domain_is_active(domain);
	domain_send_event(domain, VIR_DOMAIN_EVENT_DEFINED,
			  is_new ? VIR_DOMAIN_EVENT_DEFINED_ADDED :
				   VIR_DOMAIN_EVENT_DEFINED_UPDATED);
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

DomainDef *definition_copy_live(Domain *domain)
{
	DomainDef *copy;

	g_mutex_lock(&domain->lock);
	copy = domain_def_copy(domain->live);
	g_mutex_unlock(&domain->lock);
	return copy;
}

gboolean definition_set_live(Domain *domain, DomainDef *def, GError **error)
{
	gboolean is_saved;

	g_mutex_lock(&domain->lock);
	domain_def_keep_state(def, domain->live);
	domain_def_free(domain->live);
	domain->live = def;
	is_saved = follow_save_status(domain, error);
	g_mutex_unlock(&domain->lock);
	return is_saved;
}

void definition_set_live_anyway(DomainVmm *vmm, DomainDef *def)
{
	g_autoptr(GError) error = NULL;

	if (!definition_set_live(vmm->domain, def, &error))
		log_limit_warning(&vmm->log, _("domain '%s': %s"), vmm->domain->name,
				  error->message);
}

static gboolean refuse_transient(const Domain *domain, GError **error)
{
	return driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not persistent"),
			    domain->name);
}

gboolean definition_resolve_impact(const Domain *domain, guint *flags, GError **error)
{
	if (!(*flags & (VIR_DOMAIN_AFFECT_LIVE | VIR_DOMAIN_AFFECT_CONFIG)))
		*flags |= domain_is_active(domain) ? VIR_DOMAIN_AFFECT_LIVE :
						     VIR_DOMAIN_AFFECT_CONFIG;
	if ((*flags & VIR_DOMAIN_AFFECT_LIVE) && !domain_is_active(domain))
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is not running"), domain->name);
	if ((*flags & VIR_DOMAIN_AFFECT_CONFIG) && !domain->config)
		return refuse_transient(domain, error);
	return TRUE;
}

const DomainDef *definition_choose_def(const Domain *domain, guint flags, GError **error)
{
	if ((flags & VIR_DOMAIN_AFFECT_LIVE) && (flags & VIR_DOMAIN_AFFECT_CONFIG)) {
		driver_error(error, VIR_ERR_INVALID_ARG,
			     _("flags for live and for config exclude each other"));
		return NULL;
	}
	if (!definition_resolve_impact(domain, &flags, error))
		return NULL;
	return flags & VIR_DOMAIN_AFFECT_LIVE ? domain->live : domain->config;
}

static DomainDef *copy_config(Domain *domain, GError **error)
{
	DomainDef *copy = NULL;

	g_mutex_lock(&domain->lock);
	if (domain->config)
		copy = domain_def_copy(domain->config);
	else
		refuse_transient(domain, error);
	g_mutex_unlock(&domain->lock);
	return copy;
}

/* Return: what the definition becomes, for domain_def_free(), or NULL with @error. */
static DomainDef *change_config(Domain *domain, const DefinitionChange *change, GError **error)
{
	g_autoptr(DomainDef) def = copy_config(domain, error);
	g_autoptr(DomainDef) complete = NULL;

	if (!def || !change->change_config(def, change->data, error))
		return NULL;
	complete = domain_def_complete_change(def, error);
	if (!complete || !driver_complete_definition(domain->driver, complete, error))
		return NULL;
	return g_steal_pointer(&complete);
}

/* Return: FALSE with @error; otherwise @vmm is NULL where what runs is to stay as it is. */
static gboolean choose(Domain *domain, guint *flags, const DefinitionChange *change,
		       DomainVmm **vmm, GError **error)
{
	if (!definition_resolve_impact(domain, flags, error))
		return FALSE;
	if (!(*flags & VIR_DOMAIN_AFFECT_LIVE))
		return TRUE;
	*vmm = domain_get_vmm(domain, error);
	return *vmm && (!change->check_live || change->check_live(domain, change->data, error));
}

/* With the job. */
static gboolean change_both(Domain *domain, guint flags, const DefinitionChange *change,
			    GError **error)
{
	g_autoptr(DomainDef) config = NULL;
	g_autoptr(DomainVmm) vmm = NULL;
	gboolean is_there;

	g_mutex_lock(&domain->lock);
	is_there = choose(domain, &flags, change, &vmm, error);
	g_mutex_unlock(&domain->lock);
	if (is_there && (flags & VIR_DOMAIN_AFFECT_CONFIG)) {
		config = change_config(domain, change, error);
		is_there = config != NULL;
	}
	if (!is_there || (vmm && !change->change_live(vmm, change->data, error)))
		return FALSE;
	if (!config)
		return TRUE;
	if (!definition_set(domain, config, error))
		return FALSE;
	config = NULL;
	return TRUE;
}

gboolean definition_change(Domain *domain, guint flags, const DefinitionChange *change,
			   GError **error)
{
	gboolean changed;

	if (!domain_begin_job(domain, change->job, error))
		return FALSE;
	changed = change_both(domain, flags, change, error);
	domain_end_job(domain);
	return changed;
}
