/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pflash-fuzz.c - libFuzzer target: a guest that reads and writes a unit of flash memory
 *
 * The input is a list of steps of a fixed size: accesses of every width, resets, and stores
 * that begin or cease to fail. Whatever the guest does, what it has been told is stored; a
 * change is stored in one block at a time; and a unit that is read-only does not change.
 *
 *     pflash-fuzz CORPUS
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "vmm/chipset/pflash.h"

#define SIZE  (3 * PFLASH_BLOCK_SIZE)
#define START 0xffc00000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint8 action;
	guint8 command;
	guint16 offset;
	guint32 value;
} Step;

typedef struct {
	Bus *bus;
	Pflash *pflash;
	guint8 *content;
	guint8 *durable;
	gboolean is_array;
	gboolean is_readonly;
	gboolean is_broken;
} World;

static void set_readable(void *opaque, gboolean is_array)
{
	World *world = opaque;

	g_assert_cmpint(is_array, !=, world->is_array);
	world->is_array = is_array;
}

static gboolean store(void *opaque, guint64 offset, gsize size)
{
	World *world = opaque;

	g_assert_false(world->is_readonly);
	g_assert_cmpuint(size, >, 0);
	g_assert_cmpuint(offset + size, <=, SIZE);
	g_assert_cmpuint(offset / PFLASH_BLOCK_SIZE, ==, (offset + size - 1) / PFLASH_BLOCK_SIZE);
	if (!world->is_broken)
		memcpy(world->durable + offset, world->content + offset, size);
	return !world->is_broken;
}

static const PflashHost host = { .set_readable = set_readable, .store = store };

static void check_durable(const World *world)
{
	g_assert_cmpmem(world->durable, SIZE, world->content, SIZE);
}

static guint choose_width(const Step *step)
{
	static const guint widths[] = { 1, 1, 1, 2, 4, 8, 3, 5 };

	return widths[step->action >> 4 & 7];
}

/* Half of the writes are commands that there are. */
static guint64 choose_value(const Step *step)
{
	static const guint8 commands[] = {
		0x10, 0x40, 0x20, 0xd0, 0xe8, 0x60, 0x50, 0x70, 0x90, 0x98, 0xff, 0x00,
	};

	if (step->command & 0x80)
		return step->value;
	return commands[step->command % G_N_ELEMENTS(commands)];
}

static void check_read(World *world, const Step *step, guint64 address)
{
	guint64 offset = step->offset % SIZE;
	guint64 value = bus_read(world->bus, address, choose_width(step));

	check_durable(world);
	if (world->is_array)
		g_assert_cmphex(value & 0xff, ==, world->content[offset]);
}

static void take_step(World *world, const Step *step)
{
	guint64 address = START + step->offset % SIZE;

	switch (step->action & 15) {
	case 0:
	case 1:
		check_read(world, step, address);
		break;
	default:
		bus_write(world->bus, address, choose_width(step), choose_value(step));
		break;
	case 13:
		world->is_broken = step->value & 1;
		break;
	case 14:
		pflash_flush(world->pflash);
		check_durable(world);
		break;
	case 15:
		pflash_reset(world->pflash);
		g_assert_true(world->is_array);
		check_durable(world);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree guint8 *content = g_malloc0(SIZE), *durable = g_malloc0(SIZE);
	World world = {
		.bus = bus_new("fuzz"),
		.content = content,
		.durable = durable,
		.is_array = TRUE,
		.is_readonly = size % 2,
	};
	Step step;

	world.pflash = pflash_new(content, SIZE, world.is_readonly, &host, &world);
	bus_add(world.bus, START, SIZE, "flash", &pflash_operations, world.pflash);
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		take_step(&world, &step);
	}
	pflash_reset(world.pflash);
	check_durable(&world);
	pflash_free(world.pflash);
	bus_free(world.bus);
	return 0;
}
