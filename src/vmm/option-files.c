/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* option-files.c - the files and descriptors that gmem-vmm's options name */
#include "vmm/option-files.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/option-values.h"

gboolean option_bad_fd(GError **error, const char *option, int fd, const char *reason)
{
	g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--%s=%d: %s", option, fd,
		    reason);
	return FALSE;
}

gboolean option_adopt_fd(const char *option, int fd, struct stat *status, GError **error)
{
	if (fstat(fd, status) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return option_bad_fd(error, option, fd, _("no open descriptor has that number"));
	return TRUE;
}

/* Only a regular file will do, since it is read at any offset. */
static int open_regular_file(const char *option, const char *path, int mode, GError **error)
{
	int fd = open(path, mode | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0) {
		option_bad_value(error, option, path, g_strerror(errno));
		return -1;
	}
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		option_bad_value(error, option, path, _("not a regular file"));
		close(fd);
		return -1;
	}
	return fd;
}

gboolean option_open_file(const char *option, const char *path, int fd, int mode, int *result,
			  GError **error)
{
	g_autofree char *fd_option = g_strdup_printf("%s-fd", option);
	struct stat status;

	if (path && fd >= 0)
		return option_bad_value(error, option, path,
					_("given both as a path and as a descriptor"));
	if (path) {
		*result = open_regular_file(option, path, mode, error);
		return *result >= 0;
	}
	if (fd < 0)
		return TRUE;
	if (!option_adopt_fd(fd_option, fd, &status, error))
		return FALSE;
	if (!S_ISREG(status.st_mode))
		return option_bad_fd(error, fd_option, fd,
				     _("the descriptor is not a regular file"));
	if (mode == O_RDWR && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return option_bad_fd(error, fd_option, fd,
				     _("the descriptor is not open for reading and writing"));
	*result = fd;
	return TRUE;
}

char *option_name_fd(int fd)
{
	g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", fd);
	char *name = g_file_read_link(link, NULL);

	return name ? name : g_steal_pointer(&link);
}

static gboolean is_pty_master(int fd)
{
	unsigned int number;

	return ioctl(fd, TIOCGPTN, &number) == 0;
}

void option_make_own(int fd)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
	const int flags = fcntl(fd, F_GETFL);
	struct stat status;
	int ours;

	/* Opening a master's path makes a new terminal. */
	if (flags < 0 || (flags & O_NONBLOCK) || fstat(fd, &status) < 0 ||
	    S_ISSOCK(status.st_mode) || S_ISREG(status.st_mode) || is_pty_master(fd))
		return;
	ours = open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (ours < 0)
		return;
	(void)dup3(ours, fd, O_CLOEXEC);
	close(ours);
}

gboolean option_open_output(const char *option, const char *path, int *result, GError **error)
{
	*result = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	return *result >= 0 || option_bad_value(error, option, path, g_strerror(errno));
}

gboolean option_open_device(const char *option, int fd, const char *path, gboolean is_needed,
			    int *result, GError **error)
{
	struct stat status;

	if (fd < 0) {
		*result = open(path, O_RDWR | O_CLOEXEC);
		if (*result >= 0 || !is_needed)
			return TRUE;
		g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s: %s", path,
			    g_strerror(errno));
		return FALSE;
	}
	if (!option_adopt_fd(option, fd, &status, error))
		return FALSE;
	if (!S_ISCHR(status.st_mode))
		return option_bad_fd(error, option, fd,
				     _("the descriptor is not a character device"));
	*result = fd;
	return TRUE;
}
