/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow-tasks.c - what a worker does about what a VMM has said */
#include "driver/domain/follow-tasks.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/domain/agent.h"
#include "driver/domain/end.h"
#include "driver/domain/hot-plug.h"
#include "driver/domain/iothreads.h"
#include "driver/domain/medium.h"
#include "driver/error.h"

/*
 * The VMM has not done what a restart asks, and may yet: so the guest is paused, as the VMM has it,
 * and whoever looks at the domain is told why.
 */
static void put_restart_off(DomainVmm *vmm, const GError *error)
{
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->state == VIR_DOMAIN_PAUSED && !vmm->is_ending) {
		g_free(vmm->trouble);
		vmm->trouble = g_strdup_printf(_("paused: not restarted yet: %s"), error->message);
		log_limit_warning(&vmm->log, _("domain '%s': %s"), domain->name, vmm->trouble);
		follow_change_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN,
				    VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	}
	g_mutex_unlock(&domain->lock);
}

static void handle_failed_restart(DomainVmm *vmm, const GError *error)
{
	if (qmp_outcome(error) != QMP_REFUSED) {
		put_restart_off(vmm, error);
		return;
	}
	/* The VMM itself says that there will be no other guest in it. */
	log_limit_warning(&vmm->log, _("domain '%s' cannot be restarted: %s"), vmm->domain->name,
			  error->message);
	end_set_reason(vmm, VIR_DOMAIN_SHUTOFF_FAILED);
	end_run(vmm);
}

static void set_is_restart_due(DomainVmm *vmm, gboolean is_due)
{
	g_mutex_lock(&vmm->domain->lock);
	vmm->is_restart_due = is_due;
	g_mutex_unlock(&vmm->domain->lock);
}

/* The machine begins anew. */
static void restart_guest(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(GError) error = NULL;

	g_mutex_lock(&domain->lock);
	vmm->end_reason = VIR_DOMAIN_SHUTOFF_CRASHED;
	vmm->is_restart_due = TRUE;
	/* So that the VMM's RESUME finds a domain that can be resumed. */
	domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SHUTTING_DOWN);
	g_mutex_unlock(&domain->lock);
	if (qmp_client_tell(vmm->monitor, "system_reset", &error) &&
	    qmp_client_tell(vmm->monitor, "cont", &error))
		set_is_restart_due(vmm, FALSE);
	else
		handle_failed_restart(vmm, error);
}

/* The VMM has done what was put off: the machine is new, and has to be let go. */
static void finish_restart(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(GError) error = NULL;
	gboolean is_due;

	g_mutex_lock(&domain->lock);
	is_due = domain->vmm == vmm && vmm->is_restart_due && domain->state == VIR_DOMAIN_PAUSED;
	g_mutex_unlock(&domain->lock);
	if (!is_due)
		return;
	if (qmp_client_tell(vmm->monitor, "cont", &error))
		set_is_restart_due(vmm, FALSE);
	else
		handle_failed_restart(vmm, error);
}

/* With the lock: what is to happen now that the guest has powered off or reset itself. */
static DomainAction power_off_action(DomainVmm *vmm)
{
	const DomainDef *live = vmm->domain->live;

	/* The same power-off as before a restart that did not succeed. */
	if (vmm->is_restart_due)
		return DOMAIN_ACTION_RESTART;
	return vmm->is_reboot || vmm->is_guest_reset ? live->on_reboot : live->on_poweroff;
}

static void do_action(DomainVmm *vmm, DomainAction action)
{
	if (action == DOMAIN_ACTION_DESTROY)
		end_run(vmm);
	else if (action == DOMAIN_ACTION_RESTART)
		restart_guest(vmm);
}

/* The guest has powered off, and its VMM waits. */
static void handle_power_off(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	DomainAction action = DOMAIN_ACTION_PRESERVE;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->state == VIR_DOMAIN_SHUTDOWN) {
		action = power_off_action(vmm);
		vmm->is_reboot = FALSE;
	}
	g_mutex_unlock(&domain->lock);
	do_action(vmm, action);
}

/* The machine has failed, or the guest in it; its VMM waits. */
static void handle_failure(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	DomainAction action = DOMAIN_ACTION_PRESERVE;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->state == VIR_DOMAIN_CRASHED)
		action = domain->live->on_crash;
	g_mutex_unlock(&domain->lock);
	do_action(vmm, action);
}

/* With the lock: what the VMM says is what is. */
static void take_status(DomainVmm *vmm, const char *status)
{
	static const struct {
		const char *status;
		int state;
		int reason;
		int event;
		int detail;
	} known[] = {
		{ "running", VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED,
		  VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED },
		{ "shutdown", VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_UNKNOWN,
		  VIR_DOMAIN_EVENT_SHUTDOWN, VIR_DOMAIN_EVENT_SHUTDOWN_GUEST },
		{ "guest-panicked", VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED,
		  VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED },
		{ "internal-error", VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_UNKNOWN,
		  VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED },
		{ "io-error", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_IOERROR,
		  VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR },
		{ "watchdog", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_WATCHDOG,
		  VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG },
		{ "", VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN, VIR_DOMAIN_EVENT_SUSPENDED,
		  VIR_DOMAIN_EVENT_SUSPENDED_PAUSED },
	};
	Domain *domain = vmm->domain;
	gsize i = 0;

	while (i < G_N_ELEMENTS(known) - 1 && strcmp(known[i].status, status) != 0)
		i++;
	if (domain->state != known[i].state) {
		follow_change_state(domain, known[i].state, known[i].reason, known[i].event,
				    known[i].detail);
	} else if (domain->state != VIR_DOMAIN_PAUSED) {
		domain_set_state(domain, known[i].state, known[i].reason);
		(void)follow_save_status(domain, NULL);
	}
	if (!vmm->is_ending)
		vmm->end_reason = domain->state == VIR_DOMAIN_SHUTDOWN ?
					  VIR_DOMAIN_SHUTOFF_SHUTDOWN :
					  VIR_DOMAIN_SHUTOFF_CRASHED;
}

static gboolean query_status(DomainVmm *vmm, GError **error)
{
	Domain *domain = vmm->domain;
	g_autoptr(JsonNode) reply = qmp_client_ask(vmm->monitor, "query-status", error);

	if (!reply)
		return FALSE;
	if (!JSON_NODE_HOLDS_OBJECT(reply))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the VMM's answer to query-status is no object"));
	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm)
		take_status(vmm, follow_string(json_node_get_object(reply), "status"));
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

gboolean follow_read_threads(DomainVmm *vmm, GError **error)
{
	g_autoptr(JsonNode) reply = NULL;
	JsonArray *list;
	gint count = 0;

	if (domain_vmm_count_threads(vmm) > 0)
		return TRUE;
	reply = qmp_client_ask_array(vmm->monitor, "query-cpus-fast", NULL, error);
	if (!reply)
		return FALSE;
	list = json_node_get_array(reply);
	for (guint i = 0; i < json_array_get_length(list) && count < DOMAIN_MAX_VCPUS; i++) {
		JsonNode *element = json_array_get_element(list, i);

		if (JSON_NODE_HOLDS_OBJECT(element))
			vmm->vcpu_threads[count++] =
				(pid_t)follow_number(json_node_get_object(element), "thread-id");
	}
	g_atomic_int_set(&vmm->n_vcpu_threads, count);
	return TRUE;
}

/* Whether programs in the guest have the channels open. */
static void read_channels(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(JsonNode) reply = NULL;

	if (domain->live->channels->len == 0)
		return;
	reply = qmp_client_ask_array(vmm->monitor, "query-chardev", NULL, NULL);
	if (!reply)
		return;
	g_mutex_lock(&domain->lock);
	for (guint i = 0; domain->vmm == vmm && i < domain->live->channels->len; i++) {
		const DomainPort *port = domain->live->channels->pdata[i];
		JsonObject *object = follow_find(reply, "label", port->alias);

		if (object)
			(void)agent_set_channel_state(domain, port->alias,
						      follow_boolean(object, "frontend-open"));
	}
	g_mutex_unlock(&domain->lock);
}

/* It answers: what has happened while nobody listened? */
static void handle_reached(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(GError) error = NULL;

	if (query_status(vmm, &error) && follow_read_threads(vmm, &error) &&
	    iothreads_catch_up(vmm, &error) && hot_plug_catch_up(vmm, &error) &&
	    medium_catch_up(vmm, &error)) {
		read_channels(vmm);
		g_mutex_lock(&domain->lock);
		g_clear_pointer(&vmm->trouble, g_free);
		g_mutex_unlock(&domain->lock);
		handle_power_off(vmm);
		handle_failure(vmm);
		finish_restart(vmm);
		return;
	}
	/* As long as nobody knows its state, it has not been reached. */
	log_limit_warning(&vmm->log, _("domain '%s': %s"), domain->name, error->message);
	qmp_client_disconnect(vmm->monitor);
}

void follow_do_tasks(DomainVmm *vmm, guint tasks)
{
	if (tasks & FOLLOW_END) {
		(void)vmm_process_wait(vmm->process, 0);
		end_finish(vmm);
		return;
	}
	if (tasks & FOLLOW_REACHED)
		handle_reached(vmm);
	if (tasks & FOLLOW_POWER_OFF)
		handle_power_off(vmm);
	if (tasks & FOLLOW_FAILURE)
		handle_failure(vmm);
	if (tasks & FOLLOW_RESTART)
		finish_restart(vmm);
	if (tasks & FOLLOW_UNPLUG)
		hot_plug_remove_gone(vmm);
}
