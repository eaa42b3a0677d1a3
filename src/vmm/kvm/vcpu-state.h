/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vcpu-state.h - a vCPU's registers: for its first instruction, and for a reset
 *
 * Every function works on a vCPU that is outside KVM_RUN.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vcpu.h"

typedef struct VcpuState VcpuState;

/*
 * vcpu_state_save - every register that KVM lets userspace read, MSRs and local APIC included
 *
 * Taken right after a vCPU was made, this is its reset state.
 */
VcpuState *vcpu_state_save(int kvm_fd, int vcpu_fd, GError **error);
gboolean vcpu_state_restore(const VcpuState *state, int vcpu_fd, GError **error);
void vcpu_state_free(VcpuState *state);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VcpuState, vcpu_state_free)

/* Fills @sregs for 64-bit mode with flat segments and the page tables at @cr3. */
struct kvm_sregs;
void vcpu_state_set_long_mode(struct kvm_sregs *sregs, guint64 cr3, guint16 cs_selector,
			      guint16 ds_selector);

/* Puts the boot processor into 64-bit mode as @boot says. */
gboolean vcpu_state_boot(int vcpu_fd, const VcpuBootState *boot, GError **error);
