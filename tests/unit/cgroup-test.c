/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cgroup-test.c - a control group for the processes of one domain, and their end as a whole */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/security/cgroup.h"
#include "driver/security/user-processes.h"
#include "support.h"

#define PROCESSES 5

/* A host's proc that says this. */
static char *make_proc(const char *cgroup, const char *mountinfo)
{
	g_autoptr(GError) error = NULL;
	char *root = g_dir_make_tmp("cgroup-test-XXXXXX", &error);
	g_autofree char *self = g_build_filename(root, "proc", "self", NULL);
	g_autofree char *cgroup_path = g_build_filename(self, "cgroup", NULL);
	g_autofree char *mount_path = g_build_filename(self, "mountinfo", NULL);

	g_assert_no_error(error);
	g_assert_no_errno(g_mkdir_with_parents(self, 0700));
	g_assert_true(g_file_set_contents(cgroup_path, cgroup, -1, NULL));
	g_assert_true(g_file_set_contents(mount_path, mountinfo, -1, NULL));
	return root;
}

#define MOUNT(root, point) "30 23 0:26 " root " " point " rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
#define V1		   "31 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static void test_own_folder(void)
{
	static const struct {
		const char *cgroup, *mountinfo, *folder;
	} cases[] = {
		{ "0::/\n", MOUNT("/", "/sys/fs/cgroup"), "/sys/fs/cgroup/" },
		{ "0::/system.slice/virtgmemd.service\n", MOUNT("/", "/sys/fs/cgroup"),
		  "/sys/fs/cgroup/system.slice/virtgmemd.service" },
		/* v2 beside v1. */
		{ "9:memory:/a\n0::/b\n", V1 MOUNT("/", "/sys/fs/cgroup/unified"),
		  "/sys/fs/cgroup/unified/b" },
		/* A container that is shown its own part, by a mount or by a namespace. */
		{ "0::/docker/1/x\n", MOUNT("/docker/1", "/sys/fs/cgroup"), "/sys/fs/cgroup/x" },
		{ "0::/docker/1\n", MOUNT("/docker/1", "/sys/fs/cgroup"), "/sys/fs/cgroup" },
		{ "0::/docker/11\n", MOUNT("/docker/1", "/sys/fs/cgroup"), NULL },
		{ "0::/../other\n", MOUNT("/", "/sys/fs/cgroup"), NULL },
		{ "0::/a\n", MOUNT("/b", "/one") MOUNT("/", "/other"), "/other/a" },
		{ "0::/a\n", MOUNT("/", "/with\\040space"), "/with space/a" },
		{ "0::/a\n", V1, NULL },
		{ "0::/a\n", "", NULL },
		{ "0::/a\n", "30 23\n- cgroup2\n \n", NULL },
		{ "4:memory:/a\n", MOUNT("/", "/sys/fs/cgroup"), NULL },
		{ "", MOUNT("/", "/sys/fs/cgroup"), NULL },
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *root = make_proc(cases[i].cgroup, cases[i].mountinfo);
		g_autoptr(GError) error = NULL;
		g_autofree char *folder = cgroup_own_folder(root, &error);

		g_assert_cmpstr(folder, ==, cases[i].folder);
		if (!folder)
			g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
		remove_tree(root);
	}
}

static void test_machine_name(void)
{
	static const struct {
		int id;
		const char *name, *machine;
	} cases[] = {
		{ 1, "linux", "gmem-1-linux" },
		{ 12, "web server (new)", "gmem-12-webservernew" },
		{ 3, "a--b..c.-d", "gmem-3-a-b.c.d" },
		{ 3, "-.a.-", "gmem-3-a" },
		{ 4, "\xc3\xa4\xc3\xb6", "gmem-4" },
		{ 5, "x/../y\\n", "gmem-5-x.yn" },
	};
	g_autofree char *long_name = g_strnfill(240, 'a');
	g_autofree char *machine = cgroup_machine_name(7, long_name);

	g_assert_cmpuint(strlen(machine), ==, 64);
	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *made = cgroup_machine_name(cases[i].id, cases[i].name);

		g_assert_cmpstr(made, ==, cases[i].machine);
	}
}

/* Of this machine. Return: NULL where the test may not make one, which is skipped then. */
static char *make_group(void)
{
	g_autofree char *own = cgroup_own_folder("/", NULL);
	char *folder;

	if (!own || geteuid() != 0) {
		g_test_skip("needs root and cgroup v2");
		return NULL;
	}
	folder = cgroup_new_folder(own, "gmem-1-cgroup-test");
	if (!cgroup_make(folder, NULL)) {
		g_test_skip("may not make a cgroup");
		g_clear_pointer(&folder, g_free);
	}
	return folder;
}

/*
 * Starts children that do nothing, and waits until each is ready.
 * @prepare: in a child, with @argument: FALSE where that fails
 */
static void start_processes(pid_t *pids, gboolean (*prepare)(int argument), int argument)
{
	for (guint i = 0; i < PROCESSES; i++) {
		int ready[2];
		char byte;

		g_assert_no_errno(pipe(ready));
		pids[i] = fork();
		if (pids[i] == 0) {
			if (!prepare(argument) || write(ready[1], "", 1) != 1)
				_exit(1);
			for (;;)
				pause();
		}
		close(ready[1]);
		g_assert_cmpint(read(ready[0], &byte, 1), ==, 1);
		close(ready[0]);
	}
}

static gboolean join_and_fork(int procs)
{
	(void)signal(SIGTERM, SIG_IGN);
	return write(procs, "0", 1) == 1 && fork() >= 0;
}

static gboolean become(int uid)
{
	return setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) == 0;
}

/* Children in a group that do nothing, not even on SIGTERM, and a child of each. */
static void fill(const char *folder, pid_t *pids)
{
	g_autoptr(GError) error = NULL;
	const int procs = cgroup_open(folder, &error);

	g_assert_no_error(error);
	start_processes(pids, join_and_fork, procs);
	close(procs);
}

static void assert_killed(const pid_t *pids)
{
	for (guint i = 0; i < PROCESSES; i++) {
		int status;

		g_assert_cmpint(waitpid(pids[i], &status, 0), ==, pids[i]);
		g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

static void test_end(void)
{
	g_autofree char *folder = make_group();
	pid_t pids[PROCESSES];
	g_autoptr(GError) error = NULL;

	if (!folder)
		return;
	fill(folder, pids);
	/* One that is used is not removed. */
	g_assert_false(cgroup_remove(folder, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_clear_error(&error);
	g_assert_true(cgroup_end(folder, &error));
	g_assert_no_error(error);
	assert_killed(pids);
	g_assert_true(cgroup_end(folder, &error));
	g_assert_true(cgroup_remove(folder, &error));
	g_assert_false(g_file_test(folder, G_FILE_TEST_EXISTS));
	/* What there is not has ended. */
	g_assert_true(cgroup_end(folder, &error));
	g_assert_true(cgroup_remove(folder, &error));
	g_assert_no_error(error);
	g_assert_cmpint(cgroup_open(folder, &error), ==, -1);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
}

/* Without cgroup.kill. */
static void test_end_of_each(void)
{
	g_autofree char *folder = make_group();
	pid_t pids[PROCESSES];

	if (!folder)
		return;
	fill(folder, pids);
	cgroup_kill_each(folder);
	assert_killed(pids);
	g_assert_true(cgroup_end(folder, NULL));
	g_assert_true(cgroup_remove(folder, NULL));
	cgroup_kill_each(folder);
}

static void test_folder_of_a_process(void)
{
	g_autofree char *folder = make_group();
	g_autofree char *found = NULL;
	pid_t pids[PROCESSES];

	if (!folder)
		return;
	fill(folder, pids);
	found = cgroup_folder_of("/", pids[0], NULL);
	g_assert_cmpstr(found, ==, folder);
	g_assert_true(cgroup_end(folder, NULL));
	assert_killed(pids);
	g_assert_true(cgroup_remove(folder, NULL));
}

static void test_folder_that_cannot_be(void)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(cgroup_make("/none/at/all", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_nonnull(strstr(error->message, "'/none/at/all'"));
}

/* What is left to a host without cgroups: the user. */
static void test_processes_of_a_user(void)
{
	/* Nobody else's in a test that runs at the same time. */
	const uid_t uid = 2000000000u + (guint)getpid();
	pid_t pids[PROCESSES];

	if (geteuid() != 0) {
		g_test_skip("needs root");
		return;
	}
	start_processes(pids, become, (int)uid);
	user_processes_end(uid);
	assert_killed(pids);
	user_processes_end(uid);
}

static void touch(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);

	g_assert_true(g_file_set_contents(path, "", 0, NULL));
}

static void assert_has(const char *folder, const char *name, const char *wanted)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	g_autofree char *text = NULL;

	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, wanted);
}

/* With files that stand in for a group's, as a host without controllers has none. */
static void test_limit(void)
{
	const CgroupLimits limits = {
		.tasks = 260,
		.memory_bytes = 1 << 30,
		.cpu_weight = 50,
		.cpu_period_us = 20000,
		.cpu_quota_us = 30000,
	};
	const CgroupLimits tasks = { .tasks = 260 };
	g_autofree char *above = g_dir_make_tmp("cgroup-test-XXXXXX", NULL);
	g_autofree char *folder = g_build_filename(above, "domain", NULL);
	g_autoptr(GError) error = NULL;

	g_assert_true(cgroup_make(folder, NULL));
	g_assert_true(cgroup_limit(folder, &tasks, &error));
	g_assert_no_error(error);
	g_assert_false(cgroup_limit(folder, &limits, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_nonnull(strstr(error->message, "'memory.max': No such file"));
	touch(above, "cgroup.subtree_control");
	touch(folder, "pids.max");
	touch(folder, "memory.max");
	touch(folder, "cpu.weight");
	touch(folder, "cpu.max");
	g_clear_error(&error);
	g_assert_true(cgroup_limit(folder, &limits, &error));
	g_assert_no_error(error);
	assert_has(folder, "pids.max", "260");
	assert_has(folder, "memory.max", "1073741824");
	assert_has(folder, "cpu.weight", "50");
	assert_has(folder, "cpu.max", "30000 20000");
	assert_has(above, "cgroup.subtree_control", "+cpuory");
	remove_tree(above);
}

int main(int argc, char **argv)
{
	g_setenv("LC_ALL", "C", TRUE);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/cgroup/own-folder", test_own_folder);
	g_test_add_func("/cgroup/machine-name", test_machine_name);
	g_test_add_func("/cgroup/end", test_end);
	g_test_add_func("/cgroup/end-of-each", test_end_of_each);
	g_test_add_func("/cgroup/folder-of-a-process", test_folder_of_a_process);
	g_test_add_func("/cgroup/folder-that-cannot-be", test_folder_that_cannot_be);
	g_test_add_func("/cgroup/processes-of-a-user", test_processes_of_a_user);
	g_test_add_func("/cgroup/limit", test_limit);
	return g_test_run();
}
