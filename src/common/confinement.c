/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* confinement.c - what a process gives up, step by step */
#include "common/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/capabilities.h"

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LEAK_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LEAK_SANITIZER
#endif
#endif
#ifdef HAS_LEAK_SANITIZER
#include <sanitizer/lsan_interface.h>
#endif

/* Where the empty file system is mounted, for a moment: a folder that each host has. */
#define MOUNT_POINT	 "/tmp"

#define FIRST_DESCRIPTOR 3

#ifdef HAS_LEAK_SANITIZER
/* It would stop all threads and read /proc, which a process that hides and has no files cannot. */
static gboolean is_confined;

int __lsan_is_turned_off(void)
{
	return is_confined;
}
#endif

static gboolean set_errno_error(GError **error, const char *what)
{
	int saved_errno = errno;

	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved_errno), "%s: %s", what,
		    g_strerror(saved_errno));
	return FALSE;
}

gboolean confinement_hide_process(GError **error)
{
	const struct rlimit no_core = { 0, 0 };

#ifdef HAS_LEAK_SANITIZER
	is_confined = TRUE;
#endif
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return set_errno_error(error, "PR_SET_DUMPABLE");
	if (setrlimit(RLIMIT_CORE, &no_core) < 0)
		return set_errno_error(error, "RLIMIT_CORE");
	return TRUE;
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static gboolean close_range_of(guint first, guint last, GError **error)
{
	if (first <= last && syscall(SYS_close_range, first, last, 0) < 0)
		return set_errno_error(error, "close_range");
	return TRUE;
}

gboolean confinement_close_others(const int *kept, gsize n_kept, GError **error)
{
	g_autofree int *sorted = g_memdup2(kept, n_kept * sizeof(kept[0]));
	guint next = FIRST_DESCRIPTOR;

	qsort(sorted, n_kept, sizeof(sorted[0]), compare_numbers);
	for (gsize i = 0; i < n_kept; i++) {
		if (sorted[i] < (int)next)
			continue;
		if (!close_range_of(next, (guint)sorted[i] - 1, error))
			return FALSE;
		next = (guint)sorted[i] + 1;
	}
	return close_range_of(next, G_MAXUINT, error);
}

static gboolean write_proc_file(const char *path, const char *text, GError **error)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	gboolean is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (!is_written)
		set_errno_error(error, path);
	if (fd >= 0)
		close(fd);
	return is_written;
}

/* In the user namespace that was just made, everybody is who he was, and there are no others. */
static gboolean map_user(uid_t uid, gid_t gid, GError **error)
{
	g_autofree char *uid_map = g_strdup_printf("%u %u 1", uid, uid);
	g_autofree char *gid_map = g_strdup_printf("%u %u 1", gid, gid);
	gboolean is_mapped;

	/* The files of a process that hides are root's. It has nothing to hide yet. */
	(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	is_mapped = write_proc_file("/proc/self/setgroups", "deny", error) &&
		    write_proc_file("/proc/self/gid_map", gid_map, error) &&
		    write_proc_file("/proc/self/uid_map", uid_map, error);
	return confinement_hide_process(is_mapped ? error : NULL) && is_mapped;
}

static gboolean make_namespaces(GError **error)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	Capabilities capabilities;

	if (!capabilities_get(&capabilities))
		return set_errno_error(error, "capget");
	if (capabilities.effective & CAPABILITY(CAP_SYS_ADMIN))
		return unshare(CLONE_NEWNS) == 0 || set_errno_error(error, "unshare(CLONE_NEWNS)");
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return set_errno_error(error, "unshare(CLONE_NEWUSER)");
	return map_user(uid, gid, error);
}

/*
 * The current folder becomes the root, and what was the root goes. Where that is the kernel's
 * first file system, which always stays below all others, pivot_root(2) cannot be: the folder
 * is moved over it, and chroot(2) done, which a process without capabilities cannot undo.
 */
static gboolean change_root(GError **error)
{
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) == 0 || set_errno_error(error, "umount");
	if (errno != EINVAL)
		return set_errno_error(error, "pivot_root");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return set_errno_error(error, "chroot");
	return TRUE;
}

gboolean confinement_leave_files(GError **error)
{
	if (!make_namespaces(error))
		return FALSE;
	/* What is mounted here from now on is not mounted for others, nor theirs here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return set_errno_error(error, "mount(MS_PRIVATE)");
	if (mount("empty", MOUNT_POINT, "tmpfs", MS_RDONLY | MS_NODEV | MS_NOEXEC | MS_NOSUID,
		  "mode=0555,nr_inodes=2,size=4k") < 0)
		return set_errno_error(error, "mount(tmpfs)");
	if (chdir(MOUNT_POINT) < 0)
		return set_errno_error(error, MOUNT_POINT);
	if (!change_root(error))
		return FALSE;
	return chdir("/") == 0 || set_errno_error(error, "/");
}

gboolean confinement_refuse_privileges(GError **error)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return set_errno_error(error, "PR_SET_NO_NEW_PRIVS");
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		return TRUE;
	errno = EPERM;
	return set_errno_error(error, "PR_GET_NO_NEW_PRIVS");
}

gboolean confinement_drop_capabilities(guint64 kept, GError **error)
{
	if (!capabilities_keep(kept, FALSE))
		return set_errno_error(error, "capset");
	if (capabilities_are_at_most(kept))
		return TRUE;
	errno = EPERM;
	return set_errno_error(error, "capget");
}
