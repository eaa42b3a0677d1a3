/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-input-test.c - a keyboard whose guest is the test: keys that wait, and what ends that
 *
 * The I/O thread is the test's own: a step is taken when the test lets it, so that no test waits
 * for a clock but for one millisecond.
 */
#include <glib.h>
#include <linux/input-event-codes.h>
#include <linux/virtio_config.h>
#include <linux/virtio_input.h>
#include <linux/virtio_ring.h>

#include "made-up-machine.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/pci/pci-bus.h"
#include "vmm/virtio/virtio-input.h"

#define STRUCTURES 0xc0000000ull
#define SLOT	   4u
#define DEVFN	   (SLOT << 3)
#define SIZE	   8u
#define RING	   MADE_UP_RAM
#define BUFFERS	   (MADE_UP_RAM + 0x4000ull)
#define LONG	   3600000u

/* Of the common structure. */
enum {
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURES = 12,
	STATUS = 20,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_ENABLE = 28,
	QUEUE_AREAS = 32,
};

enum { RUNNING = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK };

typedef struct {
	DeviceSurroundings surroundings;
	PciBus *root;
	IoThread *thread;
	VirtioInput *input;
	guint16 available;
	guint16 seen;
} Fixture;

static void send_msi(void *opaque, guint64 address, guint32 data)
{
	(void)opaque;
	(void)address;
	(void)data;
}

static const DeviceHost host = { .make_signal = made_up_make_signal };

static void write_bar(Fixture *fixture, guint offset, guint size, guint64 value)
{
	bus_write(fixture->surroundings.mmio, STRUCTURES + offset, size, value);
}

static void write_config(Fixture *fixture, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(fixture->root, 0, DEVFN, offset, size, value);
}

static void make_device(Fixture *fixture)
{
	const DeviceContext context = {
		.surroundings = &fixture->surroundings,
		.id = "input0",
		.owner = "device 'input0'",
		.bus = fixture->root,
		.slot = SLOT,
	};
	g_autoptr(JsonObject) object = json_object_new();
	g_autofree void *description = g_malloc0(virtio_keyboard_type.description_size);
	const JsonFieldSet set = { virtio_keyboard_type.fields, description };

	json_object_set_string_member(object, "iothread", "io");
	g_assert_true(json_fields_read(object, context.owner, &set, 1, NULL));
	g_assert_true(virtio_keyboard_type.create(&context, description, NULL));
	json_fields_clear(&set, 1);
	fixture->input = virtio_input_find(fixture->surroundings.registry, EV_KEY, KEY_A);
	g_assert_nonnull(fixture->input);
}

static void place_bars(Fixture *fixture)
{
	guint at = pci_bus_read_config(fixture->root, 0, DEVFN, PCI_CAPABILITY_LIST, 1);

	while (pci_bus_read_config(fixture->root, 0, DEVFN, at, 1) != PCI_CAP_ID_PM)
		at = pci_bus_read_config(fixture->root, 0, DEVFN, at + PCI_CAP_LIST_NEXT, 1);
	write_config(fixture, at + PCI_PM_CTRL, 2, 0);
	write_config(fixture, PCI_BASE_ADDRESS_4, 4, STRUCTURES);
	write_config(fixture, PCI_BASE_ADDRESS_5, 4, 0);
	write_config(fixture, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

/* The guest's driver begins, with the event queue. */
static void start_driver(Fixture *fixture)
{
	write_bar(fixture, STATUS, 1, 0);
	fixture->available = fixture->seen = 0;
	write_bar(fixture, DRIVER_FEATURE_SELECT, 4, 1);
	write_bar(fixture, DRIVER_FEATURES, 4, VIRTIO_FEATURE(VIRTIO_F_VERSION_1) >> 32);
	write_bar(fixture, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK);
	memset(made_up_ram, 0, 0x4000);
	write_bar(fixture, QUEUE_SELECT, 2, 0);
	write_bar(fixture, QUEUE_SIZE, 2, SIZE);
	for (guint i = 0; i < 3; i++)
		write_bar(fixture, QUEUE_AREAS + i * 8, 4, RING + i * 0x1000);
	write_bar(fixture, QUEUE_ENABLE, 2, 1);
	write_bar(fixture, STATUS, 1, RUNNING);
	made_up_run(fixture->thread);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	PciRoot root = { .send_msi = send_msi };

	device_surroundings_init(&fixture->surroundings, &host, NULL);
	fixture->surroundings.messages = made_up_messages;
	root.ports = fixture->surroundings.ports;
	root.mmio = fixture->surroundings.mmio;
	fixture->root = pci_bus_new_root(&root);
	fixture->thread = io_thread_new("io", NULL, NULL);
	device_registry_add(fixture->surroundings.registry, "io", &io_thread_device_operations,
			    fixture->thread);
	make_device(fixture);
	place_bars(fixture);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_remove(fixture->surroundings.registry, "input0");
	pci_bus_free(fixture->root);
	device_surroundings_clear(&fixture->surroundings);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
}

/* One more buffer for an event. */
static void add_buffer(Fixture *fixture)
{
	const guint index = fixture->available % SIZE;

	made_up_store(RING + index * 16, 8, BUFFERS + index * 8);
	made_up_store(RING + index * 16 + 8, 4, sizeof(struct virtio_input_event));
	made_up_store(RING + index * 16 + 12, 2, VRING_DESC_F_WRITE);
	made_up_store(RING + 0x1000 + 4 + index * 2, 2, index);
	made_up_store(RING + 0x1000 + 2, 2, ++fixture->available);
}

static void add_buffers(Fixture *fixture, guint n)
{
	while (n-- > 0)
		add_buffer(fixture);
}

static guint16 used(void)
{
	for (guint i = 0; i < made_up_n_pins; i++)
		if (made_up_pins[i]->gpa == RING + 0x2000)
			return GUINT16_FROM_LE(((const guint16 *)made_up_pins[i]->content)[1]);
	return 0;
}

/* The next event that the guest has got. */
static void assert_event(Fixture *fixture, guint16 type, guint16 code, gint32 value)
{
	const struct virtio_input_event *event = made_up_address(BUFFERS + fixture->seen % SIZE * 8,
								 sizeof(*event));

	g_assert_cmpuint(used(), !=, fixture->seen);
	g_assert_cmpuint(GUINT16_FROM_LE(event->type), ==, type);
	g_assert_cmpuint(GUINT16_FROM_LE(event->code), ==, code);
	g_assert_cmpint((gint32)GUINT32_FROM_LE(event->value), ==, value);
	fixture->seen++;
}

static void assert_key(Fixture *fixture, guint16 code, gint32 value)
{
	assert_event(fixture, EV_KEY, code, value);
	assert_event(fixture, EV_SYN, SYN_REPORT, 0);
}

static void assert_no_more(const Fixture *fixture)
{
	g_assert_cmpuint(used(), ==, fixture->seen);
}

static void press(Fixture *fixture, guint16 code, guint hold)
{
	g_assert_true(virtio_input_press(fixture->input, &code, 1, hold, NULL));
}

/* Until the guest has got so many events. */
static void run_until(Fixture *fixture, guint16 count)
{
	while (used() != count)
		g_main_context_iteration(fixture->thread->context, TRUE);
}

static void test_order(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint16 codes[] = { KEY_LEFTCTRL, KEY_C };

	start_driver(fixture);
	add_buffers(fixture, SIZE);
	g_assert_true(virtio_input_press(fixture->input, codes, 2, 1, NULL));
	/* The first at once. */
	assert_key(fixture, KEY_LEFTCTRL, 1);
	assert_no_more(fixture);
	run_until(fixture, 8);
	assert_key(fixture, KEY_C, 1);
	assert_key(fixture, KEY_C, 0);
	assert_key(fixture, KEY_LEFTCTRL, 0);
}

static void test_no_driver(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const InputEvent event = { EV_KEY, KEY_A, 1 };
	const guint16 code = KEY_A;
	g_autoptr(GError) error = NULL;

	g_assert_false(virtio_input_send(fixture->input, &event, 1, &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED);
	g_assert_false(virtio_input_press(fixture->input, &code, 1, 1, NULL));
	g_assert_null(virtio_input_find(fixture->surroundings.registry, EV_REL, REL_X));
	g_assert_null(virtio_input_find(fixture->surroundings.registry, EV_KEY, BTN_LEFT));
	start_driver(fixture);
	add_buffers(fixture, 2);
	assert_no_more(fixture);
}

static void test_too_few_buffers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const InputEvent events[] = { { EV_KEY, KEY_A, 1 }, { EV_KEY, KEY_C, 1 } };

	start_driver(fixture);
	add_buffers(fixture, 2);
	g_assert_true(virtio_input_send(fixture->input, events, 2, NULL));
	assert_no_more(fixture);
	g_assert_true(virtio_input_send(fixture->input, events, 1, NULL));
	assert_key(fixture, KEY_A, 1);
	assert_no_more(fixture);
	add_buffers(fixture, 3);
	g_assert_true(virtio_input_send(fixture->input, events, 2, NULL));
	assert_event(fixture, EV_KEY, KEY_A, 1);
	assert_key(fixture, KEY_C, 1);
}

static void test_pause(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_driver(fixture);
	add_buffers(fixture, SIZE);
	press(fixture, KEY_A, 1);
	assert_key(fixture, KEY_A, 1);
	device_registry_pause(fixture->surroundings.registry);
	press(fixture, KEY_C, 1);
	g_usleep(2000);
	made_up_run(fixture->thread);
	assert_no_more(fixture);
	device_registry_resume(fixture->surroundings.registry);
	run_until(fixture, 8);
	assert_key(fixture, KEY_A, 0);
	assert_key(fixture, KEY_C, 1);
	assert_key(fixture, KEY_C, 0);
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	start_driver(fixture);
	add_buffers(fixture, SIZE);
	press(fixture, KEY_A, LONG);
	assert_key(fixture, KEY_A, 1);
	start_driver(fixture);
	add_buffers(fixture, SIZE);
	/* Nothing of before is in front of it. */
	press(fixture, KEY_C, LONG);
	assert_key(fixture, KEY_C, 1);
	assert_no_more(fixture);
}

static void test_too_many_keys(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint16 codes[VIRTIO_INPUT_KEYS_MAX];
	g_autoptr(GError) error = NULL;
	guint n = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
		codes[i] = KEY_A;
	start_driver(fixture);
	while (virtio_input_press(fixture->input, codes, G_N_ELEMENTS(codes), LONG, &error))
		g_assert_cmpuint(++n, <, 100);
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BUSY);
	g_assert_cmpuint(n, >=, 8);
}

static void add(const char *name, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(name, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/virtio-input/order", test_order);
	add("/virtio-input/no-driver", test_no_driver);
	add("/virtio-input/too-few-buffers", test_too_few_buffers);
	add("/virtio-input/pause", test_pause);
	add("/virtio-input/reset", test_reset);
	add("/virtio-input/too-many-keys", test_too_many_keys);
	return g_test_run();
}
