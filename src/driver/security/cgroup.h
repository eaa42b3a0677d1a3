/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup.h - a control group for the processes of one domain, and their end as a whole
 *
 * Theory of operation
 *
 * Whatever a VMM may make of itself, it stays in the group that it was started in: so that group is
 * what is ended, not the processes that somebody remembers. Only cgroup v2 is used, which may be
 * mounted beside v1. A group is a folder below the daemon's own; where systemd runs it is a scope
 * of systemd's (scope.h), and what is here ends that as well.
 *
 * How many tasks may be in it is always limited, and memory and processors where the domain's XML
 * says so. A controller that the host does not give to groups below the daemon's own limits
 * nothing: that is an error where the XML asks for it.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * cgroup_own_folder - the folder of the group that this process is in
 * @root: "/", or where proc is another one's: for tests
 *
 * Return: a path for g_free(), or NULL with VIR_ERR_OPERATION_FAILED that says what is missing.
 */
char *cgroup_own_folder(const char *root, GError **error);

/* The same of another process, which is in the same hierarchy. */
char *cgroup_folder_of(const char *root, pid_t pid, GError **error);

/*
 * cgroup_machine_name - what libvirt calls the machine of a domain
 *
 * Return: "gmem-3-linux", with no other characters than letters, digits, "-" and "." and 64 of them
 * at most, for g_free().
 */
char *cgroup_machine_name(int id, const char *name);

/* A group that there is not yet, below that folder. Return: its folder, for g_free(). */
char *cgroup_new_folder(const char *below, const char *machine_name);

/* Return: FALSE with VIR_ERR_OPERATION_FAILED that names the folder. */
gboolean cgroup_make(const char *folder, GError **error);

/* 0: not limited. */
typedef struct {
	guint64 tasks;
	guint64 memory_bytes;
	guint64 cpu_weight;
	guint64 cpu_period_us;
	guint64 cpu_quota_us; /* in each period */
} CgroupLimits;

/*
 * cgroup_limit - limit what is in a group
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED that names the file; but for tasks, whose limit a
 * host need not have.
 */
gboolean cgroup_limit(const char *folder, const CgroupLimits *limits, GError **error);

/*
 * cgroup_open - open a group for processes to be put in
 *
 * Return: its cgroup.procs, for close(), or -1 with VIR_ERR_OPERATION_FAILED.
 */
int cgroup_open(const char *folder, GError **error);

/*
 * cgroup_end - kill whatever is in a group, and wait for its end
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED where something is still there after some seconds. A
 * group that there is not has ended.
 */
gboolean cgroup_end(const char *folder, GError **error);

/* What cgroup_end() does on a kernel older than Linux 5.14, time and again: exposed for the tests.
 */
void cgroup_kill_each(const char *folder);

/* Removes a group that has ended. Return: FALSE with VIR_ERR_OPERATION_FAILED. */
gboolean cgroup_remove(const char *folder, GError **error);
