/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * workers-test.c - which job a thread gets next, and which it does not get
 *
 * Theory of operation
 *
 * Jobs stand at one of two gates, so that a test says how many threads are free: all but one are
 * kept at the first gate, and the one that passes the second carries out what waits, in order.
 */
#include <glib.h>
#include <string.h>

#include "driver/rpc/workers.h"

#define N_GATES 2

typedef struct {
	RpcWorkers *workers;
	GMutex lock; /* guards what follows */
	GCond changed;
	gboolean is_open[N_GATES];
	guint n_begun[N_GATES]; /* jobs that have come to a gate */
	GString *done;		/* a letter for each job that has run */
	guint n_dropped;
} Fixture;

typedef struct {
	Fixture *fixture;
	int gate; /* or -1: it passes */
	char letter;
} Work;

static void run(gpointer data)
{
	Work *work = data;
	Fixture *fixture = work->fixture;

	g_mutex_lock(&fixture->lock);
	if (work->gate >= 0) {
		fixture->n_begun[work->gate]++;
		g_cond_broadcast(&fixture->changed);
		while (!fixture->is_open[work->gate])
			g_cond_wait(&fixture->changed, &fixture->lock);
	} else {
		g_string_append_c(fixture->done, work->letter);
		g_cond_broadcast(&fixture->changed);
	}
	g_mutex_unlock(&fixture->lock);
	g_free(work);
}

static void drop(gpointer data)
{
	Work *work = data;

	work->fixture->n_dropped++;
	g_free(work);
}

static void add(Fixture *fixture, int gate, char letter, uid_t uid, gboolean is_large)
{
	Work *work = g_new0(Work, 1);
	const RpcJob job = {
		.name = "test",
		.function = run,
		.drop = drop,
		.data = work,
		.owner = GUINT_TO_POINTER(uid),
		.uid = uid,
		.is_large = is_large,
	};
	g_autoptr(GError) error = NULL;

	work->fixture = fixture;
	work->gate = gate;
	work->letter = letter;
	rpc_workers_run(fixture->workers, RPC_LANE_READONLY, &job, &error);
	g_assert_no_error(error);
}

static void open_gate(Fixture *fixture, int gate)
{
	g_mutex_lock(&fixture->lock);
	fixture->is_open[gate] = TRUE;
	g_cond_broadcast(&fixture->changed);
	g_mutex_unlock(&fixture->lock);
}

static void await_begun(Fixture *fixture, int gate, guint wanted)
{
	g_mutex_lock(&fixture->lock);
	while (fixture->n_begun[gate] < wanted)
		g_cond_wait(&fixture->changed, &fixture->lock);
	g_assert_cmpuint(fixture->n_begun[gate], ==, wanted);
	g_mutex_unlock(&fixture->lock);
}

static void await_done(Fixture *fixture, const char *letters)
{
	g_mutex_lock(&fixture->lock);
	while (fixture->done->len < strlen(letters))
		g_cond_wait(&fixture->changed, &fixture->lock);
	g_assert_cmpstr(fixture->done->str, ==, letters);
	g_mutex_unlock(&fixture->lock);
}

/* Leaves one thread, which stands at the second gate. */
static void occupy(Fixture *fixture)
{
	for (guint i = 0; i + 1 < RPC_WORKERS_READONLY_MAX; i++)
		add(fixture, 0, 0, 1, FALSE);
	await_begun(fixture, 0, RPC_WORKERS_READONLY_MAX - 1);
	add(fixture, 1, 0, 1, FALSE);
	await_begun(fixture, 1, 1);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_mutex_init(&fixture->lock);
	g_cond_init(&fixture->changed);
	fixture->done = g_string_new(NULL);
	fixture->workers = rpc_workers_new();
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	open_gate(fixture, 0);
	open_gate(fixture, 1);
	g_assert_true(rpc_workers_stop(fixture->workers, 60, 60));
	rpc_workers_free(fixture->workers);
	g_string_free(fixture->done, TRUE);
	g_cond_clear(&fixture->changed);
	g_mutex_clear(&fixture->lock);
}

/* Whoever asks for much waits behind himself. */
static void test_users_take_turns(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	occupy(fixture);
	for (const char *letter = "abcd"; *letter; letter++)
		add(fixture, -1, *letter, 1, FALSE);
	add(fixture, -1, 'x', 2, FALSE);
	add(fixture, -1, 'y', 2, FALSE);
	open_gate(fixture, 1);
	await_done(fixture, "axbycd");
}

/* Others go past large jobs that wait for one of their kind, and these come after it. */
static void test_few_large_jobs(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	for (guint i = 0; i < RPC_LARGE_JOBS_MAX; i++)
		add(fixture, 0, 0, 1, TRUE);
	await_begun(fixture, 0, RPC_LARGE_JOBS_MAX);
	add(fixture, 1, 0, 1, TRUE);
	add(fixture, -1, 'b', 2, FALSE);
	await_done(fixture, "b");
	g_assert_cmpuint(fixture->n_begun[1], ==, 0);
	open_gate(fixture, 0);
	await_begun(fixture, 1, 1);
}

static void test_what_was_not_begun_is_dropped(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	occupy(fixture);
	add(fixture, -1, 'a', 1, FALSE);
	add(fixture, -1, 'x', 2, FALSE);
	add(fixture, -1, 'b', 1, FALSE);
	rpc_workers_drop(fixture->workers, RPC_LANE_READONLY, GUINT_TO_POINTER(1));
	g_assert_cmpuint(fixture->n_dropped, ==, 2);
	open_gate(fixture, 1);
	await_done(fixture, "x");
}

static void add_test(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add_test("/workers/users-take-turns", test_users_take_turns);
	add_test("/workers/few-large-jobs", test_few_large_jobs);
	add_test("/workers/what-was-not-begun-is-dropped", test_what_was_not_begun_is_dropped);
	return g_test_run();
}
