/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * interface-request.c - questions and orders about network interfaces of the host's
 *
 * By ioctl(2) on a UNIX socket, which takes them as any other socket does: the daemon need not have
 * one of a network (netdevice(7)).
 */
#include "driver/network/interface-request.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/error.h"

unsigned int if_nametoindex(const char *name);

gboolean interface_name_check(const char *name, GError **error)
{
	gboolean is_good = *name && strlen(name) < IFNAMSIZ && strcmp(name, ".") != 0 &&
			   strcmp(name, "..") != 0;

	for (const char *at = name; *at && is_good; at++)
		is_good = *at != '/' && *at != ':' && g_ascii_isgraph(*at);
	if (is_good)
		return TRUE;
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("'%s' is no name of a network interface"), name);
}

gboolean interface_exists(const char *name)
{
	return if_nametoindex(name) != 0;
}

static gboolean request(const char *name, unsigned long number, struct ifreq *values)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int code;

	if (fd < 0)
		return FALSE;
	g_strlcpy(values->ifr_name, name, IFNAMSIZ);
	code = ioctl(fd, number, values) < 0 ? errno : 0;
	close(fd);
	errno = code;
	return code == 0;
}

gboolean interface_set_mac(const char *name, const guint8 mac[6], GError **error)
{
	struct ifreq values = { 0 };

	values.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(values.ifr_hwaddr.sa_data, mac, 6);
	if (request(name, SIOCSIFHWADDR, &values))
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("cannot set the MAC address of network interface '%s': %s"), name,
			    g_strerror(errno));
}

gboolean interface_set_mtu(const char *name, guint mtu, GError **error)
{
	struct ifreq values = { .ifr_mtu = (int)mtu };

	if (request(name, SIOCSIFMTU, &values))
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("cannot set the MTU of network interface '%s' to %u: %s"), name, mtu,
			    g_strerror(errno));
}

guint interface_get_mtu(const char *name, GError **error)
{
	struct ifreq values = { 0 };

	if (request(name, SIOCGIFMTU, &values))
		return (guint)values.ifr_mtu;
	driver_error(error, VIR_ERR_SYSTEM_ERROR, _("network interface '%s': %s"), name,
		     g_strerror(errno));
	return 0;
}

gboolean interface_set_up(const char *name, GError **error)
{
	struct ifreq values = { 0 };

	if (request(name, SIOCGIFFLAGS, &values)) {
		values.ifr_flags |= IFF_UP;
		if (request(name, SIOCSIFFLAGS, &values))
			return TRUE;
	}
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("cannot bring up network interface '%s': %s"), name,
			    g_strerror(errno));
}

gboolean interface_join_bridge(const char *name, const char *bridge, GError **error)
{
	struct ifreq values = { .ifr_ifindex = (int)if_nametoindex(name) };

	if (request(bridge, SIOCBRADDIF, &values))
		return TRUE;
	if (errno == EOPNOTSUPP || errno == EINVAL)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("network interface '%s' is no bridge"), bridge);
	return driver_error(error, VIR_ERR_SYSTEM_ERROR,
			    _("cannot put network interface '%s' into bridge '%s': %s"), name,
			    bridge, g_strerror(errno));
}
