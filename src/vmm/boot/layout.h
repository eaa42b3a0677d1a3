/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * layout.h - what lies where in guest memory when the boot processor starts
 *
 * All of it is in the first MiB, which is RAM in every machine but for the VGA hole. What a
 * kernel may overwrite once it has read it is below 640 KiB; the ACPI tables are where a
 * PC's firmware keeps them.
 */
#pragma once

#define BOOT_GDT_GPA	       0x1000ull
#define BOOT_ZERO_PAGE_GPA     0x7000ull
#define BOOT_PAGE_TABLES_GPA   0x10000ull
#define BOOT_PAGE_TABLES_END   0x60000ull
#define BOOT_COMMAND_LINE_GPA  0x60000ull
#define BOOT_COMMAND_LINE_SIZE 0x10000ull /* with the terminating zero */
#define BOOT_STACK_GPA	       0x90000ull /* the first byte above the stack */
#define BOOT_LOW_RAM_END       0xa0000ull
#define BOOT_ACPI_GPA	       0xe0000ull
#define BOOT_ACPI_SIZE	       0x20000ull
#define BOOT_HIGH_RAM_START    0x100000ull

/*
 * RAM is mapped one to one, in pages of 2 MiB, up to here: two pages of tables, and one more for
 * each GiB. What a guest of more RAM starts with lies far below; it maps the rest itself.
 */
#define BOOT_MAPPED_MAX (((BOOT_PAGE_TABLES_END - BOOT_PAGE_TABLES_GPA) / 0x1000 - 2) << 30)

/* Where a flat payload is loaded and entered. */
#define BOOT_PAYLOAD_GPA BOOT_HIGH_RAM_START
