/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* netlink.c - requests of rtnetlink(7), one at a time */
#include "driver/network/netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void *put(NetlinkRequest *request, gsize size)
{
	const gsize at = NLMSG_ALIGN(request->header.nlmsg_len);

	g_assert(at + size <= NETLINK_REQUEST_SIZE);
	request->header.nlmsg_len = (guint32)(at + size);
	return request->bytes + at;
}

struct rtattr *netlink_put(NetlinkRequest *request, guint16 type, const void *data, gsize size)
{
	struct rtattr *attribute = put(request, RTA_LENGTH(size));

	attribute->rta_type = type;
	attribute->rta_len = (guint16)RTA_LENGTH(size);
	if (size > 0)
		memcpy(RTA_DATA(attribute), data, size);
	return attribute;
}

void netlink_put_number(NetlinkRequest *request, guint16 type, guint32 value)
{
	netlink_put(request, type, &value, sizeof(value));
}

void netlink_put_text(NetlinkRequest *request, guint16 type, const char *text)
{
	netlink_put(request, type, text, strlen(text) + 1);
}

void netlink_end_nested(NetlinkRequest *request, struct rtattr *attribute)
{
	attribute->rta_len =
		(guint16)(request->bytes + request->header.nlmsg_len - (guint8 *)attribute);
}

void *netlink_begin(NetlinkRequest *request, guint16 type, guint16 flags, gsize size)
{
	*request = (NetlinkRequest){ 0 };
	request->header.nlmsg_len = NLMSG_HDRLEN;
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return put(request, size);
}

/* The kernel's answer is one message, an errno. */
int netlink_send(const NetlinkRequest *request)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	union {
		struct nlmsghdr header;
		guint8 bytes[2 * NETLINK_REQUEST_SIZE];
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
