/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * boot.h - put a kernel or a test payload into guest memory, ready to start
 *
 * A kernel is entered by Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst).
 *
 * A payload is a flat binary of at least one byte. It is loaded at 1 MiB and entered at its
 * first byte in 64-bit mode, with paging one to one up to the end of RAM (4 GiB at least),
 * interrupts off, RSP at 0x90000, RDI the size of RAM in bytes, RSI the number of vCPUs.
 * Processors but the first wait for INIT and SIPI.
 */
#pragma once

#include <glib.h>

#include "vmm/boot/bzimage.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/memory/memory.h"

typedef struct {
	int kernel_fd;	/* of a regular file, or -1 */
	int initrd_fd;	/* the same */
	int payload_fd; /* the same; instead of a kernel */
	const char *command_line;
	guint vcpus;
	const GByteArray *acpi_tables; /* for BOOT_ACPI_GPA; the RSDP is their start */
} BootConfig;

/*
 * boot_populate - fill guest memory from the files, which are read anew each time
 * @state: what the boot processor starts with
 *
 * Only while every vCPU is outside KVM_RUN.
 */
gboolean boot_populate(Memory *memory, const BootConfig *config, VcpuBootState *state,
		       GError **error);
