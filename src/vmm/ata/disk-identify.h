/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-identify.h - what a hard disk says of itself: ACS-3, section 7.12, IDENTIFY DEVICE */
#pragma once

#include <glib.h>

#define DISK_IDENTITY_SIZE 512u

/* Blocks of ranges that one command to trim takes. */
#define DISK_TRIM_BLOCKS 8u

typedef struct {
	char *serial;
	char *model;
	guint64 wwn;	/* or 0 */
	guint64 blocks; /* of 512 bytes */
	guint32 physical_block_size;
	gboolean can_trim;
	gboolean has_write_cache; /* as these are now */
	gboolean has_smart;
	guint multiple;
} DiskIdentity;

void disk_identify(const DiskIdentity *identity, guint8 words[DISK_IDENTITY_SIZE]);
