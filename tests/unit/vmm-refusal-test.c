/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-refusal-test.c - records of the kernel's log about system calls that filters refuse */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/vmm/vmm-refusal.h"
#include "logger/system-calls.h"

#define RECORD(time, pid, uid, thread, call)                                                     \
	"4,9000,88000000,-;audit: type=1326 audit(" time ".717:11753): auid=4294967295 uid=" uid \
	" gid=4242 ses=4294967295 pid=" pid " comm=" thread                                      \
	" exe=\"/usr/libexec/gmem-vmm\" sig=31 arch=c000003e syscall=" call                      \
	" compat=0 ip=0x7f62da606829 code=0x80000000\n"

static const VmmRefusalOf somebody = { .pid = 1920, .uid = 4242, .since_ms = 1000717 };

static void test_parse(void)
{
	VmmRefusal refusal;
	g_autofree char *name = NULL;
	g_autofree char *none = NULL;

	g_assert_true(vmm_refusal_parse(RECORD("1000", "1920", "4242", "\"memory\"", "272"),
					&somebody, &refusal));
	g_assert_cmpuint(refusal.number, ==, 272);
	g_assert_cmpstr(refusal.thread, ==, "memory");
	name = vmm_refusal_call_name(&refusal);
	g_assert_cmpstr(name, ==, "unshare");
	refusal.number = 99999;
	none = vmm_refusal_call_name(&refusal);
	g_assert_cmpstr(none, ==, "99999");
}

/* Threads of vCPUs have a space in their names, and others may have what they like. */
static void test_names(void)
{
	static const struct {
		const char *record;
		const char *name;
	} names[] = {
		{ RECORD("1000", "1920", "4242", "43505520312F4B564D", "41"), "CPU 1/KVM" },
		{ RECORD("1000", "1920", "4242", "0A1B5B324A27", "41"), "??[2J?" },
		{ RECORD("1000", "1920", "4242", "4142434445464748494A4B4C4D4E4F5051", "41"),
		  "ABCDEFGHIJKLMNO" },
		{ RECORD("1000", "1920", "4242", "\"\"", "41"), "" },
		{ RECORD("1000", "1920", "4242", "4", "41"), "" },
	};
	VmmRefusal refusal;

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_assert_true(vmm_refusal_parse(names[i].record, &somebody, &refusal));
		g_assert_cmpstr(refusal.thread, ==, names[i].name);
	}
}

static void test_others(void)
{
	static const char *const records[] = {
		RECORD("1000", "1921", "4242", "\"memory\"", "272"),
		RECORD("1000", "1920", "4243", "\"memory\"", "272"),
		RECORD("999", "1920", "4242", "\"memory\"", "272"),
		"4,9000,88000000,-;audit: type=1326 audit(1000.716:1): uid=4242 pid=1920 "
		"syscall=1\n",
		"4,9000,88000000,-;audit: type=1327 audit(1001.0:1): uid=4242 pid=1920 syscall=1\n",
		"4,9000,88000000,-;audit: type=1326 audit(1001.0:1): uid=4242 pid=1920\n",
		"4,9000,88000000,-;audit: type=1326 audit(1001.0:1): uid=4242 pid=1920 syscall=x\n",
		"12,9000,88000000,-;somebody: audit: type=1326 audit(1001.0:1): uid=4242 pid=1920 "
		"comm=\"x\" syscall=1\n",
		"audit: type=1326",
		"",
	};
	VmmRefusal refusal;

	for (gsize i = 0; i < G_N_ELEMENTS(records); i++)
		g_assert_false(vmm_refusal_parse(records[i], &somebody, &refusal));
}

static void say(int fd, const char *record)
{
	g_assert_cmpint(send(fd, record, strlen(record), 0), ==, strlen(record));
}

/* The last one counts; without a PID, the user's. */
static void test_find(void)
{
	const VmmRefusalOf user = { .pid = -1, .uid = 4242, .since_ms = 1000717 };
	VmmRefusal refusal;
	int ends[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), ==, 0);
	g_assert_false(vmm_refusal_find(ends[0], &somebody, 0, &refusal));
	say(ends[1], RECORD("1000", "1920", "4242", "\"memory\"", "1"));
	say(ends[1], RECORD("1000", "1920", "4242", "\"memory\"", "2"));
	say(ends[1], RECORD("1000", "1920", "4243", "\"memory\"", "3"));
	g_assert_true(vmm_refusal_find(ends[0], &somebody, 0, &refusal));
	g_assert_cmpuint(refusal.number, ==, 2);
	say(ends[1], RECORD("1000", "7", "4242", "\"memory\"", "4"));
	g_assert_true(vmm_refusal_find(ends[0], &user, 0, &refusal));
	g_assert_cmpuint(refusal.number, ==, 4);
	g_assert_false(vmm_refusal_find(ends[0], &user, 1, &refusal));
	close(ends[0]);
	close(ends[1]);
}

static gpointer say_late(gpointer data)
{
	say(GPOINTER_TO_INT(data), RECORD("1000", "1920", "4242", "\"memory\"", "1"));
	return NULL;
}

static void test_find_late(void)
{
	VmmRefusal refusal;
	GThread *thread;
	int ends[2];

	g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), ==, 0);
	thread = g_thread_new("late", say_late, GINT_TO_POINTER(ends[1]));
	g_assert_true(vmm_refusal_find(ends[0], &somebody, 60000, &refusal));
	g_thread_join(thread);
	close(ends[0]);
	close(ends[1]);
}

/* With the kernel's own log, where this host has one to be read and no audit daemon. */
static void test_look_up(void)
{
	VmmRefusalOf of = { .uid = geteuid(), .since_ms = g_get_real_time() / 1000 };
	VmmRefusal refusal;
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_NAME, "a thread");
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (logger_system_calls_confine(NULL))
			(void)syscall(SYS_acct, NULL);
		_exit(0);
	}
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	if (!WIFSIGNALED(status)) {
		g_test_skip("there are no filters");
		return;
	}
	g_assert_cmpint(WTERMSIG(status), ==, SIGSYS);
	of.pid = pid;
	if (!vmm_refusal_look_up(&of, &refusal)) {
		g_test_skip("the kernel's log does not say");
		return;
	}
	g_assert_cmpuint(refusal.number, ==, SYS_acct);
	g_assert_cmpstr(refusal.thread, ==, "a thread");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vmm-refusal/parse", test_parse);
	g_test_add_func("/vmm-refusal/names", test_names);
	g_test_add_func("/vmm-refusal/others", test_others);
	g_test_add_func("/vmm-refusal/find", test_find);
	g_test_add_func("/vmm-refusal/find-late", test_find_late);
	g_test_add_func("/vmm-refusal/look-up", test_look_up);
	return g_test_run();
}
