/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rotating-file-test.c - a file that never grows beyond a size, whatever is done to its names */
#include "common/rotating-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define SIZE 100

typedef struct {
	char *folder;
	RotatingFile file;
	guint fds;
} Fixture;

static char *path_of(const Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->folder, name, NULL);
}

static void start(Fixture *fixture, gconstpointer data)
{
	g_autofree char *path = NULL;

	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("rotating-file-test-XXXXXX", NULL);
	g_assert_nonnull(fixture->folder);
	path = path_of(fixture, "log");
	fixture->file = (RotatingFile){
		.fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640),
		.folder = open(fixture->folder, O_PATH | O_DIRECTORY | O_CLOEXEC),
		.name = "log",
		.max_size = SIZE,
		.max_backups = GPOINTER_TO_UINT(data),
	};
	g_assert_cmpint(fixture->file.fd, >=, 0);
	g_assert_cmpint(fixture->file.folder, >=, 0);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	close(fixture->file.fd);
	close(fixture->file.folder);
	remove_tree(fixture->folder);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

static void put(Fixture *fixture, const char *text)
{
	g_assert_cmpuint(rotating_file_write(&fixture->file, text, strlen(text)), ==, strlen(text));
}

/* So many lines of ten bytes, numbered from @first on. */
static void put_lines(Fixture *fixture, guint first, guint count)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < count; i++)
		g_string_append_printf(text, "line %04u\n", first + i);
	put(fixture, text->str);
}

static char *content(const Fixture *fixture, const char *name)
{
	g_autofree char *path = path_of(fixture, name);
	char *text = NULL;

	(void)g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

static void assert_content(const Fixture *fixture, const char *name, const char *wanted)
{
	g_autofree char *is = content(fixture, name);

	g_assert_cmpstr(is, ==, wanted);
}

static void assert_lines(const Fixture *fixture, const char *name, guint first, guint count)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (guint i = 0; i < count; i++)
		g_string_append_printf(text, "line %04u\n", first + i);
	assert_content(fixture, name, text->str);
}

static void test_backups_are_numbered_from_the_newest(Fixture *fixture,
						      gconstpointer data G_GNUC_UNUSED)
{
	put_lines(fixture, 0, 10);
	assert_lines(fixture, "log", 0, 10);
	assert_content(fixture, "log.0", NULL);
	put_lines(fixture, 10, 10);
	put_lines(fixture, 20, 25);
	assert_lines(fixture, "log", 40, 5);
	assert_lines(fixture, "log.0", 30, 10);
	assert_lines(fixture, "log.1", 20, 10);
	assert_lines(fixture, "log.2", 10, 10);
	assert_content(fixture, "log.3", NULL);
}

static void test_lines_stay_whole(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *filling = g_strnfill(SIZE - 5, 'x');

	put(fixture, filling);
	put(fixture, "\n");
	put(fixture, "abc\ndef\n");
	assert_content(fixture, "log", "def\n");

	/* One that no file has room for is cut. */
	g_free(filling);
	filling = g_strnfill(3 * SIZE, 'y');
	put(fixture, filling);
	filling[SIZE] = '\0';
	assert_content(fixture, "log.0", filling);
}

static void test_access_stays_as_it_was(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "log");
	struct stat status;

	g_assert_no_errno(chmod(path, 0640));
	put_lines(fixture, 0, 15);
	g_assert_no_errno(stat(path, &status));
	g_assert_cmphex(status.st_mode & 07777, ==, 0640);
}

static void test_without_backups_it_is_emptied(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	put_lines(fixture, 0, 25);
	assert_lines(fixture, "log", 20, 5);
	assert_content(fixture, "log.0", NULL);
}

/* copytruncate of logrotate, say. */
static void test_emptied_by_somebody_else(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "log");

	put_lines(fixture, 0, 9);
	g_assert_no_errno(truncate(path, 0));
	put_lines(fixture, 9, 9);
	assert_lines(fixture, "log", 9, 9);
	assert_content(fixture, "log.0", NULL);
}

static void assert_bounded(Fixture *fixture)
{
	struct stat status;

	for (guint i = 0; i < 100; i++) {
		put_lines(fixture, i, 1);
		g_assert_no_errno(fstat(fixture->file.fd, &status));
		g_assert_cmpint(status.st_size, <=, SIZE);
	}
}

/* What has the name now is somebody's: it is neither written nor renamed. */
static void test_name_that_is_anothers(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "log");
	g_autofree char *moved = path_of(fixture, "moved");

	g_assert_no_errno(rename(path, moved));
	g_assert_true(g_file_set_contents(path, "another's", -1, NULL));
	assert_bounded(fixture);
	assert_content(fixture, "log", "another's");
	assert_content(fixture, "log.0", NULL);
	/* And so if there is none. */
	g_assert_no_errno(unlink(path));
	assert_bounded(fixture);
	assert_content(fixture, "log", NULL);
}

static void test_backup_that_is_a_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = path_of(fixture, "log.0");
	g_autofree char *target = path_of(fixture, "target");

	g_assert_true(g_file_set_contents(target, "another's", -1, NULL));
	g_assert_no_errno(symlink("target", link));
	put_lines(fixture, 0, 15);
	assert_content(fixture, "target", "another's");
	assert_lines(fixture, "log.0", 0, 10);
	assert_content(fixture, "log.1", "another's");
}

static void test_backup_that_is_in_the_way(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "log.0");

	g_assert_no_errno(g_mkdir(path, 0700));
	g_free(path);
	path = path_of(fixture, "log.1");
	g_assert_no_errno(g_mkdir(path, 0700));
	g_free(path);
	path = path_of(fixture, "log.1/full");
	g_assert_no_errno(g_mkdir(path, 0700));
	assert_bounded(fixture);
}

static void test_folder_that_is_gone(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	remove_tree(fixture->folder);
	assert_bounded(fixture);
}

static void test_what_cannot_be_written_is_said(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	close(fixture->file.fd);
	fixture->file.fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	g_assert_cmpint(fixture->file.fd, >=, 0);
	errno = 0;
	g_assert_cmpuint(rotating_file_write(&fixture->file, "abc", 3), ==, 0);
	g_assert_cmpint(errno, ==, ENOSPC);
}

static void add(const char *path, guint backups, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, GUINT_TO_POINTER(backups), start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/rotating-file/backups-are-numbered-from-the-newest", 3,
	    test_backups_are_numbered_from_the_newest);
	add("/rotating-file/lines-stay-whole", 3, test_lines_stay_whole);
	add("/rotating-file/access-stays-as-it-was", 1, test_access_stays_as_it_was);
	add("/rotating-file/without-backups-it-is-emptied", 0, test_without_backups_it_is_emptied);
	add("/rotating-file/emptied-by-somebody-else", 3, test_emptied_by_somebody_else);
	add("/rotating-file/name-that-is-anothers", 3, test_name_that_is_anothers);
	add("/rotating-file/backup-that-is-a-link", 3, test_backup_that_is_a_link);
	add("/rotating-file/backup-that-is-in-the-way", 3, test_backup_that_is_in_the_way);
	add("/rotating-file/folder-that-is-gone", 3, test_folder_that_is_gone);
	add("/rotating-file/what-cannot-be-written-is-said", 3,
	    test_what_cannot_be_written_is_said);

	return g_test_run();
}
