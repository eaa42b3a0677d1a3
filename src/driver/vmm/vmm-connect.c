/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-connect.c - connections that the VMM gets as descriptors */
#include "driver/vmm/vmm-connect.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/safe-file.h"

/* How long a server may take to be connected to. */
#define CONNECT_SECONDS 10

/* A descriptor of one's own of a connection, which is closed. */
static int take_connection(GSocketConnection *connection)
{
	const int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));

	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int connect_to_address(GSocketConnectable *address, GError **error)
{
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) connection = NULL;

	/* A daemon has nobody's proxy. */
	g_socket_client_set_enable_proxy(client, FALSE);
	g_socket_client_set_timeout(client, CONNECT_SECONDS);
	connection = g_socket_client_connect(client, address, NULL, error);
	return connection ? take_connection(connection) : -1;
}

int vmm_connect_to_socket(const char *what, const char *path, GError **error)
{
	const int node = safe_file_find_socket(what, path, error);
	g_autofree char *node_path = g_strdup_printf("/proc/self/fd/%d", node);
	g_autoptr(GSocketAddress) address = NULL;
	int fd;

	if (node < 0)
		return -1;
	address = g_unix_socket_address_new(node_path);
	fd = connect_to_address(G_SOCKET_CONNECTABLE(address), error);
	close(node);
	return fd;
}

int vmm_connect_to_host(const char *host, guint16 port, GError **error)
{
	g_autoptr(GSocketConnectable) address = g_network_address_new(host, port);

	return connect_to_address(address, error);
}

int vmm_connect_at_once(const char *what, const char *path, GError **error)
{
	const int node = safe_file_find_socket(what, path, error);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (node < 0)
		return -1;
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", node);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		driver_error(error, VIR_ERR_SYSTEM_ERROR, _("%s: cannot connect to '%s': %s"), what,
			     path, g_strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	close(node);
	return fd;
}
