/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-net-pci.h - a network card as it is described */
#pragma once

#include "vmm/device/device-type.h"

/*
 * "virtio-net-pci": besides what every virtio device has, "mac" and "netdev", which is an object:
 * {"type":"stream","fd":NAME}, or {"type":"tap","fds":[NAME...]} with a descriptor for each pair of
 * queues; "mq" and "queues", how many pairs those are; "host_mtu", and "link", whether the cable is
 * plugged in.
 */
extern const DeviceType virtio_net_type;
