/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* monitor.c - the machine's monitor: its commands and events */
#include "vmm/monitor/monitor.h"

#include <errno.h>
#include <glib/gi18n.h>

#include "vmm/monitor/qmp-server.h"

struct Monitor {
	Machine *machine;
	QmpServer *server;
};

static JsonNode *take_object(JsonObject *object)
{
	JsonNode *node = json_node_init_object(json_node_alloc(), object);

	json_object_unref(object);
	return node;
}

static gboolean query_status(JsonObject *arguments, gpointer opaque, JsonNode **result,
			     GError **error)
{
	const Monitor *monitor = opaque;
	RunState state = machine_run_state(monitor->machine);
	JsonObject *status = json_object_new();

	(void)arguments;
	(void)error;
	json_object_set_string_member(status, "status", run_state_name(state));
	json_object_set_boolean_member(status, "running", state == RUN_STATE_RUNNING);
	*result = take_object(status);
	return TRUE;
}

static gboolean stop(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const Monitor *monitor = opaque;

	(void)arguments;
	(void)result;
	return machine_pause(monitor->machine, error);
}

static gboolean cont(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const Monitor *monitor = opaque;

	(void)arguments;
	(void)result;
	return machine_resume(monitor->machine, error);
}

static gboolean system_powerdown(JsonObject *arguments, gpointer opaque, JsonNode **result,
				 GError **error)
{
	const Monitor *monitor = opaque;

	(void)arguments;
	(void)result;
	return machine_power_down(monitor->machine, error);
}

static gboolean system_reset(JsonObject *arguments, gpointer opaque, JsonNode **result,
			     GError **error)
{
	const Monitor *monitor = opaque;

	(void)arguments;
	(void)result;
	return machine_reset(monitor->machine, FALSE, error);
}

static gboolean quit(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const Monitor *monitor = opaque;

	(void)arguments;
	(void)result;
	(void)error;
	machine_quit(monitor->machine, "host-qmp-quit");
	return TRUE;
}

/* A die's number is only there where sockets have several, as with QEMU. */
static JsonObject *place_object(const CpuTopology *topology, guint index)
{
	CpuPlace place = cpu_topology_place(topology, index);
	JsonObject *object = json_object_new();

	json_object_set_int_member(object, "socket-id", place.socket);
	if (topology->dies > 1)
		json_object_set_int_member(object, "die-id", place.die);
	json_object_set_int_member(object, "core-id", place.core);
	json_object_set_int_member(object, "thread-id", place.thread);
	return object;
}

static gboolean query_cpus_fast(JsonObject *arguments, gpointer opaque, JsonNode **result,
				GError **error)
{
	const Monitor *monitor = opaque;
	const VcpuSet *vcpus = machine_vcpus(monitor->machine);
	const CpuTopology *topology = machine_cpu_topology(monitor->machine);
	JsonArray *list = json_array_new();

	(void)arguments;
	(void)error;
	for (guint i = 0; i < vcpu_set_count(vcpus); i++) {
		JsonObject *vcpu = json_object_new();
		g_autofree char *path = g_strdup_printf("/machine/vcpu[%u]", i);

		json_object_set_int_member(vcpu, "cpu-index", i);
		json_object_set_string_member(vcpu, "qom-path", path);
		json_object_set_int_member(vcpu, "thread-id", vcpu_set_thread_id(vcpus, i));
		json_object_set_string_member(vcpu, "target", "x86_64");
		json_object_set_object_member(vcpu, "props", place_object(topology, i));
		json_array_add_object_element(list, vcpu);
	}
	*result = json_node_init_array(json_node_alloc(), list);
	json_array_unref(list);
	return TRUE;
}

/* Which pairs of direction and cause can occur. */
static gboolean can_occur(ConversionDirection direction, ConversionCause cause)
{
	switch (cause) {
	case CONVERSION_GUEST_HYPERCALL:
	case CONVERSION_RING:
		return TRUE;
	case CONVERSION_POPULATE:
	case CONVERSION_RECLAIM:
		return direction == CONVERSION_TO_PRIVATE;
	default:
		return direction == CONVERSION_TO_SHARED;
	}
}

static JsonObject *counter_object(ConversionDirection direction, ConversionCause cause,
				  const ConversionCounter *counter)
{
	JsonObject *object = json_object_new();
	JsonArray *latency = json_array_new();

	json_object_set_string_member(object, "direction", conversion_direction_name(direction));
	json_object_set_string_member(object, "cause", conversion_cause_name(cause));
	json_object_set_int_member(object, "count", counter->count);
	json_object_set_int_member(object, "bytes", counter->bytes);
	json_object_set_int_member(object, "time-ns", counter->time_ns);
	for (guint i = 0; i < CONVERSION_LATENCY_BUCKETS; i++)
		json_array_add_int_element(latency, counter->latency[i]);
	json_object_set_array_member(object, "latency-log2-ns", latency);
	return object;
}

static gboolean query_conversion_stats(JsonObject *arguments, gpointer opaque, JsonNode **result,
				       GError **error)
{
	const Monitor *monitor = opaque;
	Memory *memory = machine_memory(monitor->machine);
	JsonObject *object = json_object_new();
	JsonObject *courier = json_object_new();
	JsonArray *conversions = json_array_new();
	MemoryStatistics statistics;

	(void)arguments;
	(void)error;
	memory_statistics(memory, &statistics);
	json_object_set_string_member(object, "kind", kvm_memory_kind_name(memory_kind(memory)));
	json_object_set_string_member(
		object, "policy",
		memory_policy(memory) == MEMORY_POLICY_GUEST_ONLY ? "guest-only" : "on-demand");
	json_object_set_int_member(object, "private-bytes", statistics.private_bytes);
	json_object_set_int_member(object, "shared-bytes", statistics.shared_bytes);
	json_object_set_int_member(object, "shared-bytes-peak", statistics.shared_bytes_peak);
	json_object_set_int_member(object, "shared-allocated-bytes",
				   statistics.shared_allocated_bytes);
	json_object_set_int_member(object, "pinned-bytes", statistics.pinned_bytes);
	json_object_set_int_member(object, "registered-bytes", statistics.registered_bytes);
	json_object_set_int_member(object, "mapped-bytes", statistics.mapped_bytes);
	json_object_set_int_member(object, "refused-touches", statistics.refused_touches);
	json_object_set_int_member(courier, "trips", statistics.courier.trips);
	json_object_set_int_member(courier, "bytes", statistics.courier.bytes);
	json_object_set_int_member(courier, "time-ns", statistics.courier.time_ns);
	json_object_set_object_member(object, "courier", courier);
	for (guint direction = 0; direction < CONVERSION_N_DIRECTIONS; direction++) {
		for (guint cause = 0; cause < CONVERSION_N_CAUSES; cause++) {
			if (can_occur(direction, cause))
				json_array_add_object_element(
					conversions,
					counter_object(direction, cause,
						       &statistics.conversions[direction][cause]));
		}
	}
	json_object_set_array_member(object, "conversions", conversions);
	*result = take_object(object);
	return TRUE;
}

/* Reads an address or a size; JSON has no unsigned integers. */
static gboolean get_unsigned(JsonObject *arguments, const char *name, guint64 default_value,
			     guint64 *value, GError **error)
{
	gint64 number;

	*value = default_value;
	if (!json_object_has_member(arguments, name))
		return TRUE;
	number = json_object_get_int_member(arguments, name);
	if (number < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("argument '%s' must not be negative"), name);
		return FALSE;
	}
	*value = number;
	return TRUE;
}

/* Runs on a worker thread; memory.h says that it may. */
static gboolean gmem_reclaim(JsonObject *arguments, gpointer opaque, JsonNode **result,
			     GError **error)
{
	const Monitor *monitor = opaque;
	Memory *memory = machine_memory(monitor->machine);
	JsonObject *object;
	guint64 reclaimed;
	guint64 gpa;
	guint64 size;

	if (!get_unsigned(arguments, "gpa", 0, &gpa, error) ||
	    !get_unsigned(arguments, "size", memory_high_end(memory), &size, error) ||
	    !memory_reclaim(memory, gpa, size, &reclaimed, error))
		return FALSE;
	object = json_object_new();
	json_object_set_int_member(object, "bytes", reclaimed);
	*result = take_object(object);
	return TRUE;
}

/* Runs on a worker thread too. */
static gboolean gmem_touch(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	const Monitor *monitor = opaque;
	guint64 gpa;
	guint64 size;

	(void)result;
	return get_unsigned(arguments, "gpa", 0, &gpa, error) &&
	       get_unsigned(arguments, "size", 0, &size, error) &&
	       memory_touch(machine_memory(monitor->machine), gpa, size, error);
}

static const QmpArgument reclaim_arguments[] = {
	{ "gpa", QMP_TYPE_INT, TRUE },
	{ "size", QMP_TYPE_INT, TRUE },
	{ NULL },
};

static const QmpArgument touch_arguments[] = {
	{ "gpa", QMP_TYPE_INT, FALSE },
	{ "size", QMP_TYPE_INT, FALSE },
	{ NULL },
};

static const QmpCommand commands[] = {
	{ "query-status", NULL, query_status, FALSE },
	{ "stop", NULL, stop, FALSE },
	{ "cont", NULL, cont, FALSE },
	{ "system_powerdown", NULL, system_powerdown, FALSE },
	{ "system_reset", NULL, system_reset, FALSE },
	{ "quit", NULL, quit, FALSE },
	{ "query-cpus-fast", NULL, query_cpus_fast, FALSE },
	{ "query-conversion-stats", NULL, query_conversion_stats, FALSE },
	{ "gmem-reclaim", reclaim_arguments, gmem_reclaim, TRUE },
	{ "x-gmem-touch", touch_arguments, gmem_touch, TRUE },
	{ NULL },
};

Monitor *monitor_new(GSocket *listener, Machine *machine)
{
	Monitor *monitor = g_new0(Monitor, 1);

	monitor->machine = machine;
	monitor->server = qmp_server_new(listener, commands, monitor);
	return monitor;
}

void monitor_free(Monitor *monitor)
{
	if (!monitor)
		return;
	qmp_server_free(monitor->server);
	g_free(monitor);
}

gboolean monitor_is_busy(const Monitor *monitor)
{
	return qmp_server_is_busy(monitor->server);
}

static JsonObject *cause_object(const MachineEvent *event)
{
	JsonObject *data = json_object_new();

	json_object_set_boolean_member(data, "guest", event->guest);
	json_object_set_string_member(data, "reason", event->reason);
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
	}
	qmp_server_send_event(monitor->server, name, data);
}
