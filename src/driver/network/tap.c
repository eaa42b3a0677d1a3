/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tap.c - tap devices: network interfaces of the host's whose other end a VMM has */
#include "driver/network/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/interface-request.h"

#define TUN_DEVICE "/dev/net/tun"

/* An address that is sure to be none of the lowest: a bridge takes that of its ports as its own. */
#define HOST_MAC_FIRST 0xfe

static gboolean is_template(const char *name)
{
	return strstr(name, "%d") != NULL;
}

/* One "%d" and no other '%': the kernel makes a number of it. */
static gboolean check_name(const TapConfig *config, GError **error)
{
	const char *percent = strchr(config->name, '%');

	if (!interface_name_check(config->name, error))
		return FALSE;
	if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("'%s' is no name of a network interface"), config->name);
	if (config->is_there && !interface_exists(config->name))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("network interface '%s' is not there, and managed='no' says "
				      "that it is not to be made"),
				    config->name);
	if (!config->is_there && !is_template(config->name) && interface_exists(config->name))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("network interface '%s' is there already"), config->name);
	return TRUE;
}

/* Attaches one more queue. @request: has the name, which the kernel replaces. */
static gboolean add_queue(struct ifreq *request, GArray *fds, GError **error)
{
	const int fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot open device '%s': %s"),
				    TUN_DEVICE, g_strerror(errno));
	g_array_append_val(fds, fd);
	if (ioctl(fd, TUNSETIFF, request) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot make tap device '%s': %s"),
			    request->ifr_name, g_strerror(errno));
}

static gboolean set_up(const TapConfig *config, const char *name, GError **error)
{
	guint mtu = config->mtu;
	guint8 mac[6];

	memcpy(mac, config->mac, sizeof(mac));
	mac[0] = HOST_MAC_FIRST;
	if (!interface_set_mac(name, mac, error))
		return FALSE;
	if (mtu == 0 && config->bridge) {
		mtu = interface_get_mtu(config->bridge, error);
		if (mtu == 0)
			return FALSE;
	}
	return (mtu == 0 || interface_set_mtu(name, mtu, error)) &&
	       (!config->bridge || interface_join_bridge(name, config->bridge, error)) &&
	       interface_set_up(name, error);
}

static void close_from(GArray *fds, guint start)
{
	for (guint i = start; i < fds->len; i++)
		close(g_array_index(fds, int, i));
	g_array_set_size(fds, start);
}

char *tap_open(const TapConfig *config, GArray *fds, GError **error)
{
	struct ifreq request = {
		.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
				     (config->queues > 1 ? IFF_MULTI_QUEUE : 0)),
	};
	const guint before = fds->len;
	gboolean is_good = check_name(config, error);

	g_strlcpy(request.ifr_name, config->name, IFNAMSIZ);
	for (guint i = 0; i < config->queues && is_good; i++)
		is_good = add_queue(&request, fds, error);
	if (is_good && !config->is_there)
		is_good = set_up(config, request.ifr_name, error);
	if (is_good)
		return g_strdup(request.ifr_name);
	close_from(fds, before);
	return NULL;
}
