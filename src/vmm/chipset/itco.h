/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* itco.h - the chipset's watchdog, where a machine is to have it */
#pragma once

#include "vmm/device/device-type.h"

extern const DeviceType itco_type;
