/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host-test.c - the host's description, on hosts that are made of files
 */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <linux/userfaultfd.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "driver/conf/uuid.h"
#include "driver/error.h"
#include "driver/host/capabilities.h"
#include "driver/host/node.h"
#include "support.h"

#define EMULATOR "/usr/libexec/gmem-vmm"

/* A folder with a proc, a sys and an etc. */
typedef struct {
	char *root;
} Host;

static void host_file(Host *host, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void host_file(Host *host, const char *path, const char *format, ...)
{
	g_autofree char *full = g_build_filename(host->root, path, NULL);
	g_autofree char *folder = g_path_get_dirname(full);
	g_autofree char *text = NULL;
	g_autoptr(GError) error = NULL;
	va_list arguments;

	va_start(arguments, format);
	text = g_strdup_vprintf(format, arguments);
	va_end(arguments);

	g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
	g_file_set_contents(full, text, -1, &error);
	g_assert_no_error(error);
}

static void host_cpu(Host *host, guint id, int socket, int die, int core, const char *siblings)
{
	const struct {
		const char *name;
		int value;
	} numbers[] = {
		{ "physical_package_id", socket },
		{ "die_id", die },
		{ "core_id", core },
	};
	g_autofree char *list =
		g_strdup_printf("sys/devices/system/cpu/cpu%u/topology/thread_siblings_list", id);

	for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++) {
		g_autofree char *path = g_strdup_printf("sys/devices/system/cpu/cpu%u/topology/%s",
							id, numbers[i].name);

		host_file(host, path, "%d\n", numbers[i].value);
	}
	host_file(host, list, "%s\n", siblings);
}

static void host_node(Host *host, guint id, const char *cpus, guint total, const char *distances)
{
	const struct {
		const char *name;
		char *text;
	} files[] = {
		{ "cpulist", g_strdup(cpus) },
		{ "distance", g_strdup(distances) },
		{ "meminfo", g_strdup_printf("Node %u MemTotal:       %u kB\n"
					     "Node %u MemFree:        %u kB\n",
					     id, total, id, total / 2) },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_strdup_printf("sys/devices/system/node/node%u/%s", id,
							files[i].name);

		host_file(host, path, "%s\n", files[i].text);
		g_free(files[i].text);
	}
}

static void host_setup(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	host->root = g_dir_make_tmp("host-test-XXXXXX", &error);
	g_assert_no_error(error);
	host_file(host, "proc/meminfo",
		  "MemTotal:        8000000 kB\nMemFree:         5000000 kB\n"
		  "MemAvailable:    6000000 kB\nBuffers:           10000 kB\n"
		  "Cached:           200000 kB\nSwapCached:            1 kB\n");
	host_file(host, "proc/cpuinfo",
		  "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\n"
		  "cpu MHz\t\t: 2450.123\n\nprocessor\t: 1\nvendor_id\t: AuthenticAMD\n"
		  "cpu MHz\t\t: 1500.000\n");
	host_file(host, "sys/devices/system/cpu/present", "0-7\n");
	host_file(host, "sys/devices/system/cpu/online", "0-7\n");
}

static void host_teardown(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	remove_tree(host->root);
	g_free(host->root);
}

/* Two nodes of one socket, of two cores, of two threads. */
static void host_make_regular(Host *host)
{
	static const char *const siblings[] = { "0,4", "1,5", "2,6", "3,7" };

	for (guint i = 0; i < 8; i++)
		host_cpu(host, i, i % 4 / 2, 0, i % 2, siblings[i % 4]);
	host_file(host, "sys/devices/system/node/online", "0-1\n");
	host_node(host, 0, "0-1,4-5", 3000000, "10 21");
	host_node(host, 1, "2-3,6-7", 5000000, "21 10");
}

static NodeInfo *read_node(Host *host)
{
	g_autoptr(GError) error = NULL;
	NodeInfo *info = node_info_read(host->root, &error);

	g_assert_no_error(error);
	return info;
}

static void assert_topology(const NodeInfo *info, guint nodes, guint sockets, guint cores,
			    guint threads)
{
	g_assert_cmpuint(info->nodes, ==, nodes);
	g_assert_cmpuint(info->sockets, ==, sockets);
	g_assert_cmpuint(info->cores, ==, cores);
	g_assert_cmpuint(info->threads, ==, threads);
}

static void test_regular_host(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(NodeInfo) info = NULL;
	const NodeCell *cell = NULL;

	host_make_regular(host);
	info = read_node(host);

	g_assert_cmpstr(info->model, ==, "x86_64");
	g_assert_cmpuint(info->memory_kib, ==, 8000000);
	g_assert_cmpuint(info->cpus, ==, 8);
	g_assert_cmpuint(info->mhz, ==, 2450);
	g_assert_cmpstr(info->vendor, ==, "AMD");
	assert_topology(info, 2, 1, 2, 2);

	g_assert_cmpuint(info->cells->len, ==, 2);
	cell = info->cells->pdata[1];
	g_assert_cmpuint(cell->id, ==, 1);
	g_assert_cmpuint(cell->memory_kib, ==, 5000000);
	g_assert_cmpuint(cell->free_kib, ==, 2500000);
	g_assert_cmpuint(cell->cpus->len, ==, 4);
	g_assert_cmpuint(g_array_index(cell->cpus, guint, 2), ==, 6);
	g_assert_cmpuint(g_array_index(cell->distances, guint, 0), ==, 21);
}

/* Core numbers start again in each die. */
static void test_dies(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(NodeInfo) info = NULL;

	for (guint i = 0; i < 8; i++) {
		g_autofree char *self = g_strdup_printf("%u", i);

		host_cpu(host, i, 0, (int)i / 4, (int)i % 4, self);
	}
	info = read_node(host);
	assert_topology(info, 1, 1, 8, 1);
}

static void test_host_without_numa_nodes(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(NodeInfo) info = NULL;
	const NodeCell *cell = NULL;

	info = read_node(host);
	g_assert_cmpuint(info->cells->len, ==, 1);
	cell = info->cells->pdata[0];
	g_assert_cmpuint(cell->memory_kib, ==, 8000000);
	g_assert_cmpuint(cell->free_kib, ==, 5000000);
	g_assert_cmpuint(cell->cpus->len, ==, 8);
	/* Nothing is known of cores: each processor counts as one of one and the same core. */
	g_assert_cmpuint(info->nodes * info->sockets * info->cores * info->threads, ==, 8);
}

static void test_irregular_host_is_flat(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(NodeInfo) info = NULL;

	host_make_regular(host);
	host_node(host, 0, "0-1,4", 3000000, "10 21");
	host_node(host, 1, "2-3,5-7", 5000000, "21 10");
	host_file(host, "sys/devices/system/cpu/present", "0-8\n");
	info = read_node(host);
	assert_topology(info, 1, 1, 9, 1);
}

static void test_offline_processor(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(NodeInfo) info = NULL;
	g_autofree guint8 *map = NULL;
	gsize length = 0;
	guint online = 0;

	host_make_regular(host);
	host_file(host, "sys/devices/system/cpu/present", "0-9\n");
	host_file(host, "sys/devices/system/cpu/online", "0-2,4-7\n");
	info = read_node(host);
	g_assert_cmpuint(info->cpus, ==, 7);

	g_assert_cmpuint(node_cpu_map(info, &map, &length, &online), ==, 10);
	g_assert_cmpuint(length, ==, 2);
	g_assert_cmpuint(online, ==, 7);
	g_assert_cmpuint(map[0], ==, 0xf7);
	g_assert_cmpuint(map[1], ==, 0x00);
}

static void test_lists_that_are_none(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const lists[] = { "", "x", "-", "3-", "-3", "5-2", "99999999999" };

	for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_autoptr(GError) error = NULL;

		host_file(host, "sys/devices/system/cpu/online", "%s\n", lists[i]);
		g_assert_null(node_info_read(host->root, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	}
}

static void test_list_that_is_huge_ends(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(NodeInfo) info = NULL;

	host_file(host, "sys/devices/system/cpu/online", "0-4294967295\n");
	info = read_node(host);
	g_assert_cmpuint(info->cpus, ==, 8);
}

static void test_host_without_proc(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *meminfo = g_build_filename(host->root, "proc/meminfo", NULL);
	g_autoptr(GError) error = NULL;
	guint64 bytes = 0;

	g_assert_cmpint(g_remove(meminfo), ==, 0);
	g_assert_null(node_info_read(host->root, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	g_assert_false(node_free_memory(host->root, &bytes, NULL));
}

static void test_memory(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	guint64 bytes = 0, total = 0, free_kib = 0, buffers = 0, cached = 0;

	host_make_regular(host);
	g_assert_true(node_free_memory(host->root, &bytes, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(bytes, ==, G_GUINT64_CONSTANT(5000000) * 1024);

	g_assert_true(
		node_memory_stats(host->root, -1, &total, &free_kib, &buffers, &cached, &error));
	g_assert_cmpuint(total, ==, 8000000);
	g_assert_cmpuint(free_kib, ==, 5000000);
	g_assert_cmpuint(buffers, ==, 10000);
	g_assert_cmpuint(cached, ==, 200000);

	g_assert_true(node_memory_stats(host->root, 1, &total, &free_kib, NULL, NULL, &error));
	g_assert_cmpuint(total, ==, 5000000);
	g_assert_cmpuint(free_kib, ==, 2500000);

	g_assert_false(node_memory_stats(host->root, 7, &total, &free_kib, NULL, NULL, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INVALID_ARG);
}

static void get_uuid(Host *host, char text[VIR_UUID_STRING_BUFLEN])
{
	guint8 uuid[HOST_UUID_SIZE];
	g_autoptr(GError) error = NULL;

	g_assert_true(host_uuid(host->root, uuid, &error));
	g_assert_no_error(error);
	uuid_format(uuid, text);
}

static void test_uuid_of_firmware(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	char text[VIR_UUID_STRING_BUFLEN];

	host_file(host, "sys/class/dmi/id/product_uuid", "4C4C4544-0042-3510-8052-B4C04F4D3333\n");
	host_file(host, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	get_uuid(host, text);
	g_assert_cmpstr(text, ==, "4c4c4544-0042-3510-8052-b4c04f4d3333");
}

static void test_uuid_of_machine_id(Host *host, gconstpointer data)
{
	const char *product_uuid = data;
	char first[VIR_UUID_STRING_BUFLEN];
	char again[VIR_UUID_STRING_BUFLEN];
	char other[VIR_UUID_STRING_BUFLEN];

	if (product_uuid)
		host_file(host, "sys/class/dmi/id/product_uuid", "%s\n", product_uuid);
	host_file(host, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	get_uuid(host, first);
	get_uuid(host, again);
	host_file(host, "etc/machine-id", "0123456789abcdef0123456789abcdee\n");
	get_uuid(host, other);

	g_assert_cmpstr(first, ==, again);
	g_assert_cmpstr(first, !=, other);
	g_assert_false(g_str_has_prefix(first, "01234567"));
	g_assert_cmpint(first[14], ==, '4');
}

static void test_uuid_of_nothing(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	guint8 uuid[HOST_UUID_SIZE];
	g_autoptr(GError) error = NULL;

	g_assert_false(host_uuid(host->root, uuid, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
}

static void assert_valid(const char *xml, const char *schema)
{
	xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(schema);
	xmlRelaxNG *grammar = xmlRelaxNGParse(parser);
	xmlRelaxNGValidCtxt *validator = NULL;
	xmlDoc *document = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET);

	g_assert_nonnull(grammar);
	g_assert_nonnull(document);
	validator = xmlRelaxNGNewValidCtxt(grammar);
	g_assert_cmpint(xmlRelaxNGValidateDoc(validator, document), ==, 0);

	xmlRelaxNGFreeValidCtxt(validator);
	xmlFreeDoc(document);
	xmlRelaxNGFree(grammar);
	xmlRelaxNGFreeParserCtxt(parser);
}

static gboolean has_schemas(void)
{
	if (g_file_test(LIBVIRT_SCHEMADIR "/capability.rng", G_FILE_TEST_EXISTS))
		return TRUE;
	g_test_skip("no " LIBVIRT_SCHEMADIR "/capability.rng");
	return FALSE;
}

static const HostSupport able = {
	.kvm_present = TRUE,
	.kvm_usable = TRUE,
	.max_vcpus = 16,
	.physical_address_bits = 48,
};

static const HostSupport unable = {
	.max_vcpus = 0,
	.reasons = {
		[KVM_MEMORY_WINDOWS] = (char *)"cannot open /dev/kvm: Permission denied",
		[KVM_MEMORY_TWO_SIDED] = (char *)"cannot open /dev/kvm: Permission denied",
	},
};

/* As a distribution's kernel is, since 6.18. */
static const HostSupport stock = {
	.kvm_present = TRUE,
	.kvm_usable = TRUE,
	.max_vcpus = 16,
	.reasons = { [KVM_MEMORY_TWO_SIDED] = (char *)"it lacks <this> & that" },
};

static void test_capabilities(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *xml = NULL;
	g_autofree char *without = NULL;

	host_make_regular(host);
	host_file(host, "etc/machine-id", "0123456789abcdef0123456789abcdef\n");
	xml = host_capabilities_xml_below(host->root, &able, EMULATOR, "+70000:+70000", &error);
	g_assert_no_error(error);
	g_assert_nonnull(strstr(xml, "<arch name='x86_64'>"));
	g_assert_nonnull(strstr(xml, "<machine maxCpus='16'>q35</machine>"));
	g_assert_nonnull(strstr(xml, "<domain type='kvm'/>"));
	g_assert_nonnull(strstr(xml, "<cells num='2'>"));
	g_assert_nonnull(strstr(xml, "siblings='2,6'/>"));

	without = host_capabilities_xml_below(host->root, &unable, EMULATOR, NULL, &error);
	g_assert_no_error(error);
	g_assert_null(strstr(without, "<guest>"));
	g_assert_nonnull(strstr(xml, "<baselabel type='kvm'>+70000:+70000</baselabel>"));
	g_assert_null(strstr(without, "<secmodel>"));

	if (has_schemas()) {
		assert_valid(xml, LIBVIRT_SCHEMADIR "/capability.rng");
		assert_valid(without, LIBVIRT_SCHEMADIR "/capability.rng");
	}
}

static void test_capabilities_of_this_host(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *xml = host_capabilities_xml(&able, EMULATOR, "+70000:+70000", &error);

	g_assert_no_error(error);
	if (has_schemas())
		assert_valid(xml, LIBVIRT_SCHEMADIR "/capability.rng");
}

static void test_domain_capabilities(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) none = g_ptr_array_new();
	g_autofree char *yes = host_domain_capabilities_xml(&able, none, EMULATOR, NULL, NULL, NULL,
							    NULL, &error);
	g_autofree char *no = host_domain_capabilities_xml(&unable, none, EMULATOR, EMULATOR,
							   "x86_64", "q35", "kvm", &error);
	g_autofree char *some = host_domain_capabilities_xml(&stock, none, EMULATOR, NULL, NULL,
							     NULL, NULL, &error);

	g_assert_no_error(error);
	g_assert_nonnull(strstr(yes, "<launchSecurity supported='yes'>"));
	g_assert_nonnull(strstr(yes, "<value>sw-protected</value>"));
	g_assert_nonnull(strstr(no, "<launchSecurity supported='no'/>"));
	g_assert_null(strstr(no, "sw-protected"));
	g_assert_nonnull(strstr(yes, "<gmem:kind name='two-sided' supported='yes'/>"));
	g_assert_nonnull(strstr(yes, "<gmem:kind name='windows' supported='yes'/>"));
	g_assert_null(strstr(yes, "reason"));
	g_assert_nonnull(strstr(no, "<gmem:kind name='windows' supported='no'>"));
	g_assert_nonnull(strstr(no, "<gmem:reason>cannot open /dev/kvm: Permission denied</"));
	/* libvirt's own element is about what is said by its own words. */
	g_assert_nonnull(strstr(some, "<launchSecurity supported='no'/>"));
	g_assert_nonnull(strstr(some, "<gmem:reason>it lacks &lt;this&gt; &amp; that</"));
	g_assert_nonnull(strstr(some, "<gmem:kind name='windows' supported='yes'/>"));

	if (has_schemas()) {
		g_autofree char *schema = g_build_filename(g_getenv("LIBVIRT_GMEM_SCHEMADIR"),
							   "domaincaps.rng", NULL);

		assert_valid(yes, schema);
		assert_valid(no, schema);
		assert_valid(some, schema);
	}
}

/* The firmware that is described, as far as its files are there. */
static void test_domain_capabilities_of_firmware(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder = g_build_filename(host->root, "firmware", NULL);
	g_autofree char *code = g_build_filename(host->root, "code.fd", NULL);
	const char *const folders[] = { folder, NULL };
	g_autoptr(GPtrArray) descriptors = NULL;
	g_autoptr(GError) error = NULL;
	g_autofree char *value = g_strdup_printf("<value>%s</value>", code);
	g_autofree char *xml = NULL;

	host_file(host, "code.fd", "x");
	host_file(host, "firmware/50-a.json",
		  "{\"interface-types\": [\"uefi\"], \"mapping\": {\"device\": \"flash\","
		  "\"executable\": {\"filename\": \"%s\", \"format\": \"raw\"},"
		  "\"nvram-template\": {\"filename\": \"/vars\", \"format\": \"raw\"}},"
		  "\"targets\": [{\"architecture\": \"x86_64\", \"machines\": [\"pc-q35-*\"]}],"
		  "\"features\": []}",
		  code);
	descriptors = firmware_descriptors_load(folders);
	xml = host_domain_capabilities_xml(&able, descriptors, EMULATOR, NULL, NULL, NULL, NULL,
					   &error);
	g_assert_no_error(error);
	g_assert_nonnull(strstr(xml, "<value>efi</value>"));
	g_assert_nonnull(strstr(xml, value));
	g_assert_nonnull(strstr(xml, "<value>pflash</value>"));
	g_assert_nonnull(strstr(xml, "<mode name='host-model' supported='yes'/>"));
	if (has_schemas()) {
		g_autofree char *schema = g_build_filename(g_getenv("LIBVIRT_GMEM_SCHEMADIR"),
							   "domaincaps.rng", NULL);

		assert_valid(xml, schema);
	}
}

static void test_domain_capabilities_of_others(void)
{
	static const struct {
		const char *emulator, *arch, *machine, *virttype;
	} questions[] = {
		{ "/usr/bin/qemu-system-x86_64", NULL, NULL, NULL },
		{ NULL, "aarch64", NULL, NULL },
		{ NULL, NULL, "pc", NULL },
		{ NULL, NULL, NULL, "qemu" },
	};

	g_autoptr(GPtrArray) none = g_ptr_array_new();

	for (gsize i = 0; i < G_N_ELEMENTS(questions); i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(host_domain_capabilities_xml(
			&able, none, EMULATOR, questions[i].emulator, questions[i].arch,
			questions[i].machine, questions[i].virttype, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_INVALID_ARG);
	}
}

/* What ioctl() says to whom while a test has a KVM of its own; see below. */
typedef struct {
	int vm_types, attributes, guest_memfd_flags, max_vcpus;
	guint64 userfault_features;
} FakeKvm;

static const FakeKvm *fake_kvm;

static int check_extension(unsigned long capability)
{
	switch (capability) {
	case KVM_CAP_VM_TYPES:
		return fake_kvm->vm_types;
	case KVM_CAP_MEMORY_ATTRIBUTES:
		return fake_kvm->attributes;
	case KVM_CAP_GUEST_MEMFD_FLAGS:
		return fake_kvm->guest_memfd_flags;
	case KVM_CAP_MAX_VCPUS:
		return fake_kvm->max_vcpus;
	case KVM_CAP_EXIT_HYPERCALL:
		return 1 << KVM_HC_MAP_GPA_RANGE;
	default:
		return 1;
	}
}

/* The kernel's, but where a test has made up a KVM, whatever the descriptor. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (!fake_kvm)
		return (int)syscall(SYS_ioctl, fd, request, argument);
	switch (request) {
	case KVM_GET_API_VERSION:
		return KVM_API_VERSION;
	case KVM_CHECK_EXTENSION:
		return check_extension((unsigned long)argument);
	case USERFAULTFD_IOC_NEW:
		return dup(fd);
	case UFFDIO_API:
		errno = EINVAL;
		return ((struct uffdio_api *)argument)->features & ~fake_kvm->userfault_features ?
			       -1 :
			       0;
	default:
		g_error("ioctl %#lx was not to be asked for", request);
	}
}

static const FakeKvm all_of_kvm = {
	.vm_types = 1 << KVM_X86_DEFAULT_VM | 1 << KVM_X86_SW_PROTECTED_VM,
	.attributes = KVM_MEMORY_ATTRIBUTE_PRIVATE,
	.guest_memfd_flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	.max_vcpus = 7,
	.userfault_features = UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EVENT_REMAP,
};

/* Files stand for the devices. */
static HostSupport *probe(Host *host, const FakeKvm *kvm, const char *without)
{
	static const char *const names[] = { "kvm", "userfaultfd", "max_map_count", "pagemap" };
	char *paths[G_N_ELEMENTS(names)];
	HostSupport *support;

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		paths[i] = g_build_filename(host->root, names[i], NULL);
		host_file(host, names[i], "65530\n");
		if (g_strcmp0(without, names[i]) == 0)
			g_assert_no_errno(g_remove(paths[i]));
	}
	fake_kvm = kvm;
	support = host_support_probe(&(const HostPlaces){ paths[0], paths[1], paths[2], paths[3] });
	fake_kvm = NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
		g_free(paths[i]);
	return support;
}

static void assert_reason(const HostSupport *support, KvmMemoryKind kind, const char *words)
{
	const char *reason = support->reasons[kind];

	if (!reason || !strstr(reason, words))
		g_error("'%s' was to be the reason, and not '%s'", words, reason);
	g_assert_false(host_support_has_all(support));
}

static void test_kvm_with_all(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	const guint fds = count_fds();
	g_autoptr(HostSupport) support = probe(host, &all_of_kvm, NULL);
	g_autoptr(HostSupport) copy = host_support_copy(support);

	g_assert_true(support->kvm_present);
	g_assert_true(support->kvm_usable);
	g_assert_cmpuint(support->max_vcpus, ==, 7);
	for (guint i = 0; i < KVM_MEMORY_KINDS; i++)
		g_assert_null(support->reasons[i]);
	g_assert_true(host_support_has_all(support));
	g_assert_true(host_support_has_all(copy));
	g_assert_cmpuint(count_fds(), ==, fds);
}

static void test_kvm_with_some(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	FakeKvm kvm = all_of_kvm;
	g_autoptr(HostSupport) stock_kernel = NULL, old_kernel = NULL, copy = NULL;

	kvm.vm_types = 1 << KVM_X86_DEFAULT_VM;
	stock_kernel = probe(host, &kvm, NULL);
	g_assert_null(stock_kernel->reasons[KVM_MEMORY_WINDOWS]);
	assert_reason(stock_kernel, KVM_MEMORY_TWO_SIDED, "CONFIG_KVM_SW_PROTECTED_VM");
	copy = host_support_copy(stock_kernel);
	assert_reason(copy, KVM_MEMORY_TWO_SIDED, "CONFIG_KVM_SW_PROTECTED_VM");

	kvm = all_of_kvm;
	kvm.guest_memfd_flags = 0;
	old_kernel = probe(host, &kvm, NULL);
	g_assert_null(old_kernel->reasons[KVM_MEMORY_TWO_SIDED]);
	assert_reason(old_kernel, KVM_MEMORY_WINDOWS, "Linux 6.18");
}

/* What is no matter of KVM's. */
static void test_kernel_without(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	FakeKvm kvm = all_of_kvm;
	g_autoptr(HostSupport) no_pagemap = probe(host, &kvm, "pagemap");
	g_autoptr(HostSupport) no_count = probe(host, &kvm, "max_map_count");
	g_autoptr(HostSupport) no_moves = NULL;

	assert_reason(no_pagemap, KVM_MEMORY_WINDOWS, "CONFIG_PROC_PAGE_MONITOR");
	g_assert_null(no_pagemap->reasons[KVM_MEMORY_TWO_SIDED]);
	assert_reason(no_count, KVM_MEMORY_WINDOWS, "max_map_count");
	g_assert_null(no_count->reasons[KVM_MEMORY_TWO_SIDED]);
	kvm.userfault_features = UFFD_FEATURE_THREAD_ID;
	no_moves = probe(host, &kvm, NULL);
	assert_reason(no_moves, KVM_MEMORY_WINDOWS, "UFFD_FEATURE_EVENT_REMAP");
	g_assert_null(no_moves->reasons[KVM_MEMORY_TWO_SIDED]);
}

/* Who may not open the device cannot give it to a VMM; a folder is opened for writing by nobody. */
static void test_userfaultfd_that_cannot_be_opened(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *kvm = g_build_filename(host->root, "kvm", NULL);
	const HostPlaces places = {
		.kvm = kvm,
		.userfaultfd = host->root,
		.max_map_count = KVM_SUPPORT_MAX_MAP_COUNT,
		.pagemap = KVM_SUPPORT_PAGEMAP,
	};
	g_autoptr(HostSupport) support = NULL;

	host_file(host, "kvm", "x");
	fake_kvm = &all_of_kvm;
	support = host_support_probe(&places);
	fake_kvm = NULL;
	assert_reason(support, KVM_MEMORY_WINDOWS, host->root);
	assert_reason(support, KVM_MEMORY_TWO_SIDED, "Is a directory");
}

static HostSupport *probe_kvm(const char *path)
{
	HostPlaces places = host_places;

	places.kvm = path;
	return host_support_probe(&places);
}

static void test_no_kvm(void)
{
	g_autoptr(HostSupport) support = probe_kvm("/nonexistent/kvm");

	g_assert_false(support->kvm_present);
	g_assert_false(support->kvm_usable);
	for (guint i = 0; i < KVM_MEMORY_KINDS_ALL.n_kinds; i++)
		g_assert_cmpstr(support->reasons[KVM_MEMORY_KINDS_ALL.kinds[i]], ==,
				"cannot open /nonexistent/kvm: No such file or directory");
}

static void test_device_that_is_not_kvm(void)
{
	g_autoptr(HostSupport) support = probe_kvm("/dev/null");

	g_assert_true(support->kvm_present);
	g_assert_false(support->kvm_usable);
	assert_reason(support, KVM_MEMORY_WINDOWS, "not KVM");
	assert_reason(support, KVM_MEMORY_TWO_SIDED, "not KVM");
}

/* Whatever this host has. */
static void test_kvm_of_this_host(void)
{
	g_autoptr(HostSupport) support = host_support_probe(&host_places);

	if (support->kvm_usable)
		g_assert_cmpuint(support->max_vcpus, >=, 1);
	else
		g_assert_false(host_support_has_all(support));
	g_assert_cmpuint(support->max_vcpus, <=, DOMAIN_MAX_VCPUS);
}

static void add(const char *path, gconstpointer data, void (*function)(Host *, gconstpointer))
{
	g_test_add(path, Host, data, host_setup, function, host_teardown);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_setenv("LC_ALL", "C", TRUE);

	add("/host/node/regular", NULL, test_regular_host);
	add("/host/node/dies", NULL, test_dies);
	add("/host/node/without-numa-nodes", NULL, test_host_without_numa_nodes);
	add("/host/node/irregular-is-flat", NULL, test_irregular_host_is_flat);
	add("/host/node/offline-processor", NULL, test_offline_processor);
	add("/host/node/lists-that-are-none", NULL, test_lists_that_are_none);
	add("/host/node/list-that-is-huge-ends", NULL, test_list_that_is_huge_ends);
	add("/host/node/without-proc", NULL, test_host_without_proc);
	add("/host/node/memory", NULL, test_memory);
	add("/host/uuid/of-firmware", NULL, test_uuid_of_firmware);
	add("/host/uuid/of-machine-id", NULL, test_uuid_of_machine_id);
	add("/host/uuid/of-machine-id-when-firmware-says-nothing",
	    "00000000-0000-0000-0000-000000000000", test_uuid_of_machine_id);
	add("/host/uuid/of-machine-id-when-firmware-says-ones",
	    "ffffffff-ffff-ffff-ffff-ffffffffffff", test_uuid_of_machine_id);
	add("/host/uuid/of-machine-id-when-firmware-says-rubbish", "To be filled",
	    test_uuid_of_machine_id);
	add("/host/uuid/of-nothing", NULL, test_uuid_of_nothing);
	add("/host/capabilities/are-valid", NULL, test_capabilities);
	g_test_add_func("/host/capabilities/of-this-host-are-valid",
			test_capabilities_of_this_host);
	g_test_add_func("/host/domain-capabilities/are-valid", test_domain_capabilities);
	add("/host/domain-capabilities/of-firmware", NULL, test_domain_capabilities_of_firmware);
	g_test_add_func("/host/domain-capabilities/of-others-are-refused",
			test_domain_capabilities_of_others);
	add("/host/kvm/with-all", NULL, test_kvm_with_all);
	add("/host/kvm/with-some", NULL, test_kvm_with_some);
	add("/host/kvm/kernel-without", NULL, test_kernel_without);
	add("/host/kvm/userfaultfd-that-cannot-be-opened", NULL,
	    test_userfaultfd_that_cannot_be_opened);
	g_test_add_func("/host/kvm/absent", test_no_kvm);
	g_test_add_func("/host/kvm/another-device", test_device_that_is_not_kvm);
	g_test_add_func("/host/kvm/of-this-host", test_kvm_of_this_host);

	return g_test_run();
}
