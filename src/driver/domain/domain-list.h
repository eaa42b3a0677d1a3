/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-list.h - the domains of a driver, by name, UUID and id
 *
 * Safe on any thread. The list's lock is taken before a domain's, never the other way
 * round.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

typedef struct DomainList DomainList;

DomainList *domain_list_new(void);
void domain_list_free(DomainList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainList, domain_list_free)

/* Return: the visible domain, for domain_unref(), or NULL with VIR_ERR_NO_DOMAIN. */
Domain *domain_list_find_name(DomainList *list, const char *name, GError **error);
Domain *domain_list_find_uuid(DomainList *list, const guint8 *uuid, GError **error);
Domain *domain_list_find_id(DomainList *list, int id, GError **error);

/*
 * domain_list_obtain - the domain that a definition is of, made where there is none
 *
 * Return: a domain for domain_unref(), visible or not; or NULL with VIR_ERR_OPERATION_FAILED
 * when its name or its UUID belongs to another one.
 */
Domain *domain_list_obtain(DomainList *list, Driver *driver, const DomainDef *def, GError **error);

/* Takes a domain out if it is not visible any more. With its job, without its lock. */
void domain_list_drop_invisible(DomainList *list, Domain *domain);

/*
 * domain_list_claim_nvram - make a variable file one domain's until its run ends
 * @path: of nvram_identity(), or NULL: nothing is claimed, and what was is let go of
 *
 * With the job of @domain, without its lock.
 *
 * Return: FALSE with VIR_ERR_RESOURCE_BUSY that names the domain which has it.
 */
gboolean domain_list_claim_nvram(DomainList *list, Domain *domain, const char *path,
				 GError **error);

/* All visible ones, in the order of their names; for g_ptr_array_unref(). */
GPtrArray *domain_list_all(DomainList *list);
