/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * asking-vmm.c - two commands more in a monitor: make any system call
 *
 * Theory of operation
 *
 * A guest that has taken its VMM over makes calls from where the VMM runs: with its descriptors,
 * user, namespaces and filters. This file, linked into gmem-vmm, lets a test ask for that. The
 * linker hands it the monitor's call of qmp_server_new() (--wrap), so that the program is the one
 * that people use but for a table of commands:
 *
 *   x-system-call            on main's thread
 *   x-system-call-on-worker  on a worker's, as commands that take long
 *
 * "number" is the call's, "arguments" has up to six: numbers, or strings whose addresses are meant.
 * What comes back is the result, and errno where that is -1.
 */
#include <errno.h>
#include <unistd.h>

#include "vmm/monitor/qmp-server.h"

#define ARGUMENTS_MAX 6

QmpServer *__wrap_qmp_server_new(GSocket *listener, const QmpCommand *const *tables,
				 gpointer opaque);
QmpServer *__real_qmp_server_new(GSocket *listener, const QmpCommand *const *tables,
				 gpointer opaque);

static long read_argument(JsonArray *array, guint index)
{
	JsonNode *node;

	if (index >= json_array_get_length(array))
		return 0;
	node = json_array_get_element(array, index);
	return json_node_get_value_type(node) == G_TYPE_STRING ?
		       (long)(gsize)json_node_get_string(node) :
		       (long)json_node_get_int(node);
}

static gboolean make_call(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	JsonArray *array = json_object_get_array_member(arguments, "arguments");
	JsonObject *object = json_object_new();
	long values[ARGUMENTS_MAX];
	long returned;

	(void)opaque;
	(void)error;
	for (guint i = 0; i < ARGUMENTS_MAX; i++)
		values[i] = read_argument(array, i);
	errno = 0;
	returned = syscall((long)json_object_get_int_member(arguments, "number"), values[0],
			   values[1], values[2], values[3], values[4], values[5]);
	json_object_set_int_member(object, "result", returned);
	json_object_set_int_member(object, "errno", errno);
	*result = json_node_new(JSON_NODE_OBJECT);
	json_node_take_object(*result, object);
	return TRUE;
}

static const QmpArgument call_arguments[] = {
	{ "number", QMP_TYPE_INT, FALSE },
	{ "arguments", QMP_TYPE_ARRAY, FALSE },
	{ NULL },
};

static const QmpCommand more[] = {
	{ "x-system-call", call_arguments, make_call, FALSE },
	{ "x-system-call-on-worker", call_arguments, make_call, TRUE },
	{ NULL },
};

/* The server keeps the tables that it is given. */
QmpServer *__wrap_qmp_server_new(GSocket *listener, const QmpCommand *const *tables,
				 gpointer opaque)
{
	static GPtrArray *all;

	all = g_ptr_array_new();
	for (; *tables; tables++)
		g_ptr_array_add(all, (gpointer)*tables);
	g_ptr_array_add(all, (gpointer)more);
	g_ptr_array_add(all, NULL);
	return __real_qmp_server_new(listener, (const QmpCommand *const *)all->pdata, opaque);
}
