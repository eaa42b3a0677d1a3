/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* user-pool-test.c - users of which each running domain has one to itself, and labels */
#include <string.h>

#include "driver/error.h"
#include "driver/security/label.h"
#include "driver/security/user-pool.h"
#include "support.h"

#define THREADS 8
#define TURNS	2000

static gboolean nobodys(uid_t uid G_GNUC_UNUSED)
{
	return FALSE;
}

static gboolean odd_ones_are_others(uid_t uid)
{
	return uid % 2;
}

static gboolean everybodys(uid_t uid G_GNUC_UNUSED)
{
	return TRUE;
}

static UserPool *pool_of(uid_t first, guint count, gboolean (*is_others)(uid_t uid))
{
	const UserRange range = { .first = first, .count = count };

	return user_pool_new(&range, is_others);
}

static uid_t claim(UserPool *pool)
{
	g_autoptr(GError) error = NULL;
	uid_t uid = 0;

	g_assert_true(user_pool_claim(pool, &uid, &error));
	g_assert_no_error(error);
	return uid;
}

static void assert_none_left(UserPool *pool)
{
	const guint before = user_pool_count_claimed(pool);
	g_autoptr(GError) error = NULL;
	uid_t uid;

	g_assert_false(user_pool_claim(pool, &uid, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_FAILED);
	g_assert_nonnull(strstr(error->message, "'user_range'"));
	g_assert_cmpuint(user_pool_count_claimed(pool), ==, before);
}

static void test_each_has_its_own(void)
{
	g_autoptr(UserPool) pool = pool_of(70000, 3, nobodys);

	g_assert_cmpuint(claim(pool), ==, 70000);
	g_assert_cmpuint(claim(pool), ==, 70001);
	g_assert_cmpuint(claim(pool), ==, 70002);
	assert_none_left(pool);
	user_pool_release(pool, 70001);
	g_assert_cmpuint(claim(pool), ==, 70001);
	assert_none_left(pool);
}

/* One that was just given back is the last to be had again. */
static void test_they_come_in_turn(void)
{
	g_autoptr(UserPool) pool = pool_of(70000, 3, nobodys);

	for (guint i = 0; i < 7; i++) {
		const uid_t uid = claim(pool);

		g_assert_cmpuint(uid, ==, 70000 + i % 3);
		user_pool_release(pool, uid);
	}
	g_assert_cmpuint(user_pool_count_claimed(pool), ==, 0);
}

static void test_somebody_elses(void)
{
	g_autoptr(UserPool) pool = pool_of(70001, 4, odd_ones_are_others);
	g_autoptr(UserPool) all = pool_of(70000, 4, everybodys);

	g_assert_cmpuint(claim(pool), ==, 70002);
	g_assert_cmpuint(claim(pool), ==, 70004);
	assert_none_left(pool);
	assert_none_left(all);
}

/* root has an entry on every host, and the last number that there can be has none. */
static void test_host_database(void)
{
	g_autoptr(UserPool) root = pool_of(0, 1, NULL);
	g_autoptr(UserPool) last = pool_of(USER_RANGE_MAX, 1, NULL);

	assert_none_left(root);
	g_assert_cmpuint(claim(last), ==, USER_RANGE_MAX);
}

static void test_known_ones(void)
{
	g_autoptr(UserPool) pool = pool_of(70000, 3, nobodys);

	g_assert_true(user_pool_claim_this(pool, 70001));
	g_assert_false(user_pool_claim_this(pool, 70001));
	g_assert_cmpuint(claim(pool), ==, 70000);
	g_assert_false(user_pool_claim_this(pool, 70000));
	g_assert_cmpuint(claim(pool), ==, 70002);
	assert_none_left(pool);

	/* Those outside are nobody's concern. */
	g_assert_true(user_pool_claim_this(pool, 69999));
	g_assert_true(user_pool_claim_this(pool, 70003));
	g_assert_true(user_pool_claim_this(pool, 0));
	g_assert_cmpuint(user_pool_count_claimed(pool), ==, 3);
	user_pool_release(pool, 70003);
	g_assert_cmpuint(user_pool_count_claimed(pool), ==, 3);
}

/* Who has which, by threads that take and give: nobody ever finds one that another has. */
static gint holders[THREADS + 2];

static gpointer take_and_give(gpointer data)
{
	UserPool *pool = data;

	for (guint i = 0; i < TURNS; i++) {
		const uid_t uid = claim(pool);

		g_assert_cmpint(g_atomic_int_add(&holders[uid - 70000], 1), ==, 0);
		g_assert_false(user_pool_claim_this(pool, uid));
		g_assert_cmpint(g_atomic_int_add(&holders[uid - 70000], -1), ==, 1);
		user_pool_release(pool, uid);
	}
	return NULL;
}

static void test_threads(void)
{
	g_autoptr(UserPool) pool = pool_of(70000, G_N_ELEMENTS(holders), nobodys);
	GThread *threads[THREADS];

	for (guint i = 0; i < THREADS; i++)
		threads[i] = g_thread_new("claims", take_and_give, pool);
	for (guint i = 0; i < THREADS; i++)
		g_thread_join(threads[i]);
	g_assert_cmpuint(user_pool_count_claimed(pool), ==, 0);
}

static void assert_label(const char *label, uid_t uid, gid_t gid)
{
	g_autoptr(GError) error = NULL;
	uid_t found_uid = 1;
	gid_t found_gid = 1;

	g_assert_true(label_resolve(label, &found_uid, &found_gid, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(found_uid, ==, uid);
	g_assert_cmpuint(found_gid, ==, gid);
}

static void assert_no_label(const char *label, const char *words)
{
	g_autoptr(GError) error = NULL;
	uid_t uid;
	gid_t gid;

	g_assert_false(label_resolve(label, &uid, &gid, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_CONFIG_UNSUPPORTED);
	if (!strstr(error->message, words))
		g_error("no '%s' in '%s'", words, error->message);
}

static void test_labels(void)
{
	g_autofree char *label = label_format(70000, 70001);

	g_assert_cmpstr(label, ==, "+70000:+70001");
	assert_label(label, 70000, 70001);
	assert_label("root:root", 0, 0);
	assert_label("root:+5", 0, 5);
	assert_label("70000:root", 70000, 0);
	assert_label("+4294967294:+4294967294", 4294967294, 4294967294);
	assert_no_label("no-such-user-here:root", "no user 'no-such-user-here'");
	assert_no_label("root:no-such-group-here", "no group 'no-such-group-here'");
	assert_no_label("+4294967295:+0", "no user '+4294967295'");
	assert_no_label("+root:+0", "no user '+root'");
	assert_no_label("+:+0", "no user '+'");
	assert_no_label("+0:+-1", "no group '+-1'");
	assert_no_label("root", "not a user and a group");
}

int main(int argc, char **argv)
{
	g_setenv("LC_ALL", "C", TRUE);
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/users/each-has-its-own", test_each_has_its_own);
	g_test_add_func("/users/in-turn", test_they_come_in_turn);
	g_test_add_func("/users/somebody-elses", test_somebody_elses);
	g_test_add_func("/users/host-database", test_host_database);
	g_test_add_func("/users/known-ones", test_known_ones);
	g_test_add_func("/users/threads", test_threads);
	g_test_add_func("/users/labels", test_labels);
	return g_test_run();
}
