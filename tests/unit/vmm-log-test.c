/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-log-test.c - the end of a VMM's log, wherever its lines have gone meanwhile */
#include "driver/vmm/vmm-log.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rotating-file.h"
#include "driver/error.h"
#include "support.h"

static const char *const argv[] = { "/usr/libexec/gmem-vmm", "--name=it's", NULL };

typedef struct {
	char *folder;
	char *path;
	VmmLogLimits limits;
	SafeOutput log;
	VmmLogMark mark;
} Fixture;

static void open_log(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;

	safe_output_clear(&fixture->log);
	g_assert_true(vmm_log_open(fixture->path, &fixture->limits, argv, &fixture->log,
				   &fixture->mark, &error));
	g_assert_no_error(error);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->folder = g_dir_make_tmp("vmm-log-test-XXXXXX", NULL);
	g_assert_nonnull(fixture->folder);
	fixture->path = g_build_filename(fixture->folder, "guest.log", NULL);
	fixture->limits = (VmmLogLimits){ .max_size = 4096, .max_backups = 3 };
	fixture->log = (SafeOutput)SAFE_OUTPUT_INIT;
	open_log(fixture);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	safe_output_clear(&fixture->log);
	remove_tree(fixture->folder);
	g_free(fixture->path);
	g_free(fixture->folder);
}

/* As gmem-logger does it. */
static void vmm_says(Fixture *fixture, const char *text)
{
	RotatingFile file = {
		.fd = fixture->log.fd,
		.folder = fixture->log.place.folder,
		.name = fixture->log.place.name,
		.max_size = fixture->limits.max_size,
		.max_backups = fixture->limits.max_backups,
	};

	g_assert_cmpuint(rotating_file_write(&file, text, strlen(text)), ==, strlen(text));
	fixture->log.fd = file.fd;
}

static void rotate(Fixture *fixture)
{
	RotatingFile file = {
		.fd = fixture->log.fd,
		.folder = fixture->log.place.folder,
		.name = fixture->log.place.name,
		.max_size = fixture->limits.max_size,
		.max_backups = fixture->limits.max_backups,
	};

	g_assert_true(rotating_file_rotate(&file));
	fixture->log.fd = file.fd;
}

static void assert_tail(const Fixture *fixture, const char *wanted)
{
	g_autofree char *tail = vmm_log_tail(fixture->path, &fixture->mark);

	g_assert_cmpstr(tail, ==, wanted);
}

static void test_header(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *text = NULL;
	struct stat status;

	g_assert_true(g_file_get_contents(fixture->path, &text, NULL, NULL));
	g_assert_nonnull(strstr(text, ": starting up libvirt-gmem "));
	g_assert_nonnull(strstr(text, ": '/usr/libexec/gmem-vmm' '--name=it'\\''s'\n"));
	g_assert_no_errno(stat(fixture->path, &status));
	g_assert_cmphex(status.st_mode & 07777, ==, 0600);
}

/* Neither how it was started nor what another one said is its last words. */
static void test_only_its_own_lines(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_tail(fixture, NULL);
	vmm_says(fixture, "first VMM\n");
	assert_tail(fixture, "first VMM");
	open_log(fixture);
	assert_tail(fixture, NULL);
	vmm_says(fixture, "second VMM\nends\n");
	assert_tail(fixture, "second VMM\nends");
}

static void test_last_lines(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	vmm_says(fixture, "1\n2\n3\n4\n5\n6\n7\n8\n");
	assert_tail(fixture, "3\n4\n5\n6\n7\n8");
}

/* The offset is of a file that has another name now. */
static void test_after_a_rotation(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	vmm_says(fixture, "before\n");
	rotate(fixture);
	assert_tail(fixture, "before");
	vmm_says(fixture, "after\n");
	assert_tail(fixture, "before\nafter");
	rotate(fixture);
	vmm_says(fixture, "much later\n");
	assert_tail(fixture, "after\nmuch later");
}

static void test_rotated_before_it_said_anything(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	rotate(fixture);
	assert_tail(fixture, NULL);
	vmm_says(fixture, "word\n");
	assert_tail(fixture, "word");
}

static void test_through_many_rotations(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *line = g_strnfill(200, 'x');
	g_autofree char *former = g_strconcat(fixture->path, ".3", NULL);
	struct stat status;

	for (guint i = 0; i < 200; i++) {
		vmm_says(fixture, line);
		vmm_says(fixture, "\n");
	}
	vmm_says(fixture, "1\n2\n3\n4\n5\n6\n");
	assert_tail(fixture, "1\n2\n3\n4\n5\n6");
	g_assert_no_errno(stat(fixture->path, &status));
	g_assert_cmpint(status.st_size, <=, 4096);
	g_assert_false(g_file_test(former, G_FILE_TEST_EXISTS));
}

static void test_emptied(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_assert_no_errno(truncate(fixture->path, 0));
	vmm_says(fixture, "word\n");
	assert_tail(fixture, "word");
}

/* A status file that an older daemon wrote says the offset alone. */
static void test_without_an_inode(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->mark.inode = 0;
	vmm_says(fixture, "word\n");
	assert_tail(fixture, "word");
}

/* A VMM that has been taken over may write anything. */
static void test_any_bytes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	vmm_says(fixture, "\xff\xfe\x80\n");
	assert_tail(fixture, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_log_that_is_a_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *target = g_build_filename(fixture->folder, "target", NULL);
	g_autoptr(GError) error = NULL;
	g_auto(SafeOutput) log = SAFE_OUTPUT_INIT;
	VmmLogMark mark;

	g_assert_no_errno(unlink(fixture->path));
	g_assert_no_errno(symlink("target", fixture->path));
	g_assert_false(vmm_log_open(fixture->path, &fixture->limits, argv, &log, &mark, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv_of_test)
{
	g_test_init(&argc, &argv_of_test, NULL);

	add("/vmm-log/header", test_header);
	add("/vmm-log/only-its-own-lines", test_only_its_own_lines);
	add("/vmm-log/last-lines", test_last_lines);
	add("/vmm-log/after-a-rotation", test_after_a_rotation);
	add("/vmm-log/rotated-before-it-said-anything", test_rotated_before_it_said_anything);
	add("/vmm-log/through-many-rotations", test_through_many_rotations);
	add("/vmm-log/emptied", test_emptied);
	add("/vmm-log/without-an-inode", test_without_an_inode);
	add("/vmm-log/any-bytes", test_any_bytes);
	add("/vmm-log/log-that-is-a-link", test_log_that_is_a_link);

	return g_test_run();
}
