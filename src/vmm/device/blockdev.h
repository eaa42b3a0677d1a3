/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* blockdev.h - what is behind a disk, as it is described: the member "blockdev", QEMU's names */
#pragma once

#include "vmm/backend/block.h"
#include "vmm/device/device-type.h"

/*
 * blockdev_open - make a disk's backend
 * @object:    the member, from whose names descriptors are taken
 * @is_shared: others may write to the image, too
 *
 * On the main thread. Return: a backend that no I/O thread has yet, or NULL with @error set.
 */
BlockBackend *blockdev_open(const DeviceContext *context, JsonObject *object, gboolean is_shared,
			    GError **error);

/* What a disk does about errors: numbers of disk_read_policies and disk_write_policies. */
DiskErrorHandler blockdev_errors(const DeviceContext *context, guint read_policy,
				 guint write_policy);
