/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * irqfd.h - message signalled interrupts that are sent by writing to a descriptor
 *
 * Theory of operation
 *
 * KVM delivers to the processors what a number, a global system interrupt, stands for in its
 * routing table, as soon as the eventfd that goes with the number is written to. The first numbers
 * are the inputs of the interrupt controllers; behind them, each of these has one for its message.
 * So a thread that sends needs one write(2), no lock and no descriptor of the VM.
 *
 * KVM takes the routing table as a whole. It is set when a message is aimed at something else,
 * which guests do when they set a device up.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"

typedef struct KvmIrqfds KvmIrqfds;

/* The interrupt controllers have been created. @vm outlives the result. */
KvmIrqfds *kvm_irqfds_new(KvmVm *vm);
void kvm_irqfds_free(KvmIrqfds *irqfds);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KvmIrqfds, kvm_irqfds_free)

/*
 * kvm_irqfds_add - make one, that sends nothing until it is aimed
 * @number: for the calls below
 *
 * Return: an eventfd that stays open until kvm_irqfds_remove(), or -1 with @error set.
 */
int kvm_irqfds_add(KvmIrqfds *irqfds, guint *number, GError **error);
void kvm_irqfds_remove(KvmIrqfds *irqfds, guint number);

/*
 * kvm_irqfds_aim - say which message a write sends from now on
 * @address, @data: as the guest programmed them; what makes no sense goes nowhere
 *
 * From any thread, at any time; waits for KVM, and for no guest.
 */
void kvm_irqfds_aim(KvmIrqfds *irqfds, guint number, guint64 address, guint32 data);
