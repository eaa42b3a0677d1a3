/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmgenid.h - an identifier of a machine's generation, which is another one in a copy of it
 *
 * Microsoft's Virtual Machine Generation ID; QEMU's docs/specs/vmgenid.rst for where it is.
 */
#pragma once

#include "vmm/device/device-type.h"

extern const DeviceType vmgenid_type;
