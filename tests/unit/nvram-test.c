/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nvram-test.c - the file that holds a domain's firmware variables, and whose it is */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/domain/domain-list.h"
#include "driver/domain/nvram.h"
#include "driver/error.h"
#include "support.h"

typedef struct {
	char *folder;
	DomainDef *def;
	guint fds;
} Fixture;

static char *path_of(const Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->folder, name, NULL);
}

static void put(const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_file_set_contents(path, text, -1, &error);
	g_assert_no_error(error);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("nvram-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->def = domain_def_new();
	fixture->def->name = g_strdup("guest");
	fixture->def->nvram = path_of(fixture, "guest_VARS.fd");
	fixture->def->nvram_template = path_of(fixture, "template.fd");
	put(fixture->def->nvram_template, "pristine");
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_clear_pointer(&fixture->def->nvram, g_free);
	g_clear_pointer(&fixture->def->nvram_template, g_free);
	domain_def_free(fixture->def);
	remove_tree(fixture->folder);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

static void assert_content(const char *path, const char *wanted)
{
	g_autofree char *content = NULL;
	g_autoptr(GError) error = NULL;

	g_file_get_contents(path, &content, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(content, ==, wanted);
}

static guint count_files(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	guint n = 0;

	while (g_dir_read_name(dir))
		n++;
	return n;
}

static gboolean prepare(Fixture *fixture, gboolean is_reset, GError **error)
{
	const SafeOwners owners = { .user = geteuid(), .first = 70000, .count = 10 };

	return nvram_prepare(fixture->def, is_reset, &owners, error);
}

static void assert_prepared(Fixture *fixture, gboolean is_reset)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(prepare(fixture, is_reset, &error));
	g_assert_no_error(error);
	/* The template and the file: nothing that was written on the way is left. */
	g_assert_cmpuint(count_files(fixture->folder), ==, 2);
}

static void assert_refused(Fixture *fixture, gboolean is_reset, int code, const char *word)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(prepare(fixture, is_reset, &error));
	g_assert_error(error, DRIVER_ERROR, code);
	g_assert_nonnull(strstr(error->message, word));
}

/* Making it */

static void test_made_from_template(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const mode_t mask = umask(0);
	struct stat status;

	assert_prepared(fixture, FALSE);
	umask(mask);
	assert_content(fixture->def->nvram, "pristine");
	g_assert_no_errno(stat(fixture->def->nvram, &status));
	g_assert_cmphex(status.st_mode & 07777, ==, 0600);
}

/* One that a domain has had when the host lost power is taken as it is; a stranger's is not. */
static void test_whose_it_may_be(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (geteuid() != 0) {
		g_test_skip("only root can give files away");
		return;
	}
	put(fixture->def->nvram, "written by the guest");
	g_assert_no_errno(chown(fixture->def->nvram, 70009, 70009));
	assert_prepared(fixture, FALSE);
	g_assert_no_errno(chown(fixture->def->nvram, 70010, 70010));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "belongs to user 70010");
}

static void test_existing_one_is_kept(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture->def->nvram, "written by the guest");
	assert_prepared(fixture, FALSE);
	assert_content(fixture->def->nvram, "written by the guest");

	/* It needs no template then. */
	g_assert_no_errno(unlink(fixture->def->nvram_template));
	g_assert_true(prepare(fixture, FALSE, NULL));
	g_clear_pointer(&fixture->def->nvram_template, g_free);
	g_assert_true(prepare(fixture, FALSE, NULL));
	assert_content(fixture->def->nvram, "written by the guest");
}

static void test_reset(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put(fixture->def->nvram, "written by the guest");
	assert_prepared(fixture, TRUE);
	assert_content(fixture->def->nvram, "pristine");
	/* Also where there is nothing to reset. */
	g_assert_no_errno(unlink(fixture->def->nvram));
	assert_prepared(fixture, TRUE);
	assert_content(fixture->def->nvram, "pristine");
}

/* The file that a link leads to is replaced, not the link. */
static void test_reset_through_a_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *target = path_of(fixture, "elsewhere.fd");

	put(target, "written by the guest");
	g_assert_no_errno(symlink("elsewhere.fd", fixture->def->nvram));
	g_assert_true(prepare(fixture, TRUE, NULL));
	g_assert_true(g_file_test(fixture->def->nvram, G_FILE_TEST_IS_SYMLINK));
	assert_content(target, "pristine");
}

static void test_domain_without(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_clear_pointer(&fixture->def->nvram, g_free);
	g_assert_true(prepare(fixture, TRUE, NULL));
	g_assert_cmpuint(count_files(fixture->folder), ==, 1);
	g_assert_null(nvram_identity(fixture->def));
	g_assert_true(nvram_remove(fixture->def, NULL));
	g_assert_true(nvram_check_undefine(fixture->def, 0, NULL));
}

static void test_template_that_is_missing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_no_errno(unlink(fixture->def->nvram_template));
	assert_refused(fixture, FALSE, VIR_ERR_SYSTEM_ERROR, "template.fd': No such file");
	g_clear_pointer(&fixture->def->nvram_template, g_free);
	assert_refused(fixture, FALSE, VIR_ERR_OPERATION_FAILED, "guest_VARS.fd' does not exist");

	/* A reset that cannot be leaves what there is. */
	put(fixture->def->nvram, "written by the guest");
	assert_refused(fixture, TRUE, VIR_ERR_OPERATION_FAILED, "guest_VARS.fd' is to be reset");
	assert_content(fixture->def->nvram, "written by the guest");
}

static void test_template_that_is_none(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const char *path = fixture->def->nvram_template;

	put(path, "");
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "template.fd' has 0 bytes");
	g_assert_no_errno(truncate(path, 1 << 30));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "template.fd' has 1073741824");
	g_assert_no_errno(unlink(path));
	g_assert_no_errno(mkfifo(path, 0600));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "not a regular file");
	g_assert_no_errno(unlink(path));
	g_assert_no_errno(g_mkdir(path, 0700));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "not a regular file");
	g_assert_false(g_file_test(fixture->def->nvram, G_FILE_TEST_EXISTS));
	g_assert_cmpuint(count_files(fixture->folder), ==, 1);
}

static void test_file_that_is_none(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_no_errno(g_mkdir(fixture->def->nvram, 0700));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "guest_VARS.fd' is not a");
	assert_refused(fixture, TRUE, VIR_ERR_CONFIG_UNSUPPORTED, "guest_VARS.fd' is not a");
}

/* Somebody else's trap is neither kept, nor reset, nor removed. */
static void test_link_of_somebody_else(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *target = path_of(fixture, "elsewhere.fd");
	g_autofree char *folder = path_of(fixture, "open");
	g_autoptr(GError) error = NULL;

	put(target, "somebody's");
	g_assert_no_errno(g_mkdir(folder, 0700));
	g_assert_no_errno(chmod(folder, 0777));
	g_free(fixture->def->nvram);
	fixture->def->nvram = g_build_filename(folder, "guest_VARS.fd", NULL);
	g_assert_no_errno(symlink(target, fixture->def->nvram));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "somebody else can have made");
	assert_refused(fixture, TRUE, VIR_ERR_CONFIG_UNSUPPORTED, "somebody else can have made");
	g_assert_false(nvram_remove(fixture->def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	assert_content(target, "somebody's");
}

static void test_hard_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *other = path_of(fixture, "other.fd");

	put(other, "another domain's");
	g_assert_no_errno(link(other, fixture->def->nvram));
	assert_refused(fixture, FALSE, VIR_ERR_CONFIG_UNSUPPORTED, "has another name");
	assert_refused(fixture, TRUE, VIR_ERR_CONFIG_UNSUPPORTED, "has another name");
	assert_content(other, "another domain's");
}

static void test_folder_that_is_missing(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_free(fixture->def->nvram);
	fixture->def->nvram = path_of(fixture, "nowhere/guest_VARS.fd");
	assert_refused(fixture, FALSE, VIR_ERR_SYSTEM_ERROR, "nowhere/guest_VARS.fd': No such");
}

/* A name of the longest kind has room for what is added while it is written. */
static void test_longest_name(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *name = g_strnfill(240, 'n');
	g_autofree char *file = g_strconcat(name, "_VARS.fd", NULL);

	g_free(fixture->def->nvram);
	fixture->def->nvram = path_of(fixture, file);
	assert_prepared(fixture, FALSE);
}

/* Its end */

static void test_undefine(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const guint both = VIR_DOMAIN_UNDEFINE_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_NVRAM;
	g_autoptr(GError) error = NULL;

	/* Nothing has been made yet. */
	g_assert_true(nvram_check_undefine(fixture->def, 0, NULL));

	put(fixture->def->nvram, "written by the guest");
	g_assert_false(nvram_check_undefine(fixture->def, 0, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_INVALID);
	g_assert_nonnull(strstr(error->message, "cannot undefine domain with nvram"));
	g_clear_error(&error);
	g_assert_false(nvram_check_undefine(fixture->def, both, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_INVALID);
	g_assert_nonnull(strstr(error->message, "cannot both keep and delete nvram"));
	g_assert_true(nvram_check_undefine(fixture->def, VIR_DOMAIN_UNDEFINE_NVRAM, NULL));
	g_assert_true(nvram_check_undefine(fixture->def, VIR_DOMAIN_UNDEFINE_KEEP_NVRAM, NULL));
	g_assert_true(g_file_test(fixture->def->nvram, G_FILE_TEST_EXISTS));

	g_assert_true(nvram_remove(fixture->def, NULL));
	g_assert_false(g_file_test(fixture->def->nvram, G_FILE_TEST_EXISTS));
	g_assert_true(nvram_remove(fixture->def, NULL));
}

static void test_file_that_cannot_be_removed(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	g_assert_no_errno(g_mkdir(fixture->def->nvram, 0700));
	g_assert_false(nvram_remove(fixture->def, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(strstr(error->message, "guest_VARS.fd"));
}

/* Whose it is */

static void test_identity(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder_link = path_of(fixture, "link");
	g_autofree char *through_link = path_of(fixture, "link/guest_VARS.fd");
	g_autofree char *before = nvram_identity(fixture->def);
	g_autofree char *after = NULL, *other = NULL;

	put(fixture->def->nvram, "x");
	after = nvram_identity(fixture->def);
	g_assert_cmpstr(before, ==, after);

	g_assert_no_errno(symlink(".", folder_link));
	g_free(fixture->def->nvram);
	fixture->def->nvram = g_steal_pointer(&through_link);
	other = nvram_identity(fixture->def);
	g_assert_cmpstr(other, ==, after);
}

static Domain *obtain(DomainList *list, const char *name, guint8 number)
{
	DomainDef def = { .name = (char *)name, .uuid = { number } };
	g_autoptr(GError) error = NULL;
	Domain *domain = domain_list_obtain(list, NULL, &def, &error);

	g_assert_no_error(error);
	return domain;
}

static void test_one_domain_at_a_time(void)
{
	g_autoptr(DomainList) list = domain_list_new();
	g_autoptr(Domain) first = obtain(list, "first", 1);
	g_autoptr(Domain) second = obtain(list, "second", 2);
	g_autoptr(GError) error = NULL;

	g_assert_true(domain_list_claim_nvram(list, first, "/vars", NULL));
	/* Its own claim is in nobody's way. */
	g_assert_true(domain_list_claim_nvram(list, first, "/vars", NULL));
	g_assert_true(domain_list_claim_nvram(list, second, "/others", NULL));
	g_assert_true(domain_list_claim_nvram(list, second, NULL, NULL));
	g_assert_false(domain_list_claim_nvram(list, second, "/vars", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_RESOURCE_BUSY);
	g_assert_nonnull(strstr(error->message, "nvram '/vars' is in use by domain 'first'"));

	g_assert_true(domain_list_claim_nvram(list, first, NULL, NULL));
	g_assert_true(domain_list_claim_nvram(list, second, "/vars", NULL));
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/nvram/made-from-template", test_made_from_template);
	add("/nvram/whose-it-may-be", test_whose_it_may_be);
	add("/nvram/existing-one-is-kept", test_existing_one_is_kept);
	add("/nvram/reset", test_reset);
	add("/nvram/reset-through-a-link", test_reset_through_a_link);
	add("/nvram/domain-without", test_domain_without);
	add("/nvram/template-that-is-missing", test_template_that_is_missing);
	add("/nvram/template-that-is-none", test_template_that_is_none);
	add("/nvram/file-that-is-none", test_file_that_is_none);
	add("/nvram/link-of-somebody-else", test_link_of_somebody_else);
	add("/nvram/hard-link", test_hard_link);
	add("/nvram/folder-that-is-missing", test_folder_that_is_missing);
	add("/nvram/longest-name", test_longest_name);
	add("/nvram/undefine", test_undefine);
	add("/nvram/file-that-cannot-be-removed", test_file_that_cannot_be_removed);
	add("/nvram/identity", test_identity);
	g_test_add_func("/nvram/one-domain-at-a-time", test_one_domain_at_a_time);

	return g_test_run();
}
