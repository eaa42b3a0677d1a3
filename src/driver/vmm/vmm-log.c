/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-log.c - a domain's log file */
#include "driver/vmm/vmm-log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rotating-file.h"
#include "config.h"
#include "driver/error.h"

#define TAIL_BYTES 2048
#define TAIL_LINES 6

static char *time_now(void)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();

	return g_date_time_format(now, "%F %T+0000");
}

static RotatingFile rotating_file(const SafeOutput *log, const VmmLogLimits *limits)
{
	return (RotatingFile){
		.fd = log->fd,
		.folder = log->place.folder,
		.name = log->place.name,
		.max_size = limits->max_size,
		.max_backups = limits->max_backups,
	};
}

/* A log that cannot be written is no reason not to run the domain. */
static void write_text(SafeOutput *log, const VmmLogLimits *limits, const char *text)
{
	RotatingFile file = rotating_file(log, limits);
	const gsize length = strlen(text);

	if (rotating_file_write(&file, text, length) < length)
		g_warning(_("writing log '%s': %s"), file.name, g_strerror(errno));
	log->fd = file.fd;
}

static void write_header(SafeOutput *log, const VmmLogLimits *limits, const char *const *argv)
{
	g_autofree char *time = time_now();
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_printf(text, _("%s: starting up libvirt-gmem %s:"), time, PACKAGE_VERSION);
	for (; *argv; argv++) {
		g_autofree char *quoted = g_shell_quote(*argv);

		g_string_append_printf(text, " %s", quoted);
	}
	g_string_append_c(text, '\n');
	write_text(log, limits, text->str);
}

gboolean vmm_log_open(const char *path, const VmmLogLimits *limits, const char *const *argv,
		      SafeOutput *log, VmmLogMark *mark, GError **error)
{
	struct stat status;

	if (!safe_file_open_output(_("log"), path, FALSE, geteuid(), log, error))
		return FALSE;
	write_header(log, limits, argv);
	*mark = (VmmLogMark){ 0 };
	if (fstat(log->fd, &status) == 0)
		*mark = (VmmLogMark){ .inode = status.st_ino, .offset = status.st_size };
	return TRUE;
}

void vmm_log_append(const char *path, const VmmLogLimits *limits, const char *text)
{
	g_auto(SafeOutput) log = SAFE_OUTPUT_INIT;
	g_autoptr(GError) error = NULL;
	g_autofree char *time = time_now();
	g_autofree char *line = g_strdup_printf("%s: %s\n", time, text);

	if (safe_file_open_output(_("log"), path, FALSE, geteuid(), &log, &error))
		write_text(&log, limits, line);
	else
		g_warning("%s", error->message);
}

/* Where the last TAIL_LINES lines of @text begin. */
static const char *last_lines(const char *text)
{
	const char *at = text + strlen(text);

	for (guint lines = 0; at > text; at--) {
		if (at[-1] == '\n' && ++lines == TAIL_LINES)
			break;
	}
	return at;
}

/*
 * Puts the end of one file, of what is this VMM's in it, in front of the text.
 *
 * Return: TRUE where this VMM's lines begin in this file, so that the one before has none.
 */
static gboolean prepend_end(GString *text, const char *path, const VmmLogMark *mark)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char buffer[TAIL_BYTES];
	struct stat status;
	gboolean is_marked;
	gint64 start;
	gssize n = 0;

	if (fd < 0)
		return FALSE;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return FALSE;
	}
	is_marked = mark->inode == 0 || status.st_ino == mark->inode;
	/* A file that was emptied holds nothing older. */
	start = is_marked && status.st_size >= mark->offset ? MAX(mark->offset, 0) : 0;
	if (status.st_size > start)
		n = pread(fd, buffer, sizeof(buffer),
			  MAX(start, (gint64)status.st_size - TAIL_BYTES));
	close(fd);
	if (n > 0)
		g_string_prepend_len(text, buffer, n);
	return is_marked;
}

char *vmm_log_tail(const char *path, const VmmLogMark *mark)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *former = g_strconcat(path, ".0", NULL);

	if (!prepend_end(text, path, mark) && text->len < TAIL_BYTES)
		(void)prepend_end(text, former, mark);
	/* The guest may have put anything into what its VMM writes: also zeroes, which end it. */
	if (text->len > TAIL_BYTES)
		g_string_erase(text, 0, (gssize)(text->len - TAIL_BYTES));
	g_strchomp(text->str);
	return *text->str ? g_utf8_make_valid(last_lines(text->str), -1) : NULL;
}
