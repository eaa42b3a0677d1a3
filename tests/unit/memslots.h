/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memslots.h - memslots of a VM that is a test's own: they are numbered, and nothing else
 *
 * For one file of a test, behind its "struct KvmVm", which has "guint n_memslots".
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"

guint kvm_vm_new_memslot(KvmVm *vm)
{
	return vm->n_memslots++;
}

gboolean kvm_vm_set_memslot(KvmVm *vm, guint slot, const KvmMemslot *memslot, GError **error)
{
	(void)memslot;
	(void)error;
	g_assert_cmpuint(slot, <, vm->n_memslots);
	return TRUE;
}

gboolean kvm_vm_add_memslot(KvmVm *vm, const KvmMemslot *memslot, GError **error)
{
	return kvm_vm_set_memslot(vm, kvm_vm_new_memslot(vm), memslot, error);
}

guint64 kvm_vm_mapped_bytes(KvmVm *vm)
{
	(void)vm;
	return 0;
}
