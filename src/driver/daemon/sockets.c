/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sockets.c - the sockets that clients connect to */
#include "driver/daemon/sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gi18n.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "driver/error.h"

#define READONLY_SUFFIX "-ro"

/* Clients that wait to be accepted; more of them are made to wait by the kernel. */
#define BACKLOG 30

/* The path of a listening UNIX socket; NULL for anything else. */
static char *path_of(int fd)
{
	struct sockaddr_un address;
	socklen_t length = sizeof(address);
	gsize path_length;

	if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) <= 0 ||
	    getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
	    length <= G_STRUCT_OFFSET(struct sockaddr_un, sun_path))
		return NULL;
	path_length = length - G_STRUCT_OFFSET(struct sockaddr_un, sun_path);
	return g_strndup(address.sun_path, MIN(path_length, sizeof(address.sun_path)));
}

static gboolean take_over(Sockets *sockets, int fd, GError **error)
{
	g_autofree char *path = path_of(fd);
	GSocket **place;

	if (!path)
		return driver_error(
			error, VIR_ERR_INTERNAL_ERROR,
			_("descriptor %d from the service manager is no listening UNIX socket"),
			fd);
	place = g_str_has_suffix(path, READONLY_SUFFIX) ? &sockets->readonly_socket :
							  &sockets->socket;
	if (*place)
		return driver_error(error, VIR_ERR_INTERNAL_ERROR,
				    _("the service manager has handed over two sockets like '%s'"),
				    path);
	*place = g_socket_new_from_fd(fd, error);
	return *place != NULL;
}

static gboolean take_over_all(Sockets *sockets, int count, GError **error)
{
	for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; fd++) {
		if (!take_over(sockets, fd, error))
			return FALSE;
	}
	return sockets->socket ||
	       driver_error(
		       error, VIR_ERR_INTERNAL_ERROR,
		       _("the service manager has handed over no socket but the read-only one"));
}

/* The lock stays with the file: a daemon that ends in any way gives it up. */
static gboolean take_lock(Sockets *sockets, const char *path, GError **error)
{
	g_autofree char *lock = g_strconcat(path, ".lock", NULL);

	sockets->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (sockets->lock_fd < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("opening '%s': %s"), lock,
				    g_strerror(errno));
	if (flock(sockets->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_OPERATION_FAILED, _("another virtgmemd serves '%s'"),
			    path);
}

/*
 * The socket is made for nobody and opened up when all else is right, so that there is no
 * moment at which more may connect than should.
 */
static GSocket *listen_on(const char *path, gid_t group, mode_t mode, GError **error)
{
	g_autoptr(GSocket) socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
						 G_SOCKET_PROTOCOL_DEFAULT, error);
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
	const mode_t mask = umask(0777);
	gboolean bound;

	(void)unlink(path);
	bound = socket && g_socket_bind(socket, address, TRUE, error);
	(void)umask(mask);
	if (!bound)
		return NULL;
	g_socket_set_listen_backlog(socket, BACKLOG);
	if (!g_socket_listen(socket, error))
		return NULL;
	if ((group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0) || chmod(path, mode) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("permissions of '%s': %s"), path,
			     g_strerror(errno));
		return NULL;
	}
	return g_steal_pointer(&socket);
}

static gboolean make(Sockets *sockets, const char *path, const Settings *settings, GError **error)
{
	g_autofree char *readonly_path = g_strconcat(path, READONLY_SUFFIX, NULL);

	sockets->path = g_strdup(path);
	sockets->socket = listen_on(path, settings->socket_group, settings->socket_mode, error);
	if (sockets->socket)
		sockets->readonly_socket = listen_on(readonly_path, settings->socket_group,
						     settings->readonly_socket_mode, error);
	return sockets->readonly_socket != NULL;
}

gboolean sockets_open(Sockets *sockets, const char *path, const Settings *settings, GError **error)
{
	const int count = sd_listen_fds(1);
	g_autoptr(GError) cause = NULL;

	*sockets = (Sockets){ .lock_fd = -1 };
	if (take_lock(sockets, path, &cause) && (count > 0 ? take_over_all(sockets, count, &cause) :
							     make(sockets, path, settings, &cause)))
		return TRUE;
	driver_error_from(error, VIR_ERR_SYSTEM_ERROR, cause, _("listening on '%s': %s"), path,
			  driver_error_detail(cause));
	sockets_close(sockets);
	return FALSE;
}

void sockets_close(Sockets *sockets)
{
	if (sockets->path) {
		g_autofree char *readonly_path = g_strconcat(sockets->path, READONLY_SUFFIX, NULL);

		(void)unlink(readonly_path);
		(void)unlink(sockets->path);
	}
	g_clear_object(&sockets->readonly_socket);
	g_clear_object(&sockets->socket);
	g_clear_pointer(&sockets->path, g_free);
	if (sockets->lock_fd >= 0)
		close(sockets->lock_fd);
	sockets->lock_fd = -1;
}
