/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tuning.c - limits of devices change, of a domain that runs and of its definition */
#include "driver/domain/tuning.h"

#include "driver/domain/definition.h"

static DomainDef *change_config(Domain *domain, const Tuning *tuning, GError **error)
{
	g_autoptr(DomainDef) def = definition_begin_change(domain, error);

	return def && tuning->change(def, tuning->data, error) ?
		       definition_end_change(domain, def, error) :
		       NULL;
}

/* What runs stays as it is while this has the job. */
static gboolean change_live(DomainVmm *vmm, const Tuning *tuning, GError **error)
{
	Domain *domain = vmm->domain;
	g_autoptr(DomainDef) def = domain_def_copy(domain->live);

	if (!tuning->change(def, tuning->data, error) ||
	    !tuning->apply(vmm, def, tuning->data, error))
		return FALSE;
	definition_set_live(domain, g_steal_pointer(&def));
	return TRUE;
}

static gboolean change_both(Domain *domain, guint flags, const Tuning *tuning, GError **error)
{
	g_autoptr(DomainDef) config = NULL;
	g_autoptr(DomainVmm) vmm = NULL;
	gboolean is_there;

	g_mutex_lock(&domain->lock);
	is_there = definition_resolve_impact(domain, &flags, error);
	if (is_there && (flags & VIR_DOMAIN_AFFECT_LIVE)) {
		vmm = domain_get_vmm(domain, error);
		is_there = vmm != NULL;
	}
	g_mutex_unlock(&domain->lock);
	if (is_there && (flags & VIR_DOMAIN_AFFECT_CONFIG)) {
		config = change_config(domain, tuning, error);
		is_there = config != NULL;
	}
	if (!is_there || (vmm && !change_live(vmm, tuning, error)))
		return FALSE;
	if (!config)
		return TRUE;
	if (!definition_set(domain, config, error))
		return FALSE;
	config = NULL;
	return TRUE;
}

gboolean tuning_carry_out(Domain *domain, guint flags, const Tuning *tuning, GError **error)
{
	gboolean changed;

	if (!domain_begin_job(domain, tuning->job, error))
		return FALSE;
	changed = change_both(domain, flags, tuning, error);
	domain_end_job(domain);
	return changed;
}
