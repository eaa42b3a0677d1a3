/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net.h - a network card
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.1; docs/networks.md.
 */
#pragma once

#include <glib.h>

#include "vmm/backend/guest-copy.h"
#include "vmm/backend/net.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/net-filter.h"

/* The device's configuration, as far as it has one: up to the MTU. */
#define VIRTIO_NET_CONFIG_SIZE 12u

typedef struct VirtioNet VirtioNet;

typedef struct {
	guint8 mac[NET_MAC_SIZE];
	guint mtu;		 /* that the guest is told; 0: it is not */
	gboolean has_multiqueue; /* one pair of queues for each that the backend has */
	gboolean is_link_up;
} VirtioNetConfig;

/* What the transport calls; its opaque is the device. */
extern const VirtioDeviceOperations virtio_net_operations;

/* How many queues it has: pairs, and one for control. */
guint virtio_net_queues(const VirtioNetConfig *config, const NetBackend *backend);

/* A device without a transport yet. @backend: taken over. */
VirtioNet *virtio_net_new(const VirtioNetConfig *config, NetBackend *backend);

/* What the buffer of a GuestCopy for it has to hold, in bytes. */
#define VIRTIO_NET_BATCH (256u << 10)

/*
 * Joins it with its transport; once, before the guest runs. @copy: taken over; NULL: the
 * device's DMA channel carries all.
 */
void virtio_net_attach(VirtioNet *net, VirtioDevice *device, GuestCopy *copy);

/* Whether the guest sees a cable that is plugged in; on any thread. */
void virtio_net_set_link(VirtioNet *net, gboolean is_up);
