/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor.c - the machine's monitor: its commands and events */
#include "vmm/monitor/monitor.h"

#include <errno.h>

#include "vmm/monitor/commands.h"
#include "vmm/monitor/qmp-server.h"

struct Monitor {
	CommandContext context; /* of its commands */
};

static const QmpCommand *const tables[] = {
	machine_commands, memory_commands, block_commands, device_commands,
	balloon_commands, input_commands,  job_commands,   NULL,
};

JsonNode *command_result(JsonObject *object)
{
	JsonNode *node = json_node_init_object(json_node_alloc(), object);

	json_object_unref(object);
	return node;
}

JsonNode *command_result_array(JsonArray *array)
{
	JsonNode *node = json_node_init_array(json_node_alloc(), array);

	json_array_unref(array);
	return node;
}

static void send_job_status(void *opaque, const char *id, const char *status)
{
	const Monitor *monitor = opaque;
	JsonObject *data = json_object_new();

	json_object_set_string_member(data, "id", id);
	json_object_set_string_member(data, "status", status);
	qmp_server_send_event(monitor->context.server, "JOB_STATUS_CHANGE", data);
}

Monitor *monitor_new(GSocket *listener, Machine *machine)
{
	Monitor *monitor = g_new0(Monitor, 1);

	monitor->context.machine = machine;
	monitor->context.jobs = jobs_new(send_job_status, monitor);
	monitor->context.server = qmp_server_new(listener, tables, &monitor->context);
	return monitor;
}

void monitor_free(Monitor *monitor)
{
	if (!monitor)
		return;
	qmp_server_free(monitor->context.server);
	jobs_free(monitor->context.jobs);
	g_free(monitor);
}

gboolean monitor_is_busy(const Monitor *monitor)
{
	return qmp_server_is_busy(monitor->context.server) || jobs_are_busy(monitor->context.jobs);
}

static JsonObject *cause_object(const MachineEvent *event)
{
	JsonObject *data = json_object_new();

	json_object_set_boolean_member(data, "guest", event->guest);
	json_object_set_string_member(data, "reason", event->reason);
	return data;
}

static JsonObject *action_object(const char *action)
{
	JsonObject *data = json_object_new();

	json_object_set_string_member(data, "action", action);
	return data;
}

static JsonObject *touch_object(const HostTouch *touch)
{
	JsonObject *data = json_object_new();

	json_object_set_int_member(data, "gpa", touch->gpa);
	json_object_set_string_member(data, "cause", conversion_cause_name(touch->cause));
	json_object_set_int_member(data, "thread-id", touch->thread_id);
	if (touch->vcpu >= 0)
		json_object_set_int_member(data, "vcpu", touch->vcpu);
	json_object_set_boolean_member(data, "write", touch->is_write);
	return data;
}

/* QEMU's event, as far as there is something to say. */
static JsonObject *disk_error_object(const DiskError *error)
{
	static const char *const actions[] = {
		[DISK_ERROR_REPORT] = "report",
		[DISK_ERROR_IGNORE] = "ignore",
		[DISK_ERROR_STOP] = "stop",
	};
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "device", error->device);
	json_object_set_string_member(object, "operation", error->is_read ? "read" : "write");
	json_object_set_string_member(object, "action", actions[error->action]);
	json_object_set_boolean_member(object, "nospace", error->error == ENOSPC);
	json_object_set_string_member(object, "reason", g_strerror(error->error));
	return object;
}

static JsonObject *message_object(const MachineEvent *event)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "message", event->message);
	return object;
}

static JsonObject *tray_object(const MachineEvent *event)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "device", "");
	json_object_set_string_member(object, "id", event->device);
	json_object_set_boolean_member(object, "tray-open", event->is_open);
	return object;
}

static JsonObject *device_object(const MachineEvent *event)
{
	g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", event->device);
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "device", event->device);
	json_object_set_string_member(object, "path", path);
	return object;
}

static JsonObject *port_object(const MachineEvent *event)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "id", event->device);
	json_object_set_boolean_member(object, "open", event->is_open);
	return object;
}

void monitor_send_event(Monitor *monitor, const MachineEvent *event)
{
	JsonObject *data = NULL;
	const char *name = NULL;

	switch (event->type) {
	case MACHINE_EVENT_STOP:
		name = "STOP";
		break;
	case MACHINE_EVENT_RESUME:
		name = "RESUME";
		break;
	case MACHINE_EVENT_RESET:
		name = "RESET";
		data = cause_object(event);
		break;
	case MACHINE_EVENT_POWERDOWN:
		name = "POWERDOWN";
		break;
	case MACHINE_EVENT_SHUTDOWN:
		name = "SHUTDOWN";
		data = cause_object(event);
		break;
	case MACHINE_EVENT_WATCHDOG:
		name = "WATCHDOG";
		data = action_object(event->action);
		break;
	case MACHINE_EVENT_PANICKED:
		name = "GUEST_PANICKED";
		data = action_object(event->action);
		break;
	case MACHINE_EVENT_CRASH_LOADED:
		name = "GUEST_CRASHLOADED";
		data = action_object("run");
		break;
	case MACHINE_EVENT_HOST_TOUCH:
		name = "GMEM_HOST_TOUCH";
		data = touch_object(event->touch);
		break;
	case MACHINE_EVENT_NO_MEMORY:
		name = "GMEM_NO_MEMORY";
		data = message_object(event);
		break;
	case MACHINE_EVENT_DISK_ERROR:
		name = "BLOCK_IO_ERROR";
		data = disk_error_object(event->disk_error);
		break;
	case MACHINE_EVENT_INTERNAL_ERROR:
		name = "GMEM_INTERNAL_ERROR";
		data = message_object(event);
		break;
	case MACHINE_EVENT_DEVICE_DELETED:
		name = "DEVICE_DELETED";
		data = device_object(event);
		break;
	case MACHINE_EVENT_BALLOON_CHANGE:
		name = "BALLOON_CHANGE";
		data = json_object_new();
		json_object_set_int_member(data, "actual", (gint64)event->actual);
		break;
	case MACHINE_EVENT_DEVICE_KEPT:
		name = "DEVICE_UNPLUG_GUEST_ERROR";
		data = device_object(event);
		break;
	case MACHINE_EVENT_PORT_CHANGED:
		name = "VSERPORT_CHANGE";
		data = port_object(event);
		break;
	case MACHINE_EVENT_TRAY_MOVED:
		name = "DEVICE_TRAY_MOVED";
		data = tray_object(event);
		break;
	}
	qmp_server_send_event(monitor->context.server, name, data);
}
