/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lifecycle.c - starting, stopping and following domains */
#include "driver/domain/lifecycle.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "driver/domain/driver.h"
#include "driver/domain/nvram.h"
#include "driver/error.h"
#include "driver/host/firmware.h"
#include "driver/host/node.h"
#include "driver/vmm/vmm-launch.h"

/* How long a VMM that was told to end may take before it is killed, and then again. */
#define END_SECONDS 10

/* How long the monitor of a VMM that a new daemon finds may be silent. */
#define RECONNECT_SECONDS 30

static const QmpCallbacks monitor_callbacks;

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

/* With the domain's lock. A domain whose status is not written is lost to the next daemon. */
static gboolean save_status(const Domain *domain, GError **error)
{
	const VmmProcess *logger = domain->vmm->logger;
	const StoreStatus status = {
		.def = domain->live,
		.pid = vmm_process_pid(domain->vmm->process),
		.start_time = vmm_process_start_time(domain->vmm->process),
		.logger_pid = logger ? vmm_process_pid(logger) : 0,
		.logger_start_time = logger ? vmm_process_start_time(logger) : 0,
		.log_mark = domain->vmm->log_mark,
		.state = domain->state,
		.reason = domain->reason,
	};

	return store_save_status(domain->driver, &status, error);
}

/* With the lock: state, file and event change together. */
static void change_state(Domain *domain, int state, int reason, int event, int detail)
{
	g_autoptr(GError) error = NULL;

	domain_set_state(domain, state, reason);
	if (!save_status(domain, &error))
		g_warning("domain '%s': %s", domain->name, error->message);
	domain_send_event(domain, event, detail);
}

/*
 * Events, on the monitor thread.
 */

static const char *string_of(JsonObject *data, const char *name)
{
	JsonNode *node = data ? json_object_get_member(data, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_STRING ?
		       json_node_get_string(node) :
		       "";
}

static gint64 number_of(JsonObject *data, const char *name)
{
	JsonNode *node = data ? json_object_get_member(data, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_INT64 ?
		       json_node_get_int(node) :
		       -1;
}

static gboolean boolean_of(JsonObject *data, const char *name)
{
	JsonNode *node = data ? json_object_get_member(data, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) &&
	       json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

static void on_stop(Domain *domain, JsonObject *data)
{
	(void)data;
	if (domain->state == VIR_DOMAIN_RUNNING)
		change_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER,
			     VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
}

static void on_resume(Domain *domain, JsonObject *data)
{
	(void)data;
	/* A start tells of itself. */
	if (domain->state != VIR_DOMAIN_PAUSED || domain->reason == VIR_DOMAIN_PAUSED_STARTING_UP)
		return;
	g_clear_pointer(&domain->vmm->host_touch, g_free);
	change_state(domain, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED,
		     VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
}

static void on_reset(Domain *domain, JsonObject *data)
{
	(void)data;
	domain_send_reboot(domain);
}

static void handle_power_off(gpointer data);
static void handle_failure(gpointer data);
static void handle_end(gpointer data);

static void leave_to_worker(Domain *domain, void (*function)(gpointer data))
{
	driver_run(domain->driver, function, domain_vmm_ref(domain->vmm));
}

static void on_shutdown(Domain *domain, JsonObject *data)
{
	const gboolean is_guest = boolean_of(data, "guest");
	DomainVmm *vmm = domain->vmm;

	/* What a VMM says that is being ended here has its reason already. */
	if (vmm->is_ending)
		return;
	vmm->is_guest_reset = strcmp(string_of(data, "reason"), "guest-reset") == 0;
	vmm->end_reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
	change_state(domain, VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_USER,
		     VIR_DOMAIN_EVENT_SHUTDOWN,
		     is_guest ? VIR_DOMAIN_EVENT_SHUTDOWN_GUEST : VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
	/* Otherwise the VMM ends by itself, and that is seen. */
	if (is_guest)
		leave_to_worker(domain, handle_power_off);
}

static void on_host_touch(Domain *domain, JsonObject *data)
{
	g_autofree char *cause = g_utf8_make_valid(string_of(data, "cause"), 80);

	g_free(domain->vmm->host_touch);
	domain->vmm->host_touch = g_strdup_printf(
		"paused: %s %s guest address %#" G_GINT64_MODIFIER
		"x, which policy guest-only keeps private (vCPU %d, thread %d)",
		cause, boolean_of(data, "write") ? "wrote to" : "read", number_of(data, "gpa"),
		(int)number_of(data, "vcpu"), (int)number_of(data, "thread-id"));
	g_warning("domain '%s' is %s", domain->name, domain->vmm->host_touch);
	if (domain->state == VIR_DOMAIN_RUNNING || domain->state == VIR_DOMAIN_PAUSED)
		change_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN,
			     VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
}

static void on_internal_error(Domain *domain, JsonObject *data)
{
	g_free(domain->crash);
	domain->crash = g_strdup_printf("the machine has failed: %s", string_of(data, "message"));
	g_warning("domain '%s': %s", domain->name, domain->crash);
	change_state(domain, VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED,
		     VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED);
	leave_to_worker(domain, handle_failure);
}

static void on_monitor_event(const char *name, JsonObject *data, gpointer opaque)
{
	static const struct {
		const char *name;
		void (*handle)(Domain *domain, JsonObject *data);
	} handlers[] = {
		{ "STOP", on_stop },
		{ "RESUME", on_resume },
		{ "RESET", on_reset },
		{ "SHUTDOWN", on_shutdown },
		{ "GMEM_HOST_TOUCH", on_host_touch },
		{ "GMEM_INTERNAL_ERROR", on_internal_error },
	};
	DomainVmm *vmm = opaque;
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	/* The last words of a VMM that has been given up are nobody's business. */
	for (gsize i = 0; i < G_N_ELEMENTS(handlers) && domain->vmm == vmm; i++) {
		if (strcmp(handlers[i].name, name) == 0)
			handlers[i].handle(domain, data);
	}
	g_mutex_unlock(&domain->lock);
}

static void on_monitor_closed(gpointer opaque)
{
	DomainVmm *vmm = opaque;
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm)
		leave_to_worker(domain, handle_end);
	g_mutex_unlock(&domain->lock);
}

static const QmpCallbacks monitor_callbacks = {
	.event = on_monitor_event,
	.closed = on_monitor_closed,
};

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

static void remove_files(const Domain *domain)
{
	g_autofree char *monitor = store_monitor_path(domain->driver, domain->uuid);

	(void)unlink(monitor);
	store_delete_status(domain->driver, domain->name);
}

/*
 * The domain's VMM has ended: what is left of its run is put away. With the job, without
 * the lock.
 */
static void finish(Domain *domain, DomainVmm *vmm)
{
	const int reason = vmm->end_reason;

	remove_files(domain);
	vmm_logger_wait(vmm->logger);
	g_mutex_lock(&domain->lock);
	if (reason == VIR_DOMAIN_SHUTOFF_CRASHED && !domain->crash) {
		g_autofree char *log = store_log_path(domain->driver, domain->name);

		domain->crash = vmm_failure(vmm->process, log, &vmm->log_mark);
		g_warning("domain '%s': %s", domain->name, domain->crash);
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
	g_warning("the VMM of domain '%s' does not end; it is killed", vmm->domain->name);
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

/* On a worker: the monitor's connection is gone. */
static void handle_end(gpointer data)
{
	DomainVmm *vmm = data;
	Domain *domain = vmm->domain;

	/* Without a monitor there is no domain, whatever else the process may still do. */
	if (!vmm_process_wait(vmm->process, END_SECONDS))
		(void)end_process(vmm, FALSE);
	domain_begin_job_always(domain, "end of the VMM");
	finish_if_current(vmm);
	domain_end_job(domain);
	domain_vmm_unref(vmm);
}

/* The machine begins anew. With the job. */
static void restart_guest(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	g_autoptr(GError) error = NULL;

	g_mutex_lock(&domain->lock);
	vmm->end_reason = VIR_DOMAIN_SHUTOFF_CRASHED;
	/* So that the VMM's RESUME finds a domain that can be resumed. */
	domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_SHUTTING_DOWN);
	g_mutex_unlock(&domain->lock);
	if (qmp_client_tell(vmm->monitor, "system_reset", &error) &&
	    qmp_client_tell(vmm->monitor, "cont", &error))
		return;
	g_warning("domain '%s' cannot be restarted: %s", domain->name, error->message);
	set_end_reason(vmm, VIR_DOMAIN_SHUTOFF_FAILED);
	(void)end_process(vmm, FALSE);
	finish_if_current(vmm);
}

static void end_guest(DomainVmm *vmm)
{
	(void)end_process(vmm, FALSE);
	finish_if_current(vmm);
}

/* With the lock: what is to happen now that the guest has powered off or reset itself. */
static DomainAction power_off_action(DomainVmm *vmm)
{
	const DomainDef *live = vmm->domain->live;

	return vmm->is_reboot || vmm->is_guest_reset ? live->on_reboot : live->on_poweroff;
}

/* On a worker: the guest has powered off, and its VMM waits. */
static void handle_power_off(gpointer data)
{
	DomainVmm *vmm = data;
	Domain *domain = vmm->domain;
	DomainAction action = DOMAIN_ACTION_PRESERVE;

	domain_begin_job_always(domain, "power-off");
	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->state == VIR_DOMAIN_SHUTDOWN) {
		action = power_off_action(vmm);
		vmm->is_reboot = FALSE;
	}
	g_mutex_unlock(&domain->lock);
	if (action == DOMAIN_ACTION_DESTROY)
		end_guest(vmm);
	else if (action == DOMAIN_ACTION_RESTART)
		restart_guest(vmm);
	domain_end_job(domain);
	domain_vmm_unref(vmm);
}

/* On a worker: the machine has failed, and its VMM waits. */
static void handle_failure(gpointer data)
{
	DomainVmm *vmm = data;
	Domain *domain = vmm->domain;
	DomainAction action = DOMAIN_ACTION_PRESERVE;

	domain_begin_job_always(domain, "failure of the machine");
	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->state == VIR_DOMAIN_CRASHED)
		action = domain->live->on_crash;
	g_mutex_unlock(&domain->lock);
	if (action == DOMAIN_ACTION_DESTROY)
		end_guest(vmm);
	else if (action == DOMAIN_ACTION_RESTART)
		restart_guest(vmm);
	domain_end_job(domain);
	domain_vmm_unref(vmm);
}

gboolean lifecycle_destroy(Domain *domain, gboolean graceful, GError **error)
{
	DomainVmm *vmm;
	gboolean ended;

	/* A start that is under way has no VMM yet that could be ended. */
	g_mutex_lock(&domain->lock);
	if (!domain->vmm && domain->job) {
		g_mutex_unlock(&domain->lock);
		if (!domain_begin_job(domain, "destroy", error))
			return FALSE;
		domain_end_job(domain);
		g_mutex_lock(&domain->lock);
	}
	vmm = domain_get_vmm(domain, error);
	if (vmm)
		vmm->end_reason = VIR_DOMAIN_SHUTOFF_DESTROYED;
	g_mutex_unlock(&domain->lock);
	if (!vmm)
		return FALSE;

	/* Without the job: whoever holds it waits for this VMM and sees its end now. */
	ended = end_process(vmm, graceful);
	if (ended) {
		domain_begin_job_always(domain, "destroy");
		finish_if_current(vmm);
		domain_end_job(domain);
	} else {
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     "the VMM of domain '%s' (process %d) does not end", domain->name,
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
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    "element 'memory' is %" G_GUINT64_FORMAT
				    " KiB: the host has %" G_GUINT64_FORMAT " KiB",
				    def->memory_kib, node->memory_kib);
	return TRUE;
}

/* Reads the vCPUs' threads, so that their time can be told. */
static gboolean read_vcpu_threads(DomainVmm *vmm, GError **error)
{
	g_autoptr(JsonNode) reply = qmp_client_ask(vmm->monitor, "query-cpus-fast", error);
	JsonArray *list;

	if (!reply)
		return FALSE;
	if (!JSON_NODE_HOLDS_ARRAY(reply))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    "the VMM's answer to query-cpus-fast is no array");
	list = json_node_get_array(reply);
	for (guint i = 0; i < json_array_get_length(list) && i < DOMAIN_MAX_VCPUS; i++) {
		JsonNode *element = json_array_get_element(list, i);

		if (JSON_NODE_HOLDS_OBJECT(element))
			vmm->vcpu_threads[vmm->n_vcpu_threads++] =
				(pid_t)number_of(json_node_get_object(element), "thread-id");
	}
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

static gboolean launch(Domain *domain, DomainDef *def, Vmm *vmm, GError **error)
{
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
		.uid = driver->vmm_uid,
		.gid = driver->vmm_gid,
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
	g_autofree char *identity = nvram_identity(def);

	return domain_list_claim_nvram(driver->domains, domain, identity, error) &&
	       nvram_prepare(def, is_reset, driver->vmm_uid, driver->vmm_gid, error);
}

static gboolean prepare_and_launch(Domain *domain, DomainDef *def, gboolean is_reset, Vmm *launched,
				   GError **error)
{
	if (!driver_check_vmm_user(domain->driver, error) ||
	    !driver_check_support(domain->driver, error) || !check_host_memory(def, error) ||
	    !complete_firmware(domain->driver, def, error))
		return FALSE;
	if (prepare_nvram(domain, def, is_reset, error) && launch(domain, def, launched, error))
		return TRUE;
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
	domain_vmm_ref(vmm);
	qmp_client_start(vmm->monitor, &monitor_callbacks, vmm);
	return vmm;
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
	(void)save_status(domain, NULL);
	g_mutex_unlock(&domain->lock);
}

static gboolean let_go(DomainVmm *vmm, gboolean is_paused, GError **error)
{
	Domain *domain = vmm->domain;
	gboolean saved;

	if (!read_vcpu_threads(vmm, error))
		return FALSE;
	g_mutex_lock(&domain->lock);
	saved = save_status(domain, error);
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

static gboolean check_state(Domain *domain, int wanted, const char *what, GError **error)
{
	if (state_of(domain) == wanted)
		return TRUE;
	return driver_error(error, VIR_ERR_OPERATION_INVALID, "domain '%s' is not %s", domain->name,
			    what);
}

/* The VMM's events come before its replies, so that the state has changed when it has. */
gboolean lifecycle_suspend(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, "suspend", error);
	gboolean done;

	if (!vmm)
		return FALSE;
	done = state_of(domain) == VIR_DOMAIN_PAUSED ||
	       (check_state(domain, VIR_DOMAIN_RUNNING, "running", error) &&
		qmp_client_tell(vmm->monitor, "stop", error));
	end_vmm_job(vmm);
	return done;
}

gboolean lifecycle_resume(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, "resume", error);
	gboolean done;

	if (!vmm)
		return FALSE;
	done = check_state(domain, VIR_DOMAIN_PAUSED, "paused", error) &&
	       qmp_client_tell(vmm->monitor, "cont", error);
	end_vmm_job(vmm);
	return done;
}

gboolean lifecycle_reset(Domain *domain, GError **error)
{
	DomainVmm *vmm = begin_vmm_job(domain, "reset", error);
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
	DomainVmm *vmm = begin_vmm_job(domain, is_reboot ? "reboot" : "shutdown", error);
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

/* With the lock: what the VMM says is what is. */
static void take_status(Domain *domain, const char *status)
{
	const gboolean was_paused = domain->state == VIR_DOMAIN_PAUSED;

	if (strcmp(status, "running") == 0)
		domain_set_state(domain, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED);
	else if (strcmp(status, "shutdown") == 0)
		domain_set_state(domain, VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_UNKNOWN);
	else if (strcmp(status, "internal-error") == 0)
		domain_set_state(domain, VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_UNKNOWN);
	else if (!was_paused)
		domain_set_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_UNKNOWN);
}

static gboolean query_status(DomainVmm *vmm, GError **error)
{
	Domain *domain = vmm->domain;
	g_autoptr(JsonNode) reply = qmp_client_ask(vmm->monitor, "query-status", error);

	if (!reply)
		return FALSE;
	if (!JSON_NODE_HOLDS_OBJECT(reply))
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    "the VMM's answer to query-status is no object");
	g_mutex_lock(&domain->lock);
	take_status(domain, string_of(json_node_get_object(reply), "status"));
	vmm->end_reason = domain->state == VIR_DOMAIN_SHUTDOWN ? VIR_DOMAIN_SHUTOFF_SHUTDOWN :
								 VIR_DOMAIN_SHUTOFF_CRASHED;
	(void)save_status(domain, NULL);
	g_mutex_unlock(&domain->lock);
	return TRUE;
}

/* What happened while no daemon looked. */
static void catch_up(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && domain->state == VIR_DOMAIN_SHUTDOWN)
		leave_to_worker(domain, handle_power_off);
	else if (domain->vmm == vmm && domain->state == VIR_DOMAIN_CRASHED)
		leave_to_worker(domain, handle_failure);
	g_mutex_unlock(&domain->lock);
}

/* A VMM that is not there any more, or that nobody can talk to. */
static void give_up(Domain *domain, VmmProcess *process)
{
	if (process) {
		vmm_process_signal(process, SIGKILL);
		(void)vmm_process_wait(process, END_SECONDS);
	}
	remove_files(domain);
	g_mutex_lock(&domain->lock);
	domain_set_state(domain, VIR_DOMAIN_SHUTOFF,
			 process ? VIR_DOMAIN_SHUTOFF_FAILED : VIR_DOMAIN_SHUTOFF_DAEMON);
	domain_send_event(domain, VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_FAILED);
	g_clear_pointer(&domain->live, domain_def_free);
	domain->is_updated = FALSE;
	g_clear_pointer(&domain->nvram, g_free);
	g_mutex_unlock(&domain->lock);
	domain_list_drop_invisible(domain->driver->domains, domain);
}

typedef struct {
	Domain *domain; /* with its job */
	StoreStatus status;
} Reconnection;

static void reconnect(gpointer data)
{
	Reconnection *reconnection = data;
	Domain *domain = reconnection->domain;
	const StoreStatus *status = &reconnection->status;
	g_autofree char *path = store_monitor_path(domain->driver, domain->uuid);
	g_autoptr(GError) error = NULL;
	Vmm found = { .log_mark = status->log_mark };
	DomainVmm *vmm;

	found.process = vmm_process_adopt(status->pid, status->start_time, &error);
	/* One that has ended has nothing left to write. */
	found.logger = vmm_process_adopt(status->logger_pid, status->logger_start_time, NULL);
	if (found.process)
		found.monitor = qmp_client_connect(path, RECONNECT_SECONDS, &error);
	if (found.monitor) {
		vmm = vmm_new(domain, &found);
		g_mutex_lock(&domain->lock);
		domain->vmm = domain_vmm_ref(vmm);
		domain_set_state(domain, status->state, status->reason);
		g_mutex_unlock(&domain->lock);
		qmp_client_start(vmm->monitor, &monitor_callbacks, vmm);
		if (!query_status(vmm, &error) || !read_vcpu_threads(vmm, &error)) {
			g_warning("domain '%s': %s", domain->name, error->message);
			set_end_reason(vmm, VIR_DOMAIN_SHUTOFF_FAILED);
			end_guest(vmm);
		}
		catch_up(vmm);
		domain_vmm_unref(vmm);
	} else {
		g_warning("domain '%s' is given up: %s", domain->name, error->message);
		give_up(domain, found.process);
	}
	vmm_clear(&found);
	domain_end_job(domain);
	domain_unref(domain);
	g_free(reconnection);
}

void lifecycle_reconnect(Domain *domain, StoreStatus *status)
{
	Reconnection *reconnection = g_new0(Reconnection, 1);

	domain_begin_job_always(domain, "reconnect");
	g_mutex_lock(&domain->lock);
	domain->live = g_steal_pointer(&status->def);
	domain->nvram = nvram_identity(domain->live);
	domain_set_state(domain, status->state, status->reason);
	g_mutex_unlock(&domain->lock);
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
