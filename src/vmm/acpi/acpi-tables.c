/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-tables.c - the ACPI tables that describe the machine
 *
 * Theory of operation
 *
 * Every table's layout is a packed structure with the field names of the specification.
 * Tables are appended to an image; a table that points to another is appended after it, so
 * that the offset is known. The RSDP, a piece of its own, is made last.
 *
 * What every machine has is in the DSDT, which is compiled from dsdt.asl. What varies is in
 * an SSDT as plain numbers, which the DSDT's methods use: see append_ssdt().
 */
#include "vmm/acpi/acpi-tables.h"

#include <string.h>

#include "vmm/acpi/aml.h"
#include "vmm/acpi/dsdt.hex"
#include "vmm/acpi/table-layout.h"
#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/hpet.h"
#include "vmm/chipset/reset.h"
#include "vmm/chipset/rtc.h"

#define OEM_ID	       "LVGMEM"
#define OEM_TABLE_ID   "GMEMVMM "
#define OEM_REVISION   1
#define CREATOR_ID     "GMEM"
#define LOCAL_APIC_GPA 0xfee00000u
#define IO_APIC_GPA    0xfec00000u
#define HIGH_RAM_START (1ull << 32)
#define GIB	       (1ull << 30)
#define MIB	       (1ull << 20)

/* Longer than any latency that ACPI allows: the processors have no such state. */
#define NO_C2_LATENCY  101
#define NO_C3_LATENCY  1001

#define ALL_PROCESSORS 0xff

/* Where the identifier is in its page: as on QEMU. */
#define GENERATION_ID_PAGE   4096
#define GENERATION_ID_OFFSET 40
#define GENERATION_ID_SIZE   16

/* Bits of _STA. */
enum {
	STATUS_PRESENT = 1 << 0,
	STATUS_ENABLED = 1 << 1,
	STATUS_SHOWN = 1 << 2, /* in a user interface */
	STATUS_FUNCTIONING = 1 << 3,
	STATUS_HIDDEN_DEVICE = STATUS_PRESENT | STATUS_ENABLED | STATUS_FUNCTIONING,
	STATUS_DEVICE = STATUS_HIDDEN_DEVICE | STATUS_SHOWN,
};

/* The image, and what the XSDT is to list. */
typedef struct {
	AcpiImage *image;
	GByteArray *bytes; /* all tables so far */
	GArray *listed;	   /* offsets, guint */
} TableWriter;

static void init_header(TableHeader *header, const char *signature, guint8 revision)
{
	memcpy(header->signature, signature, sizeof(header->signature));
	header->revision = revision;
	memcpy(header->oem_id, OEM_ID, sizeof(header->oem_id));
	memcpy(header->oem_table_id, OEM_TABLE_ID, sizeof(header->oem_table_id));
	header->oem_revision = OEM_REVISION;
	memcpy(header->creator_id, CREATOR_ID, sizeof(header->creator_id));
	header->creator_revision = OEM_REVISION;
}

static void append(TableWriter *writer, const void *data, gsize size)
{
	g_byte_array_append(writer->bytes, data, size);
}

/* Sets the length of the table that begins at @offset and is the last, and has it summed. */
static void seal(TableWriter *writer, guint offset)
{
	TableHeader *header = (TableHeader *)(writer->bytes->data + offset);

	header->length = writer->bytes->len - offset;
	acpi_image_sum(writer->image, ACPI_PIECE_TABLES,
		       offset + G_STRUCT_OFFSET(TableHeader, checksum), offset, header->length);
}

/* The same for a table that the XSDT is to list. */
static void seal_listed(TableWriter *writer, guint offset)
{
	seal(writer, offset);
	g_array_append_val(writer->listed, offset);
}

static guint append_facs(TableWriter *writer)
{
	const Facs facs = {
		.signature = "FACS",
		.length = sizeof(facs),
		.version = 2,
	};

	return acpi_image_append(writer->image, &facs, sizeof(facs));
}

static GenericAddress io_register(guint16 port, guint bytes, guint8 access_size)
{
	return (GenericAddress){
		.address_space_id = ADDRESS_SPACE_IO,
		.register_bit_width = bytes * 8,
		.access_size = access_size,
		.address = port,
	};
}

static void append_fadt(TableWriter *writer, guint facs, guint dsdt)
{
	Fadt fadt = {
		.sci_int = ACPI_SCI,
		.pm1a_evt_blk = ACPI_PM_EVENT,
		.pm1_evt_len = ACPI_PM_EVENT_SIZE,
		.x_pm1a_evt_blk = io_register(ACPI_PM_EVENT, ACPI_PM_EVENT_SIZE, ACCESS_WORD),
		.pm1a_cnt_blk = ACPI_PM_CONTROL,
		.pm1_cnt_len = ACPI_PM_CONTROL_SIZE,
		.x_pm1a_cnt_blk = io_register(ACPI_PM_CONTROL, ACPI_PM_CONTROL_SIZE, ACCESS_WORD),
		.pm_tmr_blk = ACPI_PM_TIMER,
		.pm_tmr_len = ACPI_PM_TIMER_SIZE,
		.x_pm_tmr_blk = io_register(ACPI_PM_TIMER, ACPI_PM_TIMER_SIZE, ACCESS_DWORD),
		.gpe0_blk = ACPI_PM_GPE0,
		.gpe0_blk_len = ACPI_PM_GPE0_SIZE,
		.x_gpe0_blk = io_register(ACPI_PM_GPE0, ACPI_PM_GPE0_SIZE, ACCESS_BYTE),
		.p_lvl2_lat = NO_C2_LATENCY,
		.p_lvl3_lat = NO_C3_LATENCY,
		.century = RTC_REG_CENTURY,
		.iapc_boot_arch = BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_8042 | BOOT_ARCH_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC |
			 FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
		.reset_reg = io_register(RESET_CONTROL_PORT, 1, ACCESS_BYTE),
		.reset_value = RESET_CONTROL_VALUE,
		.minor_version = 3,
	};
	guint offset;

	init_header(&fadt.header, "FACP", 6);
	offset = acpi_image_append(writer->image, &fadt, sizeof(fadt));
	acpi_image_point(writer->image, ACPI_PIECE_TABLES,
			 offset + G_STRUCT_OFFSET(Fadt, firmware_ctrl), 4, facs);
	acpi_image_point(writer->image, ACPI_PIECE_TABLES, offset + G_STRUCT_OFFSET(Fadt, dsdt), 4,
			 dsdt);
	acpi_image_point(writer->image, ACPI_PIECE_TABLES, offset + G_STRUCT_OFFSET(Fadt, x_dsdt),
			 8, dsdt);
	seal_listed(writer, offset);
}

static guint32 apic_id(const AcpiConfig *config, guint vcpu)
{
	return config->apic_ids ? config->apic_ids[vcpu] : vcpu;
}

static void append_madt(TableWriter *writer, const AcpiConfig *config)
{
	Madt madt = {
		.local_apic_address = LOCAL_APIC_GPA,
		.flags = MADT_PCAT_COMPAT,
	};
	const MadtIoApic io_apic = {
		.type = MADT_IO_APIC,
		.length = sizeof(io_apic),
		.io_apic_address = IO_APIC_GPA,
	};
	const MadtInterruptSourceOverride sci = {
		.type = MADT_INTERRUPT_SOURCE_OVERRIDE,
		.length = sizeof(sci),
		.source = ACPI_SCI,
		.global_system_interrupt = ACPI_SCI,
		.flags = MPS_ACTIVE_HIGH | MPS_LEVEL_TRIGGERED,
	};
	const MadtLocalApicNmi nmi = {
		.type = MADT_LOCAL_APIC_NMI,
		.length = sizeof(nmi),
		.processor_uid = ALL_PROCESSORS,
		.lint = 1,
	};
	guint offset;

	init_header(&madt.header, "APIC", 5);
	offset = acpi_image_append(writer->image, &madt, sizeof(madt));
	for (guint i = 0; i < config->vcpus; i++) {
		const MadtLocalApic local_apic = {
			.type = MADT_LOCAL_APIC,
			.length = sizeof(local_apic),
			.processor_uid = i,
			.apic_id = apic_id(config, i),
			.flags = LOCAL_APIC_ENABLED,
		};

		g_assert(apic_id(config, i) <= ACPI_MAX_APIC_ID);
		append(writer, &local_apic, sizeof(local_apic));
	}
	append(writer, &io_apic, sizeof(io_apic));
	append(writer, &sci, sizeof(sci));
	append(writer, &nmi, sizeof(nmi));
	seal_listed(writer, offset);
}

static void append_mcfg(TableWriter *writer, const AcpiConfig *config)
{
	Mcfg mcfg = {
		.base_address = config->ecam_base,
		.end_bus = config->ecam_buses - 1,
	};

	init_header(&mcfg.header, "MCFG", 1);
	seal_listed(writer, acpi_image_append(writer->image, &mcfg, sizeof(mcfg)));
}

static void append_hpet(TableWriter *writer)
{
	HpetTable hpet = {
		.event_timer_block_id = HPET_BLOCK_ID,
		.base_address = {
			.address_space_id = ADDRESS_SPACE_MEMORY,
			.address = HPET_ADDRESS,
		},
	};

	init_header(&hpet.header, "HPET", 1);
	seal_listed(writer, acpi_image_append(writer->image, &hpet, sizeof(hpet)));
}

static void append_waet(TableWriter *writer)
{
	Waet waet = { .flags = WAET_PM_TIMER_GOOD };

	init_header(&waet.header, "WAET", 1);
	seal_listed(writer, acpi_image_append(writer->image, &waet, sizeof(waet)));
}

/* The cell that a vCPU is in; one that no cell names is in the first. */
static guint cell_of(const NumaTopology *numa, guint vcpu)
{
	for (guint i = 0; i < numa->n_cells; i++) {
		if (cpu_set_has(&numa->cells[i].vcpus, vcpu))
			return i;
	}
	return 0;
}

static void append_srat_memory(TableWriter *writer, guint cell, guint64 start, guint64 end)
{
	const SratMemory memory = {
		.type = SRAT_MEMORY,
		.length = sizeof(memory),
		.proximity_domain = cell,
		.base_address = start,
		.size = end - start,
		.flags = SRAT_ENABLED,
	};

	if (start < end)
		append(writer, &memory, sizeof(memory));
}

/* What a cell has of RAM: it may lie on both sides of the hole below 4 GiB. */
static void append_srat_cells(TableWriter *writer, const AcpiConfig *config)
{
	const guint64 low_end = config->ram_low_end;
	guint64 start = 0;

	for (guint i = 0; i < config->numa.n_cells; i++) {
		guint64 end = start + config->numa.cells[i].memory;

		append_srat_memory(writer, i, start, MIN(end, low_end));
		append_srat_memory(writer, i, HIGH_RAM_START + MAX(start, low_end) - low_end,
				   HIGH_RAM_START + MAX(end, low_end) - low_end);
		start = end;
	}
	g_assert(start == low_end + config->ram_high_end - HIGH_RAM_START);
}

static void append_srat(TableWriter *writer, const AcpiConfig *config)
{
	Srat srat = { .table_revision = 1 };
	guint offset;

	init_header(&srat.header, "SRAT", 3);
	offset = acpi_image_append(writer->image, &srat, sizeof(srat));
	for (guint i = 0; i < config->vcpus; i++) {
		const SratLocalApic local_apic = {
			.type = SRAT_LOCAL_APIC,
			.length = sizeof(local_apic),
			.proximity_domain_low = cell_of(&config->numa, i),
			.apic_id = apic_id(config, i),
			.flags = SRAT_ENABLED,
		};

		append(writer, &local_apic, sizeof(local_apic));
	}
	append_srat_cells(writer, config);
	seal_listed(writer, offset);
}

static guint8 distance(const NumaTopology *numa, guint from, guint to)
{
	if (numa->distances)
		return numa->distances[from * numa->n_cells + to];
	return from == to ? NUMA_DISTANCE_LOCAL : NUMA_DISTANCE_REMOTE;
}

static void append_slit(TableWriter *writer, const NumaTopology *numa)
{
	Slit slit = { .number_of_system_localities = numa->n_cells };
	guint offset;

	init_header(&slit.header, "SLIT", 1);
	offset = acpi_image_append(writer->image, &slit, sizeof(slit));
	for (guint from = 0; from < numa->n_cells; from++) {
		for (guint to = 0; to < numa->n_cells; to++) {
			guint8 byte = distance(numa, from, to);

			append(writer, &byte, sizeof(byte));
		}
	}
	seal_listed(writer, offset);
}

/* A range as the DSDT takes it, as two names: what it starts with, and its length. */
static void append_range(GByteArray *aml, const char *base_name, const char *length_name,
			 guint64 start, guint64 end)
{
	gboolean is_empty = start >= end;

	aml_append_number(aml, base_name, is_empty ? 0 : start);
	aml_append_number(aml, length_name, is_empty ? 0 : end - start);
}

/*
 * Windows of the host bridge. Below 4 GiB there is everything between RAM and the I/O APIC,
 * around the ECAM if that is there: firmware keeps BARs on either side of it. From 4 GiB on
 * there is everything above RAM, to the end of what the processors address: some firmware
 * puts its BARs right above RAM, some at the very end, in a window of its own choice.
 */
static void append_pci_windows(GByteArray *aml, const AcpiConfig *config)
{
	guint64 ecam_start = config->ecam_base;
	guint64 ecam_end = ecam_start + config->ecam_buses * MIB;
	guint64 high_start = MAX(config->ram_high_end, HIGH_RAM_START);
	guint64 high_end = config->physical_address_bits > 32 &&
					   config->physical_address_bits < 64 ?
				   1ull << config->physical_address_bits :
				   0;
	AmlMark scope = aml_open_scope(aml, "\\_SB.PCI0");

	aml_append_number(aml, "BUSL", config->ecam_buses > 0 ? config->ecam_buses - 1 : 0xff);
	append_range(aml, "ECMB", "ECML", ecam_start, ecam_end);
	if (ecam_start == ecam_end || ecam_start >= IO_APIC_GPA || ecam_end <= config->ram_low_end)
		ecam_start = ecam_end = IO_APIC_GPA;
	append_range(aml, "MLOB", "MLOL", config->ram_low_end, ecam_start);
	append_range(aml, "MHIB", "MHIL", MAX(ecam_end, config->ram_low_end), IO_APIC_GPA);
	append_range(aml, "M64B", "M64L", (high_start + GIB - 1) / GIB * GIB, high_end);
	aml_close(aml, scope);
}

/* Devices that are in the DSDT, and of which not every machine has each. */
static void append_device_status(GByteArray *aml, const char *path, guint status)
{
	AmlMark scope = aml_open_scope(aml, path);

	aml_append_number(aml, "_STA", status);
	aml_close(aml, scope);
}

/* Devices of the LPC bridge, each with the port that its _CRS gives. */
static void append_pvpanic(GByteArray *aml, const AcpiConfig *config)
{
	AmlMark scope = aml_open_scope(aml, "\\_SB.PCI0.LPC.PEVT");

	aml_append_number(aml, "_STA", config->pvpanic_port ? STATUS_DEVICE : 0);
	aml_append_number(aml, "PORT", config->pvpanic_port);
	aml_close(aml, scope);
}

/*
 * The identifier's page, and the device that says where it is. It is not in the DSDT, since the
 * compiler takes no _HID of this form; what is to be computed is there, and not here. The place is
 * that of the page: at its start are zeroes, which firmware does not take for a table.
 */
static void append_generation_id(TableWriter *writer, const AcpiConfig *config)
{
	GByteArray *page = acpi_image_piece(writer->image, ACPI_PIECE_GENERATION_ID);
	GByteArray *aml = writer->bytes;
	AmlMark scope, device, method;

	scope = aml_open_scope(aml, "\\_SB");
	aml_append_number(aml, "VGIA", 0);
	if (!config->generation_id) {
		aml_close(aml, scope);
		return;
	}
	g_byte_array_set_size(page, GENERATION_ID_PAGE);
	memset(page->data, 0, page->len);
	memcpy(page->data + GENERATION_ID_OFFSET, config->generation_id, GENERATION_ID_SIZE);
	acpi_image_point_to_piece(writer->image, ACPI_PIECE_TABLES, aml->len - 8, 8,
				  ACPI_PIECE_GENERATION_ID);
	device = aml_open_device(aml, "VGEN");
	aml_append_string(aml, "_HID", "QEMUVGID");
	aml_append_string(aml, "_CID", "VM_Gen_Counter");
	aml_append_string(aml, "_DDN", "VM_Gen_Counter");
	method = aml_open_method(aml, "ADDR");
	aml_append_return(aml, "\\_SB.VGAD");
	aml_close(aml, method);
	aml_close(aml, device);
	aml_close(aml, scope);
}

static void append_processor(GByteArray *aml, const AcpiConfig *config, guint vcpu)
{
	g_autofree char *name = g_strdup_printf("C%03X", vcpu);
	AmlMark device = aml_open_device(aml, name);

	aml_append_string(aml, "_HID", "ACPI0007");
	aml_append_number(aml, "_UID", vcpu);
	if (config->numa.n_cells > 0)
		aml_append_number(aml, "_PXM", cell_of(&config->numa, vcpu));
	aml_close(aml, device);
}

static void append_ssdt(TableWriter *writer, const AcpiConfig *config)
{
	TableHeader header = { 0 };
	GByteArray *aml = writer->bytes;
	AmlMark scope;
	guint offset;

	init_header(&header, "SSDT", 2);
	offset = acpi_image_append(writer->image, &header, sizeof(header));
	append_pci_windows(aml, config);
	append_device_status(aml, "\\_SB.PCI0.LPC.COM2", config->has_com2 ? STATUS_DEVICE : 0);
	append_device_status(aml, "\\_SB.PCI0.FWCF", config->has_fw_cfg ? STATUS_HIDDEN_DEVICE : 0);
	append_device_status(aml, "\\_SB.HPET", config->has_hpet ? STATUS_DEVICE : 0);
	append_pvpanic(aml, config);
	append_generation_id(writer, config);
	scope = aml_open_scope(aml, "\\_SB");
	for (guint i = 0; i < config->vcpus; i++)
		append_processor(aml, config, i);
	aml_close(aml, scope);
	seal_listed(writer, offset);
}

static guint append_xsdt(TableWriter *writer)
{
	const guint64 unknown = 0;
	TableHeader header = { 0 };
	guint offset;

	init_header(&header, "XSDT", 1);
	offset = acpi_image_append(writer->image, &header, sizeof(header));
	for (guint i = 0; i < writer->listed->len; i++) {
		guint at = writer->bytes->len;

		append(writer, &unknown, sizeof(unknown));
		acpi_image_point(writer->image, ACPI_PIECE_TABLES, at, sizeof(unknown),
				 g_array_index(writer->listed, guint, i));
	}
	seal(writer, offset);
	return offset;
}

static void make_rsdp(AcpiImage *image, guint xsdt)
{
	const Rsdp rsdp = {
		.signature = "RSD PTR ",
		.oem_id = OEM_ID,
		.revision = 2,
		.length = sizeof(rsdp),
	};

	g_byte_array_append(acpi_image_piece(image, ACPI_PIECE_RSDP), (const guint8 *)&rsdp,
			    sizeof(rsdp));
	acpi_image_point(image, ACPI_PIECE_RSDP, G_STRUCT_OFFSET(Rsdp, xsdt_address), 8, xsdt);
	acpi_image_sum(image, ACPI_PIECE_RSDP, G_STRUCT_OFFSET(Rsdp, checksum), 0, RSDP_1_0_SIZE);
	acpi_image_sum(image, ACPI_PIECE_RSDP, G_STRUCT_OFFSET(Rsdp, extended_checksum), 0,
		       sizeof(rsdp));
}

AcpiImage *acpi_tables_new(const AcpiConfig *config)
{
	AcpiImage *image = acpi_image_new();
	g_autoptr(GArray) listed = g_array_new(FALSE, FALSE, sizeof(guint));
	TableWriter writer = {
		.image = image,
		.bytes = acpi_image_piece(image, ACPI_PIECE_TABLES),
		.listed = listed,
	};
	guint facs, dsdt;

	g_assert(config->vcpus >= 1 && config->ecam_buses <= 256);
	g_assert(config->ram_low_end <= IO_APIC_GPA && config->ram_high_end >= HIGH_RAM_START);
	facs = append_facs(&writer);
	dsdt = acpi_image_append(image, dsdt_aml_code, sizeof(dsdt_aml_code));
	append_fadt(&writer, facs, dsdt);
	append_ssdt(&writer, config);
	append_madt(&writer, config);
	if (config->ecam_buses > 0)
		append_mcfg(&writer, config);
	if (config->has_hpet)
		append_hpet(&writer);
	append_waet(&writer);
	if (config->numa.n_cells > 0) {
		append_srat(&writer, config);
		append_slit(&writer, &config->numa);
	}
	make_rsdp(image, append_xsdt(&writer));
	return image;
}
