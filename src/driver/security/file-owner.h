/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * file-owner.h - files that are a domain's while it runs, and get their owner back
 *
 * Theory of operation
 *
 * A file that a domain writes to belongs to its user for as long as it runs. Who it belonged to
 * before is looked up first and written to the domain's status file; then it is given to the
 * domain's user, and at the domain's end back, by this daemon or another one. What is given back is
 * the file that was given, known by device and inode, and only while it is the domain's: another
 * one that has its name by then, or a new owner, is somebody's wish. Its mode is as it was, too: an
 * owner may change that.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "driver/safe-file.h"

typedef struct {
	char *path;
	guint64 device;
	guint64 inode;
	uid_t uid; /* whom it belonged to */
	gid_t gid;
	mode_t mode;
} FileOwner;

FileOwner *file_owner_copy(const FileOwner *owner);
void file_owner_free(FileOwner *owner);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FileOwner, file_owner_free)

/*
 * file_owner_find - look up whom a file belongs to
 * @what: for errors, in the daemon's language: _("nvram")
 * @owners: who may have it besides root and the daemon's user. One of their range has been given it
 *          for a run whose end nobody has seen; then it belongs to the daemon's user.
 *
 * Return: NULL with @error as of safe_file_open_update().
 */
FileOwner *file_owner_find(const char *what, const char *path, const SafeOwners *owners,
			   GError **error);

/*
 * file_owner_give - give the file that was found to a user
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR that names it.
 */
gboolean file_owner_give(const char *what, const FileOwner *owner, uid_t uid, gid_t gid,
			 GError **error);

/*
 * file_owner_give_back - undo file_owner_give()
 * @uid: to whom it was given
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR where it is still the user's.
 */
gboolean file_owner_give_back(const char *what, const FileOwner *owner, uid_t uid, GError **error);
