/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-size.h - how large a disk's image may become, and is made, while its domain runs */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/*
 * disk_size_allow - let a VMM write files of that size
 *
 * It may write none that are larger than those it was started with: see vmm-launch.c.
 */
gboolean disk_size_allow(const DomainVmm *vmm, const char *target, guint64 size, GError **error);

/*
 * disk_size_change - make a disk larger, or have the guest see how large its device is
 * @name: the disk's target or source
 * @size: bytes
 * @is_as_it_is: whatever size its image has, instead of @size
 *
 * With the job, without the lock. A file gets the size. A block device has to have it already.
 *
 * Return: FALSE with an error that names the disk.
 */
gboolean disk_size_change(DomainVmm *vmm, const char *name, guint64 size, gboolean is_as_it_is,
			  GError **error);
