/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * main.c - gmem-logger: writes what a VMM prints into files that cannot grow without end
 *
 * Theory of operation
 *
 * A VMM holds no file that it could fill: its log, the logs of its consoles and the consoles
 * that are files are pipes. At the other end of them is one process of this program, which
 * virtgmemd starts beside the VMM. For each pipe it has the file, open, and a descriptor of the
 * folder that the file is in; it writes and rotates (common/rotating-file.h), and opens no path.
 *
 * It outlives the daemon, as the VMM does. It is asked nothing and answers nothing; it ends
 * when the last pipe has ended, which is when the VMM and all that it may have started are
 * gone. So whoever has waited for its end finds in the files all that was written. Signals
 * that ask a process to end are ignored: on a host that shuts down, the VMM's last words come
 * after them.
 *
 * It is root's where the daemon is, because folders are, and keeps no more of root's rights than
 * to write where it has been told to; of the host's files it sees those folders alone. Bytes are
 * not looked at. Where a file cannot be written, the disk being full, say, they are dropped, so
 * that the VMM does not stand still. The first stream's file, which is the domain's log, is told
 * once that it has begun, and once, when the file takes something again, how much was lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/capabilities.h"
#include "common/confinement.h"
#include "common/rotating-file.h"
#include "common/sandbox-parts.h"
#include "common/words.h"
#include "config.h"
#include "logger/system-calls.h"

/* The log, and a file and a log of each of three consoles: with room for more of them. */
#define MAX_STREAMS 64

/* As much as a pipe holds. */
#define READ_SIZE 65536

typedef struct {
	int pipe;
	RotatingFile file;
	guint64 lost; /* since it could last be written */
} Stream;

typedef struct {
	Stream streams[MAX_STREAMS];
	guint n_streams;
	struct pollfd polled[MAX_STREAMS]; /* with fd -1 for a pipe that has ended */
	guint n_open;
} Logger;

static gboolean G_GNUC_PRINTF(1, 2) complain(const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	g_printerr("gmem-logger: %s\n", message);
	return FALSE;
}

/*
 * Arguments.
 */

/* Takes a descriptor's number and the colon behind it. */
static gboolean take_fd(const char **text, int *fd)
{
	char *end;
	const guint64 number = g_ascii_strtoull(*text, &end, 10);

	if (!g_ascii_isdigit(**text) || *end != ':' || number > G_MAXINT)
		return FALSE;
	*fd = (int)number;
	*text = end + 1;
	return fcntl(*fd, F_GETFD) >= 0;
}

/* PIPE:FILE:FOLDER:NAME */
static gboolean add_stream(Logger *logger, const char *argument)
{
	Stream *stream = &logger->streams[logger->n_streams];
	const char *text = argument;

	if (logger->n_streams == MAX_STREAMS)
		return complain(
			ngettext("more than %d stream", "more than %d streams", MAX_STREAMS),
			MAX_STREAMS);
	if (!take_fd(&text, &stream->pipe) || !take_fd(&text, &stream->file.fd) ||
	    !take_fd(&text, &stream->file.folder))
		return complain(_("--stream=%s: three open descriptors and a name are wanted"),
				argument);
	if (!*text || strchr(text, '/') || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return complain(_("--stream=%s: not the name of a file"), argument);
	stream->file.name = text;
	logger->n_streams++;
	return TRUE;
}

typedef struct {
	gint64 max_size;
	int max_backups;
	char **streams;
	char *may_lack;
	guint parts; /* that may be lacking */
	gboolean is_version_asked;
} Arguments;

static gboolean read_arguments(Arguments *arguments, int *argc, char ***argv)
{
	const GOptionEntry entries[] = {
		{ "max-size", 0, 0, G_OPTION_ARG_INT64, &arguments->max_size,
		  N_("How large a file may become"), N_("BYTES") },
		{ "max-backups", 0, 0, G_OPTION_ARG_INT, &arguments->max_backups,
		  N_("How many older ones are kept"), N_("NUMBER") },
		{ "stream", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments->streams,
		  N_("Descriptors: what to read, the file, its folder; and its name there"),
		  N_("PIPE:FILE:FOLDER:NAME") },
		{ "sandbox-may-lack", 0, 0, G_OPTION_ARG_STRING, &arguments->may_lack,
		  N_("Start where the host lacks a part of the sandbox: 'namespaces', 'seccomp'"),
		  N_("LIST") },
		{ "version", 'V', 0, G_OPTION_ARG_NONE, &arguments->is_version_asked,
		  N_("Print the version"), NULL },
		{ NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;

	g_option_context_set_summary(
		context, _("Writes what a VMM prints; started by virtgmemd, beside it."));
	g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
	if (!g_option_context_parse(context, argc, argv, &error))
		return complain("%s", error->message);
	if (*argc > 1)
		return complain(_("unexpected argument '%s'"), (*argv)[1]);
	if (arguments->max_size < 1)
		return complain(_("--max-size: not below 1"));
	if (arguments->max_backups < 0 || arguments->max_backups > ROTATING_FILE_BACKUPS_MAX)
		return complain(_("--max-backups: 0 to %d"), ROTATING_FILE_BACKUPS_MAX);
	if (!sandbox_parts_parse(arguments->may_lack, &arguments->parts))
		return complain(
			_("--sandbox-may-lack: a list of 'namespaces' and 'seccomp' is wanted"));
	return TRUE;
}

static gboolean set_up(Logger *logger, const Arguments *arguments)
{
	for (guint i = 0; arguments->streams && arguments->streams[i]; i++)
		if (!add_stream(logger, arguments->streams[i]))
			return FALSE;
	for (guint i = 0; i < logger->n_streams; i++) {
		Stream *stream = &logger->streams[i];

		stream->file.max_size = arguments->max_size;
		stream->file.max_backups = (guint)arguments->max_backups;
		logger->polled[i] = (struct pollfd){ .fd = stream->pipe, .events = POLLIN };
	}
	logger->n_open = logger->n_streams;
	return TRUE;
}

/*
 * Streams.
 */

/* Says something about a stream in the domain's log; what cannot be said there is not said. */
static void G_GNUC_PRINTF(2, 3) report(Logger *logger, const char *format, ...)
{
	g_autofree char *text = NULL;
	g_autofree char *line = NULL;
	va_list arguments;

	va_start(arguments, format);
	text = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	line = g_strdup_printf("gmem-logger: %s\n", text);
	(void)rotating_file_write(&logger->streams[0].file, line, strlen(line));
}

static void store(Logger *logger, Stream *stream, const char *data, gsize size)
{
	const gsize written = rotating_file_write(&stream->file, data, size);
	const int code = errno;
	const guint64 lost = stream->lost;

	if (written == size && lost > 0) {
		stream->lost = 0;
		report(logger,
		       ngettext("'%s' is written again: %" PRIu64 " byte was lost",
				"'%s' is written again: %" PRIu64 " bytes were lost", lost),
		       stream->file.name, lost);
	}
	if (written < size && stream->lost == 0)
		report(logger, _("cannot write '%s': %s: what comes is dropped"), stream->file.name,
		       g_strerror(code));
	stream->lost += size - written;
}

static void end_stream(Logger *logger, guint index)
{
	close(logger->streams[index].pipe);
	logger->polled[index].fd = -1;
	logger->n_open--;
}

static void serve_stream(Logger *logger, guint index)
{
	static char buffer[READ_SIZE];
	Stream *stream = &logger->streams[index];
	const ssize_t size = read(stream->pipe, buffer, sizeof(buffer));

	if (size > 0)
		store(logger, stream, buffer, (gsize)size);
	else if (size == 0 || (errno != EINTR && errno != EAGAIN))
		end_stream(logger, index);
}

static void serve(Logger *logger)
{
	while (logger->n_open > 0) {
		if (poll(logger->polled, logger->n_streams, -1) < 0)
			continue;
		for (guint i = 0; i < logger->n_streams; i++)
			if (logger->polled[i].fd >= 0 && logger->polled[i].revents)
				serve_stream(logger, i);
	}
}

static void ignore_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGXFSZ };

	for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
		(void)signal(signals[i], SIG_IGN);
}

/* Return: FALSE with @error where the stage is not done and its part may not be lacking. */
static gboolean try_stage(gboolean (*stage)(GError **error), guint may_lack, SandboxPart part,
			  GError **error)
{
	const gboolean may_fail = (may_lack & SANDBOX_PART_BIT(part)) != 0;

	return stage(may_fail ? NULL : error) || may_fail;
}

/*
 * The stages of docs/sandbox.md. What is left of root's rights: the files may be in somebody's
 * folder, and somebody's own in one that is sticky.
 */
static gboolean enter_sandbox(const Logger *logger, guint may_lack, GError **error)
{
	const guint64 kept = CAPABILITY(CAP_DAC_OVERRIDE) | CAPABILITY(CAP_FOWNER);
	int open[3 * MAX_STREAMS];
	gsize n_open = 0;

	for (guint i = 0; i < logger->n_streams; i++) {
		open[n_open++] = logger->streams[i].pipe;
		open[n_open++] = logger->streams[i].file.fd;
		open[n_open++] = logger->streams[i].file.folder;
	}
	return confinement_close_others(open, n_open, error) &&
	       try_stage(confinement_leave_files, may_lack, SANDBOX_PART_NAMESPACES, error) &&
	       confinement_refuse_privileges(error) &&
	       confinement_drop_capabilities(geteuid() == 0 ? kept : 0, error) &&
	       try_stage(logger_system_calls_confine, may_lack, SANDBOX_PART_SECCOMP, error);
}

int main(int argc, char **argv)
{
	static Logger logger;
	Arguments arguments = {
		.max_size = ROTATING_FILE_SIZE_DEFAULT,
		.max_backups = ROTATING_FILE_BACKUPS_DEFAULT,
	};
	g_autoptr(GError) error = NULL;

	/* The words of errno, while files can be opened. */
	words_init();
	(void)strerror(EPERM);
	if (!confinement_hide_process(&error)) {
		complain("%s", error->message);
		return EXIT_FAILURE;
	}
	if (!read_arguments(&arguments, &argc, &argv))
		return EXIT_FAILURE;
	if (arguments.is_version_asked) {
		g_print("gmem-logger (libvirt-gmem) %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (!set_up(&logger, &arguments))
		return EXIT_FAILURE;
	ignore_signals();
	(void)umask(0077);
	if (!enter_sandbox(&logger, arguments.parts, &error)) {
		report(&logger, "%s", error->message);
		return EXIT_FAILURE;
	}
	serve(&logger);
	/* The names of the streams are the arguments', so that these go last. */
	g_strfreev(arguments.streams);
	g_free(arguments.may_lack);
	return EXIT_SUCCESS;
}
