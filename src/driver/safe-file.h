/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * safe-file.h - files that a definition names, opened by a daemon that may open anything
 *
 * Theory of operation
 *
 * Whoever may define a domain may have the daemon read and write any file: that is so in
 * libvirt. But a path that an administrator has written down in good faith may lead through a
 * folder that somebody else may write to, and there he puts what he wants. So a path is walked
 * name by name, each step relative to the folder of the one before:
 *
 * - A symbolic link is followed where only root or the daemon's own user can have made it: it
 *   is one of theirs, in a folder of theirs that nobody else may write to or that is sticky.
 *   One that kernel file systems (/proc) make up never is.
 * - A file that is to be written is no link, and there is no other name for it (hard link).
 *   It belongs to the daemon's user, to root, or to the user that the VMMs run as.
 * - It is looked at before it is opened (O_PATH): opening a device does something, opening a
 *   FIFO waits. Only a regular file of a real file system is opened, and emptied after that,
 *   through the descriptor that was looked at. Output may go to /dev/null besides.
 *
 * A new file is made with O_EXCL, for its owner alone. What is written later under a name of
 * the same folder goes through the folder's descriptor.
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Whom a file that is written to may belong to, besides root and the daemon's user. */
typedef struct {
	uid_t user;
	uid_t first; /* and so many users from here on */
	guint count;
} SafeOwners;

gboolean safe_owners_in_range(const SafeOwners *owners, uid_t uid);

/* Where a file is, or will be. */
typedef struct {
	int folder;		 /* O_PATH: for openat() and friends; -1: none */
	char *name;		 /* in it, without a slash; no symbolic link when it was found */
	gboolean is_open_to_all; /* everybody may pass through each folder on the way */
} SafePlace;

#define SAFE_PLACE_INIT      \
	{                    \
		.folder = -1 \
	}

void safe_place_clear(SafePlace *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SafePlace, safe_place_clear)

/*
 * safe_place_find - walk to where a file is
 * @what: for errors, in the daemon's language: _("nvram")
 * @path: absolute; the file need not exist, its folder has to
 * @place: for safe_place_clear()
 *
 * Follows a link at the end, too, where links are followed.
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR or, for a link that is not followed,
 * VIR_ERR_CONFIG_UNSUPPORTED; both name @what and @path.
 */
gboolean safe_place_find(const char *what, const char *path, SafePlace *place, GError **error);

/*
 * safe_file_open_input - open a regular file for reading
 *
 * Return: a descriptor for close(), or -1 with @error as of safe_place_find().
 */
int safe_file_open_input(const char *what, const char *path, GError **error);

/*
 * safe_file_open_update - open an existing regular file for reading and writing
 * @other_owner: whom it may belong to besides
 *
 * Return: a descriptor for close(), or -1 with @error as of safe_place_find().
 */
int safe_file_open_update(const char *what, const char *path, uid_t other_owner, GError **error);

/*
 * safe_file_find_update - find what safe_file_open_update() would open
 * @owners: whom it may belong to besides
 * @status: what it is
 *
 * Return: a descriptor (O_PATH) for close(), or -1 with @error as of safe_place_find().
 */
int safe_file_find_update(const char *what, const char *path, const SafeOwners *owners,
			  struct stat *status, GError **error);

/*
 * safe_file_check_update - whether a file may be written to that is at a place
 *
 * Return: FALSE with @error, also where there is nothing.
 */
gboolean safe_file_check_update(const char *what, const char *path, const SafePlace *place,
				const SafeOwners *owners, GError **error);

/*
 * What devices of a domain are about: a disk's image, or a device of the host's that is a disk or
 * gives random numbers. A device belongs to who may make devices, and is what it says it is.
 *
 * They are for io_uring: opened without O_NONBLOCK, with which it would say EAGAIN.
 *
 * Return: a descriptor for close(), or -1 with @error as of safe_place_find().
 */
int safe_file_open_image(const char *what, const char *path, GError **error);
int safe_file_open_image_update(const char *what, const char *path, uid_t other_owner,
				GError **error);
int safe_file_open_block_device(const char *what, const char *path, gboolean is_writable,
				GError **error);

/*
 * safe_file_open_random_source - a character device that gives random numbers, for reading
 *
 * Others have something done to them by who opens or reads them, and some let root alone do that:
 * so for root it is one of the kernel's sources by its number, whatever its name is.
 */
int safe_file_open_random_source(const char *what, const char *path, GError **error);

/*
 * safe_file_find_socket - find a UNIX socket, to be connected to as /proc/self/fd/N
 *
 * Return: a descriptor (O_PATH) for close(), or -1 with @error as of safe_place_find().
 */
int safe_file_find_socket(const char *what, const char *path, GError **error);

/*
 * safe_file_listen - bind a UNIX socket (mode 0600) and listen
 *
 * A socket that is there already is replaced where nobody listens at it any more and it is root's
 * or the daemon's user's.
 *
 * Return: a descriptor for close(), or -1 with @error as of safe_place_find().
 */
int safe_file_listen(const char *what, const char *path, GError **error);

/* Removes a socket that safe_file_listen() would replace, and nothing else. */
void safe_file_remove_socket(const char *path);

/* A file that is open for appending. */
typedef struct {
	int fd;
	SafePlace place; /* none for /dev/null */
} SafeOutput;

#define SAFE_OUTPUT_INIT                           \
	{                                          \
		.fd = -1, .place = SAFE_PLACE_INIT \
	}

void safe_output_clear(SafeOutput *output);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SafeOutput, safe_output_clear)

/*
 * safe_file_open_output - open a file for output, or make it with mode 0600
 * @is_emptied: what it had is dropped
 * @other_owner: whom an existing one may belong to besides
 * @output: for safe_output_clear()
 *
 * A link at the end is refused, wherever it is.
 */
gboolean safe_file_open_output(const char *what, const char *path, gboolean is_emptied,
			       uid_t other_owner, SafeOutput *output, GError **error);
