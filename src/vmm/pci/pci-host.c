/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-host.c - the host bridge: Intel's Q35 MCH, without SMM
 *
 * Theory of operation
 *
 * A configuration access comes by ports or by memory, and both end in the tree of buses.
 *
 * By ports: an address is written to 0xcf8 as a whole, and the register that it names is at
 * 0xcfc. A narrower access to the address is none to it (section 3.2.2.3.2 of the PCI
 * specification): 0xcf9 is the reset register's. So the address's ports are a window, and
 * what was added to the bus for one of them comes first.
 *
 * By memory: where PCIEXBAR says, 4096 bytes for each function, 1 MiB for each bus (section
 * 7.2.2 of the PCI Express specification).
 */
#include "vmm/pci/pci-host.h"

#define ADDRESS_PORTS	    4
#define DATA_PORTS	    4

#define MCH_DEVICE	    0x29c0
#define MCH_CLASS	    0x060000

#define MCH_EXTENDED_TSEG   0x50 /* QEMU's */
#define MCH_DEVICES_ENABLED 0x54
#define MCH_SCRATCHPAD	    0xdc

#define PAM_REGISTERS	    7
#define PAM0_WRITABLE	    0x30
#define PAM_WRITABLE	    0x33
#define PAM_READS_RAM	    1
#define PAM0_HIGH_SHIFT	    4
#define LAST_SEGMENT	    (PCI_HOST_RAM_SEGMENTS - 1)

#define EXTENDED_TSEG_NONE  0xffff
#define SMRAM_LOCKED	    0x12 /* D_LCK, and C_BASE_SEG, which is always 2 */
#define ESMRAMC_NOT_ENABLED 0x38 /* the cache bits, which are always one */

#define ECAM_BUS_SHIFT	    20
#define ECAM_DEVFN_SHIFT    12
#define MIB		    (1ull << 20)

enum {
	ADDRESS_ENABLE = 1u << 31,
	ADDRESS_WRITABLE = ADDRESS_ENABLE | 0x00fffffc,
	ADDRESS_BUS_SHIFT = 16,
	ADDRESS_DEVFN_SHIFT = 8,
};

/* PCIEXBAR's lower half, if not said otherwise. */
enum {
	PCIEXBAR_ENABLE = 1 << 0,
	PCIEXBAR_LENGTH_SHIFT = 1,
	PCIEXBAR_LENGTH_MASK = 3,
	PCIEXBAR_BIT_64M = 1 << 26, /* of the address, where the length is no more */
	PCIEXBAR_BIT_128M = 1 << 27,
	PCIEXBAR_LOW_RESET = 0xe0000000,
	PCIEXBAR_LOW_WRITABLE = 0xfc000007,
	PCIEXBAR_HIGH_WRITABLE = 0x0000000f, /* of 36 bits of address */
	PCIEXBAR_ADDRESS = 0xfc000000,
};

struct PciHost {
	PciHostConfig config;
	guint64 ecam_base; /* where PCIEXBAR says */
	guint64 ecam_size; /* 0 while it is disabled */
	PciBus *root;
	PciFunction *mch;
	BusWindow *address_window;
	BusWindow *ecam_window;
	guint32 address;
	guint32 ram_segments;
};

/* Configuration mechanism #1 */

static guint64 address_read(void *device, guint64 offset, guint size)
{
	const PciHost *host = device;

	return offset == 0 && size == ADDRESS_PORTS ? host->address : G_MAXUINT64;
}

static void address_write(void *device, guint64 offset, guint size, guint64 value)
{
	PciHost *host = device;

	if (offset == 0 && size == ADDRESS_PORTS)
		host->address = value & ADDRESS_WRITABLE;
}

static const BusOperations address_operations = {
	.read = address_read,
	.write = address_write,
	.max_access = ADDRESS_PORTS,
};

static guint64 data_read(void *device, guint64 offset, guint size)
{
	const PciHost *host = device;

	if (!(host->address & ADDRESS_ENABLE))
		return G_MAXUINT64;
	return pci_bus_read_config(host->root, host->address >> ADDRESS_BUS_SHIFT & 0xff,
				   host->address >> ADDRESS_DEVFN_SHIFT & 0xff,
				   (host->address & 0xfc) + offset, size);
}

static void data_write(void *device, guint64 offset, guint size, guint64 value)
{
	const PciHost *host = device;

	if (host->address & ADDRESS_ENABLE)
		pci_bus_write_config(host->root, host->address >> ADDRESS_BUS_SHIFT & 0xff,
				     host->address >> ADDRESS_DEVFN_SHIFT & 0xff,
				     (host->address & 0xfc) + offset, size, value);
}

static const BusOperations data_operations = {
	.read = data_read,
	.write = data_write,
	.max_access = DATA_PORTS,
};

/* Memory-mapped configuration */

/* What of an access lies in one function; the rest of it meets nothing. */
static guint size_within_function(guint offset, guint size)
{
	return MIN(size, PCI_CFG_SPACE_EXP_SIZE - offset);
}

static guint64 ecam_read(void *device, guint64 offset, guint size)
{
	const PciHost *host = device;
	guint reg = offset & (PCI_CFG_SPACE_EXP_SIZE - 1);
	guint within = size_within_function(reg, size);
	guint64 beyond = G_MAXUINT64 << (within * 8);

	return beyond | pci_bus_read_config(host->root, offset >> ECAM_BUS_SHIFT & 0xff,
					    offset >> ECAM_DEVFN_SHIFT & 0xff, reg, within);
}

static void ecam_write(void *device, guint64 offset, guint size, guint64 value)
{
	const PciHost *host = device;
	guint reg = offset & (PCI_CFG_SPACE_EXP_SIZE - 1);

	pci_bus_write_config(host->root, offset >> ECAM_BUS_SHIFT & 0xff,
			     offset >> ECAM_DEVFN_SHIFT & 0xff, reg,
			     size_within_function(reg, size), value);
}

static const BusOperations ecam_operations = {
	.read = ecam_read,
	.write = ecam_write,
	.max_access = 4,
};

/*
 * Address bits below the length are part of its mask, and read 0. Where the length is the
 * reserved one there is no window.
 */
static void update_ecam(PciHost *host)
{
	static const guint32 masked[] = { PCIEXBAR_BIT_64M | PCIEXBAR_BIT_128M, PCIEXBAR_BIT_64M, 0,
					  0 };
	static const guint64 sizes[] = { 256 * MIB, 128 * MIB, 64 * MIB, 0 };
	guint64 low = pci_function_get(host->mch, PCI_HOST_PCIEXBAR, 4);
	guint64 high = pci_function_get(host->mch, PCI_HOST_PCIEXBAR + 4, 4);
	guint length = low >> PCIEXBAR_LENGTH_SHIFT & PCIEXBAR_LENGTH_MASK;

	pci_function_change(host->mch, PCI_HOST_PCIEXBAR, 4, masked[length], 0);
	host->ecam_base = high << 32 | (low & PCIEXBAR_ADDRESS & ~masked[length]);
	host->ecam_size = low & PCIEXBAR_ENABLE ? sizes[length] : 0;
	bus_move_window(host->ecam_window, host->ecam_base, host->ecam_size);
}

void pci_host_find_ecam(const PciHost *host, guint64 *base, guint64 *size)
{
	*base = host->ecam_base;
	*size = host->ecam_size;
}

/* The MCH's own registers */

static gboolean is_segment_ram(const PciHost *host, guint segment)
{
	guint reg = segment == LAST_SEGMENT ? PCI_HOST_PAM0 : PCI_HOST_PAM0 + 1 + segment / 2;
	guint shift = segment == LAST_SEGMENT ? PAM0_HIGH_SHIFT : segment % 2 * 4;

	return pci_function_get(host->mch, reg, 1) >> shift & PAM_READS_RAM;
}

static void update_ram_segments(PciHost *host)
{
	guint32 ram = 0;

	for (guint i = 0; i < PCI_HOST_RAM_SEGMENTS; i++)
		ram |= is_segment_ram(host, i) << i;
	if (ram == host->ram_segments)
		return;
	host->ram_segments = ram;
	host->config.set_ram_segments(host->config.opaque, ram);
}

static void mch_config_written(void *device, guint offset, guint size)
{
	PciHost *host = device;

	if (pci_overlaps(offset, size, PCI_HOST_PCIEXBAR, 8))
		update_ecam(host);
	if (pci_overlaps(offset, size, PCI_HOST_PAM0, PAM_REGISTERS))
		update_ram_segments(host);
}

static void mch_reset(void *device)
{
	PciHost *host = device;

	update_ecam(host);
	host->ram_segments = 0;
	host->config.set_ram_segments(host->config.opaque, 0);
}

static const PciFunctionOperations mch_operations = {
	.config_written = mch_config_written,
	.reset = mch_reset,
};

static PciFunction *mch_new(PciHost *host)
{
	const PciFunctionConfig config = {
		.name = "MCH",
		.vendor = PCI_VENDOR_INTEL,
		.device = MCH_DEVICE,
		.subsystem_vendor = PCI_SUBSYSTEM_VENDOR,
		.subsystem_device = PCI_SUBSYSTEM_DEVICE,
		.class_code = MCH_CLASS,
		.operations = &mch_operations,
		.opaque = host,
	};
	PciFunction *mch = pci_function_new(&config);

	/* It always answers and masters: only SERR can be turned off. */
	pci_function_set_register(mch, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
				  PCI_COMMAND_SERR, 0);
	pci_function_set_register(mch, MCH_EXTENDED_TSEG, 2, EXTENDED_TSEG_NONE, 0, 0);
	/* Of the chip's functions there is only this one. */
	pci_function_set_register(mch, MCH_DEVICES_ENABLED, 4, 1, 0, 0);
	pci_function_set_register(mch, PCI_HOST_PCIEXBAR, 4, PCIEXBAR_LOW_RESET,
				  PCIEXBAR_LOW_WRITABLE, 0);
	pci_function_set_register(mch, PCI_HOST_PCIEXBAR + 4, 4, 0, PCIEXBAR_HIGH_WRITABLE, 0);
	pci_function_set_register(mch, PCI_HOST_PAM0, 1, 0, PAM0_WRITABLE, 0);
	for (guint i = 1; i < PAM_REGISTERS; i++)
		pci_function_set_register(mch, PCI_HOST_PAM0 + i, 1, 0, PAM_WRITABLE, 0);
	pci_function_set_register(mch, PCI_HOST_SMRAM, 1, SMRAM_LOCKED, 0, 0);
	pci_function_set_register(mch, PCI_HOST_ESMRAMC, 1, ESMRAMC_NOT_ENABLED, 0, 0);
	pci_function_set_register(mch, MCH_SCRATCHPAD, 4, 0, G_MAXUINT32, 0);
	return mch;
}

PciHost *pci_host_new(const PciHostConfig *config)
{
	PciHost *host = g_new0(PciHost, 1);
	const PciRoot root = {
		.ports = config->ports,
		.mmio = config->mmio,
		.send_msi = config->send_msi,
		.opaque = config->opaque,
	};

	host->config = *config;
	host->root = pci_bus_new_root(&root);
	host->mch = mch_new(host);
	pci_bus_add(host->root, 0, 0, host->mch);

	host->address_window = bus_add_window(config->ports, "PCI configuration address",
					      &address_operations, host);
	bus_move_window(host->address_window, PCI_HOST_ADDRESS_PORT, ADDRESS_PORTS);
	bus_add(config->ports, PCI_HOST_DATA_PORT, DATA_PORTS, "PCI configuration data",
		&data_operations, host);
	host->ecam_window = bus_add_window(config->mmio, "PCI Express configuration",
					   &ecam_operations, host);
	return host;
}

void pci_host_free(PciHost *host)
{
	if (!host)
		return;
	pci_bus_free(host->root);
	bus_remove_window(host->ecam_window);
	bus_remove(host->config.ports, PCI_HOST_DATA_PORT);
	bus_remove_window(host->address_window);
	g_free(host);
}

PciBus *pci_host_root_bus(PciHost *host)
{
	return host->root;
}

void pci_host_reset(PciHost *host)
{
	host->address = 0;
	pci_bus_reset(host->root);
}

static void reset_device(void *device)
{
	pci_host_reset(device);
}

static void free_device(void *device)
{
	pci_host_free(device);
}

const DeviceOperations pci_host_device_operations = {
	.reset = reset_device,
	.free = free_device,
};

PciHost *pci_host_create(const DeviceSurroundings *surroundings)
{
	const PciHostConfig config = {
		.ports = surroundings->ports,
		.mmio = surroundings->mmio,
		.set_ram_segments = surroundings->host->set_ram_segments,
		.send_msi = surroundings->host->send_msi,
		.opaque = surroundings->opaque,
	};
	PciHost *host = pci_host_new(&config);

	device_registry_add(surroundings->registry, PCI_HOST_ID, &pci_host_device_operations, host);
	return host;
}
