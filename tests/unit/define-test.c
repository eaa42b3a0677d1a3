/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* define-test.c - what defining and undefining does, asked by the procedures themselves */
#include <string.h>
#include <unistd.h>

#include "driver/calls/calls.h"
#include "driver/error.h"
#include "driver/rpc/server.h"
#include "support.h"

#define EMULATOR "/usr/lib/gmem-vmm"

#define KEEP	 VIR_DOMAIN_UNDEFINE_KEEP_NVRAM
#define REMOVE	 VIR_DOMAIN_UNDEFINE_NVRAM

typedef struct {
	char *folder;
	char *vars;
	Driver driver;
	RpcCall call;
	guint fds;
} Fixture;

static char *make_folder(const Fixture *fixture, const char *name)
{
	char *path = g_build_filename(fixture->folder, name, NULL);

	g_assert_no_errno(g_mkdir(path, 0700));
	return path;
}

static void put(const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
}

/* A host without KVM, but for what a test says of it. */
static const HostPlaces no_places = {
	.kvm = "/nowhere/kvm",
	.userfaultfd = "/nowhere/userfaultfd",
	.max_map_count = "/nowhere/max_map_count",
	.pagemap = "/nowhere/pagemap",
};

static void allow(Fixture *fixture, KvmMemoryKinds kinds)
{
	driver_set_memory_kinds(&fixture->driver, &kinds, "/etc/some.conf");
}

/* The host has a kind; what it has is not looked for again. */
static void offer(Fixture *fixture, KvmMemoryKind kind)
{
	g_clear_pointer(&fixture->driver.support->reasons[kind], g_free);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	Driver *driver = &fixture->driver;

	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("define-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->vars = g_build_filename(fixture->folder, "vars.fd", NULL);
	driver->paths.config = make_folder(fixture, "config");
	driver->paths.autostart = make_folder(fixture, "config/autostart");
	driver->paths.nvram = make_folder(fixture, "nvram");
	driver->emulator = g_strdup(EMULATOR);
	driver->places = &no_places;
	driver->support = host_support_probe(&no_places);
	allow(fixture, KVM_MEMORY_KINDS_ALL);
	/* So that no descriptor of who runs the test is read. */
	driver->is_system = TRUE;
	driver->domains = domain_list_new();
	driver->server = rpc_server_new(calls_tables, "gmem:///system", driver);
	fixture->call.driver = driver;
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	Driver *driver = &fixture->driver;

	domain_list_free(driver->domains);
	rpc_server_free(driver->server);
	remove_tree(fixture->folder);
	host_support_free(driver->support);
	g_free(driver->settings_path);
	g_free(driver->emulator);
	g_free(driver->paths.nvram);
	g_free(driver->paths.autostart);
	g_free(driver->paths.config);
	g_free(fixture->vars);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

/* As a client's call: what the table says of the procedure is seen to. */
static gboolean call(Fixture *fixture, guint32 number, const void *args, void *result,
		     GError **error)
{
	const RpcProcedure *const tables[] = { calls_define, calls_lifecycle };

	for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
		for (const RpcProcedure *row = tables[i]; row->name; row++)
			if (row->number == number)
				return rpc_dispatch(row, &fixture->call, args, result, error);
	g_assert_not_reached();
}

/* Return: a domain whose variables are in the fixture's file; for domain_unref(). */
static Domain *define(Fixture *fixture, const char *name)
{
	g_autofree char *xml =
		g_strdup_printf("<domain type='kvm'><name>%s</name><memory unit='MiB'>64</memory>"
				"<os><type arch='x86_64'>hvm</type>"
				"<loader readonly='yes' type='pflash'>/nowhere/code.fd</loader>"
				"<nvram>%s</nvram></os>"
				"<launchSecurity type='sw-protected'/></domain>",
				name, fixture->vars);
	DomainDefineXmlFlags_args args = { .xml = xml };
	DomainDefineXmlFlags_ret ret = { 0 };
	g_autoptr(GError) error = NULL;
	Domain *domain;

	call(fixture, RPC_DOMAIN_DEFINE_XML_FLAGS, &args, &ret, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(ret.dom.name, ==, name);
	g_free(ret.dom.name);
	domain = domain_list_find_name(fixture->driver.domains, name, &error);
	g_assert_no_error(error);
	return domain;
}

static gboolean undefine(Fixture *fixture, Domain *domain, guint flags, GError **error)
{
	DomainUndefineFlags_args args = { .flags = flags };

	args.dom.name = domain->name;
	memcpy(args.dom.uuid, domain->uuid, sizeof(args.dom.uuid));
	return call(fixture, RPC_DOMAIN_UNDEFINE_FLAGS, &args, NULL, error);
}

static void assert_undefined(Fixture *fixture, Domain *domain, guint flags)
{
	g_autofree char *file = g_strconcat(domain->name, ".xml", NULL);
	g_autofree char *path = g_build_filename(fixture->driver.paths.config, file, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_true(undefine(fixture, domain, flags, &error));
	g_assert_no_error(error);
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void assert_refused(Fixture *fixture, Domain *domain, guint flags, int code,
			   const char *words)
{
	g_autofree char *file = g_strconcat(domain->name, ".xml", NULL);
	g_autofree char *path = g_build_filename(fixture->driver.paths.config, file, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(undefine(fixture, domain, flags, &error));
	g_assert_error(error, DRIVER_ERROR, code);
	if (!strstr(error->message, words))
		g_test_message("'%s' is not in '%s'", words, error->message);
	g_assert_nonnull(strstr(error->message, words));
	/* Nothing is done by half. */
	g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	g_assert_true(g_file_test(fixture->vars, G_FILE_TEST_EXISTS));
}

/* As if the domain had been started with what is defined now. */
static void run(Fixture *fixture, Domain *domain)
{
	g_mutex_lock(&domain->lock);
	domain->live = domain_def_copy(domain->config);
	domain->live->id = 1;
	g_mutex_unlock(&domain->lock);
	g_assert_true(
		domain_list_claim_nvram(fixture->driver.domains, domain, fixture->vars, NULL));
}

static void stop(Domain *domain)
{
	g_mutex_lock(&domain->lock);
	g_clear_pointer(&domain->live, domain_def_free);
	g_clear_pointer(&domain->nvram, g_free);
	g_mutex_unlock(&domain->lock);
}

static void test_nvram_wants_a_word(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(Domain) domain = define(fixture, "guest");

	put(fixture->vars, "written by the guest");
	assert_refused(fixture, domain, 0, VIR_ERR_OPERATION_INVALID,
		       "cannot undefine domain with nvram");
	assert_refused(fixture, domain, KEEP | REMOVE, VIR_ERR_OPERATION_INVALID,
		       "cannot both keep and delete nvram");
	assert_undefined(fixture, domain, KEEP);
	g_assert_true(g_file_test(fixture->vars, G_FILE_TEST_EXISTS));
}

static void test_nvram_is_removed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(Domain) domain = define(fixture, "guest");

	put(fixture->vars, "written by the guest");
	assert_undefined(fixture, domain, REMOVE);
	g_assert_false(g_file_test(fixture->vars, G_FILE_TEST_EXISTS));
	g_assert_null(domain->nvram);
}

/* Before its first start a domain has none yet. */
static void test_nvram_that_is_not_there(Fixture *fixture, gconstpointer data)
{
	g_autoptr(Domain) domain = define(fixture, "guest");

	assert_undefined(fixture, domain, GPOINTER_TO_UINT(data));
}

static void test_flags_about_what_no_domain_has(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
			    VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
			    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA | VIR_DOMAIN_UNDEFINE_KEEP_TPM;
	g_autoptr(Domain) domain = define(fixture, "guest");

	put(fixture->vars, "written by the guest");
	assert_refused(fixture, domain, flags | 1u << 31, VIR_ERR_INVALID_ARG, "unsupported flags");
	assert_undefined(fixture, domain, flags | KEEP);
}

/* The guest that runs with a file keeps it, whoever else names it. */
static void test_nvram_of_another_that_runs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(Domain) running = define(fixture, "running");
	g_autoptr(Domain) other = define(fixture, "other");

	put(fixture->vars, "written by the guest");
	run(fixture, running);
	assert_refused(fixture, other, REMOVE, VIR_ERR_RESOURCE_BUSY,
		       "is in use by domain 'running'");
	assert_undefined(fixture, other, KEEP);
	g_assert_true(g_file_test(fixture->vars, G_FILE_TEST_EXISTS));
	stop(running);
}

static void test_domain_that_runs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(Domain) domain = define(fixture, "guest");

	put(fixture->vars, "written by the guest");
	run(fixture, domain);
	assert_undefined(fixture, domain, REMOVE);
	g_assert_false(g_file_test(fixture->vars, G_FILE_TEST_EXISTS));

	/* It is transient now, and its file its own until it ends. */
	g_assert_cmpstr(domain->nvram, ==, fixture->vars);
	g_assert_null(domain->config);
	g_assert_nonnull(domain->live);
	g_assert_false(undefine(fixture, domain, KEEP, NULL));
	stop(domain);
	domain_list_drop_invisible(fixture->driver.domains, domain);
}

/* A domain without firmware variables, with @inside as a child of <domain>. */
static gboolean define_with(Fixture *fixture, const char *inside, GError **error)
{
	g_autofree char *xml = g_strdup_printf(
		"<domain type='kvm'><name>guest</name>"
		"<uuid>6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01</uuid><memory unit='MiB'>64</memory>"
		"<os><type arch='x86_64'>hvm</type><kernel>/k</kernel></os>%s"
		"<launchSecurity type='sw-protected'/></domain>",
		inside);
	DomainDefineXmlFlags_args args = { .xml = xml };
	DomainDefineXmlFlags_ret ret = { 0 };
	gboolean defined = call(fixture, RPC_DOMAIN_DEFINE_XML_FLAGS, &args, &ret, error);

	g_free(ret.dom.name);
	return defined;
}

static char *repeated(const char *text, guint times)
{
	g_autoptr(GString) all = g_string_new(NULL);

	for (guint i = 0; i < times; i++)
		g_string_append(all, text);
	return g_string_free(g_steal_pointer(&all), FALSE);
}

static void test_emulator_is_named(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Domain) domain = NULL;

	define_with(fixture, "", &error);
	g_assert_no_error(error);
	domain = domain_list_find_name(fixture->driver.domains, "guest", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(domain->config->emulator, ==, EMULATOR);

	define_with(fixture, "<devices><emulator>/opt/another</emulator></devices>", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(domain->config->emulator, ==, "/opt/another");
}

/* What would be acknowledged, not be shown, and be gone after a restart. */
static void test_what_grows_when_it_is_written(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const elements[] = { "description", "title", "metadata" };
	g_autofree char *many = repeated(">", 3900000);
	g_autofree char *file = g_build_filename(fixture->driver.paths.config, "guest.xml", NULL);

	for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
		g_autofree char *inside = g_strdup_printf("<%s>%s</%s>", elements[i], many,
							  elements[i]);
		g_autoptr(GError) error = NULL;

		g_assert_false(define_with(fixture, inside, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
		g_assert_true(g_str_has_prefix(error->message,
					       "unsupported configuration: domain 'guest' has "
					       "1560"));
		g_assert_nonnull(strstr(error->message, "and 4190144 are the most"));
		g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
		g_assert_null(domain_list_find_name(fixture->driver.domains, "guest", NULL));
	}
}

/* A definition that is there stays, whole. */
static void test_refused_redefinition(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *many = repeated(">", 3900000);
	g_autofree char *inside = g_strdup_printf("<description>%s</description>", many);
	g_autoptr(GError) error = NULL;
	g_autoptr(Domain) domain = NULL;

	define_with(fixture, "<description>the first</description>", &error);
	g_assert_no_error(error);
	g_assert_false(define_with(fixture, inside, NULL));
	domain = domain_list_find_name(fixture->driver.domains, "guest", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(domain->config->description, ==, "the first");
}

/* The longest text that a client can send takes no more when it is written. */
static void test_text_of_four_megabytes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const elements[] = { "description", "metadata" };
	g_autofree char *text = repeated("0123456789", 418000);

	for (gsize i = 0; i < G_N_ELEMENTS(elements); i++) {
		g_autofree char *inside = g_strdup_printf("<%s>%s</%s>", elements[i], text,
							  elements[i]);
		g_autoptr(GError) error = NULL;
		g_autoptr(Domain) domain = NULL;

		define_with(fixture, inside, &error);
		g_assert_no_error(error);
		domain = domain_list_find_name(fixture->driver.domains, "guest", &error);
		g_assert_no_error(error);
		assert_undefined(fixture, domain, 0);
	}
}

/*
 * Metadata is written with the declarations of all the namespaces that it uses, wherever the
 * document had them: so its element may get more than can be read.
 */
static void test_what_could_not_be_read_again(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GString) xml = g_string_new("<domain type='kvm'");
	DomainDefineXmlFlags_args args = { 0 };
	DomainDefineXmlFlags_ret ret = { 0 };
	g_autoptr(GError) error = NULL;

	for (guint i = 0; i < 200; i++)
		g_string_append_printf(xml, " xmlns:n%u='urn:%u'", i, i);
	g_string_append(xml, "><name>guest</name><memory unit='MiB'>64</memory>"
			     "<os><type arch='x86_64'>hvm</type><kernel>/k</kernel></os>"
			     "<launchSecurity type='sw-protected'/><metadata");
	for (guint i = 0; i < 200; i++)
		g_string_append_printf(xml, " n%u:a='1'", i);
	g_string_append(xml, "/></domain>");
	args.xml = xml->str;
	g_assert_false(call(fixture, RPC_DOMAIN_DEFINE_XML_FLAGS, &args, &ret, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_nonnull(strstr(error->message, "could not be read again as it would be written"));
	g_assert_nonnull(strstr(error->message, "400 attributes of one element"));
}

static gboolean define_memory(Fixture *fixture, const char *elements, GError **error)
{
	g_autofree char *xml = g_strdup_printf(
		"<domain type='kvm'><name>guest</name>"
		"<uuid>6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01</uuid><memory unit='MiB'>64</memory>"
		"<os><type arch='x86_64'>hvm</type><kernel>/k</kernel></os>%s</domain>",
		elements);
	DomainDefineXmlFlags_args args = { .xml = xml };
	DomainDefineXmlFlags_ret ret = { 0 };
	gboolean defined = call(fixture, RPC_DOMAIN_DEFINE_XML_FLAGS, &args, &ret, error);

	g_free(ret.dom.name);
	return defined;
}

#define PROTECTED "<launchSecurity type='sw-protected'/>"
#define PRIVATE	  "<memoryBacking><private/></memoryBacking>"

/* Defines a domain that becomes one of a kind, and shows it. */
static void assert_kind(Fixture *fixture, const char *elements, KvmMemoryKind wanted)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Domain) domain = NULL;
	g_autofree char *xml = NULL;
	KvmMemoryKind kind;

	define_memory(fixture, elements, &error);
	g_assert_no_error(error);
	domain = domain_list_find_name(fixture->driver.domains, "guest", &error);
	g_assert_no_error(error);
	g_assert_true(domain_def_memory_kind(domain->config, &kind));
	g_assert_cmpint(kind, ==, wanted);
	xml = domain_def_format(domain->config, DOMAIN_FORMAT_INACTIVE);
	g_assert_nonnull(strstr(xml, "<private"));
	g_assert_cmpint(strstr(xml, "sw-protected") != NULL, ==, wanted == KVM_MEMORY_TWO_SIDED);
}

static void assert_memory_refused(Fixture *fixture, const char *elements, const char *words)
{
	g_autofree char *file = g_build_filename(fixture->driver.paths.config, "guest.xml", NULL);
	g_autoptr(GError) error = NULL;

	g_assert_false(define_memory(fixture, elements, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	if (!strstr(error->message, words))
		g_error("'%s' is not in '%s'", words, error->message);
	g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

/* Definitions are kept for the day on which the host can run them. */
static void test_memory_that_is_said(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_kind(fixture, PRIVATE, KVM_MEMORY_WINDOWS);
	assert_kind(fixture, PROTECTED, KVM_MEMORY_TWO_SIDED);
	assert_kind(fixture, PRIVATE PROTECTED, KVM_MEMORY_TWO_SIDED);
	offer(fixture, KVM_MEMORY_TWO_SIDED);
	assert_kind(fixture, PRIVATE, KVM_MEMORY_WINDOWS);
}

static void test_memory_that_is_chosen(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const KvmMemoryKinds windows_first = { { KVM_MEMORY_WINDOWS, KVM_MEMORY_TWO_SIDED }, 2 };

	offer(fixture, KVM_MEMORY_WINDOWS);
	assert_kind(fixture, "", KVM_MEMORY_WINDOWS);
	offer(fixture, KVM_MEMORY_TWO_SIDED);
	assert_kind(fixture, "", KVM_MEMORY_TWO_SIDED);
	allow(fixture, windows_first);
	assert_kind(fixture, "", KVM_MEMORY_WINDOWS);
}

static void test_no_memory_to_choose(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const KvmMemoryKinds windows = { { KVM_MEMORY_WINDOWS }, 1 };

	assert_memory_refused(fixture, "",
			      "two-sided (cannot open /nowhere/kvm: No such file or directory), "
			      "windows (cannot open /nowhere/kvm: No such file or directory)");
	offer(fixture, KVM_MEMORY_TWO_SIDED);
	allow(fixture, windows);
	assert_memory_refused(fixture, "",
			      "two-sided ('memory_kinds' in '/etc/some.conf' does not have it), "
			      "windows (cannot open /nowhere/kvm: ");
}

static void test_memory_that_is_not_allowed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const KvmMemoryKinds windows = { { KVM_MEMORY_WINDOWS }, 1 };
	const KvmMemoryKinds two_sided = { { KVM_MEMORY_TWO_SIDED }, 1 };

	offer(fixture, KVM_MEMORY_TWO_SIDED);
	offer(fixture, KVM_MEMORY_WINDOWS);
	allow(fixture, windows);
	assert_memory_refused(fixture, PROTECTED,
			      "element 'launchSecurity' asks for memory of the kind 'two-sided', "
			      "which 'memory_kinds' in '/etc/some.conf' does not have");
	assert_kind(fixture, "", KVM_MEMORY_WINDOWS);
	allow(fixture, two_sided);
	g_assert_false(define_memory(fixture, PRIVATE, NULL));
	assert_kind(fixture, "", KVM_MEMORY_TWO_SIDED);
}

static void assert_start_refused(Fixture *fixture, const char *words)
{
	g_autoptr(Domain) domain = domain_list_find_name(fixture->driver.domains, "guest", NULL);
	DomainCreate_args args = { .dom.name = domain->name };
	g_autoptr(GError) error = NULL;

	memcpy(args.dom.uuid, domain->uuid, sizeof(args.dom.uuid));
	g_assert_false(call(fixture, RPC_DOMAIN_CREATE, &args, NULL, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	if (!strstr(error->message, words))
		g_error("'%s' is not in '%s'", words, error->message);
}

/* A configuration or a host that has changed since. */
static void test_start_without_its_memory(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const KvmMemoryKinds two_sided = { { KVM_MEMORY_TWO_SIDED }, 1 };

	offer(fixture, KVM_MEMORY_TWO_SIDED);
	assert_kind(fixture, PRIVATE, KVM_MEMORY_WINDOWS);
	assert_start_refused(fixture,
			     "element 'memoryBacking/private' asks for memory of the kind "
			     "'windows', which this host does not have: cannot open /nowhere/kvm");
	offer(fixture, KVM_MEMORY_WINDOWS);
	allow(fixture, two_sided);
	assert_start_refused(fixture, "'memory_kinds' in '/etc/some.conf'");
}

/* What was there stays known to a daemon that can open nothing now. */
static void test_support_that_was_seen(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const KvmMemoryKinds windows = { { KVM_MEMORY_WINDOWS }, 1 };
	g_autoptr(HostSupport) all = NULL, allowed = NULL;

	offer(fixture, KVM_MEMORY_TWO_SIDED);
	fixture->driver.support->kvm_usable = TRUE;
	fixture->driver.support->max_vcpus = 5;
	all = driver_support(&fixture->driver);
	g_assert_null(all->reasons[KVM_MEMORY_TWO_SIDED]);
	g_assert_nonnull(all->reasons[KVM_MEMORY_WINDOWS]);
	g_assert_true(all->kvm_usable);
	g_assert_cmpuint(all->max_vcpus, ==, 5);

	allow(fixture, windows);
	allowed = driver_support(&fixture->driver);
	g_assert_cmpstr(allowed->reasons[KVM_MEMORY_TWO_SIDED], ==,
			"'memory_kinds' in '/etc/some.conf' does not have it");
}

static void add(const char *path, guint flags, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, GUINT_TO_POINTER(flags), start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	/* Its descriptor stays open from the first use on. */
	g_main_context_default();

	add("/undefine/nvram/wants-a-word", 0, test_nvram_wants_a_word);
	add("/undefine/nvram/is-removed", 0, test_nvram_is_removed);
	add("/undefine/nvram/not-there", 0, test_nvram_that_is_not_there);
	add("/undefine/nvram/not-there-to-be-removed", REMOVE, test_nvram_that_is_not_there);
	add("/undefine/nvram/of-another-that-runs", 0, test_nvram_of_another_that_runs);
	add("/undefine/flags-about-what-no-domain-has", 0, test_flags_about_what_no_domain_has);
	add("/undefine/domain-that-runs", 0, test_domain_that_runs);

	add("/define/emulator-is-named", 0, test_emulator_is_named);
	add("/define/what-grows-when-it-is-written", 0, test_what_grows_when_it_is_written);
	add("/define/refused-redefinition", 0, test_refused_redefinition);
	add("/define/text-of-four-megabytes", 0, test_text_of_four_megabytes);
	add("/define/what-could-not-be-read-again", 0, test_what_could_not_be_read_again);

	add("/define/memory/said", 0, test_memory_that_is_said);
	add("/define/memory/chosen", 0, test_memory_that_is_chosen);
	add("/define/memory/nothing-to-choose", 0, test_no_memory_to_choose);
	add("/define/memory/not-allowed", 0, test_memory_that_is_not_allowed);
	add("/define/memory/start-without-it", 0, test_start_without_its_memory);
	add("/define/memory/support-that-was-seen", 0, test_support_that_was_seen);

	return g_test_run();
}
