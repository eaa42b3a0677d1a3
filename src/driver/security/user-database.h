/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * user-database.h - users and groups of this host, as its configuration finds them
 *
 * Safe on any thread. An answer may come from another host, and take its time. What cannot be
 * looked up now is not there.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/* @gid: the user's own group; NULL where it does not matter. Return: FALSE where there is none. */
gboolean user_database_find_user(const char *name, uid_t *uid, gid_t *gid);

gboolean user_database_find_group(const char *name, gid_t *gid);

/*
 * user_database_groups - all groups of a user
 * @gid: the one that it runs with, which is among them
 *
 * Return: of gid_t, for g_array_unref(); that one alone for a number that is nobody's.
 */
GArray *user_database_groups(uid_t uid, gid_t gid);

/* Return: whether a number is somebody's, as a user or as a group. */
gboolean user_database_has(uid_t id);
