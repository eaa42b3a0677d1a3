/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci-function.c - a PCI function: its configuration space, BARs and interrupts */
#include "vmm/pci/pci-function.h"

#include <string.h>

#include "vmm/pci/pci-bus.h"

#define BAR_OFFSET(index) (PCI_BASE_ADDRESS_0 + 4 * (index))

/* That of the expansion ROM is behind the others. */
#define ROM_BAR	  PCI_BARS
#define ALL_BARS  (PCI_BARS + 1)
#define PORTS_END 0x10000

enum {
	COMMAND_WRITABLE = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			   PCI_COMMAND_PARITY | PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE,
	BRIDGE_CONTROL_VGA_16BIT = 1 << 4,
	BRIDGE_CONTROL_WRITABLE = PCI_BRIDGE_CTL_PARITY | PCI_BRIDGE_CTL_SERR | PCI_BRIDGE_CTL_ISA |
				  PCI_BRIDGE_CTL_VGA | BRIDGE_CONTROL_VGA_16BIT |
				  PCI_BRIDGE_CTL_BUS_RESET,
	HEADER_MULTIFUNCTION = 1 << 7,
	POWER_MANAGEMENT_1_2 = 3,

	EXPRESS_SIZE = 0x3c, /* of version 2 */
	EXPRESS_VERSION = 2,
	EXPRESS_TYPE_SHIFT = 4,
	EXPRESS_CONTROL_WRITABLE = PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
				   PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE |
				   PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN |
				   PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ,
	EXPRESS_ERRORS = PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED | PCI_EXP_DEVSTA_FED |
			 PCI_EXP_DEVSTA_URD,
	LINK_WIDTH = 32,
	LINK_WIDTH_SHIFT = 4,
	LINK_SPEEDS = 0x1e, /* 2.5 to 16 GT/s, as root ports have them */

	D0 = 0,
	D3 = 3,
};

typedef struct {
	guint64 size; /* 0 where there is none */
	guint32 flags;
	const BusOperations *operations;
	void *device;
	BusWindow *window;
	/* Where it answers. */
	guint64 address;
	guint64 decoded;
} PciBar;

struct PciFunction {
	const char *name;
	char *id;
	const PciFunctionOperations *operations;
	void *device;
	PciBus *bus;	   /* NULL until it is on one */
	PciBus *secondary; /* of a bridge */
	guint devfn;
	guint pin; /* 0 for none */
	guint config_size;
	guint next_capability;	/* where there is room for it */
	guint last_link;	/* the byte that is to point there */
	guint power_management; /* offset of the capability, or 0 */
	guint msi;
	gboolean intx;		 /* what the device says */
	gboolean is_intx_raised; /* what the bus was told */
	PciBar bars[ALL_BARS];
	PciRom *rom; /* or NULL */
	guint8 config[PCI_CFG_SPACE_EXP_SIZE];
	guint8 reset_values[PCI_CFG_SPACE_EXP_SIZE];
	guint8 writable[PCI_CFG_SPACE_EXP_SIZE];
	guint8 clearing[PCI_CFG_SPACE_EXP_SIZE];
};

static guint32 load(const guint8 *bytes, guint size)
{
	guint32 value = 0;

	for (guint i = 0; i < size; i++)
		value |= (guint32)bytes[i] << (i * 8);
	return value;
}

static void store(guint8 *bytes, guint size, guint32 value)
{
	for (guint i = 0; i < size; i++)
		bytes[i] = value >> (i * 8);
}

static void add_type_0_header(PciFunction *function, const PciFunctionConfig *config)
{
	pci_function_set_register(function, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_NORMAL, 0, 0);
	pci_function_set_register(function, PCI_SUBSYSTEM_VENDOR_ID, 2, config->subsystem_vendor, 0,
				  0);
	pci_function_set_register(function, PCI_SUBSYSTEM_ID, 2, config->subsystem_device, 0, 0);
}

/* Each window has its base above its limit, and so is closed. */
static void add_type_1_header(PciFunction *function)
{
	pci_function_set_register(function, PCI_HEADER_TYPE, 1, PCI_HEADER_TYPE_BRIDGE, 0, 0);
	pci_function_set_register(function, PCI_PRIMARY_BUS, 1, 0, 0xff, 0);
	pci_function_set_register(function, PCI_SECONDARY_BUS, 1, 0, 0xff, 0);
	pci_function_set_register(function, PCI_SUBORDINATE_BUS, 1, 0, 0xff, 0);
	pci_function_set_register(function, PCI_IO_BASE, 1, 0xf0, 0xf0, 0);
	pci_function_set_register(function, PCI_IO_LIMIT, 1, 0, 0xf0, 0);
	pci_function_set_register(function, PCI_MEMORY_BASE, 2, 0xfff0, 0xfff0, 0);
	pci_function_set_register(function, PCI_MEMORY_LIMIT, 2, 0, 0xfff0, 0);
	pci_function_set_register(function, PCI_PREF_MEMORY_BASE, 2,
				  0xfff0 | PCI_PREF_RANGE_TYPE_64, 0xfff0, 0);
	pci_function_set_register(function, PCI_PREF_MEMORY_LIMIT, 2, PCI_PREF_RANGE_TYPE_64,
				  0xfff0, 0);
	pci_function_set_register(function, PCI_PREF_BASE_UPPER32, 4, 0, 0xffffffff, 0);
	pci_function_set_register(function, PCI_PREF_LIMIT_UPPER32, 4, 0, 0xffffffff, 0);
	pci_function_set_register(function, PCI_BRIDGE_CONTROL, 2, 0, BRIDGE_CONTROL_WRITABLE, 0);
}

static void add_header(PciFunction *function, const PciFunctionConfig *config)
{
	pci_function_set_register(function, PCI_VENDOR_ID, 2, config->vendor, 0, 0);
	pci_function_set_register(function, PCI_DEVICE_ID, 2, config->device, 0, 0);
	pci_function_set_register(function, PCI_COMMAND, 2, 0, COMMAND_WRITABLE, 0);
	pci_function_set_register(function, PCI_CLASS_REVISION, 4,
				  config->class_code << 8 | config->revision, 0, 0);
	pci_function_set_register(function, PCI_CACHE_LINE_SIZE, 1, 0, 0xff, 0);
	pci_function_set_register(function, PCI_INTERRUPT_LINE, 1, 0, 0xff, 0);
	pci_function_set_register(function, PCI_INTERRUPT_PIN, 1, config->pin, 0, 0);
	if (config->is_bridge)
		add_type_1_header(function);
	else
		add_type_0_header(function, config);
	if (config->is_multifunction) {
		function->config[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
		function->reset_values[PCI_HEADER_TYPE] |= HEADER_MULTIFUNCTION;
	}
}

PciFunction *pci_function_new(const PciFunctionConfig *config)
{
	PciFunction *function = g_new0(PciFunction, 1);

	g_assert(config->pin <= PCI_PINS);
	function->name = config->name;
	function->operations = config->operations;
	function->device = config->opaque;
	function->pin = config->pin;
	function->config_size = config->is_express ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE;
	function->next_capability = PCI_STD_HEADER_SIZEOF;
	function->last_link = PCI_CAPABILITY_LIST;
	add_header(function, config);
	if (config->is_bridge)
		function->secondary = pci_bus_new_secondary(function);
	return function;
}

void pci_function_free(PciFunction *function)
{
	if (!function)
		return;
	for (guint i = 0; i < ALL_BARS; i++)
		if (function->bars[i].window)
			bus_remove_window(function->bars[i].window);
	pci_rom_free(function->rom);
	pci_bus_free(function->secondary);
	if (function->operations->free)
		function->operations->free(function->device);
	g_free(function->id);
	g_free(function);
}

void pci_function_set_register(PciFunction *function, guint offset, guint size, guint32 value,
			       guint32 writable, guint32 clearing)
{
	g_assert(size <= 4 && offset + size <= function->config_size);
	store(function->config + offset, size, value);
	store(function->reset_values + offset, size, value);
	store(function->writable + offset, size, writable);
	store(function->clearing + offset, size, clearing);
}

void pci_function_set_writable(PciFunction *function, guint offset, guint size, guint32 writable)
{
	g_assert(size <= 4 && offset + size <= function->config_size);
	store(function->writable + offset, size, writable);
}

guint32 pci_function_get(const PciFunction *function, guint offset, guint size)
{
	g_assert(size <= 4 && offset + size <= function->config_size);
	return load(function->config + offset, size);
}

void pci_function_change(PciFunction *function, guint offset, guint size, guint32 mask,
			 guint32 value)
{
	guint32 old = pci_function_get(function, offset, size);

	store(function->config + offset, size, (old & ~mask) | (value & mask));
}

/* Capabilities */

guint pci_function_add_capability(PciFunction *function, guint8 id, guint size)
{
	guint offset = function->next_capability;
	guint status = pci_function_get(function, PCI_STATUS, 2);

	g_assert(size >= 2 && offset + size <= PCI_CFG_SPACE_SIZE);
	pci_function_set_register(function, PCI_STATUS, 2, status | PCI_STATUS_CAP_LIST, 0, 0);
	pci_function_set_register(function, function->last_link, 1, offset, 0, 0);
	pci_function_set_register(function, offset + PCI_CAP_LIST_ID, 1, id, 0, 0);
	function->last_link = offset + PCI_CAP_LIST_NEXT;
	function->next_capability = (offset + size + 3) & ~3u;
	return offset;
}

void pci_function_add_power_management(PciFunction *function)
{
	guint offset = pci_function_add_capability(function, PCI_CAP_ID_PM, PCI_PM_SIZEOF);

	function->power_management = offset;
	pci_function_set_register(function, offset + PCI_PM_PMC, 2, POWER_MANAGEMENT_1_2, 0, 0);
	pci_function_set_register(function, offset + PCI_PM_CTRL, 2, PCI_PM_CTRL_NO_SOFT_RESET,
				  PCI_PM_CTRL_STATE_MASK, 0);
}

guint pci_function_add_msi(PciFunction *function)
{
	guint offset = pci_function_add_capability(function, PCI_CAP_ID_MSI, PCI_MSI_DATA_64 + 2);

	function->msi = offset;
	pci_function_set_register(function, offset + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_64BIT,
				  PCI_MSI_FLAGS_ENABLE, 0);
	pci_function_set_register(function, offset + PCI_MSI_ADDRESS_LO, 4, 0, 0xfffffffc, 0);
	pci_function_set_register(function, offset + PCI_MSI_ADDRESS_HI, 4, 0, 0xffffffff, 0);
	pci_function_set_register(function, offset + PCI_MSI_DATA_64, 2, 0, 0xffff, 0);
	return offset;
}

static void add_link(PciFunction *function, guint at)
{
	pci_function_set_register(function, at + PCI_EXP_LNKCAP, 4,
				  PCI_EXP_LNKCAP_SLS_16_0GB | LINK_WIDTH << LINK_WIDTH_SHIFT, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKCTL, 2, 0,
				  PCI_EXP_LNKCTL_CCC | PCI_EXP_LNKCTL_ES, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKSTA, 2,
				  PCI_EXP_LNKSTA_CLS_16_0GB | LINK_WIDTH << LINK_WIDTH_SHIFT, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKCAP2, 4, LINK_SPEEDS, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_LNKCTL2, 2, PCI_EXP_LNKCTL2_TLS_16_0GT,
				  PCI_EXP_LNKCTL2_TLS, 0);
}

void pci_function_add_express_endpoint(PciFunction *function, gboolean is_integrated)
{
	guint type = is_integrated ? PCI_EXP_TYPE_RC_END : PCI_EXP_TYPE_ENDPOINT;
	guint at = pci_function_add_capability(function, PCI_CAP_ID_EXP, EXPRESS_SIZE);

	pci_function_set_register(function, at + PCI_EXP_FLAGS, 2,
				  EXPRESS_VERSION | type << EXPRESS_TYPE_SHIFT, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_DEVCAP, 4, PCI_EXP_DEVCAP_RBER, 0, 0);
	pci_function_set_register(function, at + PCI_EXP_DEVCTL, 2, 0, EXPRESS_CONTROL_WRITABLE, 0);
	pci_function_set_register(function, at + PCI_EXP_DEVSTA, 2, 0, 0, EXPRESS_ERRORS);
	if (!is_integrated)
		add_link(function, at);
}

void pci_function_add_subsystem(PciFunction *function, guint16 vendor, guint16 device)
{
	guint offset = pci_function_add_capability(function, PCI_CAP_ID_SSVID,
						   PCI_SSVID_DEVICE_ID + 2);

	pci_function_set_register(function, offset + PCI_SSVID_VENDOR_ID, 2, vendor, 0, 0);
	pci_function_set_register(function, offset + PCI_SSVID_DEVICE_ID, 2, device, 0, 0);
}

/* BARs */

static gboolean is_io(const PciBar *bar)
{
	return (bar->flags & PCI_BASE_ADDRESS_SPACE) == PCI_BASE_ADDRESS_SPACE_IO;
}

static gboolean is_64_bit(const PciBar *bar)
{
	return !is_io(bar) &&
	       (bar->flags & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
}

void pci_function_add_bar(PciFunction *function, guint index, guint32 flags, guint64 size,
			  const BusOperations *operations, void *device)
{
	guint n_bars = function->secondary ? 2 : PCI_BARS;
	PciBar bar = { .size = size, .flags = flags, .operations = operations, .device = device };
	guint64 mask = ~(size - 1);

	g_assert(!function->bus && index < n_bars && !function->bars[index].size);
	g_assert((size & (size - 1)) == 0 && size >= (is_io(&bar) ? 4 : 16));
	g_assert(is_64_bit(&bar) ? index + 1 < n_bars :
				   size <= (is_io(&bar) ? PORTS_END : 1u << 31));
	function->bars[index] = bar;
	pci_function_set_register(function, BAR_OFFSET(index), 4, flags, mask, 0);
	if (is_64_bit(&bar))
		pci_function_set_register(function, BAR_OFFSET(index + 1), 4, 0, mask >> 32, 0);
}

void pci_function_add_rom(PciFunction *function, PciRom *rom)
{
	const guint64 size = pci_rom_size(rom);

	g_assert(!function->bus && !function->secondary && !function->rom);
	function->rom = rom;
	function->bars[ROM_BAR] = (PciBar){
		.size = size,
		.operations = &pci_rom_operations,
		.device = rom,
	};
	pci_function_set_register(function, PCI_ROM_ADDRESS, 4, 0,
				  (guint32) ~(size - 1) | PCI_ROM_ADDRESS_ENABLE, 0);
}

static guint offset_of(guint index)
{
	return index == ROM_BAR ? PCI_ROM_ADDRESS : BAR_OFFSET(index);
}

static gboolean is_closed_rom(const PciFunction *function, const PciBar *bar)
{
	return bar == &function->bars[ROM_BAR] &&
	       !(pci_function_get(function, PCI_ROM_ADDRESS, 4) & PCI_ROM_ADDRESS_ENABLE);
}

/* The size of the window that a BAR opens now: 0 where it has to be closed. */
static guint64 decoded_size(const PciFunction *function, const PciBar *bar, guint64 address)
{
	guint command = pci_function_get(function, PCI_COMMAND, 2);
	guint needed = is_io(bar) ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

	if (!(command & needed) || !pci_function_is_powered(function) || address == 0 ||
	    is_closed_rom(function, bar))
		return 0;
	/* Aligned as it is, an address below the end has room below the end. */
	if (is_io(bar) && address >= PORTS_END)
		return 0;
	return bar->size;
}

static void update_bar(PciFunction *function, guint index)
{
	PciBar *bar = &function->bars[index];
	guint64 address = pci_function_get(function, offset_of(index), 4);
	guint64 size;

	if (is_64_bit(bar))
		address |= (guint64)pci_function_get(function, BAR_OFFSET(index + 1), 4) << 32;
	address &= ~(bar->size - 1);
	size = decoded_size(function, bar, address);
	if (size == bar->decoded && (size == 0 || address == bar->address))
		return;
	bar->address = address;
	bar->decoded = size;
	bus_move_window(bar->window, address, size);
	if (index < PCI_BARS && function->operations->bar_moved)
		function->operations->bar_moved(function->device, index, address, size);
}

static void update_bars(PciFunction *function)
{
	for (guint i = 0; i < ALL_BARS; i++)
		if (function->bars[i].window)
			update_bar(function, i);
}

/* Interrupts */

static void update_intx(PciFunction *function)
{
	guint command = pci_function_get(function, PCI_COMMAND, 2);
	gboolean level = function->intx && !(command & PCI_COMMAND_INTX_DISABLE) &&
			 pci_function_is_powered(function);

	pci_function_change(function, PCI_STATUS, 2, PCI_STATUS_INTERRUPT,
			    function->intx ? PCI_STATUS_INTERRUPT : 0);
	if (level == function->is_intx_raised)
		return;
	function->is_intx_raised = level;
	pci_bus_set_interrupt(function->bus, pci_function_slot(function), function->pin - 1, level);
}

void pci_function_set_intx(PciFunction *function, gboolean level)
{
	g_assert(function->bus && function->pin > 0);
	function->intx = level;
	update_intx(function);
}

void pci_function_release_intx(PciFunction *function)
{
	if (function->secondary)
		pci_bus_release_interrupts(function->secondary);
	function->intx = FALSE;
	update_intx(function);
}

gboolean pci_function_is_msi_enabled(const PciFunction *function)
{
	return function->msi &&
	       pci_function_get(function, function->msi + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_ENABLE;
}

void pci_function_send_msi(PciFunction *function)
{
	const PciRoot *root = pci_bus_root(function->bus);
	guint command = pci_function_get(function, PCI_COMMAND, 2);
	guint64 low, high;

	if (!pci_function_is_msi_enabled(function) || !(command & PCI_COMMAND_MASTER))
		return;
	low = pci_function_get(function, function->msi + PCI_MSI_ADDRESS_LO, 4);
	high = pci_function_get(function, function->msi + PCI_MSI_ADDRESS_HI, 4);
	root->send_msi(root->opaque, high << 32 | low,
		       pci_function_get(function, function->msi + PCI_MSI_DATA_64, 2));
}

/* Configuration accesses */

static guint power_state(const PciFunction *function)
{
	if (!function->power_management)
		return D0;
	return function->config[function->power_management + PCI_PM_CTRL] & PCI_PM_CTRL_STATE_MASK;
}

gboolean pci_function_is_powered(const PciFunction *function)
{
	return power_state(function) == D0;
}

guint32 pci_function_read_config(const PciFunction *function, guint offset, guint size)
{
	if (offset >= function->config_size)
		return G_MAXUINT32;
	if (function->operations->config_read)
		function->operations->config_read(function->device, offset, size);
	return pci_function_get(function, offset, size);
}

static void write_byte(PciFunction *function, guint offset, guint8 value)
{
	guint8 writable = function->writable[offset];
	guint8 byte = function->config[offset];

	byte = (byte & ~writable) | (value & writable);
	function->config[offset] = byte & ~(value & function->clearing[offset]);
}

static gboolean is_bus_reset(const PciFunction *function)
{
	return function->secondary &&
	       function->config[PCI_BRIDGE_CONTROL] & PCI_BRIDGE_CTL_BUS_RESET;
}

void pci_function_write_config(PciFunction *function, guint offset, guint size, guint32 value)
{
	guint old_state = power_state(function);
	gboolean was_bus_reset = is_bus_reset(function);

	if (offset >= function->config_size)
		return;
	for (guint i = 0; i < size; i++)
		write_byte(function, offset + i, value >> (i * 8));

	/* There is no D1 or D2 to go to: section 3.2.4 of the power management specification. */
	if (power_state(function) != D0 && power_state(function) != D3)
		pci_function_change(function, function->power_management + PCI_PM_CTRL, 2,
				    PCI_PM_CTRL_STATE_MASK, old_state);
	update_bars(function);
	update_intx(function);
	if (is_bus_reset(function) && !was_bus_reset)
		pci_bus_reset(function->secondary);
	if (function->operations->config_written)
		function->operations->config_written(function->device, offset, size);
}

void pci_function_reset(PciFunction *function)
{
	memcpy(function->config, function->reset_values, sizeof(function->config));
	function->intx = FALSE;
	update_intx(function);
	update_bars(function);
	if (function->operations->reset)
		function->operations->reset(function->device);
}

/* The bus */

void pci_function_attach(PciFunction *function, PciBus *bus, guint devfn)
{
	const PciRoot *root = pci_bus_root(bus);

	g_assert(!function->bus);
	function->bus = bus;
	function->devfn = devfn;
	for (guint i = 0; i < ALL_BARS; i++) {
		PciBar *bar = &function->bars[i];

		if (bar->size)
			bar->window = bus_add_window(is_io(bar) ? root->ports : root->mmio,
						     function->name, bar->operations, bar->device);
	}
}

PciBus *pci_function_bus(const PciFunction *function)
{
	return function->bus;
}

guint pci_function_devfn(const PciFunction *function)
{
	return function->devfn;
}

guint pci_function_slot(const PciFunction *function)
{
	return PCI_SLOT(function->devfn);
}

void pci_function_set_id(PciFunction *function, const char *id)
{
	g_free(function->id);
	function->id = g_strdup(id);
}

const char *pci_function_id(const PciFunction *function)
{
	return function->id;
}

gboolean pci_function_is_multifunction(const PciFunction *function)
{
	return function->config[PCI_HEADER_TYPE] & HEADER_MULTIFUNCTION;
}

PciBus *pci_function_secondary(const PciFunction *function)
{
	return function->secondary;
}
