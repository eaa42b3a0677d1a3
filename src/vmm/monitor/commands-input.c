/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * commands-input.c - keys, buttons and motion
 *
 * What is said has QEMU's form: an event, or a key, is an object with a "type", and with "data"
 * that depends on it.
 */
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "common/keys.h"
#include "vmm/monitor/commands.h"

/* As QEMU documents it. */
#define HOLD_DEFAULT 100

static gboolean check_running(const CommandContext *context, GError **error)
{
	if (machine_run_state(context->machine) == RUN_STATE_RUNNING)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
		    _("the guest does not run, and takes no input"));
	return FALSE;
}

/* ---- Parts of objects ---------------------------------------------------------------------- */

static gboolean refuse_member(const char *name, const char *reason, GError **error)
{
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("member '%s': %s"), name,
		    reason);
	return FALSE;
}

static JsonNode *get_value(JsonObject *object, const char *name, GType type)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type ?
		       node :
		       NULL;
}

static const char *get_text(JsonObject *object, const char *name, GError **error)
{
	JsonNode *node = get_value(object, name, G_TYPE_STRING);

	if (!node)
		refuse_member(name, _("a string is wanted"), error);
	return node ? json_node_get_string(node) : NULL;
}

static gboolean get_number(JsonObject *object, const char *name, gint64 *number, GError **error)
{
	JsonNode *node = get_value(object, name, G_TYPE_INT64);

	if (!node)
		return refuse_member(name, _("a number is wanted"), error);
	*number = json_node_get_int(node);
	return TRUE;
}

static gboolean get_bool(JsonObject *object, const char *name, gboolean *value, GError **error)
{
	JsonNode *node = get_value(object, name, G_TYPE_BOOLEAN);

	if (!node)
		return refuse_member(name, _("'true' or 'false' is wanted"), error);
	*value = json_node_get_boolean(node);
	return TRUE;
}

static JsonObject *get_object(JsonObject *object, const char *name, GError **error)
{
	JsonNode *node = json_object_get_member(object, name);

	if (node && JSON_NODE_HOLDS_OBJECT(node))
		return json_node_get_object(node);
	refuse_member(name, _("an object is wanted"), error);
	return NULL;
}

static JsonObject *get_element(JsonArray *array, guint index, const char *name, GError **error)
{
	JsonNode *node = json_array_get_element(array, index);

	if (JSON_NODE_HOLDS_OBJECT(node))
		return json_node_get_object(node);
	refuse_member(name, _("an array of objects is wanted"), error);
	return NULL;
}

/* ---- Keys ---------------------------------------------------------------------------------- */

static const Key *find_qcode(const char *name, GError **error)
{
	const Key *key = key_find_name(name);

	if (!key)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no key '%s'"),
			    name);
	return key;
}

static const Key *find_number(gint64 number, GError **error)
{
	const Key *key = number > 0 && number <= G_MAXUINT8 ?
				 key_find(KEY_SET_QEMU, (guint)number) :
				 NULL;

	if (!key)
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			    _("there is no key with the number %" PRIi64), number);
	return key;
}

/* QEMU's KeyValue. Return: NULL with @error set where it is none. */
static const Key *read_key(JsonObject *object, GError **error)
{
	const char *type = get_text(object, "type", error), *name;
	gint64 number;

	if (!type)
		return NULL;
	if (strcmp(type, "qcode") == 0) {
		name = get_text(object, "data", error);
		return name ? find_qcode(name, error) : NULL;
	}
	if (strcmp(type, "number") == 0)
		return get_number(object, "data", &number, error) ? find_number(number, error) :
								    NULL;
	refuse_member("type", _("'qcode' or 'number' is wanted"), error);
	return NULL;
}

static gboolean read_keys(JsonArray *keys, guint16 codes[VIRTIO_INPUT_KEYS_MAX], GError **error)
{
	for (guint i = 0; i < json_array_get_length(keys); i++) {
		JsonObject *object = get_element(keys, i, "keys", error);
		const Key *key = object ? read_key(object, error) : NULL;

		if (!key)
			return FALSE;
		codes[i] = key->linux_code;
	}
	return TRUE;
}

static gboolean check_count(guint n, guint max, const char *name, GError **error)
{
	if (n > 0 && n <= max)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
		    _("argument '%s': 1 to %u elements are possible"), name, max);
	return FALSE;
}

static gboolean get_hold(JsonObject *arguments, guint *hold, GError **error)
{
	gint64 value = json_object_get_int_member_with_default(arguments, "hold-time", 0);

	if (value < 0 || value > G_MAXINT32) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
			    _("argument '%s': from 0 to %d is possible"), "hold-time", G_MAXINT32);
		return FALSE;
	}
	*hold = value > 0 ? (guint)value : HOLD_DEFAULT;
	return TRUE;
}

static gboolean send_key(JsonObject *arguments, gpointer opaque, JsonNode **result, GError **error)
{
	const CommandContext *context = opaque;
	JsonArray *keys = json_object_get_array_member(arguments, "keys");
	const guint n = json_array_get_length(keys);
	guint16 codes[VIRTIO_INPUT_KEYS_MAX];
	VirtioInput *input;
	guint hold;

	(void)result;
	if (!check_count(n, VIRTIO_INPUT_KEYS_MAX, "keys", error) ||
	    !get_hold(arguments, &hold, error) || !read_keys(keys, codes, error) ||
	    !check_running(context, error))
		return FALSE;
	/* A keyboard has all of them. */
	input = machine_input(context->machine, EV_KEY, codes[0]);
	if (input)
		return virtio_input_press(input, codes, n, hold, error);
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
		    _("there is no keyboard: a device 'virtio-keyboard-pci' takes keys"));
	return FALSE;
}

/* ---- Events -------------------------------------------------------------------------------- */

typedef struct {
	const char *name;
	InputEvent event; /* of a button: with the value that it has when it is pressed */
} EventName;

static const EventName buttons[] = {
	{ "left", { EV_KEY, BTN_LEFT, 1 } },	      { "right", { EV_KEY, BTN_RIGHT, 1 } },
	{ "middle", { EV_KEY, BTN_MIDDLE, 1 } },      { "side", { EV_KEY, BTN_SIDE, 1 } },
	{ "extra", { EV_KEY, BTN_EXTRA, 1 } },	      { "wheel-up", { EV_REL, REL_WHEEL, 1 } },
	{ "wheel-down", { EV_REL, REL_WHEEL, -1 } },  { "wheel-right", { EV_REL, REL_HWHEEL, 1 } },
	{ "wheel-left", { EV_REL, REL_HWHEEL, -1 } },
};

static const EventName relative_axes[] = {
	{ "x", { EV_REL, REL_X, 0 } },
	{ "y", { EV_REL, REL_Y, 0 } },
};

static const EventName absolute_axes[] = {
	{ "x", { EV_ABS, ABS_X, 0 } },
	{ "y", { EV_ABS, ABS_Y, 0 } },
};

static gboolean read_name(JsonObject *data, const char *member, const EventName *names, gsize n,
			  InputEvent *event, GError **error)
{
	const char *name = get_text(data, member, error);
	g_autofree char *reason = NULL;

	if (!name)
		return FALSE;
	for (gsize i = 0; i < n; i++) {
		if (strcmp(names[i].name, name) != 0)
			continue;
		*event = names[i].event;
		return TRUE;
	}
	reason = g_strdup_printf(_("'%s' is not known"), name);
	return refuse_member(member, reason, error);
}

static gboolean read_key_event(JsonObject *data, InputEvent *event, GError **error)
{
	JsonObject *object = get_object(data, "key", error);
	const Key *key = object ? read_key(object, error) : NULL;
	gboolean is_down;

	if (!key || !get_bool(data, "down", &is_down, error))
		return FALSE;
	*event = (InputEvent){ EV_KEY, key->linux_code, is_down };
	return TRUE;
}

/* A wheel turns when its button is pressed; to let that go is a motion by nothing. */
static gboolean read_button_event(JsonObject *data, InputEvent *event, GError **error)
{
	gboolean is_down;

	if (!read_name(data, "button", buttons, G_N_ELEMENTS(buttons), event, error) ||
	    !get_bool(data, "down", &is_down, error))
		return FALSE;
	if (!is_down)
		event->value = 0;
	return TRUE;
}

static gboolean read_motion(JsonObject *data, gint64 minimum, gint64 maximum, InputEvent *event,
			    GError **error)
{
	g_autofree char *reason = NULL;
	gint64 value;

	if (!get_number(data, "value", &value, error))
		return FALSE;
	event->value = (gint32)CLAMP(value, minimum, maximum);
	if (event->value == value)
		return TRUE;
	reason = g_strdup_printf(_("from %" PRIi64 " to %" PRIi64 " is possible"), minimum,
				 maximum);
	return refuse_member("value", reason, error);
}

/* QEMU's InputEvent. */
static gboolean read_event(JsonObject *object, InputEvent *event, GError **error)
{
	const char *type = get_text(object, "type", error);
	JsonObject *data = type ? get_object(object, "data", error) : NULL;

	if (!data)
		return FALSE;
	if (strcmp(type, "key") == 0)
		return read_key_event(data, event, error);
	if (strcmp(type, "btn") == 0)
		return read_button_event(data, event, error);
	if (strcmp(type, "rel") == 0)
		return read_name(data, "axis", relative_axes, G_N_ELEMENTS(relative_axes), event,
				 error) &&
		       read_motion(data, G_MININT32, G_MAXINT32, event, error);
	if (strcmp(type, "abs") == 0)
		return read_name(data, "axis", absolute_axes, G_N_ELEMENTS(absolute_axes), event,
				 error) &&
		       read_motion(data, 0, VIRTIO_INPUT_ABS_MAX, event, error);
	return refuse_member("type", _("'key', 'btn', 'rel' or 'abs' is wanted"), error);
}

/* Events with the devices that are to have them. */
typedef struct {
	guint n;
	InputEvent events[VIRTIO_INPUT_EVENTS_MAX];
	VirtioInput *inputs[VIRTIO_INPUT_EVENTS_MAX];
} EventList;

static gboolean read_events(const CommandContext *context, JsonArray *array, EventList *list,
			    GError **error)
{
	for (list->n = 0; list->n < json_array_get_length(array); list->n++) {
		InputEvent *event = &list->events[list->n];
		JsonObject *object = get_element(array, list->n, "events", error);

		if (!object || !read_event(object, event, error))
			return FALSE;
		list->inputs[list->n] = machine_input(context->machine, event->type, event->code);
		if (list->inputs[list->n])
			continue;
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			    _("no device has such events as number %u"), list->n);
		return FALSE;
	}
	return TRUE;
}

/* Takes those of the first one's device out of the list: they are one report. */
static VirtioInput *take_events(EventList *list, InputEvent *events, guint *n)
{
	VirtioInput *input = list->inputs[0];
	guint left = 0;

	*n = 0;
	for (guint i = 0; i < list->n; i++) {
		if (list->inputs[i] == input) {
			events[(*n)++] = list->events[i];
			continue;
		}
		list->events[left] = list->events[i];
		list->inputs[left++] = list->inputs[i];
	}
	list->n = left;
	return input;
}

static gboolean input_send_event(JsonObject *arguments, gpointer opaque, JsonNode **result,
				 GError **error)
{
	const CommandContext *context = opaque;
	JsonArray *array = json_object_get_array_member(arguments, "events");
	InputEvent events[VIRTIO_INPUT_EVENTS_MAX];
	EventList list;

	(void)result;
	if (!check_count(json_array_get_length(array), VIRTIO_INPUT_EVENTS_MAX, "events", error) ||
	    !read_events(context, array, &list, error) || !check_running(context, error))
		return FALSE;
	while (list.n > 0) {
		guint n;
		VirtioInput *input = take_events(&list, events, &n);

		if (!virtio_input_send(input, events, n, error))
			return FALSE;
	}
	return TRUE;
}

static const QmpArgument key_arguments[] = {
	{ "keys", QMP_TYPE_ARRAY, FALSE },
	{ "hold-time", QMP_TYPE_INT, TRUE },
	{ NULL },
};

static const QmpArgument event_arguments[] = {
	{ "events", QMP_TYPE_ARRAY, FALSE },
	{ NULL },
};

const QmpCommand input_commands[] = {
	{ "send-key", key_arguments, send_key },
	{ "input-send-event", event_arguments, input_send_event },
	{ NULL },
};
