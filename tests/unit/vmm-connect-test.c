/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-connect-test.c - sockets that listen at a port of a host, whose name nobody may know
 *
 * The C library's resolver is made up: it says nothing of one name until the test is over.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/vmm/vmm-chardev.h"

#define SILENT "silent.example"

static GMutex lock;
static GCond changed;
static gboolean is_over;

/* The linker has all that is tested call this in place of the real one. */
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **addresses);
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **addresses);

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
		       struct addrinfo **addresses)
{
	if (strcmp(host, SILENT) != 0 || (hints->ai_flags & AI_NUMERICHOST))
		return __real_getaddrinfo(host, service, hints, addresses);
	g_mutex_lock(&lock);
	while (!is_over)
		g_cond_wait(&changed, &lock);
	g_mutex_unlock(&lock);
	return EAI_AGAIN;
}

/* Return: a descriptor, or -1 with @error. */
static int listen_to(const char *host, guint port, GError **error)
{
	const VmmChardevMaker maker = { 0 };
	const VmmChardevWords words = { .socket = "serial port's socket" };
	DomainChardev chardev = {
		.type = DOMAIN_CHARDEV_TCP,
		.is_server = TRUE,
		.host = (char *)host,
		.service = port,
	};
	g_auto(VmmChardev) opened = VMM_CHARDEV_INIT;

	return vmm_chardev_open(&maker, &words, &chardev, &opened, error) ? g_steal_fd(&opened.fd) :
									    -1;
}

static guint port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
	g_assert_cmpint(address.sin_family, ==, AF_INET);
	return g_ntohs(address.sin_port);
}

static void test_address(void)
{
	g_autoptr(GError) error = NULL;
	int fd = listen_to("127.0.0.1", 0, &error);
	guint port;

	g_assert_no_error(error);
	port = port_of(fd);
	g_assert_cmpint(listen_to("127.0.0.1", port, &error), ==, -1);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(
		strstr(error->message, "serial port's socket: cannot listen at 127.0.0.1"));
	close(fd);
	fd = listen_to("127.0.0.1", port, NULL);
	g_assert_cmpuint(port_of(fd), ==, port);
	close(fd);
}

static void test_name(void)
{
	g_autoptr(GError) error = NULL;
	const int fd = listen_to("localhost", 0, &error);

	g_assert_no_error(error);
	close(fd);
}

/* A name server that does not answer is not waited for, nor does it hold up who gives an address.
 */
static void test_silent(void)
{
	g_autoptr(GError) error = NULL;
	int fd;

	g_assert_cmpint(listen_to(SILENT, 0, &error), ==, -1);
	g_assert_error(error, DRIVER_ERROR, VIR_ERR_SYSTEM_ERROR);
	g_assert_nonnull(strstr(error->message, "cannot listen at " SILENT ", port 0"));
	g_assert_nonnull(strstr(error->message, "no answer in time"));
	fd = listen_to("127.0.0.1", 0, NULL);
	g_assert_cmpint(fd, >=, 0);
	close(fd);
	g_mutex_lock(&lock);
	is_over = TRUE;
	g_cond_broadcast(&changed);
	g_mutex_unlock(&lock);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/vmm-connect/listen/address", test_address);
	g_test_add_func("/vmm-connect/listen/name", test_name);
	g_test_add_func("/vmm-connect/listen/silent", test_silent);
	return g_test_run();
}
