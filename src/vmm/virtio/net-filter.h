/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * net-filter.h - which frames a network device lets its guest have
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.1.6.5: what a driver asks for by the control queue. A
 * driver that asks for nothing gets all; tables that are too long are cut to "all of that kind", as
 * the standard has it.
 */
#pragma once

#include <glib.h>

#define NET_MAC_SIZE 6u

/* Addresses in both tables together; QEMU has as many. */
#define NET_FILTER_ADDRESSES 64u

#define NET_FILTER_VLANS     4096u

typedef struct {
	guint8 mac[NET_MAC_SIZE];
	guint modes; /* bits 1 << VIRTIO_NET_CTRL_RX_* */
	guint8 addresses[NET_FILTER_ADDRESSES][NET_MAC_SIZE];
	guint n_unicast; /* that come first, then: */
	guint n_multicast;
	gboolean has_all_unicast; /* the table was too long */
	gboolean has_all_multicast;
	guint8 vlans[NET_FILTER_VLANS / 8];
} NetFilter;

/* As after a reset: everything is let through, but for VLANs where they are @filtered. */
void net_filter_reset(NetFilter *filter, const guint8 mac[NET_MAC_SIZE],
		      gboolean are_vlans_filtered);

/* @frame: Ethernet's header at least. */
gboolean net_filter_accepts(const NetFilter *filter, const guint8 *frame, gsize size);

/* The commands; FALSE: there is none like it, and nothing has changed. */

/* @mode: VIRTIO_NET_CTRL_RX_* */
gboolean net_filter_set_mode(NetFilter *filter, guint mode, guint8 value);

/* @data: VIRTIO_NET_CTRL_MAC_TABLE_SET's, two tables with their lengths, and nothing behind. */
gboolean net_filter_set_addresses(NetFilter *filter, const guint8 *data, gsize size);

gboolean net_filter_set_vlan(NetFilter *filter, guint vlan, gboolean is_wanted);
