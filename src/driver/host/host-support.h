/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-support.h - what this host's KVM offers
 *
 * Theory of operation
 *
 * Probed once when the daemon starts, and again when a client asks for domain capabilities
 * of a host that lacked something: KVM's module may have been reloaded with other options.
 * The probe opens /dev/kvm and, where that works, asks for extensions; it creates no VM.
 */
#pragma once

#include <glib.h>

typedef struct {
	gboolean kvm_present;	     /* /dev/kvm exists */
	gboolean kvm_usable;	     /* this process could open it and its API is version 12 */
	gboolean sw_protected_vm;    /* KVM_CAP_VM_TYPES has bit 1 */
	gboolean user_memory2;	     /* KVM_CAP_USER_MEMORY2 */
	gboolean private_attribute;  /* KVM_CAP_MEMORY_ATTRIBUTES has PRIVATE */
	gboolean guest_memfd;	     /* KVM_CAP_GUEST_MEMFD */
	guint max_vcpus;	     /* of one domain: KVM's limit and gmem-vmm's, the lower one */
	guint physical_address_bits; /* of the processor, from CPUID 0x80000008; 0: unknown */
	char *reason;		     /* why protected domains cannot run here, or NULL: they can */
} HostSupport;

/*
 * host_support_probe - look
 * @kvm_path: "/dev/kvm"; tests give another
 *
 * Never fails: what cannot be asked is not supported, and @reason says why.
 */
HostSupport *host_support_probe(const char *kvm_path);

/* Return: TRUE when a sw-protected domain can run here; otherwise @support->reason is set. */
gboolean host_support_protected(const HostSupport *support);

void host_support_free(HostSupport *support);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostSupport, host_support_free)
