/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-world.h - what fuzzers of virtio devices have around these
 *
 * A root bus with the device at SLOT, whose structures are at STRUCTURES, an I/O thread that runs
 * when the fuzzer has it run, and memory that is made up. Rings are of either kind, each in pages
 * of its own; what they are and which of the transport's features are agreed on, a byte of the
 * input says: "how" below.
 *
 * touch_transport() is what a guest may do to any device, besides what is in its queues.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "../unit/made-up-machine.h"
#include "input.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/pci/pci-bus.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/pci.h"

#define STRUCTURES  0xc0000000ull
#define MSIX	    0xc0010000ull
#define SLOT	    3u
#define DEVFN	    (SLOT << 3)
#define QUEUES_MAX  8u
#define QUEUE_SIZE  64u
#define RING(queue) (MADE_UP_RAM + (queue)*0x3000ull)

/* Behind a queue's third area: an indirect table of CHAIN_MAX. */
#define TABLE(queue) (RING(queue) + 0x2800)
#define CHAIN_MAX    8u

/* Behind the rings of QUEUES_MAX. */
#define BUFFERS (MADE_UP_RAM + 0x18000ull)

/* Of the common structure, and where the device's is. */
enum {
	DEVICE_FEATURE_SELECT = 0,
	DEVICE_FEATURE = 4,
	DRIVER_FEATURE_SELECT = 8,
	DRIVER_FEATURE = 12,
	STATUS = 20,
	QUEUE_SELECT = 22,
	QUEUE_SIZE_REGISTER = 24,
	QUEUE_VECTOR = 26,
	QUEUE_ENABLE = 28,
	QUEUE_AREAS = 32,
	QUEUE_RESET = 58,
	CONFIG = 0x2000,
	NOTIFY = 0x3000,
};

/* How rings are. */
enum {
	RINGS_PACKED = 1 << 0,
	RINGS_WITHOUT_INDIRECT = 1 << 1,
	RINGS_EVENT_INDEX = 1 << 2,
	RINGS_SMALL = 1 << 3,
	RINGS_MSIX = 1 << 4,
};

typedef struct {
	guint64 gpa;
	guint32 size;
	guint16 flags; /* VRING_DESC_F_WRITE and _INDIRECT */
} Piece;

typedef struct {
	DeviceSurroundings surroundings;
	PciBus *root;
	IoThread *thread;
	guint queues; /* that a driver enables */
	guint how;
	guint size; /* of each */
	struct {
		guint16 next; /* index of what is available; place in a packed ring */
		gboolean wrap;
	} rings[QUEUES_MAX];
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

/*
 * world_add_device - the same with a device of the fuzzer's own making, behind the transport
 * @config: its opaque is the transport's from then on
 */
static inline VirtioDevice *world_add_device(VirtioWorld *world, const char *id,
					     const VirtioDeviceConfig *config)
{
	const DeviceContext context = {
		.surroundings = &world->surroundings,
		.id = id,
		.owner = id,
		.bus = world->root,
		.slot = SLOT,
	};
	char name[] = "io";
	const VirtioOptions options = { .iothread = name, .packed = TRUE };
	VirtioDevice *device = virtio_pci_new(&context, &options, config, NULL);

	g_assert_nonnull(device);
	return device;
}

static inline void write_config(VirtioWorld *world, guint offset, guint size, guint32 value)
{
	pci_bus_write_config(world->root, 0, DEVFN, offset, size, value);
}

static inline guint find_capability(VirtioWorld *world, guint id)
{
	guint at = pci_bus_read_config(world->root, 0, DEVFN, PCI_CAPABILITY_LIST, 1);

	while (pci_bus_read_config(world->root, 0, DEVFN, at, 1) != id)
		at = pci_bus_read_config(world->root, 0, DEVFN, at + PCI_CAP_LIST_NEXT, 1);
	return at;
}

/* Powered, and where the steps look for it. */
static inline void place_bars(VirtioWorld *world)
{
	write_config(world, find_capability(world, PCI_CAP_ID_PM) + PCI_PM_CTRL, 2, 0);
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

/* @select, @half: the registers by which a half is chosen, and where it is */
static inline guint64 read_features(VirtioWorld *world, guint select, guint half)
{
	guint64 features = 0;

	for (guint i = 0; i < 2; i++) {
		write_bar(world, select, 4, i);
		features |= read_bar(world, half, 4) << i * 32;
	}
	return features;
}

/* What the device and its transport offer now. */
static inline guint64 offered_features(VirtioWorld *world)
{
	return read_features(world, DEVICE_FEATURE_SELECT, DEVICE_FEATURE);
}

/* What was written last, whether it was agreed on or not. */
static inline guint64 agreed_features(VirtioWorld *world)
{
	return read_features(world, DRIVER_FEATURE_SELECT, DRIVER_FEATURE);
}

/* @how: RINGS_* */
static inline guint64 ring_features(guint how)
{
	return VIRTIO_FEATURE(VIRTIO_F_VERSION_1) | VIRTIO_FEATURE(VIRTIO_F_RING_RESET) |
	       (how & RINGS_PACKED ? VIRTIO_FEATURE(VIRTIO_F_RING_PACKED) : 0) |
	       (how & RINGS_WITHOUT_INDIRECT ? 0 : VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC)) |
	       (how & RINGS_EVENT_INDEX ? VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0);
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

static inline void enable_msix(VirtioWorld *world)
{
	write_config(world, find_capability(world, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2,
		     PCI_MSIX_FLAGS_ENABLE);
	for (guint i = 0; i <= world->queues; i++)
		bus_write(world->surroundings.mmio,
			  MSIX + i * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL, 4, 0);
}

/* With a ring that is empty. */
static inline void enable_queue(VirtioWorld *world, guint queue)
{
	memset(made_up_address(RING(queue), 0x3000), 0, 0x3000);
	world->rings[queue].next = 0;
	world->rings[queue].wrap = TRUE;
	write_bar(world, QUEUE_SELECT, 2, queue);
	write_bar(world, QUEUE_SIZE_REGISTER, 2, world->size);
	if (world->how & RINGS_MSIX)
		write_bar(world, QUEUE_VECTOR, 2, queue);
	for (guint i = 0; i < 3; i++)
		write_bar(world, QUEUE_AREAS + i * 8, 4, RING(queue) + i * 0x1000);
	write_bar(world, QUEUE_ENABLE, 2, 1);
}

static inline void reset_queue(VirtioWorld *world, guint queue)
{
	write_bar(world, QUEUE_SELECT, 2, queue);
	write_bar(world, QUEUE_RESET, 2, 1);
}

/* So many queues, after what was agreed on. @how: RINGS_* */
static inline void enable_queues(VirtioWorld *world, guint queues, guint how)
{
	world->queues = queues;
	world->how = how;
	world->size = how & RINGS_SMALL ? 4 : QUEUE_SIZE;
	/* One that is no power of two, as it may be. */
	if (how & RINGS_PACKED)
		world->size--;
	if (how & RINGS_MSIX)
		enable_msix(world);
	for (guint i = 0; i < queues; i++)
		enable_queue(world, i);
	write_bar(world, STATUS, 1, VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
}

/*
 * A driver as it should be. @features: the device's, which are agreed on as far as they are
 * offered; @how: RINGS_*
 */
static inline void start_driver(VirtioWorld *world, guint64 features, guint queues, guint how)
{
	place_bars(world);
	agree_on(world, (features | ring_features(how)) & offered_features(world));
	enable_queues(world, queues, how);
}

static inline void put_descriptor(guint64 at, const Piece *piece, guint16 id_or_flags,
				  guint16 flags_or_next)
{
	made_up_store(at, 8, piece->gpa);
	made_up_store(at + 8, 4, piece->size);
	made_up_store(at + 12, 2, id_or_flags);
	made_up_store(at + 14, 2, flags_or_next);
}

/* @head: its first descriptor, where a driver has the choice */
static inline void put_split(VirtioWorld *world, guint queue, const Piece *pieces, guint count,
			     guint head)
{
	const guint next = world->rings[queue].next++;

	for (guint i = 0; i < count; i++)
		put_descriptor(RING(queue) + (head + i) % world->size * 16, &pieces[i],
			       pieces[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0),
			       (guint16)((head + i + 1) % world->size));
	made_up_store(RING(queue) + 0x1000 + 4 + next % world->size * 2, 2, head % world->size);
	made_up_store(RING(queue) + 0x1000 + 2, 2, next + 1);
}

/* @id: of the buffer, which is the driver's affair */
static inline void put_packed(VirtioWorld *world, guint queue, const Piece *pieces, guint count,
			      guint id)
{
	for (guint i = 0; i < count; i++) {
		const guint place = world->rings[queue].next;
		const guint16 sense = world->rings[queue].wrap ? 1 << VRING_PACKED_DESC_F_AVAIL :
								 1 << VRING_PACKED_DESC_F_USED;

		put_descriptor(RING(queue) + place * 16ull, &pieces[i], (guint16)id,
			       pieces[i].flags | sense | (i + 1 < count ? VRING_DESC_F_NEXT : 0));
		world->rings[queue].next = (guint16)((place + 1) % world->size);
		if (place + 1 == world->size)
			world->rings[queue].wrap = !world->rings[queue].wrap;
	}
}

/*
 * put_chain - make a chain available
 * @count:       CHAIN_MAX at most
 * @is_indirect: by a table, where that was agreed on
 */
static inline void put_chain(VirtioWorld *world, guint queue, const Piece *pieces, guint count,
			     guint head, gboolean is_indirect)
{
	const gboolean is_packed = (world->how & RINGS_PACKED) != 0;
	const Piece table = { TABLE(queue), count * 16, VRING_DESC_F_INDIRECT };

	g_assert_cmpuint(count, <=, CHAIN_MAX);
	is_indirect = is_indirect && !(world->how & RINGS_WITHOUT_INDIRECT);
	for (guint i = 0; is_indirect && i < count; i++) {
		const guint flags = pieces[i].flags | (i + 1 < count ? VRING_DESC_F_NEXT : 0);

		put_descriptor(TABLE(queue) + i * 16ull, &pieces[i], is_packed ? 0 : flags,
			       is_packed ? flags : i + 1);
	}
	if (is_indirect) {
		pieces = &table;
		count = 1;
	}
	if (is_packed)
		put_packed(world, queue, pieces, count, head);
	else
		put_split(world, queue, pieces, count, head);
}

/* A chain: for each descriptor where, how much, and whether it is written. */
static inline void add_chain(VirtioWorld *world, Input *input, guint queue)
{
	const guint shape = get(input, 1), count = 1 + shape % 4;
	const guint head = get(input, 1);
	Piece pieces[CHAIN_MAX];

	for (guint i = 0; i < count; i++) {
		const guint flags = get(input, 1);

		pieces[i] = (Piece){
			.gpa = (flags & 0x80 ? 0 : MADE_UP_RAM) +
			       (flags & 0x10 ? get(input, 3) * 8ull : get(input, 2) * 4ull) +
			       (flags & 0x20 ? G_MAXUINT64 << 31 : 0),
			.size = get(input, flags & 0x40 ? 4 : 2),
			.flags = flags & (VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT),
		};
	}
	put_chain(world, queue, pieces, count, head, shape >= 0xc0);
}

/* What drivers give to receive by, and what they send: one piece. */
static inline void add_buffer(VirtioWorld *world, Input *input, guint queue, gboolean is_written)
{
	const Piece piece = {
		.gpa = BUFFERS + get(input, 1) * 0x200ull,
		.size = get(input, 2) % 0x2000,
		.flags = is_written ? VRING_DESC_F_WRITE : 0,
	};

	put_chain(world, queue, &piece, 1, world->rings[queue].next, FALSE);
}

static inline void kick(VirtioWorld *world, guint queue)
{
	write_bar(world, NOTIFY + queue * 4, 2, queue);
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

/* The guest makes the page of a ring private. */
static inline void lose_pin(guint which)
{
	MemoryPin *pin;

	if (made_up_n_pins == 0)
		return;
	pin = made_up_pins[which % made_up_n_pins];
	memset(pin->content, 0, pin->size);
	pin->lost(pin->opaque);
}

/* The bus is given a reset, and the machine has one. */
static inline void reset_machine(VirtioWorld *world)
{
	pci_bus_reset(world->root);
	device_registry_reset(world->surroundings.registry);
	place_bars(world);
}

/* What a driver has of any device. What may wait for a device's work has it waited for. */
static inline void touch_transport(VirtioWorld *world, Input *input, guint queue)
{
	const guint choice = get(input, 1), size = 1u << choice / 8 % 3;
	guint offset;

	switch (choice % 8) {
	case 0:
		offset = get(input, 1) & ~(size - 1);
		write_config(world, offset, size, get(input, 4));
		break;
	case 1:
		offset = get(input, 2);
		pci_bus_read_config(world->root, 0, DEVFN, offset % 0x100 & ~(size - 1), size);
		read_bar(world, offset & 0x3fff, size);
		break;
	case 2:
		offset = get(input, 1);
		write_bar(world, (offset & 0xc0) << 6 | offset % 64, size, get(input, 4));
		break;
	case 3:
		offset = get(input, 2) & 0xfff;
		bus_write(world->surroundings.mmio, MSIX + offset, size, get(input, 4));
		break;
	case 4:
		lose_pin(choice / 8);
		break;
	case 5:
		reset_queue(world, queue);
		if (choice & 0x80)
			enable_queue(world, queue);
		break;
	case 6:
		/* Without the bus, until the next step of these. */
		place_bars(world);
		write_config(world, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
		return;
	case 7:
		reset_machine(world);
		break;
	}
	place_bars(world);
}

/* Each queue that says that it is enabled has three areas pinned, and there are no others. */
static inline void check_pins(VirtioWorld *world)
{
	guint n_enabled = 0;

	for (guint i = 0; i < QUEUES_MAX; i++) {
		guint64 is_enabled;

		write_bar(world, QUEUE_SELECT, 2, i);
		is_enabled = read_bar(world, QUEUE_ENABLE, 2);
		g_assert_cmpuint(is_enabled, <=, 1);
		n_enabled += (guint)is_enabled;
	}
	g_assert_cmpuint(made_up_n_pins, ==, n_enabled * 3);
}

/* What the I/O thread is woken for, so many turns of it. */
static inline void run_thread(VirtioWorld *world, guint turns)
{
	while (turns-- > 0 && g_main_context_iteration(world->thread->context, FALSE))
		;
}
