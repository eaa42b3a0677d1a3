/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtap.c - macvtap devices: a second address on a network card of the host's */
#include "driver/network/macvtap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/interface-request.h"
#include "driver/network/netlink.h"

unsigned int if_nametoindex(const char *name);

/* Names that are tried where none is given. */
#define NAME_FORMAT "macvtap%u"
#define NAMES	    4096u

/* How long its device may take to show up in /dev, in steps of 10 ms: udev makes its owner. */
#define DEVICE_STEPS 300u

/* Return: 0 or an errno. */
static int make(const MacvtapConfig *config, const char *name)
{
	struct rtattr *info, *data;
	NetlinkRequest request;

	(void)netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
			    sizeof(struct ifinfomsg));
	netlink_put_number(&request, IFLA_LINK, if_nametoindex(config->lower));
	netlink_put_text(&request, IFLA_IFNAME, name);
	netlink_put(&request, IFLA_ADDRESS, config->mac, 6);
	if (config->mtu)
		netlink_put_number(&request, IFLA_MTU, config->mtu);
	if (config->queues > 1) {
		netlink_put_number(&request, IFLA_NUM_TX_QUEUES, config->queues);
		netlink_put_number(&request, IFLA_NUM_RX_QUEUES, config->queues);
	}
	info = netlink_put(&request, IFLA_LINKINFO, NULL, 0);
	netlink_put_text(&request, IFLA_INFO_KIND, "macvtap");
	data = netlink_put(&request, IFLA_INFO_DATA, NULL, 0);
	netlink_put_number(&request, IFLA_MACVLAN_MODE, config->mode);
	netlink_end_nested(&request, data);
	netlink_end_nested(&request, info);
	return netlink_send(&request);
}

/* The kernel makes a number of "%d", and does not say which. */
static gboolean check_name(const char *name, GError **error)
{
	if (!strchr(name, '%'))
		return interface_name_check(name, error);
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("'%s' is no name of a network interface"), name);
}

static char *make_named(const MacvtapConfig *config, GError **error)
{
	int code = EEXIST;

	if (!interface_name_check(config->lower, error))
		return NULL;
	if (!interface_exists(config->lower)) {
		driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			     _("network interface '%s' is not there"), config->lower);
		return NULL;
	}
	if (config->name) {
		if (!check_name(config->name, error))
			return NULL;
		code = make(config, config->name);
		if (code == 0)
			return g_strdup(config->name);
	}
	for (guint i = 0; !config->name && code == EEXIST && i < NAMES; i++) {
		g_autofree char *name = g_strdup_printf(NAME_FORMAT, i);

		code = make(config, name);
		if (code == 0)
			return g_steal_pointer(&name);
	}
	driver_error(error, VIR_ERR_SYSTEM_ERROR,
		     _("cannot make macvtap device '%s' of network interface '%s': %s"),
		     config->name ? config->name : "macvtap", config->lower, g_strerror(code));
	return NULL;
}

/* Its character device's number, as sysfs says: "MAJOR:MINOR". */
static gboolean read_device(const char *name, guint index, dev_t *device)
{
	g_autofree char *path = g_strdup_printf("/sys/class/net/%s/macvtap/tap%u/dev", name, index);
	g_autofree char *text = NULL;
	guint major, minor;

	if (!g_file_get_contents(path, &text, NULL, NULL) ||
	    sscanf(text, "%u:%u", &major, &minor) != 2)
		return FALSE;
	*device = makedev(major, minor);
	return TRUE;
}

/* Opens /dev/tapN, and makes sure that it is what sysfs says, where sysfs says something. */
static int open_device(const char *name, guint index)
{
	g_autofree char *path = g_strdup_printf("/dev/tap%u", index);
	struct stat status;
	dev_t expected;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (guint i = 0; i < DEVICE_STEPS && fd < 0 && errno == ENOENT; i++) {
		g_usleep(10000);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (fd >= 0 && (fstat(fd, &status) < 0 || !S_ISCHR(status.st_mode) ||
			(read_device(name, index, &expected) && status.st_rdev != expected))) {
		close(fd);
		errno = ENODEV;
		return -1;
	}
	return fd;
}

static gboolean add_queue(const char *name, guint index, GArray *fds, GError **error)
{
	struct ifreq request = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
	};
	const int fd = open_device(name, index);

	if (fd < 0)
		return driver_error(error, VIR_ERR_SYSTEM_ERROR,
				    _("cannot open the device of macvtap device '%s': %s"), name,
				    g_strerror(errno));
	g_array_append_val(fds, fd);
	g_strlcpy(request.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &request) == 0)
		return TRUE;
	return driver_error(error, VIR_ERR_SYSTEM_ERROR, _("cannot set up macvtap device '%s': %s"),
			    name, g_strerror(errno));
}

char *macvtap_open(const MacvtapConfig *config, GArray *fds, GError **error)
{
	g_autofree char *name = make_named(config, error);
	const guint before = fds->len;
	gboolean is_good = name && interface_set_up(name, error);

	for (guint i = 0; i < config->queues && is_good; i++)
		is_good = add_queue(name, if_nametoindex(name), fds, error);
	if (is_good)
		return g_steal_pointer(&name);
	for (guint i = before; i < fds->len; i++)
		close(g_array_index(fds, int, i));
	g_array_set_size(fds, before);
	if (name)
		macvtap_delete(name);
	return NULL;
}

/* Whether sysfs, or the kernel where there is none, says so. */
static gboolean is_macvtap(const char *name)
{
	g_autofree char *path = g_strdup_printf("/sys/class/net/%s/macvtap", name);

	return g_file_test(path, G_FILE_TEST_IS_DIR);
}

void macvtap_delete(const char *name)
{
	struct ifinfomsg *message;
	NetlinkRequest request;

	if (!is_macvtap(name))
		return;
	message = netlink_begin(&request, RTM_DELLINK, 0, sizeof(*message));
	message->ifi_index = (int)if_nametoindex(name);
	(void)netlink_send(&request);
}
