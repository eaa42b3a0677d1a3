/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* requests-test.c - what other threads ask the main thread to do, and the gates that they close */
#include "vmm/machine/requests.h"

#define ROUNDS 20000

typedef struct {
	RequestQueue *queue;
	GMainContext *context;
	gint is_closed;
	gint served; /* rounds */
	guint types; /* of the last */
	gboolean is_first_kept;
	guint n_disk_errors; /* of the last */
} Fixture;

static void close_gates(void *opaque)
{
	Fixture *fixture = opaque;

	g_atomic_int_set(&fixture->is_closed, TRUE);
}

/* As the machine does: what is taken is done, and the gates are opened. */
static void serve(void *opaque)
{
	Fixture *fixture = opaque;
	g_auto(Requests) requests = { 0 };

	request_queue_take(fixture->queue, &requests);
	fixture->types = requests.types;
	fixture->is_first_kept = g_strcmp0(requests.failure, "first") == 0;
	fixture->n_disk_errors = requests.disk_errors ? requests.disk_errors->len : 0;
	g_atomic_int_set(&fixture->is_closed, FALSE);
	g_atomic_int_inc(&fixture->served);
}

static void start(Fixture *fixture, gconstpointer data)
{
	(void)data;
	fixture->context = g_main_context_new();
	fixture->queue = request_queue_new(fixture->context, close_gates, serve, fixture);
}

static void end(Fixture *fixture, gconstpointer data)
{
	(void)data;
	request_queue_free(fixture->queue);
	g_main_context_unref(fixture->context);
}

static gpointer post_in_turn(gpointer data)
{
	Fixture *fixture = data;

	for (int round = 1; round <= ROUNDS; round++) {
		request_queue_post(fixture->queue, REQUEST_RESET);
		while (g_atomic_int_get(&fixture->served) < round)
			g_thread_yield();
		/* A vCPU that has asked for a reset would wait here for good. */
		g_assert_false(g_atomic_int_get(&fixture->is_closed));
	}
	return NULL;
}

static void test_gates_do_not_stay_closed(Fixture *fixture, gconstpointer data)
{
	GThread *poster = g_thread_new("poster", post_in_turn, fixture);

	(void)data;
	while (g_atomic_int_get(&fixture->served) < ROUNDS)
		g_main_context_iteration(fixture->context, TRUE);
	g_thread_join(poster);
}

static void test_gates_are_closed_at_once(Fixture *fixture, gconstpointer data)
{
	(void)data;
	g_assert_true(request_queue_is_empty(fixture->queue));
	request_queue_post(fixture->queue, REQUEST_POWER_OFF);
	g_assert_true(g_atomic_int_get(&fixture->is_closed));
	g_assert_false(request_queue_is_empty(fixture->queue));
}

static void test_all_is_taken_at_once(Fixture *fixture, gconstpointer data)
{
	g_autoptr(GError) first = g_error_new_literal(G_FILE_ERROR, 0, "first");
	g_autoptr(GError) second = g_error_new_literal(G_FILE_ERROR, 0, "second");

	(void)data;
	request_queue_post_failure(fixture->queue, first);
	request_queue_post_failure(fixture->queue, second);
	request_queue_post(fixture->queue, REQUEST_RESET);
	while (fixture->served == 0)
		g_main_context_iteration(fixture->context, TRUE);
	g_assert_cmpuint(fixture->types, ==, REQUEST_FAILURE | REQUEST_RESET);
	g_assert_true(fixture->is_first_kept);
	g_assert_true(request_queue_is_empty(fixture->queue));
}

static void add(const char *path, void (*test)(Fixture *, gconstpointer))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

static void test_disk_errors(Fixture *fixture, gconstpointer data)
{
	char name[] = "disk0";
	DiskError error = { name, TRUE, DISK_ERROR_REPORT, 5 };

	(void)data;
	for (guint i = 0; i < 1000; i++)
		request_queue_post_disk_error(fixture->queue, &error);
	error.is_read = FALSE;
	request_queue_post_disk_error(fixture->queue, &error);
	name[4] = '1';
	request_queue_post_disk_error(fixture->queue, &error);
	g_main_context_iteration(fixture->context, TRUE);
	g_assert_cmpuint(fixture->types, ==, REQUEST_DISK_ERROR);
	g_assert_cmpuint(fixture->n_disk_errors, ==, 3);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	add("/requests/gates-do-not-stay-closed", test_gates_do_not_stay_closed);
	add("/requests/gates-are-closed-at-once", test_gates_are_closed_at_once);
	add("/requests/all-is-taken-at-once", test_all_is_taken_at_once);
	add("/requests/disk-errors-of-a-kind-are-one", test_disk_errors);
	return g_test_run();
}
