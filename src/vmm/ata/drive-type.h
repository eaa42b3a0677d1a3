/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* drive-type.h - drives at SATA controllers, as they are described */
#pragma once

#include "vmm/ata/disk-queue.h"
#include "vmm/backend/block.h"
#include "vmm/device/device-type.h"

/* "ide-hd", a hard disk; its "bus" is "CONTROLLER.PORT". */
extern const DeviceType ata_disk_type;

/* "ide-cd", a CD-ROM drive: without a "blockdev" there is no medium in it. */
extern const DeviceType ata_cdrom_type;

/* Their record in the registry. */
extern const DeviceOperations ata_drive_device_operations;

/* What is behind a drive whose record that is, for its statistics; NULL where there is nothing. */
BlockBackend *ata_drive_backend(void *device);

/* Of a CD-ROM drive. */
typedef struct {
	gboolean is_open;
	gboolean is_locked; /* by the guest */
} AtaTray;

/*
 * ata_drive_look_at_tray - how the tray of a drive is
 * @device: of a record in the registry
 *
 * With the device lock held. Return: FALSE where the drive has none.
 */
gboolean ata_drive_look_at_tray(void *device, AtaTray *tray);

/* What a disk whose record that is has its image by; NULL of a CD-ROM drive. */
DiskQueue *ata_drive_disk_queue(void *device);

/*
 * ata_drive_change_medium - put another medium into a CD-ROM drive
 * @context:   names the drive, and has the descriptors
 * @blockdev:  what the medium is; NULL: the tray is opened, and stays so
 * @may_force: a guest that has locked the tray is not asked
 *
 * On the main thread, with the device lock held.
 */
gboolean ata_drive_change_medium(const DeviceContext *context, JsonObject *blockdev,
				 gboolean may_force, GError **error);
