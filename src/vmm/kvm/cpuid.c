/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuid.c - what a processor says of itself, and its place among the others
 *
 * Leaves and bits are named as in Intel's Software Developer's Manual, volume 2, CPUID, AMD's
 * Architecture Programmer's Manual, volume 3, appendix E, and the kernel's
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "vmm/kvm/cpuid.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/domain-limits.h"
#include "vmm/kvm/cpu-features.h"

/* What KVM_SET_CPUID2 takes, and how many of those are kept for leaves that KVM lacks. */
#define CPUID_ENTRIES_MAX	  256
#define CPUID_ENTRIES_ADDED	  16

#define LEAF_MAXIMUM		  0x0u
#define LEAF_FEATURES		  0x1u
#define LEAF_CACHES		  0x4u
#define LEAF_PMU		  0xau
#define LEAF_TOPOLOGY		  0xbu
#define LEAF_TOPOLOGY_V2	  0x1fu
#define LEAF_KVM_FEATURES	  0x40000001u
#define LEAF_AMD_FEATURES	  0x80000001u
#define LEAF_AMD_SIZES		  0x80000008u
#define LEAF_AMD_SVM		  0x8000000au
#define LEAF_AMD_CACHES		  0x8000001du
#define LEAF_AMD_TOPOLOGY	  0x8000001eu
#define LEAF_AMD_PMU		  0x80000022u
#define LEAF_AMD_TOPOLOGY_V2	  0x80000026u

#define FEATURES_ECX_VMX	  (1u << 5)
#define FEATURES_ECX_PDCM	  (1u << 15)
#define FEATURES_ECX_X2APIC	  (1u << 21)
#define FEATURES_ECX_TSC_DEADLINE (1u << 24)
#define FEATURES_ECX_HYPERVISOR	  (1u << 31)
#define FEATURES_EDX_HTT	  (1u << 28)
#define AMD_FEATURES_ECX_CMP	  (1u << 1) /* CmpLegacy */
#define AMD_FEATURES_ECX_SVM	  (1u << 2)
#define AMD_FEATURES_ECX_TOPOEXT  (1u << 22)
#define AMD_FEATURES_ECX_PMU	  (1u << 23 | 1u << 24 | 1u << 28) /* core, NB, L2I/LLC */

/* Types of levels in leaves 0xb and 0x1f, as ECX has them. */
#define TOPOLOGY_LEVEL_SMT  (1u << 8)
#define TOPOLOGY_LEVEL_CORE (2u << 8)
#define TOPOLOGY_LEVEL_DIE  (5u << 8)

/* Where leaf 0x80000008 is missing. */
#define DEFAULT_PHYSICAL_BITS 36

/* KVM's paravirtual features that a software-protected VM is offered. */
#define PROTECTED_KVM_FEATURES                                            \
	(1u << KVM_FEATURE_CLOCKSOURCE | 1u << KVM_FEATURE_NOP_IO_DELAY | \
	 1u << KVM_FEATURE_CLOCKSOURCE2 | 1u << KVM_FEATURE_PV_UNHALT |   \
	 1u << KVM_FEATURE_PV_SEND_IPI | 1u << KVM_FEATURE_POLL_CONTROL | \
	 1u << KVM_FEATURE_PV_SCHED_YIELD | 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT)

#define KVMCLOCK_FEATURES                                                 \
	(1u << KVM_FEATURE_CLOCKSOURCE | 1u << KVM_FEATURE_CLOCKSOURCE2 | \
	 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT)

struct kvm_cpuid_entry2 *cpuid_find(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index)
{
	for (guint i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == function && entry->index == index)
			return entry;
	}
	return NULL;
}

struct kvm_cpuid2 *cpuid_new_empty(void)
{
	struct kvm_cpuid2 *cpuid;

	return g_malloc0(sizeof(*cpuid) + CPUID_ENTRIES_MAX * sizeof(cpuid->entries[0]));
}

struct kvm_cpuid2 *cpuid_new_supported(KvmVm *vm, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_empty();

	cpuid->nent = CPUID_ENTRIES_MAX - CPUID_ENTRIES_ADDED;
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
	g_assert(cpuid->nent < CPUID_ENTRIES_MAX);
	cpuid->entries[cpuid->nent++] = *entry;
}

/* APIC ids that one socket takes, those that are left out included. */
static guint ids_in_socket(const CpuTopology *topology)
{
	return 1u << cpu_topology_socket_shift(topology);
}

gboolean cpuid_check_topology(const CpuTopology *topology, guint count, GError **error)
{
	const guint numbers[] = { topology->sockets, topology->dies, topology->cores,
				  topology->threads };
	guint64 product;
	guint32 last;

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
		if (numbers[i] < 1 || numbers[i] > LIMIT_VCPUS) {
			g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
				    _("a topology's numbers are from 1 to %u"), LIMIT_VCPUS);
			return FALSE;
		}
	}
	product = cpu_topology_count(topology);
	if (product != count) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    ngettext("sockets, dies, cores and threads make %" PRIu64
				     " processor, and the machine has %u",
				     "sockets, dies, cores and threads make %" PRIu64
				     " processors, and the machine has %u",
				     product),
			    product, count);
		return FALSE;
	}
	last = cpu_topology_apic_id(topology, count - 1);
	if (last > CPU_TOPOLOGY_MAX_APIC_ID) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("the last processor would have APIC id %u: %u is the most, and "
			      "numbers that are powers of two leave no id out"),
			    last, CPU_TOPOLOGY_MAX_APIC_ID);
		return FALSE;
	}
	return TRUE;
}

static gboolean is_amd(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, LEAF_MAXIMUM, 0);
	char vendor[13] = "";

	if (!entry)
		return FALSE;
	memcpy(vendor, &entry->ebx, 4);
	memcpy(vendor + 4, &entry->edx, 4);
	memcpy(vendor + 8, &entry->ecx, 4);
	return strcmp(vendor, "AuthenticAMD") == 0 || strcmp(vendor, "HygonGenuine") == 0;
}

/* One sub-leaf of leaf 0xb or 0x1f; the last one has neither a type nor processors. */
static void add_level(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index, guint32 type,
		      guint shift, guint processors, guint32 apic_id)
{
	add_entry(cpuid, &(struct kvm_cpuid_entry2){
				 .function = function,
				 .index = index,
				 .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
				 .eax = shift,
				 .ebx = processors,
				 .ecx = type | index,
				 .edx = apic_id,
			 });
}

/* Leaf 0xb knows no dies: their cores are the socket's. */
static void set_topology(struct kvm_cpuid2 *cpuid, const CpuTopology *topology, guint32 apic_id)
{
	remove_leaf(cpuid, LEAF_TOPOLOGY);
	add_level(cpuid, LEAF_TOPOLOGY, 0, TOPOLOGY_LEVEL_SMT, cpu_topology_core_shift(topology),
		  topology->threads, apic_id);
	add_level(cpuid, LEAF_TOPOLOGY, 1, TOPOLOGY_LEVEL_CORE, cpu_topology_socket_shift(topology),
		  cpu_topology_socket_size(topology), apic_id);
	add_level(cpuid, LEAF_TOPOLOGY, 2, 0, 0, 0, apic_id);
}

static void set_topology_v2(struct kvm_cpuid2 *cpuid, const CpuTopology *topology, guint32 apic_id)
{
	guint levels = 2;

	remove_leaf(cpuid, LEAF_TOPOLOGY_V2);
	add_level(cpuid, LEAF_TOPOLOGY_V2, 0, TOPOLOGY_LEVEL_SMT, cpu_topology_core_shift(topology),
		  topology->threads, apic_id);
	add_level(cpuid, LEAF_TOPOLOGY_V2, 1, TOPOLOGY_LEVEL_CORE, cpu_topology_die_shift(topology),
		  topology->threads * topology->cores, apic_id);
	if (topology->dies > 1)
		add_level(cpuid, LEAF_TOPOLOGY_V2, levels++, TOPOLOGY_LEVEL_DIE,
			  cpu_topology_socket_shift(topology), cpu_topology_socket_size(topology),
			  apic_id);
	add_level(cpuid, LEAF_TOPOLOGY_V2, levels, 0, 0, 0, apic_id);
}

/* Every guest finds leaf 0xb; leaf 0x1f as well where KVM has it or there are dies. */
static void set_topology_leaves(struct kvm_cpuid2 *cpuid, const CpuTopology *topology,
				guint32 apic_id)
{
	struct kvm_cpuid_entry2 *maximum = cpuid_find(cpuid, LEAF_MAXIMUM, 0);
	gboolean has_v2 = topology->dies > 1 || cpuid_find(cpuid, LEAF_TOPOLOGY_V2, 0);

	if (maximum)
		maximum->eax = MAX(maximum->eax, has_v2 ? LEAF_TOPOLOGY_V2 : LEAF_TOPOLOGY);
	set_topology(cpuid, topology, apic_id);
	if (has_v2)
		set_topology_v2(cpuid, topology, apic_id);
}

static void set_features(struct kvm_cpuid_entry2 *entry, const CpuidHost *host,
			 const CpuTopology *topology, guint32 apic_id)
{
	guint ids = MIN(ids_in_socket(topology), 255);

	entry->ebx = (entry->ebx & 0xffffu) | apic_id << 24 | ids << 16;
	entry->ecx |= FEATURES_ECX_X2APIC | FEATURES_ECX_HYPERVISOR;
	entry->ecx &= ~FEATURES_ECX_VMX;
	if (host->has_tsc_deadline)
		entry->ecx |= FEATURES_ECX_TSC_DEADLINE;
	if (cpu_topology_socket_size(topology) > 1)
		entry->edx |= FEATURES_EDX_HTT;
	else
		entry->edx &= ~FEATURES_EDX_HTT;
}

/* Leaf 4: a core has its caches for itself up to the second level, a die those above. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *entry, const CpuTopology *topology)
{
	guint level = (entry->eax >> 5) & 7;
	guint sharing = 1u << (level >= 3 ? cpu_topology_die_shift(topology) :
					    cpu_topology_core_shift(topology));
	guint cores = ids_in_socket(topology) >> cpu_topology_core_shift(topology);

	entry->eax = (entry->eax & 0x3fffu) | (sharing - 1) << 14 | MIN(cores - 1, 63) << 26;
}

/*
 * Threads of a core are not told from cores without TOPOEXT: with CmpLegacy the processors
 * of a socket are cores.
 */
static void set_amd_features(struct kvm_cpuid_entry2 *entry, const CpuTopology *topology,
			     gboolean has_cmp_legacy)
{
	entry->ecx &= ~(AMD_FEATURES_ECX_SVM | AMD_FEATURES_ECX_TOPOEXT | AMD_FEATURES_ECX_CMP);
	if (has_cmp_legacy && cpu_topology_socket_size(topology) > 1)
		entry->ecx |= AMD_FEATURES_ECX_CMP;
}

static void set_kvm_features(struct kvm_cpuid_entry2 *entry, const CpuidHost *host,
			     gboolean no_kvmclock)
{
	if (host->memory_kind != KVM_MEMORY_ORDINARY) {
		entry->eax &= PROTECTED_KVM_FEATURES;
		entry->eax |= 1u << KVM_FEATURE_HC_MAP_GPA_RANGE;
	}
	if (no_kvmclock)
		entry->eax &= ~KVMCLOCK_FEATURES;
}

/* A leaf that is not there reads as zeroes: a PMU of version 0 is none. */
static void remove_pmu(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *entry;

	remove_leaf(cpuid, LEAF_PMU);
	remove_leaf(cpuid, LEAF_AMD_PMU);
	entry = cpuid_find(cpuid, LEAF_FEATURES, 0);
	if (entry)
		entry->ecx &= ~FEATURES_ECX_PDCM;
	entry = cpuid_find(cpuid, LEAF_AMD_FEATURES, 0);
	if (entry)
		entry->ecx &= ~AMD_FEATURES_ECX_PMU;
}

gboolean cpuid_specialize(struct kvm_cpuid2 *cpuid, const CpuidHost *host, const CpuModel *model,
			  guint index, GError **error)
{
	const CpuTopology *topology = &model->topology;
	guint32 apic_id = cpu_topology_apic_id(topology, index);
	gboolean amd = is_amd(cpuid);

	/* AMD's own leaves for caches and topology describe the host; the generic ones do. */
	remove_leaf(cpuid, LEAF_AMD_SVM);
	remove_leaf(cpuid, LEAF_AMD_CACHES);
	remove_leaf(cpuid, LEAF_AMD_TOPOLOGY);
	remove_leaf(cpuid, LEAF_AMD_TOPOLOGY_V2);
	for (guint i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case LEAF_FEATURES:
			set_features(entry, host, topology, apic_id);
			break;
		case LEAF_CACHES:
			if (entry->eax & 0x1f)
				set_cache_sharing(entry, topology);
			break;
		case LEAF_KVM_FEATURES:
			set_kvm_features(entry, host, model->no_kvmclock);
			break;
		case LEAF_AMD_FEATURES:
			set_amd_features(entry, topology, amd);
			break;
		case LEAF_AMD_SIZES:
			entry->ecx = cpu_topology_socket_shift(topology) << 12 |
				     (cpu_topology_socket_size(topology) - 1);
			break;
		default:
			break;
		}
	}
	set_topology_leaves(cpuid, topology, apic_id);
	if (model->no_pmu)
		remove_pmu(cpuid);
	return cpu_features_apply(cpuid, model->features, error);
}

struct kvm_cpuid2 *cpuid_new(KvmVm *vm, const CpuModel *model, guint index, GError **error)
{
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_supported(vm, error);
	const CpuidHost host = {
		.memory_kind = kvm_vm_memory_kind(vm),
		.has_tsc_deadline = ioctl(kvm_vm_fd(vm), KVM_CHECK_EXTENSION,
					  KVM_CAP_TSC_DEADLINE_TIMER) > 0,
	};

	if (!cpuid || !cpuid_specialize(cpuid, &host, model, index, error))
		return NULL;
	return g_steal_pointer(&cpuid);
}

guint cpuid_physical_bits(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, LEAF_AMD_SIZES, 0);
	guint own, mapped;

	if (!entry)
		return DEFAULT_PHYSICAL_BITS;
	own = entry->eax & 0xff;
	mapped = (entry->eax >> 16) & 0xff;
	return mapped ? MIN(own, mapped) : own;
}

guint64 cpuid_processor_id(struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, LEAF_FEATURES, 0);

	return entry ? (guint64)entry->edx << 32 | entry->eax : 0;
}
