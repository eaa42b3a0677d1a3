/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * served-disk.h - disks of a domain that runs which QEMU's storage daemon serves come and go
 *
 * With the domain's job.
 */
#pragma once

#include <glib.h>

#include "driver/domain/domain.h"

/*
 * served_disk_attach - have one more disk served
 * @disk: what is behind its image is added to it
 *
 * Starts the storage daemon for the first of them.
 *
 * Return: a connection for the VMM, for close(), or -1 with an error that names the disk.
 */
int served_disk_attach(DomainVmm *vmm, DomainDisk *disk, GError **error);

/* A disk that the VMM has no more, or has not got. */
void served_disk_detach(DomainVmm *vmm, const DomainDisk *disk);

/* The storage daemon of an earlier daemon's; NULL where there is none. */
VmmStorage *served_disk_adopt(const Domain *domain, pid_t pid, guint64 start_time);
