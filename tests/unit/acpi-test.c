/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-test.c - the ACPI tables, linked here and linked by firmware
 *
 * Tables are found as a guest finds them, from the RSDP on. What a table says is read at the
 * offsets of ACPI 6.3. iasl and acpiexec, where they are installed, say what they think of
 * the AML.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "common/cpu-topology.h"
#include "support.h"
#include "vmm/acpi/acpi-tables.h"
#include "vmm/boot/layout.h"
#include "vmm/chipset/hpet.h"

#define MIB	  (1ull << 20)
#define GIB	  (1ull << 30)
#define GPA	  0xe0000u
#define RSDP_SIZE 36
#define COMMAND	  128

/* A linked image, and where it is. */
typedef struct {
	GByteArray *bytes;
	guint32 gpa;
} Linked;

typedef struct {
	const guint8 *data;
	guint32 length;
} Table;

static guint64 get(const void *data, guint offset, guint size)
{
	guint64 value = 0;

	memcpy(&value, (const guint8 *)data + offset, size);
	return GUINT64_FROM_LE(value);
}

static guint8 sum(const guint8 *data, gsize size)
{
	guint8 total = 0;

	while (size > 0)
		total += data[--size];
	return total;
}

static AcpiConfig plain_config(void)
{
	return (AcpiConfig){
		.vcpus = 4,
		.ram_low_end = 2 * GIB,
		.ram_high_end = 6 * GIB + 512 * MIB,
		.physical_address_bits = 40,
		.ecam_base = 0xb0000000,
		.ecam_buses = 256,
		.has_fw_cfg = TRUE,
	};
}

/* Two cells, the first of which lies on both sides of the hole. */
static const NumaCell two_cells[] = {
	{ .vcpus = { { 0x5 } }, .memory = 3 * GIB },
	{ .vcpus = { { 0xa } }, .memory = 1536 * MIB },
};

static AcpiConfig full_config(void)
{
	AcpiConfig config = plain_config();

	config.has_com2 = TRUE;
	config.has_hpet = TRUE;
	config.numa = (NumaTopology){ .n_cells = 2, .cells = two_cells };
	return config;
}

static Linked link_at(const AcpiConfig *config, guint32 gpa)
{
	g_autoptr(AcpiImage) image = acpi_tables_new(config);

	return (Linked){ .bytes = acpi_image_link(image, gpa), .gpa = gpa };
}

static const guint8 *at(const Linked *linked, guint64 gpa, guint size)
{
	g_assert_cmphex(gpa, >=, linked->gpa);
	g_assert_cmphex(gpa + size, <=, linked->gpa + linked->bytes->len);
	return linked->bytes->data + (gpa - linked->gpa);
}

static Table table_at(const Linked *linked, guint64 gpa)
{
	Table table = { .length = get(at(linked, gpa, 8), 4, 4) };

	table.data = at(linked, gpa, table.length);
	return table;
}

static Table summed_table_at(const Linked *linked, guint64 gpa)
{
	Table table = table_at(linked, gpa);

	g_assert_cmpuint(sum(table.data, table.length), ==, 0);
	return table;
}

/* The first table of a signature that the XSDT lists; of no length where there is none. */
static Table find_table(const Linked *linked, const char *signature)
{
	Table xsdt = table_at(linked, get(linked->bytes->data, 24, 8));

	for (guint offset = 36; offset < xsdt.length; offset += 8) {
		Table table = summed_table_at(linked, get(xsdt.data, offset, 8));

		if (memcmp(table.data, signature, 4) == 0)
			return table;
	}
	return (Table){ 0 };
}

static Table need_table(const Linked *linked, const char *signature)
{
	Table table = find_table(linked, signature);

	g_assert_cmpuint(table.length, >=, 36);
	return table;
}

static void test_everything_is_found_and_sums_up(void)
{
	AcpiConfig config = full_config();
	Linked linked = link_at(&config, GPA);
	const guint8 *rsdp = linked.bytes->data;
	static const char *const signatures[] = { "FACP", "SSDT", "APIC", "MCFG",
						  "HPET", "WAET", "SRAT", "SLIT" };
	Table xsdt, fadt;

	g_assert_cmpmem(rsdp, 8, "RSD PTR ", 8);
	g_assert_cmpuint(sum(rsdp, 20), ==, 0);
	g_assert_cmpuint(sum(rsdp, RSDP_SIZE), ==, 0);
	xsdt = summed_table_at(&linked, get(rsdp, 24, 8));
	g_assert_cmpmem(xsdt.data, 4, "XSDT", 4);
	g_assert_cmpuint(xsdt.length, ==, 36 + 8 * G_N_ELEMENTS(signatures));
	for (guint i = 0; i < G_N_ELEMENTS(signatures); i++)
		need_table(&linked, signatures[i]);
	fadt = need_table(&linked, "FACP");
	g_assert_cmpmem(at(&linked, get(fadt.data, 36, 4), 4), 4, "FACS", 4);
	g_assert_cmphex(get(fadt.data, 36, 4) % 64, ==, 0);
	g_assert_cmpmem(summed_table_at(&linked, get(fadt.data, 40, 4)).data, 4, "DSDT", 4);
	g_assert_cmphex(get(fadt.data, 40, 4), ==, get(fadt.data, 140, 8));
	g_byte_array_unref(linked.bytes);
}

static void test_fixed_hardware(void)
{
	AcpiConfig config = plain_config();
	Linked linked = link_at(&config, GPA);
	Table fadt = need_table(&linked, "FACP");

	g_assert_cmpuint(fadt.data[8], ==, 6);
	g_assert_cmphex(get(fadt.data, 46, 2), ==, 9);	    /* SCI_INT */
	g_assert_cmphex(get(fadt.data, 48, 4), ==, 0);	    /* SMI_CMD: there is no SMM */
	g_assert_cmphex(get(fadt.data, 56, 4), ==, 0x600);  /* PM1a_EVT_BLK */
	g_assert_cmphex(get(fadt.data, 64, 4), ==, 0x604);  /* PM1a_CNT_BLK */
	g_assert_cmphex(get(fadt.data, 76, 4), ==, 0x608);  /* PM_TMR_BLK */
	g_assert_cmphex(get(fadt.data, 80, 4), ==, 0x620);  /* GPE0_BLK */
	g_assert_cmpuint(fadt.data[92], ==, 16);	    /* GPE0_BLK_LEN */
	g_assert_cmphex(get(fadt.data, 109, 2), ==, 0x7);   /* legacy devices, 8042, no VGA */
	g_assert_cmphex(get(fadt.data, 120, 8), ==, 0xcf9); /* RESET_REG's address */
	g_assert_cmphex(get(fadt.data, 112, 4) >> 10 & 1, ==, 1);
	g_byte_array_unref(linked.bytes);
}

static void test_hpet_is_the_one_there_is(void)
{
	AcpiConfig config = full_config();
	Linked linked = link_at(&config, GPA);
	Table hpet = need_table(&linked, "HPET");

	g_assert_cmphex(get(hpet.data, 36, 4), ==, HPET_BLOCK_ID);
	g_assert_cmphex(get(hpet.data, 44, 8), ==, HPET_ADDRESS);
	g_byte_array_unref(linked.bytes);
}

static void test_only_what_is_there(void)
{
	AcpiConfig config = plain_config();
	Linked linked;

	config.ecam_buses = 0;
	linked = link_at(&config, GPA);
	g_assert_cmpuint(find_table(&linked, "MCFG").length, ==, 0);
	g_assert_cmpuint(find_table(&linked, "HPET").length, ==, 0);
	g_assert_cmpuint(find_table(&linked, "SRAT").length, ==, 0);
	g_assert_cmpuint(find_table(&linked, "SLIT").length, ==, 0);
	g_assert_cmphex(get(need_table(&linked, "WAET").data, 36, 4), ==, 2);
	g_byte_array_unref(linked.bytes);
}

static void test_mcfg(void)
{
	AcpiConfig config = plain_config();
	Linked linked;
	Table mcfg;

	config.ecam_base = 0xe0000000;
	config.ecam_buses = 64;
	linked = link_at(&config, GPA);
	mcfg = need_table(&linked, "MCFG");
	g_assert_cmpuint(mcfg.length, ==, 60);
	g_assert_cmphex(get(mcfg.data, 44, 8), ==, 0xe0000000);
	g_assert_cmphex(get(mcfg.data, 52, 2), ==, 0);
	g_assert_cmpuint(mcfg.data[54], ==, 0);
	g_assert_cmpuint(mcfg.data[55], ==, 63);
	g_byte_array_unref(linked.bytes);
}

static void test_processors(void)
{
	static const guint32 apic_ids[] = { 0, 1, 4, 254 };
	AcpiConfig config = plain_config();
	Linked linked;
	Table madt;

	config.apic_ids = apic_ids;
	linked = link_at(&config, GPA);
	madt = need_table(&linked, "APIC");
	for (guint i = 0; i < 4; i++) {
		const guint8 *entry = madt.data + 44 + i * 8;

		g_assert_cmpuint(entry[0], ==, 0);
		g_assert_cmpuint(entry[1], ==, 8);
		g_assert_cmpuint(entry[2], ==, i);
		g_assert_cmpuint(entry[3], ==, apic_ids[i]);
		g_assert_cmphex(get(entry, 4, 4), ==, 1);
	}
	g_byte_array_unref(linked.bytes);
}

static void assert_srat_memory(const guint8 *entry, guint cell, guint64 base, guint64 size)
{
	g_assert_cmpuint(entry[0], ==, 1);
	g_assert_cmpuint(entry[1], ==, 40);
	g_assert_cmpuint(get(entry, 2, 4), ==, cell);
	g_assert_cmphex(get(entry, 8, 8), ==, base);
	g_assert_cmphex(get(entry, 16, 8), ==, size);
	g_assert_cmphex(get(entry, 28, 4), ==, 1);
}

/* Processors and cells as many as there can be, with the fewest and most APIC ids left out. */
static void test_as_many_processors_as_can_be(void)
{
	enum { CELL_PROCESSORS = LIMIT_VCPUS / LIMIT_NUMA_CELLS + 1 };
	const CpuTopology topology = { 4, 1, 30, 2 };
	NumaCell cells[LIMIT_NUMA_CELLS] = { 0 };
	guint32 apic_ids[LIMIT_VCPUS];
	AcpiConfig config = plain_config();
	Linked linked;
	Table madt, srat;

	for (guint i = 0; i < LIMIT_VCPUS; i++) {
		apic_ids[i] = cpu_topology_apic_id(&topology, i);
		cpu_set_add(&cells[i / CELL_PROCESSORS].vcpus, i);
	}
	for (guint i = 0; i < LIMIT_NUMA_CELLS; i++)
		cells[i].memory = 64 * GIB;
	config.vcpus = LIMIT_VCPUS;
	config.apic_ids = apic_ids;
	config.ram_low_end = 2 * GIB;
	config.ram_high_end = 4098 * GIB;
	config.physical_address_bits = 46;
	config.numa = (NumaTopology){ .n_cells = LIMIT_NUMA_CELLS, .cells = cells };
	linked = link_at(&config, GPA);
	/* They fit where a machine without firmware has them. */
	g_assert_cmpuint(linked.bytes->len, <=, BOOT_ACPI_SIZE);
	madt = need_table(&linked, "APIC");
	srat = need_table(&linked, "SRAT");
	for (guint i = 0; i < LIMIT_VCPUS; i++) {
		const guint8 *local_apic = madt.data + 44 + i * 8;
		const guint8 *affinity = srat.data + 48 + i * 16;

		/* A processor's number is a byte too, and 255 stands for all. */
		g_assert_cmpuint(local_apic[0], ==, 0);
		g_assert_cmpuint(local_apic[2], ==, i);
		g_assert_cmpuint(local_apic[3], ==, apic_ids[i]);
		g_assert_cmpuint(affinity[0], ==, 0);
		g_assert_cmpuint(affinity[2], ==, i / CELL_PROCESSORS);
		g_assert_cmpuint(affinity[3], ==, apic_ids[i]);
	}
	g_assert_cmpuint(apic_ids[LIMIT_VCPUS - 1], ==, 251);
	assert_srat_memory(srat.data + 48 + LIMIT_VCPUS * 16, 0, 0, 2 * GIB);
	assert_srat_memory(srat.data + srat.length - 40, LIMIT_NUMA_CELLS - 1, 4034 * GIB,
			   64 * GIB);
	g_assert_cmpuint(need_table(&linked, "SLIT").length, ==,
			 44 + LIMIT_NUMA_CELLS * LIMIT_NUMA_CELLS);
	g_byte_array_unref(linked.bytes);
}

static void test_numa(void)
{
	AcpiConfig config = full_config();
	Linked linked = link_at(&config, GPA);
	Table srat = need_table(&linked, "SRAT"), slit = need_table(&linked, "SLIT");
	static const guint8 distances[] = { 10, 20, 20, 10 };

	for (guint i = 0; i < 4; i++) {
		const guint8 *entry = srat.data + 48 + i * 16;

		g_assert_cmpuint(entry[0], ==, 0);
		g_assert_cmpuint(entry[2], ==, i % 2);
		g_assert_cmpuint(entry[3], ==, i);
	}
	g_assert_cmpuint(srat.length, ==, 48 + 4 * 16 + 3 * 40);
	assert_srat_memory(srat.data + 112, 0, 0, 2 * GIB);
	assert_srat_memory(srat.data + 152, 0, 4 * GIB, GIB);
	assert_srat_memory(srat.data + 192, 1, 5 * GIB, 1536 * MIB);
	g_assert_cmpuint(get(slit.data, 36, 8), ==, 2);
	g_assert_cmpmem(slit.data + 44, slit.length - 44, distances, sizeof(distances));
	g_byte_array_unref(linked.bytes);
}

static void test_numa_distances(void)
{
	static const guint8 distances[] = { 10, 31, 32, 10 };
	AcpiConfig config = full_config();
	Linked linked;
	Table slit;

	config.numa.distances = distances;
	linked = link_at(&config, GPA);
	slit = need_table(&linked, "SLIT");
	g_assert_cmpmem(slit.data + 44, slit.length - 44, distances, sizeof(distances));
	g_byte_array_unref(linked.bytes);
}

/* A number that the SSDT gives a name. */
static guint64 ssdt_number(const Linked *linked, const char *name)
{
	Table ssdt = need_table(linked, "SSDT");

	for (guint i = 36; i + 14 <= ssdt.length; i++) {
		if (ssdt.data[i] == 0x08 && memcmp(ssdt.data + i + 1, name, 4) == 0 &&
		    ssdt.data[i + 5] == 0x0e)
			return get(ssdt.data, i + 6, 8);
	}
	g_error("no %s in the SSDT", name);
}

/* Return: where the package ends whose length is at @offset. */
static guint package_end(const Table *table, guint offset)
{
	const guint8 *data = table->data + offset;

	/* Four bytes: the number of those that follow, four bits, and eight bits of each. */
	g_assert_cmphex(data[0] & 0xf0, ==, 0xc0);
	return offset + ((data[0] & 0xf) | get(data, 1, 3) << 4);
}

/* ACPICA forgives lengths that are wrong; others may not. */
/* Of the HPET's interrupts none is offered to a PCI link. */
static void test_pci_links_leave_the_hpet_alone(void)
{
	static const guint8 name[] = { 0x08, 'L', 'P', 'R', 'S' };
	AcpiConfig config = full_config();
	Linked linked = link_at(&config, GPA);
	Table fadt = need_table(&linked, "FACP");
	Table dsdt = table_at(&linked, get(fadt.data, 40, 4));
	const guint8 *found = memmem(dsdt.data, dsdt.length, name, sizeof(name));
	const guint8 *interrupts;

	/* An extended interrupt descriptor: ACPI 6.3, section 6.4.3.6. */
	g_assert_nonnull(found);
	interrupts = memchr(found, 0x89, 16);
	g_assert_nonnull(interrupts);
	g_assert_cmpuint(interrupts[4], ==, 2);
	for (guint i = 0; i < interrupts[4]; i++) {
		guint32 interrupt = get(interrupts, 5 + i * 4, 4);

		g_assert_true(interrupt == 10 || interrupt == 11);
	}
	g_byte_array_unref(linked.bytes);
}

static void test_scopes_end_where_the_next_begins(void)
{
	AcpiConfig config = full_config();
	Linked linked = link_at(&config, GPA);
	Table ssdt = need_table(&linked, "SSDT");
	guint offset = 36, last = 0, devices = 0;

	while (offset < ssdt.length) {
		g_assert_cmphex(ssdt.data[offset], ==, 0x10); /* ScopeOp */
		last = offset;
		offset = package_end(&ssdt, offset + 1);
	}
	g_assert_cmpuint(offset, ==, ssdt.length);
	/* The last one is \_SB, with the processors. */
	for (offset = last + 1 + 4 + 5; offset < ssdt.length; devices++) {
		g_assert_cmphex(get(ssdt.data, offset, 2), ==, 0x825b); /* DeviceOp */
		offset = package_end(&ssdt, offset + 2);
	}
	g_assert_cmpuint(offset, ==, ssdt.length);
	g_assert_cmpuint(devices, ==, config.vcpus);
	g_byte_array_unref(linked.bytes);
}

/* What the guest finds is where the tables say, 40 bytes into its page, whoever links them. */
static void test_generation_id(void)
{
	static const guint8 id[16] = "0123456789abcdef";
	AcpiConfig config = full_config();
	Linked linked = link_at(&config, GPA);
	const guint plain_size = linked.bytes->len;
	guint64 page;

	g_assert_cmphex(ssdt_number(&linked, "VGIA"), ==, 0);
	g_byte_array_unref(linked.bytes);
	config.generation_id = id;
	linked = link_at(&config, GPA);
	page = ssdt_number(&linked, "VGIA");
	g_assert_cmphex(page, >=, GPA + plain_size);
	g_assert_cmphex(page + 4096, ==, GPA + linked.bytes->len);
	g_assert_cmpmem(linked.bytes->data + (page - GPA) + 40, 16, id, 16);
	for (guint i = 0; i < 40; i++)
		g_assert_cmphex(linked.bytes->data[page - GPA + i], ==, 0);
	g_byte_array_unref(linked.bytes);
}

static void assert_window(const AcpiConfig *config, const char *base, const char *length,
			  guint64 start, guint64 end)
{
	Linked linked = link_at(config, GPA);

	g_assert_cmphex(ssdt_number(&linked, base), ==, start);
	g_assert_cmphex(ssdt_number(&linked, length), ==, end - start);
	g_byte_array_unref(linked.bytes);
}

static void test_windows_go_around_the_ecam(void)
{
	AcpiConfig config = plain_config();

	/* Right above RAM, as older OVMF has it with much of it. */
	config.ram_low_end = 0xb0000000;
	assert_window(&config, "MLOB", "MLOL", 0, 0);
	assert_window(&config, "MHIB", "MHIL", 0xc0000000, 0xfec00000);
	config.ram_low_end = 0x80000000;
	assert_window(&config, "MLOB", "MLOL", 0x80000000, 0xb0000000);
	assert_window(&config, "ECMB", "ECML", 0xb0000000, 0xc0000000);
	/* Below the I/O APIC, as newer OVMF has it. */
	config.ecam_base = 0xe0000000;
	assert_window(&config, "MLOB", "MLOL", 0x80000000, 0xe0000000);
	assert_window(&config, "MHIB", "MHIL", 0xf0000000, 0xfec00000);
	/* Elsewhere. */
	config.ecam_base = 256 * GIB;
	assert_window(&config, "MLOB", "MLOL", 0x80000000, 0xfec00000);
	assert_window(&config, "MHIB", "MHIL", 0, 0);
	/* Where a guest put it that means no good. */
	config.ecam_base = 0x7ff00000;
	assert_window(&config, "MLOB", "MLOL", 0, 0);
	assert_window(&config, "MHIB", "MHIL", 0x8ff00000, 0xfec00000);
	config.ecam_base = 0xfe000000;
	assert_window(&config, "MLOB", "MLOL", 0x80000000, 0xfe000000);
	assert_window(&config, "MHIB", "MHIL", 0, 0);
	config.ecam_base = 0;
	config.ecam_buses = 0;
	assert_window(&config, "MLOB", "MLOL", 0x80000000, 0xfec00000);
	assert_window(&config, "MHIB", "MHIL", 0, 0);
}

static void test_window_above_4_gib(void)
{
	AcpiConfig config = plain_config();

	assert_window(&config, "M64B", "M64L", 7 * GIB, 1ull << 40);
	config.ram_high_end = 4 * GIB;
	assert_window(&config, "M64B", "M64L", 4 * GIB, 1ull << 40);
	config.physical_address_bits = 36;
	assert_window(&config, "M64B", "M64L", 4 * GIB, 64 * GIB);
	config.physical_address_bits = 0;
	assert_window(&config, "M64B", "M64L", 0, 0);
	config.physical_address_bits = 36;
	config.ram_high_end = 66 * GIB;
	assert_window(&config, "M64B", "M64L", 0, 0);
}

/* The loader's files have a size that is fixed before firmware puts the ECAM anywhere. */
static void test_size_does_not_depend_on_addresses(void)
{
	AcpiConfig config = plain_config();
	Linked one = link_at(&config, GPA), other;

	config.ecam_base = 0;
	config.ecam_buses = 1;
	other = link_at(&config, GPA);
	g_assert_cmpuint(one.bytes->len, ==, other.bytes->len);
	g_byte_array_unref(one.bytes);
	g_byte_array_unref(other.bytes);
}

/* A table loader as firmware has one. */

typedef struct {
	const char *name;
	GByteArray *bytes;
	guint64 gpa; /* 0 until it is allocated */
	guint8 zone;
	guint32 alignment;
} LoadedFile;

typedef struct {
	LoadedFile files[3];
	guint pointers;
	guint checksums;
} Loader;

static LoadedFile *loader_file(Loader *loader, const guint8 *name)
{
	g_assert_nonnull(memchr(name, 0, 56));
	for (guint i = 0; i < G_N_ELEMENTS(loader->files); i++) {
		if (strcmp(loader->files[i].name, (const char *)name) == 0)
			return &loader->files[i];
	}
	g_error("the loader is told of a file '%s'", name);
}

static void loader_allocate(Loader *loader, const guint8 *command, guint64 *next_gpa)
{
	LoadedFile *file = loader_file(loader, command + 4);

	g_assert_cmphex(file->gpa, ==, 0);
	file->alignment = get(command, 60, 4);
	file->zone = command[64];
	file->gpa = (*next_gpa + file->alignment - 1) / file->alignment * file->alignment;
	*next_gpa = file->gpa + file->bytes->len;
}

static void loader_add_pointer(Loader *loader, const guint8 *command)
{
	LoadedFile *file = loader_file(loader, command + 4);
	LoadedFile *target = loader_file(loader, command + 60);
	guint32 offset = get(command, 116, 4), size = command[120];
	guint64 value;

	g_assert_true(size == 4 || size == 8);
	g_assert_cmphex(file->gpa, !=, 0);
	g_assert_cmphex(target->gpa, !=, 0);
	g_assert_cmpuint(offset + size, <=, file->bytes->len);
	value = get(file->bytes->data, offset, size);
	g_assert_cmpuint(value, <, target->bytes->len);
	value = GUINT64_TO_LE(value + target->gpa);
	memcpy(file->bytes->data + offset, &value, size);
	loader->pointers++;
}

static void loader_add_checksum(Loader *loader, const guint8 *command)
{
	LoadedFile *file = loader_file(loader, command + 4);
	guint32 offset = get(command, 60, 4), start = get(command, 64, 4),
		length = get(command, 68, 4);

	g_assert_cmpuint(start + length, <=, file->bytes->len);
	g_assert_cmpuint(offset, <, file->bytes->len);
	file->bytes->data[offset] -= sum(file->bytes->data + start, length);
	loader->checksums++;
}

static void loader_run(Loader *loader, GBytes *script, guint64 gpa)
{
	gsize size;
	const guint8 *command = g_bytes_get_data(script, &size);

	g_assert_cmpuint(size % COMMAND, ==, 0);
	for (; size > 0; size -= COMMAND, command += COMMAND) {
		switch (get(command, 0, 4)) {
		case 1:
			loader_allocate(loader, command, &gpa);
			break;
		case 2:
			loader_add_pointer(loader, command);
			break;
		case 3:
			loader_add_checksum(loader, command);
			break;
		default:
			g_error("an unknown command");
		}
	}
}

static LoadedFile load_file(const AcpiImage *image, AcpiPiece piece, const char *name)
{
	g_autoptr(GBytes) content = acpi_image_content(image, piece);
	LoadedFile file = { .name = name, .bytes = g_byte_array_new() };

	g_byte_array_append(file.bytes, g_bytes_get_data(content, NULL), g_bytes_get_size(content));
	return file;
}

static void test_firmware_links_the_same(void)
{
	AcpiConfig config = full_config();
	g_autoptr(AcpiImage) image = acpi_tables_new(&config);
	g_autoptr(GBytes) script = acpi_image_loader(image);
	g_autoptr(GByteArray) linked = acpi_image_link(image, GPA);
	Loader loader = {
		.files = { load_file(image, ACPI_PIECE_RSDP, "etc/acpi/rsdp"),
			   load_file(image, ACPI_PIECE_TABLES, "etc/acpi/tables"),
			   load_file(image, ACPI_PIECE_GENERATION_ID, "etc/vmgenid_guid") },
	};

	loader_run(&loader, script, GPA);
	/* The RSDP goes where an operating system looks for it. */
	g_assert_cmphex(loader.files[0].gpa, ==, GPA);
	g_assert_cmpuint(loader.files[0].alignment, ==, 16);
	g_assert_cmpuint(loader.files[0].zone, ==, 2);
	g_assert_cmphex(loader.files[1].gpa, ==, GPA + 64);
	g_assert_cmpuint(loader.files[1].zone, ==, 1);
	g_assert_cmpmem(loader.files[0].bytes->data, loader.files[0].bytes->len, linked->data,
			RSDP_SIZE);
	g_assert_cmpmem(loader.files[1].bytes->data, loader.files[1].bytes->len, linked->data + 64,
			linked->len - 64);
	/* RSDP 1, FADT 3, XSDT 8; RSDP 2, and nine tables, without DSDT and FACS. */
	g_assert_cmpuint(loader.pointers, ==, 12);
	g_assert_cmpuint(loader.checksums, ==, 11);
	for (guint i = 0; i < G_N_ELEMENTS(loader.files); i++)
		g_byte_array_unref(loader.files[i].bytes);
}

static void test_firmware_places_the_generation_id(void)
{
	static const guint8 id[16] = "0123456789abcdef";
	AcpiConfig config = full_config();
	g_autoptr(AcpiImage) image = NULL;
	g_autoptr(GBytes) script = NULL;
	Loader loader = { .pointers = 0 };

	config.generation_id = id;
	image = acpi_tables_new(&config);
	script = acpi_image_loader(image);
	loader.files[0] = load_file(image, ACPI_PIECE_RSDP, "etc/acpi/rsdp");
	loader.files[1] = load_file(image, ACPI_PIECE_TABLES, "etc/acpi/tables");
	loader.files[2] = load_file(image, ACPI_PIECE_GENERATION_ID, "etc/vmgenid_guid");
	loader_run(&loader, script, GPA);
	/* A page of its own, and one pointer to it. */
	g_assert_cmpuint(loader.files[2].bytes->len, ==, 4096);
	g_assert_cmpuint(loader.files[2].alignment, ==, 4096);
	g_assert_cmpuint(loader.files[2].zone, ==, 1);
	g_assert_cmpmem(loader.files[2].bytes->data + 40, 16, id, 16);
	g_assert_cmpuint(loader.pointers, ==, 13);
	g_assert_cmpuint(loader.checksums, ==, 11);
	for (guint i = 0; i < G_N_ELEMENTS(loader.files); i++)
		g_byte_array_unref(loader.files[i].bytes);
}

/* What the guest's own tools say. */

typedef struct {
	char *folder;
	Linked linked;
} Disassembly;

static void write_table(const Disassembly *disassembly, const char *name, Table table)
{
	g_autofree char *path = g_build_filename(disassembly->folder, name, NULL);
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, (const char *)table.data, table.length, &error);
	g_assert_no_error(error);
}

static void start_disassembly(Disassembly *disassembly, const AcpiConfig *config)
{
	g_autoptr(GError) error = NULL;
	Table fadt, xsdt;

	disassembly->folder = g_dir_make_tmp("acpi-test-XXXXXX", &error);
	g_assert_no_error(error);
	disassembly->linked = link_at(config, GPA);
	fadt = need_table(&disassembly->linked, "FACP");
	write_table(disassembly, "dsdt.dat", table_at(&disassembly->linked, get(fadt.data, 40, 4)));
	write_table(disassembly, "facs.dat", table_at(&disassembly->linked, get(fadt.data, 36, 4)));
	xsdt = table_at(&disassembly->linked, get(disassembly->linked.bytes->data, 24, 8));
	write_table(disassembly, "xsdt.dat", xsdt);
	for (guint offset = 36; offset < xsdt.length; offset += 8) {
		Table table = table_at(&disassembly->linked, get(xsdt.data, offset, 8));
		g_autofree char *signature = g_ascii_strdown((const char *)table.data, 4);
		g_autofree char *name = g_strconcat(signature, ".dat", NULL);

		write_table(disassembly, name, table);
	}
}

static void end_disassembly(Disassembly *disassembly)
{
	remove_tree(disassembly->folder);
	g_free(disassembly->folder);
	g_byte_array_unref(disassembly->linked.bytes);
}

/* Runs a command in the folder, and returns what it says. */
static char *run(const Disassembly *disassembly, const char *const *command)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *output = NULL, *errors = NULL;
	int status;

	g_spawn_sync(disassembly->folder, (char **)command, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
		     &output, &errors, &status, &error);
	g_assert_no_error(error);
	return g_strconcat(output, errors, NULL);
}

static void assert_clean(const char *name, const char *said)
{
	g_autofree char *lower = g_ascii_strdown(said, -1);
	g_autoptr(GString) words = g_string_new(lower);

	/* The sum of a compilation has these words too. */
	g_string_replace(words, "0 errors, 0 warnings", "", 0);
	if (strstr(words->str, "error") || strstr(words->str, "warning") ||
	    strstr(words->str, "invalid"))
		g_error("%s: %s", name, said);
}

static char *read_file(const Disassembly *disassembly, const char *name, const char *suffix,
		       gsize *size)
{
	g_autofree char *base = g_strndup(name, strcspn(name, "."));
	g_autofree char *file = g_strconcat(base, suffix, NULL);
	g_autofree char *path = g_build_filename(disassembly->folder, file, NULL);
	g_autoptr(GError) error = NULL;
	char *content;

	g_file_get_contents(path, &content, size, &error);
	g_assert_no_error(error);
	return content;
}

/* But for the header, in which the compiler says who it is, it is the table that it was. */
static void assert_same_table(const Disassembly *disassembly, const char *name)
{
	gsize size, compiled_size;
	g_autofree char *table = read_file(disassembly, name, ".dat", &size);
	g_autofree char *compiled = read_file(disassembly, name, ".aml", &compiled_size);

	g_assert_cmpmem(table + 36, size - 36, compiled + 36, compiled_size - 36);
}

/* What is decompiled has to compile again too. */
static void disassemble(const Disassembly *disassembly, const char *name)
{
	g_autofree char *source = g_strdup(name);
	const char *const decompile[] = { "iasl", "-d", name, NULL };
	const char *const compile[] = { "iasl", source, NULL };
	g_autofree char *decompiled = run(disassembly, decompile), *compiled = NULL, *path = NULL;

	assert_clean(name, decompiled);
	memcpy(strchr(source, '.'), ".dsl", 4);
	path = g_build_filename(disassembly->folder, source, NULL);
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	compiled = run(disassembly, compile);
	assert_clean(source, compiled);
	/* The compiler has shorter ways to write AML than those that do not depend on values. */
	if (!g_str_equal(name, "dsdt.dat") && !g_str_equal(name, "ssdt.dat"))
		assert_same_table(disassembly, name);
}

static void test_iasl(gconstpointer data)
{
	const AcpiConfig *config = data;
	g_autofree char *iasl = g_find_program_in_path("iasl");
	Disassembly disassembly;
	g_autoptr(GDir) dir = NULL;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name;

	if (!iasl) {
		g_test_skip("iasl is not installed");
		return;
	}
	start_disassembly(&disassembly, config);
	dir = g_dir_open(disassembly.folder, 0, NULL);
	while ((name = g_dir_read_name(dir)))
		g_ptr_array_add(names, g_strdup(name));
	g_assert_cmpuint(names->len, >=, 7);
	for (guint i = 0; i < names->len; i++)
		disassemble(&disassembly, g_ptr_array_index(names, i));
	end_disassembly(&disassembly);
}

/* What the methods make of the numbers in the SSDT. */
static void test_acpiexec(void)
{
	static const char *const command[] = {
		"acpiexec", "-b",	"resources \\_SB.PCI0; resources \\_SB.DRAC",
		"dsdt.dat", "ssdt.dat", NULL,
	};
	static const char *const words[] = {
		"Address Maximum : 00FF", /* buses */
		"Address Minimum : 80000000",
		"Address Maximum : AFFFFFFF",
		"Address Minimum : C0000000",
		"Address Maximum : FEBFFFFF",
		"Address Minimum : 00000001C0000000",
		"Address Maximum : 000000FFFFFFFFFF",
		"Address Minimum : 00000000B0000000", /* ECAM */
		"Address Maximum : 00000000BFFFFFFF",
	};
	g_autofree char *acpiexec = g_find_program_in_path("acpiexec");
	AcpiConfig config = full_config();
	Disassembly disassembly;
	g_autofree char *said = NULL;

	if (!acpiexec) {
		g_test_skip("acpiexec is not installed");
		return;
	}
	start_disassembly(&disassembly, &config);
	said = run(&disassembly, command);
	for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
		if (!strstr(said, words[i]))
			g_error("no '%s' in:\n%s", words[i], said);
	}
	end_disassembly(&disassembly);
}

int main(int argc, char **argv)
{
	AcpiConfig plain = plain_config(), full = full_config(), bare = plain_config();

	bare.ecam_buses = 0;
	bare.physical_address_bits = 0;
	bare.has_fw_cfg = FALSE;
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/acpi/everything-is-found-and-sums-up",
			test_everything_is_found_and_sums_up);
	g_test_add_func("/acpi/fixed-hardware", test_fixed_hardware);
	g_test_add_func("/acpi/only-what-is-there", test_only_what_is_there);
	g_test_add_func("/acpi/hpet-is-the-one-there-is", test_hpet_is_the_one_there_is);
	g_test_add_func("/acpi/mcfg", test_mcfg);
	g_test_add_func("/acpi/processors", test_processors);
	g_test_add_func("/acpi/as-many-processors-as-can-be", test_as_many_processors_as_can_be);
	g_test_add_func("/acpi/numa", test_numa);
	g_test_add_func("/acpi/numa-distances", test_numa_distances);
	g_test_add_func("/acpi/pci-links-leave-the-hpet-alone",
			test_pci_links_leave_the_hpet_alone);
	g_test_add_func("/acpi/scopes-end-where-the-next-begins",
			test_scopes_end_where_the_next_begins);
	g_test_add_func("/acpi/windows/go-around-the-ecam", test_windows_go_around_the_ecam);
	g_test_add_func("/acpi/windows/above-4-gib", test_window_above_4_gib);
	g_test_add_func("/acpi/size-does-not-depend-on-addresses",
			test_size_does_not_depend_on_addresses);
	g_test_add_func("/acpi/firmware-links-the-same", test_firmware_links_the_same);
	g_test_add_func("/acpi/generation-id", test_generation_id);
	g_test_add_func("/acpi/firmware-places-the-generation-id",
			test_firmware_places_the_generation_id);
	g_test_add_data_func("/acpi/iasl/plain", &plain, test_iasl);
	g_test_add_data_func("/acpi/iasl/full", &full, test_iasl);
	g_test_add_data_func("/acpi/iasl/bare", &bare, test_iasl);
	g_test_add_func("/acpi/acpiexec", test_acpiexec);

	return g_test_run();
}
