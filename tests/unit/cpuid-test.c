/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuid-test.c - topology, features and clocks in the CPUID of a vCPU
 *
 * The leaves that KVM would offer are made here, so that no KVM is needed.
 */
#include <string.h>

#include "vmm/kvm/cpu-features.h"
#include "vmm/kvm/cpuid.h"

#define INTEL "GenuineIntel"
#define AMD   "AuthenticAMD"

static const CpuidHost protected_host = { .memory_kind = KVM_MEMORY_TWO_SIDED,
					  .has_tsc_deadline = TRUE };

static void offer(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index, guint32 eax,
		  guint32 ebx, guint32 ecx, guint32 edx)
{
	cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.eax = eax,
		.ebx = ebx,
		.ecx = ecx,
		.edx = edx,
	};
}

/* A processor with all that the tests look at; its topology is nonsense, to be replaced. */
static struct kvm_cpuid2 *new_host(const char *vendor)
{
	struct kvm_cpuid2 *cpuid = cpuid_new_empty();
	guint32 name[3];

	memcpy(name, vendor, sizeof(name));
	offer(cpuid, 0, 0, 0xd, name[0], name[2], name[1]);
	offer(cpuid, 1, 0, 0x806f8, 0x77770800, G_MAXUINT32, 0xbfebfbff);
	offer(cpuid, 4, 0, 0xffffc121, 0x2c0003f, 63, 0);      /* first level, data */
	offer(cpuid, 4, 1, 0xffffc143, 0x4c0003f, 2047, 0);    /* second level */
	offer(cpuid, 4, 2, 0xffffc163, 0x3c0003f, 0x1ffff, 4); /* third level */
	offer(cpuid, 4, 3, 0, 0, 0, 0);
	offer(cpuid, 7, 0, 2, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32);
	offer(cpuid, 7, 1, G_MAXUINT32, 0, 0, G_MAXUINT32);
	offer(cpuid, 0xa, 0, 0x8300805, 0, 7, 0x603);
	offer(cpuid, 0xb, 0, 1, 2, 0x100, 0x77);
	offer(cpuid, 0xb, 1, 7, 64, 0x201, 0x77);
	offer(cpuid, 0xd, 0, 0x602e7, 576, 11008, 0);
	offer(cpuid, 0xd, 1, 0x1f, 0, 0x800, 0);
	offer(cpuid, 0xd, 2, 256, 576, 0, 0);	 /* AVX */
	offer(cpuid, 0xd, 5, 64, 1088, 0, 0);	 /* AVX-512: masks */
	offer(cpuid, 0xd, 6, 512, 1152, 0, 0);	 /* upper halves of the first 16 */
	offer(cpuid, 0xd, 7, 1024, 1664, 0, 0);	 /* the other 16 */
	offer(cpuid, 0xd, 9, 8, 2688, 0, 0);	 /* PKRU */
	offer(cpuid, 0xd, 11, 16, 0, 1, 0);	 /* CET, a supervisor's */
	offer(cpuid, 0xd, 17, 64, 2752, 2, 0);	 /* tiles' configuration */
	offer(cpuid, 0xd, 18, 8192, 2816, 6, 0); /* tiles */
	offer(cpuid, 0x40000001, 0, G_MAXUINT32, 0, 0, 0);
	offer(cpuid, 0x80000001, 0, 0x806f8, 0, G_MAXUINT32, 0x2fd3fbff);
	offer(cpuid, 0x80000008, 0, 0x302e, 0, 0xf03f, 0);
	offer(cpuid, 0x8000000a, 0, 1, 0, 0, 0xff);
	offer(cpuid, 0x8000001e, 0, 0x77, 0, 0, 0);
	offer(cpuid, 0x80000022, 0, 1, 6, 0, 0);
	return cpuid;
}

static void specialize(struct kvm_cpuid2 *cpuid, const CpuModel *model, guint index)
{
	g_autoptr(GError) error = NULL;
	gboolean done = cpuid_specialize(cpuid, &protected_host, model, index, &error);

	g_assert_no_error(error);
	g_assert_true(done);
}

static struct kvm_cpuid2 *new_guest(const char *vendor, const CpuModel *model, guint index)
{
	struct kvm_cpuid2 *cpuid = new_host(vendor);

	specialize(cpuid, model, index);
	return cpuid;
}

static const struct kvm_cpuid_entry2 *leaf(struct kvm_cpuid2 *cpuid, guint32 function,
					   guint32 index)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, function, index);

	g_assert_nonnull(entry);
	return entry;
}

/* Topology */

typedef struct {
	CpuTopology topology;
	guint count;
	guint32 last_apic_id;
	guint core_shift, die_shift, socket_shift;
} TopologyCase;

static const TopologyCase topologies[] = {
	{ { 1, 1, 1, 1 }, 1, 0, 0, 0, 0 },	 { { 1, 1, 4, 1 }, 4, 3, 0, 2, 2 },
	{ { 1, 1, 16, 1 }, 16, 15, 0, 4, 4 },	 { { 16, 1, 1, 1 }, 16, 15, 0, 0, 0 },
	{ { 1, 1, 2, 2 }, 4, 3, 1, 2, 2 },	 { { 2, 2, 2, 2 }, 16, 15, 1, 2, 3 },
	{ { 1, 1, 3, 1 }, 3, 2, 0, 2, 2 },	 { { 2, 1, 3, 1 }, 6, 6, 0, 2, 2 },
	{ { 1, 1, 5, 3 }, 15, 0x12, 2, 5, 5 },	 { { 1, 3, 5, 1 }, 15, 0x14, 0, 3, 5 },
	{ { 3, 1, 1, 5 }, 15, 0x14, 3, 3, 3 },	 { { 2, 3, 1, 2 }, 12, 0xd, 1, 1, 3 },
	{ { 1, 1, 240, 1 }, 240, 239, 0, 8, 8 }, { { 240, 1, 1, 1 }, 240, 239, 0, 0, 0 },
	{ { 4, 1, 30, 2 }, 240, 251, 1, 6, 6 },	 { { 2, 1, 126, 1 }, 252, 253, 0, 7, 7 },
};

static void test_apic_ids(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(topologies); i++) {
		const TopologyCase *test = &topologies[i];
		g_autoptr(GError) error = NULL;

		g_assert_true(cpuid_check_topology(&test->topology, test->count, &error));
		g_assert_no_error(error);
		g_assert_cmphex(cpu_topology_apic_id(&test->topology, 0), ==, 0);
		g_assert_cmphex(cpu_topology_apic_id(&test->topology, test->count - 1), ==,
				test->last_apic_id);
		/* In the order of indexes, so that no two are the same. */
		for (guint index = 1; index < test->count; index++)
			g_assert_cmphex(cpu_topology_apic_id(&test->topology, index), >,
					cpu_topology_apic_id(&test->topology, index - 1));
	}
}

static void test_places(void)
{
	const CpuTopology topology = { 2, 2, 3, 2 };
	guint index = 0;

	for (guint socket = 0; socket < 2; socket++) {
		for (guint die = 0; die < 2; die++) {
			for (guint core = 0; core < 3; core++) {
				for (guint thread = 0; thread < 2; thread++, index++) {
					CpuPlace place = cpu_topology_place(&topology, index);

					g_assert_cmpuint(place.socket, ==, socket);
					g_assert_cmpuint(place.die, ==, die);
					g_assert_cmpuint(place.core, ==, core);
					g_assert_cmpuint(place.thread, ==, thread);
				}
			}
		}
	}
}

static void test_apic_ids_have_gaps(void)
{
	static const guint32 ids[] = { 0, 1, 2, 4, 5, 6 };
	const CpuTopology topology = { 2, 1, 3, 1 };

	for (guint index = 0; index < G_N_ELEMENTS(ids); index++)
		g_assert_cmphex(cpu_topology_apic_id(&topology, index), ==, ids[index]);
}

static void test_bad_topologies(void)
{
	static const struct {
		CpuTopology topology;
		guint count;
		const char *words;
	} cases[] = {
		{ { 1, 1, 2, 1 }, 3, "make 2 processors, and the machine has 3" },
		{ { 1, 1, 2, 2 }, 2, "make 4 processors" },
		{ { 0, 1, 1, 1 }, 0, "from 1 to 240" },
		{ { 1, 1, 1, 256 }, 256, "from 1 to 240" },
		{ { 65536, 65536, 1, 1 }, 0, "from 1 to 240" },
		{ { 16, 16, 16, 16 }, 0, "make 65536 processors" },
		{ { 240, 240, 240, 240 }, 3317760000u, "APIC id" },
		{ { 1, 1, 128, 2 }, 256, "APIC id 255: 253 is the most" },
		{ { 9, 1, 17, 1 }, 153, "APIC id 272" },
		{ { 2, 1, 127, 1 }, 254, "APIC id 254: 253 is the most" },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_false(cpuid_check_topology(&cases[i].topology, cases[i].count, &error));
		g_assert_nonnull(strstr(error->message, cases[i].words));
	}
}

static void assert_level(struct kvm_cpuid2 *cpuid, guint32 function, guint32 index, guint32 type,
			 guint shift, guint processors, guint32 apic_id)
{
	const struct kvm_cpuid_entry2 *entry = leaf(cpuid, function, index);

	g_assert_cmphex(entry->eax, ==, shift);
	g_assert_cmphex(entry->ebx, ==, processors);
	g_assert_cmphex(entry->ecx, ==, type << 8 | index);
	g_assert_cmphex(entry->edx, ==, apic_id);
	g_assert_cmphex(entry->flags, ==, KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
}

static void assert_topology(const TopologyCase *test, guint index)
{
	const CpuTopology *topology = &test->topology;
	const CpuModel model = { .topology = *topology };
	g_autofree struct kvm_cpuid2 *cpuid = new_guest(INTEL, &model, index);
	guint32 id = cpu_topology_apic_id(topology, index);
	guint in_die = topology->threads * topology->cores;
	guint in_socket = in_die * topology->dies;
	guint core_ids = 1u << (test->socket_shift - test->core_shift);

	g_assert_cmphex(leaf(cpuid, 1, 0)->ebx, ==,
			id << 24 | MIN(1u << test->socket_shift, 255) << 16 | 0x800);
	g_assert_cmpint(leaf(cpuid, 1, 0)->edx >> 28 & 1, ==, in_socket > 1);
	g_assert_cmphex(leaf(cpuid, 4, 0)->eax, ==,
			0x121 | ((1u << test->core_shift) - 1) << 14 | (core_ids - 1) << 26);
	g_assert_cmphex(leaf(cpuid, 4, 1)->eax, ==,
			0x143 | ((1u << test->core_shift) - 1) << 14 | (core_ids - 1) << 26);
	g_assert_cmphex(leaf(cpuid, 4, 2)->eax, ==,
			0x163 | ((1u << test->die_shift) - 1) << 14 | (core_ids - 1) << 26);
	g_assert_cmphex(leaf(cpuid, 4, 3)->eax, ==, 0);
	assert_level(cpuid, 0xb, 0, 1, test->core_shift, topology->threads, id);
	assert_level(cpuid, 0xb, 1, 2, test->socket_shift, in_socket, id);
	assert_level(cpuid, 0xb, 2, 0, 0, 0, id);
	g_assert_cmphex(leaf(cpuid, 0x80000008, 0)->ecx, ==,
			test->socket_shift << 12 | (in_socket - 1));
	if (topology->dies == 1) {
		g_assert_null(cpuid_find(cpuid, 0x1f, 0));
		g_assert_cmphex(leaf(cpuid, 0, 0)->eax, ==, 0xd);
		return;
	}
	g_assert_cmphex(leaf(cpuid, 0, 0)->eax, ==, 0x1f);
	assert_level(cpuid, 0x1f, 0, 1, test->core_shift, topology->threads, id);
	assert_level(cpuid, 0x1f, 1, 2, test->die_shift, in_die, id);
	assert_level(cpuid, 0x1f, 2, 5, test->socket_shift, in_socket, id);
	assert_level(cpuid, 0x1f, 3, 0, 0, 0, id);
}

static void test_topology_leaves(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(topologies); i++) {
		for (guint index = 0; index < topologies[i].count; index++)
			assert_topology(&topologies[i], index);
	}
}

/* What the host says of itself there does not show through, and is not there twice. */
static void test_leaf_1f_of_the_host(void)
{
	const CpuModel model = { .topology = { 1, 1, 2, 2 } };
	g_autofree struct kvm_cpuid2 *cpuid = new_host(INTEL);
	guint found = 0;

	leaf(cpuid, 0, 0);
	cpuid->entries[0].eax = 0x20;
	for (guint index = 0; index < 4; index++)
		offer(cpuid, 0x1f, index, 9, 9, 9, 9);
	specialize(cpuid, &model, 3);
	g_assert_cmphex(leaf(cpuid, 0, 0)->eax, ==, 0x20);
	assert_level(cpuid, 0x1f, 0, 1, 1, 2, 3);
	assert_level(cpuid, 0x1f, 1, 2, 2, 4, 3);
	assert_level(cpuid, 0x1f, 2, 0, 0, 0, 3);
	for (guint i = 0; i < cpuid->nent; i++)
		found += cpuid->entries[i].function == 0x1f;
	g_assert_cmpuint(found, ==, 3);
}

static void test_processor_without_leaf_b(void)
{
	const CpuModel model = { .topology = { 1, 1, 2, 1 } };
	g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_empty();

	offer(cpuid, 0, 0, 7, 0, 0, 0);
	offer(cpuid, 1, 0, 0, 0, 0, 0);
	specialize(cpuid, &model, 1);
	g_assert_cmphex(leaf(cpuid, 0, 0)->eax, ==, 0xb);
	assert_level(cpuid, 0xb, 1, 2, 1, 2, 1);
}

static void test_amd_topology(void)
{
	const CpuModel four = { .topology = { 1, 1, 4, 1 } }, one = { .topology = { 2, 1, 1, 1 } };
	g_autofree struct kvm_cpuid2 *amd = new_guest(AMD, &four, 0);
	g_autofree struct kvm_cpuid2 *single = new_guest(AMD, &one, 0);
	g_autofree struct kvm_cpuid2 *intel = new_guest(INTEL, &four, 0);

	/* CmpLegacy; TOPOEXT and the leaf that goes with it are the host's. */
	g_assert_cmphex(leaf(amd, 0x80000001, 0)->ecx & 1u << 1, ==, 1u << 1);
	g_assert_cmphex(leaf(single, 0x80000001, 0)->ecx & 1u << 1, ==, 0);
	g_assert_cmphex(leaf(intel, 0x80000001, 0)->ecx & 1u << 1, ==, 0);
	g_assert_cmphex(leaf(amd, 0x80000001, 0)->ecx & 1u << 22, ==, 0);
	g_assert_null(cpuid_find(amd, 0x8000001e, 0));
}

/* Features */

static GArray *new_choices(const char *text)
{
	GArray *choices = g_array_new(FALSE, FALSE, sizeof(CpuFeatureChoice));
	g_auto(GStrv) names = g_strsplit(text, " ", -1);

	for (char **name = names; *name; name++) {
		CpuFeatureChoice choice = { .is_required = **name == '+' };

		g_assert_true(cpu_feature_find(*name + 1, &choice.feature));
		g_array_append_val(choices, choice);
	}
	return choices;
}

static struct kvm_cpuid2 *new_guest_with(const char *vendor, const char *features)
{
	g_autoptr(GArray) choices = new_choices(features);
	const CpuModel model = { .topology = { 1, 1, 1, 1 }, .features = choices };

	return new_guest(vendor, &model, 0);
}

static gboolean has(struct kvm_cpuid2 *cpuid, const char *name)
{
	CpuFeature feature;

	g_assert_true(cpu_feature_find(name, &feature));
	return cpu_feature_is_set(cpuid, &feature);
}

static void test_features_are_found(void)
{
	static const CpuFeature cases[] = {
		{ "fpu", 1, 0, CPUID_EDX, 0 },
		{ "aes", 1, 0, CPUID_ECX, 25 },
		{ "pclmuldq", 1, 0, CPUID_ECX, 1 },
		{ "sse4.1", 1, 0, CPUID_ECX, 19 },
		{ "arat", 6, 0, CPUID_EAX, 2 },
		{ "avx512vl", 7, 0, CPUID_EBX, 31 },
		{ "umip", 7, 0, CPUID_ECX, 2 },
		{ "ssbd", 7, 0, CPUID_EDX, 31 },
		{ "avx-vnni", 7, 1, CPUID_EAX, 4 },
		{ "xsaves", 0xd, 1, CPUID_EAX, 3 },
		{ "lahf_lm", 0x80000001, 0, CPUID_ECX, 0 },
		{ "nx", 0x80000001, 0, CPUID_EDX, 20 },
		{ "invtsc", 0x80000007, 0, CPUID_EDX, 8 },
		{ "ibpb", 0x80000008, 0, CPUID_EBX, 12 },
	};
	static const char *const unknown[] = { "", "AES", "sse4_1x", "rdctl-no", "+aes" };
	CpuFeature feature;

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_assert_true(cpu_feature_find(cases[i].name, &feature));
		g_assert_cmphex(feature.function, ==, cases[i].function);
		g_assert_cmphex(feature.index, ==, cases[i].index);
		g_assert_cmpint(feature.cpuid_register, ==, cases[i].cpuid_register);
		g_assert_cmpuint(feature.bit, ==, cases[i].bit);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++)
		g_assert_false(cpu_feature_find(unknown[i], &feature));
}

static void test_feature_is_taken_away(void)
{
	g_autofree struct kvm_cpuid2 *all = new_guest_with(INTEL, "+aes");
	g_autofree struct kvm_cpuid2 *cpuid = new_guest_with(INTEL, "-aes +rdrand -clwb -x2apic");

	g_assert_true(has(all, "aes") && has(all, "clwb") && has(all, "x2apic"));
	g_assert_false(has(cpuid, "aes") || has(cpuid, "clwb") || has(cpuid, "x2apic"));
	g_assert_cmphex(leaf(all, 1, 0)->ecx ^ leaf(cpuid, 1, 0)->ecx, ==, 1u << 25 | 1u << 21);
	g_assert_cmphex(leaf(all, 7, 0)->ebx ^ leaf(cpuid, 7, 0)->ebx, ==, 1u << 24);
	g_assert_cmphex(leaf(all, 7, 0)->ecx, ==, leaf(cpuid, 7, 0)->ecx);
}

/* AMD says some of leaf 1 again in leaf 0x80000001; other bits there are not the same. */
static void test_feature_that_amd_has_twice(void)
{
	g_autofree struct kvm_cpuid2 *cpuid = new_guest_with(AMD, "-mmx -sep");

	g_assert_cmphex(leaf(cpuid, 1, 0)->edx & (1u << 23 | 1u << 11), ==, 0);
	g_assert_cmphex(leaf(cpuid, 0x80000001, 0)->edx, ==, 0x2fd3fbff & ~(1u << 23));
}

static void test_nested_virtualization_is_never_there(void)
{
	g_autofree struct kvm_cpuid2 *cpuid = new_guest_with(AMD, "-aes");

	g_assert_false(has(cpuid, "vmx") || has(cpuid, "svm"));
	g_assert_null(cpuid_find(cpuid, 0x8000000a, 0));
}

static void assert_missing(const char *features, const char *name)
{
	g_autoptr(GArray) choices = new_choices(features);
	const CpuModel model = { .topology = { 1, 1, 1, 1 }, .features = choices, .no_pmu = TRUE };
	g_autofree struct kvm_cpuid2 *cpuid = new_host(INTEL);
	g_autofree char *words = g_strdup_printf("CPU feature '%s' is required", name);
	g_autoptr(GError) error = NULL;

	g_assert_false(cpuid_specialize(cpuid, &protected_host, &model, 0, &error));
	g_assert_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, words));
}

static void test_required_feature_that_is_missing(void)
{
	assert_missing("+aes +invtsc", "invtsc"); /* no such leaf */
	assert_missing("+pdpe1gb +3dnow", "3dnow");
	assert_missing("+vmx", "vmx");
	assert_missing("+topoext", "topoext");
	assert_missing("-avx +avx2", "avx2");
	assert_missing("+avx512vl -xsave", "avx512vl");
	assert_missing("+pdcm", "pdcm"); /* went with the PMU */
}

static void test_features_that_go_with_xsave(void)
{
	static const char *const names[] = { "xsave",	"osxsave",  "xsaveopt", "xsaves",
					     "avx",	"avx2",	    "fma",	"f16c",
					     "avx512f", "avx512vl", "pku",	"mpx",
					     "vaes",	"avx-vnni", "amx-tile", "amx-int8" };
	g_autofree struct kvm_cpuid2 *cpuid = new_guest_with(INTEL, "-xsave +sse4.2 +aes");

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		g_assert_false(has(cpuid, names[i]));
	for (guint i = 0; i < cpuid->nent; i++) {
		if (cpuid->entries[i].function == 0xd)
			g_assert_cmphex(cpuid->entries[i].eax | cpuid->entries[i].ebx |
						cpuid->entries[i].ecx | cpuid->entries[i].edx,
					==, 0);
	}
}

static void test_state_that_goes_with_features(void)
{
	static const struct {
		const char *features;
		guint32 components, size;
	} cases[] = {
		{ "+avx", 0x602e7, 11008 },
		{ "-aes", 0x602e7, 11008 },
		{ "-amx-tile", 0x2e7, 2696 },
		{ "-avx512f", 0x60207, 11008 },
		{ "-avx512f -amx-tile", 0x207, 2696 },
		{ "-avx512f -amx-tile -pku", 0x7, 832 },
		{ "-avx -amx-tile -pku", 0x3, 576 },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree struct kvm_cpuid2 *cpuid = new_guest_with(INTEL, cases[i].features);

		g_assert_cmphex(leaf(cpuid, 0xd, 0)->eax, ==, cases[i].components);
		g_assert_cmpuint(leaf(cpuid, 0xd, 0)->ecx, ==, cases[i].size);
		for (guint index = 2; index <= 18; index++) {
			const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 0xd, index);

			if (entry && index != 11)
				g_assert_cmpint(entry->eax != 0, ==,
						cases[i].components >> index & 1);
		}
		g_assert_cmpuint(leaf(cpuid, 0xd, 11)->eax, ==, 16);
	}
}

static void test_state_that_goes_with_xsaves(void)
{
	g_autofree struct kvm_cpuid2 *cpuid = new_guest_with(INTEL, "-xsaves");

	g_assert_cmphex(leaf(cpuid, 0xd, 1)->eax, ==, 0x17);
	g_assert_cmphex(leaf(cpuid, 0xd, 1)->ecx, ==, 0);
	g_assert_cmphex(leaf(cpuid, 0xd, 11)->eax, ==, 0);
	g_assert_cmphex(leaf(cpuid, 0xd, 0)->eax, ==, 0x602e7);
}

/* Clock, counters, addresses */

static void test_kvm_features(void)
{
	const guint32 kvmclock = 1u << 0 | 1u << 3 | 1u << 24;
	const CpuModel with = { .topology = { 1, 1, 1, 1 } };
	const CpuModel without = { .topology = { 1, 1, 1, 1 }, .no_kvmclock = TRUE };
	g_autofree struct kvm_cpuid2 *a = new_guest(INTEL, &with, 0);
	g_autofree struct kvm_cpuid2 *b = new_guest(INTEL, &without, 0);
	guint32 offered = leaf(a, 0x40000001, 0)->eax;

	g_assert_cmphex(offered & kvmclock, ==, kvmclock);
	g_assert_cmphex(leaf(b, 0x40000001, 0)->eax, ==, offered & ~kvmclock);
	/* MAP_GPA_RANGE is there; asynchronous page faults and steal time are not. */
	g_assert_cmphex(offered & (1u << 16 | 1u << 4 | 1u << 5), ==, 1u << 16);
}

static void test_kvm_features_of_an_ordinary_vm(void)
{
	const CpuidHost host = { .memory_kind = KVM_MEMORY_ORDINARY };
	const CpuModel model = { .topology = { 1, 1, 1, 1 }, .no_kvmclock = TRUE };
	g_autofree struct kvm_cpuid2 *cpuid = new_host(INTEL);

	g_assert_true(cpuid_specialize(cpuid, &host, &model, 0, NULL));
	g_assert_cmphex(leaf(cpuid, 0x40000001, 0)->eax, ==, ~(1u << 0 | 1u << 3 | 1u << 24));
}

static void test_pmu(void)
{
	const CpuModel with = { .topology = { 1, 1, 1, 1 } };
	const CpuModel without = { .topology = { 1, 1, 1, 1 }, .no_pmu = TRUE };
	g_autofree struct kvm_cpuid2 *a = new_guest(AMD, &with, 0);
	g_autofree struct kvm_cpuid2 *b = new_guest(AMD, &without, 0);

	g_assert_cmphex(leaf(a, 0xa, 0)->eax, ==, 0x8300805);
	g_assert_true(has(a, "pdcm") && has(a, "perfctr_core") && has(a, "perfmon-v2"));
	/* A leaf that is not there reads as zeroes. */
	g_assert_null(cpuid_find(b, 0xa, 0));
	g_assert_false(has(b, "pdcm") || has(b, "perfctr_core") || has(b, "perfctr_nb") ||
		       has(b, "perfmon-v2"));
}

static void test_physical_bits(void)
{
	static const struct {
		guint32 eax;
		guint bits;
	} cases[] = { { 0x302e, 46 }, { 0x3034, 52 }, { 0x303934, 48 }, { 0x34302e, 46 } };
	g_autofree struct kvm_cpuid2 *none = cpuid_new_empty();

	g_assert_cmpuint(cpuid_physical_bits(none), ==, 36);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree struct kvm_cpuid2 *cpuid = cpuid_new_empty();

		offer(cpuid, 0x80000008, 0, cases[i].eax, 0, 0, 0);
		g_assert_cmpuint(cpuid_physical_bits(cpuid), ==, cases[i].bits);
	}
}

static void test_processor_id(void)
{
	static const CpuModel model = { .topology = { 1, 1, 4, 1 } };
	g_autofree struct kvm_cpuid2 *none = cpuid_new_empty();
	g_autofree struct kvm_cpuid2 *guest = new_guest(INTEL, &model, 0);

	g_assert_cmphex(cpuid_processor_id(none), ==, 0);
	g_assert_cmphex(cpuid_processor_id(guest), ==, 0xbfebfbff000806f8);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_test_add_func("/cpuid/topology/places", test_places);
	g_test_add_func("/cpuid/topology/apic-ids", test_apic_ids);
	g_test_add_func("/cpuid/topology/apic-ids-have-gaps", test_apic_ids_have_gaps);
	g_test_add_func("/cpuid/topology/bad", test_bad_topologies);
	g_test_add_func("/cpuid/topology/leaves", test_topology_leaves);
	g_test_add_func("/cpuid/topology/leaf-1f-of-the-host", test_leaf_1f_of_the_host);
	g_test_add_func("/cpuid/topology/processor-without-leaf-b", test_processor_without_leaf_b);
	g_test_add_func("/cpuid/topology/amd", test_amd_topology);
	g_test_add_func("/cpuid/features/are-found", test_features_are_found);
	g_test_add_func("/cpuid/features/taken-away", test_feature_is_taken_away);
	g_test_add_func("/cpuid/features/that-amd-has-twice", test_feature_that_amd_has_twice);
	g_test_add_func("/cpuid/features/nested-virtualization",
			test_nested_virtualization_is_never_there);
	g_test_add_func("/cpuid/features/required-and-missing",
			test_required_feature_that_is_missing);
	g_test_add_func("/cpuid/features/go-with-xsave", test_features_that_go_with_xsave);
	g_test_add_func("/cpuid/features/state-goes-too", test_state_that_goes_with_features);
	g_test_add_func("/cpuid/features/supervisor-state-goes-with-xsaves",
			test_state_that_goes_with_xsaves);
	g_test_add_func("/cpuid/kvm/features", test_kvm_features);
	g_test_add_func("/cpuid/kvm/features-of-an-ordinary-vm",
			test_kvm_features_of_an_ordinary_vm);
	g_test_add_func("/cpuid/pmu", test_pmu);
	g_test_add_func("/cpuid/physical-bits", test_physical_bits);
	g_test_add_func("/cpuid/processor-id", test_processor_id);

	return g_test_run();
}
