/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* pci.h - virtio devices on PCI, without what was before virtio 1.0; see docs/virtio.md */
#pragma once

#include "vmm/device/device.h"
#include "vmm/virtio/device.h"

/*
 * virtio_pci_new - make a virtio device, and put it where @context says
 *
 * The device gets the I/O thread that @context has, or one of its own.
 *
 * Return: the device, which is the registry's from then on; or NULL with @error set, and
 * @config's opaque is still the caller's.
 */
VirtioDevice *virtio_pci_new(const DeviceContext *context, const VirtioDeviceConfig *config,
			     GError **error);
