/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* chardev.h - character backends as a device's description has them, in its "chardev" */
#pragma once

#include "vmm/backend/char-log.h"
#include "vmm/backend/char.h"
#include "vmm/device/device-type.h"

/*
 * chardev_open - make the backend that @object describes
 * @log: NULL where it has no "logfile-fd"
 *
 * Takes the descriptors that it names. Return: FALSE with @error set, and nothing is made.
 */
gboolean chardev_open(const DeviceContext *context, JsonObject *object, CharBackend **backend,
		      CharLog **log, GError **error);
