/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-rng.h - a source of randomness for the guest */
#pragma once

#include "vmm/device/device-type.h"

/*
 * "virtio-rng-pci": besides what every virtio device has, "rng-fd" names where the bytes come from,
 * the host's kernel where it is not given; the guest gets "max-bytes" in each "period"
 * (milliseconds, 1000), or as many as it wants.
 */
extern const DeviceType virtio_rng_type;
