/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* statistics.c - what virConnectGetAllDomainStats says of a domain */
#include "driver/domain/statistics.h"

#include <string.h>

#include "driver/domain/balloon.h"
#include "driver/domain/block-statistics.h"
#include "driver/domain/iothreads.h"
#include "driver/host/image-size.h"
#include "driver/host/net-device.h"

struct StatisticsQuestion {
	Domain *domain; /* a reference */
	guint groups;
	DomainVmm *vmm;		  /* a reference, or NULL */
	QmpCommandTicket *memory; /* each or NULL */
	QmpCommandTicket *blocks;
	QmpCommandTicket *balloon;
	QmpCommandTicket *iothreads;
};

/* Parameters, as they are put together. */
typedef struct {
	GArray *params; /* of RpcTypedParam */
} Params;

static RpcTypedParam *add(Params *params, int type, const char *format, va_list arguments)
{
	RpcTypedParam param = { .field = g_strdup_vprintf(format, arguments) };

	param.value.type = type;
	g_array_append_val(params->params, param);
	return &g_array_index(params->params, RpcTypedParam, params->params->len - 1);
}

static void add_int(Params *params, int value, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void add_int(Params *params, int value, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(params, VIR_TYPED_PARAM_INT, format, arguments)->value.RpcTypedValue_u.i = value;
	va_end(arguments);
}

static void add_uint(Params *params, guint value, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void add_uint(Params *params, guint value, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(params, VIR_TYPED_PARAM_UINT, format, arguments)->value.RpcTypedValue_u.ui = value;
	va_end(arguments);
}

static void add_number(Params *params, guint64 value, const char *format, ...) G_GNUC_PRINTF(3, 4);
static void add_number(Params *params, guint64 value, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(params, VIR_TYPED_PARAM_ULLONG, format, arguments)->value.RpcTypedValue_u.ul = value;
	va_end(arguments);
}

static void add_string(Params *params, const char *value, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
static void add_string(Params *params, const char *value, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add(params, VIR_TYPED_PARAM_STRING, format, arguments)->value.RpcTypedValue_u.s =
		g_strdup(value);
	va_end(arguments);
}

StatisticsQuestion *statistics_ask(Domain *domain, guint groups)
{
	StatisticsQuestion *question = g_new0(StatisticsQuestion, 1);
	gboolean has_disks, has_balloon, has_iothreads;

	question->domain = domain_ref(domain);
	question->groups = groups;
	g_mutex_lock(&domain->lock);
	if (domain->vmm)
		question->vmm = domain_vmm_ref(domain->vmm);
	has_disks = domain->live && domain->live->disks->len > 0;
	has_balloon = domain->live && domain->live->memballoon;
	has_iothreads = domain->live && domain->live->iothreads->len > 0;
	g_mutex_unlock(&domain->lock);
	if (question->vmm && (groups & VIR_DOMAIN_STATS_VM))
		question->memory = qmp_client_share(question->vmm->monitor,
						    "query-conversion-stats", NULL);
	if (question->vmm && has_disks && (groups & VIR_DOMAIN_STATS_BLOCK))
		question->blocks = qmp_client_share(question->vmm->monitor,
						    BLOCK_STATISTICS_COMMAND, NULL);
	if (question->vmm && has_balloon && (groups & VIR_DOMAIN_STATS_BALLOON))
		question->balloon = qmp_client_share(question->vmm->monitor,
						     BALLOON_STATISTICS_COMMAND, NULL);
	if (question->vmm && has_iothreads && (groups & VIR_DOMAIN_STATS_IOTHREAD))
		question->iothreads = qmp_client_share(question->vmm->monitor, IOTHREADS_COMMAND,
						       NULL);
	return question;
}

static void add_state(Params *params, Domain *domain)
{
	g_mutex_lock(&domain->lock);
	add_int(params, domain->state, "state.state");
	add_int(params, domain->reason, "state.reason");
	g_mutex_unlock(&domain->lock);
}

static void add_cpu_total(Params *params, const DomainVmm *vmm)
{
	VmmCpuTime time;

	if (!vmm || !vmm_process_cpu_time(vmm->process, 0, &time))
		return;
	add_number(params, time.user_ns + time.system_ns, "cpu.time");
	add_number(params, time.user_ns, "cpu.user");
	add_number(params, time.system_ns, "cpu.system");
}

static void add_vcpus(Params *params, Domain *domain, const DomainVmm *vmm)
{
	const DomainDef *def;
	guint count;

	g_mutex_lock(&domain->lock);
	def = domain_current_def(domain);
	count = def ? def->vcpus : 0;
	g_mutex_unlock(&domain->lock);
	add_uint(params, count, "vcpu.current");
	add_uint(params, count, "vcpu.maximum");
	for (guint i = 0; vmm && i < domain_vmm_count_threads(vmm); i++) {
		VmmCpuTime time;

		if (!vmm_process_cpu_time(vmm->process, vmm->vcpu_threads[i], &time))
			continue;
		add_int(params, VIR_VCPU_RUNNING, "vcpu.%u.state", i);
		add_number(params, time.user_ns + time.system_ns, "vcpu.%u.time", i);
	}
}

/* Members of what the VMM says, which may be missing or something else than they should be. */
static gboolean get_number(JsonObject *object, const char *name, guint64 *value)
{
	JsonNode *node = object ? json_object_get_member(object, name) : NULL;

	if (!node || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64)
		return FALSE;
	*value = (guint64)json_node_get_int(node);
	return TRUE;
}

static const char *get_string(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_STRING ?
		       json_node_get_string(node) :
		       NULL;
}

static JsonArray *get_array(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static void add_member(Params *params, JsonObject *object, const char *member, const char *field)
{
	guint64 value;

	if (get_number(object, member, &value))
		add_number(params, value, "vm.gmem.%s", field);
}

/* A name that the VMM sends becomes part of a field's name: letters and hyphens, or nothing. */
static gboolean is_plain_name(const char *name)
{
	return name && *name && strlen(name) <= 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name);
}

/* Buckets that are empty are left out: there are many, and few ever hold anything. */
static void add_latency(Params *params, JsonArray *latency, const char *direction,
			const char *cause)
{
	for (guint i = 0; latency && i < json_array_get_length(latency) && i < 64; i++) {
		JsonNode *node = json_array_get_element(latency, i);

		if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_INT64 &&
		    json_node_get_int(node) > 0)
			add_number(params, (guint64)json_node_get_int(node),
				   "vm.gmem.convert.%s.%s.latency.%u.sum", direction, cause, i);
	}
}

static void add_conversion(Params *params, JsonObject *conversion)
{
	const char *direction = get_string(conversion, "direction");
	const char *cause = get_string(conversion, "cause");
	guint64 count;
	guint64 bytes;
	guint64 time_ns;

	if (!is_plain_name(direction) || !is_plain_name(cause) ||
	    !get_number(conversion, "count", &count) || !get_number(conversion, "bytes", &bytes) ||
	    !get_number(conversion, "time-ns", &time_ns))
		return;
	add_number(params, count, "vm.gmem.convert.%s.%s.count.sum", direction, cause);
	add_number(params, bytes, "vm.gmem.convert.%s.%s.bytes.sum", direction, cause);
	add_number(params, time_ns, "vm.gmem.convert.%s.%s.time.sum", direction, cause);
	add_latency(params, get_array(conversion, "latency-log2-ns"), direction, cause);
}

/* How devices have read and written guest memory. */
static void add_transfers(Params *params, JsonObject *reply)
{
	static const char *const ways[] = { "plain", "courier", "window", "registered" };
	JsonNode *node = json_object_get_member(reply, "transfers");

	if (!node || !JSON_NODE_HOLDS_OBJECT(node))
		return;
	for (gsize i = 0; i < G_N_ELEMENTS(ways); i++) {
		JsonNode *way = json_object_get_member(json_node_get_object(node), ways[i]);
		guint64 count, bytes;

		if (!way || !JSON_NODE_HOLDS_OBJECT(way) ||
		    !get_number(json_node_get_object(way), "count", &count) ||
		    !get_number(json_node_get_object(way), "bytes", &bytes))
			continue;
		add_number(params, count, "vm.gmem.transfer.%s.count.sum", ways[i]);
		add_number(params, bytes, "vm.gmem.transfer.%s.bytes.sum", ways[i]);
	}
}

static void add_memory(Params *params, JsonObject *reply)
{
	JsonNode *courier = json_object_get_member(reply, "courier");
	JsonNode *released = json_object_get_member(reply, "released");
	JsonArray *conversions = get_array(reply, "conversions");
	const char *kind = get_string(reply, "kind");
	const char *policy = get_string(reply, "policy");

	if (is_plain_name(kind))
		add_string(params, kind, "vm.gmem.kind");
	if (is_plain_name(policy))
		add_string(params, policy, "vm.gmem.policy");
	add_member(params, reply, "private-bytes", "private.bytes.cur");
	add_member(params, reply, "shared-bytes", "shared.bytes.cur");
	add_member(params, reply, "shared-bytes-peak", "shared.bytes.max");
	add_member(params, reply, "shared-allocated-bytes", "shared.allocated.bytes.cur");
	add_member(params, reply, "pinned-bytes", "pinned.bytes.cur");
	add_member(params, reply, "registered-bytes", "registered.bytes.cur");
	add_member(params, reply, "mapped-bytes", "mapped.bytes.cur");
	add_member(params, reply, "refused-touches", "refused.count.sum");
	if (courier && JSON_NODE_HOLDS_OBJECT(courier)) {
		add_member(params, json_node_get_object(courier), "trips", "courier.trips.sum");
		add_member(params, json_node_get_object(courier), "bytes", "courier.bytes.sum");
		add_member(params, json_node_get_object(courier), "time-ns", "courier.time.sum");
	}
	if (released && JSON_NODE_HOLDS_OBJECT(released)) {
		JsonObject *counts = json_node_get_object(released);

		add_member(params, counts, "count", "released.count.sum");
		add_member(params, counts, "private-bytes", "released.private.bytes.sum");
		add_member(params, counts, "shared-bytes", "released.shared.bytes.sum");
		add_member(params, counts, "pinned-bytes", "released.pinned.bytes.sum");
		add_member(params, counts, "time-ns", "released.time.sum");
	}
	add_transfers(params, reply);
	for (guint i = 0; conversions && i < json_array_get_length(conversions) && i < 64; i++) {
		JsonNode *node = json_array_get_element(conversions, i);

		if (JSON_NODE_HOLDS_OBJECT(node))
			add_conversion(params, json_node_get_object(node));
	}
}

/* Return: NULL where nothing was asked, or nothing came. */
static JsonNode *await_answer(const StatisticsQuestion *question, QmpCommandTicket **ticket,
			      gint64 deadline)
{
	return *ticket ? qmp_client_wait(question->vmm->monitor, g_steal_pointer(ticket), deadline,
					 NULL) :
			 NULL;
}

/* The devices of a kind as they are now, for g_ptr_array_unref(). */
static GPtrArray *copy_disks(Domain *domain)
{
	GPtrArray *disks = g_ptr_array_new_with_free_func((GDestroyNotify)domain_disk_free);
	const DomainDef *def;

	g_mutex_lock(&domain->lock);
	def = domain_current_def(domain);
	for (guint i = 0; def && i < def->disks->len; i++)
		g_ptr_array_add(disks, domain_disk_copy(def->disks->pdata[i]));
	g_mutex_unlock(&domain->lock);
	return disks;
}

static void add_block_traffic(Params *params, const BlockStatistics *statistics, guint i)
{
	add_number(params, statistics->read.operations, "block.%u.rd.reqs", i);
	add_number(params, statistics->read.bytes, "block.%u.rd.bytes", i);
	add_number(params, statistics->read.time_ns, "block.%u.rd.times", i);
	add_number(params, statistics->written.operations, "block.%u.wr.reqs", i);
	add_number(params, statistics->written.bytes, "block.%u.wr.bytes", i);
	add_number(params, statistics->written.time_ns, "block.%u.wr.times", i);
	add_number(params, statistics->flushed.operations, "block.%u.fl.reqs", i);
	add_number(params, statistics->flushed.time_ns, "block.%u.fl.times", i);
}

static void add_block(Params *params, const DomainDisk *disk, JsonNode *reply, guint i)
{
	BlockStatistics statistics;
	ImageSize size;

	add_string(params, disk->target, "block.%u.name", i);
	if (disk->path)
		add_string(params, disk->path, "block.%u.path", i);
	if (reply && disk->info.alias &&
	    block_statistics_find(reply, disk->info.alias, &statistics))
		add_block_traffic(params, &statistics, i);
	if (!disk->path || !image_size_read("/", disk->path, disk->format, &size, NULL))
		return;
	add_number(params, size.allocation, "block.%u.allocation", i);
	add_number(params, size.capacity, "block.%u.capacity", i);
	add_number(params, size.physical, "block.%u.physical", i);
}

static void add_blocks(Params *params, StatisticsQuestion *question, gint64 deadline)
{
	g_autoptr(GPtrArray) disks = copy_disks(question->domain);
	g_autoptr(JsonNode) reply = await_answer(question, &question->blocks, deadline);

	add_uint(params, disks->len, "block.count");
	for (guint i = 0; i < disks->len; i++)
		add_block(params, disks->pdata[i], reply, i);
}

/* Those of a domain that runs: one that does not has no devices on the host. */
static GPtrArray *copy_interfaces(Domain *domain)
{
	GPtrArray *interfaces =
		g_ptr_array_new_with_free_func((GDestroyNotify)domain_interface_free);

	g_mutex_lock(&domain->lock);
	for (guint i = 0; domain->live && i < domain->live->interfaces->len; i++)
		g_ptr_array_add(interfaces,
				domain_interface_copy(domain->live->interfaces->pdata[i]));
	g_mutex_unlock(&domain->lock);
	return interfaces;
}

static void add_traffic(Params *params, const NetTraffic *traffic, const char *direction, guint i)
{
	add_number(params, traffic->bytes, "net.%u.%s.bytes", i, direction);
	add_number(params, traffic->packets, "net.%u.%s.pkts", i, direction);
	add_number(params, traffic->errors, "net.%u.%s.errs", i, direction);
	add_number(params, traffic->drops, "net.%u.%s.drop", i, direction);
}

static void add_interfaces(Params *params, const StatisticsQuestion *question)
{
	g_autoptr(GPtrArray) interfaces = copy_interfaces(question->domain);

	if (!question->vmm)
		return;
	add_uint(params, interfaces->len, "net.count");
	for (guint i = 0; i < interfaces->len; i++) {
		const DomainInterface *interface = interfaces->pdata[i];
		NetCounters counters;

		if (!interface->target)
			continue;
		add_string(params, interface->target, "net.%u.name", i);
		if (!net_device_read_guest_counters("/", interface->target,
						    interface->type == DOMAIN_INTERFACE_DIRECT,
						    &counters, NULL))
			continue;
		add_traffic(params, &counters.received, "rx", i);
		add_traffic(params, &counters.sent, "tx", i);
	}
}

static void add_balloon_statistic(const BalloonStatistic *statistic, guint64 value, gpointer data)
{
	add_number(data, value, "balloon.%s", statistic->field);
}

static void add_balloon(Params *params, StatisticsQuestion *question, gint64 deadline)
{
	g_autoptr(JsonNode) reply = await_answer(question, &question->balloon, deadline);
	Domain *domain = question->domain;
	guint64 current = 0, maximum = 0;
	const DomainDef *def;

	g_mutex_lock(&domain->lock);
	def = domain_current_def(domain);
	if (def) {
		current = def->current_memory_kib;
		maximum = def->memory_kib;
	}
	g_mutex_unlock(&domain->lock);
	add_number(params, current, "balloon.current");
	add_number(params, maximum, "balloon.maximum");
	balloon_statistics_foreach(reply, add_balloon_statistic, params);
	if (question->vmm)
		add_number(params, vmm_process_resident_kib(question->vmm->process), "balloon.rss");
}

/*
 * Of how a thread polls there is one thing to say, that it does not. A domain without threads has
 * nothing to say, as with libvirt's.
 */
static void add_iothreads(Params *params, StatisticsQuestion *question, gint64 deadline)
{
	g_autoptr(JsonNode) reply = await_answer(question, &question->iothreads, deadline);
	Domain *domain = question->domain;
	g_autoptr(GArray) threads = NULL;
	guint count = 0;

	if (!reply)
		return;
	g_mutex_lock(&domain->lock);
	threads = domain->live ? g_array_copy(domain->live->iothreads) : NULL;
	g_mutex_unlock(&domain->lock);
	for (guint i = 0; threads && i < threads->len; i++) {
		const guint id = g_array_index(threads, DomainIothread, i).id;
		guint64 poll_max_ns;

		if (!iothreads_find_number(reply, id, "poll-max-ns", &poll_max_ns))
			continue;
		count++;
		add_number(params, poll_max_ns, "iothread.%u.poll-max-ns", id);
	}
	if (count > 0)
		add_uint(params, count, "iothread.count");
}

static void add_vm(Params *params, StatisticsQuestion *question, gint64 deadline)
{
	g_autoptr(JsonNode) reply = await_answer(question, &question->memory, deadline);

	if (reply && JSON_NODE_HOLDS_OBJECT(reply))
		add_memory(params, json_node_get_object(reply));
}

void statistics_answer(StatisticsQuestion *question, gint64 deadline, RpcDomainStats *stats)
{
	Params params = { g_array_new(FALSE, TRUE, sizeof(RpcTypedParam)) };
	Domain *domain = question->domain;

	if (question->groups & VIR_DOMAIN_STATS_STATE)
		add_state(&params, domain);
	if (question->groups & VIR_DOMAIN_STATS_CPU_TOTAL)
		add_cpu_total(&params, question->vmm);
	if (question->groups & VIR_DOMAIN_STATS_BALLOON)
		add_balloon(&params, question, deadline);
	if (question->groups & VIR_DOMAIN_STATS_VCPU)
		add_vcpus(&params, domain, question->vmm);
	if (question->groups & VIR_DOMAIN_STATS_INTERFACE)
		add_interfaces(&params, question);
	if (question->groups & VIR_DOMAIN_STATS_BLOCK)
		add_blocks(&params, question, deadline);
	if (question->groups & VIR_DOMAIN_STATS_IOTHREAD)
		add_iothreads(&params, question, deadline);
	if (question->groups & VIR_DOMAIN_STATS_VM)
		add_vm(&params, question, deadline);

	domain_fill_wire(domain, &stats->dom);
	stats->params.params_len = params.params->len;
	stats->params.params_val = (RpcTypedParam *)g_array_free(params.params, FALSE);
	domain_vmm_unref(question->vmm);
	domain_unref(domain);
	g_free(question);
}
