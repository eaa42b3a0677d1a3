/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * courier.h - a vCPU of our own that reads and writes private memory
 *
 * Theory of operation
 *
 * KVM gives userspace no way into the private memory of a software-protected VM, but any
 * vCPU may go there. The courier is one that the guest does not know of: no ACPI table
 * lists it, and with its local APIC disabled in IA32_APIC_BASE it is not in KVM's map of
 * APIC ids, where IPIs, INIT, SIPI and NMI look for their targets. It runs a copy loop of
 * three bytes between a staging area, which this process maps, and guest RAM.
 *
 * Its memory is a window where neither RAM nor a device is: a slot for page tables and the
 * staging area, and a read-only one for the code. (The page tables cannot be read-only: processors
 * treat their own accesses to them as writes when they check second-level permissions.) A guest
 * that guesses the address can write to the first slot. So nothing that comes back is
 * trusted: every register is set before each trip and the ones that matter are checked
 * after it, the page table entries that a trip uses are compared before it, and no translation
 * is taken over from the one before. Whatever a guest does there, it reaches its own memory
 * only, which it could read and write all along.
 *
 * A guest that changes an entry between the comparison and its use can run code of its own on
 * this vCPU, but not for long. A trip is made of attempts, each of which is interrupted after a
 * millisecond of the thread's processor time. One that was interrupted in the loop, with
 * registers that fit together, goes on where it was, entries compared again; any other ends
 * the trip as a failure, and so do too many that bring less than a page. Processor time, so
 * that a busy host is no failure, and progress, so that a slow one is none.
 *
 * What the processor time does not see is an attempt that sleeps: guest code that halts, or a
 * fault that only the memory thread, which waits here, could serve. A watchdog looks for that
 * once a second. A trip during which it had to step in has failed, however it ended.
 *
 * All but courier_new() and courier_free() belong to the memory thread. A trip may only
 * touch pages that are private, and must not race with their conversion: the userspace side
 * of a page is what the memory thread itself serves.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"
#include "vmm/memory/statistics.h"

/* What one trip can carry. */
#define COURIER_STAGING_SIZE (64ull << 12)

/* Guest physical addresses that it gets to: one table of 1 GiB pages reaches 512 GiB. */
#define COURIER_REACH_TABLES 9ull
#define COURIER_REACH	     (COURIER_REACH_TABLES << 39)

/* The window: a page that lists the tables, the tables, the staging area, a page of code. */
#define COURIER_WINDOW_SIZE (COURIER_STAGING_SIZE + ((COURIER_REACH_TABLES + 2) << 12))

typedef struct Courier Courier;

/*
 * Called on a thread of its own when a trip does not end by itself, with the trip still under
 * way. It has to see to it that no thread waits for the memory thread any more.
 */
typedef void (*CourierStuck)(gpointer opaque);

/*
 * courier_new - make the vCPU and its window
 * @base:    guest physical address of the window, page-aligned, where nothing else is
 * @vcpu_id: KVM's id for it, one that no vCPU of the guest has
 */
Courier *courier_new(KvmVm *vm, guint64 base, guint vcpu_id, CourierStuck stuck, gpointer opaque,
		     GError **error);
void courier_free(Courier *courier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Courier, courier_free)

/* The staging area; what a fetch brings, and what a store takes. */
guint8 *courier_staging(Courier *courier);

/* Forgets what the staging area holds; after each use, so that nothing private stays there. */
void courier_wipe(Courier *courier, guint64 size);

/* Copies @size bytes, at most COURIER_STAGING_SIZE, from guest memory to the staging area. */
gboolean courier_fetch(Courier *courier, guint64 gpa, guint64 size, GError **error);

/* The same the other way. */
gboolean courier_store(Courier *courier, guint64 gpa, guint64 size, GError **error);

/* What has been counted so far; the courier's own. */
const CourierCounter *courier_counter(const Courier *courier);
