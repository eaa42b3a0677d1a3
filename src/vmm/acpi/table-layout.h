/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * table-layout.h - what ACPI tables look like in memory, for the files of this folder
 *
 * Field names and sections are those of ACPI 6.3, chapter 5, where nothing else is said.
 */
#pragma once

#include <glib.h>

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

#define RSDP_1_0_SIZE G_STRUCT_OFFSET(Rsdp, length)

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
	ADDRESS_SPACE_MEMORY = 0,
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
	BOOT_ARCH_LEGACY_DEVICES = 1 << 0,
	BOOT_ARCH_8042 = 1 << 1,
	BOOT_ARCH_NO_VGA = 1 << 2,
};

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

/* The SRAT: section 5.2.16. */

typedef struct __attribute__((packed)) {
	TableHeader header;
	guint32 table_revision; /* 1 */
	guint64 reserved;
} Srat;

enum {
	SRAT_LOCAL_APIC = 0,
	SRAT_MEMORY = 1,
};

enum {
	SRAT_ENABLED = 1 << 0,
};

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint8 proximity_domain_low;
	guint8 apic_id;
	guint32 flags;
	guint8 local_sapic_eid;
	guint8 proximity_domain_high[3];
	guint32 clock_domain;
} SratLocalApic;

typedef struct __attribute__((packed)) {
	guint8 type;
	guint8 length;
	guint32 proximity_domain;
	guint16 reserved;
	guint64 base_address;
	guint64 size;
	guint32 reserved2;
	guint32 flags;
	guint64 reserved3;
} SratMemory;

G_STATIC_ASSERT(sizeof(SratMemory) == 40);

typedef struct __attribute__((packed)) {
	TableHeader header;
	guint64 number_of_system_localities;
	/* A matrix of bytes follows. */
} Slit;

/* PCI Firmware Specification 3.2, section 4.1.2: one allocation is all that q35 has. */
typedef struct __attribute__((packed)) {
	TableHeader header;
	guint64 reserved;
	guint64 base_address;
	guint16 pci_segment_group;
	guint8 start_bus;
	guint8 end_bus;
	guint32 reserved2;
} Mcfg;

/* IA-PC HPET Specification 1.0a, section 3.2.4. */
typedef struct __attribute__((packed)) {
	TableHeader header;
	guint32 event_timer_block_id;
	GenericAddress base_address;
	guint8 hpet_number;
	guint16 minimum_tick;
	guint8 page_protection;
} HpetTable;

/* Windows ACPI Emulated Devices Table 1.0. */
typedef struct __attribute__((packed)) {
	TableHeader header;
	guint32 flags;
} Waet;

enum {
	/*
	 * The flag below it would let guests leave register C of the clock unread, which needs
	 * to be read.
	 */
	WAET_PM_TIMER_GOOD = 1 << 1, /* one read of the PM timer is enough */
};
