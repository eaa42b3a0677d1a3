/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands-balloon.c - memory that the guest gives back, and what it says of the rest */
#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/monitor/commands.h"

static VirtioBalloon *find_balloon(const CommandContext *context, GError **error)
{
	VirtioBalloon *balloon = machine_balloon(context->machine);

	if (!balloon)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no balloon"));
	return balloon;
}

static gboolean set_target(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	VirtioBalloon *balloon = find_balloon(opaque, error);
	gint64 value = json_object_get_int_member(arguments, "value");

	(void)result;
	if (!balloon)
		return FALSE;
	if (value <= 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("argument '%s' has to be positive"), "value");
		return FALSE;
	}
	virtio_balloon_set_target(balloon, (guint64)value);
	return TRUE;
}

static gboolean query_actual(JsonObject *arguments, gpointer opaque, JsonNode **result,
			     GError **error)
{
	VirtioBalloon *balloon = find_balloon(opaque, error);
	JsonObject *object;

	(void)arguments;
	if (!balloon)
		return FALSE;
	object = json_object_new();
	json_object_set_int_member(object, "actual", (gint64)virtio_balloon_actual(balloon));
	*result = command_result(object);
	return TRUE;
}

/* QEMU's property "guest-stats"; what the guest has not said is left out. */
static gboolean query_statistics(JsonObject *arguments, gpointer opaque, JsonNode **result,
				 GError **error)
{
	VirtioBalloon *balloon = find_balloon(opaque, error);
	VirtioBalloonStatistics statistics;
	JsonObject *object, *stats;

	(void)arguments;
	if (!balloon)
		return FALSE;
	virtio_balloon_get_statistics(balloon, &statistics);
	object = json_object_new();
	stats = json_object_new();
	json_object_set_int_member(object, "last-update", statistics.updated);
	for (guint i = 0; i < VIRTIO_BALLOON_STATISTICS; i++) {
		if (statistics.is_known[i])
			json_object_set_int_member(stats, virtio_balloon_statistic_name(i),
						   (gint64)MIN(statistics.values[i], G_MAXINT64));
	}
	json_object_set_object_member(object, "stats", stats);
	*result = command_result(object);
	return TRUE;
}

static gboolean set_polling(JsonObject *arguments, gpointer opaque, JsonNode **result,
			    GError **error)
{
	VirtioBalloon *balloon = find_balloon(opaque, error);
	gint64 period = json_object_get_int_member(arguments, "period");

	(void)result;
	if (!balloon)
		return FALSE;
	if (period < 0 || period > G_MAXINT32) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("argument '%s': from 0 to %d is possible"), "period", G_MAXINT32);
		return FALSE;
	}
	virtio_balloon_set_polling(balloon, (guint)period);
	return TRUE;
}

static const QmpArgument value_arguments[] = {
	{ "value", QMP_TYPE_INT, FALSE },
	{ NULL },
};

static const QmpArgument period_arguments[] = {
	{ "period", QMP_TYPE_INT, FALSE },
	{ NULL },
};

const QmpCommand balloon_commands[] = {
	{ "balloon", value_arguments, set_target },
	{ "query-balloon", .handler = query_actual },
	{ "query-balloon-statistics", .handler = query_statistics },
	{ "set-balloon-polling", period_arguments, set_polling },
	{ NULL },
};
