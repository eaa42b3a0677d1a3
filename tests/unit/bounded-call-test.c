/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bounded-call-test.c - calls that are answered, refused, late, and too many */
#include "driver/bounded-call.h"

#include <string.h>

#include "driver/error.h"

/* Milliseconds. */
enum { SHORT = 10, LONG = 60000 };

/* What calls wait for, and what has been freed. */
static GMutex lock;
static GCond changed;
static gboolean is_open;
static guint n_inputs, n_results;

static void count(guint *counter)
{
	g_mutex_lock(&lock);
	(*counter)++;
	g_cond_broadcast(&changed);
	g_mutex_unlock(&lock);
}

static void free_input(gpointer input)
{
	g_free(input);
	count(&n_inputs);
}

static void free_result(gpointer result)
{
	g_free(result);
	count(&n_results);
}

static gpointer answer(gpointer input, GError **error)
{
	if (strcmp(input, "no") != 0)
		return g_strconcat(input, "!", NULL);
	driver_error(error, VIR_ERR_NO_NETWORK, "no such thing");
	return NULL;
}

static gpointer wait_and_answer(gpointer input, GError **error)
{
	g_mutex_lock(&lock);
	while (!is_open)
		g_cond_wait(&changed, &lock);
	g_mutex_unlock(&lock);
	return answer(input, error);
}

static void await(guint *counter, guint count)
{
	g_mutex_lock(&lock);
	while (*counter < count)
		g_cond_wait(&changed, &lock);
	g_mutex_unlock(&lock);
}

static void test_answered(void)
{
	static BoundedCall call = {
		.function = answer,
		.free_input = free_input,
		.free_result = free_result,
	};
	g_autoptr(GError) error = NULL;
	g_autofree char *result = bounded_call(&call, g_strdup("yes"), LONG, &error);

	g_assert_no_error(error);
	g_assert_cmpstr(result, ==, "yes!");
	g_assert_null(bounded_call(&call, g_strdup("no"), LONG, &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_NO_NETWORK);
	g_assert_cmpuint(n_inputs, ==, 2);
	g_assert_cmpuint(n_results, ==, 0);
}

/* What comes too late is freed; until it has come, there is a limit to how many wait for it. */
static void test_late(void)
{
	static BoundedCall call = {
		.function = wait_and_answer,
		.free_input = free_input,
		.free_result = free_result,
	};
	char *result;

	n_inputs = n_results = 0;
	for (guint i = 0; i <= BOUNDED_CALLS_LEFT_MAX; i++) {
		g_autoptr(GError) error = NULL;

		g_assert_null(bounded_call(&call, g_strdup("late"), SHORT, &error));
		g_assert_error(error, DRIVER_ERROR, VIR_ERR_OPERATION_TIMEOUT);
	}
	/* The last one was not begun. */
	g_assert_cmpuint(n_inputs, ==, 1);
	g_mutex_lock(&lock);
	is_open = TRUE;
	g_cond_broadcast(&changed);
	g_mutex_unlock(&lock);
	await(&n_results, BOUNDED_CALLS_LEFT_MAX);
	await(&n_inputs, BOUNDED_CALLS_LEFT_MAX + 1);
	g_assert_cmpint(g_atomic_int_get(&call.n_left), ==, 0);
	result = bounded_call(&call, g_strdup("again"), LONG, NULL);
	g_assert_cmpstr(result, ==, "again!");
	g_free(result);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/bounded-call/answered", test_answered);
	g_test_add_func("/bounded-call/late", test_late);
	return g_test_run();
}
