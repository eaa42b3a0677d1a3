/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image-size-test.c - how large files and devices are, and what is no image */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/host/image-size.h"
#include "support.h"

static void test_sizes(void)
{
	g_autofree char *folder = g_dir_make_tmp("image-size-test-XXXXXX", NULL);
	g_autofree char *file = g_build_filename(folder, "disk.raw", NULL);
	g_autofree char *fifo = g_build_filename(folder, "fifo", NULL);
	g_autoptr(GError) error = NULL;
	ImageSize size = { 0 };
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	g_assert_no_errno(fd);
	g_assert_no_errno(ftruncate(fd, 1 << 20));
	g_assert_cmpint(pwrite(fd, folder, 1, 4096), ==, 1);
	g_assert_no_errno(fsync(fd));
	g_assert_no_errno(close(fd));
	g_assert_true(image_size_read("/", file, "raw", &size, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(size.capacity, ==, 1 << 20);
	g_assert_cmpuint(size.physical, ==, 1 << 20);
	g_assert_cmpuint(size.allocation, >, 0);
	g_assert_cmpuint(size.allocation, <, 1 << 20);

	g_assert_no_errno(mkfifo(fifo, 0600));
	g_assert_false(image_size_read("/", fifo, "raw", &size, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_INVALID);
	g_clear_error(&error);
	g_assert_false(image_size_read("/", "/nowhere/disk", "raw", &size, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	/* Below another root the same file is another one. */
	g_assert_true(image_size_read(folder, "/disk.raw", "raw", &size, NULL));
	remove_tree(folder);
}

/* A link that somebody else can have made may lead to what only the daemon may look at. */
static void test_link_of_others(void)
{
	g_autofree char *folder = g_dir_make_tmp("image-size-test-XXXXXX", NULL);
	g_autofree char *file = g_build_filename(folder, "disk.raw", NULL);
	g_autofree char *link = g_build_filename(folder, "link", NULL);
	g_autoptr(GError) error = NULL;
	ImageSize size = { 0 };

	g_assert_true(g_file_set_contents(file, "data", -1, NULL));
	g_assert_no_errno(symlink("disk.raw", link));
	g_assert_true(image_size_read("/", link, "raw", &size, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(size.capacity, ==, strlen("data"));

	g_assert_no_errno(chmod(folder, 0777));
	g_assert_false(image_size_read("/", link, "raw", &size, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	g_assert_true(image_size_read("/", file, "raw", &size, NULL));
	remove_tree(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/image-size/sizes", test_sizes);
	g_test_add_func("/image-size/link-of-others", test_link_of_others);
	return g_test_run();
}
