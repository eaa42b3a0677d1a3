/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * user-pool.h - users of which each running domain has one to itself
 *
 * Theory of operation
 *
 * What the kernel lets one process do to another hangs on their users: who takes a VMM over finds
 * nobody else's processes and files under a user that is this domain's alone. Such a user is a
 * number of a range, and a group of the same number: it needs no entry in the host's user database.
 * A number that has one is somebody's, and passed over. A number that was given back comes last
 * again, so that what may be left of a domain somewhere meets no new one soon.
 *
 * Safe on any thread.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
	uid_t first;
	guint count;
} UserRange;

/*
 * Between what adduser gives to people (up to 59999), what systemd has for its purposes (up to
 * 65535) and the subordinate numbers of useradd (from 100000).
 */
#define USER_RANGE_DEFAULT                      \
	{                                       \
		.first = 70000, .count = 10000, \
	}

/* From the last of the system's users on; the last two numbers of 32 bits say "none". */
#define USER_RANGE_MIN 1000u
#define USER_RANGE_MAX 4294967293u

/* Reads "70000-79999". Return: FALSE for anything else, and what is outside of the limits. */
gboolean user_range_parse(const char *text, UserRange *range);

gboolean user_range_has(const UserRange *range, uid_t uid);

typedef struct UserPool UserPool;

/*
 * user_pool_new - a pool of which nobody has a user
 * @is_others: whether a number is somebody's, as a user or as a group: for the tests; NULL asks the
 *             host's user database
 */
UserPool *user_pool_new(const UserRange *range, gboolean (*is_others)(uid_t uid));
void user_pool_free(UserPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UserPool, user_pool_free)

const UserRange *user_pool_range(const UserPool *pool);

/*
 * user_pool_claim - a user that nobody has, until user_pool_release()
 *
 * Asks the host's user database, which may take its time.
 *
 * Return: FALSE with VIR_ERR_OPERATION_FAILED where there is none left.
 */
gboolean user_pool_claim(UserPool *pool, uid_t *uid, GError **error);

/*
 * user_pool_claim_this - a user that is known: of a domain that runs, or that is asked for by name
 * @uid: one outside of the range is nobody's concern here
 *
 * Return: FALSE where somebody has it.
 */
gboolean user_pool_claim_this(UserPool *pool, uid_t uid);

/* Gives a user back; one outside of the range, or that nobody has, is nothing. */
void user_pool_release(UserPool *pool, uid_t uid);

/* How many are claimed. */
guint user_pool_count_claimed(UserPool *pool);
