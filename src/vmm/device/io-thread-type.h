/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* io-thread-type.h - I/O threads that are described, for devices to name */
#pragma once

#include "vmm/device/device-type.h"
#include "vmm/device/io-thread.h"

/* "iothread": devices that name its id are served by it. It comes before them. */
extern const DeviceType io_thread_type;

/*
 * io_thread_get - an I/O thread for a device
 * @name: of a new one
 *
 * A new one, or the one for late devices where the machine has that. Return: for io_thread_unref();
 * NULL with @error set.
 */
IoThread *io_thread_get(const DeviceContext *context, const char *name, GError **error);

/* Its record in the registry, whose device is the IoThread. */
extern const DeviceOperations io_thread_device_operations;
