/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pvpanic.h - a port by which a guest's kernel says that it has failed
 *
 * QEMU's docs/specs/pvpanic.rst; the port is found by the ACPI device QEMU0001.
 */
#pragma once

#include "vmm/device/device-type.h"

#define PVPANIC_PORT 0x505

extern const DeviceType pvpanic_type;
