/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-blk-pci.h - disks as they are described */
#pragma once

#include "vmm/device/device-type.h"

/*
 * "virtio-blk-pci": besides what every virtio device has, QEMU's members of the disk, and in
 * "blockdev" what is behind it, of driver "raw" or "nbd". docs/disks.md has them all.
 */
extern const DeviceType virtio_blk_type;
