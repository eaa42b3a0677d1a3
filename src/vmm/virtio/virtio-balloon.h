/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-balloon.h - memory that the guest gives back to the host, and what it says of the rest
 *
 * What follows is called on the main thread; it waits for a turn of the I/O thread at most.
 */
#pragma once

#include "vmm/device/device-type.h"
#include "vmm/virtio/device.h"

/* Of each VIRTIO_BALLOON_S_*: its name with QEMU, such as "stat-free-memory". */
#define VIRTIO_BALLOON_STATISTICS 10u

typedef struct VirtioBalloon VirtioBalloon;

typedef struct {
	gint64 updated; /* seconds since the epoch; 0: the guest has said nothing yet */
	gboolean is_known[VIRTIO_BALLOON_STATISTICS];
	guint64 values[VIRTIO_BALLOON_STATISTICS]; /* bytes, or how often */
} VirtioBalloonStatistics;

/* Return: the machine's, or NULL; with the device lock held, or on the main thread. */
VirtioBalloon *virtio_balloon_find(const DeviceRegistry *registry);

const char *virtio_balloon_statistic_name(guint index);

/* Asks the guest to have so many bytes of its RAM: it may take its time, or not do it at all. */
void virtio_balloon_set_target(VirtioBalloon *balloon, guint64 bytes);

/* How many bytes the guest says that it has. */
guint64 virtio_balloon_actual(VirtioBalloon *balloon);

void virtio_balloon_get_statistics(VirtioBalloon *balloon, VirtioBalloonStatistics *statistics);

/* Every so many seconds the guest is asked for statistics; 0: never. */
void virtio_balloon_set_polling(VirtioBalloon *balloon, guint seconds);

extern const VirtioDeviceOperations virtio_balloon_operations;
extern const DeviceType virtio_balloon_type;
