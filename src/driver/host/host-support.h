/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-support.h - what this host's KVM offers
 *
 * Theory of operation
 *
 * Probed once when the daemon starts, and again when a client asks for what the host lacked: KVM's
 * module may have been reloaded with other options, a sysctl changed. The probe opens what a VMM is
 * given (/dev/kvm, /dev/userfaultfd) and asks the same questions as the VMM (kvm-support.h); it
 * creates no VM.
 */
#pragma once

#include <glib.h>

#include "common/kvm-support.h"

typedef struct {
	gboolean kvm_present;	     /* /dev/kvm exists */
	gboolean kvm_usable;	     /* this process could open it and its API is version 12 */
	guint max_vcpus;	     /* of one domain: KVM's limit and gmem-vmm's, the lower one */
	guint physical_address_bits; /* of the processor, from CPUID 0x80000008; 0: unknown */

	/* Why domains cannot have a kind of memory here, or NULL: they can. Of private memory. */
	char *reasons[KVM_MEMORY_KINDS];
} HostSupport;

/* Where the probe looks; tests give other places. */
typedef struct {
	const char *kvm;
	const char *userfaultfd;
	const char *max_map_count;
	const char *pagemap;
} HostPlaces;

extern const HostPlaces host_places;

/*
 * host_support_probe - look
 *
 * Never fails: what cannot be asked is not supported, and the reasons say why.
 */
HostSupport *host_support_probe(const HostPlaces *places);

HostSupport *host_support_copy(const HostSupport *support);

/* Return: TRUE when domains can have every kind of private memory here. */
gboolean host_support_has_all(const HostSupport *support);

void host_support_free(HostSupport *support);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostSupport, host_support_free)
