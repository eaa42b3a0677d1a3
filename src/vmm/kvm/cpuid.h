/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuid.h - what a processor says of itself, and its place among the others
 *
 * KVM's vCPU id is the processor's APIC id: see cpu-topology.h.
 */
#pragma once

#include <glib.h>

#include "common/cpu-topology.h"
#include "common/kvm-uapi.h"
#include "vmm/kvm/vm.h"

/* What makes this guest's processors differ from what KVM offers. */
typedef struct {
	CpuTopology topology;
	const GArray *features; /* of CpuFeatureChoice; NULL or empty: as the host */
	gboolean no_kvmclock;
	gboolean no_pmu;
} CpuModel;

/*
 * cpuid_check_topology - whether a topology has exactly @count processors, and none of them
 * an APIC id above CPU_TOPOLOGY_MAX_APIC_ID
 */
gboolean cpuid_check_topology(const CpuTopology *topology, guint count, GError **error);

/*
 * cpuid_new - the CPUID of one vCPU: all that KVM supports here, less what this machine and
 * @model leave out, with this vCPU's place in the topology
 * @index: of the vCPU, not its APIC id
 *
 * Left out: nested virtualization (KVM does not support it in this VM type) and, in a
 * software-protected VM, each paravirtual feature by which KVM would go on writing to guest
 * memory: asynchronous page faults, steal time (with it PV TLB flush) and PV EOI. kvmclock
 * stays, being worth its one page.
 *
 * Return: for g_free(), or NULL with @error set, also where a feature that @model requires
 * is not there.
 */
struct kvm_cpuid2 *cpuid_new(KvmVm *vm, const CpuModel *model, guint index, GError **error);

/* Everything that KVM supports here, unchanged; for g_free(). */
struct kvm_cpuid2 *cpuid_new_supported(KvmVm *vm, GError **error);

/* Return: no entries yet, with room for as many as may be; for g_free(). */
struct kvm_cpuid2 *cpuid_new_empty(void);

/* What cpuid_new() asks KVM for besides the leaves. */
typedef struct {
	KvmMemoryKind memory_kind;
	gboolean has_tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER */
} CpuidHost;

/*
 * cpuid_specialize - the work of cpuid_new() on leaves that the caller has: made by
 * cpuid_new_supported() or cpuid_new_empty()
 */
gboolean cpuid_specialize(struct kvm_cpuid2 *cpuid, const CpuidHost *host, const CpuModel *model,
			  guint index, GError **error);

/*
 * cpuid_physical_bits - width of the guest physical addresses that can be used, in bits
 *
 * The guest's own, or the host's second-level page tables' where KVM says that they reach
 * less far (leaf 0x80000008, EAX bits 23 to 16).
 */
guint cpuid_physical_bits(struct kvm_cpuid2 *cpuid);

/*
 * cpuid_processor_id - leaf 1's EAX, and its EDX in the upper half
 *
 * What SMBIOS calls a processor's id: DSP0134, section 7.5.3.
 */
guint64 cpuid_processor_id(struct kvm_cpuid2 *cpuid);

/* Return: the entry of a leaf, or NULL. */
struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index);
