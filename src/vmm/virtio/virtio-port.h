/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-port.h - consoles and ports on a virtio-serial device as they are described */
#pragma once

#include "vmm/device/device-type.h"

extern const DeviceType virtio_console_type;
extern const DeviceType virtio_port_type;

/* The record of either in the registry. */
extern const DeviceOperations virtio_port_device_operations;

/* Whether the guest has it open. @device: of that record */
gboolean virtio_port_is_guest_open(const void *device);
