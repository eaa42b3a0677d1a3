/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-fuzz.c - libFuzzer target: a guest that numbers, maps and powers PCI functions as it likes
 *
 * Theory of operation
 *
 * The machine's own chipset has no BARs. Here are endpoints that have some of every kind, one
 * on the root bus, one behind a root port and one behind a bridge behind another, with INTx
 * and MSI. The input is a list of steps of a fixed size: writes to configuration space, to
 * memory and ports, changes of the endpoints' interrupts, a reset.
 *
 * After each step, an access to where any BAR is must end in the function that has it now, as
 * its registers say: in the first of those that lie over one another. No offset is outside of
 * a BAR, no write of configuration outside of the function's space, and an input of the
 * interrupt controllers is high only while a function holds it.
 *
 *     pci-fuzz CORPUS
 */
#include <glib.h>
#include <linux/pci_regs.h>
#include <stdint.h>
#include <string.h>

#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/ich9-lpc.h"
#include "vmm/pci/pci-host.h"
#include "vmm/pci/pcie-root-port.h"

#define MIB	     (1ull << 20)
#define GIB	     (1ull << 30)
#define N_FUNCTIONS  4
#define N_BARS	     7
#define ECAM_ENABLE  1u
#define NO_BAR	     N_BARS
#define NOT_A_BAR    (N_BARS + 1) /* what was made before any */
#define MSI_ENDPOINT 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct __attribute__((packed)) {
	guint8 action;
	guint8 where;
	guint16 offset;
	guint64 value;
} Step;

typedef struct World World;

typedef struct {
	World *world;
	guint index;
} Opaque;

struct World {
	Bus *ports;
	Bus *mmio;
	PciHost *host;
	PciFunction *functions[N_FUNCTIONS];
	Opaque function_opaques[N_FUNCTIONS];
	Opaque bar_opaques[N_BARS];
	gboolean intx[N_FUNCTIONS];
	gboolean inputs[ICH9_LPC_INPUTS];
	guint accessed; /* the BAR, or NO_BAR */
};

/* The third is a bridge, behind which the fourth is. */
static const struct {
	gboolean is_bridge, is_express;
	guint8 pin;
} functions[N_FUNCTIONS] = {
	{ FALSE, FALSE, 1 },
	{ FALSE, TRUE, 2 },
	{ TRUE, TRUE, 0 },
	{ FALSE, FALSE, 4 },
};

/* In the order in which their windows are made. */
static const struct {
	guint function, index;
	guint32 flags;
	guint64 size;
} bars[N_BARS] = {
	{ 0, 0, PCI_BASE_ADDRESS_SPACE_IO, 32 },
	{ 0, 1, PCI_BASE_ADDRESS_SPACE_MEMORY, 2 * GIB },
	{ 1, 0, PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH, MIB },
	{ 1, 4, PCI_BASE_ADDRESS_SPACE_MEMORY, 4096 },
	{ 1, 5, PCI_BASE_ADDRESS_SPACE_IO, 4 },
	{ 2, 0, PCI_BASE_ADDRESS_MEM_TYPE_64, 16 },
	{ 3, 2, PCI_BASE_ADDRESS_MEM_TYPE_64, 1ull << 40 },
};

/* What the functions hear */

static guint64 bar_read(void *device, guint64 offset, guint size)
{
	const Opaque *opaque = device;

	g_assert_cmpuint(offset, <, bars[opaque->index].size);
	g_assert_cmpuint(size, <=, bars[opaque->index].size - offset);
	opaque->world->accessed = opaque->index;
	return 0;
}

static void bar_write(void *device, guint64 offset, guint size, guint64 value)
{
	(void)value;
	bar_read(device, offset, size);
}

static const BusOperations bar_operations = {
	.read = bar_read,
	.write = bar_write,
	.max_access = 8,
};

static void config_written(void *device, guint offset, guint size)
{
	const Opaque *opaque = device;
	guint end = functions[opaque->index].is_express ? PCI_CFG_SPACE_EXP_SIZE :
							  PCI_CFG_SPACE_SIZE;

	g_assert_true(size == 1 || size == 2 || size == 4);
	g_assert_cmpuint(offset % size, ==, 0);
	g_assert_cmpuint(offset, <, end);
}

static void was_reset(void *device)
{
	const Opaque *opaque = device;

	opaque->world->intx[opaque->index] = FALSE;
}

static const PciFunctionOperations function_operations = {
	.config_written = config_written,
	.reset = was_reset,
};

/* What the machine hears */

static void set_ram_segments(void *opaque, guint32 ram)
{
	(void)opaque;
	(void)ram;
}

static void send_msi(void *opaque, guint64 address, guint32 data)
{
	(void)opaque;
	g_assert_cmphex(address & 3, ==, 0);
	g_assert_cmphex(data, <=, G_MAXUINT16);
}

static void set_interrupt(void *opaque, guint gsi, gboolean level)
{
	World *world = opaque;

	g_assert_cmpuint(gsi, <, ICH9_LPC_INPUTS);
	g_assert_cmpint(world->inputs[gsi], !=, level);
	world->inputs[gsi] = level;
}

static void ignore(void *opaque)
{
	(void)opaque;
}

static void move_pm(void *opaque, guint16 base, gboolean enabled)
{
	(void)opaque;
	g_assert_cmphex(base % ACPI_PM_SIZE, ==, 0);
	g_assert_true(base != 0 || !enabled);
}

/* Where a BAR is */

static gboolean is_powered(PciFunction *function)
{
	guint at = pci_function_get(function, PCI_CAPABILITY_LIST, 1);

	while (at && pci_function_get(function, at, 1) != PCI_CAP_ID_PM)
		at = pci_function_get(function, at + PCI_CAP_LIST_NEXT, 1);
	return !at || !(pci_function_get(function, at + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
}

static gboolean is_io(guint bar)
{
	return bars[bar].flags & PCI_BASE_ADDRESS_SPACE_IO;
}

static guint64 bar_address(const World *world, guint bar)
{
	PciFunction *function = world->functions[bars[bar].function];
	guint reg = PCI_BASE_ADDRESS_0 + 4 * bars[bar].index;
	guint64 address = pci_function_get(function, reg, 4);

	if (bars[bar].flags & PCI_BASE_ADDRESS_MEM_TYPE_64)
		address |= (guint64)pci_function_get(function, reg + 4, 4) << 32;
	return address & ~(bars[bar].size - 1);
}

static gboolean is_bar_at(const World *world, guint bar, guint64 address)
{
	PciFunction *function = world->functions[bars[bar].function];
	guint command = pci_function_get(function, PCI_COMMAND, 2);
	guint64 start = bar_address(world, bar);

	return command & (is_io(bar) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY) &&
	       is_powered(function) && start != 0 && !(is_io(bar) && start > G_MAXUINT16) &&
	       address >= start && address - start < bars[bar].size;
}

/* Configuration space by memory or the LPC bridge's registers, which come before BARs. */
static gboolean is_chipset_at(const World *world, guint64 address)
{
	PciBus *root = pci_host_root_bus(world->host);
	guint64 low = pci_bus_read_config(root, 0, 0, PCI_HOST_PCIEXBAR, 4);
	guint64 high = pci_bus_read_config(root, 0, 0, PCI_HOST_PCIEXBAR + 4, 4);
	guint32 rcba = pci_bus_read_config(root, 0, ICH9_LPC_SLOT << 3, ICH9_LPC_RCBA, 4);
	guint64 ecam_size = (low >> 1 & 3) == 3 ? 0 : 256 * MIB >> (low >> 1 & 3);
	guint64 ecam = (high << 32 | low) & ~(ecam_size - 1);

	return (low & ECAM_ENABLE && address >= ecam && address - ecam < ecam_size) ||
	       (rcba & ICH9_LPC_RCBA_ENABLE && address >= (rcba & ~0x3fffu) &&
		address - (rcba & ~0x3fffu) < ICH9_LPC_RCBA_SIZE);
}

static guint find_bar(const World *world, guint64 address, gboolean is_port)
{
	if (is_port && address >= PCI_HOST_ADDRESS_PORT && address < PCI_HOST_ADDRESS_PORT + 8)
		return NOT_A_BAR;
	if (!is_port && is_chipset_at(world, address))
		return NOT_A_BAR;
	for (guint i = 0; i < N_BARS; i++) {
		if (is_io(i) == is_port && is_bar_at(world, i, address))
			return i;
	}
	return NO_BAR;
}

static void access_address(World *world, guint64 address, gboolean is_port, guint width)
{
	guint expected = find_bar(world, address, is_port);
	guint64 value;

	world->accessed = NO_BAR;
	value = bus_read(is_port ? world->ports : world->mmio, address, width);
	if (expected < N_BARS)
		g_assert_cmpuint(world->accessed, ==, expected);
	else
		g_assert_cmpuint(world->accessed, ==, NO_BAR);
	if (expected == NO_BAR)
		g_assert_cmphex(value, ==, width < 8 ? (1ull << width * 8) - 1 : G_MAXUINT64);
}

/* Steps */

static guint choose_width(const Step *step)
{
	static const guint widths[] = { 1, 2, 4, 4, 4, 8, 8, 3 };

	return widths[step->action >> 4 & 7];
}

/* Where a function is, once set_numbers() has been there; those of the tree, or any. */
static void choose_function(const Step *step, guint *number, guint *devfn)
{
	static const struct {
		guint8 number, devfn;
	} places[] = {
		{ 0, PCI_DEVFN(0, 0) }, { 0, PCI_DEVFN(1, 0) },
		{ 0, PCI_DEVFN(2, 0) }, { 0, PCI_DEVFN(5, 0) },
		{ 1, PCI_DEVFN(0, 0) }, { 2, PCI_DEVFN(0, 0) },
		{ 3, PCI_DEVFN(3, 0) }, { 0, PCI_DEVFN(ICH9_LPC_SLOT, 0) },
	};

	if (step->where < 0xe0) {
		*number = places[step->where % G_N_ELEMENTS(places)].number;
		*devfn = places[step->where % G_N_ELEMENTS(places)].devfn;
	} else {
		*number = step->value >> 56 & 7;
		*devfn = step->value >> 48 & 0xff;
	}
}

static guint choose_register(const Step *step)
{
	static const guint8 registers[] = {
		PCI_COMMAND,
		PCI_PRIMARY_BUS,
		PCI_SECONDARY_BUS,
		PCI_SUBORDINATE_BUS,
		PCI_BRIDGE_CONTROL,
		PCI_BASE_ADDRESS_0,
		PCI_BASE_ADDRESS_1,
		PCI_BASE_ADDRESS_2,
		PCI_BASE_ADDRESS_3,
		PCI_BASE_ADDRESS_4,
		PCI_BASE_ADDRESS_5,
		PCI_HOST_PCIEXBAR,
		ICH9_LPC_RCBA,
		ICH9_LPC_PIRQA_ROUT,
		/* The endpoints' power management and MSI; a root port's slot and MSI. */
		0x44,
		0x4a,
		0x58,
		0x7e,
		0x90,
	};

	return step->offset & 0x4000 ? registers[step->offset % G_N_ELEMENTS(registers)] :
				       step->offset & (PCI_CFG_SPACE_EXP_SIZE - 1);
}

/* By the bus's own function, which takes the whole space; ports and memory are in its way. */
static void write_config(World *world, const Step *step)
{
	PciBus *root = pci_host_root_bus(world->host);
	guint reg = choose_register(step);
	guint size = MIN(MIN(choose_width(step), 4), PCI_CFG_SPACE_EXP_SIZE - reg);
	guint number, devfn;

	choose_function(step, &number, &devfn);
	pci_bus_write_config(root, number, devfn, reg, size, step->value);
	g_assert_cmphex((guint64)pci_bus_read_config(root, number, devfn, reg, size) >> (size * 8),
			==, 0);
}

/* Numbers the buses in order, as a firmware does. */
static void set_numbers(World *world)
{
	PciBus *root = pci_host_root_bus(world->host);

	pci_bus_write_config(root, 0, PCI_DEVFN(1, 0), PCI_PRIMARY_BUS, 4, 0x010100);
	pci_bus_write_config(root, 0, PCI_DEVFN(2, 0), PCI_PRIMARY_BUS, 4, 0x030200);
	pci_bus_write_config(root, 2, PCI_DEVFN(0, 0), PCI_PRIMARY_BUS, 4, 0x030302);
}

/* Gives a function's BARs an address each, and opens them or not. */
static void map_bars(World *world, const Step *step)
{
	PciBus *root = pci_host_root_bus(world->host);
	guint number, devfn;

	choose_function(step, &number, &devfn);
	for (guint i = 0; i < PCI_BARS; i++)
		pci_bus_write_config(root, number, devfn, PCI_BASE_ADDRESS_0 + 4 * i, 4,
				     step->value >> (i * (step->offset >> 8 & 7)));
	pci_bus_write_config(root, number, devfn, PCI_COMMAND, 2, step->offset);
}

static void set_intx(World *world, const Step *step)
{
	guint index = step->where % N_FUNCTIONS;

	if (!functions[index].pin)
		return;
	world->intx[index] = step->value & 1;
	pci_function_set_intx(world->functions[index], step->value & 1);
}

static void reset(World *world)
{
	pci_host_reset(world->host);
	for (guint i = 0; i < ICH9_LPC_INPUTS; i++)
		g_assert_false(world->inputs[i]);
}

static void take_step(World *world, const Step *step)
{
	switch (step->action & 15) {
	case 0:
		access_address(world, step->value, FALSE, choose_width(step));
		break;
	case 1:
		access_address(world, step->offset, TRUE, MIN(choose_width(step), 4));
		break;
	case 2:
		bus_write(world->mmio, step->value, choose_width(step), step->value);
		break;
	case 3:
		bus_write(world->ports, PCI_HOST_ADDRESS_PORT, 4, step->value);
		bus_write(world->ports, PCI_HOST_DATA_PORT + (step->offset & 3), choose_width(step),
			  step->value >> 32);
		break;
	case 4:
		set_intx(world, step);
		break;
	case 5:
		pci_function_send_msi(world->functions[MSI_ENDPOINT]);
		break;
	case 6:
		if (step->where < 16)
			reset(world);
		else
			set_numbers(world);
		break;
	case 7:
	case 8:
		map_bars(world, step);
		break;
	default:
		write_config(world, step);
		break;
	}
}

/* What holds at any time */

static gboolean is_holding(PciFunction *function)
{
	return pci_function_get(function, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT &&
	       !(pci_function_get(function, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE) &&
	       is_powered(function);
}

/* Whatever the routing, each line ends at an input. */
static void check_interrupts(World *world)
{
	PciBus *root = pci_host_root_bus(world->host);
	gboolean is_held = is_holding(pci_bus_get(root, 1, 0)) ||
			   is_holding(pci_bus_get(root, 2, 0));
	gboolean is_high = FALSE;

	for (guint i = 0; i < N_FUNCTIONS; i++) {
		guint status = pci_function_get(world->functions[i], PCI_STATUS, 2);

		g_assert_cmpint(!!(status & PCI_STATUS_INTERRUPT), ==, world->intx[i]);
		is_held |= is_holding(world->functions[i]);
	}
	for (guint i = 0; i < ICH9_LPC_INPUTS; i++)
		is_high |= world->inputs[i];
	g_assert_cmpint(is_held, ==, is_high);
}

static void check_state(World *world)
{
	for (guint i = 0; i < N_BARS; i++) {
		guint64 start = bar_address(world, i);

		if (is_io(i) && start > G_MAXUINT16)
			continue;
		access_address(world, start, is_io(i), 1);
		access_address(world, start + bars[i].size - 1, is_io(i), 4);
	}
	check_interrupts(world);
}

/* The tree */

static PciFunction *make_function(World *world, guint index)
{
	const PciFunctionConfig config = {
		.name = "fuzz",
		.vendor = PCI_VENDOR_REDHAT,
		.class_code = functions[index].is_bridge ? 0x060400 : 0xff0000,
		.pin = functions[index].pin,
		.is_express = functions[index].is_express,
		.is_bridge = functions[index].is_bridge,
		.operations = &function_operations,
		.opaque = &world->function_opaques[index],
	};
	PciFunction *function = pci_function_new(&config);

	world->function_opaques[index] = (Opaque){ world, index };
	world->functions[index] = function;
	pci_function_add_power_management(function);
	pci_function_add_msi(function);
	for (guint i = 0; i < N_BARS; i++) {
		world->bar_opaques[i] = (Opaque){ world, i };
		if (bars[i].function == index)
			pci_function_add_bar(function, bars[i].index, bars[i].flags, bars[i].size,
					     &bar_operations, &world->bar_opaques[i]);
	}
	return function;
}

static void world_start(World *world)
{
	const PcieRootPortConfig first = { .slot = 1 }, second = { .slot = 2 };
	PciHostConfig host = {
		.set_ram_segments = set_ram_segments,
		.send_msi = send_msi,
		.opaque = world,
	};
	const Ich9LpcPm pm = {
		.move = move_pm,
		.lock_smi = ignore,
		.opaque = world,
	};
	PciBus *root;

	*world = (World){ .ports = bus_new("ports"), .mmio = bus_new("MMIO") };
	host.ports = world->ports;
	host.mmio = world->mmio;
	world->host = pci_host_new(&host);
	root = pci_host_root_bus(world->host);
	ich9_lpc_connect_pm(ich9_lpc_new(root, world->mmio, set_interrupt, world), &pm);
	pci_bus_add(root, 5, 0, make_function(world, 0));
	pci_bus_add(pcie_root_port_bus(pcie_root_port_new(root, &first)), 0, 0,
		    make_function(world, 1));
	pci_bus_add(pcie_root_port_bus(pcie_root_port_new(root, &second)), 0, 0,
		    make_function(world, 2));
	pci_bus_add(pci_function_secondary(world->functions[2]), 3, 0, make_function(world, 3));
}

static void world_end(World *world)
{
	reset(world);
	pci_host_free(world->host);
	bus_free(world->mmio);
	bus_free(world->ports);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	World world;
	Step step;

	world_start(&world);
	for (; size >= sizeof(step); data += sizeof(step), size -= sizeof(step)) {
		memcpy(&step, data, sizeof(step));
		take_step(&world, &step);
		check_state(&world);
	}
	world_end(&world);
	return 0;
}
