/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.h - the memory engine: guest RAM that is private until someone needs it shared
 *
 * This is the only header of src/vmm/memory that the rest of the VMM includes.
 * docs/memory-engine.md explains the states, the threads and the locks.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"
#include "vmm/memory/statistics.h"

typedef struct Memory Memory;
typedef struct VcpuSet VcpuSet;

#define GUEST_PAGE_SIZE 4096ull

/* Largest guest RAM, and where the part of it that does not fit below goes. */
#define MEMORY_MAX_SIZE	 (64ull << 30)
#define MEMORY_HIGH_BASE (1ull << 32)

/* Addresses [640 KiB, 768 KiB) are no RAM: legacy video memory. */
#define MEMORY_VGA_HOLE_START 0xa0000ull
#define MEMORY_VGA_HOLE_END   0xc0000ull

typedef enum {
	MEMORY_POLICY_ON_DEMAND,  /* a host touch converts the page, content kept */
	MEMORY_POLICY_GUEST_ONLY, /* a host touch pauses the domain */
} MemoryPolicy;

/* Who touched a private page from the host's side. */
typedef struct {
	guint64 gpa;	       /* of the page */
	ConversionCause cause; /* one of the three CONVERSION_HOST_TOUCH_* */
	pid_t thread_id;       /* 0 where the kernel does not say */
	int vcpu;	       /* index, or -1 */
	gboolean is_write;
} HostTouch;

typedef struct {
	/* Under MEMORY_POLICY_GUEST_ONLY: a touch happened and its thread waits. */
	void (*host_touch)(void *opaque, const HostTouch *touch);
	/* The engine cannot go on; the domain has to end. @error is only lent. */
	void (*failed)(void *opaque, const GError *error);
} MemoryListener; /* called on the memory thread or a vCPU's; must not block */

typedef struct {
	guint64 size; /* bytes of RAM, page-aligned, 1 MiB to MEMORY_MAX_SIZE */
	MemoryPolicy policy;
	int userfaultfd_device; /* an open /dev/userfaultfd, or -1: use userfaultfd(2) */
	const MemoryListener *listener;
	void *opaque;
} MemoryConfig;

/*
 * memory_new - make guest RAM, and the memslots for it
 * @vm: outlives the result. An ordinary VM gets ordinary memory: then everything below
 *      works, and nothing is ever converted.
 *
 * With a software-protected VM: guest_memfd for each RAM block, all pages private and none
 * allocated, the courier's vCPU made, the userspace mapping registered with userfaultfd and
 * the memory thread running. After kvm_vm_create_interrupt_controllers(), before
 * vcpu_set_new().
 */
Memory *memory_new(KvmVm *vm, const MemoryConfig *config, GError **error);
void memory_free(Memory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Memory, memory_free)

guint64 memory_size(const Memory *memory);

/* End of RAM below 4 GiB, and end of RAM above it (MEMORY_HIGH_BASE where there is none). */
guint64 memory_low_end(const Memory *memory);
guint64 memory_high_end(const Memory *memory);

/*
 * memory_populate - put content into guest RAM, into private pages where the VM has them
 * @gpa: any alignment; [gpa, gpa + size) must be RAM, else an error that names it
 *
 * For launch and reset, while every vCPU is outside KVM_RUN. Bytes of a page that are not
 * covered keep their content.
 */
gboolean memory_populate(Memory *memory, guint64 gpa, const void *data, gsize size, GError **error);

/*
 * memory_release_touches - bring every vCPU out of KVM_RUN, also those whose touches wait
 *
 * For reset, with the vCPUs paused: content does not matter any more, so that who waits for
 * a page gets one, whatever the policy. So it stays until memory_discard().
 */
gboolean memory_release_touches(Memory *memory, GError **error);

/*
 * memory_discard - give all of RAM back: private, unallocated, reading as zeroes
 *
 * For reset, after memory_release_touches(). Not counted as conversions.
 */
gboolean memory_discard(Memory *memory, GError **error);

/*
 * memory_reclaim - make shared pages of a range private again, content kept
 * @gpa, @size: the range, page-aligned; pages that are no RAM or are private are skipped
 * @reclaimed: bytes that changed state
 *
 * Any thread but a vCPU's while it is inside KVM_RUN and the memory thread; waits.
 */
gboolean memory_reclaim(Memory *memory, guint64 gpa, guint64 size, guint64 *reclaimed,
			GError **error);

/*
 * memory_touch - read one byte of a range's every page through the userspace mapping, as a
 * device would that does not know of the courier
 *
 * For tests and measurements. Never on the memory thread.
 */
gboolean memory_touch(Memory *memory, guint64 gpa, guint64 size, GError **error);

/* A copy of the counters as they are now. */
void memory_statistics(Memory *memory, MemoryStatistics *statistics);

MemoryPolicy memory_policy(const Memory *memory);

/*
 * What follows is for VcpuSet alone.
 *
 * memory_set_vcpus() with NULL says that the set is about to go: no touch is served from then
 * on, and who waits for one goes on with zeroes.
 */
void memory_set_vcpus(Memory *memory, VcpuSet *vcpus);

/* Under MEMORY_POLICY_GUEST_ONLY: how many touches wait. */
guint memory_count_stalled_touches(Memory *memory);

/* Lets the threads of those that have waited longest, @count of them, try again. */
void memory_retry_host_touches(Memory *memory, guint count);

/*
 * memory_map_gpa_range - carry out KVM_HC_MAP_GPA_RANGE, on the thread of the vCPU that asked
 * @gpa, @pages, @attributes: the hypercall's arguments, unchecked
 *
 * Return: what the guest gets in RAX: 0 or a negative KVM error code.
 */
gint64 memory_map_gpa_range(Memory *memory, guint64 gpa, guint64 pages, guint64 attributes);

/*
 * memory_fault - carry out KVM_EXIT_MEMORY_FAULT, on the thread of the vCPU that faulted
 *
 * Return: TRUE to run the vCPU again, FALSE with @error set where that cannot help.
 */
gboolean memory_fault(Memory *memory, guint64 gpa, guint64 size, guint64 flags, GError **error);
