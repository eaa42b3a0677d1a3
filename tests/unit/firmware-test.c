/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* firmware-test.c - which firmware a domain gets, on hosts whose descriptors are made here */
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "driver/error.h"
#include "driver/host/firmware.h"
#include "support.h"

/* Three folders, from general to specific. */
typedef struct {
	char *root;
	char *folders[4];
	GPtrArray *descriptors;
	DomainDef *def;
	guint fds;
} Host;

static void setup(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const names[] = { "share", "etc", "home" };
	g_autoptr(GError) error = NULL;

	host->fds = count_fds();
	host->root = g_dir_make_tmp("firmware-test-XXXXXX", &error);
	g_assert_no_error(error);
	for (guint i = 0; i < 3; i++) {
		host->folders[i] = g_build_filename(host->root, names[i], NULL);
		g_assert_no_errno(g_mkdir(host->folders[i], 0700));
	}
	host->def = domain_def_new();
	host->def->name = g_strdup("guest");
}

static void forget_def(Host *host)
{
	g_clear_pointer(&host->def->loader, g_free);
	g_clear_pointer(&host->def->nvram, g_free);
	g_clear_pointer(&host->def->nvram_template, g_free);
	host->def->loader_type = DOMAIN_LOADER_NONE;
	host->def->loader_readonly = DOMAIN_SWITCH_ABSENT;
}

static void teardown(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	forget_def(host);
	domain_def_free(host->def);
	g_clear_pointer(&host->descriptors, g_ptr_array_unref);
	for (guint i = 0; i < 3; i++)
		g_free(host->folders[i]);
	remove_tree(host->root);
	g_free(host->root);
	g_assert_cmpuint(count_fds(), ==, host->fds);
}

static char *path_in(const Host *host, guint folder, const char *name)
{
	return g_build_filename(host->folders[folder], name, NULL);
}

static void put(const Host *host, guint folder, const char *name, const char *text)
{
	g_autofree char *path = path_in(host, folder, name);
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
}

/* A descriptor of flash for q35 whose files are CODE and CODE's template. */
static char *flash_text(const char *code, const char *features)
{
	return g_strdup_printf("{ \"description\": \"a test\", \"interface-types\": [\"uefi\"],"
			       "  \"mapping\": { \"device\": \"flash\","
			       "    \"executable\": { \"filename\": \"%s\", \"format\": \"raw\" },"
			       "    \"nvram-template\": { \"filename\": \"%s.vars\","
			       "                        \"format\": \"raw\" } },"
			       "  \"targets\": [ { \"architecture\": \"x86_64\","
			       "    \"machines\": [\"pc-i440fx-*\", \"pc-q35-*\"] } ],"
			       "  \"features\": [%s], \"tags\": [] }",
			       code, code, features);
}

static void put_flash(const Host *host, guint folder, const char *name, const char *code,
		      const char *features)
{
	g_autofree char *text = flash_text(code, features);

	put(host, folder, name, text);
}

static void put_bios(const Host *host, guint folder, const char *name, const char *path)
{
	g_autofree char *text =
		g_strdup_printf("{ \"interface-types\": [\"bios\"],"
				"  \"mapping\": { \"device\": \"memory\", \"filename\": \"%s\" },"
				"  \"targets\": [ { \"architecture\": \"x86_64\","
				"    \"machines\": [\"pc-q35-*\"] } ], \"features\": [] }",
				path);

	put(host, folder, name, text);
}

static void load(Host *host, guint wanted)
{
	g_clear_pointer(&host->descriptors, g_ptr_array_unref);
	host->descriptors = firmware_descriptors_load((const char *const *)host->folders);
	g_assert_cmpuint(host->descriptors->len, ==, wanted);
}

static const FirmwareDescriptor *at(const Host *host, guint index)
{
	return g_ptr_array_index(host->descriptors, index);
}

static gboolean resolve(Host *host, GError **error)
{
	return firmware_resolve(host->def, host->descriptors, "/nvram", error);
}

/* Resolves and expects flash. */
static void assert_flash(Host *host, const char *loader)
{
	const DomainDef *def = host->def;
	g_autoptr(GError) error = NULL;

	g_assert_true(resolve(host, &error));
	g_assert_no_error(error);
	g_assert_cmpint(def->loader_type, ==, DOMAIN_LOADER_PFLASH);
	g_assert_cmpint(def->loader_readonly, ==, DOMAIN_SWITCH_YES);
	g_assert_cmpstr(def->loader, ==, loader);
}

static void assert_refused(Host *host, const char *const *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(resolve(host, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	for (; *words; words++) {
		if (!strstr(error->message, *words))
			g_test_message("'%s' is not in '%s'", *words, error->message);
		g_assert_nonnull(strstr(error->message, *words));
	}
}

/* The folders */

static void test_sorted_by_name(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put_flash(host, 0, "60-c.json", "/c", "");
	put_flash(host, 0, "20-a.json", "/a", "");
	put_flash(host, 1, "40-b.json", "/b", "");
	put_flash(host, 2, "10-first.json", "/first", "");
	load(host, 4);
	g_assert_cmpstr(at(host, 0)->executable, ==, "/first");
	g_assert_cmpstr(at(host, 1)->executable, ==, "/a");
	g_assert_cmpstr(at(host, 2)->executable, ==, "/b");
	g_assert_cmpstr(at(host, 3)->executable, ==, "/c");
}

static void test_later_folder_replaces(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < 3; i++) {
		g_autofree char *code = g_strdup_printf("/code%u", i);
		g_autofree char *path = path_in(host, i, "50-x.json");

		put_flash(host, i, "50-x.json", code, "");
		load(host, 1);
		g_assert_cmpstr(at(host, 0)->executable, ==, code);
		g_assert_cmpstr(at(host, 0)->path, ==, path);
	}
}

static void test_masks(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = path_in(host, 2, "60-b.json");

	put_flash(host, 0, "50-a.json", "/a", "");
	put_flash(host, 0, "60-b.json", "/b", "");
	put_flash(host, 0, "70-c.json", "/c", "");
	put(host, 1, "50-a.json", "");
	g_assert_no_errno(symlink("/dev/null", link));
	load(host, 1);
	g_assert_cmpstr(at(host, 0)->executable, ==, "/c");

	/* What masks can be masked in turn. */
	put_flash(host, 2, "50-a.json", "/mine", "");
	load(host, 2);
	g_assert_cmpstr(at(host, 0)->executable, ==, "/mine");
}

static void test_other_files(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder = path_in(host, 0, "40-folder.json");

	g_assert_no_errno(g_mkdir(folder, 0700));
	put(host, 0, "README", "x");
	put(host, 0, "50-a.json~", "x");
	put(host, 0, ".50-a.json", "x");
	load(host, 0);
}

static void test_folders_that_are_missing(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put_flash(host, 1, "50-a.json", "/a", "");
	remove_tree(host->folders[0]);
	remove_tree(host->folders[2]);
	load(host, 1);
}

static void test_usual_folders(void)
{
	g_auto(GStrv) system = firmware_descriptor_folders(TRUE);
	g_auto(GStrv) session = firmware_descriptor_folders(FALSE);

	g_assert_cmpuint(g_strv_length(system), ==, 2);
	g_assert_cmpstr(system[0], ==, "/usr/share/qemu/firmware");
	g_assert_cmpuint(g_strv_length(session), ==, 3);
	g_assert_true(g_str_has_prefix(session[2], g_get_user_config_dir()));
	g_assert_true(g_str_has_suffix(session[2], "/qemu/firmware"));
}

/* A broken file is named with what is wrong, and keeps nobody else away. */

static void test_broken(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const targets =
		"\"targets\": [{\"architecture\": \"x86_64\", \"machines\": [\"pc-q35-*\"]}]";
	g_autofree char *deep = g_strnfill(10000, '[');
	g_autofree char *deep_object = g_strconcat("{\"a\":", deep, NULL);
	g_autofree char *huge = g_strnfill(1 << 20, ' ');
	g_autofree char *huge_object = g_strconcat("{", huge, "}", NULL);
	g_autofree char *no_features =
		g_strdup_printf("{\"interface-types\": [], \"mapping\": {\"device\": \"memory\","
				"\"filename\": \"/x\"}, %s}",
				targets);
	g_autofree char *relative =
		g_strdup_printf("{\"interface-types\": [], \"mapping\": {\"device\": \"memory\","
				"\"filename\": \"x\"}, %s, \"features\": []}",
				targets);
	g_autofree char *no_text =
		g_strdup_printf("{\"interface-types\": [], \"mapping\": {\"device\": \"memory\","
				"\"filename\": \"/x\\u0001\"}, %s, \"features\": []}",
				targets);
	g_autofree char *half_a_pair =
		g_strdup_printf("{\"interface-types\": [], \"mapping\": {\"device\": \"memory\","
				"\"filename\": \"/x\\ud800\"}, %s, \"features\": []}",
				targets);
	const struct {
		const char *text, *warning;
	} cases[] = {
		{ "no JSON", "*40-broken.json': it is no JSON object" },
		{ "[]", "*40-broken.json': it is no JSON object" },
		{ "{", "*40-broken.json': it ends within its object" },
		{ "{} {}", "*40-broken.json': there is more than one JSON object" },
		{ "{ \"a\" \"b\" }", "*40-broken.json': *" },
		{ "{ \"a\": \"\xff\" }", "*40-broken.json': it is not UTF-8" },
		{ "{}", "*40-broken.json': 'interface-types' is not an array" },
		{ "{\"interface-types\": {}}",
		  "*40-broken.json': 'interface-types' is not an array" },
		{ "{\"interface-types\": [1]}",
		  "*40-broken.json': 'interface-types' is not an array of strings" },
		{ "{\"interface-types\": []}", "*40-broken.json': 'mapping' is not an object" },
		{ "{\"interface-types\": [], \"mapping\": {}}",
		  "*40-broken.json': 'device' is not a string" },
		{ "{\"interface-types\": [], \"mapping\": {\"device\": null}}",
		  "*40-broken.json': 'device' is not a string" },
		{ "{\"interface-types\": [], \"mapping\": {\"device\": \"flash\"}}",
		  "*40-broken.json': 'executable' is not an object" },
		{ "{\"interface-types\": [], \"mapping\": {\"device\": \"kernel\"},"
		  "\"targets\": [1]}",
		  "*40-broken.json': 'targets' is not an array of objects" },
		{ no_features, "*40-broken.json': 'features' is not an array" },
		{ relative, "*40-broken.json': 'filename' is not an absolute path of *" },
		{ no_text, "*40-broken.json': 'filename' is not an absolute path of *" },
		{ half_a_pair, "*40-broken.json': *" },
		{ deep_object, "*40-broken.json': it is larger than * or deeper than *" },
		{ huge_object, "*40-broken.json': it is larger than * or deeper than *" },
	};

	put_flash(host, 0, "50-good.json", "/good", "");
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		put(host, 1, "40-broken.json", cases[i].text);
		g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, cases[i].warning);
		load(host, 1);
		g_test_assert_expected_messages();
		g_assert_cmpstr(at(host, 0)->executable, ==, "/good");
	}
}

static void test_dangling_link(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = path_in(host, 1, "40-link.json");

	put_flash(host, 0, "50-good.json", "/good", "");
	g_assert_no_errno(symlink("/nowhere/at/all", link));
	g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*40-link.json': No such file*");
	load(host, 1);
	g_test_assert_expected_messages();
}

/* <os firmware=> */

static void test_efi(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put_flash(host, 0, "40-sb.json", "/sb",
		  "\"requires-smm\", \"secure-boot\", \"enrolled-keys\"");
	put_flash(host, 0, "60-plain.json", "/plain", "\"acpi-s3\"");
	put_flash(host, 0, "70-later.json", "/later", "");
	put_bios(host, 0, "10-bios.json", "/bios");
	load(host, 4);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	assert_flash(host, "/plain");
	g_assert_cmpstr(host->def->nvram_template, ==, "/plain.vars");
	g_assert_cmpstr(host->def->nvram, ==, "/nvram/guest_VARS.fd");
	g_assert_cmpint(host->def->firmware, ==, DOMAIN_FIRMWARE_EFI);

	/* What has been resolved resolves to itself. */
	assert_flash(host, "/plain");
	g_assert_cmpstr(host->def->nvram, ==, "/nvram/guest_VARS.fd");
}

static void test_efi_keeps_what_is_named(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put_flash(host, 0, "50-a.json", "/a", "");
	put_flash(host, 0, "60-b.json", "/b", "");
	load(host, 2);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	host->def->loader = g_strdup("/b");
	host->def->nvram = g_strdup("/my/vars");
	assert_flash(host, "/b");
	g_assert_cmpstr(host->def->nvram, ==, "/my/vars");
	g_assert_cmpstr(host->def->nvram_template, ==, "/b.vars");

	forget_def(host);
	host->def->nvram_template = g_strdup("/b.vars");
	assert_flash(host, "/b");
	g_assert_cmpstr(host->def->nvram_template, ==, "/b.vars");
}

/* Variables of one build are nothing to the code of another. */
static void test_template_of_no_candidate(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const words[] = { "<nvram template='/my/template'>",
					     "40-sb.json' requires SMM",
					     "50-a.json' has another nvram template", NULL };

	put_flash(host, 0, "40-sb.json", "/my/code", "\"requires-smm\"");
	put_flash(host, 0, "50-a.json", "/a", "");
	load(host, 2);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	host->def->nvram_template = g_strdup("/my/template");
	assert_refused(host, words);
	g_assert_null(host->def->loader);
}

static void test_features(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		DomainSwitch secure_boot, enrolled_keys;
		const char *loader;
	} cases[] = {
		{ DOMAIN_SWITCH_ABSENT, DOMAIN_SWITCH_ABSENT, "/keys" },
		{ DOMAIN_SWITCH_YES, DOMAIN_SWITCH_ABSENT, "/keys" },
		{ DOMAIN_SWITCH_YES, DOMAIN_SWITCH_YES, "/keys" },
		{ DOMAIN_SWITCH_YES, DOMAIN_SWITCH_NO, "/sb" },
		{ DOMAIN_SWITCH_NO, DOMAIN_SWITCH_ABSENT, "/plain" },
		{ DOMAIN_SWITCH_NO, DOMAIN_SWITCH_NO, "/plain" },
		{ DOMAIN_SWITCH_ABSENT, DOMAIN_SWITCH_NO, "/sb" },
	};

	put_flash(host, 0, "40-keys.json", "/keys", "\"secure-boot\", \"enrolled-keys\"");
	put_flash(host, 0, "50-sb.json", "/sb", "\"secure-boot\"");
	put_flash(host, 0, "60-plain.json", "/plain", "");
	load(host, 3);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		host->def->firmware_secure_boot = cases[i].secure_boot;
		host->def->firmware_enrolled_keys = cases[i].enrolled_keys;
		assert_flash(host, cases[i].loader);
		forget_def(host);
	}
}

static void test_smm_is_never_chosen(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const words[] = { "firmware='efi'",
					     "<feature enabled='yes' name='secure-boot'/>",
					     "40-keys.json' requires SMM",
					     "50-sb.json' requires SMM",
					     "60-plain.json' lacks feature secure-boot",
					     NULL };

	put_flash(host, 0, "40-keys.json", "/keys",
		  "\"requires-smm\", \"secure-boot\", \"enrolled-keys\"");
	put_flash(host, 0, "50-sb.json", "/sb", "\"requires-smm\", \"secure-boot\"");
	put_flash(host, 0, "60-plain.json", "/plain", "");
	load(host, 3);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	host->def->firmware_secure_boot = DOMAIN_SWITCH_YES;
	assert_refused(host, words);
	g_assert_null(host->def->loader);
}

static void test_what_does_not_serve(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *from, *to, *word;
	} cases[] = {
		{ "pc-q35-*", "virt-*", "no descriptor is for this" },
		{ "x86_64", "aarch64", "no descriptor is for this" },
		{ "uefi", "openfirmware", "no descriptor is for this" },
		{ "\"flash\",", "\"flash\", \"mode\": \"stateless\",",
		  "no flash unit for variables" },
		{ "\"flash\",", "\"flash\", \"mode\": \"combined\",",
		  "no flash unit for variables" },
		{ "\"flash\"", "\"kernel\"", "no flash unit for variables" },
		{ "\"flash\"", "\"memory\", \"filename\": \"/rom\"", "is a ROM" },
		{ "\"raw\"", "\"qcow2\"", "not in raw format" },
	};
	g_autofree char *text = flash_text("/a", "");

	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(GStrv) parts = g_strsplit(text, cases[i].from, -1);
		g_autofree char *changed = g_strjoinv(cases[i].to, parts);
		const char *const words[] = { cases[i].word, NULL };

		put(host, 0, "50-a.json", changed);
		load(host, 1);
		assert_refused(host, words);
	}
}

static void test_error_is_short(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const words[] = { "0.json' requires SMM", "7.json' requires SMM",
					     "; and 12 more", NULL };

	for (guint i = 0; i < 20; i++) {
		g_autofree char *name = g_strdup_printf("%02u.json", i);

		put_flash(host, 0, name, "/a", "\"requires-smm\"");
	}
	load(host, 20);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	assert_refused(host, words);
}

/* UEFI as a ROM has no variables, so it has to be asked for. */
static void test_efi_in_a_rom(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put(host, 0, "50-rom.json",
	    "{\"interface-types\": [\"uefi\"],"
	    " \"mapping\": {\"device\": \"memory\", \"filename\": \"/rom\"},"
	    " \"targets\": [{\"architecture\": \"x86_64\", \"machines\": [\"pc-q35-*\"]}],"
	    " \"features\": []}");
	put_flash(host, 0, "60-flash.json", "/flash", "");
	load(host, 2);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	assert_flash(host, "/flash");
	forget_def(host);

	host->def->loader_type = DOMAIN_LOADER_ROM;
	g_assert_true(resolve(host, NULL));
	g_assert_cmpstr(host->def->loader, ==, "/rom");
	g_assert_null(host->def->nvram);
}

static void test_bios(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *standard = NULL;

	put_flash(host, 0, "40-efi.json", "/efi", "");
	put_bios(host, 0, "50-bios.json", "/bios");
	load(host, 2);
	host->def->firmware = DOMAIN_FIRMWARE_BIOS;
	g_assert_true(resolve(host, NULL));
	g_assert_cmpstr(host->def->loader, ==, "/bios");
	g_assert_cmpint(host->def->loader_type, ==, DOMAIN_LOADER_ROM);
	g_assert_null(host->def->nvram);
	g_assert_null(host->def->nvram_template);
	standard = firmware_default_bios(host->descriptors);
	g_assert_cmpstr(standard, ==, "/bios");
}

static void test_bios_that_is_not_described(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const words[] = { "firmware='bios'", "no descriptor", NULL };
	g_autofree char *standard = NULL;

	load(host, 0);
	standard = firmware_default_bios(host->descriptors);
	g_assert_cmpstr(standard, ==, SEABIOS_PATH);
	host->def->firmware = DOMAIN_FIRMWARE_BIOS;
	if (g_file_test(SEABIOS_PATH, G_FILE_TEST_EXISTS)) {
		g_assert_true(resolve(host, NULL));
		g_assert_cmpstr(host->def->loader, ==, SEABIOS_PATH);
		g_assert_cmpint(host->def->loader_type, ==, DOMAIN_LOADER_ROM);
		forget_def(host);
	}
	host->def->firmware_secure_boot = DOMAIN_SWITCH_YES;
	assert_refused(host, words);
}

/* <loader> alone */

static void test_nothing_is_named(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put_flash(host, 0, "50-a.json", "/a", "");
	load(host, 1);
	g_assert_true(resolve(host, NULL));
	g_assert_null(host->def->loader);
	g_assert_null(host->def->nvram);
	g_assert_cmpint(host->def->loader_type, ==, DOMAIN_LOADER_NONE);
}

static void test_loader(Host *host, gconstpointer data)
{
	put_flash(host, 0, "50-a.json", "/a", "");
	load(host, 1);
	host->def->loader = g_strdup("/a");
	host->def->loader_type = GPOINTER_TO_UINT(data);
	assert_flash(host, "/a");
	g_assert_cmpstr(host->def->nvram_template, ==, "/a.vars");
	g_assert_cmpstr(host->def->nvram, ==, "/nvram/guest_VARS.fd");
}

static void test_loader_that_needs_smm(Host *host, gconstpointer data)
{
	static const char *const words[] = { "loader '/sb'", "requires SMM", "50-sb.json", NULL };

	put_flash(host, 0, "50-sb.json", "/sb", "\"requires-smm\", \"secure-boot\"");
	load(host, 1);
	host->def->loader = g_strdup("/sb");
	host->def->loader_type = GPOINTER_TO_UINT(data);
	host->def->nvram = g_strdup("/vars");
	host->def->nvram_template = g_strdup("/template");
	assert_refused(host, words);
}

/* Debian's OVMF_CODE_4M.snakeoil.fd is a link to a file that is described, and has no word. */
static void test_loader_by_another_name(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *file = path_in(host, 0, "code.fd");
	g_autofree char *link = path_in(host, 0, "other.fd");
	const char *const words[] = { "requires SMM", "50-sb.json", NULL };

	put(host, 0, "code.fd", "x");
	g_assert_no_errno(symlink("code.fd", link));
	put_flash(host, 0, "50-sb.json", file, "\"requires-smm\"");
	load(host, 1);
	host->def->loader = g_strdup(link);
	assert_refused(host, words);
}

/* One file that is described twice is refused only where both say so. */
static void test_loader_described_twice(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	put_flash(host, 0, "50-sb.json", "/a", "\"requires-smm\"");
	put_flash(host, 0, "60-plain.json", "/a", "");
	load(host, 2);
	host->def->loader = g_strdup("/a");
	assert_flash(host, "/a");
}

static void test_loader_that_is_not_described(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const words[] = { "template", "loader '/b'", NULL };

	put_flash(host, 0, "50-a.json", "/a", "");
	load(host, 1);
	host->def->loader = g_strdup("/b");
	host->def->loader_type = DOMAIN_LOADER_PFLASH;
	assert_refused(host, words);

	host->def->nvram_template = g_strdup("/b.vars");
	assert_flash(host, "/b");
	g_assert_cmpstr(host->def->nvram, ==, "/nvram/guest_VARS.fd");
	forget_def(host);

	/* A file that exists needs no template; whether it does is seen at the start. */
	host->def->loader = g_strdup("/b");
	host->def->nvram = g_strdup("/vars");
	assert_flash(host, "/b");
	g_assert_null(host->def->nvram_template);
	forget_def(host);

	host->def->loader = g_strdup("/b");
	g_assert_true(resolve(host, NULL));
	g_assert_cmpint(host->def->loader_type, ==, DOMAIN_LOADER_ROM);
	g_assert_null(host->def->nvram);
}

/* What domain capabilities show */

static void test_loaders(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *code = path_in(host, 0, "code.fd");
	g_autofree char *secure = path_in(host, 0, "secure.fd");
	g_autoptr(GPtrArray) loaders = NULL;
	gboolean has_bios, has_efi;

	put(host, 0, "code.fd", "x");
	put(host, 0, "secure.fd", "x");
	put_flash(host, 0, "40-sb.json", secure, "\"requires-smm\"");
	put_flash(host, 0, "50-a.json", code, "");
	put_flash(host, 0, "60-again.json", code, "");
	put_flash(host, 0, "70-missing.json", "/nowhere/at/all", "");
	load(host, 4);
	loaders = firmware_loaders(host->descriptors, &has_bios, &has_efi);
	g_assert_true(has_efi);
	g_assert_cmpint(has_bios, ==, g_file_test(SEABIOS_PATH, G_FILE_TEST_EXISTS));
	g_assert_cmpuint(loaders->len, ==, has_bios ? 2 : 1);
	g_assert_cmpstr(g_ptr_array_index(loaders, 0), ==, code);
}

/* Debian's package */

#define DEBIAN_CODE "/usr/share/OVMF/OVMF_CODE_4M.fd"

static gboolean has_ovmf(void)
{
	if (g_file_test("/usr/share/qemu/firmware/60-edk2-x86_64.json", G_FILE_TEST_EXISTS) &&
	    g_file_test(DEBIAN_CODE, G_FILE_TEST_EXISTS))
		return TRUE;
	g_test_skip("Debian's package ovmf is not installed");
	return FALSE;
}

static void test_debian(Host *host, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const usual[] = { "/usr/share/qemu/firmware", NULL };
	static const char *const words[] = { "requires SMM", NULL };
	static const char *const smm[] = { "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd",
					   "/usr/share/OVMF/OVMF_CODE_4M.ms.fd",
					   "/usr/share/OVMF/OVMF_CODE_4M.snakeoil.fd" };

	if (!has_ovmf())
		return;
	host->descriptors = firmware_descriptors_load(usual);
	host->def->firmware = DOMAIN_FIRMWARE_EFI;
	assert_flash(host, DEBIAN_CODE);
	g_assert_cmpstr(host->def->nvram_template, ==, "/usr/share/OVMF/OVMF_VARS_4M.fd");

	for (gsize i = 0; i < G_N_ELEMENTS(smm); i++) {
		forget_def(host);
		host->def->firmware = DOMAIN_FIRMWARE_MANUAL;
		host->def->loader = g_strdup(smm[i]);
		if (g_file_test(smm[i], G_FILE_TEST_EXISTS))
			assert_refused(host, words);
	}
}

static void add(const char *path, gconstpointer data, void (*test)(Host *host, gconstpointer data))
{
	g_test_add(path, Host, data, setup, test, teardown);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/firmware/folders/sorted-by-name", NULL, test_sorted_by_name);
	add("/firmware/folders/later-one-replaces", NULL, test_later_folder_replaces);
	add("/firmware/folders/masks", NULL, test_masks);
	add("/firmware/folders/other-files", NULL, test_other_files);
	add("/firmware/folders/missing", NULL, test_folders_that_are_missing);
	g_test_add_func("/firmware/folders/usual", test_usual_folders);
	add("/firmware/broken/is-skipped", NULL, test_broken);
	add("/firmware/broken/dangling-link", NULL, test_dangling_link);
	add("/firmware/efi/first-without-smm", NULL, test_efi);
	add("/firmware/efi/keeps-what-is-named", NULL, test_efi_keeps_what_is_named);
	add("/firmware/efi/template-of-no-candidate", NULL, test_template_of_no_candidate);
	add("/firmware/efi/features", NULL, test_features);
	add("/firmware/efi/smm-is-never-chosen", NULL, test_smm_is_never_chosen);
	add("/firmware/efi/what-does-not-serve", NULL, test_what_does_not_serve);
	add("/firmware/efi/error-is-short", NULL, test_error_is_short);
	add("/firmware/efi/rom", NULL, test_efi_in_a_rom);
	add("/firmware/bios/described", NULL, test_bios);
	add("/firmware/bios/not-described", NULL, test_bios_that_is_not_described);
	add("/firmware/loader/none", NULL, test_nothing_is_named);
	add("/firmware/loader/described", GUINT_TO_POINTER(DOMAIN_LOADER_PFLASH), test_loader);
	add("/firmware/loader/described-without-type", GUINT_TO_POINTER(DOMAIN_LOADER_NONE),
	    test_loader);
	add("/firmware/loader/smm", GUINT_TO_POINTER(DOMAIN_LOADER_PFLASH),
	    test_loader_that_needs_smm);
	add("/firmware/loader/smm-in-a-rom", GUINT_TO_POINTER(DOMAIN_LOADER_ROM),
	    test_loader_that_needs_smm);
	add("/firmware/loader/smm-by-another-name", NULL, test_loader_by_another_name);
	add("/firmware/loader/described-twice", NULL, test_loader_described_twice);
	add("/firmware/loader/not-described", NULL, test_loader_that_is_not_described);
	add("/firmware/loaders", NULL, test_loaders);
	add("/firmware/debian", NULL, test_debian);

	return g_test_run();
}
