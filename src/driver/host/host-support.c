/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-support.c - what this host's KVM offers
 */
#include "driver/host/host-support.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "driver/conf/domain-def.h"
#include "vmm/kvm/kvm-uapi.h"

/* The least that KVM_CAP_MAX_VCPUS means when it is absent, by KVM's documentation. */
#define KVM_VCPUS_UNSTATED 4

static guint physical_address_bits(void)
{
	guint32 eax = 0, ebx = 0, ecx = 0, edx = 0;

	if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) == 0)
		return 0;
	return eax & 0xff;
}

/* Return: what KVM says about an extension, 0 for "no" and for what it does not know. */
static int check_extension(int kvm, unsigned long extension)
{
	int answer = ioctl(kvm, KVM_CHECK_EXTENSION, extension);

	return MAX(answer, 0);
}

/* Return: the first part that is missing, in words that an administrator can act upon. */
static char *missing_part(const HostSupport *support)
{
	if (!support->sw_protected_vm)
		return g_strdup(
			_("this kernel has no software-protected VMs (KVM_CAP_VM_TYPES): it takes "
			  "Linux 6.8 or newer with CONFIG_KVM_SW_PROTECTED_VM, and KVM's TDP MMU"));
	if (!support->user_memory2)
		return g_strdup(_("this kernel's KVM has no KVM_CAP_USER_MEMORY2"));
	if (!support->private_attribute)
		return g_strdup(
			_("this kernel's KVM has no private memory (KVM_CAP_MEMORY_ATTRIBUTES)"));
	if (!support->guest_memfd)
		return g_strdup(_("this kernel's KVM has no KVM_CAP_GUEST_MEMFD"));
	return NULL;
}

static void ask_kvm(int kvm, const char *kvm_path, HostSupport *support)
{
	int version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	int vcpus = 0;

	if (version != KVM_API_VERSION) {
		support->reason = g_strdup_printf(_("%s: not KVM, or not its API version %d"),
						  kvm_path, KVM_API_VERSION);
		return;
	}

	support->kvm_usable = TRUE;
	support->sw_protected_vm = (check_extension(kvm, KVM_CAP_VM_TYPES) &
				    (1 << KVM_X86_SW_PROTECTED_VM)) != 0;
	support->user_memory2 = check_extension(kvm, KVM_CAP_USER_MEMORY2) > 0;
	support->private_attribute = (check_extension(kvm, KVM_CAP_MEMORY_ATTRIBUTES) &
				      (int)KVM_MEMORY_ATTRIBUTE_PRIVATE) != 0;
	support->guest_memfd = check_extension(kvm, KVM_CAP_GUEST_MEMFD) > 0;

	vcpus = check_extension(kvm, KVM_CAP_MAX_VCPUS);
	if (vcpus == 0)
		vcpus = check_extension(kvm, KVM_CAP_NR_VCPUS);
	if (vcpus == 0)
		vcpus = KVM_VCPUS_UNSTATED;
	support->max_vcpus = MIN((guint)vcpus, DOMAIN_MAX_VCPUS);

	support->reason = missing_part(support);
}

HostSupport *host_support_probe(const char *kvm_path)
{
	HostSupport *support = g_new0(HostSupport, 1);
	int kvm = open(kvm_path, O_RDWR | O_CLOEXEC);

	support->physical_address_bits = physical_address_bits();
	support->kvm_present = kvm >= 0 || errno != ENOENT;
	if (kvm < 0) {
		support->reason = g_strdup_printf(_("cannot open %s: %s"), kvm_path,
						  g_strerror(errno));
		return support;
	}

	ask_kvm(kvm, kvm_path, support);
	close(kvm);
	return support;
}

gboolean host_support_protected(const HostSupport *support)
{
	return support->reason == NULL;
}

void host_support_free(HostSupport *support)
{
	if (!support)
		return;
	g_free(support->reason);
	g_free(support);
}
