/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* commands-device.c - devices that come and go, and the descriptors that they are given */
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "vmm/monitor/commands.h"

/* What is read is checked by the table of the device's type. */
static gboolean device_add(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	const CommandContext *context = opaque;

	(void)result;
	return machine_add_device(context->machine, arguments, error);
}

static gboolean device_del(JsonObject *arguments, gpointer opaque, JsonNode **result,
			   GError **error)
{
	const CommandContext *context = opaque;

	(void)result;
	return machine_remove_device(context->machine,
				     json_object_get_string_member(arguments, "id"), error);
}

static gboolean set_link(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;

	(void)result;
	return machine_set_link(context->machine, json_object_get_string_member(arguments, "name"),
				json_object_get_boolean_member(arguments, "up"), error);
}

static void add_device(const char *id, const char *type, void *opaque)
{
	JsonObject *device = json_object_new();
	g_autofree char *child = g_strdup_printf("child<%s>", type);

	json_object_set_string_member(device, "name", id);
	json_object_set_string_member(device, "type", child);
	json_array_add_object_element(opaque, device);
}

/* QEMU has a tree of objects; here it is the one folder of it that has devices with names. */
static gboolean qom_list(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;
	const char *path = json_object_get_string_member(arguments, "path");
	JsonArray *devices;

	if (strcmp(path, "/machine/peripheral") != 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			    _("there is no path '%s': '/machine/peripheral' can be listed"), path);
		return FALSE;
	}
	devices = json_array_new();
	machine_foreach_device(context->machine, add_device, devices);
	*result = command_result_array(devices);
	return TRUE;
}

/* The label is the id of the device; what is behind it only the client knows that has opened it. */
static void add_chardev(const char *label, gboolean is_open, void *opaque)
{
	JsonObject *chardev = json_object_new();

	json_object_set_string_member(chardev, "label", label);
	json_object_set_string_member(chardev, "filename", "");
	json_object_set_boolean_member(chardev, "frontend-open", is_open);
	json_array_add_object_element(opaque, chardev);
}

static gboolean query_chardev(JsonObject *arguments, gpointer opaque, JsonNode **result,
			      GError **error)
{
	const CommandContext *context = opaque;
	JsonArray *chardevs = json_array_new();

	(void)arguments;
	(void)error;
	machine_foreach_chardev(context->machine, add_chardev, chardevs);
	*result = command_result_array(chardevs);
	return TRUE;
}

/* QEMU's members: a thread of this VMM's sleeps, and does not poll. */
static void add_io_thread(const char *id, pid_t thread, void *opaque)
{
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "id", id);
	json_object_set_int_member(object, "thread-id", thread);
	json_object_set_int_member(object, "poll-max-ns", 0);
	json_object_set_int_member(object, "poll-grow", 0);
	json_object_set_int_member(object, "poll-shrink", 0);
	json_object_set_int_member(object, "aio-max-batch", 0);
	json_array_add_object_element(opaque, object);
}

static gboolean query_iothreads(JsonObject *arguments, gpointer opaque, JsonNode **result,
				GError **error)
{
	const CommandContext *context = opaque;
	JsonArray *threads = json_array_new();

	(void)arguments;
	(void)error;
	machine_foreach_io_thread(context->machine, add_io_thread, threads);
	*result = command_result_array(threads);
	return TRUE;
}

/* A number is a descriptor's that the command line has named. */
static gboolean check_name(const char *name, GError **error)
{
	if (name[0] && !g_ascii_isdigit(name[0]))
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    _("descriptor '%s': a name that does not begin with a digit is wanted"), name);
	return FALSE;
}

static gboolean getfd(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;
	const char *name = json_object_get_string_member(arguments, "fdname");
	int fd;

	(void)result;
	if (!check_name(name, error))
		return FALSE;
	fd = qmp_server_take_descriptor(context->server);
	if (fd < 0) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
			    _("descriptor '%s': none came with the command"), name);
		return FALSE;
	}
	return descriptor_table_offer(machine_descriptors(context->machine), name, fd, error);
}

static gboolean closefd(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;
	const char *name = json_object_get_string_member(arguments, "fdname");

	(void)result;
	if (!check_name(name, error))
		return FALSE;
	if (descriptor_table_close(machine_descriptors(context->machine), name))
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no descriptor '%s'"),
		    name);
	return FALSE;
}

static const QmpArgument id_arguments[] = {
	{ "id", QMP_TYPE_STRING, FALSE },
	{ NULL },
};

static const QmpArgument path_arguments[] = {
	{ "path", QMP_TYPE_STRING, FALSE },
	{ NULL },
};

static const QmpArgument fdname_arguments[] = {
	{ "fdname", QMP_TYPE_STRING, FALSE },
	{ NULL },
};

static const QmpArgument link_arguments[] = {
	{ "name", QMP_TYPE_STRING, FALSE },
	{ "up", QMP_TYPE_BOOL, FALSE },
	{ NULL },
};

const QmpCommand device_commands[] = {
	{ "device_add", .handler = device_add, .takes_anything = TRUE },
	{ "device_del", id_arguments, device_del },
	{ "qom-list", path_arguments, qom_list },
	{ "query-chardev", .handler = query_chardev },
	{ "query-iothreads", .handler = query_iothreads },
	{ "getfd", fdname_arguments, getfd },
	{ "closefd", fdname_arguments, closefd },
	{ "set_link", link_arguments, set_link },
	{ NULL },
};
