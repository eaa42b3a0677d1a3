/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* reconnect.c - domains go from one daemon to the next */
#include "driver/domain/reconnect.h"

#include <glib/gi18n.h>

#include "driver/domain/driver.h"
#include "driver/domain/end.h"
#include "driver/domain/follow.h"
#include "driver/domain/nvram.h"
#include "driver/domain/served-disk.h"
#include "driver/error.h"
#include "driver/network/link.h"
#include "driver/vmm/vmm-launch.h"

/* Until its monitor thread runs, a VMM that was found ends unheard. */
static void follow_found(gpointer data)
{
	g_autoptr(DomainVmm) vmm = data;
	Domain *domain = vmm->domain;
	g_autoptr(GError) error = NULL;
	gboolean is_current;

	g_mutex_lock(&domain->lock);
	is_current = domain->vmm == vmm;
	if (is_current && vmm_process_wait(vmm->process, 0)) {
		follow_ask(vmm, FOLLOW_END);
		is_current = FALSE;
	}
	g_mutex_unlock(&domain->lock);
	if (!is_current || follow_start(vmm, &error))
		return;
	log_limit_warning(&vmm->log, _("domain '%s': %s"), domain->name, error->message);
	domain_vmm_ref(vmm);
	if (!driver_run_later(domain->driver, follow_found, vmm))
		domain_vmm_unref(vmm);
}

typedef struct {
	Domain *domain; /* with its job */
	StoreStatus status;
	LogLimit log;
} Reconnection;

static void reconnection_free(Reconnection *reconnection)
{
	domain_unref(reconnection->domain);
	g_free(reconnection);
}

/* The domain has the VMM of an earlier daemon, and keeps the job until that has been reached. */
static void take_found(const Reconnection *reconnection, VmmProcess *process)
{
	Domain *domain = reconnection->domain;
	g_autofree char *path = store_monitor_path(domain->driver, domain->uuid);
	Vmm found = {
		.process = process,
		.monitor = qmp_client_new(path),
		/* One that has ended has nothing left to write. */
		.logger = vmm_process_adopt(reconnection->status.logger_pid,
					    reconnection->status.logger_start_time, NULL),
		.storage = served_disk_adopt(domain, reconnection->status.storage_pid,
					     reconnection->status.storage_start_time),
		.log_mark = reconnection->status.log_mark,
	};
	DomainVmm *vmm = domain_vmm_new(domain, &found);

	g_mutex_lock(&domain->lock);
	vmm->holds_job = TRUE;
	vmm->is_tainted = reconnection->status.is_tainted;
	domain->vmm = domain_vmm_ref(vmm);
	g_mutex_unlock(&domain->lock);
	follow_found(vmm);
}

/* What was started before the VMM, and has not ended with it. */
static void end_storage(const Domain *domain, const StoreStatus *status)
{
	VmmStorage *storage = served_disk_adopt(domain, status->storage_pid,
						status->storage_start_time);

	vmm_storage_end(storage);
	vmm_storage_free(storage);
}

/*
 * Nobody has seen the domain run, and nobody waits for it: what there is of it ends. Where a start
 * has not come to a process, nobody knows whether a device with its name is its own.
 */
static void undo_start(Domain *domain, const StoreStatus *status, VmmProcess *process)
{
	g_warning(_("domain '%s' was being started when a daemon ended: that is undone"),
		  domain->name);
	if (process)
		vmm_process_end(process, 0);
	if (status->pid > 0)
		network_links_forget(domain->live);
	end_storage(domain, status);
	end_put_away(domain);
	domain_end_job(domain);
}

static void reconnect(gpointer data)
{
	Reconnection *reconnection = data;
	Domain *domain = reconnection->domain;
	const StoreStatus *status = &reconnection->status;
	g_autoptr(GError) error = NULL;
	VmmProcess *process = vmm_process_adopt(status->pid, status->start_time, &error);

	if (process && status->is_starting) {
		undo_start(domain, status, process);
		vmm_process_free(process);
	} else if (process) {
		take_found(reconnection, process);
	} else if (g_error_matches(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR)) {
		log_limit_warning(&reconnection->log, _("domain '%s': %s"), domain->name,
				  error->message);
		if (driver_run_later(domain->driver, reconnect, reconnection))
			return;
	} else if (status->is_starting) {
		undo_start(domain, status, NULL);
	} else {
		g_warning(_("domain '%s' is given up: %s"), domain->name, error->message);
		network_links_forget(domain->live);
		end_storage(domain, status);
		end_put_away(domain);
		domain_end_job(domain);
	}
	reconnection_free(reconnection);
}

void reconnect_domain(Domain *domain, StoreStatus *status)
{
	Reconnection *reconnection = g_new0(Reconnection, 1);

	domain_begin_job_always(domain, N_("reconnect"));
	g_mutex_lock(&domain->lock);
	domain->live = g_steal_pointer(&status->def);
	domain->nvram = nvram_identity(domain->live);
	domain_set_state(domain, status->state, status->reason);
	g_mutex_unlock(&domain->lock);
	identity_adopt(domain, g_steal_pointer(&status->identity));
	reconnection->domain = domain_ref(domain);
	reconnection->status = *status;
	driver_run(domain->driver, reconnect, reconnection);
}

void reconnect_leave(Domain *domain)
{
	DomainVmm *vmm;

	g_mutex_lock(&domain->lock);
	vmm = g_steal_pointer(&domain->vmm);
	end_forget_autodestroy(domain);
	g_mutex_unlock(&domain->lock);
	domain_vmm_unref(vmm);
}
