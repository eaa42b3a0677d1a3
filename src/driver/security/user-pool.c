/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* user-pool.c - users of which each running domain has one to itself */
#include "driver/security/user-pool.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <string.h>

#include "driver/error.h"
#include "driver/security/user-database.h"

struct UserPool {
	UserRange range;
	gboolean (*is_others)(uid_t uid);

	GMutex lock;	     /* guards what follows; innermost */
	GHashTable *claimed; /* of numbers */
	guint next;	     /* where the search begins, from the range's first on */
};

gboolean user_range_parse(const char *text, UserRange *range)
{
	g_auto(GStrv) ends = g_strsplit(text, "-", 2);
	guint64 first, last;

	if (!ends[0] || !ends[1] ||
	    !g_ascii_string_to_unsigned(ends[0], 10, USER_RANGE_MIN, USER_RANGE_MAX, &first,
					NULL) ||
	    !g_ascii_string_to_unsigned(ends[1], 10, first, USER_RANGE_MAX, &last, NULL))
		return FALSE;
	*range = (UserRange){ .first = (uid_t)first, .count = (guint)(last - first) + 1 };
	return TRUE;
}

gboolean user_range_has(const UserRange *range, uid_t uid)
{
	return uid >= range->first && uid - range->first < range->count;
}

UserPool *user_pool_new(const UserRange *range, gboolean (*is_others)(uid_t uid))
{
	UserPool *pool = g_new0(UserPool, 1);

	g_mutex_init(&pool->lock);
	pool->range = *range;
	pool->is_others = is_others ? is_others : user_database_has;
	pool->claimed = g_hash_table_new(NULL, NULL);
	return pool;
}

void user_pool_free(UserPool *pool)
{
	if (!pool)
		return;
	g_hash_table_unref(pool->claimed);
	g_mutex_clear(&pool->lock);
	g_free(pool);
}

const UserRange *user_pool_range(const UserPool *pool)
{
	return &pool->range;
}

/* Claims the next one that is free. Return: FALSE where there is none. */
static gboolean take_next(UserPool *pool, uid_t *uid)
{
	gboolean is_taken = FALSE;

	g_mutex_lock(&pool->lock);
	for (guint turn = 0; turn < pool->range.count && !is_taken; turn++) {
		*uid = pool->range.first + pool->next;
		pool->next = (pool->next + 1) % pool->range.count;
		is_taken = g_hash_table_add(pool->claimed, GUINT_TO_POINTER(*uid));
	}
	g_mutex_unlock(&pool->lock);
	return is_taken;
}

gboolean user_pool_claim(UserPool *pool, uid_t *uid, GError **error)
{
	for (guint turn = 0; turn < pool->range.count && take_next(pool, uid); turn++) {
		/* Without the lock: the answer may come from another host. */
		if (!pool->is_others(*uid))
			return TRUE;
		user_pool_release(pool, *uid);
	}
	return driver_error(error, VIR_ERR_OPERATION_FAILED,
			    _("there is no user left for the domain: all of %u to %u are other "
			      "running domains' or in this host's user database: see 'user_range' "
			      "in virtgmemd.conf"),
			    pool->range.first, pool->range.first + pool->range.count - 1);
}

gboolean user_pool_claim_this(UserPool *pool, uid_t uid)
{
	gboolean is_taken = TRUE;

	if (!user_range_has(&pool->range, uid))
		return TRUE;
	g_mutex_lock(&pool->lock);
	is_taken = g_hash_table_add(pool->claimed, GUINT_TO_POINTER(uid));
	g_mutex_unlock(&pool->lock);
	return is_taken;
}

void user_pool_release(UserPool *pool, uid_t uid)
{
	g_mutex_lock(&pool->lock);
	(void)g_hash_table_remove(pool->claimed, GUINT_TO_POINTER(uid));
	g_mutex_unlock(&pool->lock);
}

guint user_pool_count_claimed(UserPool *pool)
{
	guint count;

	g_mutex_lock(&pool->lock);
	count = g_hash_table_size(pool->claimed);
	g_mutex_unlock(&pool->lock);
	return count;
}
