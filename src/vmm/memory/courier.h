/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * courier.h - a vCPU of our own that reads and writes private memory
 *
 * Theory of operation
 *
 * KVM gives userspace no way into the private memory of a software-protected VM, but any
 * vCPU may go there. The courier is one that the guest does not know of: no ACPI table
 * lists it, and with its local APIC disabled in IA32_APIC_BASE it is not in KVM's map of
 * APIC ids, where IPIs, INIT, SIPI and NMI look for their targets. It runs a copy loop
 * between a staging area, which this process maps, and pieces of guest RAM, any number of them a
 * trip: the loop takes them from a list.
 *
 * Its memory is a window where neither RAM nor a device is: a slot for page tables and the
 * staging area, and a read-only one for the code and the list. (The page tables cannot be
 * read-only: processors
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
 * the trip as a failure, and so do too many that bring less than a page. What an attempt has
 * not copied is the list of the next. Processor time, so
 * that a busy host is no failure, and progress, so that a slow one is none.
 *
 * What the processor time does not see is an attempt that sleeps: guest code that halts, or a
 * fault that only the memory thread could serve, which waits for the trip or makes it itself. A
 * watchdog looks for that once a second. A trip during which it had to step in has failed, however
 * it ended.
 *
 * There are several couriers, which make their trips beside each other. Each is used by one
 * thread at a time, which may be another the next time. A trip may only touch pages that are
 * private, and must not race with their conversion: it is made with Memory.lock held, alone or
 * shared.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"
#include "vmm/memory/statistics.h"

/* How many pieces one trip can carry. */
#define COURIER_PIECES_MAX 128u

/* Guest physical addresses that it gets to: one table of 1 GiB pages reaches 512 GiB. */
#define COURIER_REACH_TABLES 9ull
#define COURIER_REACH	     (COURIER_REACH_TABLES << 39)

/* The window: a page that lists the tables, the tables, the staging area, a page of code. */
#define COURIER_WINDOW_SIZE(staging_size) ((staging_size) + ((COURIER_REACH_TABLES + 2) << 12))

typedef struct Courier Courier;

/*
 * Called on a thread of its own when a trip does not end by itself, with the trip still under
 * way. It has to see to it that no thread waits for a touch to be served any more.
 */
typedef void (*CourierStuck)(gpointer opaque);

/*
 * courier_attach_thread - let the watchdogs see what becomes of trips that the calling thread makes
 * @task_folder: /proc/self/task, open
 *
 * At the thread's start, while it may open files. One that has not done so is taken for asleep
 * when a trip of its takes seconds.
 */
void courier_attach_thread(int task_folder);

/*
 * courier_new - make the vCPU and its window
 * @base:         guest physical address of the window, page-aligned, where nothing else is
 * @staging_size: bytes that one trip can carry, whole pages
 * @vcpu_id:      KVM's id for it, one that no other vCPU has or ever had
 *
 * Before kvm_vm_end_setup(), and before the first vCPU of the guest runs.
 */
Courier *courier_new(KvmVm *vm, guint64 base, guint64 staging_size, guint vcpu_id,
		     CourierStuck stuck, gpointer opaque, GError **error);
void courier_free(Courier *courier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Courier, courier_free)

/* The staging area; what a fetch brings, and what a store takes. */
guint8 *courier_staging(Courier *courier);

/* Forgets what the staging area holds; after each use, so that nothing private stays there. */
void courier_wipe(Courier *courier, guint64 size);

/* A part of guest memory, and where in the staging area its content is or is to be. */
typedef struct {
	guint64 gpa;
	guint64 size; /* bytes, not 0 */
	guint64 offset;
} CourierPiece;

/* Copies 1 to COURIER_PIECES_MAX pieces from guest memory to the staging area. */
gboolean courier_fetch(Courier *courier, const CourierPiece *pieces, guint count, GError **error);

/* The same the other way. */
gboolean courier_store(Courier *courier, const CourierPiece *pieces, guint count, GError **error);

/* What has been counted so far; the courier's own. */
const CourierCounter *courier_counter(const Courier *courier);
