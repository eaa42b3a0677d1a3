/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* definition.h - the definition that a domain's next start uses, and what calls affect */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/*
 * definition_set - give a domain its definition
 * @def: complete; taken over where this succeeds
 *
 * With the job, without the lock. The file is written first, then the clients hear of it.
 */
gboolean definition_set(Domain *domain, DomainDef *def, GError **error);

/*
 * definition_set_live - what runs is another from now on
 * @def: taken over
 *
 * With the job, without the lock.
 */
void definition_set_live(Domain *domain, DomainDef *def);

/*
 * definition_resolve_impact - what a call affects: the domain that runs, its definition, or both
 * @flags: of virDomainModificationImpact: CURRENT becomes one of the others
 *
 * With the lock.
 *
 * Return: FALSE with VIR_ERR_OPERATION_INVALID where there is none such.
 */
gboolean definition_resolve_impact(const Domain *domain, guint *flags, GError **error);

/*
 * definition_choose_def - the definition that a call looks at
 * @flags: as above; LIVE and CONFIG exclude each other
 *
 * With the lock. Return: NULL with VIR_ERR_INVALID_ARG or VIR_ERR_OPERATION_INVALID.
 */
const DomainDef *definition_choose_def(const Domain *domain, guint flags, GError **error);

/*
 * definition_begin_change - a copy of the definition, for a change and definition_end_change()
 *
 * With the job, without the lock. NULL with @error set where there is none.
 */
DomainDef *definition_begin_change(Domain *domain, GError **error);

/*
 * definition_end_change - complete a changed copy, for definition_set()
 *
 * Return: for domain_def_free(), or NULL with @error set. The copy is still the caller's.
 */
DomainDef *definition_end_change(Domain *domain, const DomainDef *changed, GError **error);
