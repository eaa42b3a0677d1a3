/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dma-memory.h - guest memory for one device that reads and writes it a piece at a time */
#pragma once

#include "vmm/device/device.h"
#include "vmm/memory/memory.h"

/* Makes a channel, which device_memory_clear() gives back. */
gboolean dma_memory_new(Memory *memory, DeviceMemory *result, GError **error);
