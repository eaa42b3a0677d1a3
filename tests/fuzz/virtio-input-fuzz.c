/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-input-fuzz.c - libFuzzer target: a guest that means harm, at a keyboard, a mouse or a
 * tablet
 *
 * Theory of operation
 *
 * The device is on the transport and queues of all. The first byte says which it is. The rest is a
 * list of steps: chains of any kind in either queue, bytes that the guest writes, kicks, accesses
 * to the configuration, what the host sends, pauses and resets in between.
 *
 * What must hold: what the configuration says fits into it; the status queue is not served for
 * ever; and what was opened is closed.
 *
 *     virtio-input-fuzz CORPUS
 */
#include <linux/input-event-codes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_input.h>
#include <linux/virtio_ring.h>

#include "../unit/made-up-machine.h"
#include "common/keys.h"
#include "input.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/pci/pci-bus.h"
#include "vmm/virtio/virtio-input.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define STRUCTURES  0xc0000000ull
#define SLOT	    3u
#define DEVFN	    (SLOT << 3)
#define QUEUES	    2u
#define QUEUE_SIZE  8u
#define RING(queue) (MADE_UP_RAM + (queue)*0x3000ull)

/* Of the common structure, and where the device's is. */
enum {
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	STATUS = 20,
	QUEUE_SELECT = 22,
	QUEUE_SIZE_REGISTER = 24,
	QUEUE_ENABLE = 28,
	QUEUE_AREAS = 32,
	CONFIG = 0x2000,
	NOTIFY = 0x3000,
};

static const DeviceType *const types[] = {
	&virtio_keyboard_type,
	&virtio_mouse_type,
	&virtio_tablet_type,
};

typedef struct {
	DeviceSurroundings surroundings;
	PciBus *root;
	IoThread *thread;
	guint16 available[QUEUES];
	gboolean is_paused;
} World;

static void send_msi(void *opaque, guint64 address, guint32 data)
{
	(void)opaque;
	(void)address;
	(void)data;
}

static const DeviceHost host = { .make_signal = made_up_make_signal };

static void make_device(World *world, guint how)
{
	const DeviceType *type = types[how % G_N_ELEMENTS(types)];
	const DeviceContext context = {
		.surroundings = &world->surroundings,
		.id = "input0",
		.owner = "device 'input0'",
		.bus = world->root,
		.slot = SLOT,
	};
	g_autoptr(JsonObject) object = json_object_new();
	g_autofree void *description = g_malloc0(type->description_size);
	g_autofree char *serial = g_strnfill(how, 's');
	const JsonFieldSet set = { type->fields, description };

	json_object_set_string_member(object, "iothread", "io");
	json_object_set_string_member(object, "serial", serial);
	g_assert_true(json_fields_read(object, context.owner, &set, 1, NULL));
	g_assert_true(type->create(&context, description, NULL));
	json_fields_clear(&set, 1);
}

static void write_config(World *world, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(world->root, 0, DEVFN, offset, size, value);
}

static void place_bars(World *world)
{
	guint at = pci_bus_read_config(world->root, 0, DEVFN, PCI_CAPABILITY_LIST, 1);

	while (pci_bus_read_config(world->root, 0, DEVFN, at, 1) != PCI_CAP_ID_PM)
		at = pci_bus_read_config(world->root, 0, DEVFN, at + PCI_CAP_LIST_NEXT, 1);
	write_config(world, at + PCI_PM_CTRL, 2, 0);
	write_config(world, PCI_BASE_ADDRESS_4, 4, STRUCTURES);
	write_config(world, PCI_BASE_ADDRESS_5, 4, 0);
	write_config(world, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void start(World *world, guint how)
{
	PciRoot root = { .send_msi = send_msi };

	device_surroundings_init(&world->surroundings, &host, NULL);
	world->surroundings.messages = made_up_messages;
	root.ports = world->surroundings.ports;
	root.mmio = world->surroundings.mmio;
	world->root = pci_bus_new_root(&root);
	world->thread = io_thread_new("io", NULL, NULL);
	device_registry_add(world->surroundings.registry, "io", &io_thread_device_operations,
			    world->thread);
	memset(made_up_ram, 0, sizeof(made_up_ram));
	make_device(world, how);
	place_bars(world);
}

static void end(World *world)
{
	device_registry_remove(world->surroundings.registry, "input0");
	pci_bus_free(world->root);
	device_surroundings_clear(&world->surroundings);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	g_assert_cmpuint(made_up_n_messages, ==, 0);
	g_assert_cmpuint(made_up_signals->len, ==, 0);
}

static void write_bar(World *world, guint offset, guint size, guint64 value)
{
	bus_write(world->surroundings.mmio, STRUCTURES + offset, size, value);
}

/* Both queues, with split rings. */
static void set_up(World *world)
{
	const guint64 features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1);

	write_bar(world, STATUS, 1, 0);
	memset(world->available, 0, sizeof(world->available));
	for (guint i = 0; i < 2; i++) {
		write_bar(world, DRIVER_FEATURE_SELECT, 4, i);
		write_bar(world, DRIVER_FEATURE, 4, features >> i * 32 & G_MAXUINT32);
	}
	write_bar(world, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK);
	memset(made_up_ram, 0, RING(QUEUES) - RING(0));
	for (guint queue = 0; queue < QUEUES; queue++) {
		write_bar(world, QUEUE_SELECT, 2, queue);
		write_bar(world, QUEUE_SIZE_REGISTER, 2, QUEUE_SIZE);
		for (guint i = 0; i < 3; i++)
			write_bar(world, QUEUE_AREAS + i * 8, 4, RING(queue) + i * 0x1000);
		write_bar(world, QUEUE_ENABLE, 2, 1);
	}
	write_bar(world, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A chain: for each descriptor where, how much, and whether it is written. */
static void add_chain(World *world, Input *input, guint queue)
{
	const guint count = 1 + get(input, 1) % 4, head = get(input, 1) % QUEUE_SIZE;

	for (guint i = 0; i < count; i++) {
		const guint64 at = RING(queue) + (head + i) % QUEUE_SIZE * 16;
		const guint flags = get(input, 1);

		made_up_store(at, 8,
			      (flags & 0x80 ? 0 : MADE_UP_RAM) + get(input, 3) * 8ull +
				      (flags & 0x20 ? G_MAXUINT64 << 31 : 0));
		made_up_store(at + 8, 4, get(input, flags & 0x40 ? 4 : 2));
		made_up_store(at + 12, 2, (flags & 2) | (i + 1 < count ? VRING_DESC_F_NEXT : 0));
		made_up_store(at + 14, 2, (head + i + 1) % QUEUE_SIZE);
	}
	made_up_store(RING(queue) + 0x1000 + 4 + world->available[queue] % QUEUE_SIZE * 2, 2, head);
	made_up_store(RING(queue) + 0x1000 + 2, 2, ++world->available[queue]);
}

static void write_bytes(Input *input)
{
	const guint64 offset = get(input, 2) * 4ull;
	const guint count = get(input, 1) % 64;

	for (guint i = 0; i < count; i++)
		made_up_store(MADE_UP_RAM + offset + i, 1, get(input, 1));
}

static void select_and_read(World *world, Input *input)
{
	const gsize union_size = sizeof(struct virtio_input_config) -
				 G_STRUCT_OFFSET(struct virtio_input_config, u);

	write_bar(world, CONFIG + get(input, 1) % 4, 1u << get(input, 1) % 3, get(input, 2));
	bus_read(world->surroundings.mmio, STRUCTURES + CONFIG + get(input, 1), 4);
	g_assert_cmpuint(bus_read(world->surroundings.mmio, STRUCTURES + CONFIG + 2, 1), <=,
			 union_size);
}

/* Of a kind that a device may have, where there is one. */
static void send_events(World *world, Input *input)
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

static void press_keys(World *world, Input *input)
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

static void pause_or_go_on(World *world)
{
	world->is_paused = !world->is_paused;
	if (world->is_paused)
		device_registry_pause(world->surroundings.registry);
	else
		device_registry_resume(world->surroundings.registry);
}

/* What the I/O thread is woken for, so many turns of it. */
static void run_turns(World *world, guint turns)
{
	while (turns-- > 0 && g_main_context_iteration(world->thread->context, FALSE))
		;
}

static void take_step(World *world, Input *input)
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
		write_bar(world, NOTIFY + queue * 4, 2, queue);
		break;
	case 4:
		select_and_read(world, input);
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
		set_up(world);
		break;
	}
}

static void ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *message,
		       gpointer data)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)data;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	Input input = { data, size };
	World world = { 0 };

	g_log_set_default_handler(ignore_log, NULL);
	start(&world, get(&input, 1));
	set_up(&world);
	while (input.left > 0) {
		take_step(&world, &input);
		run_turns(&world, 8);
		made_up_serve_signals();
	}
	if (world.is_paused)
		pause_or_go_on(&world);
	write_bar(&world, STATUS, 1, 0);
	run_turns(&world, 8);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	end(&world);
	return 0;
}
