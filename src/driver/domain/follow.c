/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* follow.c - a domain's VMM is followed: what it says becomes the domain's state */
#include "driver/domain/follow.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/conf/domain-device.h"
#include "driver/domain/agent.h"
#include "driver/domain/driver.h"
#include "driver/domain/follow-tasks.h"
#include "driver/domain/medium.h"
#include "driver/domain/store.h"
#include "driver/rpc/events.h"

/* Events about reboots: so many at once, then one each interval, which stands for all in it. */
#define REBOOTS_BURST	 10
#define REBOOTS_INTERVAL (1 * G_TIME_SPAN_SECOND)

/* Changes of the state: a client may suspend and resume this fast, and no VMM faster. */
#define CHANGES_BURST	 100
#define CHANGES_INTERVAL (20 * G_TIME_SPAN_MILLISECOND)

/* Bytes of a VMM's message that are kept. */
#define MESSAGE_MAX 1000

gboolean follow_save_status(const Domain *domain, GError **error)
{
	const VmmProcess *logger = domain->vmm->logger;
	const VmmProcess *storage = domain->vmm->storage ?
					    vmm_storage_process(domain->vmm->storage) :
					    NULL;
	const StoreStatus status = {
		.def = domain->live,
		.pid = vmm_process_pid(domain->vmm->process),
		.start_time = vmm_process_start_time(domain->vmm->process),
		.logger_pid = logger ? vmm_process_pid(logger) : 0,
		.logger_start_time = logger ? vmm_process_start_time(logger) : 0,
		.storage_pid = storage ? vmm_process_pid(storage) : 0,
		.storage_start_time = storage ? vmm_process_start_time(storage) : 0,
		.log_mark = domain->vmm->log_mark,
		.is_tainted = domain->vmm->is_tainted,
		.identity = domain->identity,
		.state = domain->state,
		.reason = domain->reason,
	};

	return store_save_status(domain->driver, &status, error);
}

void follow_change_state(Domain *domain, int state, int reason, int event, int detail)
{
	g_autoptr(GError) error = NULL;

	domain_set_state(domain, state, reason);
	if (!follow_save_status(domain, &error))
		log_limit_warning(&domain->vmm->log, _("domain '%s': %s"), domain->name,
				  error->message);
	domain_send_event(domain, event, detail);
}

/*
 * What the VMM says.
 */

const char *follow_string(JsonObject *data, const char *name)
{
	JsonNode *node = data ? json_object_get_member(data, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_STRING ?
		       json_node_get_string(node) :
		       "";
}

JsonObject *follow_find(JsonNode *list, const char *member, const char *text)
{
	JsonArray *array = JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;

	for (guint i = 0; array && i < json_array_get_length(array); i++) {
		JsonNode *element = json_array_get_element(array, i);
		JsonObject *object = JSON_NODE_HOLDS_OBJECT(element) ?
					     json_node_get_object(element) :
					     NULL;

		if (object && strcmp(follow_string(object, member), text) == 0)
			return object;
	}
	return NULL;
}

gint64 follow_number(JsonObject *data, const char *name)
{
	JsonNode *node = data ? json_object_get_member(data, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_INT64 ?
		       json_node_get_int(node) :
		       -1;
}

gboolean follow_boolean(JsonObject *data, const char *name)
{
	JsonNode *node = data ? json_object_get_member(data, name) : NULL;

	return node && JSON_NODE_HOLDS_VALUE(node) &&
	       json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

/* Some of a text, which may end within a character. */
static char *text_of(JsonObject *data, const char *name, gsize max)
{
	const char *text = follow_string(data, name);

	return g_utf8_make_valid(text, (gssize)MIN(strlen(text), max));
}

/*
 * Events, on the monitor thread with the domain's lock. Return: whether the state was changed.
 */

static gboolean on_stop(DomainVmm *vmm, JsonObject *data)
{
	Domain *domain = vmm->domain;

	(void)data;
	if (domain->state != VIR_DOMAIN_RUNNING)
		return FALSE;
	follow_change_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_USER,
			    VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED);
	return TRUE;
}

static gboolean on_resume(DomainVmm *vmm, JsonObject *data)
{
	Domain *domain = vmm->domain;

	(void)data;
	/* A start tells of itself. */
	if (domain->state == VIR_DOMAIN_PAUSED && domain->reason == VIR_DOMAIN_PAUSED_STARTING_UP)
		return FALSE;
	/* Who resumes a guest that has failed wants it to go on all the same. */
	if (domain->state != VIR_DOMAIN_PAUSED && domain->state != VIR_DOMAIN_CRASHED)
		return FALSE;
	g_clear_pointer(&vmm->pause, g_free);
	g_clear_pointer(&vmm->trouble, g_free);
	vmm->is_restart_due = FALSE;
	follow_change_state(domain, VIR_DOMAIN_RUNNING, VIR_DOMAIN_RUNNING_UNPAUSED,
			    VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED);
	return TRUE;
}

/* Return: in how many microseconds a reboot can be told that cannot be told now, or 0. */
static gint64 tell_reboot(DomainVmm *vmm)
{
	const gint64 wait = rate_limit_take(&vmm->reboots, REBOOTS_BURST, REBOOTS_INTERVAL,
					    g_get_monotonic_time());

	vmm->is_reboot_due = wait > 0;
	if (!vmm->is_reboot_due)
		domain_send_reboot(vmm->domain);
	return wait;
}

static gboolean on_reset(DomainVmm *vmm, JsonObject *data)
{
	(void)data;
	/* One that is due already stands for this one too. */
	if (!vmm->is_reboot_due)
		(void)tell_reboot(vmm);
	if (vmm->is_restart_due)
		follow_ask(vmm, FOLLOW_RESTART);
	return FALSE;
}

static gboolean on_shutdown(DomainVmm *vmm, JsonObject *data)
{
	const gboolean is_guest = follow_boolean(data, "guest");
	Domain *domain = vmm->domain;

	/* What a VMM says that is being ended here has its reason already. */
	if (vmm->is_ending || domain->state == VIR_DOMAIN_SHUTDOWN)
		return FALSE;
	vmm->is_guest_reset = strcmp(follow_string(data, "reason"), "guest-reset") == 0;
	vmm->end_reason = VIR_DOMAIN_SHUTOFF_SHUTDOWN;
	follow_change_state(
		domain, VIR_DOMAIN_SHUTDOWN, VIR_DOMAIN_SHUTDOWN_USER, VIR_DOMAIN_EVENT_SHUTDOWN,
		is_guest ? VIR_DOMAIN_EVENT_SHUTDOWN_GUEST : VIR_DOMAIN_EVENT_SHUTDOWN_HOST);
	/* Otherwise the VMM ends by itself, and that is seen. */
	if (is_guest)
		follow_ask(vmm, FOLLOW_POWER_OFF);
	return TRUE;
}

/* The VMM has paused its guest, for the reason @text, which is taken. */
static gboolean pause_itself(DomainVmm *vmm, int reason, int event_detail, char *text)
{
	const gboolean is_first = !vmm->pause;
	Domain *domain = vmm->domain;

	g_free(vmm->pause);
	vmm->pause = text;
	log_limit_warning(&vmm->log, _("domain '%s': %s"), domain->name, vmm->pause);
	if (domain->state != VIR_DOMAIN_RUNNING &&
	    !(domain->state == VIR_DOMAIN_PAUSED && is_first))
		return FALSE;
	follow_change_state(domain, VIR_DOMAIN_PAUSED, reason, VIR_DOMAIN_EVENT_SUSPENDED,
			    event_detail);
	return TRUE;
}

static gboolean on_host_touch(DomainVmm *vmm, JsonObject *data)
{
	g_autofree char *cause = text_of(data, "cause", 80);

	return pause_itself(
		vmm, VIR_DOMAIN_PAUSED_UNKNOWN, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED,
		g_strdup_printf(
			follow_boolean(data, "write") ?
				_("paused: %s wrote to guest address %#" PRIx64
				  ", which policy guest-only keeps private (vCPU %d, thread %d)") :
				_("paused: %s read guest address %#" PRIx64
				  ", which policy guest-only keeps private (vCPU %d, thread %d)"),
			cause, follow_number(data, "gpa"), (int)follow_number(data, "vcpu"),
			(int)follow_number(data, "thread-id")));
}

static gboolean on_no_memory(DomainVmm *vmm, JsonObject *data)
{
	g_autofree char *message = text_of(data, "message", MESSAGE_MAX);

	return pause_itself(
		vmm, VIR_DOMAIN_PAUSED_IOERROR, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR,
		g_strdup_printf(_("paused: the host has no memory for the guest; give it some and "
				  "resume the domain: %s"),
				message));
}

/* What the guest has of its memory. Each counts as a change, since clients hear of each. */
static gboolean on_balloon_change(DomainVmm *vmm, JsonObject *data)
{
	const gint64 actual = follow_number(data, "actual");
	DomainDef *live = vmm->domain->live;

	if (!live->memballoon || actual < 0)
		return FALSE;
	live->current_memory_kib = MIN((guint64)actual / 1024, live->memory_kib);
	(void)follow_save_status(vmm->domain, NULL);
	domain_send_balloon_change(vmm->domain);
	return TRUE;
}

/* Of devices that the domain has: they are no more than it can have. */
static gboolean on_device_deleted(DomainVmm *vmm, JsonObject *data)
{
	const char *alias = follow_string(data, "device");

	if (!domain_def_has_alias(vmm->domain->live, alias))
		return FALSE;
	if (!vmm->gone)
		vmm->gone = g_ptr_array_new_with_free_func(g_free);
	if (!g_ptr_array_find_with_equal_func(vmm->gone, alias, g_str_equal, NULL))
		g_ptr_array_add(vmm->gone, g_strdup(alias));
	follow_ask(vmm, FOLLOW_UNPLUG);
	return TRUE;
}

/* The guest has been asked for it, and refuses. Each counts as a change: clients hear of each. */
static gboolean on_device_kept(DomainVmm *vmm, JsonObject *data)
{
	const char *alias = follow_string(data, "device");

	if (!domain_def_has_alias(vmm->domain->live, alias))
		return FALSE;
	domain_send_device_kept(vmm->domain, alias);
	return TRUE;
}

/* A program in the guest has opened or closed a channel. */
static gboolean on_channel_change(DomainVmm *vmm, JsonObject *data)
{
	if (!agent_set_channel_state(vmm->domain, follow_string(data, "id"),
				     follow_boolean(data, "open")))
		return FALSE;
	(void)follow_save_status(vmm->domain, NULL);
	return TRUE;
}

/* The tray of a drive. Each counts as a change, since clients hear of each. */
static gboolean on_tray_moved(DomainVmm *vmm, JsonObject *data)
{
	if (!medium_set_tray(vmm->domain, follow_string(data, "id"),
			     follow_boolean(data, "tray-open")))
		return FALSE;
	(void)follow_save_status(vmm->domain, NULL);
	return TRUE;
}

static int disk_error_action(const char *action)
{
	if (strcmp(action, "stop") == 0)
		return VIR_DOMAIN_EVENT_IO_ERROR_PAUSE;
	return strcmp(action, "report") == 0 ? VIR_DOMAIN_EVENT_IO_ERROR_REPORT :
					       VIR_DOMAIN_EVENT_IO_ERROR_NONE;
}

/* With the lock. Clients are told of disks that the domain has. */
static void tell_disk_error(const DomainVmm *vmm, JsonObject *data, int action)
{
	const char *alias = follow_string(data, "device");
	const DomainDisk *disk = domain_find_disk_alias(vmm->domain->live, alias);
	const RpcDiskError disk_error = {
		.source = disk && disk->path ? disk->path : "",
		.alias = alias,
		.action = action,
		.reason = follow_boolean(data, "nospace") ? "enospc" : "",
	};

	if (disk)
		domain_send_disk_error(vmm->domain, &disk_error);
}

/*
 * What has not stopped the machine has been reported to the guest, or ignored, as its policy says.
 * Each counts as a change, since clients hear of each.
 */
static gboolean on_disk_error(DomainVmm *vmm, JsonObject *data)
{
	const gboolean is_read = strcmp(follow_string(data, "operation"), "read") == 0;
	const int action = disk_error_action(follow_string(data, "action"));
	g_autofree char *disk = text_of(data, "device", 80);
	g_autofree char *reason = text_of(data, "reason", MESSAGE_MAX);

	tell_disk_error(vmm, data, action);
	if (action != VIR_DOMAIN_EVENT_IO_ERROR_PAUSE)
		return TRUE;
	(void)pause_itself(
		vmm, VIR_DOMAIN_PAUSED_IOERROR, VIR_DOMAIN_EVENT_SUSPENDED_IOERROR,
		g_strdup_printf(is_read ? _("paused: disk %s could not be read (%s); mend that and "
					    "resume the domain, and it is tried again") :
					  _("paused: disk %s could not be written (%s); mend that "
					    "and resume the domain, and it is tried again"),
				disk, reason));
	return TRUE;
}

/* @why: taken */
static gboolean crash(DomainVmm *vmm, char *why)
{
	Domain *domain = vmm->domain;

	g_free(domain->crash);
	domain->crash = why;
	log_limit_warning(&vmm->log, _("domain '%s': %s"), domain->name, domain->crash);
	follow_change_state(domain, VIR_DOMAIN_CRASHED, VIR_DOMAIN_CRASHED_PANICKED,
			    VIR_DOMAIN_EVENT_CRASHED, VIR_DOMAIN_EVENT_CRASHED_PANICKED);
	follow_ask(vmm, FOLLOW_FAILURE);
	return TRUE;
}

/* What is done about it, the VMM does and tells besides, but for a pause, whose reason this is. */
static gboolean on_watchdog(DomainVmm *vmm, JsonObject *data)
{
	const int action = domain_watchdog_action(follow_string(data, "action"));
	Domain *domain = vmm->domain;

	if (action < 0)
		return FALSE;
	domain_send_watchdog(domain, action);
	if (action == VIR_DOMAIN_EVENT_WATCHDOG_PAUSE && domain->state == VIR_DOMAIN_RUNNING)
		follow_change_state(domain, VIR_DOMAIN_PAUSED, VIR_DOMAIN_PAUSED_WATCHDOG,
				    VIR_DOMAIN_EVENT_SUSPENDED,
				    VIR_DOMAIN_EVENT_SUSPENDED_WATCHDOG);
	return TRUE;
}

static gboolean on_internal_error(DomainVmm *vmm, JsonObject *data)
{
	g_autofree char *message = text_of(data, "message", MESSAGE_MAX);

	return vmm->domain->state != VIR_DOMAIN_CRASHED &&
	       crash(vmm, g_strdup_printf(_("the machine has failed: %s"), message));
}

static gboolean on_panicked(DomainVmm *vmm, JsonObject *data)
{
	(void)data;
	return vmm->domain->state != VIR_DOMAIN_CRASHED &&
	       crash(vmm, g_strdup(_("the guest says that it has failed (panic)")));
}

/* It goes on, and counts as a change, since clients hear of each. */
static gboolean on_crash_loaded(DomainVmm *vmm, JsonObject *data)
{
	(void)data;
	domain_send_event(vmm->domain, VIR_DOMAIN_EVENT_CRASHED,
			  VIR_DOMAIN_EVENT_CRASHED_CRASHLOADED);
	return TRUE;
}

/* Without the lock: a VMM whose state changes too often is not read from for a moment. */
static void slow_down(DomainVmm *vmm)
{
	gint64 wait;

	while ((wait = rate_limit_take(&vmm->changes, CHANGES_BURST, CHANGES_INTERVAL,
				       g_get_monotonic_time())) > 0)
		g_usleep((gulong)wait);
}

static void on_monitor_event(const char *name, JsonObject *data, gpointer opaque)
{
	static const struct {
		const char *name;
		gboolean (*handle)(DomainVmm *vmm, JsonObject *data);
	} handlers[] = {
		{ "STOP", on_stop },
		{ "RESUME", on_resume },
		{ "RESET", on_reset },
		{ "SHUTDOWN", on_shutdown },
		{ "GMEM_HOST_TOUCH", on_host_touch },
		{ "GMEM_NO_MEMORY", on_no_memory },
		{ "BLOCK_IO_ERROR", on_disk_error },
		{ "BALLOON_CHANGE", on_balloon_change },
		{ "DEVICE_DELETED", on_device_deleted },
		{ "DEVICE_UNPLUG_GUEST_ERROR", on_device_kept },
		{ "VSERPORT_CHANGE", on_channel_change },
		{ "DEVICE_TRAY_MOVED", on_tray_moved },
		{ "WATCHDOG", on_watchdog },
		{ "GUEST_PANICKED", on_panicked },
		{ "GUEST_CRASHLOADED", on_crash_loaded },
		{ "GMEM_INTERNAL_ERROR", on_internal_error },
	};
	DomainVmm *vmm = opaque;
	Domain *domain = vmm->domain;
	gboolean is_changed = FALSE;

	/* A VMM that says much is heard as fast as clients can be told, and no faster. */
	rpc_events_await_room(domain->driver->server);
	g_mutex_lock(&domain->lock);
	/* The last words of a VMM that has been given up are nobody's business. */
	for (gsize i = 0; i < G_N_ELEMENTS(handlers) && domain->vmm == vmm; i++) {
		if (strcmp(handlers[i].name, name) == 0)
			is_changed = handlers[i].handle(vmm, data);
	}
	g_mutex_unlock(&domain->lock);
	if (is_changed)
		slow_down(vmm);
}

static int on_monitor_idle(gpointer opaque)
{
	DomainVmm *vmm = opaque;
	Domain *domain = vmm->domain;
	gint64 wait = 0;

	if (!vmm->is_reboot_due)
		return -1;
	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm)
		wait = tell_reboot(vmm);
	g_mutex_unlock(&domain->lock);
	/* Rounded up: a wait that is over a moment too early would be for nothing. */
	return wait > 0 ? (int)(wait / G_TIME_SPAN_MILLISECOND + 1) : -1;
}

static void on_monitor_lost(const GError *why, gpointer opaque)
{
	DomainVmm *vmm = opaque;
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm && !vmm->is_ending) {
		g_free(vmm->trouble);
		vmm->trouble = g_strdup_printf(
			_("the VMM (process %d) is there and cannot be reached: %s"),
			(int)vmm_process_pid(vmm->process), why->message);
		log_limit_warning(&vmm->log, _("domain '%s': %s"), domain->name, vmm->trouble);
	}
	g_mutex_unlock(&domain->lock);
}

static void ask_if_current(DomainVmm *vmm, FollowTask task)
{
	Domain *domain = vmm->domain;

	g_mutex_lock(&domain->lock);
	if (domain->vmm == vmm)
		follow_ask(vmm, task);
	g_mutex_unlock(&domain->lock);
}

static void on_monitor_reached(gpointer opaque)
{
	ask_if_current(opaque, FOLLOW_REACHED);
}

static void on_monitor_closed(gpointer opaque)
{
	ask_if_current(opaque, FOLLOW_END);
}

gboolean follow_start(DomainVmm *vmm, GError **error)
{
	static const QmpCallbacks callbacks = {
		.event = on_monitor_event,
		.idle = on_monitor_idle,
		.lost = on_monitor_lost,
		.reached = on_monitor_reached,
		.closed = on_monitor_closed,
	};

	return qmp_client_start(vmm->monitor, vmm_process_pidfd(vmm->process), &callbacks, vmm,
				error);
}

/*
 * The worker.
 */

/* What others who want the job are told. */
static const char *job_name(guint tasks)
{
	if (tasks & FOLLOW_END)
		return N_("end of the VMM");
	if (tasks & FOLLOW_REACHED)
		return N_("reconnect");
	if (tasks & FOLLOW_POWER_OFF)
		return N_("power-off");
	if (tasks & FOLLOW_FAILURE)
		return N_("failure of the machine");
	return tasks & FOLLOW_RESTART ? N_("restart") : N_("removal of a device");
}

/* The job, unless it has been kept for this. Return: what there is to do, once it is there. */
static guint begin_tasks(DomainVmm *vmm)
{
	Domain *domain = vmm->domain;
	gboolean holds_job;
	guint tasks;

	g_mutex_lock(&domain->lock);
	holds_job = vmm->holds_job;
	vmm->holds_job = FALSE;
	tasks = vmm->tasks;
	g_mutex_unlock(&domain->lock);
	if (!holds_job)
		domain_begin_job_always(domain, job_name(tasks));
	g_mutex_lock(&domain->lock);
	tasks = vmm->tasks;
	vmm->tasks = 0;
	g_mutex_unlock(&domain->lock);
	return tasks;
}

/* One turn: others may have the job, and the thread, before what has come meanwhile is done. */
static void work(gpointer data)
{
	DomainVmm *vmm = data;
	Domain *domain = vmm->domain;
	const guint tasks = begin_tasks(vmm);

	follow_do_tasks(vmm, tasks);
	domain_end_job(domain);
	g_mutex_lock(&domain->lock);
	vmm->has_worker = FALSE;
	if (vmm->tasks && domain->vmm == vmm)
		follow_ask(vmm, 0);
	g_mutex_unlock(&domain->lock);
	domain_vmm_unref(vmm);
}

void follow_ask(DomainVmm *vmm, FollowTask task)
{
	vmm->tasks |= task;
	if (vmm->has_worker)
		return;
	vmm->has_worker = TRUE;
	driver_run(vmm->domain->driver, work, domain_vmm_ref(vmm));
}
