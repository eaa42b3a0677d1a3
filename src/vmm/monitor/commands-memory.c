/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands-memory.c - what of memory is private, and why the rest is not */
#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/monitor/commands.h"

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

static JsonObject *released_object(const ReleaseCounter *counter)
{
	JsonObject *object = json_object_new();

	json_object_set_int_member(object, "count", counter->count);
	json_object_set_int_member(object, "private-bytes", counter->private_bytes);
	json_object_set_int_member(object, "shared-bytes", counter->shared_bytes);
	json_object_set_int_member(object, "pinned-bytes", counter->pinned_bytes);
	json_object_set_int_member(object, "time-ns", counter->time_ns);
	return object;
}

static JsonObject *transfers_object(const TransferCounter *transfers)
{
	JsonObject *object = json_object_new();

	for (guint way = 0; way < DMA_N_WAYS; way++) {
		JsonObject *counter = json_object_new();

		json_object_set_int_member(counter, "count", transfers[way].count);
		json_object_set_int_member(counter, "bytes", transfers[way].bytes);
		json_object_set_object_member(object, dma_way_name(way), counter);
	}
	return object;
}

static gboolean query_conversion_stats(JsonObject *arguments, gpointer opaque, JsonNode **result,
				       GError **error)
{
	const CommandContext *context = opaque;
	Memory *memory = machine_memory(context->machine);
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
	json_object_set_object_member(object, "released", released_object(&statistics.released));
	json_object_set_object_member(object, "transfers", transfers_object(statistics.transfers));
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
	*result = command_result(object);
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
	const CommandContext *context = opaque;
	Memory *memory = machine_memory(context->machine);
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
	*result = command_result(object);
	return TRUE;
}

/* What a job takes at a time, and then looks whether it is to go on. */
#define JOB_STEP (16ull << 20)

typedef struct {
	Memory *memory;
	guint64 gpa;
	guint64 size;
} Range;

static gboolean reclaim_by_steps(Job *job, void *data, GError **error)
{
	const Range *range = data;
	guint64 done = 0;

	while (done < range->size && job_advance(job, done)) {
		const guint64 step = MIN(JOB_STEP, range->size - done);
		guint64 reclaimed;

		if (!memory_reclaim(range->memory, range->gpa + done, step, &reclaimed, error))
			return FALSE;
		done += step;
	}
	(void)job_advance(job, done);
	return TRUE;
}

static const JobType reclaim_job = { "gmem-reclaim", reclaim_by_steps, g_free };

static gboolean gmem_reclaim_job(JsonObject *arguments, gpointer opaque, JsonNode **result,
				 GError **error)
{
	const CommandContext *context = opaque;
	Range range = { .memory = machine_memory(context->machine) };
	const guint64 end = memory_high_end(range.memory);

	(void)result;
	if (!get_unsigned(arguments, "gpa", 0, &range.gpa, error) ||
	    !get_unsigned(arguments, "size", end, &range.size, error) ||
	    !memory_check_range(range.gpa, range.size, error))
		return FALSE;
	/* Nothing is behind that. */
	range.gpa = MIN(range.gpa, end);
	range.size = MIN(range.size, end - range.gpa);
	return jobs_start(context->jobs, json_object_get_string_member(arguments, "job-id"),
			  &reclaim_job, range.size, g_memdup2(&range, sizeof(range)), error);
}

/* Runs on a worker thread too. */
static gboolean gmem_touch(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	const CommandContext *context = opaque;
	guint64 gpa;
	guint64 size;

	(void)result;
	return get_unsigned(arguments, "gpa", 0, &gpa, error) &&
	       get_unsigned(arguments, "size", 0, &size, error) &&
	       memory_touch(machine_memory(context->machine), gpa, size, error);
}

static const QmpArgument reclaim_arguments[] = {
	{ "gpa", QMP_TYPE_INT, TRUE },
	{ "size", QMP_TYPE_INT, TRUE },
	{ NULL },
};

static const QmpArgument reclaim_job_arguments[] = {
	{ "job-id", QMP_TYPE_STRING, FALSE },
	{ "gpa", QMP_TYPE_INT, TRUE },
	{ "size", QMP_TYPE_INT, TRUE },
	{ NULL },
};

static const QmpArgument touch_arguments[] = {
	{ "gpa", QMP_TYPE_INT, FALSE },
	{ "size", QMP_TYPE_INT, FALSE },
	{ NULL },
};

const QmpCommand memory_commands[] = {
	{ "query-conversion-stats", .handler = query_conversion_stats },
	{ "gmem-reclaim", reclaim_arguments, gmem_reclaim, .is_slow = TRUE },
	{ "gmem-reclaim-job", reclaim_job_arguments, gmem_reclaim_job },
	{ "x-gmem-touch", touch_arguments, gmem_touch, .is_slow = TRUE },
	{ NULL },
};
