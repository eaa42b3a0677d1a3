/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* option-serial.c - what gmem-vmm's options connect a serial port to */
#include "vmm/option-serial.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/option-files.h"
#include "vmm/option-values.h"

/* A new pseudo-terminal; says where, since that is what a user needs to know. */
static gboolean open_pty(const char *option, MachineSerial *serial, GError **error)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios attributes;

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0 || tcgetattr(fd, &attributes) < 0) {
		option_bad_value(error, option, "pty", g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return FALSE;
	}
	cfmakeraw(&attributes);
	tcsetattr(fd, TCSANOW, &attributes);
	serial->fd = fd;
	serial->input_fd = fd;
	log_info(option, _("redirected to %s"), ptsname(fd));
	return TRUE;
}

static gboolean open_stdio(const char *option, MachineSerial *serial, GError **error)
{
	serial->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	serial->input_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	/* Without standard input there is output alone. */
	return serial->fd >= 0 || option_bad_value(error, option, "stdio", g_strerror(errno));
}

static gboolean open_where(const char *option, const char *where, MachineSerial *serial,
			   GError **error)
{
	if (strcmp(where, "stdio") == 0)
		return open_stdio(option, serial, error);
	if (strcmp(where, "null") == 0)
		return TRUE;
	if (strcmp(where, "pty") == 0)
		return open_pty(option, serial, error);
	if (g_str_has_prefix(where, "file:"))
		return option_open_output(option, where + strlen("file:"), &serial->fd, error);
	return option_bad_value(error, option, where,
				_("'stdio', 'null', 'pty' or 'file:PATH' is wanted"));
}

static gboolean adopt(const char *option, int fd, MachineSerial *serial, GError **error)
{
	g_autofree char *fd_option = g_strdup_printf("%s-fd", option);
	struct stat status;

	if (!option_adopt_fd(fd_option, fd, &status, error))
		return FALSE;
	serial->fd = fd;
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR)
		serial->input_fd = fd;
	return TRUE;
}

static gboolean adopt_log(const char *option, int fd, MachineSerial *serial, GError **error)
{
	g_autofree char *log_option = g_strdup_printf("%s-log-fd", option);
	struct stat status;

	if (!option_adopt_fd(log_option, fd, &status, error))
		return FALSE;
	serial->log_fd = fd;
	return TRUE;
}

gboolean option_open_serial(const SerialOptions *options, MachineSerial *serial, GError **error)
{
	const char *option = options->option;
	gboolean is_open;

	if (options->where && options->fd >= 0) {
		g_autofree char *together = g_strdup_printf(_("given together with --%s-fd"),
							    option);

		return option_bad_value(error, option, options->where, together);
	}
	serial->is_present = TRUE;
	is_open = options->where ? open_where(option, options->where, serial, error) :
				   adopt(option, options->fd, serial, error);
	if (!is_open ||
	    (options->log_fd >= 0 && !adopt_log(option, options->log_fd, serial, error)))
		return FALSE;
	option_make_own(serial->fd);
	option_make_own(serial->input_fd);
	option_make_own(serial->log_fd);
	return TRUE;
}
