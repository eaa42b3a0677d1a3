/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuid.c - what a processor says of itself
 *
 * Leaves and bits are named as in Intel's Software Developer's Manual, volume 2, CPUID, AMD's
 * Architecture Programmer's Manual, volume 3, appendix E, and the kernel's
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "vmm/kvm/cpuid.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define CPUID_ENTRIES_MAX	  256

#define LEAF_FEATURES		  0x1u
#define LEAF_CACHES		  0x4u
#define LEAF_TOPOLOGY		  0xbu
#define LEAF_TOPOLOGY_V2	  0x1fu
#define LEAF_KVM_FEATURES	  0x40000001u
#define LEAF_AMD_FEATURES	  0x80000001u
#define LEAF_AMD_SIZES		  0x80000008u
#define LEAF_AMD_SVM		  0x8000000au
#define LEAF_AMD_CACHES		  0x8000001du
#define LEAF_AMD_TOPOLOGY	  0x8000001eu

#define FEATURES_ECX_VMX	  (1u << 5)
#define FEATURES_ECX_X2APIC	  (1u << 21)
#define FEATURES_ECX_TSC_DEADLINE (1u << 24)
#define FEATURES_ECX_HYPERVISOR	  (1u << 31)
#define FEATURES_EDX_HTT	  (1u << 28)
#define AMD_FEATURES_ECX_SVM	  (1u << 2)
#define AMD_FEATURES_ECX_TOPOEXT  (1u << 22)

#define TOPOLOGY_LEVEL_SMT	  (1u << 8)
#define TOPOLOGY_LEVEL_CORE	  (2u << 8)

/* KVM's paravirtual features that a software-protected VM is offered. */
#define PROTECTED_KVM_FEATURES                                            \
	(1u << KVM_FEATURE_CLOCKSOURCE | 1u << KVM_FEATURE_NOP_IO_DELAY | \
	 1u << KVM_FEATURE_CLOCKSOURCE2 | 1u << KVM_FEATURE_PV_UNHALT |   \
	 1u << KVM_FEATURE_PV_SEND_IPI | 1u << KVM_FEATURE_POLL_CONTROL | \
	 1u << KVM_FEATURE_PV_SCHED_YIELD | 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT)

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index)
{
	for (guint i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == function && entry->index == index)
			return entry;
	}
	return NULL;
}

struct kvm_cpuid2 *cpuid_new_supported(KvmVm *vm, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid =
		g_malloc0(sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));

	cpuid->nent = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_vm_kvm_fd(vm), KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "KVM_GET_SUPPORTED_CPUID: %s",
			    g_strerror(errno));
		return NULL;
	}
	return g_steal_pointer(&cpuid);
}

static void remove_leaf(struct kvm_cpuid2 *cpuid, guint32 function)
{
	guint kept = 0;

	for (guint i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
}

static void add_entry(struct kvm_cpuid2 *cpuid, const struct kvm_cpuid_entry2 *entry)
{
	if (cpuid->nent < CPUID_ENTRIES_MAX)
		cpuid->entries[cpuid->nent++] = *entry;
}

/* Bits that it takes to tell @count APIC ids apart. */
static guint apic_id_bits(guint count)
{
	return g_bit_storage(count - 1) * (count > 1);
}

/* Leaf 0xb and its successor: one thread a core, @count cores in the package. */
static void set_topology(struct kvm_cpuid2 *cpuid, guint32 function, guint index, guint count)
{
	remove_leaf(cpuid, function);
	add_entry(cpuid, &(struct kvm_cpuid_entry2){
				 .function = function,
				 .index = 0,
				 .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				 .ebx = 1,
				 .ecx = TOPOLOGY_LEVEL_SMT,
				 .edx = index,
			 });
	add_entry(cpuid, &(struct kvm_cpuid_entry2){
				 .function = function,
				 .index = 1,
				 .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				 .eax = apic_id_bits(count),
				 .ebx = count,
				 .ecx = TOPOLOGY_LEVEL_CORE | 1,
				 .edx = index,
			 });
}

static void set_features(struct kvm_cpuid_entry2 *entry, guint index, guint count,
			 gboolean tsc_deadline)
{
	guint ids = 1u << apic_id_bits(count);

	entry->ebx = (entry->ebx & 0xffffu) | index << 24 | ids << 16;
	entry->ecx |= FEATURES_ECX_X2APIC | FEATURES_ECX_HYPERVISOR;
	entry->ecx &= ~FEATURES_ECX_VMX;
	if (tsc_deadline)
		entry->ecx |= FEATURES_ECX_TSC_DEADLINE;
	if (count > 1)
		entry->edx |= FEATURES_EDX_HTT;
	else
		entry->edx &= ~FEATURES_EDX_HTT;
}

/* Leaf 4: each cache below the last level belongs to one core. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *entry, guint count)
{
	guint level = (entry->eax >> 5) & 7;
	guint ids = 1u << apic_id_bits(count);
	guint sharing = level >= 3 ? ids - 1 : 0;

	entry->eax = (entry->eax & 0x3fffu) | sharing << 14 | (ids - 1) << 26;
}

struct kvm_cpuid2 *cpuid_new(KvmVm *vm, guint index, guint count, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_supported(vm, error);
	gboolean tsc_deadline = ioctl(kvm_vm_fd(vm), KVM_CHECK_EXTENSION,
				      KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	guint32 topology_leaves[] = { LEAF_TOPOLOGY, LEAF_TOPOLOGY_V2 };

	if (!cpuid)
		return NULL;

	/* AMD's own leaves for caches and topology describe the host; the generic ones do. */
	remove_leaf(cpuid, LEAF_AMD_SVM);
	remove_leaf(cpuid, LEAF_AMD_CACHES);
	remove_leaf(cpuid, LEAF_AMD_TOPOLOGY);
	for (guint i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case LEAF_FEATURES:
			set_features(entry, index, count, tsc_deadline);
			break;
		case LEAF_CACHES:
			if (entry->eax & 0x1f)
				set_cache_sharing(entry, count);
			break;
		case LEAF_KVM_FEATURES:
			if (kvm_vm_type(vm) == KVM_VM_SW_PROTECTED) {
				entry->eax &= PROTECTED_KVM_FEATURES;
				entry->eax |= 1u << KVM_FEATURE_HC_MAP_GPA_RANGE;
			}
			break;
		case LEAF_AMD_FEATURES:
			entry->ecx &= ~(AMD_FEATURES_ECX_SVM | AMD_FEATURES_ECX_TOPOEXT);
			break;
		case LEAF_AMD_SIZES:
			entry->ecx = apic_id_bits(count) << 12 | (count - 1);
			break;
		default:
			break;
		}
	}
	for (guint i = 0; i < G_N_ELEMENTS(topology_leaves); i++) {
		if (cpuid_find(cpuid, topology_leaves[i], 0))
			set_topology(cpuid, topology_leaves[i], index, count);
	}
	return g_steal_pointer(&cpuid);
}
