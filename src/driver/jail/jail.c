/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jail.c - what is done to a child before it becomes a program that may turn hostile */
#include "driver/jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "driver/error.h"

/* The first number that the program has for something else than input, output and errors. */
#define FIRST_TARGET 3

/* Room for a VMM with as many processors as there may be, and its devices. */
#define OPEN_FILES 2048

/*
 * The kernel's own default, and what one I/O thread with disks, the copies of two threads or of a
 * thread and a network card can have registered of memory in windows, which cannot be swapped
 * anyway: whatever the daemon's starter has made of it, if it is no less.
 */
#define LOCKED_MEMORY ((8 + 256 + 2 * 64) << 20)

/* More than any file that a program of ours may write to has: variables of a firmware, logs. */
#define FILE_SIZE ((rlim_t)1 << 40)

/* What people and services keep where. */
#define PEOPLES_FOLDERS "/home", "/media", "/mnt", "/root", "/srv", "/tmp", "/var"

/* For a companion. Folders that a host has not are left out. */
static const char *const hidden[] = { PEOPLES_FOLDERS, "/run", NULL };

/* /run has what /etc/resolv.conf is a link to; of the rest what has sockets for everybody. */
static const char *const hidden_with_network[] = { PEOPLES_FOLDERS, "/run/dbus",
						   "/run/libvirt",  "/run/systemd/journal",
						   "/run/user",	    NULL };

/* Whether a security module says something else of this process than that it is unconfined. */
static gboolean is_confined(void)
{
	g_autofree char *label = NULL;

	return g_file_get_contents("/proc/self/attr/current", &label, NULL, NULL) && *label &&
	       !g_str_has_prefix(label, "unconfined");
}

void jail_init(Jail *jail, uid_t uid, gid_t gid, guint may_lack)
{
	*jail = (Jail){
		.cgroup = -1,
		.uid = uid,
		.gid = gid,
		.may_lack = may_lack,
		.is_confined = is_confined(),
	};
	if (geteuid() == 0) {
		jail->namespaces = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
		/* For confinement_leave_files(), which gives them up. */
		jail->capabilities = CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_SYS_CHROOT);
	}
	jail_limit(jail, RLIMIT_CORE, 0);
	jail_limit(jail, RLIMIT_NOFILE, OPEN_FILES);
	jail_limit(jail, RLIMIT_FSIZE, FILE_SIZE);
	jail_limit(jail, RLIMIT_MEMLOCK, LOCKED_MEMORY);
	jail_limit(jail, RLIMIT_MSGQUEUE, 0);
}

void jail_init_companion(Jail *jail, uid_t uid, gid_t gid, gboolean has_network, guint may_lack)
{
	jail_init(jail, uid, gid, may_lack);
	jail_limit(jail, RLIMIT_FSIZE, RLIM_INFINITY);
	jail->capabilities = 0;
	if (geteuid() == 0)
		jail->hidden = has_network ? hidden_with_network : hidden;
	if (has_network)
		jail->namespaces &= ~CLONE_NEWNET;
	if (uid != geteuid())
		jail_limit(jail, RLIMIT_NPROC, JAIL_COMPANION_THREADS);
}

void jail_limit(Jail *jail, int resource, rlim_t value)
{
	guint i = 0;

	while (i < jail->n_limits && jail->limits[i].resource != resource)
		i++;
	g_assert(i < JAIL_LIMITS_MAX);
	jail->limits[i] = (JailLimit){ .resource = resource, .value = value };
	jail->n_limits = MAX(jail->n_limits, i + 1);
}

char *jail_argument(const Jail *jail)
{
	g_autofree char *list = sandbox_parts_format(jail->may_lack);

	return list ? g_strdup_printf("--sandbox-may-lack=%s", list) : NULL;
}

/*
 * The stages, in the child: system calls only. Each returns FALSE with errno.
 */

typedef struct {
	const Jail *jail;
	const JailProgram *program;
	int *copies;	/* of the program's descriptors, above all targets */
	int first_free; /* the first number above all targets */
	int report;	/* the end of the pipe that errors go to, closed by exec */
} Child;

/* First, so that whatever the child uses is counted where it belongs. */
static gboolean join_cgroup(Child *child)
{
	return child->jail->cgroup < 0 || write(child->jail->cgroup, "0", 1) == 1;
}

/* No terminal, and no signal that is for the daemon's. It outlives the daemon. */
static gboolean leave_session(Child *child)
{
	(void)child;
	return setsid() >= 0;
}

/* What the daemon ignores or blocks is nothing to the program. */
static gboolean reset_signals(Child *child)
{
	sigset_t none;

	(void)signal(SIGPIPE, child->jail->ignores_pipes ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* No network but a loopback that is down, no shared memory or queue of others, no host's name. */
static gboolean make_namespaces(Child *child)
{
	return !child->jail->namespaces || unshare(child->jail->namespaces) == 0 ||
	       (child->jail->may_lack & SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES));
}

static gboolean set_read_only(const char *path, guint flags, gboolean is_read_only)
{
	struct mount_attr attributes = {
		.attr_set = MOUNT_ATTR_NOSUID | (is_read_only ? MOUNT_ATTR_RDONLY : 0),
		.attr_clr = is_read_only ? 0 : MOUNT_ATTR_RDONLY,
	};

	return mount_setattr(AT_FDCWD, path, flags, &attributes, sizeof(attributes)) == 0;
}

/*
 * In mounts of its own. A descriptor that is handed over is of the daemon's mounts, and may be
 * written to as before. In /proc a program that makes a user namespace says who is who in it.
 */
static gboolean empty_folders(const char *const *folders)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    !set_read_only("/", AT_RECURSIVE, TRUE) || !set_read_only("/proc", 0, FALSE))
		return FALSE;
	for (; *folders; folders++)
		if (mount("empty", *folders, "tmpfs", MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID,
			  "mode=0555,nr_inodes=2,size=4k") < 0 &&
		    errno != ENOENT)
			return FALSE;
	return TRUE;
}

/* A program of ours leaves all files itself, when it has loaded what it needs. */
static gboolean hide_files(Child *child)
{
	return !child->jail->hidden || empty_folders(child->jail->hidden) ||
	       (child->jail->may_lack & SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES));
}

/* Hard limits, too: they are not raised again. */
static gboolean set_limits(Child *child)
{
	for (guint i = 0; i < child->jail->n_limits; i++) {
		const JailLimit *limit = &child->jail->limits[i];
		struct rlimit value;

		if (getrlimit(limit->resource, &value) < 0)
			return FALSE;
		value.rlim_max = MIN(value.rlim_max, limit->value);
		value.rlim_cur = value.rlim_max;
		if (setrlimit(limit->resource, &value) < 0)
			return FALSE;
	}
	return TRUE;
}

/* With all of root's capabilities still, of which the next stage keeps what is to be kept. */
static gboolean change_user(Child *child)
{
	const Jail *jail = child->jail;

	if (jail->uid == geteuid() && jail->gid == getegid())
		return TRUE;
	return prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 &&
	       setgroups(jail->n_groups, jail->groups) == 0 &&
	       setresgid(jail->gid, jail->gid, jail->gid) == 0 &&
	       setresuid(jail->uid, jail->uid, jail->uid) == 0;
}

/* Changing the user has emptied the effective set: what is permitted is put there again. */
static gboolean keep_capabilities(Child *child)
{
	Capabilities capabilities;

	if (!capabilities_get(&capabilities))
		return FALSE;
	capabilities.effective = capabilities.permitted;
	return capabilities_set(&capabilities) &&
	       capabilities_keep(child->jail->capabilities, TRUE);
}

/*
 * No program that is set-user-ID, or has capabilities as a file, gives any. Looked at again. A
 * process that a security module confines could not get from the daemon's profile into its own
 * any more; then this is left to the program, whose own stages have it, too.
 */
static gboolean refuse_privileges(Child *child)
{
	if (child->jail->is_confined)
		return TRUE;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return FALSE;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return TRUE;
	errno = EPERM;
	return FALSE;
}

/*
 * Those of the program get their numbers, and exec closes all others. A number may be one
 * descriptor's own and another one's to be, so all are copied out of the way before.
 */
static gboolean place_descriptors(Child *child)
{
	const JailProgram *program = child->program;
	const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0)
		return FALSE;
	for (guint i = 0; i < program->n_descriptors; i++) {
		child->copies[i] = fcntl(program->descriptors[i].source, F_DUPFD_CLOEXEC,
					 child->first_free);
		if (child->copies[i] < 0)
			return FALSE;
	}
	if (dup2(null, STDIN_FILENO) < 0 || dup2(program->output, STDOUT_FILENO) < 0 ||
	    dup2(program->output, STDERR_FILENO) < 0 ||
	    syscall(SYS_close_range, FIRST_TARGET, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return FALSE;
	for (guint i = 0; i < program->n_descriptors; i++)
		if (dup2(child->copies[i], program->descriptors[i].target) < 0)
			return FALSE;
	return TRUE;
}

static gboolean execute(Child *child)
{
	const JailProgram *program = child->program;
	char *const *environment = program->environment ? (char *const *)program->environment :
							  environ;

	return execve(program->argv[0], (char *const *)program->argv, environment) == 0;
}

static const struct {
	const char *name; /* as it stands in an error */
	gboolean (*run)(Child *child);
} stages[] = {
	{ N_("joining its cgroup"), join_cgroup },
	{ N_("leaving the session"), leave_session },
	{ N_("resetting signals"), reset_signals },
	{ N_("making namespaces"), make_namespaces },
	{ N_("hiding files"), hide_files },
	{ N_("setting limits"), set_limits },
	{ N_("changing the user"), change_user },
	{ N_("giving up capabilities"), keep_capabilities },
	{ N_("refusing new privileges"), refuse_privileges },
	{ N_("placing descriptors"), place_descriptors },
	{ N_("executing the program"), execute },
};

typedef struct {
	guint stage;
	int code; /* errno */
} Report;

static void G_GNUC_NORETURN run_child(Child *child)
{
	Report report = { 0 };

	/* Out of the way of the numbers that the program's descriptors get. */
	child->report = fcntl(child->report, F_DUPFD_CLOEXEC, child->first_free);
	while (report.stage < G_N_ELEMENTS(stages) && stages[report.stage].run(child))
		report.stage++;
	report.code = errno;
	(void)!write(child->report, &report, sizeof(report));
	_exit(127);
}

/*
 * The daemon's part.
 */

/* Waits for the exec. Return: FALSE with @report filled in where it did not come. */
static gboolean read_report(int fd, Report *report)
{
	ssize_t size;

	do
		size = read(fd, report, sizeof(*report));
	while (size < 0 && errno == EINTR);
	return size != sizeof(*report);
}

static int first_free_number(const JailProgram *program)
{
	int first = FIRST_TARGET;

	for (guint i = 0; i < program->n_descriptors; i++)
		first = MAX(first, program->descriptors[i].target + 1);
	return first;
}

static void set_stage_error(GError **error, const JailProgram *program, const Report *report)
{
	driver_error(error, VIR_ERR_INTERNAL_ERROR, _("starting '%s': %s: %s"), program->argv[0],
		     _(stages[report->stage].name), g_strerror(report->code));
}

pid_t jail_spawn(const Jail *jail, const JailProgram *program, GError **error)
{
	g_autofree int *copies = g_new(int, program->n_descriptors);
	Child child = {
		.jail = jail,
		.program = program,
		.copies = copies,
		.first_free = first_free_number(program),
	};
	Report report;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make a pipe: %s"),
			     g_strerror(errno));
		return -1;
	}
	child.report = ends[1];
	pid = fork();
	if (pid == 0)
		run_child(&child);
	close(ends[1]);
	if (pid < 0) {
		driver_error(error, VIR_ERR_INTERNAL_ERROR, _("starting '%s': %s"),
			     program->argv[0], g_strerror(errno));
	} else if (!read_report(ends[0], &report)) {
		(void)waitpid(pid, NULL, 0);
		set_stage_error(error, program, &report);
		pid = -1;
	}
	close(ends[0]);
	return pid;
}
