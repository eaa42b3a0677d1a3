/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk-error.h - what a disk could not do, and what became of it: QMP's event BLOCK_IO_ERROR */
#pragma once

#include <glib.h>

typedef enum {
	DISK_ERROR_REPORT, /* the guest was told */
	DISK_ERROR_IGNORE, /* nobody was */
	DISK_ERROR_STOP,   /* the machine is to pause; then it is tried again when it goes on */
} DiskErrorAction;

typedef struct {
	const char *device; /* its id */
	gboolean is_read;
	DiskErrorAction action;
	int error; /* an errno */
} DiskError;
