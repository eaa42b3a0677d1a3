/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-serial-pci.h - a device for ports as it is described */
#pragma once

#include "vmm/device/device-type.h"

/* Ports name it as their bus, with ".0" behind its id. */
extern const DeviceType virtio_serial_type;
