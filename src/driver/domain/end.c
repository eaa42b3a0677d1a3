/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* end.c - ending domains, and what is left of a run */
#include "driver/domain/end.h"

#include <glib/gi18n.h>
#include <signal.h>
#include <unistd.h>

#include "driver/domain/driver.h"
#include "driver/domain/store.h"
#include "driver/error.h"
#include "driver/network/link.h"
#include "driver/vmm/vmm-chardev.h"

static int stopped_detail(int reason)
{
	switch (reason) {
	case VIR_DOMAIN_SHUTOFF_SHUTDOWN:
		return VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN;
	case VIR_DOMAIN_SHUTOFF_DESTROYED:
		return VIR_DOMAIN_EVENT_STOPPED_DESTROYED;
	case VIR_DOMAIN_SHUTOFF_CRASHED:
		return VIR_DOMAIN_EVENT_STOPPED_CRASHED;
	default:
		return VIR_DOMAIN_EVENT_STOPPED_FAILED;
	}
}

void end_forget_autodestroy(Domain *domain)
{
	if (!domain->autodestroy)
		return;
	rpc_client_forget_on_close(domain->autodestroy, domain);
	g_clear_pointer(&domain->autodestroy, rpc_client_unref);
}

/* What the run has of the host is given back; the status file, which says what that is, goes last.
 */
static void give_back(Domain *domain, gboolean has_ended)
{
	g_autofree char *monitor = store_monitor_path(domain->driver, domain->uuid);
	g_autofree char *storage = store_storage_path(domain->driver, domain->uuid);

	(void)unlink(monitor);
	vmm_storage_remove_sockets(storage);
	identity_end(domain, has_ended);
}

char *end_explain(DomainVmm *vmm)
{
	const Driver *driver = vmm->domain->driver;
	g_autofree char *log = store_log_path(driver, vmm->domain->name);

	return vmm_failure(vmm->process, log, &driver->log_limits, &vmm->log_mark);
}

/*
 * The domain's VMM has ended: what is left of its run is put away. With the job, without
 * the lock.
 */
static void finish(Domain *domain, DomainVmm *vmm)
{
	const int reason = vmm->end_reason;
	g_autofree char *failure = NULL;

	vmm_passts_wait(vmm->passts);
	vmm_storage_end(vmm->storage);
	network_links_forget(domain->live);
	vmm_chardev_remove_all(domain->live);
	vmm_logger_wait(vmm->logger);
	give_back(domain, vmm_process_wait(vmm->process, 0));
	if (reason == VIR_DOMAIN_SHUTOFF_CRASHED)
		failure = end_explain(vmm);
	g_mutex_lock(&domain->lock);
	if (failure && !domain->crash) {
		domain->crash = g_steal_pointer(&failure);
		g_warning(_("domain '%s': %s"), domain->name, domain->crash);
	}
	domain_set_state(domain, VIR_DOMAIN_SHUTOFF, reason);
	domain_send_event(domain, VIR_DOMAIN_EVENT_STOPPED, stopped_detail(reason));
	end_forget_autodestroy(domain);
	g_clear_pointer(&domain->live, domain_def_free);
	domain->is_updated = FALSE;
	g_clear_pointer(&domain->nvram, g_free);
	domain->vmm = NULL;
	g_mutex_unlock(&domain->lock);
	domain_vmm_unref(vmm);
	domain_list_drop_invisible(domain->driver->domains, domain);
}

/* Return: FALSE where the VMM is still there. */
static gboolean end_process(DomainVmm *vmm, gboolean graceful)
{
	g_mutex_lock(&vmm->domain->lock);
	vmm->is_ending = TRUE;
	g_mutex_unlock(&vmm->domain->lock);
	vmm_process_signal(vmm->process, SIGTERM);
	if (vmm_process_wait(vmm->process, END_SECONDS))
		return TRUE;
	if (graceful)
		return FALSE;
	g_warning(_("the VMM of domain '%s' does not end; it is killed"), vmm->domain->name);
	vmm_process_signal(vmm->process, SIGKILL);
	return vmm_process_wait(vmm->process, END_SECONDS);
}

void end_finish(DomainVmm *vmm)
{
	if (domain_vmm_is_current(vmm))
		finish(vmm->domain, vmm);
}

void end_set_reason(DomainVmm *vmm, int reason)
{
	g_mutex_lock(&vmm->domain->lock);
	vmm->end_reason = reason;
	g_mutex_unlock(&vmm->domain->lock);
}

void end_run(DomainVmm *vmm)
{
	(void)end_process(vmm, FALSE);
	end_finish(vmm);
}

void end_put_away(Domain *domain)
{
	vmm_chardev_remove_all(domain->live);
	give_back(domain, TRUE);
	g_mutex_lock(&domain->lock);
	domain_set_state(domain, VIR_DOMAIN_SHUTOFF, VIR_DOMAIN_SHUTOFF_DAEMON);
	domain_send_event(domain, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
	g_clear_pointer(&domain->live, domain_def_free);
	domain->is_updated = FALSE;
	g_clear_pointer(&domain->nvram, g_free);
	g_mutex_unlock(&domain->lock);
	domain_list_drop_invisible(domain->driver->domains, domain);
}

gboolean end_destroy(Domain *domain, gboolean graceful, GError **error)
{
	DomainVmm *vmm;
	gboolean ended;

	/* A start that is under way has no VMM yet that could be ended. */
	g_mutex_lock(&domain->lock);
	if (!domain->vmm && domain->job) {
		g_mutex_unlock(&domain->lock);
		if (!domain_begin_job(domain, N_("destroy"), error))
			return FALSE;
		domain_end_job(domain);
		g_mutex_lock(&domain->lock);
	}
	vmm = domain_get_vmm(domain, error);
	if (vmm) {
		vmm->end_reason = VIR_DOMAIN_SHUTOFF_DESTROYED;
		vmm->is_ending = TRUE;
	}
	g_mutex_unlock(&domain->lock);
	if (!vmm)
		return FALSE;

	/* Without the job: whoever holds it waits for this VMM and sees its end now. */
	ended = end_process(vmm, graceful);
	if (ended) {
		domain_begin_job_always(domain, N_("destroy"));
		end_finish(vmm);
		domain_end_job(domain);
	} else {
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("the VMM of domain '%s' (process %d) does not end"), domain->name,
			     (int)vmm_process_pid(vmm->process));
	}
	domain_vmm_unref(vmm);
	return ended;
}
