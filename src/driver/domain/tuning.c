/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tuning.c - limits of devices change, of a domain that runs and of its definition */
#include "driver/domain/tuning.h"

#include "driver/domain/definition.h"

static gboolean change_config(DomainDef *def, gconstpointer data, GError **error)
{
	const Tuning *tuning = data;

	return tuning->change(def, tuning->data, error);
}

static gboolean change_live(DomainVmm *vmm, gconstpointer data, GError **error)
{
	const Tuning *tuning = data;
	Domain *domain = vmm->domain;
	g_autoptr(DomainDef) def = definition_copy_live(domain);

	if (!tuning->change(def, tuning->data, error) ||
	    !tuning->apply(vmm, def, tuning->data, error))
		return FALSE;
	(void)definition_set_live(domain, g_steal_pointer(&def), NULL);
	return TRUE;
}

gboolean tuning_carry_out(Domain *domain, guint flags, const Tuning *tuning, GError **error)
{
	const DefinitionChange change = {
		.job = tuning->job,
		.change_config = change_config,
		.change_live = change_live,
		.data = tuning,
	};

	return definition_change(domain, flags, &change, error);
}
