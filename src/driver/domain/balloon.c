/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* balloon.c - how much of its memory a guest has, and what it says of it */
#include "driver/domain/balloon.h"

#include <glib/gi18n.h>

#include "driver/domain/follow.h"
#include "driver/error.h"

static gboolean tell_number(const DomainVmm *vmm, const char *command, const char *name,
			    gint64 value, GError **error)
{
	JsonObject *arguments = json_object_new();

	json_object_set_int_member(arguments, name, value);
	return qmp_client_tell_with(vmm->monitor, command, arguments, -1, error);
}

/* A copy of what the domain that runs has, or NULL. */
static DomainMemballoon *get_balloon(Domain *domain)
{
	DomainMemballoon *balloon;

	g_mutex_lock(&domain->lock);
	balloon = domain->live ? domain_memballoon_copy(domain->live->memballoon) : NULL;
	g_mutex_unlock(&domain->lock);
	return balloon;
}

static gboolean tell_memory(const DomainVmm *vmm, guint64 memory_kib, GError **error)
{
	return tell_number(vmm, "balloon", "value", (gint64)memory_kib * 1024, error);
}

gboolean balloon_begin(DomainVmm *vmm, guint64 memory_kib, GError **error)
{
	DomainMemballoon *balloon = get_balloon(vmm->domain);
	gboolean done = TRUE;

	if (!balloon)
		return TRUE;
	done = tell_memory(vmm, memory_kib, error) &&
	       (balloon->period == 0 ||
		tell_number(vmm, "set-balloon-polling", "period", balloon->period, error));
	domain_memballoon_free(balloon);
	return done;
}

static gboolean check_balloon(const DomainVmm *vmm, GError **error)
{
	DomainMemballoon *balloon = get_balloon(vmm->domain);

	if (!balloon)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' has no balloon (memballoon): its memory cannot "
				      "change while it runs"),
				    vmm->domain->name);
	domain_memballoon_free(balloon);
	return TRUE;
}

gboolean balloon_set_memory(DomainVmm *vmm, guint64 memory_kib, GError **error)
{
	return check_balloon(vmm, error) && tell_memory(vmm, memory_kib, error);
}

gboolean balloon_set_period(DomainVmm *vmm, guint period, GError **error)
{
	Domain *domain = vmm->domain;

	if (!check_balloon(vmm, error) ||
	    !tell_number(vmm, "set-balloon-polling", "period", period, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->live->memballoon) {
		domain->live->memballoon->period = period;
		(void)follow_save_status(domain, NULL);
	}
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

/* In the order of their tags. */
static const BalloonStatistic statistics[] = {
	{ "stat-swap-in", VIR_DOMAIN_MEMORY_STAT_SWAP_IN, "swap_in", 1024 },
	{ "stat-swap-out", VIR_DOMAIN_MEMORY_STAT_SWAP_OUT, "swap_out", 1024 },
	{ "stat-major-faults", VIR_DOMAIN_MEMORY_STAT_MAJOR_FAULT, "major_fault", 1 },
	{ "stat-minor-faults", VIR_DOMAIN_MEMORY_STAT_MINOR_FAULT, "minor_fault", 1 },
	{ "stat-free-memory", VIR_DOMAIN_MEMORY_STAT_UNUSED, "unused", 1024 },
	{ "stat-total-memory", VIR_DOMAIN_MEMORY_STAT_AVAILABLE, "available", 1024 },
	{ "stat-available-memory", VIR_DOMAIN_MEMORY_STAT_USABLE, "usable", 1024 },
	{ "last-update", VIR_DOMAIN_MEMORY_STAT_LAST_UPDATE, "last-update", 1 },
	{ "stat-disk-caches", VIR_DOMAIN_MEMORY_STAT_DISK_CACHES, "disk_caches", 1024 },
	{ "stat-htlb-pgalloc", VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGALLOC, "hugetlb_pgalloc", 1 },
	{ "stat-htlb-pgfail", VIR_DOMAIN_MEMORY_STAT_HUGETLB_PGFAIL, "hugetlb_pgfail", 1 },
};

void balloon_statistics_foreach(JsonNode *reply,
				void (*function)(const BalloonStatistic *statistic, guint64 value,
						 gpointer data),
				gpointer data)
{
	JsonObject *object = reply && JSON_NODE_HOLDS_OBJECT(reply) ? json_node_get_object(reply) :
								      NULL;
	JsonNode *stats = object ? json_object_get_member(object, "stats") : NULL;

	if (!stats || !JSON_NODE_HOLDS_OBJECT(stats))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(statistics); i++) {
		const gint64 value =
			MAX(follow_number(object, statistics[i].member),
			    follow_number(json_node_get_object(stats), statistics[i].member));

		if (value >= 0)
			function(&statistics[i], (guint64)value / statistics[i].unit, data);
	}
}
