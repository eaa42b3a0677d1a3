/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cgroup.c - a control group for the processes of one domain, and their end as a whole */
#include "driver/security/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "driver/error.h"

/* As machined and host names have it. */
#define MACHINE_NAME_MAX 64

/* How long what was killed may take: it may have much memory to give back. */
#define END_SECONDS 10

/* How often those of a kernel without cgroup.kill are looked for again meanwhile. */
#define TURN_MS 50

static gboolean lacks(GError **error, const char *folder)
{
	return driver_error(error, VIR_ERR_OPERATION_FAILED, _("cgroup '%s': %s"), folder,
			    g_strerror(errno));
}

/*
 * Where groups are.
 */

/* Fields of a line of /proc/PID/mountinfo, from proc(5), by their places. */
enum { MOUNT_ROOT = 3, MOUNT_POINT = 4, MOUNT_FIRST_OPTIONAL = 6 };

/* The mount point of a line that is of cgroup v2, and what it shows of it; both for g_free(). */
static gboolean read_mount(const char *line, char **point, char **root)
{
	g_auto(GStrv) fields = g_strsplit(line, " ", -1);
	const guint count = g_strv_length(fields);
	guint i = MOUNT_FIRST_OPTIONAL;

	while (i < count && strcmp(fields[i], "-") != 0)
		i++;
	if (i + 1 >= count || strcmp(fields[i + 1], "cgroup2") != 0)
		return FALSE;
	*point = g_strcompress(fields[MOUNT_POINT]);
	*root = g_strcompress(fields[MOUNT_ROOT]);
	return TRUE;
}

/* What is left of a group's path below what a mount shows; NULL where it is not below that. */
static const char *path_below(const char *path, const char *root)
{
	if (strcmp(root, "/") == 0)
		return path;
	if (!g_str_has_prefix(path, root))
		return NULL;
	path += strlen(root);
	return *path == '/' || !*path ? path : NULL;
}

/* The group's path of v2: the line without a controller. */
static char *read_path(const char *root, const char *process, GError **error)
{
	g_autofree char *file = g_build_filename(root, "proc", process, "cgroup", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!g_file_get_contents(file, &text, NULL, NULL)) {
		driver_error(error, VIR_ERR_OPERATION_FAILED, _("'%s' cannot be read"), file);
		return NULL;
	}
	lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i]; i++)
		if (g_str_has_prefix(lines[i], "0::/") && !g_str_has_prefix(lines[i], "0::/.."))
			return g_strdup(lines[i] + strlen("0::"));
	driver_error(error, VIR_ERR_OPERATION_FAILED,
		     _("process '%s' is in no group of cgroup v2 that is shown here"), process);
	return NULL;
}

static char *find_folder(const char *root, const char *process, GError **error)
{
	g_autofree char *file = g_build_filename(root, "proc", "self", "mountinfo", NULL);
	g_autofree char *path = read_path(root, process, error);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;

	if (!path)
		return NULL;
	(void)g_file_get_contents(file, &text, NULL, NULL);
	lines = g_strsplit(text ? text : "", "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_autofree char *point = NULL;
		g_autofree char *shown = NULL;
		const char *below;

		if (!read_mount(lines[i], &point, &shown))
			continue;
		below = path_below(path, shown);
		if (below)
			return g_build_filename(point, below, NULL);
	}
	driver_error(error, VIR_ERR_OPERATION_FAILED,
		     _("cgroup v2 is not mounted, or not where group '%s' is shown"), path);
	return NULL;
}

char *cgroup_own_folder(const char *root, GError **error)
{
	return find_folder(root, "self", error);
}

char *cgroup_folder_of(const char *root, pid_t pid, GError **error)
{
	g_autofree char *process = g_strdup_printf("%d", (int)pid);

	return find_folder(root, process, error);
}

char *cgroup_machine_name(int id, const char *name)
{
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_printf(text, "gmem-%d-", id);
	for (; *name && text->len < MACHINE_NAME_MAX; name++) {
		const char last = text->str[text->len - 1];

		/* Neither a label of a host's name nor the whole begins or ends with these. */
		if (g_ascii_isalnum(*name) || (strchr("-.", *name) && last != '-' && last != '.'))
			g_string_append_c(text, *name);
	}
	while (strchr("-.", text->str[text->len - 1]))
		g_string_truncate(text, text->len - 1);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Another daemon's domain may have that name and number, in a container or for a test. */
char *cgroup_new_folder(const char *below, const char *machine_name)
{
	g_autofree char *name = g_strdup_printf("%s-%08x.libvirt-gmem", machine_name,
						g_random_int());

	return g_build_filename(below, name, NULL);
}

gboolean cgroup_make(const char *folder, GError **error)
{
	return mkdir(folder, 0755) == 0 || lacks(error, folder);
}

static int open_file(const char *folder, const char *name, int flags)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	return open(path, flags | O_CLOEXEC);
}

static gboolean write_text(const char *folder, const char *name, const char *text)
{
	const int fd = open_file(folder, name, O_WRONLY);
	const gboolean is_written = fd >= 0 &&
				    write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return is_written;
}

static gboolean limit(const char *folder, const char *name, const char *text, GError **error)
{
	return write_text(folder, name, text) ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("cgroup '%s' cannot be limited: '%s': %s"), folder, name,
			    g_strerror(errno));
}

static gboolean limit_number(const char *folder, const char *name, guint64 number, GError **error)
{
	g_autofree char *text = g_strdup_printf("%" PRIu64, number);

	return number == 0 || limit(folder, name, text, error);
}

static gboolean limit_quota(const char *folder, const CgroupLimits *limits, GError **error)
{
	g_autofree char *text = g_strdup_printf("%" PRIu64 " %" PRIu64, limits->cpu_quota_us,
						limits->cpu_period_us);

	return limits->cpu_quota_us == 0 || limit(folder, "cpu.max", text, error);
}

/*
 * What the group above gives on. One at a time, as each may be there or not; one that has processes
 * itself, and is not the first of all, may give none.
 */
static void enable_controllers(const char *folder)
{
	static const char *const controllers[] = { "+pids", "+memory", "+cpu" };
	g_autofree char *above = g_path_get_dirname(folder);

	for (gsize i = 0; i < G_N_ELEMENTS(controllers); i++)
		(void)write_text(above, "cgroup.subtree_control", controllers[i]);
}

gboolean cgroup_limit(const char *folder, const CgroupLimits *limits, GError **error)
{
	enable_controllers(folder);
	(void)limit_number(folder, "pids.max", limits->tasks, NULL);
	return limit_number(folder, "memory.max", limits->memory_bytes, error) &&
	       limit_number(folder, "cpu.weight", limits->cpu_weight, error) &&
	       limit_quota(folder, limits, error);
}

int cgroup_open(const char *folder, GError **error)
{
	const int fd = open_file(folder, "cgroup.procs", O_WRONLY);

	if (fd < 0)
		lacks(error, folder);
	return fd;
}

/*
 * The end.
 */

/* Return: numbers of processes, of guint; NULL where the group has gone. */
static GArray *read_processes(const char *folder)
{
	g_autofree char *path = g_build_filename(folder, "cgroup.procs", NULL);
	g_autofree char *text = NULL;
	g_auto(GStrv) lines = NULL;
	GArray *pids;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	pids = g_array_new(FALSE, FALSE, sizeof(guint));
	lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		guint64 pid;
		guint value;

		/* 0 is one of another process namespace. */
		if (!g_ascii_string_to_unsigned(lines[i], 10, 1, G_MAXINT, &pid, NULL))
			continue;
		value = (guint)pid;
		g_array_append_val(pids, value);
	}
	return pids;
}

static gboolean has_process(const GArray *pids, guint pid)
{
	for (guint i = 0; i < pids->len; i++)
		if (g_array_index(pids, guint, i) == pid)
			return TRUE;
	return FALSE;
}

/*
 * For a kernel older than Linux 5.14. A number that is still in the group when the pidfd is open
 * was not given to a process outside meanwhile.
 */
void cgroup_kill_each(const char *folder)
{
	g_autoptr(GArray) pids = read_processes(folder);

	for (guint i = 0; pids && i < pids->len; i++) {
		const guint pid = g_array_index(pids, guint, i);
		const int pidfd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
		g_autoptr(GArray) now = pidfd >= 0 ? read_processes(folder) : NULL;

		if (now && has_process(now, pid))
			(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		if (pidfd >= 0)
			close(pidfd);
	}
}

/* Return: whether it could be done at one stroke. */
static gboolean kill_all(const char *folder)
{
	const int fd = open_file(folder, "cgroup.kill", O_WRONLY);
	gboolean done;

	if (fd < 0)
		return FALSE;
	done = write(fd, "1", 1) == 1;
	close(fd);
	return done;
}

static gboolean is_populated(int events)
{
	char text[256];
	const ssize_t length = pread(events, text, sizeof(text) - 1, 0);

	/* Reading fails when the group has been removed. */
	if (length <= 0)
		return FALSE;
	text[length] = '\0';
	return strstr(text, "populated 1") != NULL;
}

static gboolean end_before(const char *folder, int events, gint64 deadline)
{
	while (is_populated(events)) {
		struct pollfd poll_fd = { .fd = events, .events = POLLPRI };
		const gint64 left_ms = (deadline - g_get_monotonic_time()) /
				       G_TIME_SPAN_MILLISECOND;
		gboolean is_done;

		if (left_ms <= 0)
			return FALSE;
		is_done = kill_all(folder);
		if (!is_done)
			cgroup_kill_each(folder);
		(void)poll(&poll_fd, 1, (int)(is_done ? left_ms : MIN(left_ms, TURN_MS)));
	}
	return TRUE;
}

gboolean cgroup_end(const char *folder, GError **error)
{
	const int events = open_file(folder, "cgroup.events", O_RDONLY);
	gboolean has_ended;

	if (events < 0)
		return errno == ENOENT || lacks(error, folder);
	has_ended = end_before(folder, events,
			       g_get_monotonic_time() + END_SECONDS * G_TIME_SPAN_SECOND);
	close(events);
	return has_ended || driver_error(error, VIR_ERR_OPERATION_FAILED,
					 _("processes in cgroup '%s' do not end"), folder);
}

gboolean cgroup_remove(const char *folder, GError **error)
{
	return rmdir(folder) == 0 || errno == ENOENT || lacks(error, folder);
}
