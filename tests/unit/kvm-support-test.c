/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kvm-support-test.c - what kinds of memory need, on kernels that are made up
 *
 * Theory of operation
 *
 * ioctl() is this file's own: KVM is a descriptor that has the capabilities which a test gives it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/kvm-support.h"
#include "common/kvm-uapi.h"
#include "support.h"

#define KVM_FD	  1000
#define DEVICE	  1001

#define HYPERCALL (1 << KVM_HC_MAP_GPA_RANGE)
#define FLAGS	  (GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED)

/* What there is on the host of a test. */
typedef struct {
	int vm_types, user_memory2, hypercalls, attributes, guest_memfd, guest_memfd_flags;
	guint64 userfault_features;
	int userfaultfd_errno; /* of making one; 0: it is made */
} Kernel;

static const Kernel everything = {
	.vm_types = 1 << KVM_X86_DEFAULT_VM | 1 << KVM_X86_SW_PROTECTED_VM,
	.user_memory2 = 1,
	.hypercalls = HYPERCALL,
	.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	.guest_memfd = 1,
	.guest_memfd_flags = FLAGS,
	.userfault_features = UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EVENT_REMAP,
};

static Kernel kernel;

static int check_extension(long capability)
{
	switch (capability) {
	case KVM_CAP_VM_TYPES:
		return kernel.vm_types;
	case KVM_CAP_USER_MEMORY2:
		return kernel.user_memory2;
	case KVM_CAP_EXIT_HYPERCALL:
		return kernel.hypercalls;
	case KVM_CAP_MEMORY_ATTRIBUTES:
		return kernel.attributes;
	case KVM_CAP_GUEST_MEMFD:
		return kernel.guest_memfd;
	case KVM_CAP_GUEST_MEMFD_FLAGS:
		return kernel.guest_memfd_flags;
	default:
		g_error("nobody was to ask for capability %ld", capability);
	}
}

static int answer_userfaultfd(const struct uffdio_api *api)
{
	if ((api->features & ~kernel.userfault_features) == 0)
		return 0;
	errno = EINVAL;
	return -1;
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (fd == KVM_FD && request == KVM_CHECK_EXTENSION)
		return check_extension((long)argument);
	if (fd == DEVICE && request == USERFAULTFD_IOC_NEW && !kernel.userfaultfd_errno)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == DEVICE && request == USERFAULTFD_IOC_NEW) {
		errno = kernel.userfaultfd_errno;
		return -1;
	}
	g_assert_cmphex(request, ==, UFFDIO_API);
	return answer_userfaultfd(argument);
}

static gboolean check(KvmMemoryKind kind, GError **error)
{
	return kvm_support_check_kvm(kind, KVM_FD, error) &&
	       kvm_support_check_vm(kind, KVM_FD, error);
}

static void assert_lacks(KvmMemoryKind kind, const char *what, const char *where)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(check(kind, &error));
	g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
	if (!strstr(error->message, what) || !strstr(error->message, where))
		g_error("'%s' was to name '%s' and '%s'", error->message, what, where);
}

static void test_everything(void)
{
	kernel = everything;
	for (guint kind = 0; kind < KVM_MEMORY_KINDS; kind++) {
		g_autoptr(GError) error = NULL;

		g_assert_true(check(kind, &error));
		g_assert_no_error(error);
	}
}

/* A distribution's kernel before 6.18, and since. */
static void test_stock_kernels(void)
{
	kernel = everything;
	kernel.vm_types = 1 << KVM_X86_DEFAULT_VM;
	kernel.attributes = 0;
	g_assert_true(check(KVM_MEMORY_WINDOWS, NULL));
	assert_lacks(KVM_MEMORY_TWO_SIDED, "KVM_CAP_VM_TYPES", "CONFIG_KVM_SW_PROTECTED_VM");

	kernel.guest_memfd_flags = 0;
	assert_lacks(KVM_MEMORY_WINDOWS, "KVM_CAP_GUEST_MEMFD_FLAGS", "Linux 6.18");
	kernel.guest_memfd_flags = GUEST_MEMFD_FLAG_MMAP;
	assert_lacks(KVM_MEMORY_WINDOWS, "MMAP|INIT_SHARED", "Linux 6.18");
	kernel.guest_memfd = 0;
	assert_lacks(KVM_MEMORY_WINDOWS, "lacks KVM_CAP_GUEST_MEMFD;", "CONFIG_KVM_GUEST_MEMFD");
	g_assert_true(check(KVM_MEMORY_ORDINARY, NULL));
}

/* Linux 6.12 with software-protected VMs. */
static void test_two_sided_alone(void)
{
	kernel = everything;
	kernel.guest_memfd_flags = 0;
	g_assert_true(check(KVM_MEMORY_TWO_SIDED, NULL));
	assert_lacks(KVM_MEMORY_WINDOWS, "KVM_CAP_GUEST_MEMFD_FLAGS", "Linux 6.18");
	kernel.hypercalls = 0;
	assert_lacks(KVM_MEMORY_TWO_SIDED, "KVM_HC_MAP_GPA_RANGE", "Linux 6.8");
	kernel.hypercalls = -1;
	assert_lacks(KVM_MEMORY_TWO_SIDED, "KVM_HC_MAP_GPA_RANGE", "Linux 6.8");
	kernel.user_memory2 = 0;
	assert_lacks(KVM_MEMORY_TWO_SIDED, "KVM_CAP_USER_MEMORY2", "Linux 6.8");
}

/* What is announced: attributes belong to the guest_memfd, and two-sided memory cannot be. */
static void test_attributes_that_are_gone(void)
{
	kernel = everything;
	kernel.attributes = 0;
	assert_lacks(KVM_MEMORY_TWO_SIDED, "KVM_CAP_MEMORY_ATTRIBUTES", "gmem_in_place_conversion");
	g_assert_true(check(KVM_MEMORY_WINDOWS, NULL));
}

static void assert_opens(KvmMemoryKind kind)
{
	g_autoptr(GError) error = NULL;
	int fd = kvm_support_open_userfaultfd(kind, DEVICE, &error);

	g_assert_no_error(error);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
}

static void test_userfaultfd(void)
{
	const guint fds = count_fds();
	g_autoptr(GError) error = NULL;

	kernel = everything;
	assert_opens(KVM_MEMORY_WINDOWS);
	kernel.userfault_features = UFFD_FEATURE_THREAD_ID;
	assert_opens(KVM_MEMORY_TWO_SIDED);
	g_assert_cmpint(kvm_support_open_userfaultfd(KVM_MEMORY_WINDOWS, DEVICE, &error), ==, -1);
	g_assert_nonnull(strstr(error->message, "UFFD_FEATURE_EVENT_REMAP"));
	g_clear_error(&error);

	kernel.userfaultfd_errno = EPERM;
	g_assert_cmpint(kvm_support_open_userfaultfd(KVM_MEMORY_TWO_SIDED, DEVICE, &error), ==, -1);
	g_assert_nonnull(strstr(error->message, "vm.unprivileged_userfaultfd=1"));
	g_assert_cmpuint(count_fds(), ==, fds);
}

static void test_mappings(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = g_dir_make_tmp("kvm-support-test-XXXXXX", &error);
	g_autofree char *path = g_build_filename(folder, "max_map_count", NULL);
	guint64 windows = 0;

	g_assert_no_error(error);
	g_assert_false(kvm_support_count_windows(path, &windows, &error));
	g_assert_nonnull(strstr(error->message, path));
	g_clear_error(&error);

	g_file_set_contents(path, "65530\n", -1, &error);
	g_assert_no_error(error);
	g_assert_true(kvm_support_count_windows(path, &windows, &error));
	g_assert_cmpuint(windows, ==, (65530 - 1024) / 2);

	g_file_set_contents(path, "2047\n", -1, &error);
	g_assert_no_error(error);
	g_assert_false(kvm_support_count_windows(path, &windows, &error));
	g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "vm.max_map_count is 2047"));
	remove_tree(folder);
}

static void test_pagemap(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(kvm_support_check_pagemap(0, &error));
	g_assert_false(kvm_support_check_pagemap(-1, &error));
	g_assert_nonnull(strstr(error->message, "CONFIG_PROC_PAGE_MONITOR"));
}

static void test_names(void)
{
	KvmMemoryKind kind;

	for (guint i = 0; i < KVM_MEMORY_KINDS; i++) {
		g_assert_true(kvm_memory_kind_parse(kvm_memory_kind_name(i), &kind));
		g_assert_cmpint(kind, ==, i);
	}
	g_assert_false(kvm_memory_kind_parse("", &kind));
	g_assert_false(kvm_memory_kind_parse("Windows", &kind));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/kvm-support/everything", test_everything);
	g_test_add_func("/kvm-support/stock-kernels", test_stock_kernels);
	g_test_add_func("/kvm-support/two-sided-alone", test_two_sided_alone);
	g_test_add_func("/kvm-support/attributes-that-are-gone", test_attributes_that_are_gone);
	g_test_add_func("/kvm-support/userfaultfd", test_userfaultfd);
	g_test_add_func("/kvm-support/mappings", test_mappings);
	g_test_add_func("/kvm-support/pagemap", test_pagemap);
	g_test_add_func("/kvm-support/names", test_names);

	return g_test_run();
}
