/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xml-test.c - the domain XML that is accepted and the one that is refused
 *
 * The files of accepted/ and refused/ are one test case each; see README.md there.
 */
#include <glib.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/xml-limits.h"
#include "driver/error.h"

#define DATA_FOLDER    XML_TEST_DATA_FOLDER
#define LIBVIRT_SCHEMA LIBVIRT_SCHEMADIR "/domaincommon.rng"

/* Codes by name, as the .err files have them. */
typedef struct {
	const char *name;
	virErrorNumber code;
} CodeName;

/* Versions of clang-format do not agree on macros of initializers. */
/* clang-format off */
#define CODE(name_) { #name_, name_ }
/* clang-format on */

static const CodeName code_names[] = {
	CODE(VIR_ERR_XML_ERROR), CODE(VIR_ERR_XML_DETAIL), CODE(VIR_ERR_XML_INVALID_SCHEMA),
	CODE(VIR_ERR_OS_TYPE),	 CODE(VIR_ERR_OVERFLOW),   CODE(VIR_ERR_CONFIG_UNSUPPORTED),
};

static const char *code_name(int code)
{
	for (gsize i = 0; i < G_N_ELEMENTS(code_names); i++)
		if ((int)code_names[i].code == code)
			return code_names[i].name;
	return "another code";
}

static gboolean may_write(void)
{
	return g_getenv("XML_TEST_WRITE") != NULL;
}

/* Return: the content of a file that must exist, or that is written now with @actual. */
static char *expectation(const char *path, const char *actual)
{
	char *content = NULL;
	g_autoptr(GError) error = NULL;

	if (may_write() && !g_file_test(path, G_FILE_TEST_EXISTS))
		g_file_set_contents(path, actual, -1, &error);
	g_assert_no_error(error);
	g_file_get_contents(path, &content, NULL, &error);
	g_assert_no_error(error);
	return content;
}

static char *read_file(const char *path)
{
	g_autoptr(GError) error = NULL;
	char *content = NULL;

	g_file_get_contents(path, &content, NULL, &error);
	g_assert_no_error(error);
	return content;
}

static DomainDef *parse(const char *xml, DomainParseFlags flags)
{
	g_autoptr(GError) error = NULL;
	DomainDef *def = domain_def_parse(xml, flags | DOMAIN_PARSE_INACTIVE, &error);

	g_assert_no_error(error);
	g_assert_nonnull(def);
	return def;
}

static gboolean has_libvirt_schemas(void)
{
	return g_file_test(LIBVIRT_SCHEMA, G_FILE_TEST_EXISTS);
}

static void test_accepted(gconstpointer data)
{
	const char *path = data;
	g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".xml"));
	g_autofree char *out_path = g_strconcat(stem, ".out.xml", NULL);
	g_autofree char *xml = read_file(path);
	g_autoptr(DomainDef) def = parse(xml, 0);
	g_autofree char *printed = domain_def_format(def, DOMAIN_FORMAT_INACTIVE);
	g_autofree char *expected = expectation(out_path, printed);
	g_autoptr(DomainDef) again = NULL;
	g_autoptr(DomainDef) copy = NULL;
	g_autofree char *printed_again = NULL;
	g_autofree char *printed_copy = NULL;

	g_assert_cmpstr(printed, ==, expected);

	again = parse(printed, 0);
	printed_again = domain_def_format(again, DOMAIN_FORMAT_INACTIVE);
	g_assert_cmpstr(printed_again, ==, expected);

	copy = domain_def_copy(def);
	g_clear_pointer(&def, domain_def_free);
	printed_copy = domain_def_format(copy, DOMAIN_FORMAT_INACTIVE);
	g_assert_cmpstr(printed_copy, ==, expected);
}

/* What the driver prints is always valid under the schema, and what it accepts but for files
 * that say so in their names. */
static void test_accepted_by_schema(gconstpointer data)
{
	g_autofree char *name = g_path_get_basename(data);
	g_autofree char *xml = read_file(data);
	g_autofree char *printed = NULL;
	g_autoptr(DomainDef) def = NULL;
	g_autoptr(DomainDef) again = NULL;
	g_autoptr(GError) error = NULL;

	if (!has_libvirt_schemas()) {
		g_test_skip("no " LIBVIRT_SCHEMA);
		return;
	}

	if (g_str_has_prefix(name, "loose-")) {
		g_assert_null(domain_def_parse(xml, DOMAIN_PARSE_INACTIVE | DOMAIN_PARSE_VALIDATE,
					       &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_XML_INVALID_SCHEMA);
		def = parse(xml, 0);
	} else {
		def = parse(xml, DOMAIN_PARSE_VALIDATE);
	}

	printed = domain_def_format(def, DOMAIN_FORMAT_INACTIVE);
	again = parse(printed, DOMAIN_PARSE_VALIDATE);
	g_assert_nonnull(again);
}

static void check_message(const char *message, const char *expected)
{
	if (g_str_has_suffix(expected, "*")) {
		g_autofree char *front = g_strndup(expected, strlen(expected) - 1);
		g_autofree char *start = g_strndup(message, strlen(front));

		g_assert_cmpstr(start, ==, front);
	} else {
		g_assert_cmpstr(message, ==, expected);
	}
}

static void test_refused(gconstpointer data)
{
	const char *path = data;
	g_autofree char *name = g_path_get_basename(path);
	g_autofree char *stem = g_strndup(path, strlen(path) - strlen(".xml"));
	g_autofree char *error_path = g_strconcat(stem, ".err", NULL);
	g_autofree char *xml = read_file(path);
	g_autofree char *actual = NULL;
	g_autofree char *expected = NULL;
	g_auto(GStrv) lines = NULL;
	g_autoptr(GError) error = NULL;
	DomainParseFlags flags = DOMAIN_PARSE_INACTIVE;

	if (g_str_has_prefix(name, "schema-")) {
		flags |= DOMAIN_PARSE_VALIDATE;
		if (!has_libvirt_schemas()) {
			g_test_skip("no " LIBVIRT_SCHEMA);
			return;
		}
	}

	g_assert_null(domain_def_parse(xml, flags, &error));
	g_assert_nonnull(error);
	g_assert_true(error->domain == DRIVER_ERROR);

	actual = g_strdup_printf("%s\n%s\n", code_name(error->code), error->message);
	expected = expectation(error_path, actual);
	lines = g_strsplit(expected, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 3);
	g_assert_cmpstr(code_name(error->code), ==, lines[0]);
	check_message(error->message, lines[1]);
}

/* A domain around @inside, which goes where a child of <domain> goes. */
static char *domain_with(const char *inside, const char *devices)
{
	return g_strdup_printf("<domain type='kvm'><name>guest</name>"
			       "<memory unit='MiB'>512</memory>"
			       "<os><type>hvm</type><kernel>/boot/vmlinuz</kernel></os>"
			       "%s<devices>%s</devices>"
			       "<launchSecurity type='sw-protected'/></domain>",
			       inside, devices);
}

static void assert_refused(const char *xml, virErrorNumber code, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(domain_def_parse(xml, DOMAIN_PARSE_INACTIVE, &error));
	g_assert_error(error, DRIVER_ERROR, (int)code);
	check_message(error->message, message);
}

/* Elements and attributes below <domain> that libvirt 9.0 to 11.3 have and we do not. */
static const char *const refused_elements[] = {
	"maxMemory", "vcpus", "defaultiothread", "blkiotune",  "numatune",	  "resource",
	"idmap",     "perf",  "keywrap",	 "bootloader", "bootloader_args", "throttlegroups",
};

static const char *const refused_devices[] = {
	"filesystem", "lease",	"sound",    "hostdev",	   "graphics", "parallel",
	"smartcard",  "hub",	"redirdev", "redirfilter", "tpm",      "nvram",
	"shmem",      "memory", "iommu",    "vsock",	   "crypto",   "pstore",
};

static void test_elements_refused_by_name(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(refused_elements); i++) {
		g_autofree char *element = g_strdup_printf("<%s/>", refused_elements[i]);
		g_autofree char *xml = domain_with(element, "");
		g_autofree char *message =
			g_strdup_printf("unsupported configuration: element '%s' is not "
					"supported yet",
					refused_elements[i]);

		assert_refused(xml, VIR_ERR_CONFIG_UNSUPPORTED, message);
	}
}

static void test_devices_refused_by_name(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(refused_devices); i++) {
		g_autofree char *device = g_strdup_printf("<%s type='any'><x/></%s>",
							  refused_devices[i], refused_devices[i]);
		g_autofree char *xml = domain_with("", device);
		g_autofree char *message =
			g_strdup_printf("unsupported configuration: element 'devices/%s' is not "
					"supported yet",
					refused_devices[i]);

		assert_refused(xml, VIR_ERR_CONFIG_UNSUPPORTED, message);
	}
}

/* No attribute is overlooked, wherever it is. */
static void test_every_attribute_is_looked_at(void)
{
	static const char xml[] =
		"<domain type='kvm'><name>guest</name><uuid>"
		"6a0f3c52-3c6d-4c1b-9a54-1d1d3b1f0c01</uuid><genid/><title>t</title>"
		"<description>d</description><memory unit='MiB'>512</memory>"
		"<currentMemory unit='MiB'>512</currentMemory>"
		"<memoryBacking><access mode='private'/><private/></memoryBacking>"
		"<vcpu placement='static'>2</vcpu>"
		"<iothreads>1</iothreads><iothreadids><iothread id='1'/></iothreadids>"
		"<sysinfo type='smbios'><bios><entry name='vendor'>v</entry></bios>"
		"<oemStrings><entry>o</entry></oemStrings></sysinfo>"
		"<os firmware='efi'><type>hvm</type>"
		"<firmware><feature name='secure-boot' enabled='no'/></firmware>"
		"<loader type='pflash'>/l</loader>"
		"<nvram type='file'><source file='/n'/></nvram>"
		"<kernel>/k</kernel><initrd>/i</initrd><cmdline>c</cmdline>"
		"<boot dev='hd'/><bootmenu enable='no'/><smbios mode='sysinfo'/>"
		"<bios useserial='yes'/></os>"
		"<features><acpi/><apic/><pae/><pmu state='on'/><smm state='off'/>"
		"<vmport state='off'/><vmcoreinfo state='on'/></features><cpu "
		"mode='host-passthrough'>"
		"<topology sockets='1' cores='2' threads='1'/>"
		"<feature policy='require' name='avx'/>"
		"<numa><cell id='0' cpus='0-1' memory='524288'>"
		"<distances><sibling id='0' value='10'/></distances></cell></numa></cpu>"
		"<clock offset='utc'><timer name='hpet' present='no'/></clock>"
		"<on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot>"
		"<on_crash>destroy</on_crash>"
		"<pm><suspend-to-mem enabled='no'/><suspend-to-disk enabled='no'/></pm>"
		"<devices><emulator>/e</emulator>"
		"<controller type='usb' model='none'/>"
		"<controller type='pci' index='0' model='pcie-root'><alias name='b'/></controller>"
		"<controller type='pci' index='1' model='pcie-root-port'>"
		"<model name='pcie-root-port'/><target chassis='1' port='0x10'/>"
		"<address type='pci' slot='0x02'/></controller>"
		"<serial type='pty'><source path='/dev/pts/1'/><log file='/l'/>"
		"<target port='0'><model name='isa-serial'/></target><alias name='a'/></serial>"
		"<serial type='file'><source path='/d'/><target type='isa-debug'>"
		"<model name='isa-debugcon'/></target><address type='isa'/></serial>"
		"<console type='pty'><log file='/l'/><target port='0'/></console>"
		"<console type='tcp'><source host='h' service='1'/><protocol type='raw'/>"
		"<target type='virtio'/><alias name='a'/><address type='virtio-serial'/></console>"
		"<channel type='unix'><source mode='bind' path='/s'/>"
		"<target type='virtio' name='c'/></channel>"
		"<controller type='virtio-serial'><driver iommu='on'/></controller>"
		"<disk type='file'><driver type='raw'/><source file='/d'/><backingStore/>"
		"<blockio logical_block_size='512'/><target dev='vda' bus='virtio'/><readonly/>"
		"<shareable/><serial>s</serial><alias name='a'/><address type='pci'/></disk>"
		"<disk type='file'><driver type='qcow2'/><source file='/q'/>"
		"<backingStore type='file'><format type='raw'/><source file='/b'/><backingStore/>"
		"</backingStore><target dev='vdb' bus='virtio'/></disk>"
		"<interface type='user'><mac address='52:54:00:00:00:01'/><source dev='e'/>"
		"<ip address='10.0.0.2'/><portForward proto='tcp'><range start='1'/></portForward>"
		"<model type='virtio'/><driver iommu='on'/><backend type='passt'/>"
		"<link state='up'/><mtu size='1500'/></interface>"
		"<interface type='ethernet'><target dev='t'/></interface>"
		"<rng model='virtio'><rate bytes='1'/><backend model='builtin'/>"
		"<driver iommu='on'/></rng>"
		"<audio id='1' type='none'/><video><model type='none'/></video>"
		"<watchdog model='i6300esb'/><watchdog model='itco'/>"
		"<memballoon model='virtio'><stats period='1'/><driver iommu='on'/>"
		"<alias name='m'/><address type='pci'/></memballoon>"
		"<panic model='isa'><alias name='p'/>"
		"<address type='isa' iobase='0x505'/></panic></devices><seclabel type='none'/>"
		"<launchSecurity type='sw-protected'><conversion policy='on-demand'/>"
		"</launchSecurity></domain>";
	g_autoptr(DomainDef) def = parse(xml, 0);
	guint elements = 0;

	g_assert_nonnull(def);
	for (const char *at = xml; *at; at++) {
		g_autoptr(GString) changed = NULL;
		gsize name = 0;

		if (*at != '<' || at[1] == '/')
			continue;
		name = strcspn(at + 1, " />");
		changed = g_string_new_len(xml, at + 1 + name - xml);
		g_string_append(changed, " q='1'");
		g_string_append(changed, at + 1 + name);
		elements++;

		{
			g_autofree char *message = g_strdup_printf(
				"unsupported configuration: attribute 'q' of "
				"element '*");

			assert_refused(changed->str, VIR_ERR_CONFIG_UNSUPPORTED, message);
		}
	}
	g_assert_cmpuint(elements, ==, 143);
}

static char *domain_with_rngs(guint count)
{
	g_autoptr(GString) devices = g_string_new("<memballoon model='none'/>");

	for (guint i = 0; i < count; i++)
		g_string_append(devices, "<rng model='virtio'><backend model='builtin'/></rng>");
	return domain_with("", devices->str);
}

/* As many as there are root ports beside slot 1. */
static void test_many_devices(void)
{
	g_autofree char *most = domain_with_rngs(232);
	g_autofree char *more = domain_with_rngs(233);
	g_autofree char *too_many = domain_with_rngs(257);
	g_autoptr(DomainDef) def = parse(most, 0);
	const DomainRng *last = def->rngs->pdata[231];

	g_assert_cmpuint(def->pci_controllers->len, ==, 233);
	g_assert_cmpuint(last->info.address.bus, ==, 232);
	assert_refused(more, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: PCI controller 233 has no address: no more root "
		       "ports fit on bus 0");
	assert_refused(too_many, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: element 'devices' has more devices than there "
		       "are PCI buses");
}

static void test_document_of_20_mb(void)
{
	g_autofree char *filler = g_strnfill(20 * 1000 * 1000, ' ');
	g_autofree char *xml = domain_with(filler, "");

	assert_refused(xml, VIR_ERR_XML_ERROR,
		       "XML error: (domain_definition): longer than 4194304 bytes, which is the "
		       "longest that is read");
}

static void test_document_of_the_longest_length(void)
{
	g_autofree char *empty = domain_with("", "");
	const gsize rest = DOMAIN_XML_MAX_BYTES - strlen(empty);
	g_autofree char *filler = g_strnfill(rest, ' ');
	g_autofree char *longer = g_strnfill(rest + 1, ' ');
	g_autofree char *longest = domain_with(filler, "");
	g_autofree char *too_long = domain_with(longer, "");
	g_autoptr(DomainDef) def = parse(longest, 0);

	g_assert_cmpstr(def->name, ==, "guest");
	assert_refused(too_long, VIR_ERR_XML_ERROR, "XML error: (domain_definition): longer *");
}

static char *nested(guint levels)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < levels; i++)
		g_string_append(text, "<a>");
	for (guint i = 0; i < levels; i++)
		g_string_append(text, "</a>");
	return g_string_free(text, FALSE);
}

static void test_deep_nesting(void)
{
	g_autofree char *deep = nested(16000);
	g_autofree char *deep_xml = domain_with(deep, "");
	g_autofree char *some = nested(200);
	g_autofree char *some_xml = domain_with(some, "");
	g_autofree char *metadata = g_strdup_printf("<metadata>%s</metadata>", some);
	g_autofree char *metadata_xml = domain_with(metadata, "");
	g_autoptr(DomainDef) def = NULL;

	assert_refused(deep_xml, VIR_ERR_XML_DETAIL, "(domain_definition):1: *");
	assert_refused(some_xml, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: element 'a' is not supported yet");
	def = parse(metadata_xml, 0);
	g_assert_nonnull(strstr(def->metadata, "<a><a><a>"));
}

static void test_very_many_elements(void)
{
	g_autoptr(GString) many = g_string_new(NULL);
	g_autofree char *xml = NULL;

	for (guint i = 0; i < 16000; i++)
		g_string_append(many, "<serial type='null'/>");
	xml = domain_with("", many->str);
	assert_refused(xml, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: more than 2 elements 'devices/serial': the "
		       "machine has no more serial ports");
}

static void test_very_many_controllers(void)
{
	g_autoptr(GString) many = g_string_new(NULL);
	g_autofree char *xml = NULL;

	for (guint i = 0; i < 16000; i++)
		g_string_append(many, "<controller type='pci' model='pcie-root-port'/>");
	xml = domain_with("", many->str);
	assert_refused(xml, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: more than 256 elements 'devices/controller' "
		       "with type 'pci'");
}

/* What libxml2 would be busy with for minutes, and what would take it gigabytes. */

static void append_attributes(GString *xml, const char *format, guint number)
{
	for (guint i = 0; i < number; i++)
		g_string_append_printf(xml, format, i);
}

/* Return: a domain whose metadata has elements with so many attributes each. */
static char *metadata_with(guint elements, const char *format, guint attributes)
{
	g_autoptr(GString) text = g_string_new("<metadata>");

	for (guint i = 0; i < elements; i++) {
		g_string_append(text, "<a");
		append_attributes(text, format, attributes);
		g_string_append(text, "/>");
	}
	g_string_append(text, "</metadata>");
	return domain_with(text->str, "");
}

static void assert_at_limit(char *fits, char *more, const char *message)
{
	g_autofree char *fits_xml = fits;
	g_autofree char *more_xml = more;
	g_autoptr(DomainDef) def = parse(fits_xml, 0);

	g_assert_nonnull(def->metadata);
	assert_refused(more_xml, VIR_ERR_XML_ERROR, message);
}

static void test_attributes_of_an_element(void)
{
	assert_at_limit(metadata_with(1, " a%u='>'", XML_MAX_ATTRIBUTES),
			metadata_with(1, " a%u='>'", XML_MAX_ATTRIBUTES + 1),
			"XML error: (domain_definition): 257 attributes of one element, and 256 "
			"are the most that are read");
	assert_at_limit(metadata_with(1, " xmlns:a%u\n=\n\"u\"", XML_MAX_ATTRIBUTES),
			metadata_with(1, " xmlns:a%u\n=\n\"u\"", XML_MAX_ATTRIBUTES + 1),
			"XML error: (domain_definition): 257 attributes of one element, *");
}

static void test_attributes_of_a_document(void)
{
	assert_at_limit(metadata_with(255, " a%u=''", 256), metadata_with(257, " a%u=''", 256),
			"XML error: (domain_definition): 65795 attributes, and 65536 are the most "
			"that are read");
}

static void test_namespaces_of_a_document(void)
{
	assert_at_limit(metadata_with(64, " xmlns:a%u='u'", 16),
			metadata_with(65, " xmlns:a%u='u'", 16),
			"XML error: (domain_definition): 1040 declarations of namespaces, and "
			"1024 are the most that are read");
}

static void test_elements_of_a_document(void)
{
	assert_at_limit(metadata_with(16000, "", 0), metadata_with(17000, "", 0),
			"XML error: (domain_definition): 17009 elements and comments, and 16384 "
			"are the most that are read");
}

/* Each hides an element with very many attributes from whoever reads in another way. */
static void test_attributes_that_hide(void)
{
	static const char *const documents[] = {
		"<domain %s/>",
		"<domain a='<b %s/>",
		"<domain '><b %s/>'",
		"<domain a=\"'\" b='\"' %s/>",
		"<domain><!-- \xef\xbf\xbf<b %s/> --></domain>",
		"<domain><!-- -- <b %s/> --></domain>",
		"<domain><![CDATA[ \xef\xbf\xbf<b %s/>]]></domain>",
		"<domain><?a \xef\xbf\xbf<b %s/>?></domain>",
		"<? <domain %s/> ?>",
		"<!DOCTYPE !<domain %s/>",
		"\xef\xbb\xbf<domain %s/>",
		"<?xml version='1.0' encoding='?>'?><domain %s/>",
	};
	g_autoptr(GString) many = g_string_new(NULL);

	append_attributes(many, " a%u=''", 300000);
	for (gsize i = 0; i < G_N_ELEMENTS(documents); i++) {
		g_auto(GStrv) parts = g_strsplit(documents[i], "%s", 2);
		g_autofree char *xml = g_strconcat(parts[0], many->str, parts[1], NULL);

		assert_refused(xml, VIR_ERR_XML_ERROR, "XML error: (domain_definition): 300*");
	}
}

/* A document type that is not well formed, and gives each element its attributes. */
static void test_attributes_of_a_document_type(void)
{
	static const char *const starts[] = { "<!DOCTYPE [", "<!DOCTYPE ! [" };
	g_autoptr(GString) many = g_string_new("<!ATTLIST domain");

	append_attributes(many, " a%u CDATA ''", 200000);
	for (gsize i = 0; i < G_N_ELEMENTS(starts); i++) {
		g_autofree char *xml = g_strconcat(starts[i], many->str, ">]><domain/>", NULL);

		assert_refused(xml, VIR_ERR_XML_ERROR,
			       "XML error: (domain_definition): a document type declaration "
			       "(DOCTYPE) is not allowed");
	}
}

/* In EBCDIC, which libxml2 knows by the first four bytes, there is no '<' to be seen. */
static void test_attributes_in_another_encoding(void)
{
	g_autoptr(GString) plain = g_string_new("<?xml version='1.0'?><domain");
	g_autoptr(GError) error = NULL;
	g_autofree char *xml = NULL;

	append_attributes(plain, " a%u=''", 300000);
	g_string_append(plain, "/>");
	xml = g_convert(plain->str, -1, "IBM037", "UTF-8", NULL, NULL, &error);
	if (!xml) {
		g_test_skip(error->message);
		return;
	}
	assert_refused(xml, VIR_ERR_XML_DETAIL, "(domain_definition):1: the text is not UTF-8");
}

static void test_control_characters(void)
{
	g_autofree char *many = g_strnfill(4000000, '\x01');
	g_autofree char *element = g_strdup_printf("\n<description>%s</description>", many);
	g_autofree char *xml = domain_with(element, "");

	assert_refused(xml, VIR_ERR_XML_DETAIL,
		       "(domain_definition):2: the control character U+0001 is not allowed");
}

/* Words in a text are none, whatever they look like. */
static void test_text_that_looks_like_attributes(void)
{
	g_autoptr(GString) text = g_string_new("<metadata><a><![CDATA[ 1 < 2 ");
	g_autofree char *xml = NULL;
	g_autoptr(DomainDef) def = NULL;

	append_attributes(text, " a%u='x'", 10000);
	g_string_append(text, "]]></a><b>");
	append_attributes(text, " a%u='x'", 10000);
	g_string_append(text, "</b><!--");
	append_attributes(text, " a%u='x'", 10000);
	g_string_append(text, "--></metadata>");
	xml = domain_with(text->str, "");
	def = parse(xml, 0);
	g_assert_nonnull(strstr(def->metadata, "a9999='x'"));
}

/* All that fit between slot 2 and the LPC bridge, eight to a slot; then one more. */
static void test_root_ports_that_fit(void)
{
	const guint most = (0x1f - 2) * 8;
	g_autofree char *full_port =
		g_strdup_printf("<controller type='pci' index='%u' model='pcie-root-port'/>", most);
	g_autofree char *more_port = g_strdup_printf(
		"<controller type='pci' index='%u' model='pcie-root-port'/>", most + 1);
	g_autofree char *full = domain_with("", full_port);
	g_autofree char *more = domain_with("", more_port);
	g_autoptr(DomainDef) def = parse(full, 0);
	const DomainPciController *last = NULL;

	g_assert_cmpuint(def->pci_controllers->len, ==, most + 1);
	last = def->pci_controllers->pdata[most];
	g_assert_cmpuint(last->index, ==, most);
	g_assert_cmpuint(last->chassis, ==, most);
	g_assert_cmpuint(last->address.slot, ==, 0x1e);
	g_assert_cmpuint(last->address.function, ==, 7);
	g_assert_cmpuint(last->port, ==, 0xf7);
	assert_refused(more, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: PCI controller 233 has no address: no more "
		       "root ports fit on bus 0");
}

/* Names are looked up, not compared with each other. */
static void test_very_many_cpu_features(void)
{
	g_autoptr(GString) many = g_string_new("<cpu mode='host-model'>");
	g_autofree char *xml = NULL;
	g_autoptr(DomainDef) def = NULL;

	for (guint i = 0; i < 16000; i++)
		g_string_append_printf(many, "<feature policy='disable' name='f%u'/>", i);
	g_string_append(many, "</cpu>");
	xml = domain_with(many->str, "");
	def = parse(xml, 0);
	g_assert_cmpuint(def->cpu_features->len, ==, 16000);
}

static void test_sysinfo_that_does_not_fit(void)
{
	g_autofree char *longest = g_strnfill(32767, 'x');
	g_autofree char *fits = g_strdup_printf(
		"<sysinfo type='smbios'><oemStrings><entry>%s</entry></oemStrings></sysinfo>",
		longest);
	g_autofree char *does_not = g_strdup_printf(
		"<sysinfo type='smbios'><oemStrings><entry>%sx</entry></oemStrings></sysinfo>",
		longest);
	g_autofree char *fits_xml = domain_with(fits, "");
	g_autofree char *does_not_xml = domain_with(does_not, "");
	g_autoptr(DomainDef) def = parse(fits_xml, 0);

	g_assert_cmpuint(def->sysinfo->len, ==, 1);
	assert_refused(does_not_xml, VIR_ERR_CONFIG_UNSUPPORTED,
		       "unsupported configuration: element 'sysinfo' has 32769 bytes of text: *");
}

/* What libvirt reads, or newer versions of it print, and the schema of Debian 12's refuses. */
static void test_words_beyond_the_schema(void)
{
	static const char xml[] =
		"<domain type='kvm'><name>guest</name><memory unit='MiB'>512</memory>"
		"<vcpu>2</vcpu><os firmware='efi'><type>hvm</type>"
		"<loader readonly='yes' type='pflash' format='raw'>/code.fd</loader>"
		"<nvram template='/vars.fd' templateFormat='raw' format='raw'>/nvram.fd</nvram>"
		"</os><cpu mode='host-passthrough'>"
		"<topology sockets='1' dies='1' clusters='1' cores='2' threads='1'/>"
		"<feature name='avx'/></cpu>"
		"<launchSecurity type='sw-protected'/></domain>";
	g_autoptr(DomainDef) def = parse(xml, 0);
	g_autofree char *printed = domain_def_format(def, 0);

	g_assert_cmpstr(def->nvram, ==, "/nvram.fd");
	g_assert_null(strstr(printed, "ormat='raw'"));
	g_assert_null(strstr(printed, "clusters"));
	g_assert_nonnull(strstr(printed, "<feature policy='require' name='avx'/>"));
}

static void test_long_names_are_cut_in_messages(void)
{
	g_autofree char *name = g_strnfill(40000, 'n');
	g_autofree char *element = g_strdup_printf("<%s/>", name);
	g_autofree char *element_xml = domain_with(element, "");
	g_autofree char *value = g_strdup_printf("<cpu mode='%s'/>", name);
	g_autofree char *value_xml = domain_with(value, "");
	g_autoptr(GError) error = NULL;

	g_assert_null(domain_def_parse(element_xml, 0, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_cmpuint(strlen(error->message), <, 300);
	g_clear_error(&error);

	g_assert_null(domain_def_parse(value_xml, 0, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_cmpuint(strlen(error->message), <, 300);
}

/* Cut between characters: two bytes each here, with an odd limit at the end of the first. */
static void test_messages_are_utf8(void)
{
	g_autoptr(GString) value = g_string_new("x");
	g_autofree char *cpu = NULL;
	g_autofree char *xml = NULL;
	g_autoptr(GError) error = NULL;

	for (guint i = 0; i < 100; i++)
		g_string_append(value, "ü");
	cpu = g_strdup_printf("<cpu mode='%s'/>", value->str);
	xml = domain_with(cpu, "");
	g_assert_null(domain_def_parse(xml, 0, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
	g_assert_null(strstr(error->message, "\xef\xbf\xbd"));
}

static void test_missing_uuid_is_made(void)
{
	g_autofree char *xml = domain_with("", "");
	g_autoptr(DomainDef) a = parse(xml, 0);
	g_autoptr(DomainDef) b = parse(xml, 0);

	g_assert_cmpmem(a->uuid, 16, a->uuid, 16);
	g_assert_cmpint(memcmp(a->uuid, b->uuid, 16), !=, 0);
	g_assert_cmpuint(a->uuid[6] >> 4, ==, 4);
	g_assert_cmpuint(a->uuid[8] >> 6, ==, 2);
}

static void test_live_parts(void)
{
	static const char devices[] = "<console type='pty'/>"
				      "<serial type='pty'><target type='isa-debug'/></serial>"
				      "<controller type='pci' model='pcie-root-port'/>";
	g_autofree char *xml = domain_with("", devices);
	g_autoptr(DomainDef) def = parse(xml, 0);
	g_autofree char *off = domain_def_format(def, 0);
	g_autofree char *live = NULL;
	g_autofree char *inactive = NULL;
	g_autofree char *status = NULL;
	g_autofree char *again = NULL;
	g_autoptr(DomainDef) from_live = NULL;
	g_autoptr(DomainDef) from_status = NULL;
	g_autoptr(GError) error = NULL;

	def->id = 7;
	def->serials[0].chardev.path = g_strdup("/dev/pts/3");
	def->serials[0].alias = g_strdup("serial0");
	def->debug_console->chardev.path = g_strdup("/dev/pts/4");
	def->debug_console->alias = g_strdup("serial1");

	live = domain_def_format(def, 0);
	g_assert_nonnull(strstr(live, "<domain type='kvm' id='7'>"));
	g_assert_nonnull(strstr(live, "<console type='pty' tty='/dev/pts/3'>"));
	g_assert_nonnull(strstr(live, "<source path='/dev/pts/3'/>"));
	g_assert_nonnull(strstr(live, "<alias name='serial0'/>"));
	g_assert_nonnull(strstr(live, "<source path='/dev/pts/4'/>"));
	g_assert_nonnull(strstr(live, "<alias name='serial1'/>"));
	g_assert_nonnull(strstr(live, "<alias name='pcie.0'/>"));
	g_assert_nonnull(strstr(live, "<alias name='pci.1'/>"));
	g_assert_null(strstr(off, "<alias"));

	/* A running domain's XML defines the same domain, without what was of that run. */
	inactive = domain_def_format(def, DOMAIN_FORMAT_INACTIVE);
	g_assert_cmpstr(inactive, ==, off);
	from_live = parse(live, 0);
	again = domain_def_format(from_live, 0);
	g_assert_cmpstr(again, ==, off);
	g_assert_cmpint(from_live->id, ==, -1);

	/* Our own state file brings back all of it. */
	status = domain_def_format(def, DOMAIN_FORMAT_STATUS);
	from_status = domain_def_parse(status, 0, &error);
	g_assert_no_error(error);
	g_assert_cmpint(from_status->id, ==, 7);
	g_assert_cmpstr(from_status->serials[0].chardev.path, ==, "/dev/pts/3");
	g_assert_cmpstr(from_status->serials[0].alias, ==, "serial0");
	g_assert_cmpstr(from_status->debug_console->chardev.path, ==, "/dev/pts/4");
	g_assert_cmpstr(from_status->debug_console->alias, ==, "serial1");

	if (has_libvirt_schemas()) {
		g_autoptr(DomainDef) valid = parse(live, DOMAIN_PARSE_VALIDATE);

		g_assert_nonnull(valid);
	}
}

static gpointer parse_many(gpointer data)
{
	const char *xml = data;

	for (guint i = 0; i < 50; i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(DomainDef) def = domain_def_parse(
			xml, has_libvirt_schemas() ? DOMAIN_PARSE_VALIDATE : 0, &error);

		g_assert_no_error(error);
		g_assert_nonnull(def);
		g_assert_null(domain_def_parse("<domain", 0, NULL));
	}
	return NULL;
}

static void test_many_threads(void)
{
	g_autofree char *xml = domain_with("", "");
	GThread *threads[4];

	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		threads[i] = g_thread_new("parse", parse_many, xml);
	for (guint i = 0; i < G_N_ELEMENTS(threads); i++)
		g_thread_join(threads[i]);
}

static int compare_names(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The examples that the documentation shows can be defined as they are. */
static void test_example(gconstpointer data)
{
	g_autofree char *xml = read_file(data);
	g_autoptr(DomainDef) def = parse(xml, has_libvirt_schemas() ? DOMAIN_PARSE_VALIDATE : 0);

	g_assert_nonnull(def);
}

/* One test case a file, in the order of their names. */
static guint add_folder(const char *folder, const char *prefix, GTestDataFunc function)
{
	g_autofree char *path = g_canonicalize_filename(folder, DATA_FOLDER);
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = g_dir_open(path, 0, &error);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name = NULL;

	g_assert_no_error(error);
	while ((name = g_dir_read_name(dir)))
		if (g_str_has_suffix(name, ".xml") && !g_str_has_suffix(name, ".out.xml"))
			g_ptr_array_add(names, g_strdup(name));
	g_ptr_array_sort(names, compare_names);

	for (guint i = 0; i < names->len; i++) {
		const char *file = names->pdata[i];
		g_autofree char *test = g_strdup_printf("/xml/%s/%.*s", prefix,
							(int)(strlen(file) - strlen(".xml")), file);

		g_test_add_data_func_full(test, g_build_filename(path, file, NULL), function,
					  g_free);
	}
	return names->len;
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	g_assert_cmpuint(add_folder("accepted", "accepted", test_accepted), >, 0);
	add_folder("accepted", "valid", test_accepted_by_schema);
	g_assert_cmpuint(add_folder("refused", "refused", test_refused), >, 0);
	if (g_file_test(DATA_FOLDER "/../../docs/examples", G_FILE_TEST_IS_DIR))
		add_folder("../../docs/examples", "example", test_example);

	g_test_add_func("/xml/elements-refused-by-name", test_elements_refused_by_name);
	g_test_add_func("/xml/devices-refused-by-name", test_devices_refused_by_name);
	g_test_add_func("/xml/every-attribute-is-looked-at", test_every_attribute_is_looked_at);
	g_test_add_func("/xml/document-of-20-mb", test_document_of_20_mb);
	g_test_add_func("/xml/document-of-the-longest-length", test_document_of_the_longest_length);
	g_test_add_func("/xml/deep-nesting", test_deep_nesting);
	g_test_add_func("/xml/very-many-elements", test_very_many_elements);
	g_test_add_func("/xml/very-many-controllers", test_very_many_controllers);
	g_test_add_func("/xml/limits/many-devices", test_many_devices);
	g_test_add_func("/xml/limits/attributes-of-an-element", test_attributes_of_an_element);
	g_test_add_func("/xml/limits/attributes-of-a-document", test_attributes_of_a_document);
	g_test_add_func("/xml/limits/namespaces-of-a-document", test_namespaces_of_a_document);
	g_test_add_func("/xml/limits/elements-of-a-document", test_elements_of_a_document);
	g_test_add_func("/xml/limits/attributes-that-hide", test_attributes_that_hide);
	g_test_add_func("/xml/limits/attributes-of-a-document-type",
			test_attributes_of_a_document_type);
	g_test_add_func("/xml/limits/attributes-in-another-encoding",
			test_attributes_in_another_encoding);
	g_test_add_func("/xml/limits/control-characters", test_control_characters);
	g_test_add_func("/xml/limits/text-that-looks-like-attributes",
			test_text_that_looks_like_attributes);
	g_test_add_func("/xml/root-ports-that-fit", test_root_ports_that_fit);
	g_test_add_func("/xml/very-many-cpu-features", test_very_many_cpu_features);
	g_test_add_func("/xml/sysinfo-that-does-not-fit", test_sysinfo_that_does_not_fit);
	g_test_add_func("/xml/words-beyond-the-schema", test_words_beyond_the_schema);
	g_test_add_func("/xml/long-names-are-cut-in-messages", test_long_names_are_cut_in_messages);
	g_test_add_func("/xml/messages-are-utf8", test_messages_are_utf8);
	g_test_add_func("/xml/missing-uuid-is-made", test_missing_uuid_is_made);
	g_test_add_func("/xml/live-parts", test_live_parts);
	g_test_add_func("/xml/many-threads", test_many_threads);

	return g_test_run();
}
