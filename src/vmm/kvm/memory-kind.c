/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memory-kind.c - names of the kinds of memory */
#include <string.h>

#include "vmm/kvm/vm.h"

static const char *const names[] = {
	[KVM_MEMORY_ORDINARY] = "ordinary",
	[KVM_MEMORY_WINDOWS] = "windows",
	[KVM_MEMORY_TWO_SIDED] = "two-sided",
};

const char *kvm_memory_kind_name(KvmMemoryKind kind)
{
	g_return_val_if_fail(kind < G_N_ELEMENTS(names), NULL);
	return names[kind];
}

gboolean kvm_memory_kind_parse(const char *name, KvmMemoryKind *kind)
{
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*kind = i;
		return TRUE;
	}
	return FALSE;
}
