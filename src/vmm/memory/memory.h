/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.h - the memory engine: guest RAM that is private until someone needs it shared
 *
 * This and dma.h are the only headers of src/vmm/memory that the rest of the VMM includes.
 * docs/memory-engine.md explains the states, the threads and the locks.
 */
#pragma once

#include <glib.h>

#include "common/cpu-topology.h"
#include "common/domain-limits.h"
#include "vmm/kvm/gate.h"
#include "vmm/kvm/vm.h"
#include "vmm/memory/statistics.h"

typedef struct Memory Memory;

#define GUEST_PAGE_SIZE 4096ull

/* Largest guest RAM, and where the part of it that does not fit below goes. */
#define MEMORY_MAX_SIZE	 LIMIT_MEMORY
#define MEMORY_HIGH_BASE (1ull << 32)

/* Addresses [640 KiB, 768 KiB) are no RAM: legacy video memory. */
#define MEMORY_VGA_HOLE_START 0xa0000ull
#define MEMORY_VGA_HOLE_END   0xc0000ull

/*
 * Addresses in which the engine has its own memory, the couriers': between the local APICs
 * and KVM's pages, where a q35 has nothing. Below 4 GiB, because what lies above RAM is where
 * firmware and guests put PCI's windows.
 */
#define MEMORY_WINDOW_START 0xfef00000ull
#define MEMORY_WINDOW_END   0xfeff7000ull

/* A bit for each segment that PAM registers show and hide: see mapping.h. */
#define MEMORY_SEGMENTS_ALL 0x1fffu

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
	int pagemap_fd;		/* /proc/self/pagemap, open, for windows; else -1 */
	guint64 windows_max;	/* kvm_support_count_windows(), for windows */
	int task_folder;	/* /proc/self/task, open; lent until the vCPUs are there */
	guint reclaim_seconds;	/* after which a page that the host touched goes back; 0: never */
	CpuTopology topology;	/* which APIC ids the guest's processors have */
	guint vcpus;
	const MemoryListener *listener;
	void *opaque;
} MemoryConfig;

/*
 * memory_new - make guest RAM, and the memslots for it
 * @vm: outlives the result, and says which kind of memory it gets. With the ordinary kind
 *      everything below works, and nothing is ever converted.
 *
 * With the others: guest_memfd for each RAM block, all pages private and none allocated, the
 * userspace mapping registered with userfaultfd and the memory thread running; with two-sided
 * memory the courier's vCPU made. After kvm_vm_create_interrupt_controllers(), before
 * vcpu_set_new().
 */
Memory *memory_new(KvmVm *vm, const MemoryConfig *config, GError **error);

/*
 * memory_attach_thread - say that the calling thread may come to read or write guest memory
 *
 * At its start, while the machine is set up: from then on it may open nothing.
 */
void memory_attach_thread(const Memory *memory);
void memory_free(Memory *memory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Memory, memory_free)

guint64 memory_size(const Memory *memory);

/* End of RAM below 4 GiB, and end of RAM above it (MEMORY_HIGH_BASE where there is none). */
guint64 memory_low_end(const Memory *memory);
guint64 memory_high_end(const Memory *memory);

/* The same end of a machine that is yet to be made, and has @size bytes. */
guint64 memory_high_end_of(guint64 size);

/*
 * memory_populate - put content into guest RAM, into private pages where the VM has them
 * @gpa: any alignment; [gpa, gpa + size) must be RAM, else an error that names it
 *
 * For launch and reset, while every vCPU is outside KVM_RUN; counted as conversions to
 * private. Bytes of a page that are not covered keep their content. What devices read and write
 * while the guest runs goes through a DMA channel; see dma.h.
 */
gboolean memory_populate(Memory *memory, guint64 gpa, const void *data, gsize size, GError **error);

/*
 * memory_show_segments - choose which segments between 768 KiB and 1 MiB show RAM
 * @shown: a bit a segment; in the others the guest finds the end of the image, or nothing
 *
 * Content stays. Any thread but the memory thread; waits until every vCPU is outside KVM_RUN.
 * Every segment shows RAM at first. After memory_discard() it has to be called.
 */
gboolean memory_show_segments(Memory *memory, guint32 shown, GError **error);

/*
 * memory_add_rom - let the guest read the host's memory at an address that is no RAM
 * @content:  @size bytes, page-aligned; lent for the engine's life. The guest cannot write
 *            there: that is an MMIO access
 * @is_image: its last bytes are what hidden segments show up to 1 MiB
 * @rom:      for memory_show_rom()
 *
 * Before the first vCPU runs. It is shown at once. What it holds is the host's and public: it
 * is counted neither as private nor as shared.
 */
gboolean memory_add_rom(Memory *memory, guint64 gpa, guint8 *content, guint64 size,
			gboolean is_image, guint *rom, GError **error);

/* Hides a ROM, so that reads are MMIO accesses too, or shows it again; as memory_show_segments().
 */
gboolean memory_show_rom(Memory *memory, guint rom, gboolean is_shown, GError **error);

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

/* Whether a range is of whole pages, and does not wrap; @error is set where it is not. */
gboolean memory_check_range(guint64 gpa, guint64 size, GError **error);

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
 * memory_release - the guest has no use for what a range holds: its memory goes back to the host
 * @gpa, @size: the range, page-aligned; what is no RAM, or not shown, or pinned, is left out
 *
 * Pages keep their state, and read as zeroes when they are used again. Any thread but the memory
 * thread; takes Memory.lock for a slice of 2 MiB at a time. Counted as ReleaseCounter has it.
 */
gboolean memory_release(Memory *memory, guint64 gpa, guint64 size, GError **error);

/*
 * memory_touch - read one byte of a range's every page through the userspace mapping, as a
 * device would that does not know of the courier
 *
 * For tests and measurements. Never on the memory thread.
 */
gboolean memory_touch(Memory *memory, guint64 gpa, guint64 size, GError **error);

/* A copy of the counters as they are now. */
void memory_statistics(Memory *memory, MemoryStatistics *statistics);

KvmMemoryKind memory_kind(const Memory *memory);
MemoryPolicy memory_policy(const Memory *memory);

/*
 * What follows is for the owner of the guest's processors.
 *
 * memory_set_gates() with NULL says that they are about to go: no touch is served from then
 * on, and who waits for one goes on with zeroes.
 */
void memory_set_gates(Memory *memory, GateSet *gates);

/* Under MEMORY_POLICY_GUEST_ONLY: how many touches wait. */
guint memory_count_stalled_touches(Memory *memory);

/* Lets the threads of those that have waited longest, @count of them, try again. */
void memory_retry_host_touches(Memory *memory, guint count);

/*
 * memory_settle - wait until what the memory thread does to memory at present is done
 *
 * With vCPUs that are paused already: then the courier finds its page tables as it left them.
 */
void memory_settle(Memory *memory);

/* One KVM_HC_MAP_GPA_RANGE on its way. */
typedef struct {
	guint64 gpa; /* of what is left */
	guint64 size;
	gboolean to_private;
	guint64 first_gpa;
	guint64 changed; /* bytes, so far */
	gint64 start_ns;
	gboolean is_done;
	gint64 result; /* when it is done: what the guest gets in RAX */
} MapGpaRange;

/*
 * memory_map_gpa_range_begin - check a KVM_HC_MAP_GPA_RANGE
 * @gpa, @pages, @attributes: the hypercall's arguments, unchecked
 *
 * Where they cannot be, or where it is an ordinary VM, @range is done.
 */
void memory_map_gpa_range_begin(const Memory *memory, guint64 gpa, guint64 pages,
				guint64 attributes, MapGpaRange *range);

/*
 * memory_map_gpa_range_slice - carry out some more, on the thread of the vCPU that asked
 *
 * Takes milliseconds at most: whoever waits for the engine meanwhile gets it before the next
 * slice.
 */
void memory_map_gpa_range_slice(Memory *memory, MapGpaRange *range);

/*
 * memory_fault - carry out KVM_EXIT_MEMORY_FAULT, on the thread of the vCPU that faulted
 *
 * Return: TRUE to run the vCPU again, FALSE with @error set where that cannot help.
 */
gboolean memory_fault(Memory *memory, guint64 gpa, guint64 size, guint64 flags, GError **error);
