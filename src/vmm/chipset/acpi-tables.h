/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * acpi-tables.h - the ACPI tables that describe the machine
 *
 * ACPI 6.3, chapter 5: RSDP, XSDT, FADT, FACS, MADT, and the DSDT compiled from dsdt.asl.
 */
#pragma once

#include <glib.h>

/* Global system interrupt of the SCI. */
#define ACPI_SCI 9

/* What every table needs at least; the RSDP comes first in the result. */
#define ACPI_TABLES_ALIGNMENT 64

/*
 * acpi_tables_new - build the tables
 * @gpa:   where in guest memory they will be, a multiple of ACPI_TABLES_ALIGNMENT, below 4 GiB
 * @vcpus: processors, with APIC ids 0 to @vcpus - 1
 *
 * Return: all tables in one piece, with the RSDP at its start.
 */
GByteArray *acpi_tables_new(guint32 gpa, guint vcpus);
