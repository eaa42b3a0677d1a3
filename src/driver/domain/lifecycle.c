/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lifecycle.c - starting, stopping and following domains */
#include "driver/domain/lifecycle.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "driver/domain/driver.h"
#include "driver/domain/follow.h"
#include "driver/domain/nvram.h"
#include "driver/error.h"
#include "driver/host/firmware.h"
#include "driver/host/node.h"
#include "driver/rpc/events.h"
#include "driver/vmm/vmm-launch.h"

/* How long a VMM that was told to end may take before it is killed, and then again. */
#define END_SECONDS 10

static DomainVmm *vmm_new(Domain *domain, Vmm *launched)
{
	DomainVmm *vmm = g_new0(DomainVmm, 1);

	g_atomic_ref_count_init(&vmm->references);
	vmm->domain = domain_ref(domain);
	vmm->process = g_steal_pointer(&launched->process);
	vmm->monitor = g_steal_pointer(&launched->monitor);
	vmm->logger = g_steal_pointer(&launched->logger);
	vmm->log_mark = launched->log_mark;
	vmm->end_reason = VIR_DOMAIN_SHUTOFF_CRASHED;
	return vmm;
}

/*
 * The end.
 */

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

/* With the lock. */
static void forget_autodestroy(Domain *domain)
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

	(void)unlink(monitor);
	identity_end(domain, has_ended);
}

/*
 * The domain's VMM has ended: what is left of its run is put away. With the job, without
 * the lock.
 */
static void finish(Domain *domain, DomainVmm *vmm)
{
	const int reason = vmm->end_reason;

	vmm_logger_wait(vmm->logger);
	give_back(domain, vmm_process_wait(vmm->process, 0));
	g_mutex_lock(&domain->lock);
	if (reason == VIR_DOMAIN_SHUTOFF_CRASHED && !domain->crash) {
		g_autofree char *log = store_log_path(domain->driver, domain->name);

		domain->crash = vmm_failure(vmm->process, log, &vmm->log_mark);
		g_warning(_("domain '%s': %s"), domain->name, domain->crash);
	}
	domain_set_state(domain, VIR_DOMAIN_SHUTOFF, reason);
	domain_send_event(domain, VIR_DOMAIN_EVENT_STOPPED, stopped_detail(reason));
	forget_autodestroy(domain);
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

/* With the job. The end may have been seen and cleaned up by another. */
static void finish_if_current(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	gboolean is_current;

	g_mutex_lock(&domain->lock);
	is_current = domain->vmm == vmm;
	g_mutex_unlock(&domain->lock);
	if (is_current)
		finish(domain, vmm);
}

static void set_end_reason(DomainVmm *vmm, int reason)
{
	g_mutex_lock(&vmm->domain->lock);
	vmm->end_reason = reason;
	g_mutex_unlock(&vmm->domain->lock);
}

static void end_guest(DomainVmm *vmm)
{
	(void)end_process(vmm, FALSE);
	finish_if_current(vmm);
}

/*
 * What the VMM says, on a worker with the job.
 */

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
	if (!g_error_matches(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED)) {
		put_restart_off(vmm, error);
		return;
	}
	/* The VMM itself says that there will be no other guest in it. */
	log_limit_warning(&vmm->log, _("domain '%s' cannot be restarted: %s"), vmm->domain->name,
			  error->message);
	set_end_reason(vmm, VIR_DOMAIN_SHUTOFF_FAILED);
	end_guest(vmm);
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
		end_guest(vmm);
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

/* The machine has failed, and its VMM waits. */
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
		{ "internal-error", VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_UNKNOWN,
		  VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED },
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

/* Reads the vCPUs' threads, so that their time can be told. With the job. */
static gboolean read_vcpu_threads(DomainVmm *vmm, GError **error)
{
	g_autoptr(JsonNode) reply = NULL;
	JsonArray *list;
	gint count = 0;

	if (domain_vmm_count_threads(vmm) > 0)
		return TRUE;
	reply = qmp_client_ask(vmm->monitor, "query-cpus-fast", error);
	if (!reply)
		return FALSE;
	if (!JSON_NODE_HOLDS_ARRAY(reply))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the VMM's answer to query-cpus-fast is no array"));
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

/* It answers: what has happened while nobody listened? */
static void handle_reached(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(GError) error = NULL;

	if (query_status(vmm, &error) && read_vcpu_threads(vmm, &error)) {
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

void lifecycle_follow(DomainVmm *vmm, guint tasks)
{
	if (tasks & FOLLOW_END) {
		(void)vmm_process_wait(vmm->process, 0);
		finish_if_current(vmm);
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
}

gboolean lifecycle_destroy(Domain *domain, gboolean graceful, GError **error)
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
		finish_if_current(vmm);
		domain_end_job(domain);
	} else {
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("the VMM of domain '%s' (process %d) does not end"), domain->name,
			     (int)vmm_process_pid(vmm->process));
	}
	domain_vmm_unref(vmm);
	return ended;
}

/*
 * The start.
 */

static gboolean check_host_memory(const DomainDef *def, GError **error)
{
	g_autoptr(NodeInfo) node = node_info_read("/", error);

	if (!node)
		return FALSE;
	if (def->memory_kib > node->memory_kib)
		return driver_error(
			error, VIR_ERR_CONFIG_UNSUPPORTED,
			_("element 'memory' is %" PRIu64 " KiB: the host has %" PRIu64 " KiB"),
			def->memory_kib, node->memory_kib);
	return TRUE;
}

static void autodestroy(gpointer data)
{
	g_autoptr(GError) error = NULL;

	if (!lifecycle_destroy(data, FALSE, &error))
		g_warning("%s", error->message);
}

static void set_autodestroy(Domain *domain, RpcClient *client)
{
	g_mutex_lock(&domain->lock);
	domain->autodestroy = rpc_client_ref(client);
	g_mutex_unlock(&domain->lock);
	rpc_client_on_close(client, domain, autodestroy, domain_ref(domain),
			    (GDestroyNotify)domain_unref);
}

typedef struct {
	Domain *domain;
	const DomainDef *def;
} Launching;

static gboolean make_group(pid_t logger, int *cgroup, gpointer data, GError **error)
{
	const Launching *launching = data;

	return identity_make_group(launching->domain, launching->def, logger, cgroup, error);
}

/* Who ends it where this daemon is killed before it is let go. */
static gboolean note_processes(const Vmm *vmm, gpointer data, GError **error)
{
	const Launching *launching = data;

	return identity_note_processes(launching->domain, launching->def, vmm, error);
}

static gboolean launch(Domain *domain, DomainDef *def, Vmm *vmm, GError **error)
{
	Launching launching = { .domain = domain, .def = def };
	const Driver *driver = domain->driver;
	g_autofree char *monitor = store_monitor_path(driver, domain->uuid);
	g_autofree char *log = store_log_path(driver, domain->name);
	g_autoptr(GPtrArray) descriptors = driver_firmware(driver);
	g_autofree char *bios = firmware_default_bios(descriptors);
	const VmmLaunch launch = {
		.emulator = driver->emulator,
		.logger = driver->logger,
		.monitor_path = monitor,
		.log_path = log,
		.log_limits = driver->log_limits,
		.bios = bios,
		.linuxboot_rom = LINUXBOOT_ROM_PATH,
		.uid = domain->identity->uid,
		.gid = domain->identity->gid,
		.is_own_user = domain->identity->is_claimed,
		.may_lack = driver->may_lack,
		.make_group = make_group,
		.spawned = note_processes,
		.data = &launching,
	};

	return vmm_launch(&launch, def, vmm, error);
}

/* A definition that somebody has put into the folder by hand may not have its firmware yet. */
static gboolean complete_firmware(const Driver *driver, DomainDef *def, GError **error)
{
	const gboolean is_asked = def->firmware != DOMAIN_FIRMWARE_MANUAL && !def->loader;
	const gboolean is_half = def->loader &&
				 (def->loader_type == DOMAIN_LOADER_NONE ||
				  (def->loader_type == DOMAIN_LOADER_PFLASH && !def->nvram));

	return !(is_asked || is_half) || driver_resolve_firmware(driver, def, error);
}

/* The variable file is this domain's from here on, until its run ends or the start fails. */
static gboolean prepare_nvram(Domain *domain, const DomainDef *def, gboolean is_reset,
			      GError **error)
{
	const Driver *driver = domain->driver;
	const SafeOwners owners = driver_file_owners(driver, domain->identity->uid);
	g_autofree char *path = nvram_identity(def);

	return domain_list_claim_nvram(driver->domains, domain, path, error) &&
	       nvram_prepare(def, is_reset, &owners, error);
}

/* Settles what the host decides, and asks it for what the domain wants. */
static gboolean prepare_definition(Driver *driver, DomainDef *def, GError **error)
{
	return driver_settle_memory(driver, def, error) &&
	       driver_check_memory(driver, def, error) && check_host_memory(def, error) &&
	       complete_firmware(driver, def, error) && domain_def_check_readable(def, error);
}

static gboolean prepare_and_launch(Domain *domain, DomainDef *def, gboolean is_reset, Vmm *launched,
				   GError **error)
{
	if (!identity_choose(domain, def, error))
		return FALSE;
	if (prepare_definition(domain->driver, def, error) &&
	    prepare_nvram(domain, def, is_reset, error) && identity_begin(domain, def, error) &&
	    launch(domain, def, launched, error))
		return TRUE;
	identity_end(domain, TRUE);
	(void)domain_list_claim_nvram(domain->driver->domains, domain, NULL, NULL);
	return FALSE;
}

/* The domain has a VMM from here on. Takes over both. Return: a reference of the caller's. */
static DomainVmm *adopt_vmm(Domain *domain, DomainDef *def, Vmm *launched)
{
	DomainVmm *vmm = vmm_new(domain, launched);

	g_mutex_lock(&domain->lock);
	g_clear_pointer(&domain->crash, g_free);
	domain->live = def;
	domain->vmm = vmm;
	domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_STARTING_UP);
	g_mutex_unlock(&domain->lock);
	return domain_vmm_ref(vmm);
}

static void announce_start(Domain *domain, gboolean is_paused)
{
	g_mutex_lock(&domain->lock);
	/* The guest may have ended already; then that is what is told next. */
	if (domain->state == VIR_DOMAIN_PAUSED && is_paused)
		domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER);
	else if (domain->state == VIR_DOMAIN_PAUSED)
		domain_set_state(domain, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_BOOTED);
	domain_send_event(domain, VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED);
	if (is_paused)
		domain_send_event(domain, VIR_DOMAIN_EVENT_SUSPENDED,
				  VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	(void)follow_save_status(domain, NULL);
	g_mutex_unlock(&domain->lock);
}

static gboolean let_go(DomainVmm *vmm, gboolean is_paused, GError **error)
{
	Domain *domain = vmm->domain;
	gboolean saved;

	if (!follow_start(vmm, error) || !read_vcpu_threads(vmm, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	saved = follow_save_status(domain, error);
	g_mutex_unlock(&domain->lock);
	if (!saved)
		return FALSE;
	/* Announced first, so that nothing which the guest does comes before its start. */
	announce_start(domain, is_paused);
	return is_paused || qmp_client_tell(vmm->monitor, "cont", error);
}

/* A VMM that ended says why in its log; what its monitor's end looks like is no help. */
static void explain_end(DomainVmm *vmm, GError **error)
{
	g_autofree char *log = store_log_path(vmm->domain->driver, vmm->domain->name);
	g_autofree char *failure = NULL;

	if (!vmm_process_wait(vmm->process, 1))
		return;
	vmm_logger_wait(vmm->logger);
	failure = vmm_failure(vmm->process, log, &vmm->log_mark);
	g_clear_error(error);
	driver_error(error, VIR_ERR_INTERNAL_ERROR, "%s", failure);
}

gboolean lifecycle_start(Domain *domain, DomainDef *def, guint flags, RpcClient *client,
			 GError **error)
{
	const gboolean is_paused = flags & VIR_DOMAIN_START_PAUSED;
	Vmm launched = { 0 };
	DomainVmm *vmm;
	gboolean started;

	def->id = g_atomic_int_add(&domain->driver->last_id, 1) + 1;
	/* Whatever it is to begin with: without a balloon it has all. */
	def->current_memory_kib = def->memory_kib;
	if (!prepare_and_launch(domain, def, flags & VIR_DOMAIN_START_RESET_NVRAM, &launched,
				error)) {
		domain_def_free(def);
		return FALSE;
	}
	vmm = adopt_vmm(domain, def, &launched);
	started = let_go(vmm, is_paused, error);
	if (started && (flags & VIR_DOMAIN_START_AUTODESTROY)) {
		set_autodestroy(domain, client);
	} else if (!started) {
		explain_end(vmm, error);
		set_end_reason(vmm, VIR_DOMAIN_SHUTOFF_FAILED);
		end_guest(vmm);
	}
	domain_vmm_unref(vmm);
	return started;
}

/*
 * While it runs.
 */

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
gboolean lifecycle_suspend(Domain *domain, GError **error)
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

gboolean lifecycle_resume(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, N_("resume"), error);
	gboolean done;

	if (!vmm)
		return FALSE;
	if (state_of(domain) == VIR_DOMAIN_PAUSED)
		done = qmp_client_tell(vmm->monitor, "cont", error);
	else
		done = driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain '%s' is not paused"), domain->name);
	end_vmm_job(vmm);
	return done;
}

gboolean lifecycle_reset(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, N_("reset"), error);
	gboolean done;

	if (!vmm)
		return FALSE;
	done = qmp_client_tell(vmm->monitor, "system_reset", error);
	end_vmm_job(vmm);
	return done;
}

static void set_is_reboot(DomainVmm *vmm, gboolean is_reboot)
{
	g_mutex_lock(&vmm->domain->lock);
	vmm->is_reboot = is_reboot;
	g_mutex_unlock(&vmm->domain->lock);
}

gboolean lifecycle_shutdown(Domain *domain, gboolean is_reboot, GError **error)
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

/*
 * From one daemon to the next.
 */

/* What is left of a VMM that is not there any more. With the job. */
static void put_away(Domain *domain)
{
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
		.log_mark = reconnection->status.log_mark,
	};
	DomainVmm *vmm = vmm_new(domain, &found);

	g_mutex_lock(&domain->lock);
	vmm->holds_job = TRUE;
	domain->vmm = domain_vmm_ref(vmm);
	g_mutex_unlock(&domain->lock);
	follow_found(vmm);
}

/* Nobody has seen the domain run, and nobody waits for it: what there is of it ends. */
static void undo_start(Domain *domain, VmmProcess *process)
{
	g_warning(_("domain '%s' was being started when a daemon ended: that is undone"),
		  domain->name);
	if (process) {
		vmm_process_signal(process, SIGKILL);
		(void)vmm_process_wait(process, END_SECONDS);
	}
	put_away(domain);
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
		undo_start(domain, process);
		vmm_process_free(process);
	} else if (process) {
		take_found(reconnection, process);
	} else if (g_error_matches(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR)) {
		log_limit_warning(&reconnection->log, _("domain '%s': %s"), domain->name,
				  error->message);
		if (driver_run_later(domain->driver, reconnect, reconnection))
			return;
	} else if (status->is_starting) {
		undo_start(domain, NULL);
	} else {
		g_warning(_("domain '%s' is given up: %s"), domain->name, error->message);
		put_away(domain);
		domain_end_job(domain);
	}
	reconnection_free(reconnection);
}

void lifecycle_reconnect(Domain *domain, StoreStatus *status)
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

void lifecycle_leave(Domain *domain)
{
	DomainVmm *vmm;

	g_mutex_lock(&domain->lock);
	vmm = g_steal_pointer(&domain->vmm);
	forget_autodestroy(domain);
	g_mutex_unlock(&domain->lock);
	domain_vmm_unref(vmm);
}
