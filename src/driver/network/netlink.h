/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * netlink.h - requests of rtnetlink(7), one at a time
 *
 * A request is a header, a structure of its kind, and attributes, which may have attributes in
 * them. Its answer is an errno.
 */
#pragma once

#include <glib.h>
#include <linux/rtnetlink.h>

#define NETLINK_REQUEST_SIZE 4096u

/* As it grows. */
typedef union {
	struct nlmsghdr header;
	guint8 bytes[NETLINK_REQUEST_SIZE];
} NetlinkRequest;

/*
 * netlink_begin - begin a request
 * @flags: besides NLM_F_REQUEST and NLM_F_ACK
 * @size: of the kind's structure
 *
 * Return: the structure, of zeroes.
 */
void *netlink_begin(NetlinkRequest *request, guint16 type, guint16 flags, gsize size);

struct rtattr *netlink_put(NetlinkRequest *request, guint16 type, const void *data, gsize size);
void netlink_put_number(NetlinkRequest *request, guint16 type, guint32 value);
void netlink_put_text(NetlinkRequest *request, guint16 type, const char *text);

/* What has been put since is within @attribute. */
void netlink_end_nested(NetlinkRequest *request, struct rtattr *attribute);

/* Return: 0 or an errno. */
int netlink_send(const NetlinkRequest *request);
