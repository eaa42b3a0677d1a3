/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pci.h - virtio devices on PCI, without what was before virtio 1.0
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 4.1. docs/virtio.md explains threads and locks.
 */
#pragma once

#include "vmm/device/device-type.h"
#include "vmm/virtio/device.h"

/* What every virtio device may be told by its description. */
typedef struct {
	char *iothread; /* id of the I/O thread that serves it; NULL: one of its own */
	gboolean iommu_platform;
	gboolean packed;
} VirtioOptions;

/* Rows of a device's table of members; @member of @description is the VirtioOptions. */
#define VIRTIO_OPTION_FIELDS(description, member) \
	VIRTIO_OPTION_FIELDS_PACKED(description, member, TRUE)

/* The same, and whether packed rings are offered where nothing is said. */
#define VIRTIO_OPTION_FIELDS_PACKED(description, member, is_packed)                         \
	{ .name = "iothread",                                                               \
	  .type = JSON_FIELD_STRING,                                                        \
	  .offset = G_STRUCT_OFFSET(description, member.iothread) },                        \
		{ .name = "iommu_platform",                                                 \
		  .type = JSON_FIELD_BOOL,                                                  \
		  .offset = G_STRUCT_OFFSET(description, member.iommu_platform) },          \
	{                                                                                   \
		.name = "packed", .type = JSON_FIELD_BOOL,                                  \
		.offset = G_STRUCT_OFFSET(description, member.packed), .value = (is_packed) \
	}

/*
 * virtio_pci_new - make a virtio device, and put it where @context says
 *
 * With the device lock held. Return: the device, which is the registry's from then on, and
 * @config's opaque with it; or NULL with @error set, and @config's opaque is still the caller's.
 */
VirtioDevice *virtio_pci_new(const DeviceContext *context, const VirtioOptions *options,
			     const VirtioDeviceConfig *config, GError **error);

/* Its record in the registry. */
extern const DeviceOperations virtio_pci_device_operations;

/*
 * virtio_pci_find - a device by its id
 * @operations: those that it was made with
 *
 * With the device lock held, or on the main thread.
 *
 * Return: the opaque of its operations; NULL where there is no device, or another one.
 */
void *virtio_pci_find(const DeviceRegistry *registry, const char *id,
		      const VirtioDeviceOperations *operations);
