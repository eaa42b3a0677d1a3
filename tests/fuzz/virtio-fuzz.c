/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-fuzz.c - libFuzzer target: a driver of a virtio device that does what it likes
 *
 * Theory of operation
 *
 * The device is virtio-rng on the transport and queues of all. The first byte says how it is
 * described; the rest is a list of steps of a fixed size: accesses to configuration space, to the
 * structures and the MSI-X table, writes to the pages where rings, tables and buffers may be, what
 * the machine does (pause, reset), and a page that becomes private. One step does what a driver
 * has to do to get a queue, so that an input gets there.
 *
 * What the I/O thread is woken for it does after each step. Nothing may be read or written beyond
 * a ring that is pinned: a pin is a buffer of its size. Three areas are pinned for each queue that
 * says that it is enabled; a device that is not started has none in the end; and what was opened is
 * closed.
 *
 *     virtio-fuzz CORPUS
 */
#include <stdint.h>

#include "virtio-world.h"
#include "vmm/virtio/virtio-rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID "rng0"

/* How the device is described. */
enum { HAS_PACKED = 1, HAS_IOMMU = 2, HAS_LIMIT = 4 };

typedef enum {
	STEP_CONFIG_WRITE,
	STEP_CONFIG_READ,
	STEP_WRITE,
	STEP_READ,
	STEP_MSIX_WRITE,
	STEP_STORE,
	STEP_STORE_AGAIN,
	STEP_BUFFER,
	STEP_SET_UP,
	STEP_KICK,
	STEP_PAUSE,
	STEP_RESET,
	STEP_LOSE,
	N_STEPS,
} StepType;

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 where;
	guint16 offset;
	guint64 value;
} Step;

static const DeviceHost host = { .make_signal = made_up_make_signal };

static void make_device(VirtioWorld *world, guint8 how)
{
	g_autoptr(JsonObject) object = json_object_new();

	json_object_set_boolean_member(object, "packed", (how & HAS_PACKED) != 0);
	json_object_set_boolean_member(object, "iommu_platform", (how & HAS_IOMMU) != 0);
	/* A period that does not end. */
	json_object_set_int_member(object, "period", 3600000);
	if (how & HAS_LIMIT)
		json_object_set_int_member(object, "max-bytes", 100);
	world_make_device(world, &virtio_rng_type, ID, object, FALSE);
}

/* @value: features in its low half, then what is wrong about the queue */
static void set_up(VirtioWorld *world, guint8 where, guint16 offset, guint64 value)
{
	guint64 features = VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | (value & 3) << 28 |
			   (value >> 2 & 3) << 33 | (value >> 4 & 1) << 40;

	place_bars(world);
	agree_on(world, features);
	write_bar(world, QUEUE_SELECT, 2, 0);
	write_bar(world, QUEUE_SIZE_REGISTER, 2, where & 0x7f);
	for (guint i = 0; i < 3; i++)
		write_bar(world, QUEUE_AREAS + i * 8, 8,
			  MADE_UP_RAM + i * 0x1000 + (offset >> i * 4 & 0xf));
	write_bar(world, QUEUE_ENABLE, 2, 1);
	write_bar(world, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/* A descriptor that points to where something may be; and the index of what is available. */
static void put_buffer(guint8 where, guint16 offset, guint64 value)
{
	guint64 at = MADE_UP_RAM + (where & 0x80 ? 0x3000 : 0) + (where & 0xf) * 16ull;

	made_up_store(at, 8, MADE_UP_RAM + 0x3000 + (value & 0xffff));
	made_up_store(at + 8, 4, value >> 16 & 0xffff);
	made_up_store(at + 12, 4, value >> 32);
	made_up_store(MADE_UP_RAM + 0x1000 + 4 + (offset & 0xf) * 2, 2, where & 0xf);
	made_up_store(MADE_UP_RAM + 0x1000 + 2, 2, offset);
}

static void take_step(VirtioWorld *world, const Step *step)
{
	guint size = 1u << step->where % 4;
	guint config_size = MIN(size, 4);
	guint offset = step->offset;

	switch (step->type % N_STEPS) {
	case STEP_CONFIG_WRITE:
		write_config(world, offset % 0x100 & ~(config_size - 1), config_size,
			     (guint32)step->value);
		break;
	case STEP_CONFIG_READ:
		pci_bus_read_config(world->root, 0, DEVFN, offset % 0x100 & ~(config_size - 1),
				    config_size);
		break;
	case STEP_WRITE:
		/* Most of it is empty. */
		write_bar(world, (offset & 0x3000) + offset % 64, size, step->value);
		break;
	case STEP_READ:
		read_bar(world, offset & 0x3fff, size);
		break;
	case STEP_MSIX_WRITE:
		bus_write(world->surroundings.mmio, MSIX + (offset & 0xfff), size, step->value);
		break;
	case STEP_STORE:
	case STEP_STORE_AGAIN:
		made_up_store(MADE_UP_RAM + offset % 0x5000, size, step->value);
		break;
	case STEP_BUFFER:
		put_buffer(step->where, step->offset, step->value);
		break;
	case STEP_SET_UP:
		set_up(world, step->where, step->offset, step->value);
		break;
	case STEP_KICK:
		write_bar(world, NOTIFY + offset % 16, 2, step->value);
		break;
	case STEP_PAUSE:
		device_registry_pause(world->surroundings.registry);
		made_up_run(world->thread);
		device_registry_resume(world->surroundings.registry);
		break;
	case STEP_RESET:
		reset_machine(world);
		break;
	case STEP_LOSE:
		lose_pin(step->where);
		break;
	}
}

static void check(VirtioWorld *world)
{
	made_up_run(world->thread);
	made_up_serve_signals();
	place_bars(world);
	check_pins(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	VirtioWorld world = { 0 };

	if (size < 1)
		return 0;
	world_start(&world, &host);
	make_device(&world, data[0]);
	place_bars(&world);
	for (size_t at = 1; at + sizeof(Step) <= size; at += sizeof(Step)) {
		Step step;

		memcpy(&step, data + at, sizeof(step));
		take_step(&world, &step);
		check(&world);
	}
	write_bar(&world, STATUS, 1, 0);
	g_assert_cmpuint(made_up_n_pins, ==, 0);
	world_end(&world, ID);
	return 0;
}
