/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net-features.h - features of virtio-net that newer headers define, and groups of them */
#pragma once

#include <linux/virtio_net.h>

#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4 54
#define VIRTIO_NET_F_GUEST_USO6 55
#define VIRTIO_NET_F_HOST_USO	56
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define NET_FEATURE(name) (1ull << VIRTIO_NET_F_##name)

/* What comes together, with the checksums that it needs. */
#define NET_FEATURES_TSO                                                             \
	(NET_FEATURE(CSUM) | NET_FEATURE(HOST_TSO4) | NET_FEATURE(HOST_TSO6) |       \
	 NET_FEATURE(HOST_ECN) | NET_FEATURE(GUEST_CSUM) | NET_FEATURE(GUEST_TSO4) | \
	 NET_FEATURE(GUEST_TSO6) | NET_FEATURE(GUEST_ECN))
#define NET_FEATURES_UFO (NET_FEATURE(HOST_UFO) | NET_FEATURE(GUEST_UFO))
#define NET_FEATURES_USO (NET_FEATURE(HOST_USO) | NET_FEATURE(GUEST_USO4) | NET_FEATURE(GUEST_USO6))
