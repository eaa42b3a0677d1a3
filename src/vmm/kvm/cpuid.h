/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuid.h - what a processor says of itself
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/kvm-uapi.h"
#include "vmm/kvm/vm.h"

/*
 * cpuid_new - the CPUID of one vCPU: all that KVM supports here, less what this machine
 * leaves out, with this vCPU's place in the topology
 * @index: APIC id, below @count
 * @count: vCPUs of the machine, seen as cores of one package
 *
 * Left out: nested virtualization (KVM does not support it in this VM type) and, in a
 * software-protected VM, each paravirtual feature by which KVM would go on writing to guest
 * memory: asynchronous page faults, steal time (with it PV TLB flush) and PV EOI. kvmclock
 * stays, being worth its one page.
 *
 * Return: for g_free(), or NULL with @error set.
 */
struct kvm_cpuid2 *cpuid_new(KvmVm *vm, guint index, guint count, GError **error);

/* Everything that KVM supports here, unchanged; for g_free(). */
struct kvm_cpuid2 *cpuid_new_supported(KvmVm *vm, GError **error);

/* Return: the entry of a leaf, or NULL. */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index);
