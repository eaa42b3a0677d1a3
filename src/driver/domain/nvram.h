/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nvram.h - the file that holds a domain's firmware variables
 *
 * Theory of operation
 *
 * The file is made from its template when the domain starts and it is not there, or when the
 * start is to reset it; from then on it is the guest's, until the domain is undefined. It is
 * written under another name, brought to the disk and renamed, so that a file which exists is
 * whole. Where it may be is said by safe-file.h: a link is followed where nobody else can have
 * made it, and what is written, replaced or removed is the file that it leads to. Two domains must
 * not run with one file: who starts claims it in the list of domains, and the VMM locks it besides.
 * While a domain runs the file is its user's (identity.h); before and after it is the daemon's.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "driver/conf/domain-def.h"
#include "driver/safe-file.h"

/*
 * nvram_prepare - see to it that a domain's variable file exists
 * @is_reset: make it anew from its template
 * @owners: whom a file that exists may belong to, besides root and the daemon's user
 *
 * Does nothing for a domain that has none. A file that exists is left as it is.
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED where there is no template, with
 * VIR_ERR_CONFIG_UNSUPPORTED where the file is none that is written to, else with
 * VIR_ERR_SYSTEM_ERROR; all name the file.
 */
gboolean nvram_prepare(const DomainDef *def, gboolean is_reset, const SafeOwners *owners,
		       GError **error);

/*
 * nvram_check_undefine - whether a domain can be undefined with these flags
 * @flags: of virDomainUndefineFlagsValues
 *
 * Return: FALSE with VIR_ERR_OPERATION_INVALID where it has a variable file and no flag says
 * what becomes of it, or two do.
 */
gboolean nvram_check_undefine(const DomainDef *def, guint flags, GError **error);

/* Removes the file if there is one. Return: FALSE with VIR_ERR_SYSTEM_ERROR that names it. */
gboolean nvram_remove(const DomainDef *def, GError **error);

/*
 * nvram_identity - what a variable file is told from others by
 *
 * Return: its path without links, also where it does not exist yet; NULL for a domain that has
 * none; for g_free().
 */
char *nvram_identity(const DomainDef *def);
