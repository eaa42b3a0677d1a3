/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* calls.c - what the procedures have in common */
#include "driver/calls/calls.h"

const RpcProcedure *const calls_tables[] = {
	calls_host,	calls_find,	  calls_define,	   calls_lifecycle, calls_query,
	calls_security, calls_statistics, calls_console,   calls_devices,   calls_disks,
	calls_input,	calls_interfaces, calls_iothreads, calls_agent,	    calls_guest_info,
	calls_memory,	calls_qemu,	  calls_tuning,	   calls_vcpus,	    NULL,
};

Domain *calls_find_domain(const Driver *driver, const RpcDomain *wire, GError **error)
{
	return domain_list_find_uuid(driver->domains, (const guint8 *)wire->uuid, error);
}

static gpointer find_domain(gpointer driver, const void *wire, GError **error)
{
	return calls_find_domain(driver, wire, error);
}

static void release_domain(gpointer domain)
{
	domain_unref(domain);
}

const RpcObjectType calls_domain_type = {
	.find = find_domain,
	.release = release_domain,
};
