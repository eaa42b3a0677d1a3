/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* settings-test.c - virtgmemd's configuration file */
#include <grp.h>
#include <string.h>

#include "driver/daemon/settings.h"
#include "driver/error.h"
#include "driver/jail/jail.h"
#include "support.h"

typedef struct {
	char *folder;
	char *path;
	Settings settings;
} Fixture;

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	fixture->folder = g_dir_make_tmp("settings-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->path = g_build_filename(fixture->folder, "virtgmemd.conf", NULL);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	settings_clear(&fixture->settings);
	remove_tree(fixture->folder);
	g_free(fixture->path);
	g_free(fixture->folder);
}

static gboolean load_bytes(Fixture *fixture, const char *content, gssize length, GError **error)
{
	g_autoptr(GError) problem = NULL;

	g_file_set_contents(fixture->path, content, length, &problem);
	g_assert_no_error(problem);
	settings_clear(&fixture->settings);
	return settings_load(&fixture->settings, fixture->path, TRUE, error);
}

static const Settings *load(Fixture *fixture, const char *content)
{
	g_autoptr(GError) error = NULL;

	load_bytes(fixture, content, -1, &error);
	if (error)
		g_error("refused: %s\n%s", error->message, content);
	return &fixture->settings;
}

static void assert_refused_bytes(Fixture *fixture, const char *content, gssize length,
				 const char *words)
{
	g_autoptr(GError) error = NULL;

	if (load_bytes(fixture, content, length, &error))
		g_error("accepted: %s", content);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONF_SYNTAX);
	if (!strstr(error->message, words) || !strstr(error->message, fixture->path))
		g_error("'%s' was to be refused with '%s', and not with '%s'", content, words,
			error->message);
}

static void assert_refused(Fixture *fixture, const char *content, const char *words)
{
	assert_refused_bytes(fixture, content, -1, words);
}

static void assert_memory_kinds(const Settings *settings, const char *wanted)
{
	const KvmMemoryKinds *kinds = &settings->memory_kinds;
	const char *names[KVM_MEMORY_KINDS + 1] = { NULL };
	g_autofree char *is = NULL;

	for (guint i = 0; i < kinds->n_kinds; i++)
		names[i] = kvm_memory_kind_name(kinds->kinds[i]);
	is = g_strjoinv(" ", (char **)names);
	g_assert_cmpstr(is, ==, wanted);
}

static void assert_range(const Settings *settings, uid_t first, guint count)
{
	g_assert_cmpuint(settings->user_range.first, ==, first);
	g_assert_cmpuint(settings->user_range.count, ==, count);
}

static void assert_defaults(const Settings *settings)
{
	g_assert_cmpint((int)settings->socket_group, ==, -1);
	g_assert_cmphex(settings->socket_mode, ==, 0700);
	g_assert_cmphex(settings->readonly_socket_mode, ==, 0777);
	g_assert_null(settings->vmm_user);
	g_assert_null(settings->vmm_group);
	assert_range(settings, 70000, 10000);
	g_assert_cmpint(settings->max_size, ==, 2 << 20);
	g_assert_cmpuint(settings->max_backups, ==, 3);
	assert_memory_kinds(settings, "two-sided windows");
}

static void test_no_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(settings_load(&fixture->settings, fixture->path, FALSE, &error));
	g_assert_no_error(error);
	assert_defaults(&fixture->settings);

	g_assert_false(settings_load(&fixture->settings, fixture->path, TRUE, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONF_SYNTAX);
	g_assert_nonnull(strstr(error->message, fixture->path));
}

/* Absence is the only reason not to read a file that is not wanted by name. */
static void test_file_that_cannot_be_read(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(settings_load(&fixture->settings, fixture->folder, FALSE, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONF_SYNTAX);
	g_assert_nonnull(strstr(error->message, fixture->folder));
}

static void test_nothing_set(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_defaults(load(fixture, ""));
	assert_defaults(load(fixture, "# unix_sock_rw_perms = \"0770\"\n\n  \n"));
}

static void test_everything_set(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Settings *settings = load(fixture, "# who may connect\n"
						 "unix_sock_group = \"root\"\n"
						 "unix_sock_rw_perms = \"0770\"\n"
						 "unix_sock_ro_perms=\"0\"\n"
						 "  user   =   \"nobody\"  \n"
						 "group = \"kvm users\"\n"
						 "max_size = 4096\n"
						 "max_backups = 0 \n"
						 "memory_kinds = [\"windows\"]\n");

	g_assert_cmpint((int)settings->socket_group, ==, 0);
	g_assert_cmphex(settings->socket_mode, ==, 0770);
	g_assert_cmphex(settings->readonly_socket_mode, ==, 0);
	g_assert_cmpstr(settings->vmm_user, ==, "nobody");
	g_assert_cmpstr(settings->vmm_group, ==, "kvm users");
	g_assert_cmpint(settings->max_size, ==, 4096);
	g_assert_cmpuint(settings->max_backups, ==, 0);
	assert_memory_kinds(settings, "windows");
}

static void test_empty_group_is_the_daemons_own(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmpint((int)load(fixture, "unix_sock_group = \"\"\n")->socket_group, ==, -1);
}

static void test_modes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const wrong[] = { "",     "0778", "01777", "8",    "-1",
					     "0x1f", "rw",   "777 ",  "+777", "77777777777777777" };

	g_assert_cmphex(load(fixture, "unix_sock_rw_perms = \"777\"")->socket_mode, ==, 0777);
	g_assert_cmphex(load(fixture, "unix_sock_rw_perms = \"0\"")->socket_mode, ==, 0);
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *content = g_strdup_printf("unix_sock_rw_perms = \"%s\"\n",
							   wrong[i]);

		assert_refused(fixture, content, "'unix_sock_rw_perms' must be octal");
	}
	assert_refused(fixture, "unix_sock_ro_perms = \"9\"", "'unix_sock_ro_perms' must be octal");
}

static void test_strings_are_quoted(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const wrong[] = {
		"",	  "0770",	 "\"",	       "\"a",	    "a\"",    "'a'",
		"\"a\"b", "\"a\" \"b\"", "\"a\\\"b\"", "\"a\\nb\"", "\"\"\"", "\"a\" # comment",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *user = g_strdup_printf("user = %s\n", wrong[i]);
		g_autofree char *mode = g_strdup_printf("unix_sock_rw_perms = %s\n", wrong[i]);
		g_autofree char *group = g_strdup_printf("unix_sock_group = %s\n", wrong[i]);

		assert_refused(fixture, user, "'user' must be a string in double quotes");
		assert_refused(fixture, mode, "'unix_sock_rw_perms' must be a string");
		assert_refused(fixture, group, "'unix_sock_group' must be a string");
	}
}

static void test_numbers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const wrong[] = { "",   "\"5\"",  "-1",	     "4095",
					     "1M", "0x5000", "1099511627777" };

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *content = g_strdup_printf("max_size = %s\n", wrong[i]);

		assert_refused(fixture, content, "'max_size' must be a number from 4096 to ");
	}
	g_assert_cmpint(load(fixture, "max_size = 1099511627776")->max_size, ==,
			G_GINT64_CONSTANT(1) << 40);
	g_assert_cmpuint(load(fixture, "max_backups = 100")->max_backups, ==, 100);
	assert_refused(fixture, "max_backups = 101\n",
		       "'max_backups' must be a number from 0 to 100");
}

static void test_memory_kinds(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const struct {
		const char *value, *words;
	} wrong[] = {
		{ "", "must be a list in one line" },
		{ "\"windows\"", "must be a list in one line" },
		{ "[ \"windows\"", "must be a list in one line" },
		{ "[", "must be a list in one line" },
		{ "[ \"windows\" ] # comment", "must be a list in one line" },
		{ "[]", "'memory_kinds' is empty" },
		{ "[  ]", "'memory_kinds' is empty" },
		{ "[ windows ]", "strings in double quotes" },
		{ "[ \"windows\" \"two-sided\" ]", "strings in double quotes" },
		{ "[ \"windows\", ]", "strings in double quotes" },
		{ "[ \"windows\",, \"two-sided\" ]", "strings in double quotes" },
		{ "[ \"tdx\" ]", "there is no kind 'tdx'" },
		{ "[ \"ordinary\" ]", "there is no kind 'ordinary'" },
		{ "[ \"\" ]", "there is no kind ''" },
		{ "[ \"windows\", \"windows\" ]", "'windows' is in it twice" },
		{ "[ \"windows\", \"two-sided\", \"windows\" ]", "'windows' is in it twice" },
	};

	assert_memory_kinds(load(fixture, "memory_kinds = [ \"windows\" , \"two-sided\" ] \n"),
			    "windows two-sided");
	assert_memory_kinds(load(fixture, "memory_kinds=[\"two-sided\"]"), "two-sided");
	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *content = g_strdup_printf("memory_kinds = %s\n", wrong[i].value);

		assert_refused(fixture, content, wrong[i].words);
		assert_refused(fixture, content, "'memory_kinds'");
	}
}

static void test_may_lack(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_cmpuint(load(fixture, "")->may_lack, ==, 0);
	g_assert_cmpuint(load(fixture, "sandbox_may_lack = [ ]")->may_lack, ==, 0);
	for (guint i = 0; i < SANDBOX_N_PARTS; i++) {
		g_autofree char *content = g_strdup_printf("sandbox_may_lack = [ \"%s\" ]",
							   sandbox_part_name(i));

		g_assert_cmpuint(load(fixture, content)->may_lack, ==, 1u << i);
	}
	assert_refused(fixture, "sandbox_may_lack = [ \"walls\" ]\n", "there is no part 'walls'");
	assert_refused(fixture, "sandbox_may_lack = \"namespaces\"\n",
		       "'sandbox_may_lack' must be a list");
}

static void test_no_such_group(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_refused(fixture, "unix_sock_group = \"no such group here\"\n",
		       "'unix_sock_group': no group 'no such group here'");
}

static void test_unknown_settings(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_refused(fixture, "usr = \"nobody\"\n", "there is no setting 'usr'");
	assert_refused(fixture, "User = \"nobody\"\n", "there is no setting 'User'");
	assert_refused(fixture, "user[de] = \"nobody\"\n", "there is no setting 'user[de]'");
	assert_refused(fixture, "user = \"a\"\nmax_clients = \"5\"\n", "'max_clients'");
}

static void test_user_range(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const refused[] = {
		"",
		"70000",
		"70000-",
		"-70000",
		"999-2000",
		"70001-70000",
		"70000-4294967294",
		"70000 - 70001",
		"+70000-70001",
		"1000-2000-3000",
		"a-b",
	};

	assert_range(load(fixture, "user_range = \"1000-1000\"\n"), 1000, 1);
	assert_range(load(fixture, "user_range = \"1000-4294967293\"\n"), 1000, 4294966294);
	for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autofree char *line = g_strdup_printf("user_range = \"%s\"\n", refused[i]);

		assert_refused(fixture, line, "'user_range' must be two numbers");
	}
	assert_refused(fixture, "user = \"a\"\nuser_range = \"70000-70001\"\n", "set one of them");
	/* To name none is to say nothing. */
	g_assert_null(load(fixture, "user = \"\"\nuser_range = \"70000-70001\"\n")->vmm_user);
	g_assert_null(load(fixture, "group = \"\"\n")->vmm_group);
}

/* Nothing in the file is passed over in silence. */
static void test_no_settings(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_refused(fixture, "user \"nobody\"\n", "virtgmemd.conf");
	assert_refused(fixture, "= \"nobody\"\n", "virtgmemd.conf");
	assert_refused(fixture, "[section]\nuser = \"nobody\"\n", "'[section]'");
	assert_refused(fixture, "\xff\xfe\n", "virtgmemd.conf");
	assert_refused_bytes(fixture, "user = \"a\"\n\0usr = \"b\"\n", 22, "not a text file");
}

static void test_the_last_one_counts(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const Settings *settings = load(fixture, "user = \"a\"\nuser = \"b\"\n");

	g_assert_cmpstr(settings->vmm_user, ==, "b");
}

static char *read_shipped(void)
{
	g_autoptr(GError) error = NULL;
	char *text = NULL;

	g_file_get_contents(SHIPPED_FILE, &text, NULL, &error);
	g_assert_no_error(error);
	return text;
}

/* What is shipped sets nothing. */
static void test_shipped_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = read_shipped();

	assert_defaults(load(fixture, text));
}

/* Lines "#name = value", and no prose, which has a space behind the "#". */
static char *uncomment(const char *text)
{
	g_autoptr(GRegex) regex = g_regex_new("^#(?=[a-z_]+ = )", G_REGEX_MULTILINE, 0, NULL);

	return g_regex_replace_literal(regex, text, -1, 0, "", 0, NULL);
}

/* With "#" taken off each setting it says the defaults. */
static void test_shipped_defaults(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = read_shipped();
	g_autofree char *uncommented = uncomment(text);

	assert_defaults(load(fixture, uncommented));
}

/* Each setting is in it, once, and none that does not exist: that would not load. */
static void test_shipped_names(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = read_shipped();
	gsize n_names;
	const char *const *names = settings_names(&n_names);

	for (gsize i = 0; i < n_names; i++) {
		g_autofree char *start = g_strdup_printf("\n#%s = ", names[i]);
		const char *found = strstr(text, start);

		if (!found)
			g_error("%s does not have '%s'", SHIPPED_FILE, names[i]);
		g_assert_null(strstr(found + 1, start));
	}
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/settings/no-file", test_no_file);
	add("/settings/file-that-cannot-be-read", test_file_that_cannot_be_read);
	add("/settings/nothing-set", test_nothing_set);
	add("/settings/everything-set", test_everything_set);
	add("/settings/empty-group-is-the-daemons-own", test_empty_group_is_the_daemons_own);
	add("/settings/modes", test_modes);
	add("/settings/strings-are-quoted", test_strings_are_quoted);
	add("/settings/numbers", test_numbers);
	add("/settings/memory-kinds", test_memory_kinds);
	add("/settings/may-lack", test_may_lack);
	add("/settings/user-range", test_user_range);
	add("/settings/no-such-group", test_no_such_group);
	add("/settings/unknown", test_unknown_settings);
	add("/settings/no-settings", test_no_settings);
	add("/settings/the-last-one-counts", test_the_last_one_counts);
	add("/settings/shipped/file", test_shipped_file);
	add("/settings/shipped/defaults", test_shipped_defaults);
	add("/settings/shipped/names", test_shipped_names);

	return g_test_run();
}
