/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-process.c - the process of a domain's VMM, from spawning it to its end */
#include "driver/vmm/vmm-process.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-refusal.h"

/* How long one that was killed may take to end. */
#define KILL_SECONDS 10

/* For as many processors as Linux can be built for. */
#define AFFINITY_BYTES 1024

struct VmmProcess {
	pid_t pid;
	uid_t uid;	   /* of a child */
	gint64 spawned_ms; /* before a child was, since 1970 */
	int pidfd;
	guint64 start_time; /* clock ticks since the host's boot */
	gboolean is_child;

	GMutex lock; /* guards what follows; innermost */
	gboolean has_ended;
	gboolean has_status;
	siginfo_t status;
	gboolean is_refusal_looked_up;
	gboolean has_refusal;
	VmmRefusal refusal;
};

/*
 * Fields of /proc/PID/stat by their numbers in proc(5), from 3 on. The name, field 2, may
 * contain anything; what follows its last bracket does not.
 */
enum {
	STAT_FIRST = 3,
	STAT_USER_TIME = 14,
	STAT_SYSTEM_TIME = 15,
	STAT_START_TIME = 22,
	STAT_RESIDENT_PAGES = 24,
	STAT_PROCESSOR = 39,
};

static GStrv read_stat(pid_t pid, pid_t tid)
{
	g_autofree char *path = tid ? g_strdup_printf("/proc/%d/task/%d/stat", (int)pid, (int)tid) :
				      g_strdup_printf("/proc/%d/stat", (int)pid);
	g_autofree char *text = NULL;
	g_auto(GStrv) fields = NULL;
	const char *end;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	end = strrchr(text, ')');
	if (!end || end[1] != ' ')
		return NULL;
	fields = g_strsplit(end + 2, " ", -1);
	if (g_strv_length(fields) <= STAT_PROCESSOR - STAT_FIRST)
		return NULL;
	return g_steal_pointer(&fields);
}

static guint64 stat_number(GStrv fields, guint number)
{
	return g_ascii_strtoull(fields[number - STAT_FIRST], NULL, 10);
}

static gboolean read_start_time(pid_t pid, guint64 *start_time)
{
	g_auto(GStrv) fields = read_stat(pid, 0);

	if (!fields)
		return FALSE;
	*start_time = stat_number(fields, STAT_START_TIME);
	return TRUE;
}

static VmmProcess *process_new(pid_t pid, int pidfd, guint64 start_time, gboolean is_child)
{
	VmmProcess *process = g_new0(VmmProcess, 1);

	g_mutex_init(&process->lock);
	process->pid = pid;
	process->pidfd = pidfd;
	process->start_time = start_time;
	process->is_child = is_child;
	return process;
}

static int open_pidfd(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

VmmProcess *vmm_process_spawn(const Jail *jail, const JailProgram *program, GError **error)
{
	const gint64 spawned_ms = g_get_real_time() / 1000;
	const pid_t pid = jail_spawn(jail, program, error);
	VmmProcess *process;
	guint64 start_time = 0;
	int pidfd;

	if (pid < 0)
		return NULL;
	/* Nobody has reaped it, so that the number is still its own. */
	pidfd = open_pidfd(pid);
	if (pidfd < 0 || !read_start_time(pid, &start_time)) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("following process %d: %s"), (int)pid,
			     g_strerror(errno));
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		if (pidfd >= 0)
			close(pidfd);
		return NULL;
	}
	process = process_new(pid, pidfd, start_time, TRUE);
	process->uid = jail->uid;
	process->spawned_ms = spawned_ms;
	return process;
}

static gboolean has_ended(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static VmmProcess *adopt_pidfd(pid_t pid, int pidfd, guint64 start_time, GError **error)
{
	guint64 found = 0;

	/* Looked at after the pidfd is open: what has this start time now is what it names. */
	if (read_start_time(pid, &found) && found == start_time)
		return process_new(pid, pidfd, start_time, FALSE);
	if (found || has_ended(pidfd))
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("process %d has ended"), (int)pid);
	else
		driver_error(error, VIR_ERR_SYSTEM_ERROR,
			     _("the start time of process %d cannot be read"), (int)pid);
	close(pidfd);
	return NULL;
}

VmmProcess *vmm_process_adopt(pid_t pid, guint64 start_time, GError **error)
{
	int pidfd = pid > 0 ? open_pidfd(pid) : -1;

	if (pidfd >= 0)
		return adopt_pidfd(pid, pidfd, start_time, error);
	/* The last two: the number is a thread's now. */
	if (pid <= 0 || errno == ESRCH || errno == EINVAL || errno == ENOENT)
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("process %d has ended"), (int)pid);
	else
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("following process %d: %s"), (int)pid,
			     g_strerror(errno));
	return NULL;
}

void vmm_process_free(VmmProcess *process)
{
	if (!process)
		return;
	close(process->pidfd);
	g_mutex_clear(&process->lock);
	g_free(process);
}

pid_t vmm_process_pid(const VmmProcess *process)
{
	return process->pid;
}

guint64 vmm_process_start_time(const VmmProcess *process)
{
	return process->start_time;
}

int vmm_process_pidfd(const VmmProcess *process)
{
	return process->pidfd;
}

/* With the lock, once the pidfd is readable. */
static void reap(VmmProcess *process)
{
	if (process->has_ended)
		return;
	process->has_ended = TRUE;
	if (process->is_child)
		process->has_status = waitid(P_PIDFD, process->pidfd, &process->status,
					     WEXITED | WNOHANG) == 0 &&
				      process->status.si_pid == process->pid;
}

gboolean vmm_process_wait(VmmProcess *process, guint seconds)
{
	const gint64 deadline = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
	struct pollfd poll_fd = { .fd = process->pidfd, .events = POLLIN };
	int n;

	do {
		gint64 left_ms = (deadline - g_get_monotonic_time()) / G_TIME_SPAN_MILLISECOND;

		n = poll(&poll_fd, 1, CLAMP(left_ms, 0, G_MAXINT));
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return FALSE;
	g_mutex_lock(&process->lock);
	reap(process);
	g_mutex_unlock(&process->lock);
	return TRUE;
}

void vmm_process_end(VmmProcess *process, guint seconds)
{
	if (vmm_process_wait(process, seconds))
		return;
	vmm_process_signal(process, SIGKILL);
	(void)vmm_process_wait(process, KILL_SECONDS);
}

gboolean vmm_process_has_failed(VmmProcess *process)
{
	gboolean has_failed;

	g_mutex_lock(&process->lock);
	has_failed = process->has_status &&
		     (process->status.si_code != CLD_EXITED || process->status.si_status != 0);
	g_mutex_unlock(&process->lock);
	return has_failed;
}

/* With the lock, for one that has ended by SIGSYS. */
static gboolean look_up_refusal(VmmProcess *process)
{
	const VmmRefusalOf of = { process->pid, process->uid, process->spawned_ms };

	if (!process->is_refusal_looked_up)
		process->has_refusal = vmm_refusal_look_up(&of, &process->refusal);
	process->is_refusal_looked_up = TRUE;
	return process->has_refusal;
}

static char *describe_bad_call(VmmProcess *process)
{
	const char *signal_name = g_strsignal(SIGSYS);
	g_autofree char *name = NULL;

	if (!look_up_refusal(process))
		return g_strdup_printf(
			_("signal %d (%s): it made a system call that its sandbox does not "
			  "allow, which the host's audit log names"),
			SIGSYS, signal_name);
	name = vmm_refusal_call_name(&process->refusal);
	return g_strdup_printf(_("signal %d (%s): its thread '%s' made a system call that its "
				 "sandbox does not allow, '%s'"),
			       SIGSYS, signal_name, process->refusal.thread, name);
}

char *vmm_process_outcome(VmmProcess *process)
{
	char *outcome = NULL;

	g_mutex_lock(&process->lock);
	if (process->has_status && process->status.si_code == CLD_EXITED)
		outcome = g_strdup_printf(_("exit status %d"), process->status.si_status);
	else if (process->has_status && process->status.si_status == SIGSYS)
		outcome = describe_bad_call(process);
	else if (process->has_status)
		outcome = g_strdup_printf(_("signal %d (%s)"), process->status.si_status,
					  g_strsignal(process->status.si_status));
	g_mutex_unlock(&process->lock);
	return outcome;
}

void vmm_process_signal(VmmProcess *process, int signal_number)
{
	(void)syscall(SYS_pidfd_send_signal, process->pidfd, signal_number, NULL, 0);
}

gboolean vmm_process_cpu_time(const VmmProcess *process, pid_t tid, VmmCpuTime *time)
{
	const guint64 tick_ns = G_GUINT64_CONSTANT(1000000000) / (guint64)sysconf(_SC_CLK_TCK);
	g_auto(GStrv) fields = read_stat(process->pid, tid);

	if (!fields)
		return FALSE;
	time->user_ns = stat_number(fields, STAT_USER_TIME) * tick_ns;
	time->system_ns = stat_number(fields, STAT_SYSTEM_TIME) * tick_ns;
	time->processor = (int)stat_number(fields, STAT_PROCESSOR);
	return TRUE;
}

/* Return: FALSE with @error where it is none of the VMM's. */
static gboolean check_thread(const VmmProcess *process, pid_t tid, GError **error)
{
	g_auto(GStrv) fields = tid > 0 ? read_stat(process->pid, tid) : NULL;

	return fields || driver_error(error, VIR_ERR_OPERATION_FAILED,
				      _("the VMM has no thread %d"), (int)tid);
}

gboolean vmm_process_get_affinity(const VmmProcess *process, pid_t tid, guint8 **map, gsize *length,
				  GError **error)
{
	g_autofree guint8 *affinity = NULL;

	if (!check_thread(process, tid, error))
		return FALSE;
	affinity = g_malloc0(AFFINITY_BYTES);
	if (sched_getaffinity(tid, AFFINITY_BYTES, (cpu_set_t *)(gpointer)affinity) < 0)
		return driver_error(error, VIR_ERR_OPERATION_FAILED,
				    _("on which processors thread %d runs cannot be read: %s"),
				    (int)tid, g_strerror(errno));
	for (*length = AFFINITY_BYTES; *length > 1 && affinity[*length - 1] == 0;)
		(*length)--;
	*map = g_steal_pointer(&affinity);
	return TRUE;
}

gboolean vmm_process_set_affinity(const VmmProcess *process, pid_t tid, const CpuSet *cpus,
				  GError **error)
{
	if (!check_thread(process, tid, error))
		return FALSE;
	return sched_setaffinity(tid, sizeof(cpus->words),
				 (const cpu_set_t *)(gconstpointer)cpus->words) == 0 ||
	       driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("thread %d cannot run on these processors: %s"), (int)tid,
			    g_strerror(errno));
}

guint64 vmm_process_resident_kib(const VmmProcess *process)
{
	g_auto(GStrv) fields = read_stat(process->pid, 0);

	return fields ? stat_number(fields, STAT_RESIDENT_PAGES) * (guint64)sysconf(_SC_PAGESIZE) /
				1024 :
			0;
}
