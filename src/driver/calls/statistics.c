/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics.c - procedures that count what domains use */
#include "driver/calls/calls.h"

#include "driver/domain/statistics.h"
#include "driver/error.h"
#include <glib/gi18n.h>

/* How long the VMMs may take to answer, in seconds; with NOWAIT, what answers at once. */
#define ANSWER_SECONDS QMP_SHARED_SECONDS

#define STATS_FLAGS                                                                                \
	(VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE |   \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT |                                            \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT | VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED | VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF |    \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT |      \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING |                                               \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS)

/* Of a group of filter bits, none or one that is met. */
static gboolean meets(guint flags, guint yes, guint no, gboolean value)
{
	return !(flags & (yes | no)) || (flags & (value ? yes : no));
}

static guint state_filter(int state)
{
	switch (state) {
	case VIR_DOMAIN_RUNNING:
		return VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING;
	case VIR_DOMAIN_PAUSED:
		return VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED;
	case VIR_DOMAIN_SHUTOFF:
		return VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF;
	default:
		return VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER;
	}
}

#define STATE_FILTERS                                                                           \
	(VIR_CONNECT_GET_ALL_DOMAINS_STATS_RUNNING | VIR_CONNECT_GET_ALL_DOMAINS_STATS_PAUSED | \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_SHUTOFF | VIR_CONNECT_GET_ALL_DOMAINS_STATS_OTHER)

static gboolean is_wanted(Domain *domain, guint flags)
{
	gboolean is_active;
	gboolean is_persistent;
	int state;

	g_mutex_lock(&domain->lock);
	is_active = domain_is_active(domain);
	is_persistent = domain->config != NULL;
	state = domain->state;
	g_mutex_unlock(&domain->lock);
	return meets(flags, VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE,
		     VIR_CONNECT_GET_ALL_DOMAINS_STATS_INACTIVE, is_active) &&
	       meets(flags, VIR_CONNECT_GET_ALL_DOMAINS_STATS_PERSISTENT,
		     VIR_CONNECT_GET_ALL_DOMAINS_STATS_TRANSIENT, is_persistent) &&
	       (!(flags & STATE_FILTERS) || (flags & state_filter(state)));
}

/*
 * The domains that a client names, or all. One that is named many times is there once: each has one
 * record in the reply, so that this costs what the domains cost, not what their names do. NULL with
 * @error set where one does not exist.
 */
static GPtrArray *find_domains(const RpcCall *call, const ConnectGetAllDomainStats_args *request,
			       GError **error)
{
	const Driver *driver = call->driver;
	g_autoptr(GPtrArray) domains = NULL;
	g_autoptr(GHashTable) seen = NULL;

	if (request->doms.doms_len == 0)
		return domain_list_all(driver->domains);
	domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_unref);
	seen = g_hash_table_new(NULL, NULL);
	for (guint i = 0; i < request->doms.doms_len; i++) {
		Domain *domain = calls_find_domain(driver, &request->doms.doms_val[i], error);

		if (!domain)
			return NULL;
		if (g_hash_table_add(seen, domain))
			g_ptr_array_add(domains, domain);
		else
			domain_unref(domain);
	}
	return g_steal_pointer(&domains);
}

static gboolean check_groups(const ConnectGetAllDomainStats_args *request, guint *groups,
			     GError **error)
{
	*groups = request->stats ? request->stats & STATISTICS_GROUPS : STATISTICS_GROUPS;
	if (!(request->flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS) ||
	    !(request->stats & ~(guint)STATISTICS_GROUPS))
		return TRUE;
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("statistics groups %#x do not exist here"),
			    request->stats & ~(guint)STATISTICS_GROUPS);
}

static gboolean get_all_domain_stats(RpcCall *call, const void *args, void *result, GError **error)
{
	const ConnectGetAllDomainStats_args *request = args;
	ConnectGetAllDomainStats_ret *ret = result;
	const guint seconds = request->flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT ?
				      1 :
				      ANSWER_SECONDS;
	g_autoptr(GPtrArray) domains = NULL;
	g_autoptr(GPtrArray) questions = g_ptr_array_new();
	guint groups;
	gint64 deadline;

	if (!check_groups(request, &groups, error))
		return FALSE;
	domains = find_domains(call, request, error);
	if (!domains)
		return FALSE;

	for (guint i = 0; i < domains->len; i++) {
		Domain *domain = g_ptr_array_index(domains, i);

		if (is_wanted(domain, request->flags))
			g_ptr_array_add(questions, statistics_ask(domain, groups));
	}
	deadline = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
	ret->stats.stats_val = g_new0(RpcDomainStats, questions->len + 1);
	ret->stats.stats_len = questions->len;
	for (guint i = 0; i < questions->len; i++)
		statistics_answer(g_ptr_array_index(questions, i), deadline,
				  &ret->stats.stats_val[i]);
	return TRUE;
}

const RpcProcedure calls_statistics[] = {
	RPC_PROCEDURE_FLAGS(RPC_CONNECT_GET_ALL_DOMAIN_STATS, RPC_ACCESS_READ, RPC_CONNECTION,
			    ConnectGetAllDomainStats, get_all_domain_stats, STATS_FLAGS),
	{ .name = NULL },
};
