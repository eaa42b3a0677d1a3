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
 * definition_copy_live - a copy of what runs, to be changed and set
 *
 * With the job, without the lock. What the VMM says of the run meanwhile is not in the copy.
 */
DomainDef *definition_copy_live(Domain *domain);

/*
 * definition_set_live - what runs is another from now on
 * @def: taken over; what the VMM alone says of a run (run-state.h) becomes what was said last
 *
 * With the job, without the lock.
 *
 * Return: FALSE with @error where the status file cannot be written, so that the next daemon would
 * not know of it.
 */
gboolean definition_set_live(Domain *domain, DomainDef *def, GError **error);

/* The same where it cannot be otherwise: a status file that cannot be written is in the log. */
void definition_set_live_anyway(DomainVmm *vmm, DomainDef *def);

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

/* A change of what runs, of the definition, or of both. */
typedef struct {
	const char *job; /* what is under way, for others */
	/* Changes a copy of the definition, and sees to it that it can be so. */
	gboolean (*change_config)(DomainDef *def, gconstpointer data, GError **error);
	/* Whether what runs can be changed so; with the lock. NULL: that is seen when it is. */
	gboolean (*check_live)(const Domain *domain, gconstpointer data, GError **error);
	/* With the job, without the lock. */
	gboolean (*change_live)(DomainVmm *vmm, gconstpointer data, GError **error);
	gconstpointer data;
} DefinitionChange;

/*
 * definition_change - change what @flags of virDomainModificationImpact say
 *
 * All that can be refused is, before anything is changed: the definition is completed and checked
 * as a whole, then what runs is changed, and only then does the definition take its place.
 *
 * Without the job and the lock.
 */
gboolean definition_change(Domain *domain, guint flags, const DefinitionChange *change,
			   GError **error);
