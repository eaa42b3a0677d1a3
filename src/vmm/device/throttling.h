/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* throttling.h - a disk's limits, as they are described: the member "throttling", QEMU's names */
#pragma once

#include <json-glib/json-glib.h>

#include "vmm/backend/throttle.h"

/*
 * throttling_read - read limits with the names that QEMU's throttle groups have
 * @object: "iops-total", "bps-read-max-length" and so on; NULL: none
 *
 * Return: FALSE with @error set that names @owner.
 */
gboolean throttling_read(JsonObject *object, const char *owner, ThrottleConfig *config,
			 GError **error);

/* The same with the names of block_set_io_throttle: "iops", "bps_rd_max_length" and so on. */
gboolean throttling_read_command(JsonObject *arguments, char **id, ThrottleConfig *config,
				 GError **error);
