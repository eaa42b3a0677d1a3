/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpu-features.c - features of processors by the names that libvirt has for them
 *
 * Theory of operation
 *
 * One row is one register of one leaf, with the names of its bits: those of libvirt's
 * src/cpu_map/x86_features.xml, as far as CPUID has them and a VM can be offered them.
 * Features that the map finds in an MSR are not here.
 */
#include "vmm/kvm/cpu-features.h"

#include <glib/gi18n.h>
#include <string.h>

#include "vmm/kvm/cpuid.h"

#define LEAF_FEATURES	  0x1u
#define LEAF_XSAVE	  0xdu
#define LEAF_AMD_FEATURES 0x80000001u

/* Bits of leaf 1's EDX that AMD has in leaf 0x80000001's EDX too. */
#define AMD_ALIASES 0x0183f3ffu

/* The legacy region and the header, which any XSAVE area begins with. */
#define XSAVE_MINIMUM_SIZE	   576u
#define XSAVE_FIRST_COMPONENT	   2u
#define XSAVE_LAST_COMPONENT	   31u
#define XSAVE_IS_SUPERVISOR(entry) ((entry)->ecx & 1)

typedef struct {
	guint32 function;
	guint32 index;
	CpuidRegister cpuid_register;
	const char *names[32];
} FeatureWord;

static const FeatureWord feature_words[] = {
	{ 0x1,
	  0,
	  CPUID_ECX,
	  { [0] = "pni",     [1] = "pclmuldq",	 [2] = "dtes64",	[3] = "monitor",
	    [4] = "ds_cpl",  [5] = "vmx",	 [6] = "smx",		[7] = "est",
	    [8] = "tm2",     [9] = "ssse3",	 [10] = "cid",		[12] = "fma",
	    [13] = "cx16",   [14] = "xtpr",	 [15] = "pdcm",		[17] = "pcid",
	    [18] = "dca",    [19] = "sse4.1",	 [20] = "sse4.2",	[21] = "x2apic",
	    [22] = "movbe",  [23] = "popcnt",	 [24] = "tsc-deadline", [25] = "aes",
	    [26] = "xsave",  [27] = "osxsave",	 [28] = "avx",		[29] = "f16c",
	    [30] = "rdrand", [31] = "hypervisor" } },
	{ 0x1,
	  0,
	  CPUID_EDX,
	  { [0] = "fpu",   [1] = "vme",	   [2] = "de",	  [3] = "pse",	    [4] = "tsc",
	    [5] = "msr",   [6] = "pae",	   [7] = "mce",	  [8] = "cx8",	    [9] = "apic",
	    [11] = "sep",  [12] = "mtrr",  [13] = "pge",  [14] = "mca",	    [15] = "cmov",
	    [16] = "pat",  [17] = "pse36", [18] = "pn",	  [19] = "clflush", [21] = "ds",
	    [22] = "acpi", [23] = "mmx",   [24] = "fxsr", [25] = "sse",	    [26] = "sse2",
	    [27] = "ss",   [28] = "ht",	   [29] = "tm",	  [30] = "ia64",    [31] = "pbe" } },
	{ 0x6, 0, CPUID_EAX, { [2] = "arat" } },
	{ 0x7,
	  0,
	  CPUID_EBX,
	  { [0] = "fsgsbase",	 [1] = "tsc_adjust", [2] = "sgx",	  [3] = "bmi1",
	    [4] = "hle",	 [5] = "avx2",	     [7] = "smep",	  [8] = "bmi2",
	    [9] = "erms",	 [10] = "invpcid",   [11] = "rtm",	  [12] = "cmt",
	    [14] = "mpx",	 [16] = "avx512f",   [17] = "avx512dq",	  [18] = "rdseed",
	    [19] = "adx",	 [20] = "smap",	     [21] = "avx512ifma", [22] = "pcommit",
	    [23] = "clflushopt", [24] = "clwb",	     [25] = "intel-pt",	  [26] = "avx512pf",
	    [27] = "avx512er",	 [28] = "avx512cd",  [29] = "sha-ni",	  [30] = "avx512bw",
	    [31] = "avx512vl" } },
	{ 0x7,
	  0,
	  CPUID_ECX,
	  { [1] = "avx512vbmi",	 [2] = "umip",		[3] = "pku",
	    [4] = "ospke",	 [5] = "waitpkg",	[6] = "avx512vbmi2",
	    [8] = "gfni",	 [9] = "vaes",		[10] = "vpclmulqdq",
	    [11] = "avx512vnni", [12] = "avx512bitalg", [14] = "avx512-vpopcntdq",
	    [16] = "la57",	 [22] = "rdpid",	[24] = "bus-lock-detect",
	    [25] = "cldemote",	 [27] = "movdiri",	[28] = "movdir64b",
	    [30] = "sgxlc",	 [31] = "pks" } },
	{ 0x7,
	  0,
	  CPUID_EDX,
	  { [2] = "avx512-4vnniw",
	    [3] = "avx512-4fmaps",
	    [4] = "fsrm",
	    [8] = "avx512-vp2intersect",
	    [10] = "md-clear",
	    [14] = "serialize",
	    [16] = "tsx-ldtrk",
	    [18] = "pconfig",
	    [19] = "arch-lbr",
	    [22] = "amx-bf16",
	    [23] = "avx512-fp16",
	    [24] = "amx-tile",
	    [25] = "amx-int8",
	    [26] = "spec-ctrl",
	    [27] = "stibp",
	    [29] = "arch-capabilities",
	    [30] = "core-capability",
	    [31] = "ssbd" } },
	{ 0x7,
	  1,
	  CPUID_EAX,
	  { [0] = "sha512",
	    [1] = "sm3",
	    [2] = "sm4",
	    [4] = "avx-vnni",
	    [5] = "avx512-bf16",
	    [7] = "cmpccxadd",
	    [10] = "fzrm",
	    [11] = "fsrs",
	    [12] = "fsrc",
	    [21] = "amx-fp16",
	    [23] = "avx-ifma",
	    [26] = "lam" } },
	{ 0x7,
	  1,
	  CPUID_EDX,
	  { [4] = "avx-vnni-int8",
	    [5] = "avx-ne-convert",
	    [8] = "amx-complex",
	    [10] = "avx-vnni-int16",
	    [14] = "prefetchiti" } },
	{ 0x7,
	  2,
	  CPUID_EDX,
	  { [0] = "intel-psfd",
	    [1] = "ipred-ctrl",
	    [2] = "rrsba-ctrl",
	    [3] = "ddpd-u",
	    [4] = "bhi-ctrl",
	    [5] = "mcdt-no" } },
	{ 0xd,
	  1,
	  CPUID_EAX,
	  { [0] = "xsaveopt", [1] = "xsavec", [2] = "xgetbv1", [3] = "xsaves", [4] = "xfd" } },
	{ 0x80000001,
	  0,
	  CPUID_ECX,
	  { [0] = "lahf_lm",	   [1] = "cmp_legacy",	  [2] = "svm",	       [3] = "extapic",
	    [4] = "cr8legacy",	   [5] = "abm",		  [6] = "sse4a",       [7] = "misalignsse",
	    [8] = "3dnowprefetch", [9] = "osvw",	  [10] = "ibs",	       [11] = "xop",
	    [12] = "skinit",	   [13] = "wdt",	  [15] = "lwp",	       [16] = "fma4",
	    [17] = "tce",	   [18] = "cvt16",	  [19] = "nodeid_msr", [21] = "tbm",
	    [22] = "topoext",	   [23] = "perfctr_core", [24] = "perfctr_nb" } },
	{ 0x80000001,
	  0,
	  CPUID_EDX,
	  { [11] = "syscall",
	    [20] = "nx",
	    [22] = "mmxext",
	    [25] = "fxsr_opt",
	    [26] = "pdpe1gb",
	    [27] = "rdtscp",
	    [29] = "lm",
	    [30] = "3dnowext",
	    [31] = "3dnow" } },
	{ 0x80000007, 0, CPUID_EDX, { [8] = "invtsc" } },
	{ 0x80000008,
	  0,
	  CPUID_EBX,
	  { [0] = "clzero",
	    [2] = "xsaveerptr",
	    [9] = "wbnoinvd",
	    [12] = "ibpb",
	    [14] = "ibrs",
	    [15] = "amd-stibp",
	    [17] = "stibp-always-on",
	    [24] = "amd-ssbd",
	    [25] = "virt-ssbd",
	    [26] = "amd-no-ssb",
	    [28] = "amd-psfd",
	    [29] = "btc-no" } },
	{ 0x8000000a,
	  0,
	  CPUID_EDX,
	  { [0] = "npt",
	    [1] = "lbrv",
	    [2] = "svm-lock",
	    [3] = "nrip-save",
	    [4] = "tsc-scale",
	    [5] = "vmcb-clean",
	    [6] = "flushbyasid",
	    [7] = "decodeassists",
	    [10] = "pause-filter",
	    [12] = "pfthreshold",
	    [13] = "avic",
	    [15] = "v-vmsave-vmload",
	    [16] = "vgif",
	    [28] = "svme-addr-chk" } },
	{ 0x80000021,
	  0,
	  CPUID_EAX,
	  { [0] = "no-nested-data-bp",
	    [2] = "lfence-always-serializing",
	    [6] = "null-sel-clr-base",
	    [8] = "auto-ibrs",
	    [27] = "sbpb",
	    [28] = "ibpb-brtype",
	    [29] = "srso-no" } },
	{ 0x80000022, 0, CPUID_EAX, { [0] = "perfmon-v2" } },
};

/*
 * What makes no sense without something else. In order: what a rule takes away may be what a
 * later one looks for.
 */
static const struct {
	const char *feature;
	const char *dependents;
} dependencies[] = {
	{ "apic", "x2apic tsc-deadline" },
	{ "xsave", "osxsave xsaveopt xsavec xgetbv1 xsaves xfd avx mpx pku ospke lwp amx-tile" },
	{ "avx", "fma f16c xop fma4 avx2 vaes vpclmulqdq" },
	{ "avx2", "avx-vnni avx-ifma avx-vnni-int8 avx-vnni-int16 avx-ne-convert sha512 sm3 sm4 "
		  "avx512f" },
	{ "avx512f", "avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512vbmi "
		     "avx512vbmi2 avx512vnni avx512bitalg avx512-vpopcntdq avx512-4vnniw "
		     "avx512-4fmaps avx512-vp2intersect avx512-fp16 avx512-bf16" },
	{ "amx-tile", "amx-int8 amx-bf16 amx-fp16 amx-complex" },
};

/* State components of XSAVE (Intel's manual, volume 1, chapter 13) and what they belong to. */
static const struct {
	guint32 components;
	const char *feature;
} xsave_states[] = {
	{ 1u << 2, "avx" }, { 3u << 3, "mpx" },	      { 7u << 5, "avx512f" },
	{ 1u << 9, "pku" }, { 3u << 17, "amx-tile" },
};

gboolean cpu_feature_find(const char *name, CpuFeature *feature)
{
	for (gsize i = 0; i < G_N_ELEMENTS(feature_words); i++) {
		const FeatureWord *word = &feature_words[i];

		for (guint bit = 0; bit < G_N_ELEMENTS(word->names); bit++) {
			if (!word->names[bit] || strcmp(word->names[bit], name) != 0)
				continue;
			*feature = (CpuFeature){
				.name = word->names[bit],
				.function = word->function,
				.index = word->index,
				.cpuid_register = word->cpuid_register,
				.bit = bit,
			};
			return TRUE;
		}
	}
	return FALSE;
}

/* Return: the register that has the feature's bit, or NULL where the leaf is not there. */
static guint32 *find_register(struct kvm_cpuid2 *cpuid, const CpuFeature *feature)
{
	struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, feature->function, feature->index);

	if (!entry)
		return NULL;
	switch (feature->cpuid_register) {
	case CPUID_EAX:
		return &entry->eax;
	case CPUID_EBX:
		return &entry->ebx;
	case CPUID_ECX:
		return &entry->ecx;
	default:
		return &entry->edx;
	}
}

gboolean cpu_feature_is_set(struct kvm_cpuid2 *cpuid, const CpuFeature *feature)
{
	const guint32 *value = find_register(cpuid, feature);

	return value && (*value & 1u << feature->bit);
}

static void clear_feature(struct kvm_cpuid2 *cpuid, const CpuFeature *feature)
{
	guint32 *value = find_register(cpuid, feature);

	if (value)
		*value &= ~(1u << feature->bit);
	if (feature->function == LEAF_FEATURES && feature->cpuid_register == CPUID_EDX) {
		struct kvm_cpuid_entry2 *amd = cpuid_find(cpuid, LEAF_AMD_FEATURES, 0);

		if (amd)
			amd->edx &= ~(1u << feature->bit & AMD_ALIASES);
	}
}

static gboolean has_feature(struct kvm_cpuid2 *cpuid, const char *name)
{
	CpuFeature feature;

	return cpu_feature_find(name, &feature) && cpu_feature_is_set(cpuid, &feature);
}

static void clear_dependents(struct kvm_cpuid2 *cpuid)
{
	for (gsize i = 0; i < G_N_ELEMENTS(dependencies); i++) {
		g_auto(GStrv) names = g_strsplit(dependencies[i].dependents, " ", -1);

		if (has_feature(cpuid, dependencies[i].feature))
			continue;
		for (char **name = names; *name; name++) {
			CpuFeature feature;
			gboolean is_known = cpu_feature_find(*name, &feature);

			g_assert(is_known);
			clear_feature(cpuid, &feature);
		}
	}
}

static void clear_entry(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

/* Leaf 0xd's sub-leaves from 2 on: one a state component, with its size and offset. */
static void clear_xsave_components(struct kvm_cpuid2 *cpuid, guint32 user_components,
				   gboolean has_xsaves)
{
	for (guint i = 0; i < cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function != LEAF_XSAVE || entry->index < XSAVE_FIRST_COMPONENT ||
		    entry->index > XSAVE_LAST_COMPONENT)
			continue;
		if (XSAVE_IS_SUPERVISOR(entry) ? !has_xsaves :
						 !(user_components & 1u << entry->index))
			clear_entry(entry);
	}
}

/* What an area takes that has every component, each at its place: leaf 0xd, ECX. */
static guint32 xsave_area_size(struct kvm_cpuid2 *cpuid)
{
	guint32 size = XSAVE_MINIMUM_SIZE;

	for (guint i = XSAVE_FIRST_COMPONENT; i <= XSAVE_LAST_COMPONENT; i++) {
		const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, LEAF_XSAVE, i);

		if (entry && !XSAVE_IS_SUPERVISOR(entry))
			size = MAX(size, entry->ebx + entry->eax);
	}
	return size;
}

/* KVM computes leaf 0xd's EBX, which depends on what the guest has enabled, by itself. */
static void fit_xsave_leaf(struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid_entry2 *state = cpuid_find(cpuid, LEAF_XSAVE, 0);
	struct kvm_cpuid_entry2 *extensions = cpuid_find(cpuid, LEAF_XSAVE, 1);
	gboolean has_xsaves = has_feature(cpuid, "xsaves");

	if (!state)
		return;
	if (extensions && !has_xsaves)
		extensions->ecx = extensions->edx = 0;
	if (!has_feature(cpuid, "xsave")) {
		clear_entry(state);
		clear_xsave_components(cpuid, 0, FALSE);
		return;
	}
	for (gsize i = 0; i < G_N_ELEMENTS(xsave_states); i++) {
		if (!has_feature(cpuid, xsave_states[i].feature))
			state->eax &= ~xsave_states[i].components;
	}
	clear_xsave_components(cpuid, state->eax, has_xsaves);
	state->ecx = xsave_area_size(cpuid);
}

gboolean cpu_features_apply(struct kvm_cpuid2 *cpuid, const GArray *choices, GError **error)
{
	guint n_choices = choices ? choices->len : 0;
	guint n_removed = 0;

	for (guint i = 0; i < n_choices; i++) {
		const CpuFeatureChoice *choice = &g_array_index(choices, CpuFeatureChoice, i);

		if (choice->is_required)
			continue;
		clear_feature(cpuid, &choice->feature);
		n_removed++;
	}
	if (n_removed > 0) {
		clear_dependents(cpuid);
		fit_xsave_leaf(cpuid);
	}
	for (guint i = 0; i < n_choices; i++) {
		const CpuFeatureChoice *choice = &g_array_index(choices, CpuFeatureChoice, i);

		if (!choice->is_required || cpu_feature_is_set(cpuid, &choice->feature))
			continue;
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("CPU feature '%s' is required, and is not there: this host's KVM "
			      "does not offer it, or it went with another feature or the PMU"),
			    choice->feature.name);
		return FALSE;
	}
	return TRUE;
}
