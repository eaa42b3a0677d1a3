/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * handed-files.c - files that QEMU's storage daemon seems to open, and has been handed
 *
 * Theory of operation
 *
 * See common/handed-file.h. A descriptor is given away by the open() that asks for it, so that its
 * end is the storage daemon's, and with it the end of the locks on the file. Any other file that is
 * no device or kernel's file is refused: a format that names further files gets none. That binds
 * the storage daemon's code as it was written; what it may do when it is somebody else's, its jail
 * says.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/handed-file.h"

/* That wait to be opened; the daemon sends one and has it opened. */
#define WAITING_MAX 256

typedef struct {
	char name[HANDED_FILE_NAME_SIZE];
	int fd; /* -1: none */
} HandedFile;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static HandedFile waiting[WAITING_MAX];
static unsigned n_waiting;

static HandedFile *find(const char *name)
{
	for (unsigned i = 0; i < n_waiting; i++)
		if (waiting[i].fd >= 0 && strcmp(waiting[i].name, name) == 0)
			return &waiting[i];
	return NULL;
}

static HandedFile *find_room(void)
{
	for (unsigned i = 0; i < n_waiting; i++)
		if (waiting[i].fd < 0)
			return &waiting[i];
	return n_waiting < WAITING_MAX ? &waiting[n_waiting++] : NULL;
}

/* One that has come again was not opened before. */
static void keep(const char *name, int fd)
{
	HandedFile *file = find(name);

	if (file)
		(void)close(file->fd);
	else
		file = find_room();
	if (!file) {
		(void)close(fd);
		return;
	}
	strcpy(file->name, name);
	file->fd = fd;
}

static int descriptor_of(struct msghdr *message)
{
	const struct cmsghdr *header = CMSG_FIRSTHDR(message);
	int fd = -1;

	if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
	    header->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

/* Return: 0 where nothing more has come. */
static int receive(void)
{
	char name[HANDED_FILE_NAME_SIZE];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iovec = { .iov_base = name, .iov_len = sizeof(name) - 1 };
	struct msghdr message = {
		.msg_iov = &iovec,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const ssize_t size = recvmsg(HANDED_FILE_SOCKET, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	if (size < 0)
		return errno == EINTR;
	fd = descriptor_of(&message);
	name[size] = '\0';
	if (fd >= 0)
		keep(name, fd);
	return 1;
}

/* Return: the descriptor, which is the caller's, or -1 with errno. */
static int take(const char *name)
{
	HandedFile *file;
	int fd = -1;

	(void)pthread_mutex_lock(&lock);
	while (receive())
		continue;
	file = find(name);
	if (file) {
		fd = file->fd;
		file->fd = -1;
	}
	(void)pthread_mutex_unlock(&lock);
	if (fd < 0)
		errno = ENOENT;
	return fd;
}

/* What open() would have made of the flags. Return: FALSE with errno. */
static int fits(int fd, int flags)
{
	const int have = fcntl(fd, F_GETFL);
	const int changed = (have & ~O_DIRECT) | (flags & O_DIRECT);

	if (have < 0)
		return 0;
	if ((have & O_ACCMODE) != O_RDWR && (have & O_ACCMODE) != (flags & O_ACCMODE)) {
		errno = EACCES;
		return 0;
	}
	return changed == have || fcntl(fd, F_SETFL, changed) == 0;
}

static int open_handed(const char *name, int flags)
{
	const int fd = take(name);

	if (fd < 0 || fits(fd, flags))
		return fd;
	const int code = errno;

	(void)close(fd);
	errno = code;
	return -1;
}

static int is_below(const char *path, const char *folder)
{
	return strncmp(path, folder, strlen(folder)) == 0;
}

__attribute__((visibility("default"))) int open64(const char *path, int flags, ...);

int open64(const char *path, int flags, ...)
{
	if (is_below(path, HANDED_FILE_FOLDER))
		return open_handed(path + strlen(HANDED_FILE_FOLDER), flags);
	if ((is_below(path, "/dev/") || is_below(path, "/proc/") || is_below(path, "/sys/")) &&
	    !(flags & O_CREAT))
		return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0);
	errno = EACCES;
	return -1;
}
