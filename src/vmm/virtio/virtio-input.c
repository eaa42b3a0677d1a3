/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-input.c - a keyboard, a mouse or a tablet
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.8.
 *
 * Theory of operation
 *
 * What a device is and which events it has is in its configuration, where the guest selects what
 * it wants to read. Events are Linux', eight bytes each, and each takes a buffer of the event
 * queue. Those that go together end with an EV_SYN, and are given to the guest as one; where there
 * are fewer buffers than that, all of them are lost. So the queue is looked at when there is
 * something to say, and kicks are not needed.
 *
 * What comes in the status queue (the lights of a keyboard) interests nobody here: buffers go back
 * as they are, so many in a turn of the I/O thread.
 *
 * Keys that are to be pressed and let go are steps, which a timer of the I/O thread's takes: none
 * while the machine is paused, and a reset forgets those that are left.
 */
#include "vmm/virtio/virtio-input.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>
#include <string.h>

#include "common/keys.h"
#include "vmm/virtio/pci.h"

#define INPUT_QUEUE_SIZE 64

enum { QUEUE_EVENT, QUEUE_STATUS, N_QUEUES };

/* Buffers of the status queue that go back in one turn. */
#define STATUS_ROUND INPUT_QUEUE_SIZE

/* Steps that wait: a client that asks faster than they are taken is told so. */
#define STEPS_MAX 1024u

/* As QEMU's devices name themselves; linux/input.h, which has the first, has structures that go
 * not together with ours. */
#define BUS_TYPE_VIRTUAL 0x06
#define VENDOR		 0x0627
#define VERSION		 1

/* Codes of one type, as far as they are no keyboard's keys. */
typedef struct {
	guint16 type; /* 0: the end */
	guint n;
	guint16 codes[6];
} EventCodes;

typedef struct {
	const char *name; /* that the guest shows, and that messages have */
	guint32 class_code;
	guint16 product;
	gboolean has_keys; /* all of common/keys.h */
	const EventCodes *events;
} InputModel;

static const EventCodes keyboard_events[] = {
	{ EV_LED, 3, { LED_NUML, LED_CAPSL, LED_SCROLLL } },
	/* The guest repeats a key that is held by itself. */
	{ EV_REP, 2, { REP_DELAY, REP_PERIOD } },
	{ 0 },
};

static const EventCodes mouse_events[] = {
	{ EV_KEY, 5, { BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA } },
	{ EV_REL, 4, { REL_X, REL_Y, REL_WHEEL, REL_HWHEEL } },
	{ 0 },
};

static const EventCodes tablet_events[] = {
	{ EV_KEY, 5, { BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA } },
	{ EV_REL, 2, { REL_WHEEL, REL_HWHEEL } },
	{ EV_ABS, 2, { ABS_X, ABS_Y } },
	{ 0 },
};

static const InputModel keyboard = { "Virtio Keyboard", 0x090000, 1, TRUE, keyboard_events };
static const InputModel mouse = { "Virtio Mouse", 0x090200, 2, FALSE, mouse_events };
static const InputModel tablet = { "Virtio Tablet", 0x098000, 3, FALSE, tablet_events };

typedef struct {
	VirtioOptions options;
	char *serial;
} InputDescription;

/* A key that is pressed or let go, and how long it then is until the next step. */
typedef struct {
	guint16 code;
	gboolean is_down;
	guint hold; /* milliseconds */
} InputStep;

struct VirtioInput {
	VirtioDevice *device;
	const InputModel *model;
	char *id; /* for messages */
	char *serial;
	gint has_driver; /* atomic: written on the I/O thread */

	/* The device lock's. */
	guint8 select;
	guint8 subselect;

	/* The I/O thread's. */
	gboolean is_running; /* started, and not drained */
	GQueue steps;	     /* of InputStep, owned: the first is the next */
	guint hold;	     /* of the step that was taken last */
	GSource *timer;	     /* for the next step, or until another one may be asked for */
	GSource *turn;	     /* the status queue goes on when others had their turn */
};

static void clear_source(GSource **source)
{
	if (!*source)
		return;
	g_source_destroy(*source);
	g_clear_pointer(source, g_source_unref);
}

static void start_source(VirtioInput *input, GSource **place, GSource *source, GSourceFunc function)
{
	*place = source;
	g_source_set_priority(source, G_PRIORITY_DEFAULT);
	g_source_set_callback(source, function, input, NULL);
	g_source_attach(source, io_thread_context(virtio_device_io_thread(input->device)));
}

/* ---- What the device is -------------------------------------------------------------------- */

static const EventCodes *find_codes(const InputModel *model, guint type)
{
	for (const EventCodes *codes = model->events; codes->type != 0; codes++)
		if (codes->type == type)
			return codes;
	return NULL;
}

static gboolean has_event(const InputModel *model, guint16 type, guint16 code)
{
	const EventCodes *codes = find_codes(model, type);

	if (model->has_keys && type == EV_KEY)
		return key_find(KEY_SET_LINUX, code) != NULL;
	for (guint i = 0; codes && i < codes->n; i++)
		if (codes->codes[i] == code)
			return TRUE;
	return FALSE;
}

/* ---- Configuration ------------------------------------------------------------------------- */

static void fill_text(struct virtio_input_config *config, const char *text)
{
	config->size = text ? (guint8)MIN(strlen(text), sizeof(config->u.string)) : 0;
	if (config->size > 0)
		memcpy(config->u.string, text, config->size);
}

static void set_bit(struct virtio_input_config *config, guint bit)
{
	g_assert(bit / 8 < sizeof(config->u.bitmap));
	config->u.bitmap[bit / 8] |= (guint8)(1u << bit % 8);
	config->size = (guint8)MAX(config->size, bit / 8 + 1);
}

static void fill_events(struct virtio_input_config *config, const InputModel *model, guint type)
{
	const EventCodes *codes = find_codes(model, type);
	const Key *key;

	for (guint i = 0; model->has_keys && type == EV_KEY && (key = key_nth(i)); i++)
		set_bit(config, key->linux_code);
	for (guint i = 0; codes && i < codes->n; i++)
		set_bit(config, codes->codes[i]);
}

static void fill_ids(struct virtio_input_config *config, const InputModel *model)
{
	config->u.ids = (struct virtio_input_devids){
		.bustype = GUINT16_TO_LE(BUS_TYPE_VIRTUAL),
		.vendor = GUINT16_TO_LE(VENDOR),
		.product = GUINT16_TO_LE(model->product),
		.version = GUINT16_TO_LE(VERSION),
	};
	config->size = sizeof(config->u.ids);
}

static void fill_range(struct virtio_input_config *config, const InputModel *model, guint axis)
{
	if (!has_event(model, EV_ABS, (guint16)axis))
		return;
	config->u.abs.max = GUINT32_TO_LE(VIRTIO_INPUT_ABS_MAX);
	config->size = sizeof(config->u.abs);
}

/* What is not known has size 0; so have the properties, of which there are none. */
static void fill_config(const VirtioInput *input, struct virtio_input_config *config)
{
	switch (config->select) {
	case VIRTIO_INPUT_CFG_ID_NAME:
		if (config->subsel == 0)
			fill_text(config, input->model->name);
		break;
	case VIRTIO_INPUT_CFG_ID_SERIAL:
		if (config->subsel == 0)
			fill_text(config, input->serial);
		break;
	case VIRTIO_INPUT_CFG_ID_DEVIDS:
		if (config->subsel == 0)
			fill_ids(config, input->model);
		break;
	case VIRTIO_INPUT_CFG_EV_BITS:
		fill_events(config, input->model, config->subsel);
		break;
	case VIRTIO_INPUT_CFG_ABS_INFO:
		fill_range(config, input->model, config->subsel);
		break;
	}
}

static void input_config_read(void *opaque, guint offset, void *data, guint size)
{
	const VirtioInput *input = opaque;
	struct virtio_input_config config = {
		.select = input->select,
		.subsel = input->subselect,
	};

	fill_config(input, &config);
	memcpy(data, (const guint8 *)&config + offset, size);
}

static void input_config_write(void *opaque, guint offset, const void *data, guint size)
{
	VirtioInput *input = opaque;
	const guint8 *bytes = data;

	for (guint i = 0; i < size; i++) {
		if (offset + i == G_STRUCT_OFFSET(struct virtio_input_config, select))
			input->select = bytes[i];
		else if (offset + i == G_STRUCT_OFFSET(struct virtio_input_config, subsel))
			input->subselect = bytes[i];
	}
}

/* ---- Events -------------------------------------------------------------------------------- */

/* Return: how many; fewer than @n where the guest has given no more, or with @error set. */
static guint take_buffers(VirtioQueue *queue, VirtioChain **chains, guint n, GError **error)
{
	guint taken = 0;

	while (taken < n && (chains[taken] = virtio_queue_pop(queue, error)))
		taken++;
	return taken;
}

static gboolean write_event(VirtioInput *input, const VirtioChain *chain, const InputEvent *event,
			    GError **error)
{
	const struct virtio_input_event wire = {
		.type = GUINT16_TO_LE(event->type),
		.code = GUINT16_TO_LE(event->code),
		.value = GUINT32_TO_LE((guint32)event->value),
	};

	return virtio_chain_write(chain, io_thread_dma(virtio_device_io_thread(input->device)), 0,
				  &wire, sizeof(wire), error);
}

/* All of them, or none that the guest sees. Return: FALSE with @error set. */
static gboolean write_events(VirtioInput *input, VirtioChain *const *chains,
			     const InputEvent *events, guint n, GError **error)
{
	static const InputEvent end = { EV_SYN, SYN_REPORT, 0 };

	for (guint i = 0; i <= n; i++)
		if (!write_event(input, chains[i], i < n ? &events[i] : &end, error))
			return FALSE;
	return TRUE;
}

static void give_back(VirtioQueue *queue, VirtioChain *const *chains, guint n)
{
	virtio_queue_hold(queue);
	for (guint i = 0; i < n; i++)
		virtio_queue_push(queue, chains[i], sizeof(struct virtio_input_event));
	virtio_queue_release(queue);
	virtio_queue_notify(queue);
}

/* A report: @events, and what ends them. */
static void send_report(VirtioInput *input, const InputEvent *events, guint n)
{
	VirtioQueue *queue = virtio_device_queue(input->device, QUEUE_EVENT);
	VirtioChain *chains[VIRTIO_INPUT_EVENTS_MAX + 1];
	g_autoptr(GError) error = NULL;
	guint taken = take_buffers(queue, chains, n + 1, &error);

	if (taken == n + 1 && write_events(input, chains, events, n, &error)) {
		give_back(queue, chains, taken);
		return;
	}
	while (taken-- > 0) {
		if (error)
			virtio_queue_drop(chains[taken]);
		else
			virtio_queue_unpop(queue, chains[taken]);
	}
	if (error)
		virtio_device_broken(input->device, error);
}

/* ---- Steps --------------------------------------------------------------------------------- */

static gboolean on_step(gpointer data);

static void wait_for_step(VirtioInput *input)
{
	start_source(input, &input->timer, g_timeout_source_new(input->hold), on_step);
}

/* The next one, and when it is time for the one after it. */
static void take_step(VirtioInput *input)
{
	g_autofree InputStep *step = g_queue_pop_head(&input->steps);
	InputEvent event;

	if (!step)
		return;
	event = (InputEvent){ EV_KEY, step->code, step->is_down };
	send_report(input, &event, 1);
	input->hold = step->hold;
	wait_for_step(input);
}

static gboolean on_step(gpointer data)
{
	VirtioInput *input = data;

	clear_source(&input->timer);
	take_step(input);
	return G_SOURCE_REMOVE;
}

static void add_step(VirtioInput *input, guint16 code, gboolean is_down, guint hold)
{
	InputStep *step = g_new(InputStep, 1);

	*step = (InputStep){ code, is_down, hold };
	g_queue_push_tail(&input->steps, step);
}

/* ---- The status queue ---------------------------------------------------------------------- */

static gboolean on_turn(gpointer data);

static void serve_status(VirtioInput *input)
{
	VirtioQueue *queue = virtio_device_queue(input->device, QUEUE_STATUS);
	g_autoptr(GError) error = NULL;
	guint left = STATUS_ROUND;
	VirtioChain *chain;

	if (input->turn)
		return;
	do {
		virtio_queue_disable_kicks(queue);
		while (left > 0 && (chain = virtio_queue_pop(queue, &error))) {
			virtio_queue_push(queue, chain, 0);
			left--;
		}
		virtio_queue_notify(queue);
	} while (!error && left > 0 && !virtio_queue_enable_kicks(queue));
	if (error)
		virtio_device_broken(input->device, error);
	else if (left == 0)
		/* Behind what else is ready, a reset that waits say. */
		start_source(input, &input->turn, g_idle_source_new(), on_turn);
}

static gboolean on_turn(gpointer data)
{
	VirtioInput *input = data;

	clear_source(&input->turn);
	serve_status(input);
	return G_SOURCE_REMOVE;
}

/* ---- What the transport asks for ----------------------------------------------------------- */

static void input_start(void *opaque, guint64 features)
{
	VirtioInput *input = opaque;

	(void)features;
	input->is_running = TRUE;
	g_atomic_int_set(&input->has_driver, TRUE);
}

static void input_kicked(void *opaque, guint queue)
{
	VirtioInput *input = opaque;

	if (queue == QUEUE_STATUS)
		serve_status(input);
	else
		virtio_queue_disable_kicks(virtio_device_queue(input->device, queue));
}

static void input_drain(void *opaque)
{
	VirtioInput *input = opaque;

	input->is_running = FALSE;
	clear_source(&input->timer);
	clear_source(&input->turn);
}

/* Queues are looked at after this. */
static void input_resume(void *opaque)
{
	VirtioInput *input = opaque;

	input->is_running = TRUE;
	if (!g_queue_is_empty(&input->steps))
		wait_for_step(input);
}

static void input_stop(void *opaque)
{
	VirtioInput *input = opaque;

	g_atomic_int_set(&input->has_driver, FALSE);
	input_drain(input);
	g_queue_clear_full(&input->steps, g_free);
}

/* Nothing of a queue is kept; one that is not enabled gives no buffers. */
static void input_stop_queue(void *opaque, guint queue)
{
	VirtioInput *input = opaque;

	if (queue == QUEUE_STATUS)
		clear_source(&input->turn);
}

static void input_free(void *opaque)
{
	VirtioInput *input = opaque;

	g_free(input->serial);
	g_free(input->id);
	g_free(input);
}

static const VirtioDeviceOperations input_operations = {
	.config_read = input_config_read,
	.config_write = input_config_write,
	.start = input_start,
	.kicked = input_kicked,
	.stop = input_stop,
	.stop_queue = input_stop_queue,
	.drain = input_drain,
	.resume = input_resume,
	.free = input_free,
};

/* ---- What the host asks for ---------------------------------------------------------------- */

typedef struct {
	const DeviceRegistry *registry;
	guint16 type;
	guint16 code;
	VirtioInput *found;
} Search;

static void look_at(const char *id, void *device, void *opaque)
{
	Search *search = opaque;
	VirtioInput *input = virtio_pci_find(search->registry, id, &input_operations);

	(void)device;
	if (!input || !has_event(input->model, search->type, search->code))
		return;
	if (!search->found ||
	    (!g_atomic_int_get(&search->found->has_driver) && g_atomic_int_get(&input->has_driver)))
		search->found = input;
}

VirtioInput *virtio_input_find(const DeviceRegistry *registry, guint16 type, guint16 code)
{
	Search search = { .registry = registry, .type = type, .code = code };

	device_registry_foreach(registry, &virtio_pci_device_operations, look_at, &search);
	return search.found;
}

/* On the I/O thread. */
static gboolean check_driver(VirtioInput *input, GError **error)
{
	if (g_atomic_int_get(&input->has_driver))
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
		    _("device '%s': the guest has no driver for it that runs"), input->id);
	return FALSE;
}

typedef struct {
	VirtioInput *input;
	const InputEvent *events;
	const guint16 *codes;
	guint n;
	guint hold;
	gboolean is_done;
	GError **error;
} Wish;

static void send_now(void *opaque)
{
	Wish *wish = opaque;

	wish->is_done = check_driver(wish->input, wish->error);
	if (wish->is_done && wish->input->is_running)
		send_report(wish->input, wish->events, wish->n);
}

gboolean virtio_input_send(VirtioInput *input, const InputEvent *events, guint n, GError **error)
{
	Wish wish = { .input = input, .events = events, .n = n, .error = error };

	g_assert(n > 0 && n <= VIRTIO_INPUT_EVENTS_MAX);
	io_thread_call(virtio_device_io_thread(input->device), send_now, &wish);
	return wish.is_done;
}

static gboolean check_room(const VirtioInput *input, guint n, GError **error)
{
	if (input->steps.length + 2 * n <= STEPS_MAX)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
		    _("device '%s' has so many keys to press that there is no room for more"),
		    input->id);
	return FALSE;
}

static void begin_to_press(void *opaque)
{
	Wish *wish = opaque;
	VirtioInput *input = wish->input;

	wish->is_done = check_driver(input, wish->error) && check_room(input, wish->n, wish->error);
	if (!wish->is_done)
		return;
	for (guint i = 0; i < wish->n; i++)
		add_step(input, wish->codes[i], TRUE, wish->hold);
	for (guint i = wish->n; i-- > 0;)
		add_step(input, wish->codes[i], FALSE, wish->hold);
	if (input->is_running && !input->timer)
		take_step(input);
}

gboolean virtio_input_press(VirtioInput *input, const guint16 *codes, guint n, guint hold,
			    GError **error)
{
	Wish wish = { .input = input, .codes = codes, .n = n, .hold = hold, .error = error };

	g_assert(n > 0 && n <= VIRTIO_INPUT_KEYS_MAX);
	io_thread_call(virtio_device_io_thread(input->device), begin_to_press, &wish);
	return wish.is_done;
}

/* ---- The descriptions ---------------------------------------------------------------------- */

static const JsonField fields[] = {
	VIRTIO_OPTION_FIELDS(InputDescription, options),
	{ .name = "serial",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(InputDescription, serial) },
	{ .name = NULL },
};

static gboolean create(const InputModel *model, const DeviceContext *context,
		       const InputDescription *description, GError **error)
{
	VirtioInput *input = g_new0(VirtioInput, 1);
	const VirtioDeviceConfig config = {
		.name = "virtio-input",
		.device_id = VIRTIO_ID_INPUT,
		.class_code = model->class_code,
		.n_queues = N_QUEUES,
		.queue_size = INPUT_QUEUE_SIZE,
		.config_size = sizeof(struct virtio_input_config),
		.operations = &input_operations,
		.opaque = input,
	};

	input->model = model;
	input->id = g_strdup(context->id);
	input->serial = g_strdup(description->serial);
	g_queue_init(&input->steps);
	input->device = virtio_pci_new(context, &description->options, &config, error);
	if (input->device)
		return TRUE;
	input_free(input);
	return FALSE;
}

static gboolean create_keyboard(const DeviceContext *context, const void *description,
				GError **error)
{
	return create(&keyboard, context, description, error);
}

static gboolean create_mouse(const DeviceContext *context, const void *description, GError **error)
{
	return create(&mouse, context, description, error);
}

static gboolean create_tablet(const DeviceContext *context, const void *description, GError **error)
{
	return create(&tablet, context, description, error);
}

const DeviceType virtio_keyboard_type = {
	.name = "virtio-keyboard-pci",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(InputDescription),
	.create = create_keyboard,
};

const DeviceType virtio_mouse_type = {
	.name = "virtio-mouse-pci",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(InputDescription),
	.create = create_mouse,
};

const DeviceType virtio_tablet_type = {
	.name = "virtio-tablet-pci",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(InputDescription),
	.create = create_tablet,
};
