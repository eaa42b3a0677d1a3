/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* jobs-test.c - work beside the monitor's commands */
#include "vmm/monitor/jobs.h"

#include <errno.h>
#include <gio/gio.h>

#define STEPS 5u

/* Work that goes on when the test says so. */
typedef struct {
	GMutex lock;
	GCond cond;
	guint may_do; /* so many steps */
	gboolean fails;
	gint frees;
} Gate;

typedef struct {
	Jobs *jobs;
	GString *said; /* all changes of state */
	Gate gate;
} Fixture;

static void note_change(void *opaque, const char *id, const char *status)
{
	Fixture *fixture = opaque;

	g_string_append_printf(fixture->said, "%s %s;", id, status);
}

static void wait_for_step(Gate *gate, guint step)
{
	g_mutex_lock(&gate->lock);
	while (gate->may_do <= step)
		g_cond_wait(&gate->cond, &gate->lock);
	g_mutex_unlock(&gate->lock);
}

static void allow(Gate *gate, guint steps)
{
	g_mutex_lock(&gate->lock);
	gate->may_do = steps;
	g_cond_signal(&gate->cond);
	g_mutex_unlock(&gate->lock);
}

static gboolean work(Job *job, void *data, GError **error)
{
	Gate *gate = data;
	guint step = 0;

	for (; step < STEPS && job_advance(job, step); step++) {
		wait_for_step(gate, step);
		if (gate->fails) {
			g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no way");
			return FALSE;
		}
	}
	(void)job_advance(job, step);
	return TRUE;
}

static void note_free(gpointer data)
{
	g_atomic_int_inc(&((Gate *)data)->frees);
}

static const JobType type = { "working", work, note_free };

static void set_up(Fixture *fixture, gconstpointer data)
{
	(void)data;
	fixture->jobs = jobs_new(note_change, fixture);
	fixture->said = g_string_new(NULL);
	g_mutex_init(&fixture->gate.lock);
	g_cond_init(&fixture->gate.cond);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
	(void)data;
	jobs_free(fixture->jobs);
	g_string_free(fixture->said, TRUE);
	g_cond_clear(&fixture->gate.cond);
	g_mutex_clear(&fixture->gate.lock);
}

static gboolean start(Fixture *fixture, const char *id, GError **error)
{
	return jobs_start(fixture->jobs, id, &type, STEPS, &fixture->gate, error);
}

static void start_good(Fixture *fixture, const char *id)
{
	g_autoptr(GError) error = NULL;

	start(fixture, id, &error);
	g_assert_no_error(error);
}

static void finish_all(Fixture *fixture)
{
	while (jobs_are_busy(fixture->jobs))
		g_main_context_iteration(NULL, TRUE);
}

/* What query-jobs says of the first. */
static JsonObject *first(Fixture *fixture)
{
	g_autoptr(JsonArray) array = jobs_query(fixture->jobs);

	return json_object_ref(json_array_get_object_element(array, 0));
}

static void wait_for_progress(Fixture *fixture, gint64 progress)
{
	while (TRUE) {
		g_autoptr(JsonObject) job = first(fixture);

		if (json_object_get_int_member(job, "current-progress") >= progress)
			return;
		g_thread_yield();
	}
}

static void test_runs(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonObject) begun = NULL, ended = NULL;
	g_autoptr(GError) error = NULL;

	(void)data;
	start_good(fixture, "a");
	allow(&fixture->gate, 3);
	wait_for_progress(fixture, 3);
	begun = first(fixture);
	g_assert_cmpstr(json_object_get_string_member(begun, "id"), ==, "a");
	g_assert_cmpstr(json_object_get_string_member(begun, "type"), ==, "working");
	g_assert_cmpstr(json_object_get_string_member(begun, "status"), ==, "running");
	g_assert_cmpint(json_object_get_int_member(begun, "total-progress"), ==, STEPS);
	g_assert_false(jobs_dismiss(fixture->jobs, "a", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BUSY);
	allow(&fixture->gate, STEPS);
	finish_all(fixture);
	ended = first(fixture);
	g_assert_cmpstr(json_object_get_string_member(ended, "status"), ==, "concluded");
	g_assert_cmpint(json_object_get_int_member(ended, "current-progress"), ==, STEPS);
	g_assert_false(json_object_has_member(ended, "error"));
	g_assert_true(jobs_dismiss(fixture->jobs, "a", NULL));
	g_assert_cmpstr(fixture->said->str, ==, "a running;a concluded;a null;");
	start_good(fixture, "a");
	finish_all(fixture);
}

static void test_cancelled(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonObject) ended = NULL;
	g_autoptr(GError) error = NULL;

	(void)data;
	start_good(fixture, "a");
	allow(&fixture->gate, 1);
	wait_for_progress(fixture, 1);
	g_assert_true(jobs_cancel(fixture->jobs, "a", NULL));
	g_assert_true(jobs_cancel(fixture->jobs, "a", NULL));
	allow(&fixture->gate, 2);
	finish_all(fixture);
	ended = first(fixture);
	g_assert_cmpstr(json_object_get_string_member(ended, "error"), ==, g_strerror(ECANCELED));
	g_assert_cmpint(json_object_get_int_member(ended, "current-progress"), ==, 2);
	g_assert_cmpstr(fixture->said->str, ==, "a running;a aborting;a concluded;");
	g_assert_false(jobs_cancel(fixture->jobs, "a", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_FAILED);
}

static void test_fails(Fixture *fixture, gconstpointer data)
{
	g_autoptr(JsonObject) ended = NULL;

	(void)data;
	fixture->gate.fails = TRUE;
	allow(&fixture->gate, STEPS);
	start_good(fixture, "a");
	finish_all(fixture);
	ended = first(fixture);
	g_assert_cmpstr(json_object_get_string_member(ended, "error"), ==, "no way");
}

static void test_ids(Fixture *fixture, gconstpointer data)
{
	g_autofree char *long_id = g_strnfill(65, 'a');
	const char *bad[] = { "", "1", "a b", "-a", "a/b", "\xc3\xa4", long_id };
	g_autoptr(GError) error = NULL;

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_assert_false(start(fixture, bad[i], &error));
		g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
		g_clear_error(&error);
	}
	start_good(fixture, "a-1._");
	g_assert_false(start(fixture, "a-1._", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS);
	g_clear_error(&error);
	g_assert_false(jobs_cancel(fixture->jobs, "b", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(jobs_dismiss(fixture->jobs, "b", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
	g_assert_cmpint(g_atomic_int_get(&fixture->gate.frees), ==, G_N_ELEMENTS(bad) + 1);
	allow(&fixture->gate, STEPS);
	finish_all(fixture);
}

/* Each is there until it is dismissed. */
static void test_many(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	allow(&fixture->gate, STEPS);
	for (guint i = 0; i < JOBS_MAX; i++) {
		g_autofree char *id = g_strdup_printf("a%u", i);

		start_good(fixture, id);
	}
	finish_all(fixture);
	g_assert_false(start(fixture, "b", &error));
	g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
	g_assert_true(jobs_dismiss(fixture->jobs, "a7", NULL));
	start_good(fixture, "b");
	finish_all(fixture);
}

#define ADD_TEST(name, function) \
	g_test_add("/jobs/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD_TEST("runs", test_runs);
	ADD_TEST("cancelled", test_cancelled);
	ADD_TEST("fails", test_fails);
	ADD_TEST("ids", test_ids);
	ADD_TEST("many", test_many);
	return g_test_run();
}
