/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-tables.c - the ACPI tables that describe the machine
 *
 * Theory of operation
 *
 * Every table's layout is a packed structure with the field names of the specification.
 * Tables are appended to one array; a table that points to another is appended after it, so
 * that the address is known. The RSDP, which comes first, is filled in last.
 */
#include "vmm/chipset/acpi-tables.h"

#include <string.h>

#include "vmm/chipset/acpi-pm.h"
#include "vmm/chipset/dsdt.hex"
#include "vmm/chipset/reset.h"
#include "vmm/chipset/rtc.h"

#define OEM_ID	       "LVGMEM"
#define OEM_TABLE_ID   "GMEMVMM "
#define OEM_REVISION   1
#define CREATOR_ID     "GMEM"
#define LOCAL_APIC_GPA 0xfee00000u
#define IO_APIC_GPA    0xfec00000u

typedef struct __attribute__((packed)) {
	char signature[8];
	guint8 checksum; /* of what ACPI 1.0 knew */
	char oem_id[6];
	guint8 revision;
	guint32 rsdt_address;
	guint32 length;
	guint64 xsdt_address;
	guint8 extended_checksum;
	guint8 reserved[3];
} Rsdp;

#define RSDP_1_0_SIZE offsetof(Rsdp, length)

typedef struct __attribute__((packed)) {
	char signature[4];
	guint32 length;
	guint8 revision;
	guint8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	guint32 oem_revision;
	char creator_id[4];
	guint32 creator_revision;
} TableHeader;

typedef struct __attribute__((packed)) {
	TableHeader header;
	guint64 entries[2]; /* FADT and MADT */
} Xsdt;

typedef struct __attribute__((packed)) {
	char signature[4];
	guint32 length;
	guint32 hardware_signature;
	guint32 firmware_waking_vector;
	guint32 global_lock;
	guint32 flags;
	guint64 x_firmware_waking_vector;
	guint8 version;
	guint8 reserved[3];
	guint32 ospm_flags;
	guint8 reserved2[24];
} Facs;

/* Generic address structure. */
typedef struct __attribute__((packed)) {
	guint8 address_space_id;
	guint8 register_bit_width;
	guint8 register_bit_offset;
	guint8 access_size;
	guint64 address;
} GenericAddress;

enum {
	ADDRESS_SPACE_IO = 1,
};

enum {
	ACCESS_BYTE = 1,
	ACCESS_WORD = 2,
	ACCESS_DWORD = 3,
};

typedef struct __attribute__((packed)) {
	TableHeader header;
	guint32 firmware_ctrl;
	guint32 dsdt;
	guint8 reserved;
	guint8 preferred_pm_profile;
	guint16 sci_int;
	guint32 smi_cmd;
	guint8 acpi_enable;
	guint8 acpi_disable;
	guint8 s4bios_req;
	guint8 pstate_cnt;
	guint32 pm1a_evt_blk;
	guint32 pm1b_evt_blk;
	guint32 pm1a_cnt_blk;
	guint32 pm1b_cnt_blk;
	guint32 pm2_cnt_blk;
	guint32 pm_tmr_blk;
	guint32 gpe0_blk;
	guint32 gpe1_blk;
	guint8 pm1_evt_len;
	guint8 pm1_cnt_len;
	guint8 pm2_cnt_len;
	guint8 pm_tmr_len;
	guint8 gpe0_blk_len;
	guint8 gpe1_blk_len;
	guint8 gpe1_base;
	guint8 cst_cnt;
	guint16 p_lvl2_lat;
	guint16 p_lvl3_lat;
	guint16 flush_size;
	guint16 flush_stride;
	guint8 duty_offset;
	guint8 duty_width;
	guint8 day_alrm;
	guint8 mon_alrm;
	guint8 century;
	guint16 iapc_boot_arch;
	guint8 reserved2;
	guint32 flags;
	GenericAddress reset_reg;
	guint8 reset_value;
	guint16 arm_boot_arch;
	guint8 minor_version;
	guint64 x_firmware_ctrl;
	guint64 x_dsdt;
	GenericAddress x_pm1a_evt_blk;
	GenericAddress x_pm1b_evt_blk;
	GenericAddress x_pm1a_cnt_blk;
	GenericAddress x_pm1b_cnt_blk;
	GenericAddress x_pm2_cnt_blk;
	GenericAddress x_pm_tmr_blk;
	GenericAddress x_gpe0_blk;
	GenericAddress x_gpe1_blk;
	GenericAddress sleep_control_reg;
	GenericAddress sleep_status_reg;
	guint64 hypervisor_vendor_identity;
} Fadt;

G_STATIC_ASSERT(sizeof(Fadt) == 276);

enum {
	FADT_WBINVD = 1 << 0,
	FADT_PROC_C1 = 1 << 2,
	FADT_NO_SLEEP_BUTTON = 1 << 5, /* SLP_BUTTON: none that is fixed hardware */
	FADT_NO_FIXED_RTC = 1 << 6,    /* FIX_RTC: the RTC wakes nobody */
	FADT_TMR_VAL_EXT = 1 << 8,     /* the PM timer has 32 bits */
	FADT_RESET_REG_SUP = 1 << 10,
};

enum {
	/* 8042 stays clear: no keyboard controller. */
	BOOT_ARCH_LEGACY_DEVICES = 1 << 0,
	BOOT_ARCH_NO_VGA = 1 << 2,
};

/* Longer than any latency that ACPI allows: the processors have no such state. */
#define NO_C2_LATENCY 101
#define NO_C3_LATENCY 1001

typedef struct __attribute__((packed)) {
	TableHeader header;
	guint32 local_apic_address;
	guint32 flags;
} Madt;

enum {
	MADT_PCAT_COMPAT = 1 << 0, /* there are two 8259 too */
};

enum {
	MADT_LOCAL_APIC = 0,
	MADT_IO_APIC = 1,
	MADT_INTERRUPT_SOURCE_OVERRIDE = 2,
	MADT_LOCAL_APIC_NMI = 4,
};

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint8 processor_uid;
	guint8 apic_id;
	guint32 flags;
} MadtLocalApic;

enum {
	LOCAL_APIC_ENABLED = 1 << 0,
};

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint8 io_apic_id;
	guint8 reserved;
	guint32 io_apic_address;
	guint32 global_system_interrupt_base;
} MadtIoApic;

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint8 bus;
	guint8 source;
	guint32 global_system_interrupt;
	guint16 flags;
} MadtInterruptSourceOverride;

enum {
	MPS_ACTIVE_HIGH = 1 << 0,
	MPS_LEVEL_TRIGGERED = 3 << 2,
};

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint8 processor_uid;
	guint16 flags;
	guint8 lint;
} MadtLocalApicNmi;

#define ALL_PROCESSORS 0xff

/* What makes the sum of all bytes zero. */
static guint8 checksum(const void *data, gsize size)
{
	const guint8 *bytes = data;
	guint8 sum = 0;

	for (gsize i = 0; i < size; i++)
		sum += bytes[i];
	return -sum;
}

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

/* Return: the offset at which @data was put, aligned. */
static guint append(GByteArray *tables, const void *data, gsize size)
{
	static const guint8 zeroes[ACPI_TABLES_ALIGNMENT];
	guint padding = -tables->len % ACPI_TABLES_ALIGNMENT;
	guint offset;

	g_byte_array_append(tables, zeroes, padding);
	offset = tables->len;
	g_byte_array_append(tables, data, size);
	return offset;
}

/* Sets the length and checksum of the table that begins at @offset and ends the array. */
static void seal(GByteArray *tables, guint offset)
{
	TableHeader *header = (TableHeader *)(tables->data + offset);

	header->length = tables->len - offset;
	header->checksum = 0;
	header->checksum = checksum(header, header->length);
}

static guint append_facs(GByteArray *tables)
{
	const Facs facs = {
		.signature = "FACS",
		.length = sizeof(facs),
		.version = 2,
	};

	return append(tables, &facs, sizeof(facs));
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

static guint append_fadt(GByteArray *tables, guint32 facs_gpa, guint32 dsdt_gpa)
{
	Fadt fadt = {
		.firmware_ctrl = facs_gpa,
		.dsdt = dsdt_gpa,
		.x_dsdt = dsdt_gpa,
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
		.p_lvl2_lat = NO_C2_LATENCY,
		.p_lvl3_lat = NO_C3_LATENCY,
		.century = RTC_REG_CENTURY,
		.iapc_boot_arch = BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_NO_VGA,
		.flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BUTTON | FADT_NO_FIXED_RTC |
			 FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP,
		.reset_reg = io_register(RESET_CONTROL_PORT, 1, ACCESS_BYTE),
		.reset_value = RESET_CONTROL_VALUE,
		.minor_version = 3,
	};
	guint offset;

	init_header(&fadt.header, "FACP", 6);
	offset = append(tables, &fadt, sizeof(fadt));
	seal(tables, offset);
	return offset;
}

static guint append_madt(GByteArray *tables, guint vcpus)
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
	offset = append(tables, &madt, sizeof(madt));
	for (guint i = 0; i < vcpus; i++) {
		const MadtLocalApic local_apic = {
			.type = MADT_LOCAL_APIC,
			.length = sizeof(local_apic),
			.processor_uid = i,
			.apic_id = i,
			.flags = LOCAL_APIC_ENABLED,
		};

		g_byte_array_append(tables, (const guint8 *)&local_apic, sizeof(local_apic));
	}
	g_byte_array_append(tables, (const guint8 *)&io_apic, sizeof(io_apic));
	g_byte_array_append(tables, (const guint8 *)&sci, sizeof(sci));
	g_byte_array_append(tables, (const guint8 *)&nmi, sizeof(nmi));
	seal(tables, offset);
	return offset;
}

static guint append_xsdt(GByteArray *tables, guint32 fadt_gpa, guint32 madt_gpa)
{
	Xsdt xsdt = { .entries = { fadt_gpa, madt_gpa } };
	guint offset;

	init_header(&xsdt.header, "XSDT", 1);
	offset = append(tables, &xsdt, sizeof(xsdt));
	seal(tables, offset);
	return offset;
}

GByteArray *acpi_tables_new(guint32 gpa, guint vcpus)
{
	GByteArray *tables = g_byte_array_new();
	Rsdp rsdp = {
		.signature = "RSD PTR ",
		.oem_id = OEM_ID,
		.revision = 2,
		.length = sizeof(rsdp),
	};
	guint facs, dsdt, fadt, madt, xsdt;

	g_assert(gpa % ACPI_TABLES_ALIGNMENT == 0);
	append(tables, &rsdp, sizeof(rsdp));
	facs = append_facs(tables);
	dsdt = append(tables, dsdt_aml_code, sizeof(dsdt_aml_code));
	fadt = append_fadt(tables, gpa + facs, gpa + dsdt);
	madt = append_madt(tables, vcpus);
	xsdt = append_xsdt(tables, gpa + fadt, gpa + madt);

	rsdp.xsdt_address = gpa + xsdt;
	rsdp.checksum = checksum(&rsdp, RSDP_1_0_SIZE);
	rsdp.extended_checksum = checksum(&rsdp, sizeof(rsdp));
	memcpy(tables->data, &rsdp, sizeof(rsdp));
	return tables;
}
