/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpu-features.h - features of processors by the names that libvirt has for them
 */
#pragma once

#include <glib.h>

#include "common/kvm-uapi.h"

typedef enum {
	CPUID_EAX,
	CPUID_EBX,
	CPUID_ECX,
	CPUID_EDX,
} CpuidRegister;

/* Where CPUID has a feature. */
typedef struct {
	const char *name;
	guint32 function;
	guint32 index;
	CpuidRegister cpuid_register;
	guint bit;
} CpuFeature;

/* What a user said of a feature: +name or -name. */
typedef struct {
	CpuFeature feature;
	gboolean is_required; /* else it is taken away */
} CpuFeatureChoice;

/* Return: FALSE where libvirt's cpu_map has no such name, or KVM could never offer it. */
gboolean cpu_feature_find(const char *name, CpuFeature *feature);

gboolean cpu_feature_is_set(struct kvm_cpuid2 *cpuid, const CpuFeature *feature);

/*
 * cpu_features_apply - take away what @choices (an array of CpuFeatureChoice, or NULL) say,
 * and what makes no sense without it
 *
 * Where something is taken away, gone with apic are x2apic and tsc-deadline; with xsave all
 * whose registers only XSAVE saves; with avx, avx2 and avx512f what extends them; with
 * amx-tile the other amx-*. Leaf 0xd loses the state of registers that are gone.
 *
 * Return: FALSE with @error set, naming it, where a required feature is not there then.
 */
gboolean cpu_features_apply(struct kvm_cpuid2 *cpuid, const GArray *choices, GError **error);
