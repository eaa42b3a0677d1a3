/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * long-mode.h - what a processor needs in memory to start in 64-bit mode
 *
 * A GDT with the two selectors that Linux's boot protocol asks for, and page tables that
 * map memory one to one in pages of 2 MiB, from 0 to the end of RAM, 4 GiB at least.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vcpu.h"
#include "vmm/memory/memory.h"

/* Builds the tables for [0, @end); the first byte is for guest physical address @gpa. */
GByteArray *long_mode_page_tables_new(guint64 gpa, guint64 end);

/* Puts GDT and page tables into guest memory, and fills what @state says of them. */
gboolean long_mode_populate(Memory *memory, VcpuBootState *state, GError **error);
