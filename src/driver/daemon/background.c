/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * background.c - going on in the background, once the daemon serves
 *
 * Theory of operation
 *
 * Whoever starts the daemon wants to connect when the command returns. So the parent stays
 * until the child has written a byte to a pipe; a child that ends first has closed it, after
 * it has said why on the standard error that both share until then.
 */
#include "driver/daemon/background.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/error.h"

static void wait_for_child(int fd)
{
	char byte;
	ssize_t size;

	do {
		size = read(fd, &byte, 1);
	} while (size < 0 && errno == EINTR);
	/* Without the parent's clean-up: all that it has is the child's. */
	_exit(size == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

int background_enter(GError **error)
{
	int fds[2];
	pid_t pid;

	if (!g_unix_open_pipe(fds, FD_CLOEXEC, error))
		return -1;
	pid = fork();
	if (pid < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "going into the background: fork: %s",
			     g_strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0]);
	}
	close(fds[0]);
	(void)setsid();
	return fds[1];
}

static gboolean redirect(int log)
{
	const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const gboolean done = null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
			      dup2(null, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0 &&
			      chdir("/") == 0;

	if (null >= 0)
		close(null);
	return done;
}

gboolean background_serving(int fd, const char *log_path, GError **error)
{
	const int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
			     0600);
	gboolean done;

	if (log < 0) {
		close(fd);
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, "log '%s': %s", log_path,
				    g_strerror(errno));
	}
	done = redirect(log) && write(fd, "", 1) == 1;
	if (!done)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "going into the background: %s",
			     g_strerror(errno));
	close(log);
	close(fd);
	return done;
}
