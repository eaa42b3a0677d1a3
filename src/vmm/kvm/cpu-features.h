/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpu-features.h - features of processors by the names that libvirt has for them
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/kvm-uapi.h"

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
	guint8 cpuid_register; /* CpuidRegister */
	guint8 bit;
} CpuFeature;

/* What a user said of a feature: +name or -name. */
typedef struct {
	const CpuFeature *feature;
	gboolean is_required; /* else it is taken away */
} CpuFeatureChoice;

/* Return: the feature of that name in libvirt's cpu_map, or NULL. */
const CpuFeature *cpu_feature_find(const char *name);

gboolean cpu_feature_is_set(struct kvm_cpuid2 *cpuid, const CpuFeature *feature);

/*
 * cpu_features_apply - take away what @choices (an array of CpuFeatureChoice, or NULL) say,
 * and what makes no sense without it
 *
 * Gone with xsave are all features whose registers only XSAVE saves; with avx and avx512f
 * those that extend them; with amx-tile the other amx-*. Leaf 0xd loses the state of
 * registers that are gone.
 *
 * Return: FALSE with @error set, naming it, where a required feature is not there then.
 */
gboolean cpu_features_apply(struct kvm_cpuid2 *cpuid, const GArray *choices, GError **error);
