/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* long-mode.c - what a processor needs in memory to start in 64-bit mode */
#include "vmm/boot/long-mode.h"

#include "vmm/boot/layout.h"

#define GIB		(1ull << 30)
#define TABLE_SIZE	4096ull
#define TABLE_ENTRIES	512
#define LARGE_PAGE_SIZE (2ull << 20)

enum {
	PAGE_PRESENT = 1 << 0,
	PAGE_WRITABLE = 1 << 1,
	PAGE_ACCESSED = 1 << 5,
	PAGE_DIRTY = 1 << 6,
	PAGE_LARGE = 1 << 7,
	PAGE_TABLE = PAGE_PRESENT | PAGE_WRITABLE | PAGE_ACCESSED,
	PAGE_LEAF = PAGE_PRESENT | PAGE_WRITABLE | PAGE_ACCESSED | PAGE_DIRTY | PAGE_LARGE,
};

/* The selectors that the boot protocol calls __BOOT_CS and __BOOT_DS. */
enum {
	SELECTOR_CODE = 0x10,
	SELECTOR_DATA = 0x18,
};

static const guint64 gdt[] = {
	[SELECTOR_CODE / 8] = 0x00af9b000000ffff, /* 64-bit code, execute and read, accessed */
	[SELECTOR_DATA / 8] = 0x00cf93000000ffff, /* data, 4 GiB, read and write, accessed */
};

/*
 * Accessed and dirty bits are set from the start: KVM walks guest page tables when it
 * emulates an instruction, and would have to write them.
 */
GByteArray *long_mode_page_tables_new(guint64 gpa, guint64 end)
{
	guint directories = (end + GIB - 1) / GIB;
	GByteArray *tables = g_byte_array_new();
	guint64 *entries;

	g_assert(directories >= 1 && directories <= TABLE_ENTRIES);
	/* One page each of levels 4 and 3, then the directories, one for each GiB. */
	g_byte_array_set_size(tables, (2 + directories) * TABLE_SIZE);
	entries = (guint64 *)tables->data;
	for (guint i = 0; i < 2 * TABLE_ENTRIES; i++)
		entries[i] = 0;
	entries[0] = (gpa + TABLE_SIZE) | PAGE_TABLE;
	for (guint i = 0; i < directories; i++)
		entries[TABLE_ENTRIES + i] = (gpa + (2 + i) * TABLE_SIZE) | PAGE_TABLE;
	for (guint i = 0; i < directories * TABLE_ENTRIES; i++)
		entries[2 * TABLE_ENTRIES + i] = i * LARGE_PAGE_SIZE | PAGE_LEAF;
	return tables;
}

gboolean long_mode_populate(Memory *memory, VcpuBootState *state, GError **error)
{
	guint64 end = MIN(memory_high_end(memory), BOOT_MAPPED_MAX);
	g_autoptr(GByteArray) tables = long_mode_page_tables_new(BOOT_PAGE_TABLES_GPA, end);

	g_assert(tables->len <= BOOT_PAGE_TABLES_END - BOOT_PAGE_TABLES_GPA);
	if (!memory_populate(memory, BOOT_PAGE_TABLES_GPA, tables->data, tables->len, error) ||
	    !memory_populate(memory, BOOT_GDT_GPA, gdt, sizeof(gdt), error))
		return FALSE;
	state->cr3 = BOOT_PAGE_TABLES_GPA;
	state->gdt_base = BOOT_GDT_GPA;
	state->gdt_limit = sizeof(gdt) - 1;
	state->cs_selector = SELECTOR_CODE;
	state->ds_selector = SELECTOR_DATA;
	state->rsp = BOOT_STACK_GPA;
	return TRUE;
}
