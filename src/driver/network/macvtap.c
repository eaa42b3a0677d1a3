/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* macvtap.c - macvtap devices: a second address on a network card of the host's */
#include "driver/network/macvtap.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "driver/error.h"
#include "driver/network/interface-request.h"

unsigned int if_nametoindex(const char *name);

/* Names that are tried where none is given. */
#define NAME_FORMAT "macvtap%u"
#define NAMES	    4096u

/* How long its device may take to show up in /dev, in steps of 10 ms: udev makes its owner. */
#define DEVICE_STEPS 300u

#define REQUEST_SIZE 512u

/* A request of rtnetlink's as it grows. */
typedef union {
	struct nlmsghdr header;
	guint8 bytes[REQUEST_SIZE];
} Request;

static void *put(Request *request, gsize size)
{
	const gsize at = NLMSG_ALIGN(request->header.nlmsg_len);

	g_assert(at + size <= REQUEST_SIZE);
	request->header.nlmsg_len = (guint32)(at + size);
	return request->bytes + at;
}

static struct rtattr *put_attribute(Request *request, guint16 type, const void *data, gsize size)
{
	struct rtattr *attribute = put(request, RTA_LENGTH(size));

	attribute->rta_type = type;
	attribute->rta_len = (guint16)RTA_LENGTH(size);
	if (size > 0)
		memcpy(RTA_DATA(attribute), data, size);
	return attribute;
}

static void put_number(Request *request, guint16 type, guint32 value)
{
	put_attribute(request, type, &value, sizeof(value));
}

static void put_text(Request *request, guint16 type, const char *text)
{
	put_attribute(request, type, text, strlen(text) + 1);
}

/* What has been put since is within @attribute. */
static void end_nested(Request *request, struct rtattr *attribute)
{
	attribute->rta_len =
		(guint16)(request->bytes + request->header.nlmsg_len - (guint8 *)attribute);
}

static struct ifinfomsg *begin(Request *request, guint16 type, guint16 flags)
{
	*request = (Request){ 0 };
	request->header.nlmsg_len = NLMSG_HDRLEN;
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return put(request, sizeof(struct ifinfomsg));
}

/* The kernel's answer is one message, an errno. Return: 0 or that. */
static int send_request(const Request *request)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	union {
		struct nlmsghdr header;
		guint8 bytes[4096];
	} answer;
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	gssize size = -1;
	int code;

	if (fd < 0)
		return errno;
	if (sendto(fd, request, request->header.nlmsg_len, 0, (const struct sockaddr *)&kernel,
		   sizeof(kernel)) >= 0)
		size = recv(fd, &answer, sizeof(answer), 0);
	code = size < 0 ? errno : EPROTO;
	close(fd);
	if (size >= (gssize)NLMSG_LENGTH(sizeof(struct nlmsgerr)) &&
	    answer.header.nlmsg_type == NLMSG_ERROR)
		code = -((const struct nlmsgerr *)NLMSG_DATA(&answer.header))->error;
	return code;
}

/* Return: 0 or an errno. */
static int make(const MacvtapConfig *config, const char *name)
{
	struct rtattr *info, *data;
	Request request;

	(void)begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	put_number(&request, IFLA_LINK, if_nametoindex(config->lower));
	put_text(&request, IFLA_IFNAME, name);
	put_attribute(&request, IFLA_ADDRESS, config->mac, 6);
	if (config->mtu)
		put_number(&request, IFLA_MTU, config->mtu);
	if (config->queues > 1) {
		put_number(&request, IFLA_NUM_TX_QUEUES, config->queues);
		put_number(&request, IFLA_NUM_RX_QUEUES, config->queues);
	}
	info = put_attribute(&request, IFLA_LINKINFO, NULL, 0);
	put_text(&request, IFLA_INFO_KIND, "macvtap");
	data = put_attribute(&request, IFLA_INFO_DATA, NULL, 0);
	put_number(&request, IFLA_MACVLAN_MODE, config->mode);
	end_nested(&request, data);
	end_nested(&request, info);
	return send_request(&request);
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
	Request request;

	if (!is_macvtap(name))
		return;
	message = begin(&request, RTM_DELLINK, 0);
	message->ifi_index = (int)if_nametoindex(name);
	(void)send_request(&request);
}
