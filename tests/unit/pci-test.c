/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci-test.c - PCI functions, buses, the host bridge and root ports, as a guest finds them
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/pci/pci-host.h"
#include "vmm/pci/pcie-root-port.h"

#define ECAM 0xe0000000ull
#define MIB  (1ull << 20)

enum { PORT_SLOT = 2, ENDPOINT_SLOT = 5 };

/* How a function is reached: by both ways, which have to agree. */
typedef struct {
	guint bus, slot, function;
} Address;

static const Address mch = { 0, 0, 0 };
static const Address port = { 0, PORT_SLOT, 0 };
static const Address endpoint = { 0, ENDPOINT_SLOT, 0 };

typedef struct {
	Bus *ports;
	Bus *mmio;
	PciHost *host;
	PcieRootPort *root_port;
	PciFunction *endpoint;
	guint32 ram;
	guint n_ram; /* calls */
	guint n_messages;
	guint64 message_address;
	guint32 message_data;
	guint8 pins[PCI_SLOTS];
	guint n_made;
	guint n_freed;
	guint n_reset;
	guint64 bar_value; /* what was written last, and where */
	guint64 bar_offset;
} Fixture;

static void set_ram_segments(void *opaque, guint32 ram)
{
	Fixture *fixture = opaque;

	fixture->ram = ram;
	fixture->n_ram++;
}

static void send_msi(void *opaque, guint64 address, guint32 data)
{
	Fixture *fixture = opaque;

	fixture->n_messages++;
	fixture->message_address = address;
	fixture->message_data = data;
}

static void set_pin(void *opaque, guint slot, guint pin, gboolean level)
{
	Fixture *fixture = opaque;

	g_assert_cmpint(!!(fixture->pins[slot] & 1 << pin), !=, level);
	fixture->pins[slot] ^= 1 << pin;
}

static guint64 bar_read(void *device, guint64 offset, guint size G_GNUC_UNUSED)
{
	return ((Fixture *)device)->bar_value + offset;
}

static void bar_write(void *device, guint64 offset, guint size G_GNUC_UNUSED, guint64 value)
{
	Fixture *fixture = device;

	fixture->bar_offset = offset;
	fixture->bar_value = value;
}

static const BusOperations bar_operations = {
	.read = bar_read,
	.write = bar_write,
	.max_access = 4,
};

static void on_reset(void *opaque)
{
	((Fixture *)opaque)->n_reset++;
}

static void on_free(void *opaque)
{
	((Fixture *)opaque)->n_freed++;
}

static const PciFunctionOperations counting_operations = { .reset = on_reset, .free = on_free };

static PciFunction *endpoint_new(Fixture *fixture)
{
	const PciFunctionConfig config = {
		.name = "endpoint",
		.vendor = 0x1234,
		.device = 0x5678,
		.subsystem_vendor = 0x9abc,
		.subsystem_device = 0xdef0,
		.class_code = 0xff0102,
		.revision = 3,
		.pin = 1,
		.is_express = TRUE,
		.operations = &counting_operations,
		.opaque = fixture,
	};

	fixture->n_made++;
	return pci_function_new(&config);
}

static PciFunction *bridge_new(Fixture *fixture)
{
	const PciFunctionConfig config = {
		.name = "bridge",
		.class_code = 0x060400,
		.pin = 1,
		.is_bridge = TRUE,
		.operations = &counting_operations,
		.opaque = fixture,
	};

	fixture->n_made++;
	return pci_function_new(&config);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const PcieRootPortConfig port_config = { .slot = PORT_SLOT, .port = 0x10, .chassis = 7 };
	PciHostConfig config;
	PciBus *root;

	fixture->ports = bus_new("ports");
	fixture->mmio = bus_new("MMIO");
	config = (PciHostConfig){
		.ports = fixture->ports,
		.mmio = fixture->mmio,
		.set_ram_segments = set_ram_segments,
		.send_msi = send_msi,
		.opaque = fixture,
	};
	fixture->host = pci_host_new(&config);
	root = pci_host_root_bus(fixture->host);
	pci_bus_route_interrupts(root, set_pin, fixture);
	fixture->root_port = pcie_root_port_new(root, &port_config);
	fixture->endpoint = endpoint_new(fixture);
	pci_function_add_bar(fixture->endpoint, 0, PCI_BASE_ADDRESS_SPACE_IO, 64, &bar_operations,
			     fixture);
	pci_function_add_bar(fixture->endpoint, 1, 0, 0x1000, &bar_operations, fixture);
	pci_function_add_bar(fixture->endpoint, 2,
			     PCI_BASE_ADDRESS_MEM_TYPE_64 | PCI_BASE_ADDRESS_MEM_PREFETCH,
			     8ull << 30, &bar_operations, fixture);
	pci_function_add_msi(fixture->endpoint);
	pci_function_add_power_management(fixture->endpoint);
	pci_bus_add(root, ENDPOINT_SLOT, 0, fixture->endpoint);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pci_host_free(fixture->host);
	g_assert_cmpuint(fixture->n_freed, ==, fixture->n_made);
	bus_free(fixture->mmio);
	bus_free(fixture->ports);
}

/* The guest's side */

static void select_register(Fixture *fixture, Address at, guint offset)
{
	guint32 address = 1u << 31 | at.bus << 16 | at.slot << 11 | at.function << 8 |
			  (offset & 0xfc);

	bus_write(fixture->ports, PCI_HOST_ADDRESS_PORT, 4, address);
}

static guint32 get(Fixture *fixture, Address at, guint offset, guint size)
{
	select_register(fixture, at, offset);
	return bus_read(fixture->ports, PCI_HOST_DATA_PORT + offset % 4, size);
}

static void set(Fixture *fixture, Address at, guint offset, guint size, guint32 value)
{
	select_register(fixture, at, offset);
	bus_write(fixture->ports, PCI_HOST_DATA_PORT + offset % 4, size, value);
}

static guint64 ecam_address(Address at, guint offset)
{
	return ECAM + ((guint64)at.bus << 20 | at.slot << 15 | at.function << 12 | offset);
}

static void open_ecam(Fixture *fixture)
{
	set(fixture, mch, PCI_HOST_PCIEXBAR + 4, 4, ECAM >> 32);
	set(fixture, mch, PCI_HOST_PCIEXBAR, 4, (guint32)ECAM | 1);
}

static guint find_capability(Fixture *fixture, Address at, guint8 id)
{
	guint offset = get(fixture, at, PCI_CAPABILITY_LIST, 1);

	for (guint n = 0; offset && n < 48; n++) {
		if (get(fixture, at, offset, 1) == id)
			return offset;
		offset = get(fixture, at, offset + PCI_CAP_LIST_NEXT, 1);
	}
	g_assert_not_reached();
}

static void number_bridge(Fixture *fixture, Address at, guint secondary, guint subordinate)
{
	set(fixture, at, PCI_PRIMARY_BUS, 4, subordinate << 16 | secondary << 8 | at.bus);
}

/* Configuration mechanism #1 */

static void test_identity(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmphex(get(fixture, mch, PCI_VENDOR_ID, 4), ==, 0x29c08086);
	g_assert_cmphex(get(fixture, mch, PCI_CLASS_REVISION, 4), ==, 0x06000000);
	g_assert_cmphex(get(fixture, mch, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0x11001af4);
	g_assert_cmphex(get(fixture, port, PCI_VENDOR_ID, 4), ==, 0x000c1b36);
	g_assert_cmphex(get(fixture, port, PCI_CLASS_REVISION, 4), ==, 0x06040000);
	g_assert_cmphex(get(fixture, port, PCI_HEADER_TYPE, 1), ==, PCI_HEADER_TYPE_BRIDGE);
	g_assert_cmphex(get(fixture, endpoint, PCI_VENDOR_ID, 4), ==, 0x56781234);
	g_assert_cmphex(get(fixture, endpoint, PCI_CLASS_REVISION, 4), ==, 0xff010203);
	g_assert_cmphex(get(fixture, endpoint, PCI_SUBSYSTEM_VENDOR_ID, 4), ==, 0xdef09abc);
	g_assert_cmphex(get(fixture, endpoint, PCI_INTERRUPT_PIN, 1), ==, 1);
}

static void test_nobody_there(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const Address nobody[] = { { 0, 1, 0 }, { 0, 0, 1 }, { 1, 0, 0 }, { 255, 31, 7 } };

	open_ecam(fixture);
	for (guint i = 0; i < G_N_ELEMENTS(nobody); i++) {
		set(fixture, nobody[i], PCI_COMMAND, 4, 0);
		g_assert_cmphex(get(fixture, nobody[i], 0, 4), ==, 0xffffffff);
		g_assert_cmphex(get(fixture, nobody[i], 2, 2), ==, 0xffff);
		g_assert_cmphex(bus_read(fixture->mmio, ecam_address(nobody[i], 0), 8), ==,
				G_MAXUINT64);
	}
}

static void test_address_register_is_a_dword(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	Bus *ports = fixture->ports;

	bus_write(ports, PCI_HOST_ADDRESS_PORT, 4, 0xffffffff);
	g_assert_cmphex(bus_read(ports, PCI_HOST_ADDRESS_PORT, 4), ==, 0x80fffffc);
	bus_write(ports, PCI_HOST_ADDRESS_PORT, 1, 0);
	bus_write(ports, PCI_HOST_ADDRESS_PORT, 2, 0);
	bus_write(ports, PCI_HOST_ADDRESS_PORT + 2, 2, 0);
	g_assert_cmphex(bus_read(ports, PCI_HOST_ADDRESS_PORT, 4), ==, 0x80fffffc);
	g_assert_cmphex(bus_read(ports, PCI_HOST_ADDRESS_PORT, 2), ==, 0xffff);
	g_assert_cmphex(bus_read(ports, PCI_HOST_ADDRESS_PORT + 3, 1), ==, 0xff);
}

static void test_address_without_enable(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	bus_write(fixture->ports, PCI_HOST_ADDRESS_PORT, 4, 0);
	g_assert_cmphex(bus_read(fixture->ports, PCI_HOST_DATA_PORT, 4), ==, 0xffffffff);
	bus_write(fixture->ports, PCI_HOST_ADDRESS_PORT, 4, PCI_HOST_PAM0);
	bus_write(fixture->ports, PCI_HOST_DATA_PORT, 4, 0x30);
	g_assert_cmphex(get(fixture, mch, PCI_HOST_PAM0, 1), ==, 0);
}

static guint64 reset_read(void *device, guint64 offset, guint size G_GNUC_UNUSED)
{
	g_assert_cmpuint(offset, ==, 0);
	return *(guint8 *)device;
}

static void reset_write(void *device, guint64 offset, guint size, guint64 value)
{
	g_assert_cmpuint(offset, ==, 0);
	g_assert_cmpuint(size, ==, 1);
	*(guint8 *)device = value;
}

static const BusOperations reset_operations = {
	.read = reset_read,
	.write = reset_write,
	.max_access = 1,
};

static void test_reset_register_is_left_alone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint8 control = 0;

	bus_add(fixture->ports, 0xcf9, 1, "reset", &reset_operations, &control);
	bus_write(fixture->ports, PCI_HOST_ADDRESS_PORT, 4, 0x80000600);
	g_assert_cmphex(control, ==, 0);
	bus_write(fixture->ports, 0xcf9, 1, 0x0e);
	g_assert_cmphex(control, ==, 0x0e);
	g_assert_cmphex(bus_read(fixture->ports, 0xcf9, 1), ==, 0x0e);
	g_assert_cmphex(bus_read(fixture->ports, PCI_HOST_ADDRESS_PORT, 4), ==, 0x80000600);
}

/* PCIEXBAR */

static void test_both_ways_agree(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const Address there[] = { { 0, 0, 0 },
					 { 0, PORT_SLOT, 0 },
					 { 0, ENDPOINT_SLOT, 0 } };

	open_ecam(fixture);
	for (guint i = 0; i < G_N_ELEMENTS(there); i++) {
		for (guint size = 1; size <= 4; size *= 2)
			for (guint offset = 0; offset < 256; offset += size)
				g_assert_cmphex(get(fixture, there[i], offset, size), ==,
						bus_read(fixture->mmio,
							 ecam_address(there[i], offset), size));
	}
	bus_write(fixture->mmio, ecam_address(endpoint, PCI_INTERRUPT_LINE), 1, 0x5a);
	g_assert_cmphex(get(fixture, endpoint, PCI_INTERRUPT_LINE, 1), ==, 0x5a);
	/* Eight bytes are two times four. */
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(endpoint, 0), 8), ==,
			(guint64)get(fixture, endpoint, 4, 4) << 32 | 0x56781234);
}

static void test_what_is_not_aligned_is_bytes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	open_ecam(fixture);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(endpoint, 1), 4), ==, 0x00567812);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(endpoint, 1), 2), ==, 0x7812);
	/* The end of one function is not the start of the next. */
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(endpoint, 0xffe), 4), ==, 0xffff0000);
	bus_write(fixture->mmio, ecam_address(mch, PCI_HOST_PAM0 - 1), 4, 0x33333333);
	g_assert_cmphex(get(fixture, mch, PCI_HOST_PAM0, 4), ==, 0x00333330);
}

static void test_conventional_functions_end_at_256(Fixture *fixture,
						   gconstpointer data G_GNUC_UNUSED)
{
	open_ecam(fixture);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(mch, 0x100), 4), ==, 0xffffffff);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(endpoint, 0x100), 4), ==, 0);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(mch, 0xfe), 4), ==, 0xffff0000);
	bus_write(fixture->mmio, ecam_address(mch, 0xfe), 4, 0xffffffff);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(mch, 0x100), 4), ==, 0xffffffff);
}

static void test_ecam_length(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		guint32 value, reads;
		guint64 start, size;
	} cases[] = {
		{ 0xbc000001, 0xb0000001, 0xb0000000, 256 * MIB },
		{ 0xbc000003, 0xb8000003, 0xb8000000, 128 * MIB },
		{ 0xbc000005, 0xbc000005, 0xbc000000, 64 * MIB },
		{ 0xb0000000, 0xb0000000, 0xb0000000, 0 },
		{ 0xb0000007, 0xb0000007, 0xb0000000, 0 },
	};

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		guint64 last = cases[i].start + cases[i].size - 4;

		set(fixture, mch, PCI_HOST_PCIEXBAR, 4, cases[i].value);
		g_assert_cmphex(get(fixture, mch, PCI_HOST_PCIEXBAR, 4), ==, cases[i].reads);
		g_assert_cmphex(bus_read(fixture->mmio, cases[i].start, 4), ==,
				cases[i].size ? 0x29c08086 : 0xffffffff);
		if (cases[i].size)
			g_assert_cmphex(bus_read(fixture->mmio, last + 4, 4), ==, 0xffffffff);
	}
	set(fixture, mch, PCI_HOST_PCIEXBAR + 4, 4, 0xffffffff);
	set(fixture, mch, PCI_HOST_PCIEXBAR, 4, 0xb0000001);
	g_assert_cmphex(bus_read(fixture->mmio, 0xfb0000000, 4), ==, 0x29c08086);
	g_assert_cmphex(bus_read(fixture->mmio, 0xb0000000, 4), ==, 0xffffffff);
}

/* The second half of the write still goes where the first went. */
static void test_ecam_moves_itself(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	open_ecam(fixture);
	bus_write(fixture->mmio, ecam_address(mch, PCI_HOST_PCIEXBAR), 8, 0x1f0000001);
	g_assert_cmphex(bus_read(fixture->mmio, ECAM, 4), ==, 0xffffffff);
	g_assert_cmphex(bus_read(fixture->mmio, 0x1f0000000, 4), ==, 0x29c08086);
	bus_write(fixture->mmio, 0x1f0000000 + PCI_HOST_PCIEXBAR, 8, 0);
	g_assert_cmphex(bus_read(fixture->mmio, 0x1f0000000, 4), ==, 0xffffffff);
}

/* PAM and SMRAM */

static void test_pam_segments(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint segment = 0; segment < PCI_HOST_RAM_SEGMENTS; segment++) {
		gboolean is_last = segment == PCI_HOST_RAM_SEGMENTS - 1;
		guint reg = PCI_HOST_PAM0 + (is_last ? 0 : 1 + segment / 2);
		guint shift = is_last || segment % 2 ? 4 : 0;

		for (guint value = 0; value < 4; value++) {
			set(fixture, mch, reg, 1, value << shift);
			g_assert_cmphex(get(fixture, mch, reg, 1), ==, value << shift);
			g_assert_cmphex(fixture->ram, ==, (value & 1) << segment);
		}
		set(fixture, mch, reg, 1, 0);
	}
	set(fixture, mch, PCI_HOST_PAM0, 1, 0xff);
	set(fixture, mch, PCI_HOST_PAM0 + 1, 1, 0xff);
	g_assert_cmphex(get(fixture, mch, PCI_HOST_PAM0, 2), ==, 0x3330);
}

static void test_pam_is_told_once(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, mch, PCI_HOST_PAM0, 4, 0x33333330);
	g_assert_cmpuint(fixture->n_ram, ==, 1);
	g_assert_cmphex(fixture->ram, ==, 0x103f);
	/* Neither the same again, nor whether RAM is written, is a change. */
	set(fixture, mch, PCI_HOST_PAM0, 4, 0x33333330);
	set(fixture, mch, PCI_HOST_PAM0, 4, 0x11111110);
	set(fixture, mch, PCI_HOST_PAM0 + 6, 1, 0x22);
	g_assert_cmpuint(fixture->n_ram, ==, 1);
}

static void test_smram_is_locked_away(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint value = 0; value < 256; value++) {
		set(fixture, mch, PCI_HOST_SMRAM, 1, value);
		set(fixture, mch, PCI_HOST_ESMRAMC, 1, value);
		g_assert_cmphex(get(fixture, mch, PCI_HOST_SMRAM, 1), ==, 0x12);
		g_assert_cmphex(get(fixture, mch, PCI_HOST_ESMRAMC, 1), ==, 0x38);
		pci_host_reset(fixture->host);
	}
}

/* As OVMF asks for an extended TSEG and for SMRAM at SMBASE. */
static void test_smm_extensions_are_absent(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, mch, 0x50, 2, 0xffff);
	g_assert_cmphex(get(fixture, mch, 0x50, 2), ==, 0xffff);
	set(fixture, mch, 0x9c, 1, 0xff);
	g_assert_cmphex(get(fixture, mch, 0x9c, 1), ==, 0);
}

/* Functions */

static void test_bar_sizes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint32 sizes[PCI_BARS] = { 0xffffffc1, 0xfffff000, 0x0000000c, 0xfffffffe };

	for (guint i = 0; i < PCI_BARS; i++) {
		guint offset = PCI_BASE_ADDRESS_0 + 4 * i;

		set(fixture, endpoint, offset, 4, 0xffffffff);
		g_assert_cmphex(get(fixture, endpoint, offset, 4), ==, sizes[i]);
	}
	g_assert_cmphex(get(fixture, endpoint, PCI_ROM_ADDRESS, 4), ==, 0);
}

static void test_bars_decode(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, endpoint, PCI_BASE_ADDRESS_0, 4, 0xc000);
	set(fixture, endpoint, PCI_BASE_ADDRESS_1, 4, 0xd0000000);
	set(fixture, endpoint, PCI_BASE_ADDRESS_2, 4, 0);
	set(fixture, endpoint, PCI_BASE_ADDRESS_3, 4, 0x12);
	bus_write(fixture->mmio, 0xd0000010, 4, 1);
	bus_write(fixture->ports, 0xc010, 4, 1);
	g_assert_cmphex(fixture->bar_value, ==, 0);

	set(fixture, endpoint, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	bus_write(fixture->mmio, 0xd0000fff, 1, 1);
	g_assert_cmphex(fixture->bar_offset, ==, 0xfff);
	bus_write(fixture->mmio, 0xd0001000, 4, 2);
	bus_write(fixture->ports, 0xc010, 4, 2);
	g_assert_cmphex(fixture->bar_value, ==, 1);
	bus_write(fixture->mmio, 0x13ffffffffull, 1, 3);
	g_assert_cmphex(fixture->bar_offset, ==, (8ull << 30) - 1);

	set(fixture, endpoint, PCI_COMMAND, 2, PCI_COMMAND_IO);
	bus_write(fixture->mmio, 0xd0000010, 4, 4);
	g_assert_cmphex(fixture->bar_value, ==, 3);
	bus_write(fixture->ports, 0xc03f, 1, 5);
	g_assert_cmphex(fixture->bar_offset, ==, 0x3f);
	set(fixture, endpoint, PCI_BASE_ADDRESS_0, 2, 0xd000);
	bus_write(fixture->ports, 0xc000, 1, 6);
	g_assert_cmphex(fixture->bar_value, ==, 5);
	bus_write(fixture->ports, 0xd000, 1, 7);
	g_assert_cmphex(fixture->bar_value, ==, 7);
}

static void test_bars_that_are_nowhere(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	set(fixture, endpoint, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	bus_write(fixture->mmio, 0, 4, 1);
	bus_write(fixture->ports, 0, 4, 1);
	set(fixture, endpoint, PCI_BASE_ADDRESS_0, 4, 0x10000);
	bus_write(fixture->ports, 0x10000, 4, 1);
	g_assert_cmphex(fixture->bar_value, ==, 0);
	set(fixture, endpoint, PCI_BASE_ADDRESS_2, 4, 0xffffffff);
	set(fixture, endpoint, PCI_BASE_ADDRESS_3, 4, 0xffffffff);
	bus_write(fixture->mmio, G_MAXUINT64, 1, 2);
	g_assert_cmphex(fixture->bar_value, ==, 2);
}

/* A file for a PC's firmware, as it is made for the legacy device of a vendor. */
static int make_rom(gsize size)
{
	g_autofree char *path = NULL;
	g_autofree guint8 *content = g_malloc0(size);
	const int fd = g_file_open_tmp("libvirt-gmem-rom-XXXXXX", &path, NULL);

	content[0] = 0x55;
	content[1] = 0xaa;
	content[2] = (guint8)(size / 512);
	content[0x18] = 0x40;
	memcpy(content + 0x40, "PCIR\x2b\x1b\x00\x10", 8);
	content[size - 1] = 0x77;
	for (gsize i = 0; i < size; i++)
		content[6] -= i == 6 ? 0 : content[i];
	g_assert_cmpint(pwrite(fd, content, size, 0), ==, size);
	g_assert_cmpint(g_remove(path), ==, 0);
	return fd;
}

static guint8 rom_byte(Fixture *fixture, guint64 address)
{
	return (guint8)bus_read(fixture->mmio, address, 1);
}

static void test_rom(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const PciFunctionOperations nothing = { .reset = NULL };
	static const PciFunctionConfig config = {
		.name = "card",
		.vendor = 0x1b2b,
		.device = 0x1041,
		.operations = &nothing,
	};
	const Address card = { 0, ENDPOINT_SLOT + 1, 0 };
	PciFunction *function = pci_function_new(&config);
	const int fd = make_rom(5 * 1024);
	g_autoptr(GError) error = NULL;
	guint8 sum = 0;

	pci_function_add_rom(function,
			     pci_rom_new(fd, "card", config.vendor, config.device, &error));
	g_assert_no_error(error);
	pci_bus_add(pci_host_root_bus(fixture->host), card.slot, 0, function);
	set(fixture, card, PCI_ROM_ADDRESS, 4, 0xfffff800);
	g_assert_cmphex(get(fixture, card, PCI_ROM_ADDRESS, 4), ==, 0xffffe000);
	/* Both the bit of its own and the function's open it. */
	set(fixture, card, PCI_ROM_ADDRESS, 4, 0xd0000001);
	g_assert_cmphex(rom_byte(fixture, 0xd0000000), ==, 0xff);
	set(fixture, card, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	g_assert_cmphex(bus_read(fixture->mmio, 0xd0000000, 4) & 0xffff, ==, 0xaa55);
	bus_write(fixture->mmio, 0xd0000000, 4, 0);
	g_assert_cmphex(rom_byte(fixture, 0xd0000000), ==, 0x55);
	/* It is this device's, and whole. */
	g_assert_cmphex(bus_read(fixture->mmio, 0xd0000044, 4), ==, 0x10411b2b);
	for (guint i = 0; i < 5 * 1024; i++)
		sum += rom_byte(fixture, 0xd0000000 + i);
	g_assert_cmphex(sum, ==, 0);
	g_assert_cmphex(rom_byte(fixture, 0xd0000000 + 5 * 1024 - 1), ==, 0x77);
	g_assert_cmphex(rom_byte(fixture, 0xd0001fff), ==, 0);
	g_assert_cmphex(rom_byte(fixture, 0xd0002000), ==, 0xff);
	set(fixture, card, PCI_ROM_ADDRESS, 4, 0xd0000000);
	g_assert_cmphex(rom_byte(fixture, 0xd0000000), ==, 0xff);
	/* What is none. */
	g_assert_cmpint(pwrite(fd, "x", 1, 0), ==, 1);
	g_assert_null(pci_rom_new(fd, "card", 0, 0, &error));
	g_assert_nonnull(strstr(error->message, "card"));
	g_clear_error(&error);
	g_assert_cmpint(ftruncate(fd, 10), ==, 0);
	g_assert_null(pci_rom_new(fd, "card", 0, 0, &error));
	g_assert_nonnull(error);
	close(fd);
}

static void test_read_only_bits(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint offset = 0; offset < 256; offset += 4)
		set(fixture, endpoint, offset, 4, 0xffffffff);
	set(fixture, endpoint, PCI_COMMAND, 4, 0xffffffff);
	test_identity(fixture, NULL);
	g_assert_cmphex(get(fixture, endpoint, PCI_COMMAND, 4), ==, 0x00100547);
	g_assert_cmphex(get(fixture, endpoint, PCI_CACHE_LINE_SIZE, 4), ==, 0x000000ff);
}

static void test_power_states(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint pm = find_capability(fixture, endpoint, PCI_CAP_ID_PM) + PCI_PM_CTRL;

	set(fixture, endpoint, PCI_BASE_ADDRESS_1, 4, 0xd0000000);
	set(fixture, endpoint, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	pci_function_set_intx(fixture->endpoint, TRUE);
	set(fixture, endpoint, pm, 2, 0xffff);
	g_assert_cmphex(get(fixture, endpoint, pm, 2), ==, PCI_PM_CTRL_NO_SOFT_RESET | 3);
	bus_write(fixture->mmio, 0xd0000000, 4, 1);
	g_assert_cmphex(fixture->bar_value, ==, 0);
	g_assert_cmphex(fixture->pins[ENDPOINT_SLOT], ==, 0);
	set(fixture, endpoint, pm, 2, 1);
	g_assert_cmphex(get(fixture, endpoint, pm, 2) & 3, ==, 3);
	set(fixture, endpoint, pm, 2, 0);
	bus_write(fixture->mmio, 0xd0000000, 4, 1);
	g_assert_cmphex(fixture->bar_value, ==, 1);
	g_assert_cmphex(fixture->pins[ENDPOINT_SLOT], ==, 1);
	set(fixture, endpoint, pm, 2, 2);
	g_assert_cmphex(get(fixture, endpoint, pm, 2) & 3, ==, 0);
}

static void test_intx(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	pci_function_set_intx(fixture->endpoint, TRUE);
	pci_function_set_intx(fixture->endpoint, TRUE);
	g_assert_cmphex(fixture->pins[ENDPOINT_SLOT], ==, 1);
	set(fixture, endpoint, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	g_assert_cmphex(fixture->pins[ENDPOINT_SLOT], ==, 0);
	/* The status says what the device does, not what gets out of it. */
	g_assert_cmphex(get(fixture, endpoint, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, !=, 0);
	set(fixture, endpoint, PCI_COMMAND, 2, 0);
	g_assert_cmphex(fixture->pins[ENDPOINT_SLOT], ==, 1);
	pci_function_set_intx(fixture->endpoint, FALSE);
	g_assert_cmphex(fixture->pins[ENDPOINT_SLOT], ==, 0);
	g_assert_cmphex(get(fixture, endpoint, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, ==, 0);
}

static void test_msi(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint msi = find_capability(fixture, endpoint, PCI_CAP_ID_MSI);

	set(fixture, endpoint, msi + PCI_MSI_ADDRESS_LO, 4, 0xfee01003);
	set(fixture, endpoint, msi + PCI_MSI_ADDRESS_HI, 4, 0x12);
	set(fixture, endpoint, msi + PCI_MSI_DATA_64, 2, 0x4041);
	pci_function_send_msi(fixture->endpoint);
	set(fixture, endpoint, msi + PCI_MSI_FLAGS, 2, 0xffff);
	g_assert_cmphex(get(fixture, endpoint, msi + PCI_MSI_FLAGS, 2), ==,
			PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE);
	pci_function_send_msi(fixture->endpoint);
	g_assert_cmpuint(fixture->n_messages, ==, 0);
	set(fixture, endpoint, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	pci_function_send_msi(fixture->endpoint);
	g_assert_cmpuint(fixture->n_messages, ==, 1);
	g_assert_cmphex(fixture->message_address, ==, 0x12fee01000);
	g_assert_cmphex(fixture->message_data, ==, 0x4041);
}

/* Buses */

static void test_routing_to_secondary_buses(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	PciBus *behind = pcie_root_port_bus(fixture->root_port);
	PciFunction *bridge = bridge_new(fixture);
	const Address bridge_at = { 4, 0, 0 }, far = { 6, 9, 1 };

	pci_bus_add(behind, 0, 0, bridge);
	pci_bus_add(pci_function_secondary(bridge), 9, 1, endpoint_new(fixture));
	open_ecam(fixture);

	g_assert_cmphex(get(fixture, bridge_at, 0, 4), ==, 0xffffffff);
	number_bridge(fixture, port, 4, 0xff);
	g_assert_cmphex(get(fixture, bridge_at, PCI_CLASS_REVISION, 4), ==, 0x06040000);
	g_assert_cmphex(get(fixture, far, 0, 4), ==, 0xffffffff);
	number_bridge(fixture, bridge_at, 6, 6);
	g_assert_cmphex(get(fixture, far, 0, 4), ==, 0x56781234);
	g_assert_cmphex(bus_read(fixture->mmio, ecam_address(far, 0), 4), ==, 0x56781234);
	/* Between them is nobody, and the rest of bus 6 is empty. */
	g_assert_cmphex(get(fixture, (Address){ 5, 9, 1 }, 0, 4), ==, 0xffffffff);
	g_assert_cmphex(get(fixture, (Address){ 7, 9, 1 }, 0, 4), ==, 0xffffffff);
	g_assert_cmphex(get(fixture, (Address){ 6, 9, 0 }, 0, 4), ==, 0xffffffff);
	/* The bridge above has to forward it, too. */
	number_bridge(fixture, port, 4, 5);
	g_assert_cmphex(get(fixture, far, 0, 4), ==, 0xffffffff);
	g_assert_cmphex(get(fixture, bridge_at, PCI_CLASS_REVISION, 4), ==, 0x06040000);
}

static void test_weird_bus_numbers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	PciBus *behind = pcie_root_port_bus(fixture->root_port);
	PciFunction *bridge = bridge_new(fixture);

	pci_bus_add(behind, 0, 0, bridge);
	pci_bus_add(pci_function_secondary(bridge), 0, 0, endpoint_new(fixture));
	/* Each pair of numbers for each of the two, as far as numbers can differ in kind. */
	for (guint i = 0; i < 256; i++) {
		static const guint8 numbers[] = { 0, 1, 2, 255 };
		const Address bridge_at = { numbers[i & 3], 0, 0 };

		number_bridge(fixture, port, numbers[i & 3], numbers[i >> 2 & 3]);
		set(fixture, bridge_at, PCI_SECONDARY_BUS, 1, numbers[i >> 4 & 3]);
		set(fixture, bridge_at, PCI_SUBORDINATE_BUS, 1, numbers[i >> 6 & 3]);
		for (guint bus = 0; bus < 256; bus++)
			get(fixture, (Address){ bus, 0, 0 }, 0, 4);
		/* Bus 0 is the root's whatever a bridge says. */
		g_assert_cmphex(get(fixture, mch, 0, 4), ==, 0x29c08086);
	}
	number_bridge(fixture, port, 9, 3);
	for (guint bus = 1; bus < 256; bus++)
		g_assert_cmphex(get(fixture, (Address){ bus, 0, 0 }, 0, 4), ==, 0xffffffff);
}

static void test_bridge_in_d3_forwards_nothing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint pm = find_capability(fixture, port, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	const Address behind = { 1, 0, 0 };

	pci_bus_add(pcie_root_port_bus(fixture->root_port), 0, 0, endpoint_new(fixture));
	number_bridge(fixture, port, 1, 1);
	g_assert_cmphex(get(fixture, behind, 0, 4), ==, 0x56781234);
	set(fixture, port, pm, 2, 3);
	g_assert_cmphex(get(fixture, behind, 0, 4), ==, 0xffffffff);
	set(fixture, port, pm, 2, 0);
	g_assert_cmphex(get(fixture, behind, 0, 4), ==, 0x56781234);
}

static void test_intx_is_swizzled_and_shared(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	PciBus *behind = pcie_root_port_bus(fixture->root_port);
	PciFunction *bridge = bridge_new(fixture);
	PciFunction *first = endpoint_new(fixture), *second = endpoint_new(fixture);

	pci_bus_add(behind, 1, 0, bridge);
	pci_bus_add(behind, 3, 0, first);
	pci_bus_add(pci_function_secondary(bridge), 2, 0, second);
	/* 3 + INTA is INTD; 2 + INTA is INTC on the bridge's slot 1, and so INTD, too. */
	pci_function_set_intx(first, TRUE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 1 << 3);
	pci_function_set_intx(second, TRUE);
	pci_function_set_intx(first, FALSE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 1 << 3);
	pci_function_set_intx(second, FALSE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
}

static void test_secondary_bus_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Address behind = { 1, 0, 0 };

	pci_bus_add(pcie_root_port_bus(fixture->root_port), 0, 0, endpoint_new(fixture));
	number_bridge(fixture, port, 1, 1);
	set(fixture, behind, PCI_INTERRUPT_LINE, 1, 0x55);
	set(fixture, port, PCI_INTERRUPT_LINE, 1, 0x55);
	set(fixture, port, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	g_assert_cmpuint(fixture->n_reset, ==, 1);
	g_assert_cmphex(get(fixture, behind, PCI_INTERRUPT_LINE, 1), ==, 0);
	g_assert_cmphex(get(fixture, port, PCI_INTERRUPT_LINE, 1), ==, 0x55);
	/* It happens once, however long the guest holds it. */
	set(fixture, port, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	g_assert_cmpuint(fixture->n_reset, ==, 1);
	set(fixture, port, PCI_BRIDGE_CONTROL, 2, 0);
	set(fixture, port, PCI_BRIDGE_CONTROL, 2, PCI_BRIDGE_CTL_BUS_RESET);
	g_assert_cmpuint(fixture->n_reset, ==, 2);
}

/* Root ports */

static void test_root_port_registers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint express = find_capability(fixture, port, PCI_CAP_ID_EXP);
	guint subsystem = find_capability(fixture, port, PCI_CAP_ID_SSVID);

	g_assert_cmphex(get(fixture, port, subsystem + PCI_SSVID_VENDOR_ID, 4), ==, 0x11001af4);
	g_assert_cmphex(get(fixture, port, express + PCI_EXP_FLAGS, 2), ==, 0x0142);
	g_assert_cmphex(get(fixture, port, express + PCI_EXP_LNKCAP, 4) >> 24, ==, 0x10);
	g_assert_cmphex(get(fixture, port, express + PCI_EXP_LNKSTA, 2), ==, 0);
	g_assert_cmphex(get(fixture, port, express + PCI_EXP_SLTCAP, 4), ==, 7 << 19 | 0x7b);
	g_assert_cmphex(get(fixture, port, express + PCI_EXP_SLTCTL, 2), ==, 0x07c0);
	g_assert_cmphex(get(fixture, port, express + PCI_EXP_SLTSTA, 2), ==, 0);
	/* Its windows are closed. */
	g_assert_cmphex(get(fixture, port, PCI_IO_BASE, 2), ==, 0x00f0);
	g_assert_cmphex(get(fixture, port, PCI_MEMORY_BASE, 4), ==, 0x0000fff0);
	g_assert_cmphex(get(fixture, port, PCI_PREF_MEMORY_BASE, 4), ==, 0x0001fff1);
}

static void test_slot_commands_complete(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint express = find_capability(fixture, port, PCI_CAP_ID_EXP);
	guint control = express + PCI_EXP_SLTCTL, status = express + PCI_EXP_SLTSTA;

	set(fixture, port, control, 2, 0xffff);
	g_assert_cmphex(get(fixture, port, control, 2), ==, 0x17fb);
	g_assert_cmphex(get(fixture, port, status, 2), ==, PCI_EXP_SLTSTA_CC);
	set(fixture, port, status, 2, 0xffff & ~PCI_EXP_SLTSTA_CC);
	g_assert_cmphex(get(fixture, port, status, 2), ==, PCI_EXP_SLTSTA_CC);
	set(fixture, port, status, 2, PCI_EXP_SLTSTA_CC);
	g_assert_cmphex(get(fixture, port, status, 2), ==, 0);
	/* Any part of the register is a command. */
	set(fixture, port, control + 1, 1, 0);
	g_assert_cmphex(get(fixture, port, status, 2), ==, PCI_EXP_SLTSTA_CC);
}

static void test_slot_intx(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint express = find_capability(fixture, port, PCI_CAP_ID_EXP);
	guint control = express + PCI_EXP_SLTCTL, status = express + PCI_EXP_SLTSTA;

	set(fixture, port, control, 2, PCI_EXP_SLTCTL_CCIE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
	set(fixture, port, control, 2, PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_HPIE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 1);
	set(fixture, port, status, 2, PCI_EXP_SLTSTA_CC);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
	set(fixture, port, control, 2, PCI_EXP_SLTCTL_HPIE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
}

static void test_slot_msi(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint express = find_capability(fixture, port, PCI_CAP_ID_EXP);
	guint msi = find_capability(fixture, port, PCI_CAP_ID_MSI);
	guint control = express + PCI_EXP_SLTCTL, status = express + PCI_EXP_SLTSTA;
	guint enable = PCI_EXP_SLTCTL_CCIE | PCI_EXP_SLTCTL_HPIE;

	set(fixture, port, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	set(fixture, port, msi + PCI_MSI_ADDRESS_LO, 4, 0xfee00000);
	set(fixture, port, msi + PCI_MSI_DATA_64, 2, 0x31);
	set(fixture, port, msi + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	set(fixture, port, control, 2, enable);
	g_assert_cmpuint(fixture->n_messages, ==, 1);
	g_assert_cmphex(fixture->message_address, ==, 0xfee00000);
	g_assert_cmphex(fixture->message_data, ==, 0x31);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
	/* Another message only after it has been cleared. */
	set(fixture, port, control, 2, enable);
	g_assert_cmpuint(fixture->n_messages, ==, 1);
	set(fixture, port, status, 2, PCI_EXP_SLTSTA_CC);
	set(fixture, port, control, 2, enable);
	g_assert_cmpuint(fixture->n_messages, ==, 2);
	/* Without messages, what is pending is on the line. */
	set(fixture, port, msi + PCI_MSI_FLAGS, 2, 0);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 1);
}

/* Slots that devices are put in and taken out of */

enum {
	POWER_ON = PCI_EXP_SLTCTL_PWR_ON | PCI_EXP_SLTCTL_PWR_IND_ON,
	POWER_BLINK = PCI_EXP_SLTCTL_PWR_ON | PCI_EXP_SLTCTL_PWR_IND_BLINK,
	POWER_OFF = PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_OFF,
};

static const Address behind_port = { 1, 0, 0 };

static guint slot_get(Fixture *fixture, guint offset)
{
	return get(fixture, port, find_capability(fixture, port, PCI_CAP_ID_EXP) + offset, 2);
}

static void slot_control(Fixture *fixture, guint control)
{
	guint express = find_capability(fixture, port, PCI_CAP_ID_EXP);

	set(fixture, port, express + PCI_EXP_SLTCTL, 2, control);
}

/* What has happened since this was called last, the completion of commands left aside. */
static guint slot_events(Fixture *fixture)
{
	guint express = find_capability(fixture, port, PCI_CAP_ID_EXP);
	guint events = get(fixture, port, express + PCI_EXP_SLTSTA, 2) & pcie_slot_events;

	set(fixture, port, express + PCI_EXP_SLTSTA, 2, events);
	return events & ~PCI_EXP_SLTSTA_CC;
}

static void put_in(Fixture *fixture, gboolean is_hot)
{
	number_bridge(fixture, port, 1, 1);
	pci_bus_add(pcie_root_port_bus(fixture->root_port), 0, 0, endpoint_new(fixture));
	pcie_root_port_insert(fixture->root_port, is_hot);
}

static void assert_slot(Fixture *fixture, gboolean is_present, gboolean is_link_up)
{
	g_assert_cmpint(!!(slot_get(fixture, PCI_EXP_SLTSTA) & PCI_EXP_SLTSTA_PDS), ==, is_present);
	g_assert_cmphex(slot_get(fixture, PCI_EXP_LNKSTA), ==, is_link_up ? 0x2204 : 0);
	g_assert_cmphex(get(fixture, behind_port, 0, 4), ==, is_link_up ? 0x56781234 : 0xffffffff);
}

static void test_slot_that_was_never_empty(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_in(fixture, FALSE);
	assert_slot(fixture, TRUE, TRUE);
	g_assert_cmphex(slot_get(fixture, PCI_EXP_SLTCTL) & 0x700, ==, POWER_ON);
	g_assert_cmphex(slot_events(fixture), ==, 0);
	/* Whatever the guest has done to it, a reset has it powered. */
	slot_control(fixture, POWER_OFF);
	assert_slot(fixture, TRUE, FALSE);
	pci_host_reset(fixture->host);
	number_bridge(fixture, port, 1, 1);
	assert_slot(fixture, TRUE, TRUE);
	g_assert_cmphex(slot_events(fixture), ==, 0);
}

static void test_slot_hot_plug(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_in(fixture, TRUE);
	assert_slot(fixture, TRUE, FALSE);
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_ABP);
	g_assert_false(pcie_root_port_is_leaving(fixture->root_port));
	slot_control(fixture, POWER_BLINK);
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_DLLSC);
	assert_slot(fixture, TRUE, TRUE);
	slot_control(fixture, POWER_ON);
	g_assert_cmphex(slot_events(fixture), ==, 0);
	assert_slot(fixture, TRUE, TRUE);
}

static void test_slot_presence_interrupts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	slot_control(fixture, POWER_OFF | PCI_EXP_SLTCTL_HPIE | PCI_EXP_SLTCTL_PDCE);
	slot_events(fixture);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
	put_in(fixture, TRUE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 1);
	slot_events(fixture);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
}

static void test_slot_powered_off_is_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_in(fixture, FALSE);
	set(fixture, behind_port, PCI_INTERRUPT_LINE, 1, 0x55);
	g_assert_cmpuint(fixture->n_reset, ==, 0);
	slot_control(fixture, POWER_OFF);
	g_assert_cmpuint(fixture->n_reset, ==, 1);
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_DLLSC);
	/* Nobody has asked for it: it stays. */
	g_assert_false(pcie_root_port_is_released(fixture->root_port));
	slot_control(fixture, POWER_ON);
	assert_slot(fixture, TRUE, TRUE);
	g_assert_cmphex(get(fixture, behind_port, PCI_INTERRUPT_LINE, 1), ==, 0);
}

static void test_slot_link_disabled(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint control = find_capability(fixture, port, PCI_CAP_ID_EXP) + PCI_EXP_LNKCTL;

	put_in(fixture, FALSE);
	set(fixture, port, control, 2, PCI_EXP_LNKCTL_LD);
	assert_slot(fixture, TRUE, FALSE);
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_DLLSC);
	set(fixture, port, control, 2, 0);
	assert_slot(fixture, TRUE, TRUE);
}

static void take_out(Fixture *fixture)
{
	pci_bus_remove(pci_bus_get(pcie_root_port_bus(fixture->root_port), 0, 0));
	pcie_root_port_remove(fixture->root_port);
}

static void test_slot_hot_unplug(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_in(fixture, FALSE);
	g_assert_cmpint(pcie_root_port_press_button(fixture->root_port), ==, PCIE_SLOT_ASKED);
	g_assert_true(pcie_root_port_is_leaving(fixture->root_port));
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_ABP);
	slot_control(fixture, POWER_BLINK);
	g_assert_cmpint(pcie_root_port_press_button(fixture->root_port), ==, PCIE_SLOT_BUSY);
	slot_control(fixture, PCI_EXP_SLTCTL_PWR_OFF | PCI_EXP_SLTCTL_PWR_IND_BLINK);
	g_assert_false(pcie_root_port_is_released(fixture->root_port));
	slot_control(fixture, POWER_OFF);
	g_assert_true(pcie_root_port_is_released(fixture->root_port));
	slot_events(fixture);
	take_out(fixture);
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_PDC);
	assert_slot(fixture, FALSE, FALSE);
	g_assert_false(pcie_root_port_is_leaving(fixture->root_port));
	/* And the next one. */
	put_in(fixture, TRUE);
	slot_control(fixture, POWER_ON);
	assert_slot(fixture, TRUE, TRUE);
}

static void test_slot_unplug_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_in(fixture, FALSE);
	pcie_root_port_press_button(fixture->root_port);
	slot_control(fixture, POWER_BLINK);
	g_assert_false(pcie_root_port_take_refusal(fixture->root_port));
	slot_control(fixture, POWER_ON);
	g_assert_true(pcie_root_port_take_refusal(fixture->root_port));
	g_assert_false(pcie_root_port_take_refusal(fixture->root_port));
	/* What it powers off later, it keeps. */
	slot_control(fixture, POWER_OFF);
	g_assert_false(pcie_root_port_is_released(fixture->root_port));
	assert_slot(fixture, TRUE, FALSE);
	/* Without power it may go at once. */
	g_assert_cmpint(pcie_root_port_press_button(fixture->root_port), ==, PCIE_SLOT_RELEASED);
}

static void test_slot_taken_out_with_power(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_in(fixture, FALSE);
	pci_function_set_intx(pci_bus_get(pcie_root_port_bus(fixture->root_port), 0, 0), TRUE);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 1);
	take_out(fixture);
	g_assert_cmphex(fixture->pins[PORT_SLOT], ==, 0);
	assert_slot(fixture, FALSE, FALSE);
	g_assert_cmphex(slot_events(fixture), ==, PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
}

/* Reset */

static void read_everything(Fixture *fixture, guint32 values[3][64])
{
	const Address functions[] = { mch, port, endpoint };

	for (guint i = 0; i < G_N_ELEMENTS(functions); i++)
		for (guint reg = 0; reg < 64; reg++)
			values[i][reg] = get(fixture, functions[i], reg * 4, 4);
}

static void test_reset_puts_everything_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	guint32 before[3][64], after[3][64];
	const Address functions[] = { mch, port, endpoint };

	read_everything(fixture, before);
	pci_function_set_intx(fixture->endpoint, TRUE);
	for (guint i = 0; i < G_N_ELEMENTS(functions); i++)
		for (guint reg = 1; reg < 64; reg++)
			set(fixture, functions[i], reg * 4, 4, 0x55555555u << (reg & 1));
	open_ecam(fixture);
	g_assert_cmphex(fixture->ram, !=, 0);
	fixture->n_ram = 0;

	pci_host_reset(fixture->host);
	g_assert_cmphex(bus_read(fixture->ports, PCI_HOST_ADDRESS_PORT, 4), ==, 0);
	g_assert_cmphex(bus_read(fixture->mmio, ECAM, 4), ==, 0xffffffff);
	g_assert_cmphex(fixture->ram, ==, 0);
	g_assert_cmpuint(fixture->n_ram, ==, 1);
	for (guint slot = 0; slot < PCI_SLOTS; slot++)
		g_assert_cmphex(fixture->pins[slot], ==, 0);
	read_everything(fixture, after);
	g_assert_cmpmem(before, sizeof(before), after, sizeof(after));
}

/* What a guest does that knows no data sheet. The seed is fixed: a failure comes again. */
static void test_anything(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const guint widths[] = { 1, 2, 3, 4, 5, 8 };
	g_autoptr(GRand) rand = g_rand_new_with_seed(35);
	PciFunction *bridge = bridge_new(fixture);

	pci_bus_add(pcie_root_port_bus(fixture->root_port), 0, 0, bridge);
	pci_bus_add(pci_function_secondary(bridge), 3, 0, endpoint_new(fixture));
	for (guint i = 0; i < 300000; i++) {
		guint width = widths[g_rand_int_range(rand, 0, G_N_ELEMENTS(widths))];
		guint slot = (const guint[]){ 0, PORT_SLOT, ENDPOINT_SLOT,
					      3 }[g_rand_int(rand) & 3];
		const Address at = { g_rand_int(rand) % 8 ? 0 : g_rand_int(rand) & 3, slot, 0 };
		guint64 value = (guint64)g_rand_int(rand) << 32 | g_rand_int(rand);

		if (i % 1000 == 0)
			open_ecam(fixture);
		if (i % 3 == 0)
			bus_write(fixture->mmio,
				  ecam_address(at, g_rand_int(rand) & (i & 1 ? 0xff : 0xfff)),
				  width, value);
		else if (i % 3 == 1)
			set(fixture, at, g_rand_int(rand) & 0xff, MIN(width, 4), value);
		else
			bus_write(fixture->ports, PCI_HOST_ADDRESS_PORT + (g_rand_int(rand) & 7),
				  width, value);
		get(fixture, at, g_rand_int(rand) & 0xff, MIN(width, 4));
		bus_read(fixture->mmio, ECAM + (g_rand_int(rand) & 0x0fffffff), width);
		pci_function_set_intx(fixture->endpoint, value & 1);
	}
	pci_host_reset(fixture->host);
	for (guint slot = 0; slot < PCI_SLOTS; slot++)
		g_assert_cmphex(fixture->pins[slot], ==, 0);
	test_identity(fixture, NULL);
	test_root_port_registers(fixture, NULL);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *path;
		void (*test)(Fixture *fixture, gconstpointer data);
	} tests[] = {
		{ "/pci/identity", test_identity },
		{ "/pci/nobody-there", test_nobody_there },
		{ "/pci/ports/address-register-is-a-dword", test_address_register_is_a_dword },
		{ "/pci/ports/address-without-enable", test_address_without_enable },
		{ "/pci/ports/reset-register-is-left-alone", test_reset_register_is_left_alone },
		{ "/pci/ecam/both-ways-agree", test_both_ways_agree },
		{ "/pci/ecam/what-is-not-aligned-is-bytes", test_what_is_not_aligned_is_bytes },
		{ "/pci/ecam/conventional-functions-end-at-256",
		  test_conventional_functions_end_at_256 },
		{ "/pci/ecam/length", test_ecam_length },
		{ "/pci/ecam/moves-itself", test_ecam_moves_itself },
		{ "/pci/mch/pam-segments", test_pam_segments },
		{ "/pci/mch/pam-is-told-once", test_pam_is_told_once },
		{ "/pci/mch/smram-is-locked-away", test_smram_is_locked_away },
		{ "/pci/mch/smm-extensions-are-absent", test_smm_extensions_are_absent },
		{ "/pci/function/bar-sizes", test_bar_sizes },
		{ "/pci/function/bars-decode", test_bars_decode },
		{ "/pci/function/bars-that-are-nowhere", test_bars_that_are_nowhere },
		{ "/pci/function/rom", test_rom },
		{ "/pci/function/read-only-bits", test_read_only_bits },
		{ "/pci/function/power-states", test_power_states },
		{ "/pci/function/intx", test_intx },
		{ "/pci/function/msi", test_msi },
		{ "/pci/bus/routing-to-secondary-buses", test_routing_to_secondary_buses },
		{ "/pci/bus/weird-bus-numbers", test_weird_bus_numbers },
		{ "/pci/bus/bridge-in-d3-forwards-nothing", test_bridge_in_d3_forwards_nothing },
		{ "/pci/bus/intx-is-swizzled-and-shared", test_intx_is_swizzled_and_shared },
		{ "/pci/bus/secondary-bus-reset", test_secondary_bus_reset },
		{ "/pci/root-port/registers", test_root_port_registers },
		{ "/pci/root-port/slot-commands-complete", test_slot_commands_complete },
		{ "/pci/root-port/slot-intx", test_slot_intx },
		{ "/pci/slot/never-empty", test_slot_that_was_never_empty },
		{ "/pci/slot/hot-plug", test_slot_hot_plug },
		{ "/pci/slot/presence-interrupts", test_slot_presence_interrupts },
		{ "/pci/slot/powered-off-is-reset", test_slot_powered_off_is_reset },
		{ "/pci/slot/link-disabled", test_slot_link_disabled },
		{ "/pci/slot/hot-unplug", test_slot_hot_unplug },
		{ "/pci/slot/unplug-refused", test_slot_unplug_refused },
		{ "/pci/slot/taken-out-with-power", test_slot_taken_out_with_power },
		{ "/pci/root-port/slot-msi", test_slot_msi },
		{ "/pci/reset-puts-everything-back", test_reset_puts_everything_back },
		{ "/pci/anything", test_anything },
	};

	g_test_init(&argc, &argv, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
		g_test_add(tests[i].path, Fixture, NULL, start, tests[i].test, end);
	return g_test_run();
}
