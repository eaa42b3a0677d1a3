/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vm.h - one KVM virtual machine: its descriptor, kind of memory, interrupt controllers and
 * memslots
 *
 * Theory of operation
 *
 * A KvmVm owns the VM descriptor and every memslot number. It knows nothing of what a
 * memslot holds; src/vmm/memory decides that. With guest_memfd memslots change
 * only while every vCPU is outside KVM_RUN: KVM_SET_USER_MEMORY_REGION2 waits for vCPUs, and
 * a vCPU that waits for a userfaultfd event would never let it return.
 */
#pragma once

#include <glib.h>

#include "common/kvm-support.h"

typedef struct KvmVm KvmVm;

/* Guest physical addresses at which KVM keeps pages of its own: nothing else may be there. */
#define KVM_VM_PAGES_START 0xfeffc000ull
#define KVM_VM_PAGES_END   0xff000000ull

/*
 * kvm_vm_create_guest_memfd - make a guest_memfd, which programs of this process do not inherit
 * @flags: KVM's, of KVM_CAP_GUEST_MEMFD_FLAGS
 *
 * Return: the descriptor, or -1 with @error set.
 */
int kvm_vm_create_guest_memfd(KvmVm *vm, guint64 size, guint64 flags, GError **error);

/* What one memslot is made of; see KVM_SET_USER_MEMORY_REGION2 in KVM's API document. */
typedef struct {
	guint64 gpa;		    /* guest physical address, page-aligned */
	guint64 size;		    /* bytes, page-aligned */
	void *userspace;	    /* start of the userspace mapping */
	gboolean readonly;	    /* KVM_MEM_READONLY; excludes guest_memfd */
	int guest_memfd;	    /* -1 where the slot has no private memory */
	guint64 guest_memfd_offset; /* bytes */
} KvmMemslot;

/*
 * kvm_vm_new - create a virtual machine
 * @kvm_fd: an open /dev/kvm; stays the caller's, and open until kvm_vm_end_setup()
 * @kind:   of its memory, which says what KVM_CREATE_VM is asked for
 *
 * The capabilities that the kind of memory needs are checked one by one, and the error names the
 * one that is missing and which kernel has it.
 *
 * Return: a VM that kvm_vm_free() ends, or NULL with @error set.
 */
KvmVm *kvm_vm_new(int kvm_fd, KvmMemoryKind kind, GError **error);
void kvm_vm_free(KvmVm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KvmVm, kvm_vm_free)

/* Every vCPU is made: /dev/kvm may be closed, and kvm_vm_kvm_fd() is -1. */
void kvm_vm_end_setup(KvmVm *vm);

int kvm_vm_fd(const KvmVm *vm);
int kvm_vm_kvm_fd(const KvmVm *vm);
KvmMemoryKind kvm_vm_memory_kind(const KvmVm *vm);

/* Creates PIC, IOAPIC, local APICs' support and PIT in the kernel; before the first vCPU. */
gboolean kvm_vm_create_interrupt_controllers(KvmVm *vm, GError **error);

/*
 * kvm_vm_disable_pmu - take the performance counters away from vCPUs that are yet to be made
 *
 * AMD's oldest counters exist whatever CPUID says. A KVM that cannot do it (before Linux
 * 5.18) is no error: then CPUID alone hides the PMU.
 */
gboolean kvm_vm_disable_pmu(KvmVm *vm, GError **error);

/*
 * kvm_vm_discard_pit_ticks - let a timer interrupt of the PIT be lost whose time comes while
 * the guest has not acknowledged the one before
 *
 * After the controllers were made. Without it they are counted, and come later. A reset of
 * the controllers does not change it.
 */
gboolean kvm_vm_discard_pit_ticks(KvmVm *vm, GError **error);

/*
 * kvm_vm_set_tsc_frequency - what vCPUs' TSCs run at that are yet to be made
 * @khz: not 0
 *
 * Before the first vCPU, the memory engine's too: kvmclock is only as good as the host's
 * clock while KVM finds all TSCs of a VM alike.
 *
 * Return: FALSE where it is not the host's frequency, give or take 250 ppm as KVM has it, and
 * its processors cannot scale; the error names the host's.
 */
gboolean kvm_vm_set_tsc_frequency(KvmVm *vm, guint khz, GError **error);

/*
 * kvm_vm_set_interrupt - set the level of one input of the in-kernel PIC and IOAPIC
 * @gsi:   global system interrupt, 0 to 23
 * @level: TRUE while the line is asserted
 *
 * May be called from any thread. Cannot fail on a VM that has its controllers.
 */
void kvm_vm_set_interrupt(KvmVm *vm, guint gsi, gboolean level);

/*
 * kvm_vm_send_msi - deliver a message signalled interrupt
 * @address, @data: as the guest programmed them; what makes no sense goes nowhere
 *
 * May be called from any thread.
 */
void kvm_vm_send_msi(KvmVm *vm, guint64 address, guint32 data);

/*
 * kvm_vm_new_memslot - the number of a memslot that is not there yet
 *
 * Numbers are not given back; a machine has some twenty.
 */
guint kvm_vm_new_memslot(KvmVm *vm);

/*
 * kvm_vm_set_memslot - make a memslot, through KVM_SET_USER_MEMORY_REGION2, or take it away
 * @slot:    from kvm_vm_new_memslot()
 * @memslot: what it is made of, while it is not there; NULL: it goes
 *
 * Only while every vCPU is outside KVM_RUN, but with ordinary memory: there
 * others may run: one that uses the addresses between two calls finds no memory there, and
 * leaves KVM_RUN as for a device that is not there. Fires the memslot trace point.
 */
gboolean kvm_vm_set_memslot(KvmVm *vm, guint slot, const KvmMemslot *memslot, GError **error);

/* Both in one, for a memslot that stays. */
gboolean kvm_vm_add_memslot(KvmVm *vm, const KvmMemslot *memslot, GError **error);

/*
 * State of the in-kernel controllers as it was right after they were made, put back at a
 * reset of the machine. Only while every vCPU is outside KVM_RUN.
 */
gboolean kvm_vm_reset_interrupt_controllers(KvmVm *vm, GError **error);

/*
 * kvm_vm_mapped_bytes - what the guest's second-level page tables map now
 *
 * From KVM's own statistics (KVM_GET_STATS_FD); 0 where the host has none.
 */
guint64 kvm_vm_mapped_bytes(KvmVm *vm);
