/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * traffic.h - how much goes through a network interface of the host's
 *
 * Theory of operation
 *
 * The kernel's traffic control does it, set up as libvirt's drivers do: what the host sends by the
 * interface goes through a queue (htb) that lets out so much in a second; what it receives is
 * counted as it comes (a policer at the ingress), and what is too much is dropped. A kernel without
 * these modules is an error.
 */
#pragma once

#include "driver/conf/devices/bandwidth.h"

/*
 * traffic_limit - limit what an interface sends and receives, instead of what was set before
 * @sent, @received: of the host's
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR that names the interface and what the kernel lacks.
 */
gboolean traffic_limit(const char *name, const DomainBandwidthLimit *sent,
		       const DomainBandwidthLimit *received, GError **error);
