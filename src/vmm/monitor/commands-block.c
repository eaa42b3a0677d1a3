/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands-block.c - disks */
#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/device/throttling.h"
#include "vmm/monitor/commands.h"

static void set_count(JsonObject *object, const char *prefix, const char *what, guint64 value)
{
	g_autofree char *name = g_strconcat(prefix, what, NULL);

	json_object_set_int_member(object, name, (gint64)value);
}

/* QEMU's names; zeroes that are written are writes. */
static void set_operation(JsonObject *object, const char *prefix, const BlockStatistics *statistics,
			  const BlockStatistics *more)
{
	set_count(object, prefix, "_bytes", statistics->bytes + (more ? more->bytes : 0));
	set_count(object, prefix, "_operations", statistics->count + (more ? more->count : 0));
	set_count(object, prefix, "_total_time_ns",
		  statistics->nanoseconds + (more ? more->nanoseconds : 0));
	set_count(object, "failed_", prefix, statistics->failed + (more ? more->failed : 0));
}

static void add_statistics(const char *id, const MachineDisk *machine_disk, void *opaque)
{
	BlockStatistics statistics[BLOCK_N_OPERATIONS] = { 0 };
	JsonObject *disk = json_object_new();
	JsonObject *stats = json_object_new();

	if (machine_disk->backend)
		block_backend_get_statistics(machine_disk->backend, statistics);
	set_operation(stats, "rd", &statistics[BLOCK_READ], NULL);
	set_operation(stats, "wr", &statistics[BLOCK_WRITE], &statistics[BLOCK_WRITE_ZEROES]);
	set_operation(stats, "flush", &statistics[BLOCK_FLUSH], NULL);
	set_operation(stats, "unmap", &statistics[BLOCK_DISCARD], NULL);
	json_object_set_string_member(disk, "device", "");
	json_object_set_string_member(disk, "qdev", id);
	json_object_set_object_member(disk, "stats", stats);
	json_array_add_object_element(opaque, disk);
}

static gboolean query_blockstats(JsonObject *arguments, gpointer opaque, JsonNode **result,
				 GError **error)
{
	const CommandContext *context = opaque;
	JsonArray *disks = json_array_new();

	(void)arguments;
	(void)error;
	machine_foreach_disk(context->machine, add_statistics, disks);
	*result = command_result_array(disks);
	return TRUE;
}

/* Of what QEMU says of a medium, what is asked for here. */
static JsonObject *medium_object(const BlockBackend *backend)
{
	JsonObject *medium = json_object_new();
	JsonObject *image = json_object_new();

	json_object_set_int_member(image, "virtual-size",
				   (gint64)block_backend_limits(backend)->size);
	json_object_set_object_member(medium, "image", image);
	return medium;
}

static const char *status_of(const BlockBackend *backend)
{
	const int failure = block_backend_failure(backend);

	if (failure == ENOSPC)
		return "nospace";
	return failure ? "failed" : "ok";
}

static void add_disk(const char *id, const MachineDisk *disk, void *opaque)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "device", "");
	json_object_set_string_member(object, "qdev", id);
	json_object_set_string_member(object, "type", "unknown");
	json_object_set_boolean_member(object, "removable", disk->tray != NULL);
	json_object_set_boolean_member(object, "locked", disk->tray && disk->tray->is_locked);
	if (disk->tray)
		json_object_set_boolean_member(object, "tray_open", disk->tray->is_open);
	if (disk->backend) {
		json_object_set_string_member(object, "io-status", status_of(disk->backend));
		json_object_set_object_member(object, "inserted", medium_object(disk->backend));
	}
	json_array_add_object_element(opaque, object);
}

static gboolean query_block(JsonObject *arguments, gpointer opaque, JsonNode **result,
			    GError **error)
{
	const CommandContext *context = opaque;
	JsonArray *disks = json_array_new();

	(void)arguments;
	(void)error;
	machine_foreach_disk(context->machine, add_disk, disks);
	*result = command_result_array(disks);
	return TRUE;
}

static gboolean change_medium(JsonObject *arguments, gpointer opaque, JsonNode **result,
			      GError **error)
{
	const CommandContext *context = opaque;
	JsonObject *blockdev = json_object_has_member(arguments, "blockdev") ?
				       json_object_get_object_member(arguments, "blockdev") :
				       NULL;

	(void)result;
	return machine_change_medium(
		context->machine, json_object_get_string_member(arguments, "id"), blockdev,
		json_object_get_boolean_member_with_default(arguments, "force", FALSE), error);
}

static const QmpArgument change_medium_arguments[] = {
	{ "id", QMP_TYPE_STRING, FALSE },
	{ "blockdev", QMP_TYPE_OBJECT, TRUE },
	{ "force", QMP_TYPE_BOOL, TRUE },
	{ NULL },
};

/* What is read is checked by the table of limits. */
static gboolean set_io_throttle(JsonObject *arguments, gpointer opaque, JsonNode **result,
				GError **error)
{
	const CommandContext *context = opaque;
	g_autofree char *id = NULL;
	ThrottleConfig config;

	(void)result;
	return throttling_read_command(arguments, &id, &config, error) &&
	       machine_set_disk_limits(context->machine, id, &config, error);
}

static gboolean resize(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;
	const gint64 size = json_object_get_int_member(arguments, "size");

	(void)result;
	if (size < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("argument '%s' must not be negative"), "size");
		return FALSE;
	}
	return machine_resize_disk(context->machine,
				   json_object_get_string_member(arguments, "device"),
				   (guint64)size, error);
}

static const QmpArgument resize_arguments[] = {
	{ "device", QMP_TYPE_STRING, FALSE },
	{ "size", QMP_TYPE_INT, FALSE },
	{ NULL },
};

const QmpCommand block_commands[] = {
	{ "blockdev-change-medium", change_medium_arguments, change_medium },
	{ "query-block", .handler = query_block },
	{ "query-blockstats", .handler = query_blockstats },
	{ "block_set_io_throttle", .handler = set_io_throttle, .takes_anything = TRUE },
	{ "block_resize", resize_arguments, resize },
	{ NULL },
};
