/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-filter.c - which frames a network device lets its guest have */
#include "vmm/virtio/net-filter.h"

#include <linux/virtio_net.h>
#include <string.h>

/* Where an Ethernet frame has what. */
#define TYPE_OFFSET 12u
#define TAG_OFFSET  14u
#define TAG_END	    16u
#define TYPE_VLAN   0x8100u
#define VLAN_MASK   0x0fffu

#define MODE(name)  (1u << VIRTIO_NET_CTRL_RX_##name)

static const guint8 broadcast[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

void net_filter_reset(NetFilter *filter, const guint8 mac[NET_MAC_SIZE],
		      gboolean are_vlans_filtered)
{
	*filter = (NetFilter){ .modes = MODE(PROMISC) };
	memcpy(filter->mac, mac, NET_MAC_SIZE);
	memset(filter->vlans, are_vlans_filtered ? 0 : 0xff, sizeof(filter->vlans));
}

static guint get_16(const guint8 *data)
{
	return (guint)data[0] << 8 | data[1];
}

static gboolean has_vlan(const NetFilter *filter, const guint8 *frame, gsize size)
{
	guint vlan;

	if (size < TAG_END || get_16(frame + TYPE_OFFSET) != TYPE_VLAN)
		return TRUE;
	vlan = get_16(frame + TAG_OFFSET) & VLAN_MASK;
	return filter->vlans[vlan / 8] >> vlan % 8 & 1;
}

static gboolean is_in_table(const NetFilter *filter, guint start, guint count,
			    const guint8 *address)
{
	for (guint i = start; i < start + count; i++)
		if (memcmp(filter->addresses[i], address, NET_MAC_SIZE) == 0)
			return TRUE;
	return FALSE;
}

static gboolean accepts_multicast(const NetFilter *filter, const guint8 *address)
{
	if (memcmp(address, broadcast, NET_MAC_SIZE) == 0)
		return !(filter->modes & MODE(NOBCAST));
	if (filter->modes & MODE(NOMULTI))
		return FALSE;
	return filter->modes & MODE(ALLMULTI) || filter->has_all_multicast ||
	       is_in_table(filter, filter->n_unicast, filter->n_multicast, address);
}

static gboolean accepts_unicast(const NetFilter *filter, const guint8 *address)
{
	if (filter->modes & MODE(NOUNI))
		return FALSE;
	return filter->modes & MODE(ALLUNI) || filter->has_all_unicast ||
	       memcmp(address, filter->mac, NET_MAC_SIZE) == 0 ||
	       is_in_table(filter, 0, filter->n_unicast, address);
}

gboolean net_filter_accepts(const NetFilter *filter, const guint8 *frame, gsize size)
{
	if (filter->modes & MODE(PROMISC))
		return TRUE;
	if (!has_vlan(filter, frame, size))
		return FALSE;
	return frame[0] & 1 ? accepts_multicast(filter, frame) : accepts_unicast(filter, frame);
}

gboolean net_filter_set_mode(NetFilter *filter, guint mode, guint8 value)
{
	if (mode > VIRTIO_NET_CTRL_RX_NOBCAST)
		return FALSE;
	if (value)
		filter->modes |= 1u << mode;
	else
		filter->modes &= ~(1u << mode);
	return TRUE;
}

/* One table at the start of @data: where its addresses are, how many, and what it takes. */
static gboolean get_table(const guint8 *data, gsize size, const guint8 **addresses, guint *count,
			  gsize *taken)
{
	guint32 entries;

	if (size < sizeof(entries))
		return FALSE;
	memcpy(&entries, data, sizeof(entries));
	entries = GUINT32_FROM_LE(entries);
	if (entries > (size - sizeof(entries)) / NET_MAC_SIZE)
		return FALSE;
	*addresses = data + sizeof(entries);
	*count = entries;
	*taken = sizeof(entries) + (gsize)entries * NET_MAC_SIZE;
	return TRUE;
}

gboolean net_filter_set_addresses(NetFilter *filter, const guint8 *data, gsize size)
{
	const guint8 *unicast, *multicast;
	guint n_unicast, n_multicast;
	gsize first, second;

	if (!get_table(data, size, &unicast, &n_unicast, &first) ||
	    !get_table(data + first, size - first, &multicast, &n_multicast, &second) ||
	    first + second != size)
		return FALSE;
	filter->has_all_unicast = n_unicast > NET_FILTER_ADDRESSES;
	filter->n_unicast = filter->has_all_unicast ? 0 : n_unicast;
	filter->has_all_multicast = n_multicast > NET_FILTER_ADDRESSES - filter->n_unicast;
	filter->n_multicast = filter->has_all_multicast ? 0 : n_multicast;
	memcpy(filter->addresses, unicast, filter->n_unicast * NET_MAC_SIZE);
	memcpy(filter->addresses[filter->n_unicast], multicast, filter->n_multicast * NET_MAC_SIZE);
	return TRUE;
}

gboolean net_filter_set_vlan(NetFilter *filter, guint vlan, gboolean is_wanted)
{
	if (vlan >= NET_FILTER_VLANS)
		return FALSE;
	if (is_wanted)
		filter->vlans[vlan / 8] |= (guint8)(1u << vlan % 8);
	else
		filter->vlans[vlan / 8] &= (guint8) ~(1u << vlan % 8);
	return TRUE;
}
