/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* steer.c - pausing, resuming, resetting domains, and pressing their power buttons */
#include "driver/domain/steer.h"

#include <glib/gi18n.h>

#include "driver/domain/follow.h"
#include "driver/error.h"

/* The job and the VMM of a domain that runs; NULL with @error set and no job otherwise. */
static DomainVmm *begin_vmm_job(Domain *domain, const char *what, GError **error)
{
	DomainVmm *vmm;

	if (!domain_begin_job(domain, what, error))
		return NULL;
	g_mutex_lock(&domain->lock);
	vmm = domain_get_vmm(domain, error);
	g_mutex_unlock(&domain->lock);
	if (!vmm)
		domain_end_job(domain);
	return vmm;
}

static void end_vmm_job(DomainVmm *vmm)
{
	domain_end_job(vmm->domain);
	domain_vmm_unref(vmm);
}

static int state_of(Domain *domain)
{
	int state;

	g_mutex_lock(&domain->lock);
	state = domain->state;
	g_mutex_unlock(&domain->lock);
	return state;
}

/* The VMM's events come before its replies, so that the state has changed when it has. */
gboolean steer_suspend(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, N_("suspend"), error);
	gboolean done;
	int state;

	if (!vmm)
		return FALSE;
	state = state_of(domain);
	if (state == VIR_DOMAIN_RUNNING)
		done = qmp_client_tell(vmm->monitor, "stop", error);
	else
		done = state == VIR_DOMAIN_PAUSED ||
		       driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is not running"), domain->name);
	end_vmm_job(vmm);
	return done;
}

gboolean steer_resume(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, N_("resume"), error);
	gboolean done;
	int state;

	if (!vmm)
		return FALSE;
	state = state_of(domain);
	/* A guest that says it has failed may go on; whether a machine can, its VMM says. */
	if (state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_CRASHED)
		done = qmp_client_tell(vmm->monitor, "cont", error);
	else
		done = driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is not paused"), domain->name);
	end_vmm_job(vmm);
	return done;
}

/* As with libvirt's QEMU: the machine is new, and waits to be resumed. */
static void note_new_machine(Domain *domain)
{
	g_mutex_lock(&domain->lock);
	if (domain->state == VIR_DOMAIN_CRASHED) {
		domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_CRASHED);
		(void)follow_save_status(domain, NULL);
	}
	g_mutex_unlock(&domain->lock);
}

gboolean steer_reset(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, N_("reset"), error);
	gboolean done;

	if (!vmm)
		return FALSE;
	done = qmp_client_tell(vmm->monitor, "system_reset", error);
	if (done)
		note_new_machine(domain);
	end_vmm_job(vmm);
	return done;
}

static void set_is_reboot(DomainVmm *vmm, gboolean is_reboot)
{
	g_mutex_lock(&vmm->domain->lock);
	vmm->is_reboot = is_reboot;
	g_mutex_unlock(&vmm->domain->lock);
}

gboolean steer_shutdown(Domain *domain, gboolean is_reboot, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, is_reboot ? N_("reboot") : N_("shutdown"), error);
	gboolean done;

	if (!vmm)
		return FALSE;
	set_is_reboot(vmm, is_reboot);
	done = qmp_client_tell(vmm->monitor, "system_powerdown", error);
	end_vmm_job(vmm);
	return done;
}
