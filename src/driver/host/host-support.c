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

#include "common/kvm-uapi.h"
#include "driver/conf/domain-def.h"

static guint physical_address_bits(void)
{
	guint32 eax = 0, ebx = 0, ecx = 0, edx = 0;

	if (__get_cpuid(0x80000008, &eax, &ebx, &ecx, &edx) == 0)
		return 0;
	return eax & 0xff;
}

/* A VMM that is given no device makes its userfaultfd by the system call; so does this. */
static gboolean check_userfaultfd(KvmMemoryKind kind, const HostPlaces *places, GError **error)
{
	int device = open(places->userfaultfd, O_RDWR | O_CLOEXEC);
	int fd;

	if (device < 0 && errno != ENOENT) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, _("cannot open %s: %s"),
			    places->userfaultfd, g_strerror(errno));
		return FALSE;
	}
	fd = kvm_support_open_userfaultfd(kind, device, error);
	if (device >= 0)
		close(device);
	if (fd < 0)
		return FALSE;
	close(fd);
	return TRUE;
}

static gboolean check_windows(const HostPlaces *places, GError **error)
{
	int pagemap = open(places->pagemap, O_RDONLY | O_CLOEXEC);
	gboolean is_there = kvm_support_check_pagemap(pagemap, error);
	guint64 windows;

	if (pagemap >= 0)
		close(pagemap);
	return is_there && kvm_support_count_windows(places->max_map_count, &windows, error);
}

/* Return: the first thing that a kind lacks, in words that an administrator can act upon. */
static char *missing_part(KvmMemoryKind kind, int kvm, const HostPlaces *places)
{
	g_autoptr(GError) error = NULL;

	if (kvm_support_check_kvm(kind, kvm, &error) && kvm_support_check_vm(kind, kvm, &error) &&
	    check_userfaultfd(kind, places, &error) &&
	    (kind != KVM_MEMORY_WINDOWS || check_windows(places, &error)))
		return NULL;
	return g_strdup(error->message);
}

static void set_all_reasons(HostSupport *support, const char *reason)
{
	for (guint i = 0; i < KVM_MEMORY_KINDS_ALL.n_kinds; i++)
		support->reasons[KVM_MEMORY_KINDS_ALL.kinds[i]] = g_strdup(reason);
}

static void ask_kvm(int kvm, const HostPlaces *places, HostSupport *support)
{
	if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		g_autofree char *reason = g_strdup_printf(
			_("%s: not KVM, or not its API version %d"), places->kvm, KVM_API_VERSION);

		set_all_reasons(support, reason);
		return;
	}

	support->kvm_usable = TRUE;
	support->max_vcpus = MIN(kvm_support_max_vcpus(kvm), DOMAIN_MAX_VCPUS);
	for (guint i = 0; i < KVM_MEMORY_KINDS_ALL.n_kinds; i++) {
		const KvmMemoryKind kind = KVM_MEMORY_KINDS_ALL.kinds[i];

		support->reasons[kind] = missing_part(kind, kvm, places);
	}
}

const HostPlaces host_places = {
	.kvm = "/dev/kvm",
	.userfaultfd = "/dev/userfaultfd",
	.max_map_count = KVM_SUPPORT_MAX_MAP_COUNT,
	.pagemap = KVM_SUPPORT_PAGEMAP,
};

HostSupport *host_support_probe(const HostPlaces *places)
{
	HostSupport *support = g_new0(HostSupport, 1);
	int kvm = open(places->kvm, O_RDWR | O_CLOEXEC);

	support->physical_address_bits = physical_address_bits();
	support->kvm_present = kvm >= 0 || errno != ENOENT;
	if (kvm < 0) {
		g_autofree char *reason = g_strdup_printf(_("cannot open %s: %s"), places->kvm,
							  g_strerror(errno));

		set_all_reasons(support, reason);
		return support;
	}

	ask_kvm(kvm, places, support);
	close(kvm);
	return support;
}

HostSupport *host_support_copy(const HostSupport *support)
{
	HostSupport *copy = g_memdup2(support, sizeof(*support));

	for (guint i = 0; i < KVM_MEMORY_KINDS; i++)
		copy->reasons[i] = g_strdup(support->reasons[i]);
	return copy;
}

gboolean host_support_has_all(const HostSupport *support)
{
	for (guint i = 0; i < KVM_MEMORY_KINDS; i++)
		if (support->reasons[i])
			return FALSE;
	return TRUE;
}

void host_support_free(HostSupport *support)
{
	if (!support)
		return;
	for (guint i = 0; i < KVM_MEMORY_KINDS; i++)
		g_free(support->reasons[i]);
	g_free(support);
}
