/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* safe-file.c - files that a definition names, opened by a daemon that may open anything */
#include "driver/safe-file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "driver/error.h"

/* As many links as the kernel follows in one path. */
#define MAX_LINKS 40

/* How often a file that comes and goes is looked at again. */
#define MAX_TURNS 16

/* What an error is about. */
typedef struct {
	const char *what;
	const char *path;
} Subject;

static gboolean system_error(const Subject *subject, GError **error)
{
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot open %s '%s': %s"),
			    subject->what, subject->path, g_strerror(errno));
}

/* @format: with places for what it is about and its path */
static gboolean refuse(const Subject *subject, GError **error, const char *format)
{
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED, format, subject->what,
			    subject->path);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void safe_place_clear(SafePlace *place)
{
	close_fd(&place->folder);
	g_clear_pointer(&place->name, g_free);
}

void safe_output_clear(SafeOutput *output)
{
	close_fd(&output->fd);
	safe_place_clear(&output->place);
}

/*
 * What a thing is.
 */

static gboolean is_ours(uid_t owner)
{
	return owner == 0 || owner == geteuid();
}

/* File systems in which the kernel shows itself: a file there is a switch, and no store. */
static gboolean is_kernels_own(int fd)
{
	static const guint32 kinds[] = {
		PROC_SUPER_MAGIC,
		SYSFS_MAGIC,
		DEBUGFS_MAGIC,
		TRACEFS_MAGIC,
		SECURITYFS_MAGIC,
		SELINUX_MAGIC,
		SMACK_MAGIC,
		CGROUP_SUPER_MAGIC,
		BPF_FS_MAGIC,
		PSTOREFS_MAGIC,
		CGROUP2_SUPER_MAGIC,
		BINFMTFS_MAGIC,
		EFIVARFS_MAGIC,
		0x62656570 /* configfs */,
		0x65735543 /* fusectl */,
	};
	struct statfs status;

	if (fstatfs(fd, &status) < 0)
		return TRUE;
	for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
		if ((guint32)status.f_type == kinds[i])
			return TRUE;
	return FALSE;
}

/* Whether somebody but root and us can have put another's thing into a folder. */
static gboolean is_others_to_change(const struct stat *folder)
{
	const gboolean is_group_ours = folder->st_gid == 0 || folder->st_gid == getegid();

	if (!is_ours(folder->st_uid))
		return TRUE;
	if (folder->st_mode & S_ISVTX)
		return FALSE;
	return folder->st_mode & S_IWOTH || (folder->st_mode & S_IWGRP && !is_group_ours);
}

static gboolean is_trusted_link(int folder, const struct stat *link)
{
	struct stat status;

	return fstat(folder, &status) == 0 && is_ours(link->st_uid) &&
	       !is_others_to_change(&status) && !is_kernels_own(folder);
}

static gboolean is_null_device(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 3);
}

static gboolean check_regular(const Subject *subject, int node, const struct stat *status,
			      GError **error)
{
	if (S_ISLNK(status->st_mode))
		return refuse(subject, error, _("%s '%s' is a symbolic link"));
	if (!S_ISREG(status->st_mode))
		return refuse(subject, error, _("%s '%s' is not a regular file"));
	if (is_kernels_own(node))
		return refuse(subject, error, _("%s '%s' is a file of the kernel's own"));
	return TRUE;
}

gboolean safe_owners_in_range(const SafeOwners *owners, uid_t uid)
{
	return uid >= owners->first && uid - owners->first < owners->count;
}

static gboolean check_writable(const Subject *subject, int node, const struct stat *status,
			       const SafeOwners *owners, GError **error)
{
	if (!check_regular(subject, node, status, error))
		return FALSE;
	if (status->st_nlink > 1)
		return refuse(subject, error,
			      _("%s '%s' has another name (hard link): it is not written to"));
	if (!is_ours(status->st_uid) && status->st_uid != owners->user &&
	    !safe_owners_in_range(owners, status->st_uid))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("%s '%s' belongs to user %u: it is not written to"),
				    subject->what, subject->path, (guint)status->st_uid);
	return TRUE;
}

/*
 * The walk.
 */

typedef struct {
	Subject subject;
	int folder;
	char *rest; /* what of the path is still to be walked */
	gboolean follows_last;
	gboolean is_open_to_all; /* so far */
	guint links;
} Walk;

static void walk_clear(Walk *walk)
{
	close_fd(&walk->folder);
	g_clear_pointer(&walk->rest, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

static gboolean enter(Walk *walk, int folder, const char *name, GError **error)
{
	const int next = openat(folder, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (next < 0)
		return system_error(&walk->subject, error);
	close_fd(&walk->folder);
	walk->folder = next;
	if (fstat(next, &status) < 0 || !(status.st_mode & S_IXOTH))
		walk->is_open_to_all = FALSE;
	return TRUE;
}

/* The next name, for g_free(); NULL where there is none. */
static char *take_name(Walk *walk)
{
	const char *begin = walk->rest + strspn(walk->rest, "/");
	const gsize length = strcspn(begin, "/");
	char *name = length ? g_strndup(begin, length) : NULL;
	char *rest = g_strdup(begin + length);

	g_free(walk->rest);
	walk->rest = rest;
	return name;
}

/* Puts what a link says in front of the rest. */
static gboolean follow(Walk *walk, int link, GError **error)
{
	char text[PATH_MAX + 1];
	const ssize_t length = readlinkat(link, "", text, sizeof(text) - 1);
	char *rest;

	if (length < 0)
		return system_error(&walk->subject, error);
	if (++walk->links > MAX_LINKS || length == sizeof(text) - 1) {
		errno = ELOOP;
		return system_error(&walk->subject, error);
	}
	text[length] = '\0';
	rest = g_strconcat(text, walk->rest, NULL);
	g_free(walk->rest);
	walk->rest = rest;
	return text[0] != '/' || enter(walk, AT_FDCWD, "/", error);
}

static gboolean step_through(Walk *walk, int node, const char *name, GError **error)
{
	struct stat status;

	if (fstat(node, &status) < 0)
		return system_error(&walk->subject, error);
	if (!S_ISLNK(status.st_mode))
		return enter(walk, walk->folder, name, error);
	if (is_trusted_link(walk->folder, &status))
		return follow(walk, node, error);
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("%s '%s' leads through the symbolic link '%s', which somebody else "
			      "can have made: it is not followed"),
			    walk->subject.what, walk->subject.path, name);
}

typedef enum { STEP_FAILED, STEP_ON, STEP_DONE } Step;

/* Walks over one name; the last one, unless it is a link to be followed, is the place's. */
static Step step(Walk *walk, SafePlace *place, GError **error)
{
	g_autofree char *name = take_name(walk);
	const gboolean is_last = *walk->rest == '\0';
	struct stat status;
	gboolean done;
	int node;

	if (!name || (is_last && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))) {
		errno = EISDIR;
		return system_error(&walk->subject, error);
	}
	if (strcmp(name, ".") == 0)
		return STEP_ON;
	node = openat(walk->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (node < 0 && !(is_last && errno == ENOENT))
		return system_error(&walk->subject, error);
	if (is_last && (node < 0 || !walk->follows_last || fstat(node, &status) < 0 ||
			!S_ISLNK(status.st_mode))) {
		close_fd(&node);
		place->folder = walk->folder;
		place->name = g_steal_pointer(&name);
		place->is_open_to_all = walk->is_open_to_all;
		walk->folder = -1;
		return STEP_DONE;
	}
	done = step_through(walk, node, name, error);
	close(node);
	return done ? STEP_ON : STEP_FAILED;
}

static gboolean find(const Subject *subject, gboolean follows_last, SafePlace *place,
		     GError **error)
{
	g_auto(Walk) walk = {
		.subject = *subject,
		.folder = -1,
		.rest = g_strdup(subject->path),
		.follows_last = follows_last,
		.is_open_to_all = TRUE,
	};
	Step taken;

	if (!g_path_is_absolute(subject->path))
		return refuse(subject, error, _("%s '%s' is not an absolute path"));
	if (!enter(&walk, AT_FDCWD, "/", error))
		return FALSE;
	do {
		taken = step(&walk, place, error);
	} while (taken == STEP_ON);
	return taken == STEP_DONE;
}

gboolean safe_place_find(const char *what, const char *path, SafePlace *place, GError **error)
{
	const Subject subject = { what, path };

	return find(&subject, TRUE, place, error);
}

/*
 * Opening.
 */

/* What is at a place, to be looked at. Return: -1 with errno. */
static int look_at(const SafePlace *place, struct stat *status)
{
	int node = openat(place->folder, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (node >= 0 && fstat(node, status) < 0)
		close_fd(&node);
	return node;
}

/* Opens what was looked at, and nothing else. */
static int open_node(const Subject *subject, int node, int flags, GError **error)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", node);
	const int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		system_error(subject, error);
	return fd;
}

int safe_file_open_input(const char *what, const char *path, GError **error)
{
	const Subject subject = { what, path };
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	struct stat status;
	int node, fd = -1;

	if (!find(&subject, TRUE, &place, error))
		return -1;
	node = look_at(&place, &status);
	if (node < 0)
		system_error(&subject, error);
	else if (check_regular(&subject, node, &status, error))
		fd = open_node(&subject, node, O_RDONLY, error);
	close_fd(&node);
	return fd;
}

/* Return: what is at a place and may be written to, to be opened; or -1. */
static int look_at_writable(const Subject *subject, const SafePlace *place,
			    const SafeOwners *owners, struct stat *status, GError **error)
{
	int node = look_at(place, status);

	if (node < 0)
		system_error(subject, error);
	else if (!check_writable(subject, node, status, owners, error))
		close_fd(&node);
	return node;
}

int safe_file_find_update(const char *what, const char *path, const SafeOwners *owners,
			  struct stat *status, GError **error)
{
	const Subject subject = { what, path };
	g_auto(SafePlace) place = SAFE_PLACE_INIT;

	return find(&subject, TRUE, &place, error) ?
		       look_at_writable(&subject, &place, owners, status, error) :
		       -1;
}

int safe_file_open_update(const char *what, const char *path, uid_t other_owner, GError **error)
{
	const Subject subject = { what, path };
	const SafeOwners owners = { .user = other_owner };
	struct stat status;
	const int node = safe_file_find_update(what, path, &owners, &status, error);
	int fd;

	if (node < 0)
		return -1;
	fd = open_node(&subject, node, O_RDWR, error);
	close(node);
	return fd;
}

/* A file that has been looked at does not make its opener wait: so it may be told to later. */
static int without_nonblock(int fd)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

int safe_file_open_image(const char *what, const char *path, GError **error)
{
	return without_nonblock(safe_file_open_input(what, path, error));
}

int safe_file_open_image_update(const char *what, const char *path, uid_t other_owner,
				GError **error)
{
	return without_nonblock(safe_file_open_update(what, path, other_owner, error));
}

/* Return: what to say of a device that will not do, with places as for refuse(), or NULL. */
typedef const char *(*DeviceCheck)(const struct stat *status);

static const char *check_block_device(const struct stat *status)
{
	return S_ISBLK(status->st_mode) ? NULL : _("%s '%s' is not a block device");
}

/* By the numbers that the kernel gives them. */
static gboolean is_random_source(dev_t device)
{
	const dev_t sources[] = {
		makedev(1, 8),	  /* random */
		makedev(1, 9),	  /* urandom */
		makedev(10, 183), /* hwrng */
	};

	for (gsize i = 0; i < G_N_ELEMENTS(sources); i++)
		if (sources[i] == device)
			return TRUE;
	return FALSE;
}

static const char *check_random_source(const struct stat *status)
{
	if (!S_ISCHR(status->st_mode))
		return _("%s '%s' is not a character device");
	if (geteuid() != 0 || is_random_source(status->st_rdev))
		return NULL;
	return _("%s '%s' is none of the kernel's, which are random, urandom and hwrng");
}

static int open_device(const Subject *subject, DeviceCheck check, int flags, GError **error)
{
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	const char *reason = NULL;
	struct stat status;
	int node, fd = -1;

	if (!find(subject, TRUE, &place, error))
		return -1;
	node = look_at(&place, &status);
	if (node < 0)
		system_error(subject, error);
	else if ((reason = check(&status)))
		refuse(subject, error, reason);
	else
		fd = open_node(subject, node, flags, error);
	close_fd(&node);
	return without_nonblock(fd);
}

int safe_file_open_block_device(const char *what, const char *path, gboolean is_writable,
				GError **error)
{
	const Subject subject = { what, path };

	return open_device(&subject, check_block_device, is_writable ? O_RDWR : O_RDONLY, error);
}

int safe_file_open_random_source(const char *what, const char *path, GError **error)
{
	const Subject subject = { what, path };

	return open_device(&subject, check_random_source, O_RDONLY, error);
}

int safe_file_find_socket(const char *what, const char *path, GError **error)
{
	const Subject subject = { what, path };
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	struct stat status;
	int node;

	if (!find(&subject, TRUE, &place, error))
		return -1;
	node = look_at(&place, &status);
	if (node >= 0 && !S_ISSOCK(status.st_mode)) {
		close_fd(&node);
		errno = ENOTSOCK;
	}
	if (node < 0)
		system_error(&subject, error);
	return node;
}

/* The address of a name in an open folder. Return: FALSE, with errno, for a name too long. */
static gboolean socket_address(const SafePlace *place, struct sockaddr_un *address)
{
	const int length = snprintf(address->sun_path, sizeof(address->sun_path),
				    "/proc/self/fd/%d/%s", place->folder, place->name);

	address->sun_family = AF_UNIX;
	errno = ENAMETOOLONG;
	return length > 0 && (gsize)length < sizeof(address->sun_path);
}

/* Whether a process is behind a socket; one without is what a process has left that was killed. */
static gboolean is_listened_to(const SafePlace *place)
{
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	gboolean is_refused;

	if (fd < 0)
		return TRUE;
	is_refused = socket_address(place, &address) &&
		     connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
		     errno == ECONNREFUSED;
	close(fd);
	return !is_refused;
}

/* Return: FALSE, with errno, where a socket is there and stays: of somebody else's, or in use. */
static gboolean remove_our_socket(const SafePlace *place)
{
	struct stat status;

	if (fstatat(place->folder, place->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	if (!S_ISSOCK(status.st_mode) || !is_ours(status.st_uid) || is_listened_to(place)) {
		errno = EADDRINUSE;
		return FALSE;
	}
	return unlinkat(place->folder, place->name, 0) == 0;
}

void safe_file_remove_socket(const char *path)
{
	const Subject subject = { "", path };
	g_auto(SafePlace) place = SAFE_PLACE_INIT;

	if (find(&subject, FALSE, &place, NULL))
		(void)remove_our_socket(&place);
}

int safe_file_listen(const char *what, const char *path, GError **error)
{
	const Subject subject = { what, path };
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	struct sockaddr_un address;
	int fd;

	if (!find(&subject, FALSE, &place, error))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* The mode is the socket's own before it has a name, so that nobody is there in between. */
	if (fd >= 0 && socket_address(&place, &address) && fchmod(fd, 0600) == 0 &&
	    remove_our_socket(&place) &&
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0)
		return fd;
	system_error(&subject, error);
	close_fd(&fd);
	return -1;
}

gboolean safe_file_check_update(const char *what, const char *path, const SafePlace *place,
				const SafeOwners *owners, GError **error)
{
	const Subject subject = { what, path };
	struct stat status;
	int node = look_at_writable(&subject, place, owners, &status, error);

	if (node < 0)
		return FALSE;
	close(node);
	return TRUE;
}

static gboolean open_existing(const Subject *subject, int node, const struct stat *status,
			      gboolean is_emptied, uid_t other_owner, SafeOutput *output,
			      GError **error)
{
	const SafeOwners owners = { .user = other_owner };

	if (is_null_device(status))
		safe_place_clear(&output->place);
	else if (!check_writable(subject, node, status, &owners, error))
		return FALSE;
	output->fd = open_node(subject, node, O_WRONLY | O_APPEND, error);
	if (output->fd < 0)
		return FALSE;
	return !is_emptied || is_null_device(status) || ftruncate(output->fd, 0) == 0 ||
	       system_error(subject, error);
}

/* With the place: makes the file, or opens the one that is there. */
static gboolean open_or_make(const Subject *subject, gboolean is_emptied, uid_t other_owner,
			     SafeOutput *output, GError **error)
{
	struct stat status;
	gboolean done;
	int node;

	for (guint turn = 0; turn < MAX_TURNS; turn++) {
		output->fd = openat(output->place.folder, output->place.name,
				    O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (output->fd >= 0)
			return TRUE;
		if (errno != EEXIST)
			break;
		node = look_at(&output->place, &status);
		if (node >= 0) {
			done = open_existing(subject, node, &status, is_emptied, other_owner,
					     output, error);
			close(node);
			return done;
		}
		if (errno != ENOENT)
			break;
	}
	return system_error(subject, error);
}

gboolean safe_file_open_output(const char *what, const char *path, gboolean is_emptied,
			       uid_t other_owner, SafeOutput *output, GError **error)
{
	const Subject subject = { what, path };

	*output = (SafeOutput)SAFE_OUTPUT_INIT;
	if (find(&subject, FALSE, &output->place, error) &&
	    open_or_make(&subject, is_emptied, other_owner, output, error))
		return TRUE;
	safe_output_clear(output);
	return FALSE;
}
