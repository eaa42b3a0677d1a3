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
#include <glib/gi18n.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rotating-file.h"
#include "driver/error.h"
#include "driver/safe-file.h"

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
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("going into the background: fork: %s"),
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

/* The daemon's own log, for as long as it runs. */
typedef struct {
	GMutex lock; /* guards the file; innermost */
	RotatingFile file;
} OwnLog;

static void make_room(OwnLog *log)
{
	struct stat status;

	g_mutex_lock(&log->lock);
	if (fstat(log->file.fd, &status) == 0 && status.st_size >= log->file.max_size &&
	    rotating_file_rotate(&log->file))
		(void)dup2(log->file.fd, STDERR_FILENO);
	g_mutex_unlock(&log->lock);
}

static void log_message(const char *domain, GLogLevelFlags level, const char *message, gpointer log)
{
	make_room(log);
	g_log_default_handler(domain, level, message, NULL);
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

/* Takes the output over, for the process's life. */
static void keep_log(SafeOutput *output, const VmmLogLimits *limits)
{
	static OwnLog log;

	log.file = (RotatingFile){
		.fd = g_steal_fd(&output->fd),
		.folder = g_steal_fd(&output->place.folder),
		.name = g_steal_pointer(&output->place.name),
		.max_size = limits->max_size,
		.max_backups = limits->max_backups,
	};
	(void)g_log_set_default_handler(log_message, &log);
}

gboolean background_serving(int fd, const char *log_path, const VmmLogLimits *limits,
			    GError **error)
{
	g_auto(SafeOutput) log = SAFE_OUTPUT_INIT;
	gboolean done;

	if (!safe_file_open_output(_("log"), log_path, FALSE, geteuid(), &log, error)) {
		close(fd);
		return FALSE;
	}
	done = redirect(log.fd) && write(fd, "", 1) == 1;
	if (!done)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("going into the background: %s"),
			     g_strerror(errno));
	else if (log.place.name)
		keep_log(&log, limits);
	close(fd);
	return done;
}
