/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.h - a hard disk
 *
 * ATA/ATAPI Command Set 3 (ACS-3): general feature set, 48-bit addresses, native command queuing,
 * write cache, power management, TRIM, and of SMART what says that the disk is well. Blocks are of
 * 512 bytes; addresses are LBAs. How many there are, the image says: a guest that looks again finds
 * one that has become larger.
 */
#pragma once

#include "vmm/ata/ata.h"

#define ATA_SERIAL_SIZE 20u
#define ATA_MODEL_SIZE	40u

typedef struct {
	const char *serial; /* what is too long is cut */
	const char *model;
	guint64 wwn;		     /* 0: none */
	guint32 physical_block_size; /* 0: as the backend has it */
	gboolean has_write_cache;    /* at first; the guest may turn it on and off */
	DiskQueue *queue;	     /* taken; has a backend */
} AtaDiskConfig;

/* Return: for a port. */
AtaDrive *ata_disk_new(const AtaDiskConfig *config);
