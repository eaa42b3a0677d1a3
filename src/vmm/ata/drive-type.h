/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive-type.h - drives at SATA controllers, as they are described */
#pragma once

#include "vmm/backend/block.h"
#include "vmm/device/device-type.h"

/* "ide-hd", a hard disk; its "bus" is "CONTROLLER.PORT". */
extern const DeviceType ata_disk_type;

/* Their record in the registry. */
extern const DeviceOperations ata_drive_device_operations;

/* What is behind a drive whose record that is, for its statistics; NULL where there is nothing. */
BlockBackend *ata_drive_backend(void *device);
