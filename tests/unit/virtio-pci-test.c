/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-pci-test.c - the transport of virtio on PCI, with a device that notes what it is asked
 *
 * The I/O thread is the test's own: what the device would do there, it does when the test lets it.
 */
#include <glib.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "made-up-machine.h"
#include "vmm/pci/pci-bus.h"
#include "vmm/virtio/pci.h"

#define STRUCTURES 0xc0000000ull
#define MSIX	   0xc0010000ull
#define SLOT	   4u
#define DEVFN	   (SLOT << 3)
#define SIZE	   8u

enum {
	FEATURE_SELECT = 0,
	FEATURES = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURES = 12,
	CONFIG_VECTOR = 16,
	STATUS = 20,
	GENERATION = 21,
	QUEUE_SELECT = 22,
	QUEUE_SIZE = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_AREAS = 32,
	QUEUE_RESET = 58,
	ISR = 0x1000,
	CONFIG = 0x2000,
	NOTIFY = 0x3000,
};

enum { RUNNING = VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK };

typedef struct {
	DeviceSurroundings surroundings;
	PciBus *root;
	VirtioDevice *device;
	GString *calls; /* a letter each */
	guint64 features;
	guint8 config[6];
	guint64 watched[2]; /* doorbells */
} Fixture;

/* The device */

static guint64 features(void *device G_GNUC_UNUSED)
{
	return VIRTIO_FEATURE(3);
}

static void config_read(void *device, guint offset, void *data, guint size)
{
	Fixture *fixture = device;

	g_assert_cmpuint(offset + size, <=, sizeof(fixture->config));
	memcpy(data, fixture->config + offset, size);
}

static void config_write(void *device, guint offset, const void *data, guint size)
{
	Fixture *fixture = device;

	g_assert_cmpuint(offset + size, <=, sizeof(fixture->config));
	memcpy(fixture->config + offset, data, size);
}

static void note(void *device, const char *what)
{
	g_string_append(((Fixture *)device)->calls, what);
}

static void start_device(void *device, guint64 agreed)
{
	((Fixture *)device)->features = agreed;
	note(device, "S");
}

static void kicked(void *device, guint queue)
{
	g_assert_true(
		virtio_queue_is_enabled(virtio_device_queue(((Fixture *)device)->device, queue)));
	note(device, queue == 0 ? "0" : "1");
}

static void stop_device(void *device)
{
	note(device, "E");
}

static void stop_queue(void *device, guint queue)
{
	note(device, queue == 0 ? "a" : "b");
}

static void drain(void *device)
{
	note(device, "D");
}

static void resume(void *device)
{
	note(device, "R");
}

static void free_device(void *device)
{
	note(device, "F");
}

static const VirtioDeviceOperations operations = {
	.features = features,
	.config_read = config_read,
	.config_write = config_write,
	.start = start_device,
	.kicked = kicked,
	.stop = stop_device,
	.stop_queue = stop_queue,
	.drain = drain,
	.resume = resume,
	.free = free_device,
};

/* What is around it */

static gboolean watch(void *opaque, guint64 gpa, int fd G_GNUC_UNUSED)
{
	Fixture *fixture = opaque;
	guint i = fixture->watched[0] ? 1 : 0;

	g_assert_cmphex(fixture->watched[i], ==, 0);
	fixture->watched[i] = gpa;
	return TRUE;
}

static void unwatch(void *opaque, guint64 gpa, int fd G_GNUC_UNUSED)
{
	Fixture *fixture = opaque;
	guint i = fixture->watched[0] == gpa ? 0 : 1;

	g_assert_cmphex(fixture->watched[i], ==, gpa);
	fixture->watched[i] = 0;
}

static const DeviceHost host = { .make_signal = made_up_make_signal };
static DeviceDoorbells doorbells = { watch, unwatch, NULL };

static void write_config(Fixture *fixture, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(fixture->root, 0, DEVFN, offset, size, value);
}

static void put(Fixture *fixture, guint offset, guint size, guint64 value)
{
	bus_write(fixture->surroundings.mmio, STRUCTURES + offset, size, value);
}

static guint64 get(Fixture *fixture, guint offset, guint size)
{
	return bus_read(fixture->surroundings.mmio, STRUCTURES + offset, size);
}

static guint find_capability(Fixture *fixture, guint8 id)
{
	guint at = pci_bus_read_config(fixture->root, 0, DEVFN, PCI_CAPABILITY_LIST, 1);

	while (pci_bus_read_config(fixture->root, 0, DEVFN, at, 1) != id)
		at = pci_bus_read_config(fixture->root, 0, DEVFN, at + PCI_CAP_LIST_NEXT, 1);
	return at;
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const VirtioOptions options = { .packed = TRUE };
	const VirtioDeviceConfig config = {
		.name = "a device",
		.device_id = 42,
		.class_code = 0xff0000,
		.n_queues = 2,
		.queue_size = SIZE,
		.config_size = sizeof(fixture->config),
		.operations = &operations,
		.opaque = fixture,
	};
	DeviceContext context = {
		.surroundings = &fixture->surroundings,
		.id = "device0",
		.owner = "device 'device0'",
		.slot = SLOT,
	};
	g_autoptr(GError) error = NULL;
	PciRoot root = { 0 };

	memset(made_up_ram, 0, sizeof(made_up_ram));
	fixture->calls = g_string_new(NULL);
	device_surroundings_init(&fixture->surroundings, &host, NULL);
	fixture->surroundings.messages = made_up_messages;
	doorbells.opaque = fixture;
	fixture->surroundings.doorbells = &doorbells;
	root.ports = fixture->surroundings.ports;
	root.mmio = fixture->surroundings.mmio;
	context.bus = fixture->root = pci_bus_new_root(&root);
	fixture->device = virtio_pci_new(&context, &options, &config, &error);
	g_assert_no_error(error);
	write_config(fixture, PCI_BASE_ADDRESS_1, 4, MSIX);
	write_config(fixture, PCI_BASE_ADDRESS_4, 4, STRUCTURES);
	write_config(fixture, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	device_registry_remove(fixture->surroundings.registry, "device0");
	g_assert_true(g_str_has_suffix(fixture->calls->str, "F"));
	pci_bus_free(fixture->root);
	device_surroundings_clear(&fixture->surroundings);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	g_assert_cmpuint(made_up_n_messages, ==, 0);
	g_assert_cmpuint(made_up_signals->len, ==, 0);
	g_assert_cmphex(fixture->watched[0] | fixture->watched[1], ==, 0);
	g_string_free(fixture->calls, TRUE);
}

static void assert_calls(Fixture *fixture, const char *calls)
{
	made_up_run(virtio_device_io_thread(fixture->device));
	g_assert_cmpstr(fixture->calls->str, ==, calls);
	g_string_truncate(fixture->calls, 0);
}

static gboolean agree(Fixture *fixture, guint64 wanted)
{
	put(fixture, STATUS, 1, 0);
	for (guint i = 0; i < 2; i++) {
		put(fixture, DRIVER_FEATURE_SELECT, 4, i);
		put(fixture, DRIVER_FEATURES, 4, wanted >> i * 32 & G_MAXUINT32);
	}
	put(fixture, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK);
	return (get(fixture, STATUS, 1) & VIRTIO_CONFIG_S_FEATURES_OK) != 0;
}

static void set_queue(Fixture *fixture, guint queue)
{
	put(fixture, QUEUE_SELECT, 2, queue);
	put(fixture, QUEUE_SIZE, 2, SIZE);
	put(fixture, QUEUE_VECTOR, 2, queue + 1);
	for (guint i = 0; i < 3; i++)
		put(fixture, QUEUE_AREAS + i * 8, 8, MADE_UP_RAM + queue * 0x4000 + i * 0x1000);
	put(fixture, QUEUE_ENABLE, 2, 1);
}

static void go(Fixture *fixture, guint64 more)
{
	g_assert_true(agree(fixture, VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | more));
	set_queue(fixture, 0);
	set_queue(fixture, 1);
	put(fixture, STATUS, 1, RUNNING);
}

static void enable_msix(Fixture *fixture)
{
	write_config(fixture, find_capability(fixture, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2,
		     PCI_MSIX_FLAGS_ENABLE);
	for (guint i = 0; i < 3; i++)
		bus_write(fixture->surroundings.mmio,
			  MSIX + i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
}

static void pause_machine(Fixture *fixture)
{
	device_registry_pause(fixture->surroundings.registry);
}

static void resume_machine(Fixture *fixture)
{
	device_registry_resume(fixture->surroundings.registry);
}

static void test_features(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint64 offered;

	put(fixture, FEATURE_SELECT, 4, 1);
	offered = get(fixture, FEATURES, 4) << 32;
	put(fixture, FEATURE_SELECT, 4, 0);
	offered |= get(fixture, FEATURES, 4);
	g_assert_cmphex(offered, ==,
			VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(3) |
				VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) |
				VIRTIO_FEATURE(VIRTIO_F_RING_RESET) |
				VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
				VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
	put(fixture, FEATURE_SELECT, 4, 2);
	g_assert_cmphex(get(fixture, FEATURES, 4), ==, 0);
	g_assert_false(agree(fixture, VIRTIO_FEATURE(3)));
	g_assert_false(agree(fixture, offered | VIRTIO_FEATURE(4)));
	g_assert_true(agree(fixture, offered));
	/* What is agreed on stays. */
	put(fixture, DRIVER_FEATURES, 4, 0);
	put(fixture, STATUS, 1, RUNNING);
	g_assert_cmphex(fixture->features, ==, offered);
	assert_calls(fixture, "S");
}

static void test_life(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	go(fixture, 0);
	assert_calls(fixture, "S01");
	put(fixture, NOTIFY + 4, 2, 1);
	put(fixture, NOTIFY + 8, 2, 1);
	assert_calls(fixture, "1");
	g_assert_cmphex(fixture->watched[0], ==, STRUCTURES + NOTIFY);
	g_assert_cmphex(fixture->watched[1], ==, STRUCTURES + NOTIFY + 4);
	g_assert_cmpuint(made_up_n_pins, ==, 6);
	put(fixture, STATUS, 1, 0);
	assert_calls(fixture, "E");
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	/* A kick that was on its way is nobody's. */
	put(fixture, NOTIFY, 2, 0);
	assert_calls(fixture, "");
	go(fixture, 0);
	assert_calls(fixture, "S01");
	pci_bus_reset(fixture->root);
	assert_calls(fixture, "E");
}

static void test_pause(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pause_machine(fixture);
	resume_machine(fixture);
	assert_calls(fixture, "");
	go(fixture, 0);
	assert_calls(fixture, "S01");
	pause_machine(fixture);
	put(fixture, NOTIFY, 2, 0);
	assert_calls(fixture, "D");
	resume_machine(fixture);
	assert_calls(fixture, "R01");
	pause_machine(fixture);
	put(fixture, STATUS, 1, 0);
	assert_calls(fixture, "DE");
	/* A vCPU that was late. */
	go(fixture, 0);
	assert_calls(fixture, "SD");
	resume_machine(fixture);
	assert_calls(fixture, "R01");
}

static void set_master(Fixture *fixture, gboolean is_master)
{
	write_config(fixture, PCI_COMMAND, 2,
		     PCI_COMMAND_MEMORY | (is_master ? PCI_COMMAND_MASTER : 0));
}

/* A guest that has taken the bus from its device is not written to, paused meanwhile or not. */
static void test_bus_master(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	go(fixture, 0);
	assert_calls(fixture, "S01");
	set_master(fixture, FALSE);
	put(fixture, NOTIFY, 2, 0);
	assert_calls(fixture, "D");
	pause_machine(fixture);
	resume_machine(fixture);
	assert_calls(fixture, "D");
	set_master(fixture, TRUE);
	assert_calls(fixture, "R01");
	set_master(fixture, FALSE);
	go(fixture, 0);
	assert_calls(fixture, "DESD");
	pci_bus_reset(fixture->root);
	assert_calls(fixture, "E");
}

static void test_queue_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	go(fixture, VIRTIO_FEATURE(VIRTIO_F_RING_RESET));
	assert_calls(fixture, "S01");
	put(fixture, QUEUE_SELECT, 2, 1);
	put(fixture, QUEUE_RESET, 2, 1);
	assert_calls(fixture, "b");
	g_assert_cmpuint(get(fixture, QUEUE_ENABLE, 2), ==, 0);
	g_assert_cmpuint(made_up_n_pins, ==, 3);
	g_assert_cmphex(fixture->watched[1], ==, 0);
	put(fixture, NOTIFY + 4, 2, 1);
	assert_calls(fixture, "");
	set_queue(fixture, 1);
	assert_calls(fixture, "1");
	/* While it is enabled, nothing of it changes. */
	put(fixture, QUEUE_SIZE, 2, 2);
	put(fixture, QUEUE_AREAS, 8, 0);
	g_assert_cmpuint(get(fixture, QUEUE_SIZE, 2), ==, SIZE);
	g_assert_cmphex(get(fixture, QUEUE_AREAS, 8), ==, MADE_UP_RAM + 0x4000);
}

static void push_one(Fixture *fixture)
{
	VirtioQueue *queue = virtio_device_queue(fixture->device, 0);

	made_up_store(MADE_UP_RAM, 8, MADE_UP_RAM + 0x3000);
	made_up_store(MADE_UP_RAM + 8, 8, 16);
	made_up_store(MADE_UP_RAM + 0x1002, 2, made_up_load(MADE_UP_RAM + 0x1002, 2) + 1);
	virtio_queue_push(queue, virtio_queue_pop(queue, NULL), 0);
	virtio_queue_notify(queue);
}

static void test_messages(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	enable_msix(fixture);
	put(fixture, CONFIG_VECTOR, 2, 3);
	g_assert_cmphex(get(fixture, CONFIG_VECTOR, 2), ==, 0xffff);
	go(fixture, 0);
	put(fixture, CONFIG_VECTOR, 2, 0);
	push_one(fixture);
	g_assert_true(made_up_take_message(1));
	g_assert_false(made_up_take_message(0) || made_up_take_message(2));
	virtio_device_config_changed(fixture->device);
	g_assert_true(made_up_take_message(0));
	g_assert_cmpuint(get(fixture, GENERATION, 1), ==, 1);
	g_assert_cmpuint(get(fixture, ISR, 1), ==, 0);
}

static void test_intx(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	go(fixture, 0);
	push_one(fixture);
	virtio_device_config_changed(fixture->device);
	made_up_serve_signals();
	g_assert_true(pci_bus_read_config(fixture->root, 0, DEVFN, PCI_STATUS, 2) &
		      PCI_STATUS_INTERRUPT);
	g_assert_cmpuint(get(fixture, ISR, 1), ==, 3);
	g_assert_cmpuint(get(fixture, ISR, 1), ==, 0);
	g_assert_false(pci_bus_read_config(fixture->root, 0, DEVFN, PCI_STATUS, 2) &
		       PCI_STATUS_INTERRUPT);
}

static void test_broken(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	enable_msix(fixture);
	go(fixture, 0);
	put(fixture, CONFIG_VECTOR, 2, 0);
	made_up_pins[1]->lost(made_up_pins[1]->opaque);
	made_up_pins[2]->lost(made_up_pins[2]->opaque);
	g_assert_cmphex(get(fixture, STATUS, 1), ==, RUNNING | VIRTIO_CONFIG_S_NEEDS_RESET);
	g_assert_true(made_up_take_message(0));
	put(fixture, STATUS, 1, 0);
	g_assert_cmphex(get(fixture, STATUS, 1), ==, 0);
}

/* A ring that the guest has taken away is not used any more, whatever it kicks; the next one is. */
static void test_lost(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	VirtioQueue *queue;

	enable_msix(fixture);
	go(fixture, 0);
	queue = virtio_device_queue(fixture->device, 0);
	g_assert_true(virtio_queue_is_enabled(queue));
	made_up_pins[1]->lost(made_up_pins[1]->opaque);
	g_assert_false(virtio_queue_is_enabled(queue));
	g_assert_null(virtio_queue_pop(queue, NULL));
	g_assert_true(virtio_queue_enable_kicks(queue));
	put(fixture, STATUS, 1, 0);
	go(fixture, 0);
	g_assert_true(virtio_queue_is_enabled(queue));
}

static void test_configuration(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint size = 1; size <= 8; size *= 2)
		for (guint offset = 0; offset < 16; offset++) {
			put(fixture, CONFIG + offset, size, G_MAXUINT64);
			get(fixture, CONFIG + offset, size);
		}
	g_assert_cmphex(get(fixture, CONFIG, 8), ==, 0xffffffffffff);
	put(fixture, CONFIG + 2, 2, 0x1234);
	g_assert_cmphex(get(fixture, CONFIG, 4), ==, 0x1234ffff);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "/virtio-pci/features", test_features },
		{ "/virtio-pci/life", test_life },
		{ "/virtio-pci/pause", test_pause },
		{ "/virtio-pci/bus-master", test_bus_master },
		{ "/virtio-pci/queue-reset", test_queue_reset },
		{ "/virtio-pci/messages", test_messages },
		{ "/virtio-pci/intx", test_intx },
		{ "/virtio-pci/broken", test_broken },
		{ "/virtio-pci/lost", test_lost },
		{ "/virtio-pci/configuration", test_configuration },
	};

	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, NULL, start, tests[i].test, end);
	return g_test_run();
}
