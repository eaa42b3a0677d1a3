/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-device.h - what the host knows of its network devices and of who is behind them */
#pragma once

#include <glib.h>

/* What has gone through a device, as the host sees it. */
typedef struct {
	guint64 bytes, packets, errors, drops;
} NetTraffic;

typedef struct {
	NetTraffic received, sent;
} NetCounters;

/*
 * net_device_read_counters - what has gone through a network device since it was made
 * @root: "/", or where a host's files are in a test
 *
 * Return: FALSE with VIR_ERR_INTERNAL_ERROR where there is no such device.
 */
gboolean net_device_read_counters(const char *root, const char *device, NetCounters *counters,
				  GError **error);

/*
 * net_device_read_guest_counters - the same as the guest sees it that is behind a device
 * @is_shared: the device and the guest's card are one, as a macvtap is; a tap's other end is the
 *   guest's, which receives what the tap sends
 */
gboolean net_device_read_guest_counters(const char *root, const char *device, gboolean is_shared,
					NetCounters *counters, GError **error);

/*
 * net_device_find_neighbours - the IPv4 addresses that the host has talked to
 * @mac: as /proc/net/arp writes it
 *
 * Return: addresses of that MAC address as text, for g_ptr_array_unref(); or NULL with
 * VIR_ERR_SYSTEM_ERROR.
 */
GPtrArray *net_device_find_neighbours(const char *root, const char *mac, GError **error);
