/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-world.h - what fuzzers of virtio devices have around these
 *
 * A root bus with the device at SLOT, whose structures are at STRUCTURES, an I/O thread that runs
 * when the fuzzer has it run, and memory that is made up. Rings are split ones of QUEUE_SIZE, each
 * in pages of its own.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../unit/made-up-machine.h"
#include "input.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/pci/pci-bus.h"
#include "vmm/virtio/device.h"

#define STRUCTURES  0xc0000000ull
#define MSIX	    0xc0010000ull
#define SLOT	    3u
#define DEVFN	    (SLOT << 3)
#define QUEUES_MAX  5u
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

typedef struct {
	DeviceSurroundings surroundings;
	PciBus *root;
	IoThread *thread;
	guint16 available[QUEUES_MAX];
	gboolean is_paused;
} VirtioWorld;

static void send_msi(void *opaque, guint64 address, guint32 data)
{
	(void)opaque;
	(void)address;
	(void)data;
}

static inline void world_ignore_log(const gchar *domain, GLogLevelFlags level, const gchar *message,
				    gpointer data)
{
	(void)domain;
	(void)level;
	(void)message;
	(void)data;
}

/* All but the device. */
static inline void world_start(VirtioWorld *world, const DeviceHost *host)
{
	PciRoot root = { .send_msi = send_msi };

	device_surroundings_init(&world->surroundings, host, NULL);
	world->surroundings.messages = made_up_messages;
	root.ports = world->surroundings.ports;
	root.mmio = world->surroundings.mmio;
	world->root = pci_bus_new_root(&root);
	world->thread = io_thread_new("io", NULL, NULL);
	device_registry_add(world->surroundings.registry, "io", &io_thread_device_operations,
			    world->thread);
	memset(made_up_ram, 0, sizeof(made_up_ram));
}

/* @id: the device's */
static inline void world_end(VirtioWorld *world, const char *id)
{
	device_registry_remove(world->surroundings.registry, id);
	pci_bus_free(world->root);
	device_surroundings_clear(&world->surroundings);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	g_assert_cmpuint(made_up_n_messages, ==, 0);
	g_assert_cmpuint(made_up_signals->len, ==, 0);
}

/*
 * world_make_device - make the device that is looked at
 * @object: what it is to be besides "iothread"
 * @is_alone: there can be but one of it: another one is refused
 */
static inline void world_make_device(VirtioWorld *world, const DeviceType *type, const char *id,
				     JsonObject *object, gboolean is_alone)
{
	g_autofree char *owner = g_strdup_printf("device '%s'", id);
	const DeviceContext context = {
		.surroundings = &world->surroundings,
		.id = id,
		.owner = owner,
		.bus = world->root,
		.slot = SLOT,
	};
	g_autofree void *description = g_malloc0(type->description_size);
	const JsonFieldSet set = { type->fields, description };

	json_object_set_string_member(object, "iothread", "io");
	g_assert_true(json_fields_read(object, context.owner, &set, 1, NULL));
	g_assert_true(type->create(&context, description, NULL));
	if (is_alone)
		g_assert_false(type->create(&context, description, NULL));
	json_fields_clear(&set, 1);
}

static inline void write_config(VirtioWorld *world, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(world->root, 0, DEVFN, offset, size, value);
}

/* Powered, and where the steps look for it. */
static inline void place_bars(VirtioWorld *world)
{
	guint at = pci_bus_read_config(world->root, 0, DEVFN, PCI_CAPABILITY_LIST, 1);

	while (pci_bus_read_config(world->root, 0, DEVFN, at, 1) != PCI_CAP_ID_PM)
		at = pci_bus_read_config(world->root, 0, DEVFN, at + PCI_CAP_LIST_NEXT, 1);
	write_config(world, at + PCI_PM_CTRL, 2, 0);
	write_config(world, PCI_BASE_ADDRESS_1, 4, MSIX);
	write_config(world, PCI_BASE_ADDRESS_4, 4, STRUCTURES);
	write_config(world, PCI_BASE_ADDRESS_5, 4, 0);
	write_config(world, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
}

static inline void write_bar(VirtioWorld *world, guint offset, guint size, guint64 value)
{
	bus_write(world->surroundings.mmio, STRUCTURES + offset, size, value);
}

static inline guint64 read_bar(VirtioWorld *world, guint offset, guint size)
{
	return bus_read(world->surroundings.mmio, STRUCTURES + offset, size);
}

/* A reset, and then as far as the queues come. */
static inline void agree_on(VirtioWorld *world, guint64 features)
{
	write_bar(world, STATUS, 1, 0);
	for (guint i = 0; i < 2; i++) {
		write_bar(world, DRIVER_FEATURE_SELECT, 4, i);
		write_bar(world, DRIVER_FEATURE, 4, features >> i * 32 & G_MAXUINT32);
	}
	write_bar(world, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK);
}

/* So many queues, with split rings that are empty. */
static inline void enable_queues(VirtioWorld *world, guint queues)
{
	memset(world->available, 0, sizeof(world->available));
	memset(made_up_ram, 0, RING(queues) - RING(0));
	for (guint queue = 0; queue < queues; queue++) {
		write_bar(world, QUEUE_SELECT, 2, queue);
		write_bar(world, QUEUE_SIZE_REGISTER, 2, QUEUE_SIZE);
		for (guint i = 0; i < 3; i++)
			write_bar(world, QUEUE_AREAS + i * 8, 4, RING(queue) + i * 0x1000);
		write_bar(world, QUEUE_ENABLE, 2, 1);
	}
	write_bar(world, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A chain: for each descriptor where, how much, and whether it is written. */
static inline void add_chain(VirtioWorld *world, Input *input, guint queue)
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

/* That the guest writes, anywhere in its RAM. */
static inline void write_bytes(Input *input)
{
	const guint64 offset = get(input, 2) * 4ull;
	const guint count = get(input, 1) % 64;

	for (guint i = 0; i < count; i++)
		made_up_store(MADE_UP_RAM + offset + i, 1, get(input, 1));
}

static inline void pause_or_go_on(VirtioWorld *world)
{
	world->is_paused = !world->is_paused;
	if (world->is_paused)
		device_registry_pause(world->surroundings.registry);
	else
		device_registry_resume(world->surroundings.registry);
}
