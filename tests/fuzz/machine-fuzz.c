/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine-fuzz.c - libFuzzer target: a guest that reads and writes all that a machine has
 *
 * Theory of operation
 *
 * The machine is whole but for processors and KVM: see machine-world.h. The input's first
 * byte says what the machine lacks, the rest is a list of steps of a fixed size: accesses to
 * ports, to memory and to configuration space, of every width and most of them where
 * something is, and what comes from the other side meanwhile: time, deadlines, input on a
 * serial line, the power button, a store that fails, a device that is plugged in or asked for,
 * a reset.
 *
 * After each step the state that a guest can see has to make sense: what PAM says is what the
 * host was told, no register of SMM's is there, memory-mapped configuration space is where
 * PCIEXBAR says and is the same as at the ports, reads of nothing are all ones. And on the
 * way: interrupt lines hear of changes only, deadlines that are over do not come back, flash
 * stores what it has said is stored and nothing else, fw_cfg hands out its items and nothing
 * behind them, and takes what the guest may write.
 *
 *     machine-fuzz CORPUS
 */
#include <stdint.h>

#include "machine-world.h"
#include "vmm/chipset/debug-console.h"
#include "vmm/chipset/hpet.h"
#include "vmm/chipset/i8042.h"
#include "vmm/chipset/reset.h"

#define MCH_ID	  0x29c08086u
#define ECAM_MASK (PCI_CFG_SPACE_EXP_SIZE - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint8 action;
	guint8 where;
	guint16 offset;
	guint64 value;
} Step;

/* What a step is about */

static guint choose_width(const Step *step)
{
	static const guint widths[] = { 1, 1, 1, 1, 2, 2, 2, 4, 4, 4, 4, 8, 8, 3, 5, 7 };

	return widths[step->action >> 4];
}

static guint16 choose_port(World *world, const Step *step)
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
		0x2f8,
		0x2f9,
		0x2fa,
		0x2fb,
		0x2fc,
		0x2fd,
		PCI_HOST_ADDRESS_PORT,
		PCI_HOST_ADDRESS_PORT,
		PCI_HOST_DATA_PORT,
		PCI_HOST_DATA_PORT + 1,
		PCI_HOST_DATA_PORT + 2,
		PCI_HOST_DATA_PORT + 3,
		FW_CFG_PORT,
		FW_CFG_PORT + 1,
		FW_CFG_PORT + 4,
		FW_CFG_PORT + 8,
		RESET_CONTROL_PORT,
		I8042_DATA_PORT,
		I8042_DATA_PORT,
		I8042_COMMAND_PORT,
		I8042_COMMAND_PORT,
		I8042_SYSTEM_CONTROL_PORT,
		DEBUG_CONSOLE_PORT,
		DEBUG_EXIT_PORT,
		PVPANIC_PORT,
	};

	if (step->where < 160)
		return ports[step->where % G_N_ELEMENTS(ports)];
	if (step->where < 220)
		return world_pm_base(world) + step->offset % ACPI_PM_SIZE;
	return step->offset;
}

static guint choose_devfn(const Step *step)
{
	static const guint8 devfns[] = {
		0,
		LPC_DEVFN,
		PCI_DEVFN(2, 0),
		PCI_DEVFN(2, 1),
		PCI_DEVFN(28, 0),
		PCI_DEVFN(ESB_SLOT, 0),
	};

	return step->where & 0x80 ? (guint8)(step->where << 1 | step->offset >> 15) :
				    devfns[step->where % G_N_ELEMENTS(devfns)];
}

/* Half of them registers of which something depends. */
static guint choose_register(const Step *step)
{
	static const guint8 registers[] = {
		PCI_COMMAND,
		PCI_BASE_ADDRESS_0,
		PCI_PRIMARY_BUS,
		PCI_SECONDARY_BUS,
		PCI_SUBORDINATE_BUS,
		PCI_BRIDGE_CONTROL,
		PCI_HOST_PCIEXBAR,
		PCI_HOST_PCIEXBAR + 4,
		PCI_HOST_PAM0,
		PCI_HOST_PAM0 + 2,
		PCI_HOST_PAM0 + 4,
		PCI_HOST_PAM0 + 6,
		PCI_HOST_SMRAM,
		PCI_HOST_ESMRAMC,
		ICH9_LPC_PMBASE,
		ICH9_LPC_ACPI_CNTL,
		ICH9_LPC_PIRQA_ROUT,
		ICH9_LPC_PIRQE_ROUT,
		ICH9_LPC_PMCON_LOCK,
		ICH9_LPC_RCBA,
		/* The i6300esb's configuration and lock. */
		0x60,
		0x68,
		/* A root port's slot control, root control, MSI and power management. */
		0x40 + PCI_EXP_SLTCTL,
		0x40 + PCI_EXP_SLTSTA,
		0x40 + PCI_EXP_LNKCTL,
		0x40 + PCI_EXP_RTCTL,
		0x7c + PCI_MSI_FLAGS,
		0x7c + PCI_MSI_ADDRESS_LO,
		0x8c + PCI_PM_CTRL,
	};

	return step->offset & 0x4000 ? registers[step->offset % G_N_ELEMENTS(registers)] :
				       step->offset & ECAM_MASK;
}

static guint64 choose_ecam_address(World *world, const Step *step)
{
	guint64 base, size;

	chipset_find_ecam(world->chipset, &base, &size);
	return base + (choose_devfn(step) << 12) + choose_register(step) +
	       (step->offset & 0x2000 ? MIB : 0);
}

/* Where the i6300esb's registers are, or 0. */
static guint32 esb_base(World *world)
{
	const guint devfn = PCI_DEVFN(ESB_SLOT, 0);

	return world_read_config(world, 0, devfn, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY ?
		       world_read_config(world, 0, devfn, PCI_BASE_ADDRESS_0, 4) & ~0xfu :
		       0;
}

static guint64 choose_edge(const Step *step)
{
	static const guint64 edges[] = {
		0,
		0xa0000,
		0x100000,
		HPET_ADDRESS,
		HPET_ADDRESS + HPET_SIZE,
		VARIABLES_START,
		CODE_START,
		FLASH_END,
		1ull << 36,
		0,
	};

	return edges[step->offset % G_N_ELEMENTS(edges)] + (gint8)(step->offset >> 8);
}

static guint64 choose_address(World *world, const Step *step)
{
	switch (step->where % 8) {
	case 0:
	case 1:
		return VARIABLES_START + step->offset % VARIABLES_SIZE;
	case 2:
		return CODE_START + step->offset % CODE_SIZE;
	case 3:
		return choose_ecam_address(world, step);
	case 4:
		return HPET_ADDRESS +
		       (step->offset & 0x8000 ? step->offset & 0x3ff : step->offset & 0x1f8);
	case 5:
		return (world_rcba(world) & ~ECAM_MASK) + step->offset % ICH9_LPC_RCBA_SIZE;
	case 6:
		return step->offset & 0x80 ? esb_base(world) + step->offset % 16 :
					     choose_edge(step);
	default:
		return step->value;
	}
}

/* Half of what goes to flash are commands that there are. */
static guint64 choose_value(const Step *step)
{
	static const guint8 commands[] = {
		0x10, 0x40, 0x20, 0xd0, 0xe8, 0x60, 0x50, 0x70, 0x90, 0x98, 0xff, 0x00,
	};

	if (step->where % 8 < 3 && !(step->where & 0x80))
		return commands[step->value % G_N_ELEMENTS(commands)];
	return step->value;
}

/* What reads as nothing */

static gboolean is_within(guint64 address, guint64 start, guint64 size)
{
	return address >= start && address - start < size;
}

static gboolean is_fixed_memory(const World *world, guint64 address)
{
	return is_within(address, VARIABLES_START, VARIABLES_SIZE + CODE_SIZE) ||
	       (!(world->flags & WITHOUT_HPET) && is_within(address, HPET_ADDRESS, HPET_SIZE));
}

static gboolean is_memory_absent(World *world, guint64 address)
{
	guint32 registers = world_rcba(world);
	guint64 ecam, ecam_size;

	chipset_find_ecam(world->chipset, &ecam, &ecam_size);
	if (esb_base(world) && is_within(address, esb_base(world), 16))
		return FALSE;
	return !is_fixed_memory(world, address) && !is_within(address, ecam, ecam_size) &&
	       !(registers & ICH9_LPC_RCBA_ENABLE &&
		 is_within(address, registers & ~ECAM_MASK, ICH9_LPC_RCBA_SIZE));
}

static gboolean is_port_absent(World *world, guint port)
{
	static const struct {
		guint16 start, size;
		guint8 without;
	} ranges[] = {
		{ I8042_DATA_PORT, 1, 0 },
		{ I8042_COMMAND_PORT, 1, 0 },
		{ 0x70, 2, 0 },
		{ I8042_SYSTEM_CONTROL_PORT, 1, 0 },
		{ DEBUG_EXIT_PORT, 4, 0 },
		{ 0x2f8, SERIAL_PORTS, WITHOUT_SECOND_SERIAL },
		{ 0x3f8, SERIAL_PORTS, 0 },
		{ DEBUG_CONSOLE_PORT, 1, WITHOUT_DEBUG_CONSOLE },
		{ PVPANIC_PORT, 1, 0 },
		{ FW_CFG_PORT, FW_CFG_PORTS, 0 },
		{ PCI_HOST_ADDRESS_PORT, 8, 0 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(ranges); i++) {
		if (is_within(port, ranges[i].start, ranges[i].size) &&
		    !(world->flags & ranges[i].without))
			return FALSE;
	}
	return !world_pm_base(world) || !is_within(port, world_pm_base(world), ACPI_PM_SIZE);
}

static void check_value(guint64 value, guint width, gboolean is_absent)
{
	guint64 ones = width < 8 ? (1ull << (width * 8)) - 1 : G_MAXUINT64;

	g_assert_cmphex(value & ~ones, ==, 0);
	if (is_absent)
		g_assert_cmphex(value, ==, ones);
}

/* Steps */

static void read_port(World *world, const Step *step)
{
	guint16 port = choose_port(world, step);
	gboolean is_absent = is_port_absent(world, port);
	guint width = choose_width(step);

	check_value(bus_read(world->devices.ports, port, width), width, is_absent);
}

static void write_port(World *world, const Step *step)
{
	guint width = choose_width(step);

	world->n_written += width;
	bus_write(world->devices.ports, choose_port(world, step), width, step->value);
}

/* Flash in read-array mode says what it holds; whatever it says, what it holds is stored. */
static void check_flash_read(const Unit *unit, guint64 offset, guint64 value)
{
	unit_check_durable(unit);
	if (unit->is_array)
		g_assert_cmphex(value & 0xff, ==, unit->content[offset]);
}

static void read_memory(World *world, const Step *step)
{
	guint64 address = choose_address(world, step);
	gboolean is_absent = is_memory_absent(world, address);
	guint width = choose_width(step);
	guint64 value = bus_read(world->devices.mmio, address, width);

	check_value(value, width, is_absent);
	if (is_within(address, VARIABLES_START, VARIABLES_SIZE))
		check_flash_read(&world->variables, address - VARIABLES_START, value);
	if (is_within(address, CODE_START, CODE_SIZE))
		check_flash_read(&world->code, address - CODE_START, value);
}

static void write_memory(World *world, const Step *step)
{
	bus_write(world->devices.mmio, choose_address(world, step), choose_width(step),
		  choose_value(step));
}

/* The four bytes of a register are the same by ports and by memory. */
static void check_config(World *world, guint bus, guint devfn, guint reg)
{
	guint32 value = world_read_config(world, bus, devfn, reg & 0xfc, 4);
	guint64 base, size, offset = ((guint64)bus << 8 | devfn) << 12 | (reg & 0xfc);

	if (!world_is_function(world, bus, devfn))
		g_assert_cmphex(value, ==, G_MAXUINT32);
	chipset_find_ecam(world->chipset, &base, &size);
	if (offset < size && !is_fixed_memory(world, base + offset))
		g_assert_cmphex(bus_read(world->devices.mmio, base + offset, 4), ==, value);
}

static void access_config(World *world, const Step *step)
{
	Bus *ports = world->devices.ports;
	guint devfn = choose_devfn(step), reg = choose_register(step) & 0xff;
	guint bus = step->offset & 0x2000 ? step->value >> 56 : 0;

	bus_write(ports, PCI_HOST_ADDRESS_PORT, 4,
		  CONFIG_ENABLE | bus << 16 | devfn << 8 | (reg & ~3u));
	bus_write(ports, PCI_HOST_DATA_PORT + (reg & 3), choose_width(step), step->value);
	check_config(world, bus, devfn, reg);
}

/* A clock goes on by itself; only the host's time of day may be set back. */
static void pass_time(World *world, const Step *step)
{
	const gint64 far_future = 1ll << 62; /* 2116 */
	gint64 ns = step->value >> (step->where & 63) & ((1ll << 60) - 1);

	if (world->pm_clock.now < far_future) {
		world->pm_clock.now += ns;
		world->hpet_clock.now += ns;
		world->itco_clock.now += ns;
		world->esb_clock.now += ns;
	}
	if (step->offset & 1 && world->rtc_clock.now > ns)
		world->rtc_clock.now -= ns;
	else if (world->rtc_clock.now < far_future)
		world->rtc_clock.now += ns;
}

/* Lets time pass until a deadline, where there is one, and the device hear of it. */
static void expire(Clock *clock, gboolean is_early)
{
	if (!is_early && clock->deadline != DEVICE_TIMER_NEVER && clock->deadline > clock->now)
		clock->now = clock->deadline;
	clock->expired(clock->device);
	g_assert_cmpint(clock->deadline, >, clock->now);
}

static void expire_all(World *world, const Step *step)
{
	expire(&world->rtc_clock, step->where & 1);
	expire(&world->pm_clock, step->where & 2);
	if (world->hpet_clock.expired)
		expire(&world->hpet_clock, step->where & 4);
	expire(&world->itco_clock, step->where & 8);
	expire(&world->esb_clock, step->where & 16);
}

/* Who finds no room waits until he is told of some. */
static void receive(World *world, const Step *step)
{
	guint index = step->offset & 1;
	Serial *serial = world->serials[index].serial;
	guint room;

	if (!serial || world->serials[index].is_waiting)
		return;
	room = serial_receive_room(serial);
	g_assert_cmpuint(room, <=, SERIAL_FIFO_SIZE);
	world->serials[index].is_waiting = room == 0;
	serial_receive(serial, (const guint8 *)&step->value,
		       MIN(MIN(room, sizeof(step->value)), step->where));
}

/* Half of them what is read from a file or made anew, which has more to remember. */
static guint16 choose_key(const World *world, const Step *step)
{
	static const guint16 keys[] = {
		FW_CFG_KERNEL_DATA,    FW_CFG_INITRD_DATA,    FW_CFG_SETUP_DATA,
		FW_CFG_FILE_FIRST + 1, FW_CFG_FILE_FIRST + 2,
	};
	const FwCfgItems *items = world->fw_cfg.items;

	/* That can be written, where there is one. */
	if ((step->where & 0xe0) == 0x20 && items->writable)
		return items->writable_key;
	if (step->where & 0x80)
		return keys[step->where % G_N_ELEMENTS(keys)];
	return step->where & 0x40 ? step->value : items->keys[step->where % items->n_keys];
}

static void select_item(World *world, const Step *step)
{
	bus_write(world->devices.ports, FW_CFG_PORT, 2, choose_key(world, step));
}

static void start_dma(World *world, const Step *step)
{
	Bus *ports = world->devices.ports;
	guint32 control = step->offset & 0x1f, length = step->value & 0xffff;
	guint64 access_gpa = step->offset & 0x20 ? RAM_SIZE - (step->offset >> 6) :
						   step->offset & 0xffc0;
	struct fw_cfg_dma_access access = {
		.control = GUINT32_TO_BE((guint32)choose_key(world, step) << 16 | control),
		.length = GUINT32_TO_BE(step->value & 1 << 16 ? length << 16 : length),
		.address = GUINT64_TO_BE(step->value >> 18 &
					 (step->value & 1 << 17 ? G_MAXUINT64 : RAM_SIZE - 1)),
	};

	world_write_ram(NULL, access_gpa, &access, sizeof(access));
	bus_write(ports, FW_CFG_PORT + 4, 4, 0);
	bus_write(ports, FW_CFG_PORT + 8, 4, GUINT32_TO_BE((guint32)access_gpa));
}

/* Nothing is left of windows that the guest had opened. */
static void reset(World *world)
{
	guint pm = world_pm_base(world);
	guint64 base, size;

	chipset_find_ecam(world->chipset, &base, &size);
	world_reset(world);
	g_assert_cmphex(bus_read(world->devices.ports, pm + 4, 1), ==, 0xff);
	if (!is_fixed_memory(world, base))
		g_assert_cmphex(bus_read(world->devices.mmio, base, 4), ==, G_MAXUINT32);
}

/* A hand at the slot of the first root port. */
static void handle_slot(World *world, const Step *step)
{
	if (!world->slot)
		return;
	if (!world->is_occupied)
		world_plug_in(world, step->value & 1);
	else if (pcie_root_port_is_released(world->slot))
		world_plug_out(world);
	else if (step->value & 2)
		pci_function_set_intx(world_endpoint(world), step->value >> 2 & 1);
	else if (pcie_root_port_press_button(world->slot) == PCIE_SLOT_RELEASED)
		world_plug_out(world);
	else if (step->value & 4)
		(void)pcie_root_port_take_refusal(world->slot);
}

static void do_host(World *world, const Step *step)
{
	switch (step->where % 8) {
	case 0:
		chipset_press_power_button(world->chipset);
		break;
	case 1:
		reset(world);
		break;
	case 2:
		world->variables.is_broken = step->value & 1;
		break;
	case 3:
		device_registry_pause(world->devices.registry);
		device_registry_resume(world->devices.registry);
		break;
	case 4: /* the guest's own processors */
		world_write_ram(NULL, step->offset, &step->value, sizeof(step->value));
		break;
	case 5:
		handle_slot(world, step);
		break;
	default:
		select_item(world, step);
		break;
	}
}

static void take_step(World *world, const Step *step)
{
	switch (step->action & 15) {
	case 0:
	case 1:
		read_port(world, step);
		break;
	case 2:
	case 3:
	case 4:
		write_port(world, step);
		break;
	case 5:
		read_memory(world, step);
		break;
	case 6:
	case 7:
	case 8:
		write_memory(world, step);
		break;
	case 9:
	case 10:
		access_config(world, step);
		break;
	case 11:
		pass_time(world, step);
		break;
	case 12:
		receive(world, step);
		break;
	case 13:
		expire_all(world, step);
		break;
	case 14:
		start_dma(world, step);
		break;
	case 15:
		do_host(world, step);
		break;
	}
}

/* What holds at any time */

static guint32 segments_of_pam(World *world)
{
	guint32 segments = (world_read_config(world, 0, 0, PCI_HOST_PAM0, 1) >> 4 & 1) << 12;

	for (guint i = 0; i < 6; i++) {
		guint pam = world_read_config(world, 0, 0, PCI_HOST_PAM0 + 1 + i, 1);

		segments |= (pam & 1) << (2 * i) | (pam >> 4 & 1) << (2 * i + 1);
	}
	return segments;
}

/* Windows of the chipset's are where its registers say, unless something fixed is there. */
static void check_windows(World *world)
{
	guint pm = world_pm_base(world);
	guint64 base, size;

	if (pm)
		g_assert_cmphex(bus_read(world->devices.ports, pm + 4, 2) & 0xe3ff, ==, 1);
	chipset_find_ecam(world->chipset, &base, &size);
	if (!size)
		return;
	g_assert_cmphex(world_read_config(world, 0, 0, PCI_HOST_PCIEXBAR, 4) & ~7u, ==,
			(guint32)base);
	g_assert_cmphex(world_read_config(world, 0, 0, PCI_HOST_PCIEXBAR + 4, 4), ==, base >> 32);
	if (!is_fixed_memory(world, base))
		g_assert_cmphex(bus_read(world->devices.mmio, base, 4), ==, MCH_ID);
}

/* Nobody waits for room in a receiver that is empty. */
static void check_serials(World *world)
{
	guint64 n_transmitted = world->debug_console.n_transmitted;

	for (guint i = 0; i < CHIPSET_SERIALS; i++) {
		const LineEnd *end = &world->serials[i];

		n_transmitted += end->n_transmitted;
		if (end->is_waiting)
			g_assert_cmpuint(serial_receive_room(end->serial), <, SERIAL_FIFO_SIZE);
	}
	g_assert_cmpuint(n_transmitted, <=, world->n_written);
}

/* What is there is present; the link is up while it has power and the guest has not disabled it. */
static void check_slot(World *world)
{
	const guint devfn = PCI_DEVFN(root_ports[0].slot, root_ports[0].number), express = 0x40;
	guint control, status, link_control, link_status;

	if (!world->slot)
		return;
	control = world_read_config(world, 0, devfn, express + PCI_EXP_SLTCTL, 2);
	status = world_read_config(world, 0, devfn, express + PCI_EXP_SLTSTA, 2);
	link_control = world_read_config(world, 0, devfn, express + PCI_EXP_LNKCTL, 2);
	link_status = world_read_config(world, 0, devfn, express + PCI_EXP_LNKSTA, 2);
	g_assert_cmpint(!!(status & PCI_EXP_SLTSTA_PDS), ==, world->is_occupied);
	g_assert_cmpint(!!(link_status & PCI_EXP_LNKSTA_DLLLA), ==,
			world->is_occupied && !(control & PCI_EXP_SLTCTL_PCC) &&
				!(link_control & PCI_EXP_LNKCTL_LD));
	g_assert_true(world->is_occupied || !pcie_root_port_is_leaving(world->slot));
}

static void check_state(World *world)
{
	g_assert_cmphex(segments_of_pam(world), ==, world->ram_segments);
	g_assert_cmphex(world_read_config(world, 0, 0, PCI_HOST_SMRAM, 1), ==, 0x12);
	g_assert_cmphex(world_read_config(world, 0, 0, PCI_HOST_ESMRAMC, 1), ==, 0x38);
	check_windows(world);
	check_slot(world);
	check_serials(world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	World world;
	Step step;

	if (size < 1)
		return 0;
	world_start(&world, data[0]);
	check_state(&world);
	for (data++, size--; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		take_step(&world, &step);
		check_state(&world);
	}
	world_end(&world);
	return 0;
}
