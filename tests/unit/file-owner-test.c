/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* file-owner-test.c - files that are a domain's while it runs, and get their owner back */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/security/file-owner.h"
#include "support.h"

#define DOMAIN_USER 70003
#define STRANGER    4242

static const SafeOwners owners = { .user = STRANGER, .first = 70000, .count = 10 };

typedef struct {
	char *folder;
	char *path;
	guint fds;
} Fixture;

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;

	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("file-owner-test-XXXXXX", &error);
	g_assert_no_error(error);
	fixture->path = g_build_filename(fixture->folder, "file", NULL);
	g_file_set_contents(fixture->path, "content", -1, &error);
	g_assert_no_error(error);
	g_assert_no_errno(chmod(fixture->path, 0640));
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	remove_tree(fixture->folder);
	g_free(fixture->path);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

static void assert_is(const Fixture *fixture, uid_t uid, gid_t gid, mode_t mode)
{
	struct stat status;

	g_assert_no_errno(stat(fixture->path, &status));
	g_assert_cmpuint(status.st_uid, ==, uid);
	g_assert_cmpuint(status.st_gid, ==, gid);
	g_assert_cmphex(status.st_mode & 07777, ==, mode);
}

static FileOwner *find(const Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	FileOwner *owner = file_owner_find("file", fixture->path, &owners, &error);

	g_assert_no_error(error);
	return owner;
}

static void give(const FileOwner *owner)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(file_owner_give("file", owner, DOMAIN_USER, DOMAIN_USER, &error));
	g_assert_no_error(error);
}

static void give_back(const FileOwner *owner)
{
	g_autoptr(GError) error = NULL;

	g_assert_true(file_owner_give_back("file", owner, DOMAIN_USER, &error));
	g_assert_no_error(error);
}

static void test_there_and_back(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(FileOwner) owner = NULL;

	g_assert_no_errno(chown(fixture->path, STRANGER, 43));
	owner = find(fixture);
	assert_is(fixture, STRANGER, 43, 0640);
	give(owner);
	assert_is(fixture, DOMAIN_USER, DOMAIN_USER, 0640);
	give_back(owner);
	assert_is(fixture, STRANGER, 43, 0640);
	/* Twice is once. */
	give_back(owner);
	assert_is(fixture, STRANGER, 43, 0640);
}

/* What its owner may do while it has it is undone. */
static void test_mode(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(FileOwner) owner = find(fixture);

	give(owner);
	g_assert_no_errno(chmod(fixture->path, 06777));
	give_back(owner);
	assert_is(fixture, 0, 0, 0640);
}

/* It was a domain's when the host lost power: from now on it is the daemon's. */
static void test_left_by_a_domain(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(FileOwner) owner = NULL;

	g_assert_no_errno(chown(fixture->path, 70009, 70009));
	owner = find(fixture);
	give(owner);
	give_back(owner);
	assert_is(fixture, 0, 0, 0640);
}

/* Somebody has changed it meanwhile: that is what he wanted. */
static void test_new_owner(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(FileOwner) owner = find(fixture);

	give(owner);
	g_assert_no_errno(chown(fixture->path, 77, 78));
	give_back(owner);
	assert_is(fixture, 77, 78, 0640);
}

static void test_another_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(FileOwner) owner = find(fixture);
	g_autofree char *aside = g_strconcat(fixture->path, ".aside", NULL);
	g_autoptr(GError) error = NULL;

	give(owner);
	g_assert_no_errno(rename(fixture->path, aside));
	g_assert_true(g_file_set_contents(fixture->path, "other", -1, NULL));
	g_assert_no_errno(chown(fixture->path, DOMAIN_USER, 1));
	g_assert_no_errno(chmod(fixture->path, 0604));
	give_back(owner);
	assert_is(fixture, DOMAIN_USER, 1, 0604);

	/* What was not found cannot be given either. */
	g_assert_false(file_owner_give("file", owner, 1, 1, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	assert_is(fixture, DOMAIN_USER, 1, 0604);
}

static void test_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(FileOwner) owner = find(fixture);

	give(owner);
	g_assert_no_errno(unlink(fixture->path));
	give_back(owner);
	g_assert_no_errno(rmdir(fixture->folder));
	give_back(owner);
	g_assert_no_errno(g_mkdir(fixture->folder, 0700));
}

static void assert_refused(const Fixture *fixture, const char *words)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(file_owner_find("file", fixture->path, &owners, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	if (!strstr(error->message, words))
		g_error("no '%s' in '%s'", words, error->message);
}

static void test_refused(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *other = g_strconcat(fixture->path, ".other", NULL);

	g_assert_no_errno(chown(fixture->path, 70010, 0));
	assert_refused(fixture, "belongs to user 70010");
	g_assert_no_errno(chown(fixture->path, 0, 0));
	g_assert_no_errno(link(fixture->path, other));
	assert_refused(fixture, "hard link");
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

static void test_needs_root(void)
{
	g_test_skip("only root can give files away");
}

int main(int argc, char **argv)
{
	g_setenv("LC_ALL", "C", TRUE);
	g_test_init(&argc, &argv, NULL);
	if (geteuid() != 0) {
		g_test_add_func("/file-owner", test_needs_root);
		return g_test_run();
	}
	add("/file-owner/there-and-back", test_there_and_back);
	add("/file-owner/mode", test_mode);
	add("/file-owner/left-by-a-domain", test_left_by_a_domain);
	add("/file-owner/new-owner", test_new_owner);
	add("/file-owner/another-file", test_another_file);
	add("/file-owner/gone", test_gone);
	add("/file-owner/refused", test_refused);
	return g_test_run();
}
