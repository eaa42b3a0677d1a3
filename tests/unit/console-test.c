/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* console-test.c - what becomes of a guest's output when nobody reads it */
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/machine/console.h"

/* How long the main context is watched, and how often a console may wake it up meanwhile. */
#define WATCH_MS    500
#define WAKEUPS_MAX 50

/* How long what has to come is waited for: the kernel hands it over when it has the time. */
#define PATIENCE_MS 30000

typedef struct {
	GMainContext *context;
	GMutex device_lock;
	Console *console;
	int master;
} Fixture;

static int open_slave(const Fixture *fixture)
{
	char name[64];
	int slave;

	g_assert_cmpint(ptsname_r(fixture->master, name, sizeof(name)), ==, 0);
	slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	g_assert_cmpint(slave, >=, 0);
	return slave;
}

/* As the driver makes one: it was open once, and nobody has it open. */
static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	struct termios terminal;
	g_autoptr(GError) error = NULL;
	int slave;

	fixture->context = g_main_context_new();
	g_mutex_init(&fixture->device_lock);
	fixture->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	g_assert_cmpint(fixture->master, >=, 0);
	g_assert_no_errno(grantpt(fixture->master));
	g_assert_no_errno(unlockpt(fixture->master));
	slave = open_slave(fixture);
	g_assert_no_errno(tcgetattr(slave, &terminal));
	cfmakeraw(&terminal);
	g_assert_no_errno(tcsetattr(slave, TCSANOW, &terminal));
	close(slave);
	fixture->console = console_new(fixture->master, -1, -1, fixture->context,
				       &fixture->device_lock, &error);
	g_assert_no_error(error);
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	console_free(fixture->console);
	close(fixture->master);
	g_mutex_clear(&fixture->device_lock);
	g_main_context_unref(fixture->context);
}

static void transmit(Fixture *fixture, gsize count)
{
	g_mutex_lock(&fixture->device_lock);
	for (gsize i = 0; i < count; i++)
		console_serial_backend.transmit(fixture->console, 'x');
	g_mutex_unlock(&fixture->device_lock);
}

static guint64 dropped(Fixture *fixture)
{
	guint64 count;

	g_mutex_lock(&fixture->device_lock);
	count = console_dropped(fixture->console);
	g_mutex_unlock(&fixture->device_lock);
	return count;
}

static gboolean on_time(gpointer data)
{
	*(gboolean *)data = TRUE;
	return G_SOURCE_REMOVE;
}

static GSource *start_timer(Fixture *fixture, guint milliseconds, gboolean *is_over)
{
	GSource *timer = g_timeout_source_new(milliseconds);

	*is_over = FALSE;
	g_source_set_callback(timer, on_time, is_over, NULL);
	g_source_attach(timer, fixture->context);
	return timer;
}

static void stop_timer(GSource *timer)
{
	g_source_destroy(timer);
	g_source_unref(timer);
}

/* Runs the main context for a while. Return: how often something woke it up. */
static guint run(Fixture *fixture)
{
	gboolean is_over;
	GSource *timer = start_timer(fixture, WATCH_MS, &is_over);
	guint wakeups = 0;

	while (!is_over)
		wakeups += g_main_context_iteration(fixture->context, TRUE);
	stop_timer(timer);
	return wakeups;
}

static gboolean on_readable(gint slave, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
	char bytes[4096];
	gssize n = read(slave, bytes, sizeof(bytes));

	if (n > 0)
		*(gsize *)data += n;
	return G_SOURCE_CONTINUE;
}

/*
 * Runs it while somebody reads, until @wanted bytes have come or the patience is over. Return:
 * how much came.
 */
static gsize run_with_reader(Fixture *fixture, int slave, gsize wanted)
{
	GSource *readable = g_unix_fd_source_new(slave, G_IO_IN);
	gboolean is_over;
	GSource *timer = start_timer(fixture, PATIENCE_MS, &is_over);
	gsize received = 0;

	g_source_set_callback(readable, G_SOURCE_FUNC(on_readable), &received, NULL);
	g_source_attach(readable, fixture->context);
	while (!is_over && received < wanted)
		(void)g_main_context_iteration(fixture->context, TRUE);
	stop_timer(timer);
	g_source_destroy(readable);
	g_source_unref(readable);
	return received;
}

static void test_full_terminal_that_nobody_has_open(Fixture *fixture,
						    gconstpointer data G_GNUC_UNUSED)
{
	gsize kept;
	int slave;

	/* More than the terminal and the console hold together. */
	transmit(fixture, 4 * CONSOLE_BUFFER_SIZE);
	g_assert_cmpuint(run(fixture), <, WAKEUPS_MAX);
	g_assert_cmpuint(dropped(fixture), >, 0);

	/* All that was kept comes when somebody opens it. */
	slave = open_slave(fixture);
	kept = 4 * CONSOLE_BUFFER_SIZE - dropped(fixture);
	g_assert_cmpuint(run_with_reader(fixture, slave, kept), ==, kept);
	transmit(fixture, 1);
	g_assert_cmpuint(run_with_reader(fixture, slave, 1), ==, 1);
	close(slave);
}

static void test_full_terminal_whose_reader_is_stuck(Fixture *fixture,
						     gconstpointer data G_GNUC_UNUSED)
{
	int slave = open_slave(fixture);
	gsize kept;

	transmit(fixture, 4 * CONSOLE_BUFFER_SIZE);
	g_assert_cmpuint(run(fixture), <, WAKEUPS_MAX);
	g_assert_cmpuint(dropped(fixture), >, 0);
	kept = 4 * CONSOLE_BUFFER_SIZE - dropped(fixture);
	g_assert_cmpuint(run_with_reader(fixture, slave, kept), ==, kept);
	close(slave);
}

/* A log is no reason to say that something was lost. */
static void test_nothing_is_missed_without_an_output(Fixture *fixture,
						     gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autofree char *content = NULL;
	int log_fd = g_file_open_tmp("console-test-XXXXXX", &path, &error);

	g_assert_no_error(error);
	console_free(fixture->console);
	fixture->console = console_new(-1, -1, log_fd, fixture->context, &fixture->device_lock,
				       &error);
	g_assert_no_error(error);
	transmit(fixture, 3);
	run(fixture);
	g_assert_cmpuint(dropped(fixture), ==, 0);
	g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
	g_assert_cmpstr(content, ==, "xxx");
	g_assert_no_errno(unlink(path));
	g_assert_no_errno(close(log_fd));
}

/* What a log cannot take now waits, as an output does: the disk behind it may be slow. */
static void test_log_that_is_a_full_pipe(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autoptr(GError) error = NULL;
	gsize kept;
	int ends[2];

	g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
	g_assert_no_errno(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	g_assert_no_errno(fcntl(ends[1], F_SETFL, O_NONBLOCK));
	console_free(fixture->console);
	fixture->console = console_new(-1, -1, ends[1], fixture->context, &fixture->device_lock,
				       &error);
	g_assert_no_error(error);
	/* As much as the pipe, and then the console, holds: all of it comes. */
	transmit(fixture, (gsize)fcntl(ends[1], F_GETPIPE_SZ));
	run(fixture);
	transmit(fixture, CONSOLE_BUFFER_SIZE);
	g_assert_cmpuint(run(fixture), <, WAKEUPS_MAX);
	kept = (gsize)fcntl(ends[1], F_GETPIPE_SZ) + CONSOLE_BUFFER_SIZE;
	g_assert_cmpuint(run_with_reader(fixture, ends[0], kept), ==, kept);

	/* Who wrote it is gone: no more can come, and the console goes on. */
	close(ends[0]);
	transmit(fixture, 1);
	g_assert_cmpuint(run(fixture), <, WAKEUPS_MAX);
	transmit(fixture, 1);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	g_test_init(&argc, &argv, NULL);
	g_test_add("/console/full-terminal-that-nobody-has-open", Fixture, NULL, start,
		   test_full_terminal_that_nobody_has_open, end);
	g_test_add("/console/full-terminal-whose-reader-is-stuck", Fixture, NULL, start,
		   test_full_terminal_whose_reader_is_stuck, end);
	g_test_add("/console/nothing-is-missed-without-an-output", Fixture, NULL, start,
		   test_nothing_is_missed_without_an_output, end);
	g_test_add("/console/log-that-is-a-full-pipe", Fixture, NULL, start,
		   test_log_that_is_a_full_pipe, end);

	return g_test_run();
}
