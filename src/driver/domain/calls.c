/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* calls.c - what the procedures have in common */
#include "driver/domain/calls.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/error.h"

const RpcProcedure *const calls_tables[] = {
	calls_host,	  calls_find,	 calls_define, calls_lifecycle, calls_query, calls_security,
	calls_statistics, calls_console, NULL,
};

Domain *calls_domain(const RpcCall *call, const RpcDomain *wire, GError **error)
{
	const Driver *driver = call->driver;

	return domain_list_find_uuid(driver->domains, (const guint8 *)wire->uuid, error);
}

void calls_fill_domain(RpcDomain *wire, Domain *domain)
{
	wire->name = g_strdup(domain->name);
	memcpy(wire->uuid, domain->uuid, sizeof(wire->uuid));
	g_mutex_lock(&domain->lock);
	wire->id = domain_id(domain);
	g_mutex_unlock(&domain->lock);
}

gboolean calls_check_flags(const char *procedure, guint flags, guint known, GError **error)
{
	if (!(flags & ~known))
		return TRUE;
	return driver_error(error, VIR_ERR_INVALID_ARG, _("unsupported flags (%#x) in %s"),
			    flags & ~known, procedure);
}
