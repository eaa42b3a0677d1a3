/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine-world.h - a machine without processors and KVM, for a fuzzer to be its guest and host
 *
 * The chipset with its PCI, two units of flash and fw_cfg with a kernel and ACPI tables, over
 * an array for RAM. Interrupt lines may hear of changes only, flash stores within its bounds,
 * and fw_cfg is watched by a model (fw-cfg-model.h).
 */
#pragma once

#include <asm/bootparam.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fw-cfg-model.h"
#include "vmm/boot/fw-cfg-content.h"
#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/chipset.h"
#include "vmm/chipset/ich9-lpc.h"
#include "vmm/chipset/itco.h"
#include "vmm/chipset/pflash.h"
#include "vmm/chipset/pvpanic.h"
#include "vmm/chipset/vmcoreinfo.h"
#include "vmm/chipset/vmgenid.h"
#include "vmm/pci/pci-host.h"
#include "vmm/pci/pcie-root-port.h"
#include "vmm/watchdog/i6300esb.h"
#include "vmm/watchdog/watchdog.h"

#define MIB		(1ull << 20)
#define RAM_SIZE	(2 * MIB) /* where DMA finds any */
#define RAM_LOW_END	(64 * MIB)
#define RAM_HIGH_END	(5ull << 30)
#define DEBUG_EXIT_PORT 0xf4
#define ISA_INPUTS	24

#define FLASH_END	(1ull << 32)
#define CODE_SIZE	(2 * PFLASH_BLOCK_SIZE)
#define CODE_START	(FLASH_END - CODE_SIZE)
#define VARIABLES_SIZE	(3 * PFLASH_BLOCK_SIZE)
#define VARIABLES_START (CODE_START - VARIABLES_SIZE)

/* Of the i6300esb. */
#define ESB_SLOT       4

#define CONFIG_ENABLE  (1u << 31)
#define LPC_DEVFN      PCI_DEVFN(ICH9_LPC_SLOT, ICH9_LPC_FUNCTION)

#define KERNEL_SECTORS 2
#define KERNEL_SIZE    ((KERNEL_SECTORS + 1) * 512 + 4096)

/* What a machine can lack; and one that firmware has been through. */
enum {
	WITHOUT_HPET = 1 << 0,
	WITHOUT_SECOND_SERIAL = 1 << 1,
	WITHOUT_DEBUG_CONSOLE = 1 << 2,
	WITHOUT_KERNEL = 1 << 3,
	WITHOUT_ROOT_PORTS = 1 << 4,
	SET_UP = 1 << 5,
	WITHOUT_GENERATION_ID = 1 << 6,
	WITHOUT_VMCOREINFO = 1 << 7,
};

typedef struct {
	gint64 now;
	gint64 deadline;
	void (*expired)(void *device); /* NULL until a device has it */
	void *device;
} Clock;

typedef struct {
	Pflash *pflash;
	guint8 *content;
	guint8 *durable;
	gsize size;
	gboolean is_array;
	gboolean is_readonly;
	gboolean is_broken;
} Unit;

/* The other end of a serial port, or of the debug console. */
typedef struct {
	Serial *serial; /* of a serial port that is there */
	guint64 n_transmitted;
	gboolean is_waiting; /* for room, since there was none */
} LineEnd;

typedef struct {
	guint flags;
	DeviceSurroundings devices;
	DeviceBoard board;
	Chipset *chipset;
	PcieRootPort *slot;   /* the first root port, or NULL */
	gboolean is_occupied; /* what is in its slot */
	Clock rtc_clock, pm_clock, hpet_clock;
	Clock itco_clock, esb_clock; /* of the watchdogs */
	Unit code, variables;
	FwCfgModel fw_cfg;
	FwCfgContent *content;

	gboolean levels[ISA_INPUTS];
	guint32 ram_segments;
	LineEnd serials[CHIPSET_SERIALS];
	LineEnd debug_console;
	guint64 n_written;
} World;

static const PcieRootPortConfig root_ports[] = {
	{ .slot = 2, .number = 0, .is_multifunction = TRUE, .port = 1, .chassis = 1 },
	{ .slot = 2, .number = 1, .port = 2, .chassis = 2 },
	{ .slot = 28, .number = 0, .port = 3, .chassis = 8191 },
};

/* The host */

static inline void set_interrupt(void *opaque, guint gsi, gboolean level)
{
	World *world = opaque;

	g_assert_cmpuint(gsi, <, G_N_ELEMENTS(world->levels));
	g_assert_cmpint(world->levels[gsi], !=, level);
	world->levels[gsi] = level;
}

static inline void send_msi(void *opaque, guint64 address, guint32 data)
{
	(void)opaque;
	g_assert_cmphex(address & 3, ==, 0);
	g_assert_cmphex(data, <=, G_MAXUINT16);
}

static inline void set_ram_segments(void *opaque, guint32 ram)
{
	World *world = opaque;

	g_assert_cmphex(ram >> PCI_HOST_RAM_SEGMENTS, ==, 0);
	world->ram_segments = ram;
}

static inline void ignore(void *opaque)
{
	(void)opaque;
}

static inline void debug_exit(void *opaque, guint32 value)
{
	(void)opaque;
	(void)value;
}

static inline gint64 clock_now(void *opaque)
{
	return ((Clock *)opaque)->now;
}

static inline void clock_arm(void *opaque, gint64 deadline)
{
	((Clock *)opaque)->deadline = deadline;
}

/* In the order of making: that of the PM block, the HPET's, if there is one, and the watchdogs'. */
static inline gboolean make_timer(void *opaque, DeviceClock kind, void (*expired)(void *device),
				  void *device, DeviceTimer *timer, GError **error)
{
	World *world = opaque;
	Clock *clocks[] = { &world->pm_clock, &world->hpet_clock, &world->itco_clock,
			    &world->esb_clock };
	Clock *clock = &world->rtc_clock;

	(void)error;
	for (guint i = 0; kind == DEVICE_CLOCK_MONOTONIC && i < G_N_ELEMENTS(clocks); i++) {
		clock = clocks[i];
		if (!clock->expired &&
		    !(clock == &world->hpet_clock && (world->flags & WITHOUT_HPET)))
			break;
	}
	g_assert_null(clock->expired);
	clock->expired = expired;
	clock->device = device;
	*timer = (DeviceTimer){ .now = clock_now, .arm = clock_arm, .opaque = clock };
	return TRUE;
}

static inline void panicked(void *opaque, gboolean is_crash_loaded)
{
	(void)opaque;
	(void)is_crash_loaded;
}

static inline void watchdog_expired(void *opaque, guint action)
{
	(void)opaque;
	g_assert_cmpuint(action, ==, WATCHDOG_NONE);
}

static const DeviceHost host = {
	.make_timer = make_timer,
	.set_interrupt = set_interrupt,
	.send_msi = send_msi,
	.set_ram_segments = set_ram_segments,
	.reset = ignore,
	.power_off = ignore,
	.debug_exit = debug_exit,
	.panicked = panicked,
	.watchdog_expired = watchdog_expired,
};

static inline void transmit(void *opaque, guint8 byte)
{
	(void)byte;
	((LineEnd *)opaque)->n_transmitted++;
}

static inline void receive_room(void *opaque)
{
	LineEnd *end = opaque;

	g_assert_true(end->is_waiting);
	end->is_waiting = FALSE;
}

static inline void connected(void *opaque, Serial *serial)
{
	((LineEnd *)opaque)->serial = serial;
}

static const SerialBackend serial_backend = {
	.transmit = transmit,
	.receive_room = receive_room,
	.connected = connected,
};

/* RAM: one array for all inputs, of which only what was written is cleared. */

static guint8 ram[RAM_SIZE];
static guint64 ram_dirty_end;

static inline gboolean read_ram(void *opaque, guint64 gpa, void *data, gsize size)
{
	(void)opaque;
	if (gpa > RAM_SIZE || size > RAM_SIZE - gpa)
		return FALSE;
	memcpy(data, ram + gpa, size);
	return TRUE;
}

static inline gboolean world_write_ram(void *opaque, guint64 gpa, const void *data, gsize size)
{
	(void)opaque;
	if (gpa > RAM_SIZE || size > RAM_SIZE - gpa)
		return FALSE;
	memcpy(ram + gpa, data, size);
	ram_dirty_end = MAX(ram_dirty_end, gpa + size);
	return TRUE;
}

static const DeviceMemory ram_memory = { .read = read_ram, .write = world_write_ram };

/* Flash */

static inline void set_readable(void *opaque, gboolean is_array)
{
	Unit *unit = opaque;

	g_assert_cmpint(is_array, !=, unit->is_array);
	unit->is_array = is_array;
}

static inline gboolean store(void *opaque, guint64 offset, gsize size)
{
	Unit *unit = opaque;

	g_assert_false(unit->is_readonly);
	g_assert_cmpuint(size, >, 0);
	g_assert_cmpuint(offset + size, <=, unit->size);
	g_assert_cmpuint(offset / PFLASH_BLOCK_SIZE, ==, (offset + size - 1) / PFLASH_BLOCK_SIZE);
	if (!unit->is_broken)
		memcpy(unit->durable + offset, unit->content + offset, size);
	return !unit->is_broken;
}

static const PflashHost pflash_host = { .set_readable = set_readable, .store = store };

static inline void unit_check_durable(const Unit *unit)
{
	g_assert_cmpmem(unit->durable, unit->size, unit->content, unit->size);
}

static inline void unit_reset(void *device)
{
	const Unit *unit = device;

	pflash_reset(unit->pflash);
	g_assert_true(unit->is_array);
	unit_check_durable(unit);
}

static inline void unit_pause(void *device)
{
	const Unit *unit = device;

	pflash_flush(unit->pflash);
	unit_check_durable(unit);
}

static inline void unit_free(void *device)
{
	const Unit *unit = device;

	pflash_free(unit->pflash);
	g_free(unit->durable);
	g_free(unit->content);
}

static const DeviceOperations unit_operations = {
	.reset = unit_reset,
	.pause = unit_pause,
	.free = unit_free,
};

static inline void unit_create(const DeviceSurroundings *devices, const char *id, Unit *unit,
			       guint64 start, gsize size, gboolean is_readonly)
{
	unit->content = g_malloc0(size);
	unit->durable = g_malloc0(size);
	unit->size = size;
	unit->is_array = TRUE;
	unit->is_readonly = is_readonly;
	unit->pflash = pflash_new(unit->content, size, is_readonly, &pflash_host, unit);
	bus_add(devices->mmio, start, size, "flash", &pflash_operations, unit->pflash);
	device_registry_add(devices->registry, id, &unit_operations, unit);
}

/* fw_cfg */

static inline void put(guint8 *file, guint offset, guint size, guint64 value)
{
	value = GUINT64_TO_LE(value);
	memcpy(file + offset, &value, size);
}

/* A kernel of which no two bytes in a row are alike, behind a header that says what it must. */
static inline int make_kernel(void)
{
	const guint header = offsetof(struct boot_params, hdr);
	guint8 file[KERNEL_SIZE];
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	for (guint i = 0; i < sizeof(file); i++)
		file[i] = i % 251 + 1;
	put(file, header + offsetof(struct setup_header, setup_sects), 1, KERNEL_SECTORS);
	put(file, header + offsetof(struct setup_header, syssize), 4, 4096 / 16);
	put(file, header + offsetof(struct setup_header, boot_flag), 2, 0xaa55);
	put(file, header + offsetof(struct setup_header, jump), 2, 0x6aeb);
	memcpy(file + header + offsetof(struct setup_header, header), "HdrS", 4);
	put(file, header + offsetof(struct setup_header, version), 2, 0x020f);
	put(file, header + offsetof(struct setup_header, loadflags), 1, LOADED_HIGH);
	put(file, header + offsetof(struct setup_header, xloadflags), 2, XLF_KERNEL_64);
	put(file, header + offsetof(struct setup_header, initrd_addr_max), 4, 0x7fffffff);
	put(file, header + offsetof(struct setup_header, kernel_alignment), 4, 2 * MIB);
	put(file, header + offsetof(struct setup_header, cmdline_size), 4, 2047);
	put(file, header + offsetof(struct setup_header, pref_address), 8, 16 * MIB);
	put(file, header + offsetof(struct setup_header, init_size), 4, MIB);
	g_assert_cmpint(write(fd, file, sizeof(file)), ==, sizeof(file));
	return fd;
}

static inline void describe_acpi(void *opaque, AcpiConfig *acpi)
{
	World *world = opaque;
	guint64 ecam_size;

	acpi->physical_address_bits = 40;
	acpi->has_com2 = !(world->flags & WITHOUT_SECOND_SERIAL);
	acpi->pvpanic_port = world->board.pvpanic_port;
	acpi->generation_id = world->board.has_generation_id ? world->board.generation_id : NULL;
	acpi->has_hpet = !(world->flags & WITHOUT_HPET);
	chipset_find_ecam(world->chipset, &acpi->ecam_base, &ecam_size);
	acpi->ecam_buses = ecam_size / PCI_ECAM_BUS_SIZE;
}

/* Return: what comes to @memory when the guest asks for it by DMA. */
static inline FwCfg *make_fw_cfg(World *world, const DeviceMemory *memory, FwCfgContent **content)
{
	static int kernel_fd;
	static const SmbiosConfig smbios = {
		.ram_low_end = RAM_LOW_END,
		.ram_high_end = RAM_HIGH_END,
		.sockets = 2,
		.cores = 1,
		.threads = 1,
	};
	FwCfgContentConfig config = {
		.ram_low_end = RAM_LOW_END,
		.ram_high_end = RAM_HIGH_END,
		.vcpus = 2,
		.smbios = &smbios,
		.boot_fail_wait = -1,
		.has_vmcoreinfo = world->board.has_vmcoreinfo,
		.kernel_fd = -1,
		.initrd_fd = -1,
		.option_rom_fd = -1,
		.command_line = "console=ttyS0",
		.describe_acpi = describe_acpi,
		.opaque = world,
	};
	FwCfg *fw = fw_cfg_new(memory);

	if (!kernel_fd)
		kernel_fd = make_kernel();
	/* A kernel does for an initrd and an option ROM as well: nobody looks into those. */
	if (!(world->flags & WITHOUT_KERNEL))
		config.kernel_fd = config.initrd_fd = config.option_rom_fd = kernel_fd;
	*content = fw_cfg_content_new(fw, &config, NULL);
	g_assert_nonnull(*content);
	return fw;
}

static const FwCfgItems *learn_items(World *world)
{
	/* With an HPET there is one table more. */
	const guint matters = WITHOUT_HPET | WITHOUT_KERNEL | WITHOUT_GENERATION_ID |
			      WITHOUT_VMCOREINFO;
	static FwCfgItems *learnt[256];
	FwCfgItems **items = &learnt[world->flags & matters];

	if (!*items) {
		FwCfgContent *content = NULL;
		g_autoptr(FwCfg) fw = make_fw_cfg(world, &ram_memory, &content);

		*items = fw_cfg_model_learn(fw);
		fw_cfg_content_free(content);
	}
	return *items;
}

static inline void reset_fw_cfg(void *device)
{
	fw_cfg_model_reset(&((World *)device)->fw_cfg);
}

static inline void free_fw_cfg(void *device)
{
	const World *world = device;

	fw_cfg_free(world->fw_cfg.fw);
	fw_cfg_content_free(world->content);
}

static const DeviceOperations model_operations = {
	.reset = reset_fw_cfg,
	.free = free_fw_cfg,
};

static inline void add_fw_cfg(World *world)
{
	const DeviceMemory memory = fw_cfg_model_memory(&world->fw_cfg);

	world->fw_cfg.items = learn_items(world);
	world->fw_cfg.memory = ram_memory;
	world->fw_cfg.fw = make_fw_cfg(world, &memory, &world->content);
	fw_cfg_model_reset(&world->fw_cfg);
	bus_add(world->devices.ports, FW_CFG_PORT, FW_CFG_PORTS, "fw_cfg", &fw_cfg_model_operations,
		&world->fw_cfg);
	device_registry_add(world->devices.registry, "fw-cfg", &model_operations, world);
}

/* Configuration space, as the guest has it at the ports */

/* Leaves the address register as the guest has it. */
static inline guint32 world_read_config(World *world, guint bus, guint devfn, guint reg, guint size)
{
	Bus *ports = world->devices.ports;
	guint32 address = bus_read(ports, PCI_HOST_ADDRESS_PORT, 4);
	guint32 value;

	bus_write(ports, PCI_HOST_ADDRESS_PORT, 4,
		  CONFIG_ENABLE | bus << 16 | devfn << 8 | (reg & ~3u));
	value = bus_read(ports, PCI_HOST_DATA_PORT + (reg & 3), size);
	bus_write(ports, PCI_HOST_ADDRESS_PORT, 4, address);
	return value;
}

static inline gboolean world_is_function(const World *world, guint bus, guint devfn)
{
	/* Behind a port whose numbers say so, as long as its link is up. */
	if (bus != 0)
		return world->is_occupied;
	for (guint i = 0; i < G_N_ELEMENTS(root_ports); i++) {
		if (devfn == PCI_DEVFN(root_ports[i].slot, root_ports[i].number))
			return !(world->flags & WITHOUT_ROOT_PORTS);
	}
	return devfn == 0 || devfn == LPC_DEVFN || devfn == PCI_DEVFN(ESB_SLOT, 0);
}

static inline guint32 world_rcba(World *world)
{
	return world_read_config(world, 0, LPC_DEVFN, ICH9_LPC_RCBA, 4);
}

/* The PM block's first port, or 0. */
static inline guint world_pm_base(World *world)
{
	guint control = world_read_config(world, 0, LPC_DEVFN, ICH9_LPC_ACPI_CNTL, 1);

	return control & ICH9_LPC_ACPI_ENABLE ?
		       world_read_config(world, 0, LPC_DEVFN, ICH9_LPC_PMBASE, 2) & 0xff80 :
		       0;
}

/* The machine */

static inline ChipsetLine line(const World *world, LineEnd *end, guint without)
{
	return (ChipsetLine){ world->flags & without ? NULL : &serial_backend, end };
}

static inline void make_chipset(World *world)
{
	const ChipsetConfig config = {
		.serials = {
			line(world, &world->serials[0], 0),
			line(world, &world->serials[1], WITHOUT_SECOND_SERIAL),
		},
		.debug_console = line(world, &world->debug_console, WITHOUT_DEBUG_CONSOLE),
		.rtc = { .ram_low_end = RAM_LOW_END, .ram_high_end = RAM_HIGH_END },
		.has_hpet = !(world->flags & WITHOUT_HPET),
		.debug_exit_port = DEBUG_EXIT_PORT,
	};

	world->rtc_clock.deadline = DEVICE_TIMER_NEVER;
	world->pm_clock.deadline = DEVICE_TIMER_NEVER;
	world->hpet_clock.deadline = DEVICE_TIMER_NEVER;
	world->itco_clock.deadline = DEVICE_TIMER_NEVER;
	world->esb_clock.deadline = DEVICE_TIMER_NEVER;
	world->chipset = chipset_new(&world->devices, &config, NULL);
	g_assert_nonnull(world->chipset);
	for (guint i = 0; !(world->flags & WITHOUT_ROOT_PORTS) && i < G_N_ELEMENTS(root_ports);
	     i++) {
		PcieRootPort *port = pcie_root_port_new(chipset_root_bus(world->chipset),
							&root_ports[i]);

		if (i == 0)
			world->slot = port;
	}
}

/* @description: members of the type's, as JSON */
static inline gboolean try_described(World *world, const DeviceType *type, const char *id,
				     const char *description)
{
	g_autoptr(JsonNode) node = json_from_string(description, NULL);
	g_autofree void *of_type = g_malloc0(type->description_size);
	const JsonFieldSet set = { type->fields, of_type };
	const DeviceContext context = {
		.surroundings = &world->devices,
		.id = id,
		.owner = id,
		.bus = chipset_root_bus(world->chipset),
		.slot = ESB_SLOT,
	};
	gboolean is_made;

	g_assert_true(json_fields_read(json_node_get_object(node), id, &set, 1, NULL));
	is_made = type->create(&context, of_type, NULL);
	json_fields_clear(&set, 1);
	return is_made;
}

static inline void add_described(World *world, const DeviceType *type, const char *id,
				 const char *description)
{
	g_assert_true(try_described(world, type, id, description));
}

/* What ACPI tables and fw_cfg say alone; there can be but one of each. */
static inline void add_to_board(World *world, const DeviceType *type, const char *id,
				const char *description)
{
	add_described(world, type, id, description);
	g_assert_false(try_described(world, type, "another", description));
}

static inline void add_of_board(World *world)
{
	world->board.has_fw_cfg = TRUE;
	if (!(world->flags & WITHOUT_GENERATION_ID))
		add_to_board(world, &vmgenid_type, "genid0",
			     "{\"guid\":\"324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87\"}");
	if (!(world->flags & WITHOUT_VMCOREINFO))
		add_to_board(world, &vmcoreinfo_type, "vmcoreinfo0", "{}");
}

/* What is plugged in: a function with interrupts and a BAR, where it reads as nothing. */

static inline guint64 read_endpoint(void *device, guint64 offset, guint size)
{
	(void)device;
	(void)offset;
	(void)size;
	return G_MAXUINT64;
}

static inline void write_endpoint(void *device, guint64 offset, guint size, guint64 value)
{
	(void)device;
	(void)offset;
	(void)size;
	(void)value;
}

static const BusOperations endpoint_bar_operations = {
	.read = read_endpoint,
	.write = write_endpoint,
	.max_access = 8,
};

static const PciFunctionOperations endpoint_operations = { .free = g_free };

static inline PciFunction *world_endpoint(const World *world)
{
	return pci_bus_get(pcie_root_port_bus(world->slot), 0, 0);
}

static inline void world_plug_in(World *world, gboolean is_hot)
{
	const PciFunctionConfig config = {
		.name = "endpoint",
		.vendor = PCI_VENDOR_REDHAT,
		.class_code = 0xff0000,
		.pin = 1,
		.is_express = TRUE,
		.operations = &endpoint_operations,
		.opaque = g_malloc(1),
	};
	PciFunction *function = pci_function_new(&config);

	pci_function_add_msi(function);
	pci_function_add_bar(function, 0, 0, 4096, &endpoint_bar_operations, config.opaque);
	pci_bus_add(pcie_root_port_bus(world->slot), 0, 0, function);
	pcie_root_port_insert(world->slot, is_hot);
	world->is_occupied = TRUE;
}

static inline void world_plug_out(World *world)
{
	pci_bus_remove(world_endpoint(world));
	pcie_root_port_remove(world->slot);
	world->is_occupied = FALSE;
}

static inline void world_reset(World *world)
{
	device_registry_reset(world->devices.registry);
	for (guint i = 0; i < G_N_ELEMENTS(world->levels); i++)
		g_assert_false(world->levels[i]);
	g_assert_cmpint(world->rtc_clock.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmpint(world->pm_clock.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmpint(world->hpet_clock.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmpint(world->itco_clock.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmpint(world->esb_clock.deadline, ==, DEVICE_TIMER_NEVER);
	g_assert_cmphex(world->ram_segments, ==, 0);
	g_assert_cmpuint(world_pm_base(world), ==, 0);
}

static inline void world_start(World *world, guint flags)
{
	*world = (World){ .flags = flags, .rtc_clock.now = 1709251198ll * 1000000000 };
	device_surroundings_init(&world->devices, &host, world);
	world->devices.board = &world->board;
	make_chipset(world);
	add_described(world, &pvpanic_type, "panic0", "{}");
	add_described(world, &itco_type, "watchdog0", "{\"action\":\"none\"}");
	add_described(world, &i6300esb_type, "watchdog1", "{\"action\":\"none\"}");
	add_of_board(world);
	unit_create(&world->devices, "flash-code", &world->code, CODE_START, CODE_SIZE, TRUE);
	unit_create(&world->devices, "flash-variables", &world->variables, VARIABLES_START,
		    VARIABLES_SIZE, FALSE);
	add_fw_cfg(world);
	if (flags & SET_UP)
		chipset_set_up(world->chipset);
}

static inline void world_end(World *world)
{
	world_reset(world);
	device_surroundings_clear(&world->devices);
	chipset_free(world->chipset);
	memset(ram, 0, ram_dirty_end);
	ram_dirty_end = 0;
}
