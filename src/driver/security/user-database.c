/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* user-database.c - users and groups of this host, as its configuration finds them */
#include "driver/security/user-database.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>

/* Room for what is known of a user or a group: all its members. */
#define ENTRY_SIZE (1 << 20)

gboolean user_database_find_user(const char *name, uid_t *uid, gid_t *gid)
{
	g_autofree char *buffer = g_malloc(ENTRY_SIZE);
	struct passwd user, *found = NULL;

	(void)getpwnam_r(name, &user, buffer, ENTRY_SIZE, &found);
	if (!found)
		return FALSE;
	*uid = user.pw_uid;
	if (gid)
		*gid = user.pw_gid;
	return TRUE;
}

gboolean user_database_find_group(const char *name, gid_t *gid)
{
	g_autofree char *buffer = g_malloc(ENTRY_SIZE);
	struct group group, *found = NULL;

	(void)getgrnam_r(name, &group, buffer, ENTRY_SIZE, &found);
	if (found)
		*gid = group.gr_gid;
	return found != NULL;
}

GArray *user_database_groups(uid_t uid, gid_t gid)
{
	g_autofree char *buffer = g_malloc(ENTRY_SIZE);
	GArray *groups = g_array_new(FALSE, FALSE, sizeof(gid_t));
	struct passwd user, *found = NULL;
	int count = 1;

	g_array_append_val(groups, gid);
	(void)getpwuid_r(uid, &user, buffer, ENTRY_SIZE, &found);
	/* Where there is no room it says how much it takes, which may change meanwhile. */
	while (found && getgrouplist(user.pw_name, gid, (gid_t *)groups->data, &count) < 0 &&
	       count > 0 && count <= NGROUPS_MAX)
		g_array_set_size(groups, (guint)count);
	if (found && count > 0 && count <= NGROUPS_MAX)
		g_array_set_size(groups, (guint)count);
	return groups;
}

gboolean user_database_has(uid_t id)
{
	g_autofree char *buffer = g_malloc(ENTRY_SIZE);
	struct passwd user, *found_user = NULL;
	struct group group, *found_group = NULL;

	(void)getpwuid_r(id, &user, buffer, ENTRY_SIZE, &found_user);
	(void)getgrgid_r((gid_t)id, &group, buffer, ENTRY_SIZE, &found_group);
	return found_user || found_group;
}
