/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* user-processes.c - all processes of a user who is one domain's alone */
#include "driver/security/user-processes.h"

#include <glib.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How long one that was killed may take. */
#define END_SECONDS 10

/* Of /proc/PID/status: the real user comes first behind it. */
#define UID_LINE "\nUid:"

/* A process's folder is root's where the process is not dumpable: the file in it is no help. */
static gboolean is_users(pid_t pid, uid_t uid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid);
	g_autofree char *text = NULL;
	const char *line;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return FALSE;
	line = strstr(text, UID_LINE);
	return line && g_ascii_strtoull(line + strlen(UID_LINE), NULL, 10) == uid;
}

/* Looked at again when the pidfd is open: the number may have become another's meanwhile. */
static void end_process(pid_t pid, uid_t uid)
{
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	if (pidfd < 0)
		return;
	if (is_users(pid, uid)) {
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		if (poll(&poll_fd, 1, END_SECONDS * 1000) == 0)
			g_warning(_("process %d of user %u does not end"), (int)pid, (guint)uid);
	}
	close(pidfd);
}

/* Return: whether there was one. */
static gboolean end_all(uid_t uid)
{
	g_autoptr(GDir) folder = g_dir_open("/proc", 0, NULL);
	const char *name;
	gboolean found = FALSE;

	while (folder && (name = g_dir_read_name(folder))) {
		guint64 pid;

		if (!g_ascii_string_to_unsigned(name, 10, 1, G_MAXINT, &pid, NULL) ||
		    !is_users((pid_t)pid, uid))
			continue;
		end_process((pid_t)pid, uid);
		found = TRUE;
	}
	return found;
}

void user_processes_end(uid_t uid)
{
	/* What one of them has made while the others were looked at is found by the next turn. */
	for (guint turn = 0; turn < 3 && end_all(uid); turn++)
		continue;
}
