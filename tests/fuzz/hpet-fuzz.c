/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * hpet-fuzz.c - libFuzzer target: a guest that reads and writes the event timers
 *
 * The input is a list of steps of a fixed size: accesses, time, deadlines, resets. Whatever
 * the guest does, only lines that a timer may have are used and told of changes, and a
 * deadline that is over does not come back at once.
 *
 *     hpet-fuzz CORPUS
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "vmm/chipset/hpet.h"

#define ROUTES 0x00f00004u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint8 action;
	guint8 where;
	guint16 offset;
	guint64 value;
} Step;

typedef struct {
	Bus *bus;
	Hpet *hpet;
	gint64 now;
	gint64 deadline;
	guint32 levels;
} World;

static void set_interrupt(void *opaque, guint line, gboolean level)
{
	World *world = opaque;

	g_assert_cmpuint(line, <, 32);
	g_assert_cmphex(ROUTES & 1u << line, !=, 0);
	g_assert_cmpint((world->levels >> line) & 1, !=, level);
	world->levels ^= 1u << line;
}

static gint64 clock_now(void *opaque)
{
	return ((World *)opaque)->now;
}

static void clock_arm(void *opaque, gint64 deadline)
{
	((World *)opaque)->deadline = deadline;
}

static guint64 choose_address(const Step *step)
{
	static const guint16 offsets[] = {
		0x000, 0x010, 0x020, 0x0f0, 0x100, 0x108, 0x120, 0x128, 0x140, 0x148,
	};

	if (step->where < 240)
		return HPET_ADDRESS + offsets[step->where % G_N_ELEMENTS(offsets)] +
		       (step->offset & 4);
	return HPET_ADDRESS + step->offset % HPET_SIZE;
}

static guint choose_width(const Step *step)
{
	static const guint widths[] = { 4, 4, 4, 8, 8, 1, 2, 3 };

	return widths[step->action >> 4 & 7];
}

static void pass_time(World *world, const Step *step)
{
	const gint64 far_future = 1ll << 62;

	if (world->now < far_future)
		world->now += step->value >> (step->where & 63) & ((1ll << 60) - 1);
}

static void expire(World *world)
{
	if (world->deadline != DEVICE_TIMER_NEVER && world->deadline > world->now)
		world->now = world->deadline;
	hpet_expired(world->hpet);
	g_assert_cmpint(world->deadline, >, world->now);
}

static void take_step(World *world, const Step *step)
{
	switch (step->action & 15) {
	case 0:
	case 1:
	case 2:
		bus_read(world->bus, choose_address(step), choose_width(step));
		break;
	default:
		bus_write(world->bus, choose_address(step), choose_width(step), step->value);
		break;
	case 13:
		pass_time(world, step);
		break;
	case 14:
		expire(world);
		break;
	case 15:
		hpet_reset(world->hpet);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	World world = { .bus = bus_new("fuzz"), .deadline = DEVICE_TIMER_NEVER };
	const InterruptLine interrupt = { .set = set_interrupt, .opaque = &world };
	const DeviceTimer timer = { .now = clock_now, .arm = clock_arm, .opaque = &world };
	Step step;

	world.hpet = hpet_new(&interrupt, ROUTES, &timer);
	bus_add(world.bus, HPET_ADDRESS, HPET_SIZE, "hpet", &hpet_operations, world.hpet);
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		take_step(&world, &step);
	}
	hpet_reset(world.hpet);
	g_assert_cmphex(world.levels, ==, 0);
	g_assert_cmpint(world.deadline, ==, DEVICE_TIMER_NEVER);
	hpet_free(world.hpet);
	bus_free(world.bus);
	return 0;
}
