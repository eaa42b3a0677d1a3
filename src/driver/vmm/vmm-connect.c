/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmm-connect.c - connections that the VMM gets as descriptors */
#include "driver/vmm/vmm-connect.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gi18n.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "driver/bounded-call.h"
#include "driver/error.h"
#include "driver/safe-file.h"

/*
 * How long a server may take to be found by its name and connected to, at all of its addresses
 * together; and at one of them, so that the next has a chance.
 */
#define CONNECT_SECONDS 10
#define ADDRESS_SECONDS 4

/* Where to. */
typedef struct {
	GSocketConnectable *address;
	int node; /* that the address names, or -1 */
} Destination;

static void destination_free(gpointer data)
{
	Destination *destination = data;

	g_object_unref(destination->address);
	if (destination->node >= 0)
		close(destination->node);
	g_free(destination);
}

static gpointer connect_to(gpointer data, GError **error)
{
	const Destination *destination = data;
	g_autoptr(GSocketClient) client = g_socket_client_new();

	/* A daemon has nobody's proxy. */
	g_socket_client_set_enable_proxy(client, FALSE);
	g_socket_client_set_timeout(client, ADDRESS_SECONDS);
	return g_socket_client_connect(client, destination->address, NULL, error);
}

/* A descriptor of one's own of a connection, which is closed. */
static int take_connection(GSocketConnection *connection)
{
	const int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));

	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

/* Takes both over. */
static int connect_to_address(GSocketConnectable *address, int node, GError **error)
{
	static BoundedCall connecting = {
		.function = connect_to,
		.free_input = destination_free,
		.free_result = g_object_unref,
	};
	Destination *destination = g_new(Destination, 1);
	g_autoptr(GSocketConnection) connection = NULL;

	*destination = (Destination){ address, node };
	connection = bounded_call(&connecting, destination, CONNECT_SECONDS * 1000, error);
	return connection ? take_connection(connection) : -1;
}

int vmm_connect_to_socket(const char *what, const char *path, GError **error)
{
	const int node = safe_file_find_socket(what, path, error);
	g_autofree char *node_path = g_strdup_printf("/proc/self/fd/%d", node);

	if (node < 0)
		return -1;
	return connect_to_address(G_SOCKET_CONNECTABLE(g_unix_socket_address_new(node_path)), node,
				  error);
}

int vmm_connect_to_host(const char *host, guint16 port, GError **error)
{
	const int fd = connect_to_address(g_network_address_new(host, port), -1, error);
	const int one = 1;

	/* Requests are answered one by one: none waits until there is more to send. */
	if (fd >= 0)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/*
 * Listening.
 */

static struct addrinfo *look_up(const char *host, int flags, int *result)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | flags,
	};
	struct addrinfo *addresses = NULL;

	*result = getaddrinfo(host, NULL, &hints, &addresses);
	return *result == 0 ? addresses : NULL;
}

static gpointer ask_for_name(gpointer host, GError **error)
{
	int result;
	struct addrinfo *addresses = look_up(host, 0, &result);

	if (!addresses)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "%s",
			     result == EAI_SYSTEM ? g_strerror(errno) : gai_strerror(result));
	return addresses;
}

static void free_addresses(gpointer addresses)
{
	freeaddrinfo(addresses);
}

/* Return: for freeaddrinfo(), or NULL with @error. An address needs nobody's answer. */
static struct addrinfo *resolve(const char *host, GError **error)
{
	static BoundedCall resolving = {
		.function = ask_for_name,
		.free_input = g_free,
		.free_result = free_addresses,
	};
	int result;
	struct addrinfo *addresses = look_up(host, AI_NUMERICHOST, &result);

	return addresses ? addresses :
			   bounded_call(&resolving, g_strdup(host), CONNECT_SECONDS * 1000, error);
}

static void set_port(struct sockaddr *address, guint16 port)
{
	if (address->sa_family == AF_INET6)
		((struct sockaddr_in6 *)address)->sin6_port = g_htons(port);
	else
		((struct sockaddr_in *)address)->sin_port = g_htons(port);
}

/* Return: a listening socket, or -1 with errno. */
static int listen_at(const struct addrinfo *address, guint16 port)
{
	const int on = 1;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_port(address->ai_addr, port);
	/* The last run's connections are no reason to wait. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, 1) == 0)
		return fd;
	close(fd);
	return -1;
}

int vmm_listen_at_host(const char *host, guint16 port, GError **error)
{
	struct addrinfo *addresses = resolve(host, error);
	int fd = -1;

	if (!addresses)
		return -1;
	for (const struct addrinfo *at = addresses; at && fd < 0; at = at->ai_next)
		fd = listen_at(at, port);
	if (fd < 0)
		driver_error(error, VIR_ERR_SYSTEM_ERROR, "%s", g_strerror(errno));
	freeaddrinfo(addresses);
	return fd;
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
