/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-serial.h - consoles and ports for programs of the guest, on one device
 *
 * Virtual I/O Device (VIRTIO) 1.3, section 5.3.
 */
#pragma once

#include "vmm/device/surroundings.h"
#include "vmm/virtio/device.h"
#include "vmm/virtio/serial-port.h"

/* So that all queues, and those of control, are no more than a device may have. */
#define VIRTIO_SERIAL_PORTS_MAX	  (VIRTIO_DEVICE_QUEUES_MAX / 2 - 1)

#define VIRTIO_SERIAL_CONFIG_SIZE 12u

typedef struct VirtioSerial VirtioSerial;

extern const VirtioDeviceOperations virtio_serial_operations;

/* How many queues a device with so many ports has. */
guint virtio_serial_queues(guint max_ports);

/*
 * virtio_serial_new - make one without ports
 * @surroundings: as long as the device; port_changed() is told of ports that the guest opens
 */
VirtioSerial *virtio_serial_new(const DeviceSurroundings *surroundings, guint max_ports,
				GError **error);

/* The device is there: it has to be told before anything else. */
void virtio_serial_attach(VirtioSerial *serial, VirtioDevice *device);

guint virtio_serial_max_ports(const VirtioSerial *serial);

/* Whether a port has that number. */
gboolean virtio_serial_has_port(const VirtioSerial *serial, guint number);

/* Whether the guest has the port of that number open; any thread. */
gboolean virtio_serial_is_guest_open(const VirtioSerial *serial, guint number);

/*
 * virtio_serial_plug - add a port, and tell the guest
 * @number: below max_ports, and free
 * @port:   lent until virtio_serial_unplug()
 *
 * On the main thread with the device lock held, as the next one. Both wait for the I/O thread.
 */
void virtio_serial_plug(VirtioSerial *serial, guint number, SerialPort *port);
void virtio_serial_unplug(VirtioSerial *serial, guint number);
