/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ioeventfd.h - descriptors that KVM writes to when the guest writes to an address
 *
 * The vCPU goes on without leaving KVM_RUN, and whoever waits for the descriptor wakes up. A write
 * of any size counts, and what is written does not: so KVM, where it has a processor's help, does
 * not even look at the instruction.
 *
 * KVM waits for vCPUs that are inside KVM_RUN to change this, as it does for memslots: one that
 * waits for a touch under MEMORY_POLICY_GUEST_ONLY would let it wait, too.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"

/* Return: FALSE where KVM takes no more, or has something there: writes still leave KVM_RUN. */
gboolean kvm_ioeventfd_add(KvmVm *vm, guint64 gpa, int fd);

/* The address and descriptor of one that was added. */
void kvm_ioeventfd_remove(KvmVm *vm, guint64 gpa, int fd);
