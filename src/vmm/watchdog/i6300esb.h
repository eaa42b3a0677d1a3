/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * i6300esb.h - the watchdog of Intel's 6300ESB, a PCI function
 *
 * Intel 6300ESB I/O Controller Hub data sheet (300641), chapter 16.
 */
#pragma once

#include "vmm/device/device-type.h"

extern const DeviceType i6300esb_type;
