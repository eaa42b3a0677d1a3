/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain.c - one domain: what is known of it, and who may change that */
#include "driver/domain/domain.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/domain/driver.h"
#include "driver/error.h"

Domain *domain_new(Driver *driver, const DomainDef *def)
{
	Domain *domain = g_new0(Domain, 1);

	g_atomic_ref_count_init(&domain->references);
	g_mutex_init(&domain->lock);
	g_cond_init(&domain->job_ended);
	g_cond_init(&domain->agent_turn_ended);
	g_cond_init(&domain->tray_moved);
	domain->driver = driver;
	domain->name = g_strdup(def->name);
	memcpy(domain->uuid, def->uuid, sizeof(domain->uuid));
	domain->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
						 (GDestroyNotify)rpc_stream_unref);
	domain->state = VIR_DOMAIN_SHUTOFF;
	domain->reason = VIR_DOMAIN_SHUTOFF_UNKNOWN;
	domain->state_since = g_get_monotonic_time();
	return domain;
}

Domain *domain_ref(Domain *domain)
{
	g_atomic_ref_count_inc(&domain->references);
	return domain;
}

void domain_unref(Domain *domain)
{
	if (!g_atomic_ref_count_dec(&domain->references))
		return;
	/* A VMM, a console and an autodestroy registration hold references of their own. */
	g_hash_table_unref(domain->sessions);
	domain_def_free(domain->live);
	domain_def_free(domain->config);
	g_cond_clear(&domain->agent_turn_ended);
	g_cond_clear(&domain->tray_moved);
	g_cond_clear(&domain->job_ended);
	g_mutex_clear(&domain->lock);
	g_free(domain->crash);
	g_free(domain->nvram);
	identity_free(domain->identity);
	g_free(domain->name);
	g_free(domain);
}

DomainVmm *domain_vmm_new(Domain *domain, Vmm *launched)
{
	DomainVmm *vmm = g_new0(DomainVmm, 1);

	g_atomic_ref_count_init(&vmm->references);
	vmm->domain = domain_ref(domain);
	vmm->process = g_steal_pointer(&launched->process);
	vmm->monitor = g_steal_pointer(&launched->monitor);
	vmm->logger = g_steal_pointer(&launched->logger);
	vmm->passts = g_steal_pointer(&launched->passts);
	vmm->storage = g_steal_pointer(&launched->storage);
	vmm->log_mark = launched->log_mark;
	vmm->end_reason = VIR_DOMAIN_SHUTOFF_CRASHED;
	return vmm;
}

DomainVmm *domain_vmm_ref(DomainVmm *vmm)
{
	g_atomic_ref_count_inc(&vmm->references);
	return vmm;
}

gboolean domain_vmm_is_current(const DomainVmm *vmm)
{
	gboolean is_current;

	g_mutex_lock(&vmm->domain->lock);
	is_current = vmm->domain->vmm == vmm;
	g_mutex_unlock(&vmm->domain->lock);
	return is_current;
}

void domain_vmm_unref(DomainVmm *vmm)
{
	if (!vmm || !g_atomic_ref_count_dec(&vmm->references))
		return;
	/* Waits for the monitor thread, which uses all the rest. */
	qmp_client_free(vmm->monitor);
	vmm_process_free(vmm->process);
	vmm_process_free(vmm->logger);
	g_clear_pointer(&vmm->passts, g_ptr_array_unref);
	vmm_storage_free(vmm->storage);
	domain_unref(vmm->domain);
	g_clear_pointer(&vmm->gone, g_ptr_array_unref);
	g_free(vmm->attaching);
	g_free(vmm->trouble);
	g_free(vmm->pause);
	g_free(vmm);
}

guint domain_vmm_count_threads(const DomainVmm *vmm)
{
	return (guint)g_atomic_int_get(&vmm->n_vcpu_threads);
}

/* With the lock. */
static void take_job(Domain *domain, const char *what)
{
	domain->job = what;
	domain->job_since = g_get_monotonic_time();
}

gboolean domain_begin_job(Domain *domain, const char *what, GError **error)
{
	const gint64 deadline = g_get_monotonic_time() + DOMAIN_JOB_SECONDS * G_TIME_SPAN_SECOND;
	gboolean in_time = TRUE;
	gboolean taken = FALSE;

	g_mutex_lock(&domain->lock);
	while (domain->job && in_time)
		in_time = g_cond_wait_until(&domain->job_ended, &domain->lock, deadline);
	if (domain->job) {
		driver_error(
			error, VIR_ERR_OPERATION_TIMEOUT,
			_("domain '%s' is busy: '%s' has been under way for %d s"), domain->name,
			_(domain->job),
			(int)((g_get_monotonic_time() - domain->job_since) / G_TIME_SPAN_SECOND));
	} else if (domain->is_removed) {
		driver_error(error, VIR_ERR_NO_DOMAIN, _("domain '%s' is gone"), domain->name);
	} else {
		take_job(domain, what);
		taken = TRUE;
	}
	g_mutex_unlock(&domain->lock);
	return taken;
}

void domain_begin_job_always(Domain *domain, const char *what)
{
	g_mutex_lock(&domain->lock);
	while (domain->job)
		g_cond_wait(&domain->job_ended, &domain->lock);
	take_job(domain, what);
	g_mutex_unlock(&domain->lock);
}

void domain_end_job(Domain *domain)
{
	g_mutex_lock(&domain->lock);
	domain->job = NULL;
	g_cond_broadcast(&domain->job_ended);
	g_mutex_unlock(&domain->lock);
}

gboolean domain_is_active(const Domain *domain)
{
	return domain->live != NULL;
}

gboolean domain_is_visible(const Domain *domain)
{
	return !domain->is_removed && (domain->live || domain->config);
}

int domain_id(const Domain *domain)
{
	return domain->live ? domain->live->id : -1;
}

void domain_fill_wire(Domain *domain, RpcDomain *wire)
{
	wire->name = g_strdup(domain->name);
	memcpy(wire->uuid, domain->uuid, sizeof(wire->uuid));
	g_mutex_lock(&domain->lock);
	wire->id = domain_id(domain);
	g_mutex_unlock(&domain->lock);
}

const DomainDef *domain_current_def(const Domain *domain)
{
	return domain->live ? domain->live : domain->config;
}

DomainVmm *domain_get_vmm(Domain *domain, GError **error)
{
	if (domain->vmm)
		return domain_vmm_ref(domain->vmm);
	driver_error(error, VIR_ERR_OPERATION_INVALID, _("domain '%s' is not running"),
		     domain->name);
	return NULL;
}

void domain_set_state(Domain *domain, int state, int reason)
{
	domain->state = state;
	domain->reason = reason;
	domain->state_since = g_get_monotonic_time();
}

static RpcEventDomain event_domain(const Domain *domain)
{
	return (RpcEventDomain){
		.name = domain->name,
		.uuid = domain->uuid,
		.id = domain_id(domain),
	};
}

void domain_send_event(const Domain *domain, int event, int detail)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_lifecycle(domain->driver->server, &subject, event, detail);
}

void domain_send_reboot(const Domain *domain)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_reboot(domain->driver->server, &subject);
}

void domain_send_watchdog(const Domain *domain, int action)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_watchdog(domain->driver->server, &subject, action);
}

void domain_send_balloon_change(const Domain *domain)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_balloon_change(domain->driver->server, &subject,
				       domain->live->current_memory_kib);
}

void domain_send_disk_error(const Domain *domain, const RpcDiskError *disk_error)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_disk_error(domain->driver->server, &subject, disk_error);
}

void domain_send_device_added(const Domain *domain, const char *alias)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_device_added(domain->driver->server, &subject, alias);
}

void domain_send_device_removed(const Domain *domain, const char *alias)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_device_removed(domain->driver->server, &subject, alias);
}

void domain_send_device_kept(const Domain *domain, const char *alias)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_device_kept(domain->driver->server, &subject, alias);
}

void domain_send_tray_change(const Domain *domain, const char *alias, gboolean is_open)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_tray_change(domain->driver->server, &subject, alias, is_open);
}

void domain_send_agent(const Domain *domain, gboolean is_connected)
{
	const RpcEventDomain subject = event_domain(domain);

	rpc_events_send_agent(domain->driver->server, &subject, is_connected);
}
