/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* file-owner.c - files that are a domain's while it runs, and get their owner back */
#include "driver/security/file-owner.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver/error.h"

#define MODE_BITS 07777

static gboolean system_error(const char *format, const char *what, const char *path, GError **error)
{
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, format, what, path, g_strerror(errno));
}

FileOwner *file_owner_copy(const FileOwner *owner)
{
	FileOwner *copy = g_memdup2(owner, sizeof(*owner));

	copy->path = g_strdup(owner->path);
	return copy;
}

void file_owner_free(FileOwner *owner)
{
	if (!owner)
		return;
	g_free(owner->path);
	g_free(owner);
}

FileOwner *file_owner_find(const char *what, const char *path, const SafeOwners *owners,
			   GError **error)
{
	struct stat status;
	const int node = safe_file_find_update(what, path, owners, &status, error);
	const gboolean is_left = node >= 0 && safe_owners_in_range(owners, status.st_uid);
	FileOwner *owner;

	if (node < 0)
		return NULL;
	close(node);
	owner = g_new0(FileOwner, 1);
	owner->path = g_strdup(path);
	owner->device = status.st_dev;
	owner->inode = status.st_ino;
	owner->uid = is_left ? geteuid() : status.st_uid;
	owner->gid = is_left ? getegid() : status.st_gid;
	owner->mode = status.st_mode & MODE_BITS;
	return owner;
}

/* What has the file's name now. Return: -1 with errno, ENOENT also where it is another file. */
static int look_at(const FileOwner *owner, const SafePlace *place, struct stat *status)
{
	int node = openat(place->folder, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (node < 0)
		return -1;
	if (fstat(node, status) == 0 && status->st_dev == owner->device &&
	    status->st_ino == owner->inode)
		return node;
	close(node);
	errno = ENOENT;
	return -1;
}

gboolean file_owner_give(const char *what, const FileOwner *owner, uid_t uid, gid_t gid,
			 GError **error)
{
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	struct stat status;
	gboolean done;
	int node;

	if (!safe_place_find(what, owner->path, &place, error))
		return FALSE;
	node = look_at(owner, &place, &status);
	done = node >= 0 && fchownat(node, "", uid, gid, AT_EMPTY_PATH) == 0;
	if (!done)
		system_error(_("cannot give %s '%s' to the domain's user: %s"), what, owner->path,
			     error);
	if (node >= 0)
		close(node);
	return done;
}

/* The owner first: that takes set-user-ID away, whoever has put it there. */
static gboolean restore(const FileOwner *owner, int node)
{
	g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", node);

	return fchownat(node, "", owner->uid, owner->gid, AT_EMPTY_PATH) == 0 &&
	       chmod(path, owner->mode) == 0;
}

gboolean file_owner_give_back(const char *what, const FileOwner *owner, uid_t uid, GError **error)
{
	g_auto(SafePlace) place = SAFE_PLACE_INIT;
	g_autoptr(GError) cause = NULL;
	struct stat status;
	gboolean done = TRUE;
	int node;

	if (!safe_place_find(what, owner->path, &place, &cause)) {
		/* A folder that has gone has taken the file along. */
		if (access(owner->path, F_OK) < 0 && errno == ENOENT)
			return TRUE;
		g_propagate_error(error, g_steal_pointer(&cause));
		return FALSE;
	}
	node = look_at(owner, &place, &status);
	if (node < 0)
		return errno == ENOENT ||
		       system_error(_("cannot give %s '%s' back to its owner: %s"), what,
				    owner->path, error);
	if (status.st_uid == uid && !restore(owner, node))
		done = system_error(_("cannot give %s '%s' back to its owner: %s"), what,
				    owner->path, error);
	close(node);
	return done;
}
