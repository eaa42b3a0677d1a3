/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jail-test.c - what a program finds that was started in a jail, and what is said when it was not
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "driver/error.h"
#include "driver/jail/jail.h"
#include "driver/security/cgroup.h"
#include "driver/vmm/vmm-process.h"

#define NOBODY 65534

static gboolean is_root(void)
{
	if (geteuid() == 0)
		return TRUE;
	g_test_skip("needs root");
	return FALSE;
}

static void init(Jail *jail)
{
	jail_init(jail, geteuid(), getegid(), SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES));
	jail->capabilities = 0;
}

/* Runs a shell's command in the jail. Return: what it prints. */
static char *run(const Jail *jail, const char *command, const JailDescriptor *descriptors,
		 guint n_descriptors)
{
	const char *argv[] = { "/bin/sh", "-c", command, NULL };
	g_autofree char *path = NULL;
	char *text = NULL;
	g_autoptr(GError) error = NULL;
	JailProgram program = {
		.argv = argv,
		.descriptors = descriptors,
		.n_descriptors = n_descriptors,
	};
	pid_t pid;

	program.output = g_file_open_tmp("jail-test-XXXXXX", &path, &error);
	g_assert_no_error(error);
	pid = jail_spawn(jail, &program, &error);
	g_assert_no_error(error);
	g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
	close(program.output);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_unlink(path);
	return text;
}

static void assert_prints(const Jail *jail, const char *command, const char *wanted)
{
	g_autofree char *text = run(jail, command, NULL, 0);

	g_assert_cmpstr(text, ==, wanted);
}

static void assert_fails(const Jail *jail, const JailProgram *program, const char *wanted)
{
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(jail_spawn(jail, program, &error), ==, -1);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	if (!strstr(error->message, wanted))
		g_error("no '%s' in '%s'", wanted, error->message);
	/* Nothing is left to be reaped. */
	g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
	g_assert_cmpint(errno, ==, ECHILD);
}

/* The program's numbers are also those that sources and the pipe for errors have here. */
static void test_descriptors(void)
{
	JailDescriptor descriptors[7];
	g_autofree char *text = NULL;
	Jail jail;

	for (guint i = 0; i < G_N_ELEMENTS(descriptors); i++) {
		g_autofree char *path = NULL;
		g_autofree char *content = g_strdup_printf("%u\n", i);
		const int fd = g_file_open_tmp("jail-test-XXXXXX", &path, NULL);

		g_assert_cmpint(write(fd, content, strlen(content)), ==, strlen(content));
		g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
		g_unlink(path);
		descriptors[i].source = fd;
		descriptors[G_N_ELEMENTS(descriptors) - 1 - i].target = 3 + (int)i;
	}
	init(&jail);
	text = run(&jail,
		   "for i in 3 4 5 6 7 8 9; do eval \"cat <&$i\"; done; ls /proc/self/fd | wc -l",
		   descriptors, G_N_ELEMENTS(descriptors));
	/* Seven, those of every program, and the one that ls reads the folder with. */
	g_assert_cmpstr(text, ==, "6\n5\n4\n3\n2\n1\n0\n11\n");
	for (guint i = 0; i < G_N_ELEMENTS(descriptors); i++)
		close(descriptors[i].source);
}

static void test_limits(void)
{
	Jail jail;

	init(&jail);
	jail_limit(&jail, RLIMIT_NOFILE, 77);
	jail_limit(&jail, RLIMIT_NOFILE, 78);
	assert_prints(&jail, "ulimit -Hn; ulimit -Sn; ulimit -Hc", "78\n78\n0\n");
}

static void test_signals(void)
{
	sigset_t blocked, before;
	Jail jail;

	init(&jail);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	g_assert_cmpint(sigprocmask(SIG_BLOCK, &blocked, &before), ==, 0);
	assert_prints(&jail, "grep SigBlk: /proc/self/status", "SigBlk:\t0000000000000000\n");
	g_assert_cmpint(sigprocmask(SIG_SETMASK, &before, NULL), ==, 0);
}

/* Whether writing to a pipe that nobody reads ends a program. */
static void test_pipes(void)
{
	const char *script = "sh -c 'kill -PIPE $$; echo alive'; echo end";
	Jail jail;

	init(&jail);
	assert_prints(&jail, script, "end\n");
	jail.ignores_pipes = TRUE;
	assert_prints(&jail, script, "alive\nend\n");
}

/* Not even root has a capability, nor a way to one. */
static void test_privileges(void)
{
	Jail jail;

	init(&jail);
	assert_prints(&jail, "grep -E 'Cap(Inh|Prm|Eff|Amb)|NoNew' /proc/self/status",
		      "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n"
		      "CapEff:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
	if (!is_root())
		return;
	assert_prints(&jail, "grep CapBnd /proc/self/status", "CapBnd:\t0000000000000000\n");
	jail.capabilities = CAPABILITY(CAP_FOWNER);
	assert_prints(&jail, "grep -E 'Cap(Prm|Eff|Amb|Bnd)' /proc/self/status",
		      "CapPrm:\t0000000000000008\nCapEff:\t0000000000000008\n"
		      "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000008\n");
}

static void test_user(void)
{
	static const gid_t groups[] = { 12, 70000 };
	Jail jail;

	if (!is_root())
		return;
	jail_init(&jail, NOBODY, NOBODY, SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES));
	jail.capabilities = CAPABILITY(CAP_FOWNER);
	assert_prints(&jail, "id -u; id -g; id -G; grep -E 'Cap(Eff|Bnd)' /proc/self/status",
		      "65534\n65534\n65534\n"
		      "CapEff:\t0000000000000008\nCapBnd:\t0000000000000000\n");
	jail.groups = groups;
	jail.n_groups = G_N_ELEMENTS(groups);
	assert_prints(&jail, "id -G", "65534 12 70000\n");
}

static void test_namespaces(void)
{
	static const char *const names[] = { "net", "ipc", "uts" };
	g_autoptr(GString) ours = g_string_new(NULL);
	g_autofree char *theirs = NULL;
	g_auto(GStrv) lines = NULL;
	Jail jail;

	if (!is_root())
		return;
	if (unshare(CLONE_NEWUTS) < 0) {
		g_test_skip("may not make namespaces");
		return;
	}
	jail_init(&jail, 0, 0, 0);
	theirs = run(&jail, "cd /proc/self/ns && readlink net ipc uts", NULL, 0);
	lines = g_strsplit(theirs, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, G_N_ELEMENTS(names) + 1);
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = g_strdup_printf("/proc/self/ns/%s", names[i]);
		g_autofree char *own = g_file_read_link(path, NULL);

		g_assert_true(g_str_has_prefix(lines[i], names[i]));
		g_assert_cmpstr(lines[i], !=, own);
	}
}

static void test_argument(void)
{
	g_autofree char *none = NULL;
	g_autofree char *one = NULL;
	g_autofree char *all = NULL;
	Jail jail;

	jail_init(&jail, geteuid(), getegid(), 0);
	none = jail_argument(&jail);
	g_assert_null(none);
	jail.may_lack = SANDBOX_PART_BIT(SANDBOX_PART_SECCOMP);
	one = jail_argument(&jail);
	g_assert_cmpstr(one, ==, "--sandbox-may-lack=seccomp");
	jail.may_lack |= SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES);
	all = jail_argument(&jail);
	g_assert_cmpstr(all, ==, "--sandbox-may-lack=namespaces,seccomp");
}

/* How a VMM ends that makes a call which its filters do not know is told in words. */
static void test_outcome(void)
{
	const char *argv[] = { "/bin/sh", "-c", "kill -SYS $$", NULL };
	const JailProgram program = { .argv = argv, .output = STDERR_FILENO };
	g_autoptr(VmmProcess) process = NULL;
	g_autofree char *outcome = NULL;
	g_autoptr(GError) error = NULL;
	Jail jail;

	init(&jail);
	process = vmm_process_spawn(&jail, &program, &error);
	g_assert_no_error(error);
	g_assert_true(vmm_process_wait(process, 60));
	outcome = vmm_process_outcome(process);
	g_assert_nonnull(strstr(outcome, "signal 31"));
	g_assert_nonnull(strstr(outcome, "its sandbox does not allow"));
}

static void test_cgroup(void)
{
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	Jail jail;

	init(&jail);
	jail.cgroup = g_file_open_tmp("jail-test-XXXXXX", &path, NULL);
	assert_prints(&jail, "echo in", "in\n");
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "0");
	close(jail.cgroup);
	g_unlink(path);
}

/* A companion's jail, on a host that lets one be made. */
static gboolean init_companion(Jail *jail, gboolean has_network)
{
	if (!is_root())
		return FALSE;
	if (unshare(CLONE_NEWUTS) < 0) {
		g_test_skip("may not make namespaces");
		return FALSE;
	}
	jail_init_companion(jail, NOBODY, NOBODY, has_network, 0);
	return TRUE;
}

/* A shell stands in for a program of somebody else's, which gives nothing up itself. */
static void test_companion(void)
{
	Jail jail;

	if (!init_companion(&jail, FALSE))
		return;
	assert_prints(&jail,
		      "id -u; id -G; grep -E 'Cap(Prm|Eff|Bnd|Amb)|NoNew' /proc/self/status; "
		      "ulimit -Hc; ulimit -Hf; ulimit -Hp",
		      "65534\n65534\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
		      "CapBnd:\t0000000000000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n"
		      "0\nunlimited\n128\n");
	assert_prints(&jail, "ls -A /home /root /run /tmp /var | grep -v ':$' | grep .", "");
	/* One's own loopback alone, which is down. */
	assert_prints(&jail, "ls /sys/class/net >/dev/null; grep -c : /proc/self/net/dev", "1\n");
	assert_prints(&jail, "for i in / /etc /dev /usr /tmp; do [ -w $i ] && echo $i; done", "");
}

static void test_companion_with_network(void)
{
	g_autofree char *ours = g_file_read_link("/proc/self/ns/net", NULL);
	g_autofree char *theirs = NULL;
	Jail jail;

	if (!init_companion(&jail, TRUE))
		return;
	theirs = run(&jail, "readlink /proc/self/ns/net", NULL, 0);
	g_assert_cmpstr(g_strchomp(theirs), ==, ours);
	assert_prints(&jail, "ls -A /home /tmp /run/libvirt 2>/dev/null | grep -v ':$' | grep .",
		      "");
}

/* As passt sandboxes itself; on a host that lets users have namespaces. */
static void test_companion_makes_namespaces(void)
{
	const char *command = "unshare --user --map-root-user --mount --ipc --uts --pid --fork "
			      "sh -c 'mount -t tmpfs none /tmp && id -u' 2>&1";
	g_autofree char *text = NULL;
	Jail jail;

	if (!init_companion(&jail, TRUE))
		return;
	text = run(&jail, command, NULL, 0);
	if (strstr(text, "unshare failed"))
		g_test_skip("users may have no namespaces");
	else
		g_assert_cmpstr(text, ==, "0\n");
}

/* An image in a folder that is hidden, as a descriptor and opened again. */
static void test_companion_has_what_is_handed_over(void)
{
	g_autofree char *path = NULL;
	g_autofree char *text = NULL;
	g_autofree char *printed = NULL;
	JailDescriptor file = { .target = 5 };
	Jail jail;

	if (!init_companion(&jail, FALSE))
		return;
	file.source = g_file_open_tmp("jail-test-XXXXXX", &path, NULL);
	g_assert_no_errno(fchown(file.source, NOBODY, NOBODY));
	printed = run(&jail, "echo one >&5; echo two >>/proc/self/fd/5", &file, 1);
	g_assert_cmpstr(printed, ==, "");
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "one\ntwo\n");
	close(file.source);
	g_unlink(path);
}

/* The end of the domain's group is its end, and that of what it has started. */
static void test_companion_ends_with_the_group(void)
{
	static const char *const argv[] = { "/bin/sh", "-c",
					    "sleep 1000 & setsid sleep 1000 & wait", NULL };
	const JailProgram program = { .argv = argv, .output = STDERR_FILENO };
	g_autofree char *own = cgroup_own_folder("/", NULL);
	g_autofree char *folder = own ? cgroup_new_folder(own, "gmem-1-jail-test") : NULL;
	g_autoptr(GError) error = NULL;
	int status = 0;
	pid_t pid;
	Jail jail;

	if (!init_companion(&jail, FALSE))
		return;
	if (!folder || !cgroup_make(folder, NULL)) {
		g_test_skip("no cgroup v2 that can be written to");
		return;
	}
	jail.cgroup = cgroup_open(folder, &error);
	g_assert_no_error(error);
	pid = jail_spawn(&jail, &program, &error);
	g_assert_no_error(error);
	close(jail.cgroup);
	g_assert_true(cgroup_end(folder, &error));
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFSIGNALED(status));
	g_assert_true(cgroup_remove(folder, &error));
	g_assert_no_error(error);
}

/* An error says at which stage it came. */
static void test_errors(void)
{
	const char *argv[] = { "/none/program", NULL };
	const JailDescriptor bad = { .source = 9999, .target = 3 };
	JailProgram program = { .argv = argv, .output = STDOUT_FILENO };
	Jail jail;

	init(&jail);
	assert_fails(&jail, &program,
		     "starting '/none/program': executing the program: No such file or directory");
	program.descriptors = &bad;
	program.n_descriptors = 1;
	assert_fails(&jail, &program, "placing descriptors: Bad file descriptor");
	jail.cgroup = 9999;
	assert_fails(&jail, &program, "joining its cgroup: Bad file descriptor");
	jail.cgroup = -1;
	/* Not a namespace, and one that may be lacking. */
	jail.namespaces = CLONE_PIDFD;
	jail.may_lack = 0;
	assert_fails(&jail, &program, "making namespaces: ");
	jail.may_lack = SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES);
	assert_fails(&jail, &program, "placing descriptors: ");
}

int main(int argc, char **argv)
{
	g_setenv("LC_ALL", "C", TRUE);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jail/descriptors", test_descriptors);
	g_test_add_func("/jail/limits", test_limits);
	g_test_add_func("/jail/signals", test_signals);
	g_test_add_func("/jail/pipes", test_pipes);
	g_test_add_func("/jail/privileges", test_privileges);
	g_test_add_func("/jail/user", test_user);
	g_test_add_func("/jail/namespaces", test_namespaces);
	g_test_add_func("/jail/argument", test_argument);
	g_test_add_func("/jail/outcome", test_outcome);
	g_test_add_func("/jail/cgroup", test_cgroup);
	g_test_add_func("/jail/companion", test_companion);
	g_test_add_func("/jail/companion-with-network", test_companion_with_network);
	g_test_add_func("/jail/companion-makes-namespaces", test_companion_makes_namespaces);
	g_test_add_func("/jail/companion-has-what-is-handed-over",
			test_companion_has_what_is_handed_over);
	g_test_add_func("/jail/companion-ends-with-the-group", test_companion_ends_with_the_group);
	g_test_add_func("/jail/errors", test_errors);
	return g_test_run();
}
