/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-serial-pci.c - a device for ports as it is described */
#include "vmm/virtio/virtio-serial-pci.h"

#include "vmm/virtio/pci.h"
#include "vmm/virtio/virtio-serial.h"

#define SERIAL_CLASS	  0x078000
#define SERIAL_QUEUE_SIZE 64
#define PORTS_DEFAULT	  31

typedef struct {
	VirtioOptions options;
	guint64 max_ports;
} SerialDescription;

/*
 * A driver has all queues from the start, whether there are ports or not, and rings are what the
 * host sees: of this size, a split one is a page, and a packed one takes three.
 */
static const JsonField fields[] = {
	VIRTIO_OPTION_FIELDS_PACKED(SerialDescription, options, FALSE),
	{ .name = "max_ports",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(SerialDescription, max_ports),
	  .value = PORTS_DEFAULT,
	  .minimum = 1,
	  .maximum = VIRTIO_SERIAL_PORTS_MAX },
	{ .name = NULL },
};

static gboolean create(const DeviceContext *context, const void *opaque, GError **error)
{
	const SerialDescription *description = opaque;
	const guint max_ports = (guint)description->max_ports;
	VirtioDeviceConfig config = {
		.name = "virtio-serial",
		.device_id = VIRTIO_ID_CONSOLE,
		.class_code = SERIAL_CLASS,
		.n_queues = virtio_serial_queues(max_ports),
		.queue_size = SERIAL_QUEUE_SIZE,
		.config_size = VIRTIO_SERIAL_CONFIG_SIZE,
		.operations = &virtio_serial_operations,
	};
	VirtioSerial *serial = virtio_serial_new(context->surroundings, max_ports, error);
	VirtioDevice *device;

	if (!serial)
		return FALSE;
	config.opaque = serial;
	device = virtio_pci_new(context, &description->options, &config, error);
	if (!device) {
		virtio_serial_operations.free(serial);
		return FALSE;
	}
	virtio_serial_attach(serial, device);
	return TRUE;
}

const DeviceType virtio_serial_type = {
	.name = "virtio-serial-pci",
	.is_pci = TRUE,
	.fields = fields,
	.description_size = sizeof(SerialDescription),
	.create = create,
};
