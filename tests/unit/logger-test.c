/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* logger-test.c - gmem-logger, at the other end of a VMM's pipes */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-logger.h"
#include "support.h"

typedef struct {
	char *folder;
	VmmLogLimits limits;
	VmmLoggerStreams *streams;
	guint fds;
} Fixture;

static char *path_of(const Fixture *fixture, const char *name)
{
	return g_build_filename(fixture->folder, name, NULL);
}

static void start(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	fixture->fds = count_fds();
	fixture->folder = g_dir_make_tmp("logger-test-XXXXXX", NULL);
	g_assert_nonnull(fixture->folder);
	fixture->limits = (VmmLogLimits){ .max_size = 65536, .max_backups = 2 };
	fixture->streams = vmm_logger_streams_new();
}

static void end(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	vmm_logger_streams_free(fixture->streams);
	remove_tree(fixture->folder);
	g_free(fixture->folder);
	g_assert_cmpuint(count_fds(), ==, fixture->fds);
}

/* Return: the VMM's end of a new stream into a file. */
static int add_stream(Fixture *fixture, const char *name, gboolean is_first)
{
	g_autofree char *path = path_of(fixture, name);
	g_auto(SafeOutput) output = SAFE_OUTPUT_INIT;
	g_autoptr(GError) error = NULL;
	int fd;

	g_assert_true(safe_file_open_output("log", path, FALSE, geteuid(), &output, &error));
	g_assert_no_error(error);
	fd = vmm_logger_add(fixture->streams, &output, is_first, &error);
	g_assert_no_error(error);
	return fd;
}

static VmmProcess *spawn_logger(Fixture *fixture, const char *program, GError **error)
{
	Jail jail;

	jail_init(&jail, geteuid(), getegid(), SANDBOX_PART_BIT(SANDBOX_PART_NAMESPACES));
	return vmm_logger_spawn(program, &jail, &fixture->limits, fixture->streams, error);
}

/* The daemon has nothing of the streams from here on, as after a launch. */
static VmmProcess *start_logger(Fixture *fixture)
{
	g_autoptr(GError) error = NULL;
	VmmProcess *logger = spawn_logger(fixture, g_getenv("GMEM_LOGGER"), &error);

	g_assert_no_error(error);
	g_array_set_size(fixture->streams, 0);
	return logger;
}

/* Writes all of it, however long the pipe is full. */
static void write_all(int fd, const char *data, gsize size)
{
	while (size > 0) {
		struct pollfd wanted = { .fd = fd, .events = POLLOUT };
		const ssize_t written = write(fd, data, size);

		if (written < 0)
			g_assert_cmpint(errno, ==, EAGAIN);
		g_assert_cmpint(poll(&wanted, 1, 10000), ==, 1);
		data += MAX(written, 0);
		size -= (gsize)MAX(written, 0);
	}
}

static void assert_ended(VmmProcess *logger)
{
	g_autofree char *outcome = NULL;

	g_assert_true(vmm_process_wait(logger, 10));
	outcome = vmm_process_outcome(logger);
	g_assert_cmpstr(outcome, ==, "exit status 0");
	vmm_process_free(logger);
}

static char *content(const Fixture *fixture, const char *name)
{
	g_autofree char *path = path_of(fixture, name);
	char *text = NULL;

	(void)g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

/* What was written is in the file when the logger has ended, and that is when the pipes have. */
static void test_ends_with_the_pipes(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const int console = add_stream(fixture, "console: 1,2", FALSE);
	const int log = add_stream(fixture, "guest.log", TRUE);
	VmmProcess *logger = start_logger(fixture);
	g_autofree char *said = NULL, *shown = NULL;

	write_all(log, "last words\n", 11);
	write_all(console, "login:", 6);
	close(log);
	g_assert_false(vmm_process_wait(logger, 0));
	close(console);
	assert_ended(logger);
	said = content(fixture, "guest.log");
	shown = content(fixture, "console: 1,2");
	g_assert_cmpstr(said, ==, "last words\n");
	g_assert_cmpstr(shown, ==, "login:");
}

static void test_flood_is_bounded(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const names[] = { "console", "console.0", "console.1" };
	g_autofree char *block = g_strnfill(65536, 'x');
	const int console = add_stream(fixture, "console", TRUE);
	VmmProcess *logger = start_logger(fixture);
	g_autofree char *none = path_of(fixture, "console.2");

	for (guint i = 0; i < 64; i++)
		write_all(console, block, 65536);
	close(console);
	assert_ended(logger);
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = path_of(fixture, names[i]);
		struct stat status;

		g_assert_no_errno(stat(path, &status));
		g_assert_cmpint(status.st_size, ==, fixture->limits.max_size);
	}
	g_assert_false(g_file_test(none, G_FILE_TEST_EXISTS));
}

/* A host that shuts down tells everybody to end; the VMM's last words come after that. */
static void test_signals_do_not_end_it(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	const int log = add_stream(fixture, "guest.log", TRUE);
	VmmProcess *logger = start_logger(fixture);
	g_autofree char *path = path_of(fixture, "guest.log");
	g_autofree char *text = NULL;
	struct stat status = { 0 };

	/* That it reads says that it has set itself up. */
	write_all(log, "a", 1);
	while (status.st_size == 0)
		g_assert_no_errno(stat(path, &status));
	for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
		vmm_process_signal(logger, signals[i]);
	write_all(log, "b", 1);
	close(log);
	assert_ended(logger);
	text = content(fixture, "guest.log");
	g_assert_cmpstr(text, ==, "ab");
}

/* A VMM does not stand still because its logger does, or is gone. */
static void test_writing_never_waits(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	g_autofree char *block = g_strnfill(1 << 20, 'x');
	const int log = add_stream(fixture, "guest.log", TRUE);

	g_assert_cmpint(write(log, block, 1 << 20), <, 1 << 20);
	g_assert_cmpint(write(log, block, 1 << 20), ==, -1);
	g_assert_cmpint(errno, ==, EAGAIN);
	g_array_set_size(fixture->streams, 0);
	g_assert_cmpint(write(log, "x", 1), ==, -1);
	g_assert_cmpint(errno, ==, EPIPE);
	close(log);
}

static void test_program_that_is_not_there(Fixture *fixture, gconstpointer data G_GNUC_UNUSED)
{
	const int log = add_stream(fixture, "guest.log", TRUE);
	g_autoptr(GError) error = NULL;

	g_assert_null(spawn_logger(fixture, "/none/gmem-logger", &error));
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_INTERNAL_ERROR);
	g_assert_nonnull(strstr(error->message, "/none/gmem-logger"));
	close(log);
}

static void assert_arguments_refused(const char *argument)
{
	const char *argv[] = { g_getenv("GMEM_LOGGER"), argument, NULL };
	g_autoptr(GError) error = NULL;
	g_autofree char *said = NULL;
	int status = 0;

	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL,
				   &said, &status, &error));
	g_assert_no_error(error);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1 &&
	    g_str_has_prefix(said, "gmem-logger: "))
		return;
	g_error("'%s' was to be refused: status %#x, '%s'", argument, (guint)status, said);
}

static void test_wrong_arguments(Fixture *fixture G_GNUC_UNUSED, gconstpointer data G_GNUC_UNUSED)
{
	static const char *const wrong[] = {
		"--stream=0:1:2:",
		"--stream=0:1:2:a/b",
		"--stream=0:1:2:..",
		"--stream=0:1:2",
		"--stream=0:1:200:a",
		"--stream=-1:1:2:a",
		"--stream=4294967296:1:2:a",
		"--stream=",
		"--max-size=0",
		"--max-backups=-1",
		"--max-backups=101",
		"--sandbox-may-lack=walls",
		"--sandbox-may-lack=cgroup",
		"more",
	};

	for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_arguments_refused(wrong[i]);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
	g_test_add(path, Fixture, NULL, start, test, end);
}

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN);
	g_test_init(&argc, &argv, NULL);

	add("/logger/ends-with-the-pipes", test_ends_with_the_pipes);
	add("/logger/flood-is-bounded", test_flood_is_bounded);
	add("/logger/signals-do-not-end-it", test_signals_do_not_end_it);
	add("/logger/writing-never-waits", test_writing_never_waits);
	add("/logger/program-that-is-not-there", test_program_that_is_not_there);
	add("/logger/wrong-arguments", test_wrong_arguments);

	return g_test_run();
}
