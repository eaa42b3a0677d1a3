/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-log.c - a domain's log file */
#include "driver/vmm/vmm-log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "driver/error.h"

/* A larger file is put aside before the next start; one old file is kept. */
#define LOG_SIZE_MAX (4 << 20)

#define TAIL_BYTES   2048
#define TAIL_LINES   6

static int open_log(const char *path, gint64 *size)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd >= 0)
		*size = lseek(fd, 0, SEEK_END);
	return fd;
}

static void write_header(int fd, const char *const *argv)
{
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%F %T+0000");
	g_autoptr(GString) text = g_string_new(NULL);

	g_string_printf(text, "%s: starting up libvirt-gmem %s:", time, PACKAGE_VERSION);
	for (; *argv; argv++) {
		g_autofree char *quoted = g_shell_quote(*argv);

		g_string_append_printf(text, " %s", quoted);
	}
	g_string_append_c(text, '\n');
	/* A log that cannot be written is no reason not to run the domain. */
	if (write(fd, text->str, text->len) < 0)
		g_warning("writing a domain's log: %s", g_strerror(errno));
}

int vmm_log_open(const char *path, const char *const *argv, gint64 *start, GError **error)
{
	gint64 size = 0;
	int fd = open_log(path, &size);

	if (fd >= 0 && size > LOG_SIZE_MAX) {
		g_autofree char *old = g_strconcat(path, ".0", NULL);

		close(fd);
		if (rename(path, old) < 0)
			g_warning("putting '%s' aside: %s", path, g_strerror(errno));
		fd = open_log(path, &size);
	}
	if (fd < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "opening log '%s': %s", path,
			     g_strerror(errno));
		return -1;
	}
	write_header(fd, argv);
	*start = lseek(fd, 0, SEEK_END);
	return fd;
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

char *vmm_log_tail(const char *path, gint64 start)
{
	char buffer[TAIL_BYTES + 1];
	gssize n;
	gint64 size;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return NULL;
	size = lseek(fd, 0, SEEK_END);
	/* A file that was rotated by truncating it holds nothing older. */
	if (size < start)
		start = 0;
	n = size > start ? pread(fd, buffer, TAIL_BYTES, MAX(start, size - TAIL_BYTES)) : 0;
	close(fd);
	if (n <= 0)
		return NULL;
	buffer[n] = '\0';
	g_strchomp(buffer);
	/* The guest may have put anything into what its VMM writes. */
	return *buffer ? g_utf8_make_valid(last_lines(buffer), -1) : NULL;
}
