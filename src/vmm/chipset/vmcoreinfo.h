/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmcoreinfo.h - a file of fw_cfg that takes where a guest's kernel describes itself
 *
 * QEMU's docs/specs/vmcoreinfo.rst.
 */
#pragma once

#include "vmm/device/device-type.h"

#define VMCOREINFO_FILE "etc/vmcoreinfo"

extern const DeviceType vmcoreinfo_type;
