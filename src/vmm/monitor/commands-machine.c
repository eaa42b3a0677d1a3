/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands-machine.c - how the machine runs, and its processors */
#include "vmm/monitor/commands.h"

static gboolean query_status(JsonObject *arguments, gpointer opaque, JsonNode **result,
			     GError **error)
{
	const CommandContext *context = opaque;
	RunState state = machine_run_state(context->machine);
	JsonObject *status = json_object_new();

	(void)arguments;
	(void)error;
	json_object_set_string_member(status, "status", run_state_name(state));
	json_object_set_boolean_member(status, "running", state == RUN_STATE_RUNNING);
	*result = command_result(status);
	return TRUE;
}

static gboolean stop(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;

	(void)arguments;
	(void)result;
	return machine_pause(context->machine, error);
}

static gboolean cont(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;

	(void)arguments;
	(void)result;
	return machine_resume(context->machine, error);
}

static gboolean system_powerdown(JsonObject *arguments, gpointer opaque, JsonNode **result,
				 GError **error)
{
	const CommandContext *context = opaque;

	(void)arguments;
	(void)result;
	return machine_power_down(context->machine, error);
}

static gboolean system_reset(JsonObject *arguments, gpointer opaque, JsonNode **result,
			     GError **error)
{
	const CommandContext *context = opaque;

	(void)arguments;
	(void)result;
	return machine_reset(context->machine, FALSE, error);
}

static gboolean quit(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;

	(void)arguments;
	(void)result;
	(void)error;
	machine_quit(context->machine, "host-qmp-quit");
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
	const CommandContext *context = opaque;
	const VcpuSet *vcpus = machine_vcpus(context->machine);
	const CpuTopology *topology = machine_cpu_topology(context->machine);
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
	*result = command_result_array(list);
	return TRUE;
}

const QmpCommand machine_commands[] = {
	{ "query-status", .handler = query_status },
	{ "stop", .handler = stop },
	{ "cont", .handler = cont },
	{ "system_powerdown", .handler = system_powerdown },
	{ "system_reset", .handler = system_reset },
	{ "quit", .handler = quit },
	{ "query-cpus-fast", .handler = query_cpus_fast },
	{ NULL },
};
