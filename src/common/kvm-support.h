/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kvm-support.h - kinds of guest memory, and what each needs of KVM and of the kernel
 *
 * Theory of operation
 *
 * gmem-vmm asks before it makes a VM, and virtgmemd asks to say what a host offers: both here, so
 * that they give the same reasons. An error names the one thing that is missing, and which kernel,
 * option or parameter has it.
 */
#pragma once

#include <glib.h>

/* How guest memory is kept; docs/memory-engine.md has what each protects. */
typedef enum {
	KVM_MEMORY_ORDINARY,  /* KVM_X86_DEFAULT_VM; the host sees all of it */
	KVM_MEMORY_WINDOWS,   /* KVM_X86_DEFAULT_VM; in a guest_memfd of which parts are mapped */
	KVM_MEMORY_TWO_SIDED, /* KVM_X86_SW_PROTECTED_VM; in guest_memfd, or mapped */
} KvmMemoryKind;

#define KVM_MEMORY_KINDS 3

/* As options, the monitor and libvirt have it: "ordinary", "windows", "two-sided". */
const char *kvm_memory_kind_name(KvmMemoryKind kind);

/* Return: FALSE where no kind has that name. */
gboolean kvm_memory_kind_parse(const char *name, KvmMemoryKind *kind);

/* Kinds of private memory, none twice, the preferred one first. */
typedef struct {
	KvmMemoryKind kinds[KVM_MEMORY_KINDS - 1];
	guint n_kinds;
} KvmMemoryKinds;

/* Both that there are. */
#define KVM_MEMORY_KINDS_ALL ((KvmMemoryKinds){ { KVM_MEMORY_TWO_SIDED, KVM_MEMORY_WINDOWS }, 2 })

gboolean kvm_memory_kinds_has(const KvmMemoryKinds *kinds, KvmMemoryKind kind);

#define KVM_ERROR (kvm_error_quark())
GQuark kvm_error_quark(void);

typedef enum {
	KVM_ERROR_UNSUPPORTED, /* this host's KVM lacks what is asked for */
	KVM_ERROR_SYSTEM,      /* an ioctl failed: the message names it and its errno */
	KVM_ERROR_GUEST,       /* the guest did what no machine can carry out */
} KvmError;

/*
 * kvm_support_check_kvm - whether KVM has the capabilities that a kind needs, before there is a VM
 * @kvm_fd: an open /dev/kvm
 *
 * Return: FALSE with KVM_ERROR_UNSUPPORTED that names the first that is missing.
 */
gboolean kvm_support_check_kvm(KvmMemoryKind kind, int kvm_fd, GError **error);

/*
 * kvm_support_check_vm - the same of those that depend on a VM's type
 * @fd: a VM's; or an open /dev/kvm, which says whether VMs of any type have them
 */
gboolean kvm_support_check_vm(KvmMemoryKind kind, int fd, GError **error);

/*
 * kvm_support_open_userfaultfd - make the userfaultfd that a kind needs
 * @kind: not KVM_MEMORY_ORDINARY, which needs none
 * @device: an open /dev/userfaultfd, or -1 for userfaultfd(2), which needs CAP_SYS_PTRACE or
 *          vm.unprivileged_userfaultfd=1
 *
 * It reports faults of the kernel too, with the thread's id, and for windows that registered memory
 * has moved.
 *
 * Return: a non-blocking descriptor, or -1 with @error set.
 */
int kvm_support_open_userfaultfd(KvmMemoryKind kind, int device, GError **error);

#define KVM_SUPPORT_MAX_MAP_COUNT "/proc/sys/vm/max_map_count"
#define KVM_SUPPORT_PAGEMAP	  "/proc/self/pagemap"

/*
 * kvm_support_count_windows - how many windows that are apart a process can have
 * @path: KVM_SUPPORT_MAX_MAP_COUNT; tests give another
 *
 * Return: FALSE with @error that names vm.max_map_count where these are too few.
 */
gboolean kvm_support_count_windows(const char *path, guint64 *windows, GError **error);

/*
 * kvm_support_check_pagemap - whether it can be seen that windows are used
 * @fd: what opening KVM_SUPPORT_PAGEMAP has given, or -1
 */
gboolean kvm_support_check_pagemap(int fd, GError **error);

/*
 * kvm_support_max_vcpus - how many vCPUs a VM can have
 * @fd: an open /dev/kvm, or a VM's
 */
guint kvm_support_max_vcpus(int fd);
