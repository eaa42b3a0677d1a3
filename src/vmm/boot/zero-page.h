/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * zero-page.h - what a Linux kernel is told at its entry: struct boot_params
 *
 * Documentation/arch/x86/zero-page.rst of Linux.
 */
#pragma once

#include <asm/bootparam.h>
#include <glib.h>

#include "vmm/boot/bzimage.h"

typedef struct {
	const BzImage *image;
	guint64 ram_low_end;  /* end of RAM below 4 GiB */
	guint64 ram_high_end; /* end of RAM from 4 GiB on; 4 GiB where there is none */
	guint64 rsdp_gpa;
	guint64 command_line_gpa;
	guint64 initrd_gpa; /* 0 with initrd_size 0 */
	guint64 initrd_size;
} ZeroPageConfig;

void zero_page_fill(struct boot_params *params, const ZeroPageConfig *config);

/*
 * zero_page_place_initrd - find the highest place that kernel and RAM allow
 * @size: bytes, not 0
 * @gpa:  page-aligned on success
 *
 * Return: FALSE with @error set where there is none.
 */
gboolean zero_page_place_initrd(const BzImage *image, guint64 ram_low_end, guint64 size,
				guint64 *gpa, GError **error);
