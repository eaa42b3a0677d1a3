/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-input-fuzz.c - libFuzzer target: a guest that means harm, at a keyboard, a mouse or a
 * tablet
 *
 * Theory of operation
 *
 * The device is on the transport and queues of all. The first byte says which it is. The rest is a
 * list of steps: chains of any kind in either queue, bytes that the guest writes, kicks, accesses
 * to the configuration and to the transport, what the host sends, pauses and resets in between.
 *
 * What must hold: what the configuration says fits into it; the status queue is not served for
 * ever; and what was opened is closed.
 *
 *     virtio-input-fuzz CORPUS
 */
#include <linux/input-event-codes.h>
#include <linux/virtio_input.h>

#include "common/keys.h"
#include "virtio-world.h"
#include "vmm/virtio/virtio-input.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define ID     "input0"
#define QUEUES 2u

static const DeviceType *const types[] = {
	&virtio_keyboard_type,
	&virtio_mouse_type,
	&virtio_tablet_type,
};

static const DeviceHost host = { .make_signal = made_up_make_signal };

static void make_device(VirtioWorld *world, guint how)
{
	g_autoptr(JsonObject) object = json_object_new();
	g_autofree char *serial = g_strnfill(how, 's');

	json_object_set_string_member(object, "serial", serial);
	world_make_device(world, types[how % G_N_ELEMENTS(types)], ID, object, FALSE);
}

static void select_and_read(VirtioWorld *world, Input *input)
{
	const gsize union_size = sizeof(struct virtio_input_config) -
				 G_STRUCT_OFFSET(struct virtio_input_config, u);

	write_bar(world, CONFIG + get(input, 1) % 4, 1u << get(input, 1) % 3, get(input, 2));
	bus_read(world->surroundings.mmio, STRUCTURES + CONFIG + get(input, 1), 4);
	g_assert_cmpuint(bus_read(world->surroundings.mmio, STRUCTURES + CONFIG + 2, 1), <=,
			 union_size);
}

/* Of a kind that a device may have, where there is one. */
static void send_events(VirtioWorld *world, Input *input)
{
	static const guint16 kinds[] = { EV_KEY, EV_REL, EV_ABS };
	const guint16 type = kinds[get(input, 1) % G_N_ELEMENTS(kinds)];
	const guint16 code = (guint16)(get(input, 1) + (type == EV_KEY ? BTN_LEFT : 0));
	VirtioInput *found = virtio_input_find(world->surroundings.registry, type, code);
	InputEvent events[VIRTIO_INPUT_EVENTS_MAX];
	const guint n = 1 + get(input, 1) % VIRTIO_INPUT_EVENTS_MAX;

	for (guint i = 0; i < n; i++)
		events[i] = (InputEvent){ type, code, (gint32)get(input, 1) };
	if (found)
		(void)virtio_input_send(found, events, n, NULL);
}

static void press_keys(VirtioWorld *world, Input *input)
{
	const Key *key = key_nth(get(input, 1));
	guint16 codes[VIRTIO_INPUT_KEYS_MAX];
	const guint n = 1 + get(input, 1) % VIRTIO_INPUT_KEYS_MAX, hold = get(input, 1) % 2;
	VirtioInput *found;

	if (!key)
		return;
	for (guint i = 0; i < n; i++)
		codes[i] = key->linux_code;
	found = virtio_input_find(world->surroundings.registry, EV_KEY, key->linux_code);
	if (found)
		(void)virtio_input_press(found, codes, n, hold * 1000000, NULL);
}

static void take_step(VirtioWorld *world, Input *input)
{
	const guint step = get(input, 1), queue = step / 10 % QUEUES;

	switch (step % 10) {
	case 0:
	case 1:
		add_chain(world, input, queue);
		break;
	case 2:
		write_bytes(input);
		break;
	case 3:
		kick(world, queue);
		break;
	case 4:
		if (step < 128)
			select_and_read(world, input);
		else
			touch_transport(world, input, queue);
		break;
	case 5:
	case 6:
		send_events(world, input);
		break;
	case 7:
		press_keys(world, input);
		break;
	case 8:
		pause_or_go_on(world);
		break;
	case 9:
		start_driver(world, 0, QUEUES, get(input, 1));
		break;
	}
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	VirtioWorld world = { 0 };

	g_log_set_default_handler(world_ignore_log, NULL);
	world_start(&world, &host);
	make_device(&world, get(&input, 1));
	place_bars(&world);
	start_driver(&world, 0, QUEUES, get(&input, 1));
	while (input.left > 0) {
		take_step(&world, &input);
		run_thread(&world, 8);
		made_up_serve_signals();
		check_pins(&world);
	}
	if (world.is_paused)
		pause_or_go_on(&world);
	write_bar(&world, STATUS, 1, 0);
	run_thread(&world, 8);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	world_end(&world, ID);
	return 0;
}
