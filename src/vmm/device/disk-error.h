/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk-error.h - what a disk could not do, and what becomes of it: QMP's event BLOCK_IO_ERROR
 *
 * What a backend cannot do is the guest's error, or nobody's, or the machine stops, as the disk's
 * policy says. What the machine has stopped with waits until it goes on, and is then done again.
 */
#pragma once

#include <glib.h>

#include "vmm/backend/block.h"

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

/* What is done about an error of the backend. */
typedef enum {
	DISK_POLICY_REPORT,
	DISK_POLICY_IGNORE,
	DISK_POLICY_STOP,
	DISK_POLICY_ENOSPC, /* stop where there is no room, else report; of writes alone */
} DiskErrorPolicy;

/* Their names in descriptions, in that order. */
extern const char *const disk_read_policies[];
extern const char *const disk_write_policies[];

/* What a disk says to this. */
typedef struct {
	const char *id; /* of the disk */
	DiskErrorPolicy read_policy;
	DiskErrorPolicy write_policy;
	/* On the I/O thread; or NULL. With DISK_ERROR_STOP the machine is to pause soon. */
	void (*failed)(void *opaque, const DiskError *error);
	void *opaque;
} DiskErrorHandler;

/* Decides on a request that has failed, and tells whoever is to know. Return: what was decided. */
DiskErrorAction disk_error_handle(const DiskErrorHandler *handler, const BlockRequest *request,
				  int error);
