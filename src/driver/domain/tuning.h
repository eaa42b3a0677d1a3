/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tuning.h - limits of devices change, of a domain that runs and of its definition
 *
 * Theory of operation
 *
 * A change is made to a copy of the definition, of what runs, or of both, and checked. Then the one
 * that runs has it applied, and only when that has succeeded do the copies take their places.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

typedef struct {
	const char *job; /* what is under way, for others */
	/* Changes @def, and sees to it that it can be so. */
	gboolean (*change)(DomainDef *def, gpointer data, GError **error);
	/* @def: changed; with the job, without the lock */
	gboolean (*apply)(DomainVmm *vmm, DomainDef *def, gpointer data, GError **error);
	gpointer data;
} Tuning;

/*
 * tuning_carry_out - change what @flags of virDomainModificationImpact say
 *
 * Without the job and the lock.
 */
gboolean tuning_carry_out(Domain *domain, guint flags, const Tuning *tuning, GError **error);
