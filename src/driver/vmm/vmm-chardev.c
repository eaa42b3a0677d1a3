/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-chardev.c - what is behind serial ports, consoles and channels, opened for the VMM */
#include "driver/vmm/vmm-chardev.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/safe-file.h"
#include "driver/vmm/vmm-connect.h"

void vmm_chardev_clear(VmmChardev *opened)
{
	if (opened->fd >= 0)
		close(opened->fd);
	if (opened->log_fd >= 0)
		close(opened->log_fd);
	opened->fd = -1;
	opened->log_fd = -1;
}

/* A new terminal that passes every byte as it is. Return: its master, or -1 with @error. */
static int open_terminal(char **path, GError **error)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios terminal;
	char name[64];
	int slave = -1;

	if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 &&
	    ptsname_r(master, name, sizeof(name)) == 0)
		slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || tcgetattr(slave, &terminal) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make a terminal: %s"),
			     g_strerror(errno));
		if (slave >= 0)
			close(slave);
		if (master >= 0)
			close(master);
		return -1;
	}
	cfmakeraw(&terminal);
	(void)tcsetattr(slave, TCSANOW, &terminal);
	close(slave);
	g_free(*path);
	*path = g_strdup(name);
	return master;
}

/* A file that the VMM may fill: it gets a pipe, and the logger the file. */
static int open_output(const VmmChardevMaker *maker, const char *what, const char *path,
		       gboolean append, GError **error)
{
	g_auto(SafeOutput) output = SAFE_OUTPUT_INIT;

	if (!safe_file_open_output(what, path, !append, maker->vmm_uid, &output, error))
		return -1;
	/* What takes everything needs nobody to write to it. */
	if (!output.place.name)
		return g_steal_fd(&output.fd);
	return vmm_logger_add(maker->streams, &output, FALSE, error);
}

static int open_unix(const char *what, const DomainChardev *chardev, GError **error)
{
	g_autoptr(GError) cause = NULL;
	int fd;

	if (chardev->is_server)
		return safe_file_listen(what, chardev->path, error);
	fd = vmm_connect_to_socket(what, chardev->path, &cause);
	if (fd < 0)
		driver_error(error, VIR_ERR_OPERATION_FAILED, _("%s: cannot connect to '%s': %s"),
			     what, chardev->path, cause ? cause->message : g_strerror(errno));
	return fd;
}

static int listen_to_host(const char *what, const DomainChardev *chardev, GError **error)
{
	g_autoptr(GError) cause = NULL;
	const int fd = vmm_listen_at_host(chardev->host, (guint16)chardev->service, &cause);

	if (fd < 0)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("%s: cannot listen at %s, port %u: %s"),
			     what, chardev->host, chardev->service, driver_error_detail(cause));
	return fd;
}

static int connect_to_host(const char *what, const DomainChardev *chardev, GError **error)
{
	g_autoptr(GError) cause = NULL;
	const int fd = vmm_connect_to_host(chardev->host, (guint16)chardev->service, &cause);

	if (fd < 0)
		driver_error(error, VIR_ERR_OPERATION_FAILED,
			     _("%s: cannot connect to %s, port %u: %s"), what, chardev->host,
			     chardev->service, cause ? cause->message : g_strerror(errno));
	return fd;
}

static gboolean open_it(const VmmChardevMaker *maker, const VmmChardevWords *words,
			DomainChardev *chardev, VmmChardev *opened, GError **error)
{
	switch (chardev->type) {
	case DOMAIN_CHARDEV_NULL:
		return TRUE;
	case DOMAIN_CHARDEV_PTY:
		opened->fd = open_terminal(&chardev->path, error);
		break;
	case DOMAIN_CHARDEV_FILE:
		opened->fd = open_output(maker, words->file, chardev->path, chardev->append, error);
		break;
	case DOMAIN_CHARDEV_UNIX:
		opened->fd = open_unix(words->socket, chardev, error);
		break;
	case DOMAIN_CHARDEV_TCP:
		opened->fd = chardev->is_server ? listen_to_host(words->socket, chardev, error) :
						  connect_to_host(words->socket, chardev, error);
		break;
	}
	return opened->fd >= 0;
}

gboolean vmm_chardev_open(const VmmChardevMaker *maker, const VmmChardevWords *words,
			  DomainChardev *chardev, VmmChardev *opened, GError **error)
{
	if (!open_it(maker, words, chardev, opened, error))
		return FALSE;
	if (!chardev->log_path)
		return TRUE;
	opened->log_fd = open_output(maker, words->log, chardev->log_path, chardev->log_append,
				     error);
	return opened->log_fd >= 0;
}

JsonObject *vmm_chardev_describe(const DomainChardev *chardev, const char *fd, const char *log_fd)
{
	static const char *const types[] = {
		[DOMAIN_CHARDEV_PTY] = "pty",	 [DOMAIN_CHARDEV_FILE] = "file",
		[DOMAIN_CHARDEV_NULL] = "null",	 [DOMAIN_CHARDEV_UNIX] = "socket",
		[DOMAIN_CHARDEV_TCP] = "socket",
	};
	const char *type = types[chardev->type];
	JsonObject *object = json_object_new();

	json_object_set_string_member(object, "type", type);
	if (fd)
		json_object_set_string_member(object, "fd", fd);
	if (strcmp(type, "socket") == 0)
		json_object_set_boolean_member(object, "server", chardev->is_server);
	if (log_fd)
		json_object_set_string_member(object, "logfile-fd", log_fd);
	return object;
}

static void remove_socket(const DomainChardev *chardev)
{
	if (chardev->type == DOMAIN_CHARDEV_UNIX && chardev->is_server && chardev->path)
		safe_file_remove_socket(chardev->path);
}

void vmm_chardev_remove(const DomainPort *port)
{
	remove_socket(&port->chardev);
	if (port->is_path_made && port->chardev.path) {
		g_autofree char *folder = g_path_get_dirname(port->chardev.path);

		/* Fails until it is empty. */
		(void)g_rmdir(folder);
	}
}

static void remove_sockets_of(const GPtrArray *ports)
{
	for (guint i = 0; i < ports->len; i++)
		vmm_chardev_remove(ports->pdata[i]);
}

void vmm_chardev_remove_all(const DomainDef *def)
{
	for (guint i = 0; i < def->n_serials; i++)
		remove_socket(&def->serials[i].chardev);
	remove_sockets_of(def->consoles);
	remove_sockets_of(def->channels);
}

/* By the port's name, or by its alias where that makes it too long. Return: NULL with @error. */
static char *choose_path(const DomainPort *port, const char *folder, GError **error)
{
	const char *const names[] = { port->name, port->alias };

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *path = names[i] ? g_build_filename(folder, names[i], NULL) : NULL;

		if (path && strlen(path) <= DOMAIN_SOCKET_PATH_MAX)
			return g_steal_pointer(&path);
	}
	driver_error(
		error, VIR_ERR_CONFIG_UNSUPPORTED,
		_("channel '%s': the path of a socket in folder '%s' is longer than %d: give it "
		  "a path in an element 'source'"),
		port->alias, folder, DOMAIN_SOCKET_PATH_MAX);
	return NULL;
}

gboolean vmm_chardev_choose_paths(DomainDef *def, const char *folder, GError **error)
{
	gboolean is_needed = FALSE;

	for (guint i = 0; i < def->channels->len; i++) {
		DomainPort *port = def->channels->pdata[i];

		if (port->chardev.type != DOMAIN_CHARDEV_UNIX || port->chardev.path)
			continue;
		port->chardev.path = choose_path(port, folder, error);
		if (!port->chardev.path)
			return FALSE;
		port->is_path_made = TRUE;
		is_needed = TRUE;
	}
	return !is_needed || g_mkdir_with_parents(folder, 0700) == 0 ||
	       driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make folder '%s': %s"), folder,
			    g_strerror(errno));
}
