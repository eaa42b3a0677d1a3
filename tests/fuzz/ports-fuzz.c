/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ports-fuzz.c - libFuzzer target: a guest that reads and writes the chipset's ports
 *
 * The input is a list of steps of a fixed size: port accesses of every width, and what comes
 * from the other side meanwhile: time, input on the serial line, a press of the power button,
 * a reset. Whatever the guest does, an interrupt line is only told of changes, a deadline that
 * is over does not come back at once, and nothing is sent but what the guest wrote.
 *
 *     ports-fuzz CORPUS
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/chipset.h"
#include "vmm/chipset/i8042.h"
#include "vmm/chipset/reset.h"

#define DEBUG_EXIT_PORT 0xf4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint8 action;
	guint8 where;
	guint16 port;
	guint64 value;
} Step;

typedef struct {
	gint64 now;
	gint64 deadline;
} Clock;

typedef struct {
	Chipset *chipset;
	gboolean levels[24];
	Clock rtc_clock, pm_clock;
	guint n_transmitted;
	guint n_written;
} World;

static void set_interrupt(void *opaque, guint gsi, gboolean level)
{
	World *world = opaque;

	g_assert_cmpuint(gsi, <, G_N_ELEMENTS(world->levels));
	g_assert_cmpint(world->levels[gsi], !=, level);
	world->levels[gsi] = level;
}

static void ignore(void *opaque)
{
	(void)opaque;
}

static void debug_exit(void *opaque, guint32 value)
{
	(void)opaque;
	(void)value;
}

static const ChipsetHost host = {
	.set_interrupt = set_interrupt,
	.reset = ignore,
	.power_off = ignore,
	.debug_exit = debug_exit,
};

static void transmit(void *opaque, guint8 byte)
{
	(void)byte;
	((World *)opaque)->n_transmitted++;
}

static const SerialBackend serial_backend = { .transmit = transmit, .receive_room = ignore };

static gint64 clock_now(void *opaque)
{
	return ((Clock *)opaque)->now;
}

static void clock_arm(void *opaque, gint64 deadline)
{
	((Clock *)opaque)->deadline = deadline;
}

static DeviceTimer clock_timer(Clock *clock)
{
	clock->deadline = DEVICE_TIMER_NEVER;
	return (DeviceTimer){ .now = clock_now, .arm = clock_arm, .opaque = clock };
}

/* Most steps go to ports that are something, some to their neighbours, some anywhere. */
static guint16 choose_port(const Step *step)
{
	static const guint16 ports[] = {
		0x70,
		0x71,
		0x3f8,
		0x3f9,
		0x3fa,
		0x3fb,
		0x3fc,
		0x3fd,
		0x3fe,
		0x3ff,
		ACPI_PM_EVENT,
		ACPI_PM_EVENT + 1,
		ACPI_PM_EVENT + 2,
		ACPI_PM_EVENT + 3,
		ACPI_PM_CONTROL,
		ACPI_PM_CONTROL + 1,
		ACPI_PM_TIMER,
		ACPI_PM_GPE0 + 8,
		ACPI_PM_BASE + 0x30,
		RESET_CONTROL_PORT,
		I8042_DATA_PORT,
		I8042_COMMAND_PORT,
		I8042_SYSTEM_CONTROL_PORT,
		DEBUG_EXIT_PORT,
	};

	if (step->where < 240)
		return ports[step->where % G_N_ELEMENTS(ports)];
	return step->port;
}

static guint choose_width(const Step *step)
{
	static const guint widths[] = { 1, 1, 1, 2, 4, 8, 3, 5 };

	return widths[step->action >> 4 & 7];
}

static void check_read(World *world, const Step *step)
{
	guint width = choose_width(step);
	guint64 value = bus_read(chipset_ports(world->chipset), choose_port(step), width);

	if (width < 8)
		g_assert_cmphex(value >> (width * 8), ==, 0);
}

static void do_write(World *world, const Step *step)
{
	guint width = choose_width(step);

	world->n_written += width;
	bus_write(chipset_ports(world->chipset), choose_port(step), width, step->value);
}

/* A clock goes on by itself; only the host's time of day may be set back. */
static void pass_time(World *world, const Step *step)
{
	const gint64 far_future = 1ll << 62; /* 2116 */
	gint64 ns = step->value >> (step->where & 63) & ((1ll << 60) - 1);

	if (world->pm_clock.now < far_future)
		world->pm_clock.now += ns;
	if (step->port & 1 && world->rtc_clock.now > ns)
		world->rtc_clock.now -= ns;
	else if (world->rtc_clock.now < far_future)
		world->rtc_clock.now += ns;
}

static void expire(World *world)
{
	chipset_rtc_expired(world->chipset);
	g_assert_cmpint(world->rtc_clock.deadline, >, world->rtc_clock.now);
	chipset_pm_expired(world->chipset);
	g_assert_cmpint(world->pm_clock.deadline, >, world->pm_clock.now);
}

static void receive(World *world, const Step *step)
{
	Serial *serial = chipset_serial(world->chipset);
	guint room = serial_receive_room(serial);

	g_assert_cmpuint(room, <=, SERIAL_FIFO_SIZE);
	serial_receive(serial, (const guint8 *)&step->value,
		       MIN(MIN(room, sizeof(step->value)), step->where));
}

static void take_step(World *world, const Step *step)
{
	switch (step->action & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
		check_read(world, step);
		break;
	default:
		do_write(world, step);
		break;
	case 11:
		pass_time(world, step);
		break;
	case 12:
		receive(world, step);
		break;
	case 13:
		expire(world);
		break;
	case 14:
		chipset_press_power_button(world->chipset);
		break;
	case 15:
		chipset_reset(world->chipset);
		break;
	}
}

static void check_reset(World *world)
{
	chipset_reset(world->chipset);
	for (guint i = 0; i < G_N_ELEMENTS(world->levels); i++)
		g_assert_false(world->levels[i]);
	g_assert_cmpint(world->rtc_clock.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmpint(world->pm_clock.deadline, ==, DEVICE_TIMER_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	World world = { .rtc_clock.now = 1709251198ll * 1000000000 };
	const ChipsetConfig config = {
		.host = &host,
		.opaque = &world,
		.serial_backend = &serial_backend,
		.serial_opaque = &world,
		.rtc_timer = clock_timer(&world.rtc_clock),
		.pm_timer = clock_timer(&world.pm_clock),
		.ram_low_end = 1ull << 30,
		.ram_high_end = 1ull << 32,
		.debug_exit_port = DEBUG_EXIT_PORT,
	};
	Step step;

	world.chipset = chipset_new(&config, NULL);
	g_assert_nonnull(world.chipset);
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		take_step(&world, &step);
	}
	g_assert_cmpuint(world.n_transmitted, <=, world.n_written);
	check_reset(&world);
	chipset_free(world.chipset);
	return 0;
}
