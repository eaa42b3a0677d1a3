/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kvm-support.c - kinds of guest memory, and what each needs of KVM and of the kernel */
#include "common/kvm-support.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/kvm-uapi.h"

/* Mappings that are left for the rest of a process: libraries, stacks, what malloc() maps. */
#define OTHER_MAPPINGS 1024

/* With fewer windows than these, a boot would close and open them over and over. */
#define WINDOWS_MIN 512

G_DEFINE_QUARK(kvm - error - quark, kvm_error)

static const char *const names[KVM_MEMORY_KINDS] = {
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

gboolean kvm_memory_kinds_has(const KvmMemoryKinds *kinds, KvmMemoryKind kind)
{
	for (guint i = 0; i < kinds->n_kinds; i++)
		if (kinds->kinds[i] == kind)
			return TRUE;
	return FALSE;
}

/* A capability that a kind of memory needs, and how the user knows it. */
typedef struct {
	long capability;
	const char *name;
	int needed_bits;    /* 0: any positive answer will do */
	const char *advice; /* NULL: the kind's */
} NeededCapability;

/* How many vCPUs a KVM has that does not say. */
#define VCPUS_UNSTATED 4

/* Of each kind, what is asked of KVM and, because the answer depends on its type, of the VM. */
#define NEEDED_MAX 3

typedef struct {
	const char *advice;
	NeededCapability of_kvm[NEEDED_MAX + 1];
	NeededCapability of_vm[NEEDED_MAX + 1];
} KindNeeds;

/* clang-format off */
static const KindNeeds kind_needs[KVM_MEMORY_KINDS] = {
	[KVM_MEMORY_WINDOWS] = {
		.advice = N_("this host's KVM cannot keep memory in windows: it lacks %s; Linux 6.18 "
			     "or newer with CONFIG_KVM_GUEST_MEMFD is needed"),
		.of_kvm = {
			{ KVM_CAP_USER_MEMORY2, "KVM_CAP_USER_MEMORY2" },
			{ KVM_CAP_EXIT_HYPERCALL, "KVM_CAP_EXIT_HYPERCALL(KVM_HC_MAP_GPA_RANGE)",
			  1 << KVM_HC_MAP_GPA_RANGE },
		},
		.of_vm = {
			{ KVM_CAP_GUEST_MEMFD, "KVM_CAP_GUEST_MEMFD" },
			{ KVM_CAP_GUEST_MEMFD_FLAGS,
			  "KVM_CAP_GUEST_MEMFD_FLAGS(MMAP|INIT_SHARED)",
			  GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED },
		},
	},
	[KVM_MEMORY_TWO_SIDED] = {
		.advice = N_("this host's KVM cannot run software-protected VMs: it lacks %s; Linux "
			     "6.8 or newer with CONFIG_KVM_SW_PROTECTED_VM and the TDP MMU is needed"),
		.of_kvm = {
			{ KVM_CAP_VM_TYPES, "KVM_CAP_VM_TYPES(KVM_X86_SW_PROTECTED_VM)",
			  1 << KVM_X86_SW_PROTECTED_VM },
			{ KVM_CAP_USER_MEMORY2, "KVM_CAP_USER_MEMORY2" },
			{ KVM_CAP_EXIT_HYPERCALL, "KVM_CAP_EXIT_HYPERCALL(KVM_HC_MAP_GPA_RANGE)",
			  1 << KVM_HC_MAP_GPA_RANGE },
		},
		.of_vm = {
			{ KVM_CAP_MEMORY_ATTRIBUTES,
			  "KVM_CAP_MEMORY_ATTRIBUTES(KVM_MEMORY_ATTRIBUTE_PRIVATE)",
			  KVM_MEMORY_ATTRIBUTE_PRIVATE,
			  N_("this host's KVM has software-protected VMs and lacks %s: "
			     "CONFIG_KVM_VM_MEMORY_ATTRIBUTES is needed and, where KVM has it, the "
			     "parameter gmem_in_place_conversion off") },
			{ KVM_CAP_GUEST_MEMFD, "KVM_CAP_GUEST_MEMFD" },
		},
	},
};
/* clang-format on */

static gboolean check_capabilities(int fd, const NeededCapability *needed, const char *advice,
				   GError **error)
{
	for (; needed->name; needed++) {
		int answer = ioctl(fd, KVM_CHECK_EXTENSION, needed->capability);

		if (answer > 0 && (answer & needed->needed_bits) == needed->needed_bits)
			continue;
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _(needed->advice ? needed->advice : advice), needed->name);
		return FALSE;
	}
	return TRUE;
}

gboolean kvm_support_check_kvm(KvmMemoryKind kind, int kvm_fd, GError **error)
{
	const KindNeeds *needs = &kind_needs[kind];

	return check_capabilities(kvm_fd, needs->of_kvm, needs->advice, error);
}

gboolean kvm_support_check_vm(KvmMemoryKind kind, int fd, GError **error)
{
	const KindNeeds *needs = &kind_needs[kind];

	return check_capabilities(fd, needs->of_vm, needs->advice, error);
}

int kvm_support_open_userfaultfd(KvmMemoryKind kind, int device, GError **error)
{
	const gboolean is_told_of_moves = kind == KVM_MEMORY_WINDOWS;
	const int flags = O_CLOEXEC | O_NONBLOCK;
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_THREAD_ID };
	int fd;

	if (is_told_of_moves)
		api.features |= UFFD_FEATURE_EVENT_REMAP;
	if (device >= 0)
		fd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
	else
		fd = syscall(SYS_userfaultfd, flags);
	if (fd < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("%s: %s; touches by KVM have to be seen: that needs access to "
			      "/dev/userfaultfd, CAP_SYS_PTRACE or vm.unprivileged_userfaultfd=1"),
			    device >= 0 ? "USERFAULTFD_IOC_NEW" : "userfaultfd(2)",
			    g_strerror(errno));
		return -1;
	}
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "%s: %s",
			    is_told_of_moves ? "UFFDIO_API(UFFD_FEATURE_EVENT_REMAP)" :
					       "UFFDIO_API(UFFD_FEATURE_THREAD_ID)",
			    g_strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

gboolean kvm_support_count_windows(const char *path, guint64 *windows, GError **error)
{
	g_autofree char *text = NULL;
	guint64 max_map_count;

	if (!g_file_get_contents(path, &text, NULL, error))
		return FALSE;
	max_map_count = g_ascii_strtoull(text, NULL, 10);
	if (max_map_count < OTHER_MAPPINGS + 2 * WINDOWS_MIN) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("vm.max_map_count is %" PRIu64
			      ": memory in windows needs at least %d (sysctl vm.max_map_count)"),
			    max_map_count, OTHER_MAPPINGS + 2 * WINDOWS_MIN);
		return FALSE;
	}
	/* A window between others costs two. */
	*windows = (max_map_count - OTHER_MAPPINGS) / 2;
	return TRUE;
}

gboolean kvm_support_check_pagemap(int fd, GError **error)
{
	if (fd >= 0)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
		    _("/proc/self/pagemap cannot be opened: whether windows are used could not be "
		      "seen; CONFIG_PROC_PAGE_MONITOR is needed"));
	return FALSE;
}

/* What the absence of each means is in KVM's documentation, at KVM_CREATE_VCPU. */
guint kvm_support_max_vcpus(int fd)
{
	int max_vcpus = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (max_vcpus <= 0)
		max_vcpus = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	return max_vcpus > 0 ? (guint)max_vcpus : VCPUS_UNSTATED;
}
