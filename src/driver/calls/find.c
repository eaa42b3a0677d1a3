/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* find.c - procedures that list domains and look them up */
#include "driver/calls/calls.h"

#include "driver/error.h"
#include <glib/gi18n.h>

/* What the filters of virConnectListAllDomains ask about. */
typedef struct {
	gboolean is_active;
	gboolean is_persistent;
	gboolean is_autostart;
	int state;
	int id;
} Facts;

static Facts facts_of(Domain *domain)
{
	Facts facts;

	g_mutex_lock(&domain->lock);
	facts = (Facts){
		.is_active = domain_is_active(domain),
		.is_persistent = domain->config != NULL,
		.is_autostart = domain->is_autostart,
		.state = domain->state,
		.id = domain_id(domain),
	};
	g_mutex_unlock(&domain->lock);
	return facts;
}

#define FILTER_STATES                                                         \
	(VIR_CONNECT_LIST_DOMAINS_RUNNING | VIR_CONNECT_LIST_DOMAINS_PAUSED | \
	 VIR_CONNECT_LIST_DOMAINS_SHUTOFF | VIR_CONNECT_LIST_DOMAINS_OTHER)

/* The bits of all filters that a domain meets. */
static guint met_filters(const Facts *facts)
{
	guint met = VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE | VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT |
		    VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT;

	met |= facts->is_active ? VIR_CONNECT_LIST_DOMAINS_ACTIVE :
				  VIR_CONNECT_LIST_DOMAINS_INACTIVE;
	met |= facts->is_persistent ? VIR_CONNECT_LIST_DOMAINS_PERSISTENT :
				      VIR_CONNECT_LIST_DOMAINS_TRANSIENT;
	met |= facts->is_autostart ? VIR_CONNECT_LIST_DOMAINS_AUTOSTART :
				     VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART;
	switch (facts->state) {
	case VIR_DOMAIN_RUNNING:
		return met | VIR_CONNECT_LIST_DOMAINS_RUNNING;
	case VIR_DOMAIN_PAUSED:
		return met | VIR_CONNECT_LIST_DOMAINS_PAUSED;
	case VIR_DOMAIN_SHUTOFF:
		return met | VIR_CONNECT_LIST_DOMAINS_SHUTOFF;
	default:
		return met | VIR_CONNECT_LIST_DOMAINS_OTHER;
	}
}

/* Filters come in groups: of each group that is used at all, one bit at least must be met. */
#define FILTER_ACTIVITY (VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_LIST_DOMAINS_INACTIVE)
#define FILTER_PERSISTENCE \
	(VIR_CONNECT_LIST_DOMAINS_PERSISTENT | VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
#define FILTER_SAVED \
	(VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE | VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE)
#define FILTER_AUTOSTART \
	(VIR_CONNECT_LIST_DOMAINS_AUTOSTART | VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART)
#define FILTER_SNAPSHOT \
	(VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT | VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT)
#define FILTER_CHECKPOINT \
	(VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT | VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT)
#define FILTERS                                                                                   \
	(FILTER_ACTIVITY | FILTER_PERSISTENCE | FILTER_STATES | FILTER_SAVED | FILTER_AUTOSTART | \
	 FILTER_SNAPSHOT | FILTER_CHECKPOINT)

static const guint filter_groups[] = {
	FILTER_ACTIVITY,  FILTER_PERSISTENCE, FILTER_STATES,	 FILTER_SAVED,
	FILTER_AUTOSTART, FILTER_SNAPSHOT,    FILTER_CHECKPOINT,
};

static gboolean matches(const Facts *facts, guint flags)
{
	const guint met = met_filters(facts);

	for (gsize i = 0; i < G_N_ELEMENTS(filter_groups); i++) {
		const guint wanted = flags & filter_groups[i];

		if (wanted && !(met & wanted))
			return FALSE;
	}
	return TRUE;
}

/* The domains that match, in the order of their names; for g_ptr_array_unref(). */
static GPtrArray *find_matching(const Driver *driver, guint flags)
{
	GPtrArray *all = domain_list_all(driver->domains);

	for (guint i = all->len; i-- > 0;) {
		const Facts facts = facts_of(g_ptr_array_index(all, i));

		if (!matches(&facts, flags))
			g_ptr_array_remove_index(all, i);
	}
	return all;
}

static gboolean list_all_domains(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectListAllDomains_args *request = args;
	ConnectListAllDomains_ret *ret = result;
	g_autoptr(GPtrArray) found = find_matching(call->driver, request->flags);

	(void)error;
	ret->ret = found->len;
	if (!request->need_results)
		return TRUE;
	ret->domains.domains_val = g_new0(RpcDomain, found->len);
	ret->domains.domains_len = found->len;
	for (guint i = 0; i < found->len; i++)
		domain_fill_wire(g_ptr_array_index(found, i), &ret->domains.domains_val[i]);
	return TRUE;
}

static gboolean num_of_domains(RpcCall *call, const void *args, void *result, GError **error)
{
	ConnectNumOfDomains_ret *ret = result;
	g_autoptr(GPtrArray) found = find_matching(call->driver, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	(void)args;
	(void)error;
	ret->num = (int)found->len;
	return TRUE;
}

static gboolean num_of_defined_domains(RpcCall *call, const void *args, void *result,
				       GError **error)
{
	ConnectNumOfDefinedDomains_ret *ret = result;
	g_autoptr(GPtrArray) found = find_matching(call->driver, VIR_CONNECT_LIST_DOMAINS_INACTIVE);

	(void)args;
	(void)error;
	ret->num = (int)found->len;
	return TRUE;
}

static gboolean check_max(int max, GError **error)
{
	if (max >= 0 && max <= RPC_DOMAIN_LIST_MAX)
		return TRUE;
	return driver_error(error, VIR_ERR_INVALID_ARG,
			    ngettext("a list of %d domain", "a list of %d domains", max), max);
}

static gboolean list_domains(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectListDomains_args *request = args;
	ConnectListDomains_ret *ret = result;
	g_autoptr(GPtrArray) found = NULL;
	guint count = 0;

	if (!check_max(request->max, error))
		return FALSE;
	found = find_matching(call->driver, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
	ret->ids.ids_val = g_new0(int, found->len + 1);
	for (guint i = 0; i < found->len && count < (guint)request->max; i++) {
		const Facts facts = facts_of(g_ptr_array_index(found, i));

		if (facts.is_active)
			ret->ids.ids_val[count++] = facts.id;
	}
	ret->ids.ids_len = count;
	return TRUE;
}

static gboolean list_defined_domains(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectListDefinedDomains_args *request = args;
	ConnectListDefinedDomains_ret *ret = result;
	g_autoptr(GPtrArray) found = NULL;
	guint count;

	if (!check_max(request->max, error))
		return FALSE;
	found = find_matching(call->driver, VIR_CONNECT_LIST_DOMAINS_INACTIVE);
	count = MIN(found->len, (guint)request->max);
	ret->names.names_val = g_new0(RpcString, count + 1);
	ret->names.names_len = count;
	for (guint i = 0; i < count; i++) {
		const Domain *domain = g_ptr_array_index(found, i);

		ret->names.names_val[i] = g_strdup(domain->name);
	}
	return TRUE;
}

/* Replies with a domain that was looked up; NULL is an error that is set already. */
static gboolean reply_domain(RpcDomain *wire, Domain *domain)
{
	if (!domain)
		return FALSE;
	domain_fill_wire(domain, wire);
	domain_unref(domain);
	return TRUE;
}

static gboolean lookup_by_id(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainLookupById_args *request = args;
	const Driver *driver = call->driver;
	DomainLookupById_ret *ret = result;

	return reply_domain(&ret->dom, domain_list_find_id(driver->domains, request->id, error));
}

static gboolean lookup_by_name(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainLookupByName_args *request = args;
	const Driver *driver = call->driver;
	DomainLookupByName_ret *ret = result;

	return reply_domain(&ret->dom,
			    domain_list_find_name(driver->domains, request->name, error));
}

static gboolean lookup_by_uuid(RpcCall *call, const void *args, void *result, GError **error)
{
	const DomainLookupByUuid_args *request = args;
	const Driver *driver = call->driver;
	DomainLookupByUuid_ret *ret = result;

	return reply_domain(&ret->dom, domain_list_find_uuid(driver->domains,
							     (const guint8 *)request->uuid, error));
}

const RpcProcedure calls_find[] = {
	RPC_PROCEDURE_FLAGS(RPC_CONNECT_LIST_ALL_DOMAINS, RPC_ACCESS_READ, RPC_CONNECTION,
			    ConnectListAllDomains, list_all_domains, FILTERS),
	RPC_PROCEDURE_RET(RPC_CONNECT_NUM_OF_DOMAINS, RPC_ACCESS_READ, ConnectNumOfDomains,
			  num_of_domains),
	RPC_PROCEDURE_RET(RPC_CONNECT_NUM_OF_DEFINED_DOMAINS, RPC_ACCESS_READ,
			  ConnectNumOfDefinedDomains, num_of_defined_domains),
	RPC_PROCEDURE(RPC_CONNECT_LIST_DOMAINS, RPC_ACCESS_READ, RPC_CONNECTION, ConnectListDomains,
		      list_domains),
	RPC_PROCEDURE(RPC_CONNECT_LIST_DEFINED_DOMAINS, RPC_ACCESS_READ, RPC_CONNECTION,
		      ConnectListDefinedDomains, list_defined_domains),
	RPC_PROCEDURE(RPC_DOMAIN_LOOKUP_BY_ID, RPC_ACCESS_READ, RPC_CONNECTION, DomainLookupById,
		      lookup_by_id),
	RPC_PROCEDURE(RPC_DOMAIN_LOOKUP_BY_NAME, RPC_ACCESS_READ, RPC_CONNECTION,
		      DomainLookupByName, lookup_by_name),
	RPC_PROCEDURE(RPC_DOMAIN_LOOKUP_BY_UUID, RPC_ACCESS_READ, RPC_CONNECTION,
		      DomainLookupByUuid, lookup_by_uuid),
	{ .name = NULL },
};
