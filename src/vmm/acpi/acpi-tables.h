/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-tables.h - the ACPI tables that describe the machine
 *
 * ACPI 6.3, chapter 5: RSDP, XSDT, FADT, FACS, MADT, SRAT, SLIT, the DSDT compiled from
 * dsdt.asl and an SSDT with what varies between machines; MCFG of the PCI Firmware
 * Specification 3.2, section 4.1.2; HPET of IA-PC HPET 1.0a, section 3.2.4; WAET of
 * Microsoft's Windows ACPI Emulated Devices Table 1.0.
 */
#pragma once

#include <glib.h>

#include "vmm/acpi/acpi-image.h"
#include "vmm/acpi/numa.h"

/* Highest local APIC id that a MADT without x2APIC entries can have. */
#define ACPI_MAX_APIC_ID 254

typedef struct {
	guint vcpus;		     /* 1 or more */
	const guint32 *apic_ids;     /* one for each vCPU, or NULL: 0 to vcpus - 1 */
	guint64 ram_low_end;	     /* end of RAM below 4 GiB */
	guint64 ram_high_end;	     /* end of RAM from 4 GiB on; 4 GiB where there is none */
	guint physical_address_bits; /* as CPUID says; 0: no PCI window above 4 GiB */
	guint64 ecam_base;	     /* PCIEXBAR, as programmed now */
	guint ecam_buses;	     /* of 1 MiB each, at most 256; 0 where it is disabled */
	gboolean has_com2;
	gboolean has_fw_cfg;
	gboolean has_hpet;
	guint16 pvpanic_port;	     /* or 0: there is none */
	const guint8 *generation_id; /* 16 bytes, as the guest finds them; or NULL */
	NumaTopology numa;	     /* its memory adds up to all RAM */
} AcpiConfig;

/* Return: an image that acpi_image_free() ends; nothing of @config is kept. */
AcpiImage *acpi_tables_new(const AcpiConfig *config);
