/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* safe-file-test.c - files that a definition names, and traps that somebody has put there */
#include "driver/safe-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/error.h"
#include "support.h"

/* Somebody else, and whom the VMMs run as. */
#define STRANGER 4242
#define VMM	 4243

#define SECRET	 "somebody's"

typedef struct {
	char *folder; /* ours alone */
	char *secret; /* a file in it */
	guint fds;
} Fixture;

static char *path_of(const Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->folder, name, NULL);
}

static void put(const char *path, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, &error);
	g_assert_no_error(error);
}

static void assert_content(const char *path, const char *wanted)
{
	g_autofree char *content = NULL;

	g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
	g_assert_cmpstr(content, ==, wanted);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("safe-file-test-XXXXXX", NULL);
	g_assert_nonnull(fixture->folder);
	fixture->secret = path_of(fixture, "secret");
	put(fixture->secret, SECRET);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	remove_tree(fixture->folder);
	g_free(fixture->secret);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

static gboolean open_output(const char *path, gboolean is_emptied, SafeOutput *output,
			    GError **error)
{
	return safe_file_open_output("log", path, is_emptied, VMM, output, error);
}

/* Writes a word to a file that is opened for output. */
static void assert_output(const char *path, gboolean is_emptied)
{
	g_auto(SafeOutput) output = SAFE_OUTPUT_INIT;
	g_autoptr(GError) error = NULL;

	g_assert_true(open_output(path, is_emptied, &output, &error));
	g_assert_no_error(error);
	g_assert_cmpint(write(output.fd, "word", 4), ==, 4);
}

static void assert_word(const GError *error, const char *path, const char *word)
{
	g_assert_true(error->domain == DRIVER_ERROR);
	if (!strstr(error->message, word) || !strstr(error->message, path))
		g_error("'%s' was to be refused with '%s', and not with '%s'", path, word,
			error->message);
}

static void assert_output_refused(const char *path, const char *word)
{
	g_auto(SafeOutput) output = SAFE_OUTPUT_INIT;
	g_autoptr(GError) error = NULL;

	if (open_output(path, TRUE, &output, &error))
		g_error("accepted for output: %s", path);
	assert_word(error, path, word);
	g_assert_cmpint(output.fd, ==, -1);
	g_assert_cmpint(output.place.folder, ==, -1);
}

static void assert_update_refused(const char *path, const char *word)
{
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(safe_file_open_update("nvram", path, VMM, &error), ==, -1);
	assert_word(error, path, word);
}

static void assert_input_refused(const char *path, const char *word)
{
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(safe_file_open_input("kernel", path, &error), ==, -1);
	assert_word(error, path, word);
}

static void assert_refused(const char *path, const char *word)
{
	assert_output_refused(path, word);
	assert_update_refused(path, word);
	assert_input_refused(path, word);
}

/* The content comes by reading the one descriptor, the word goes by writing the other. */
static void assert_opened(const char *path)
{
	g_autoptr(GError) error = NULL;
	char buffer[sizeof(SECRET)] = "";
	int fd = safe_file_open_input("kernel", path, &error);

	g_assert_no_error(error);
	g_assert_cmpint(read(fd, buffer, sizeof(SECRET) - 1), ==, sizeof(SECRET) - 1);
	g_assert_cmpstr(buffer, ==, SECRET);
	g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
	g_assert_cmpint(fcntl(fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
	close(fd);
	fd = safe_file_open_update("nvram", path, VMM, &error);
	g_assert_no_error(error);
	g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_RDWR);
	close(fd);
}

/* Only root can give files away. */
static gboolean can_give_away(void)
{
	if (geteuid() == 0)
		return TRUE;
	g_test_skip("only root can give files away");
	return FALSE;
}

static void give_away(const char *path, uid_t owner)
{
	g_assert_no_errno(fchownat(AT_FDCWD, path, owner, owner, AT_SYMLINK_NOFOLLOW));
}

static char *make_folder(const Fixture *fixture, const char *name, mode_t mode)
{
	char *path = path_of(fixture, name);

	g_assert_no_errno(g_mkdir(path, 0700));
	g_assert_no_errno(chmod(path, mode));
	return path;
}

/* What is as it should be */

static void test_new_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const mode_t mask = umask(0);
	g_autofree char *path = path_of(fixture, "new");
	struct stat status;

	assert_output(path, TRUE);
	umask(mask);
	assert_content(path, "word");
	g_assert_no_errno(stat(path, &status));
	g_assert_cmphex(status.st_mode & 07777, ==, 0600);
}

static void test_existing_file(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	assert_opened(fixture->secret);
	assert_output(fixture->secret, FALSE);
	assert_content(fixture->secret, SECRET "word");
	assert_output(fixture->secret, TRUE);
	assert_content(fixture->secret, "word");
}

/* A logger must be able to go on under that name. */
static void test_place(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_auto(SafeOutput) output = SAFE_OUTPUT_INIT;
	struct stat here, there;

	g_assert_true(open_output(fixture->secret, FALSE, &output, NULL));
	g_assert_cmpstr(output.place.name, ==, "secret");
	g_assert_no_errno(stat(fixture->folder, &here));
	g_assert_no_errno(fstat(output.place.folder, &there));
	g_assert_cmpuint(here.st_ino, ==, there.st_ino);
}

/* What is closed on the way counts, whatever comes behind it, and also behind a link. */
static void test_place_that_is_open_to_all(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *back = g_strconcat(fixture->folder, "/../../../../../../../../etc/passwd",
					    NULL);
	g_autofree char *link = path_of(fixture, "link");
	const struct {
		const char *path;
		gboolean is_open;
	} cases[] = {
		{ "/etc/passwd", TRUE }, { "/etc/none", TRUE }, { fixture->secret, FALSE },
		{ back, FALSE },	 { link, FALSE },
	};

	g_assert_no_errno(symlink("/etc/passwd", link));
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(SafePlace) place = SAFE_PLACE_INIT;

		g_test_message("%s", cases[i].path);
		g_assert_true(safe_place_find("file", cases[i].path, &place, NULL));
		g_assert_cmpint(place.is_open_to_all, ==, cases[i].is_open);
	}
}

static void test_null_device(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
	g_auto(SafeOutput) output = SAFE_OUTPUT_INIT;
	g_autoptr(GError) error = NULL;

	g_assert_true(open_output("/dev/null", TRUE, &output, &error));
	g_assert_no_error(error);
	g_assert_null(output.place.name);
	assert_input_refused("/dev/null", "is not a regular file");
	assert_update_refused("/dev/null", "is not a regular file");
}

static void test_ways_to_write_a_path(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *dots = g_strconcat(fixture->folder, "/./..//", NULL);
	g_autofree char *name = g_path_get_basename(fixture->folder);
	g_autofree char *path = g_strconcat(dots, name, "//secret", NULL);

	assert_opened(path);
	assert_output_refused("relative", "is not an absolute path");
	assert_input_refused("", "is not an absolute path");
}

static void test_links_of_ours(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = path_of(fixture, "link");
	g_autofree char *folder_link = path_of(fixture, "folder");
	g_autofree char *through = path_of(fixture, "folder/secret");
	g_autofree char *chain = path_of(fixture, "chain");

	g_assert_no_errno(symlink("secret", link));
	g_assert_no_errno(symlink(fixture->folder, folder_link));
	g_assert_no_errno(symlink("folder/./link", chain));
	assert_opened(link);
	assert_opened(through);
	assert_opened(chain);
	assert_output(through, FALSE);
	assert_content(fixture->secret, SECRET "word");
	/* Whoever wants output in a file names it. */
	assert_output_refused(link, "is a symbolic link");
	assert_output_refused(chain, "is a symbolic link");
	assert_content(fixture->secret, SECRET "word");
}

static void test_link_to_itself(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = path_of(fixture, "link");
	g_autofree char *through = path_of(fixture, "link/log");

	g_assert_no_errno(symlink("link", link));
	assert_input_refused(link, "Too many levels");
	assert_refused(through, "Too many levels");
}

/* Traps */

static void assert_trap(const Fixture *fixture, const char *folder)
{
	g_autofree char *link = g_build_filename(folder, "link", NULL);
	g_autofree char *folder_link = g_build_filename(folder, "there", NULL);
	g_autofree char *through = g_build_filename(folder, "there/secret", NULL);

	g_assert_no_errno(symlink(fixture->secret, link));
	g_assert_no_errno(symlink(fixture->folder, folder_link));
	assert_output_refused(link, "is a symbolic link");
	assert_update_refused(link, "somebody else can have made");
	assert_input_refused(link, "somebody else can have made");
	assert_refused(through, "somebody else can have made");
	assert_content(fixture->secret, SECRET);
}

static void test_link_in_a_folder_that_all_may_write_to(Fixture *fixture,
							gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder = make_folder(fixture, "open", 0777);

	assert_trap(fixture, folder);
}

static void test_link_in_a_folder_of_somebody_else(Fixture *fixture,
						   gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder = make_folder(fixture, "theirs", 0755);

	if (!can_give_away())
		return;
	give_away(folder, STRANGER);
	assert_trap(fixture, folder);
}

/* In /tmp everybody may make links, but nobody may replace another's. */
static void test_link_in_a_sticky_folder(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *folder = make_folder(fixture, "sticky", 01777);
	g_autofree char *ours = g_build_filename(folder, "ours", NULL);
	g_autofree char *theirs = g_build_filename(folder, "theirs", NULL);

	g_assert_no_errno(symlink(fixture->secret, ours));
	assert_opened(ours);
	if (!can_give_away())
		return;
	g_assert_no_errno(symlink(fixture->secret, theirs));
	give_away(theirs, STRANGER);
	assert_update_refused(theirs, "somebody else can have made");
	assert_input_refused(theirs, "somebody else can have made");
	assert_output_refused(theirs, "is a symbolic link");
}

static void test_fifo(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "fifo");

	g_assert_no_errno(mkfifo(path, 0600));
	assert_refused(path, "is not a regular file");
}

static void test_socket(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "socket");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	g_assert_cmpuint(strlen(path), <, sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	g_assert_no_errno(bind(fd, (const struct sockaddr *)&address, sizeof(address)));
	assert_refused(path, "is not a regular file");
	close(fd);
}

static void test_folder(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = make_folder(fixture, "folder", 0700);
	g_autofree char *slash = g_strconcat(path, "/", NULL);

	assert_refused(path, "is not a regular file");
	assert_refused(slash, "Is a directory");
	assert_refused("/", "Is a directory");
	assert_refused("/..", "Is a directory");
}

static void test_devices(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const devices[] = { "/dev/zero", "/dev/full", "/dev/ptmx", "/dev/tty" };

	for (gsize i = 0; i < G_N_ELEMENTS(devices); i++)
		assert_refused(devices[i], "is not a regular file");
}

static void assert_device_refused(const char *path, const char *word)
{
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(safe_file_open_block_device("disk", path, TRUE, &error), ==, -1);
	assert_word(error, path, word);
}

/* What is said to be a device is one of that kind. */
static void test_wanted_devices(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	int fd = safe_file_open_random_source("rng", "/dev/urandom", &error);

	g_assert_no_error(error);
	g_assert_cmpint(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), ==, O_RDONLY);
	close(fd);
	assert_device_refused("/dev/urandom", "is not a block device");
	assert_device_refused(fixture->secret, "is not a block device");
	g_assert_cmpint(safe_file_open_random_source("rng", fixture->secret, &error), ==, -1);
	assert_word(error, fixture->secret, "is not a character device");
	if (geteuid() != 0)
		return;
	g_clear_error(&error);
	g_assert_cmpint(safe_file_open_random_source("rng", "/dev/zero", &error), ==, -1);
	assert_word(error, "/dev/zero", "is none of the kernel's");
}

/* io_uring would say EAGAIN. */
static void test_images_wait(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	const int input = safe_file_open_image("disk", fixture->secret, &error);
	const int update = safe_file_open_image_update("disk", fixture->secret, VMM, &error);

	g_assert_no_error(error);
	g_assert_cmpint(fcntl(input, F_GETFL) & (O_ACCMODE | O_NONBLOCK), ==, O_RDONLY);
	g_assert_cmpint(fcntl(update, F_GETFL) & (O_ACCMODE | O_NONBLOCK), ==, O_RDWR);
	close(input);
	close(update);
}

static void test_files_of_the_kernel(Fixture *fixture G_GNUC_UNUSED,
				     gconstpointer data G_GNUC_UNUSED)
{
	static const char *const files[] = { "/proc/self/oom_score_adj",
					     "/proc/sys/kernel/domainname",
					     "/sys/kernel/mm/transparent_hugepage/enabled" };

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		/* /proc/self is a link, and one of the kernel's making. */
		assert_refused(files[i], i == 0 ? "leads through the symbolic link 'self'" :
						  "is a file of the kernel's own");
	assert_refused("/proc/1/oom_score_adj", "is a file of the kernel's own");
}

static void test_magic_links(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const int fd = open(fixture->secret, O_RDWR | O_CLOEXEC);
	g_autofree char *path = g_strdup_printf("/proc/%d/fd/%d", (int)getpid(), fd);
	g_autofree char *through = g_strdup_printf("/proc/%d/root/dev/null", (int)getpid());

	assert_output_refused(path, "is a symbolic link");
	assert_input_refused(path, "somebody else can have made");
	assert_refused(through, "somebody else can have made");
	assert_content(fixture->secret, SECRET);
	close(fd);
}

static void test_file_of_somebody_else(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	if (!can_give_away())
		return;
	give_away(fixture->secret, STRANGER);
	assert_output_refused(fixture->secret, "belongs to user 4242");
	assert_update_refused(fixture->secret, "belongs to user 4242");
	assert_content(fixture->secret, SECRET);
	/* The VMMs' own is another matter. */
	give_away(fixture->secret, VMM);
	assert_opened(fixture->secret);
	assert_output(fixture->secret, TRUE);
}

static void test_hard_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "other name");

	g_assert_no_errno(link(fixture->secret, path));
	assert_output_refused(path, "has another name");
	assert_update_refused(path, "has another name");
	assert_content(fixture->secret, SECRET);
	g_assert_no_errno(unlink(path));
	assert_opened(fixture->secret);
}

static void test_nothing_there(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *path = path_of(fixture, "none");
	g_autofree char *below = path_of(fixture, "none/log");
	g_autofree char *below_file = path_of(fixture, "secret/log");

	assert_input_refused(path, "No such file");
	assert_update_refused(path, "No such file");
	assert_refused(below, "No such file");
	assert_refused(below_file, "Not a directory");
	g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

/* A dangling link makes no file where it leads to. */
static void test_dangling_link(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *link = path_of(fixture, "link");
	g_autofree char *target = path_of(fixture, "target");

	g_assert_no_errno(symlink(target, link));
	assert_output_refused(link, "is a symbolic link");
	assert_input_refused(link, "No such file");
	g_assert_false(g_file_test(target, G_FILE_TEST_EXISTS));
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	add("/safe-file/new-file", test_new_file);
	add("/safe-file/existing-file", test_existing_file);
	add("/safe-file/place", test_place);
	add("/safe-file/place-that-is-open-to-all", test_place_that_is_open_to_all);
	add("/safe-file/null-device", test_null_device);
	add("/safe-file/ways-to-write-a-path", test_ways_to_write_a_path);
	add("/safe-file/links-of-ours", test_links_of_ours);
	add("/safe-file/link-to-itself", test_link_to_itself);
	add("/safe-file/trap/link-in-a-folder-that-all-may-write-to",
	    test_link_in_a_folder_that_all_may_write_to);
	add("/safe-file/trap/link-in-a-folder-of-somebody-else",
	    test_link_in_a_folder_of_somebody_else);
	add("/safe-file/trap/link-in-a-sticky-folder", test_link_in_a_sticky_folder);
	add("/safe-file/trap/fifo", test_fifo);
	add("/safe-file/trap/socket", test_socket);
	add("/safe-file/trap/folder", test_folder);
	add("/safe-file/trap/devices", test_devices);
	add("/safe-file/wanted-devices", test_wanted_devices);
	add("/safe-file/images-wait", test_images_wait);
	add("/safe-file/trap/files-of-the-kernel", test_files_of_the_kernel);
	add("/safe-file/trap/magic-links", test_magic_links);
	add("/safe-file/trap/file-of-somebody-else", test_file_of_somebody_else);
	add("/safe-file/trap/hard-link", test_hard_link);
	add("/safe-file/trap/nothing-there", test_nothing_there);
	add("/safe-file/trap/dangling-link", test_dangling_link);

	return g_test_run();
}
