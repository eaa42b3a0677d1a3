/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* virtio-port.c - consoles and ports on a virtio-serial device as they are described */
#include "vmm/virtio/virtio-port.h"

#include <glib/gi18n.h>
#include <string.h>

#include "vmm/device/chardev.h"
#include "vmm/virtio/pci.h"
#include "vmm/virtio/virtio-serial.h"

/* Where none is given: the first one that is free. */
#define NO_NUMBER G_MAXUINT64

/* Port 0 is the one that drivers without VIRTIO_CONSOLE_F_MULTIPORT have: a console. */
#define FIRST_PORT 1u

typedef struct {
	char *bus;
	guint64 nr;
	char *name;
	JsonObject *chardev;
} PortDescription;

static const JsonField fields[] = {
	{ .name = "bus",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(PortDescription, bus),
	  .is_required = TRUE },
	{ .name = "nr",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(PortDescription, nr),
	  .value = NO_NUMBER,
	  .maximum = VIRTIO_SERIAL_PORTS_MAX },
	{ .name = "name",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(PortDescription, name) },
	{ .name = "chardev",
	  .type = JSON_FIELD_OBJECT,
	  .offset = G_STRUCT_OFFSET(PortDescription, chardev),
	  .is_required = TRUE },
	{ .name = NULL },
};

/* What the registry has. */
typedef struct {
	VirtioSerial *serial;
	guint number;
	SerialPort *port;
} Place;

static void free_place(void *device)
{
	Place *place = device;

	virtio_serial_unplug(place->serial, place->number);
	serial_port_free(place->port);
	g_free(place);
}

const DeviceOperations virtio_port_device_operations = { .free = free_place };

gboolean virtio_port_is_guest_open(const void *device)
{
	const Place *place = device;

	return virtio_serial_is_guest_open(place->serial, place->number);
}

/* "ID.0". Return: the id, for g_free(), with @serial set; or NULL with @error set. */
static char *find_serial(const DeviceContext *context, const char *bus, VirtioSerial **serial,
			 GError **error)
{
	g_autofree char *id = g_str_has_suffix(bus, ".0") ? g_strndup(bus, strlen(bus) - 2) : NULL;
	g_autofree char *reason = NULL;

	*serial = id ? virtio_pci_find(context->surroundings->registry, id,
				       &virtio_serial_operations) :
		       NULL;
	if (*serial)
		return g_steal_pointer(&id);
	reason = g_strdup_printf(_("there is no virtio-serial bus '%s'"), bus);
	json_fields_refuse(error, context->owner, "bus", reason);
	return NULL;
}

static gboolean find_number(const DeviceContext *context, const PortDescription *description,
			    const VirtioSerial *serial, gboolean is_console, guint *number,
			    GError **error)
{
	const guint max = virtio_serial_max_ports(serial);

	if (description->nr != NO_NUMBER) {
		*number = (guint)description->nr;
	} else {
		*number = is_console ? 0 : FIRST_PORT;
		while (*number < max && virtio_serial_has_port(serial, *number))
			(*number)++;
	}
	if (*number >= max)
		return json_fields_refuse(error, context->owner, "nr",
					  _("the device has no such port: see its 'max_ports'"));
	if (virtio_serial_has_port(serial, *number))
		return json_fields_refuse(error, context->owner, "nr",
					  _("another port has this number"));
	if (*number < FIRST_PORT && !is_console)
		return json_fields_refuse(error, context->owner, "nr",
					  _("port 0 can only be a console"));
	return TRUE;
}

static gboolean check_name(const DeviceContext *context, const char *name, GError **error)
{
	if (!name || (name[0] && strlen(name) <= SERIAL_PORT_NAME_MAX))
		return TRUE;
	return json_fields_refuse(error, context->owner, "name",
				  _("it is empty, or longer than 255 bytes"));
}

static gboolean create(const DeviceContext *context, const PortDescription *description,
		       gboolean is_console, GError **error)
{
	Place place = { 0 };
	g_autofree char *parent = find_serial(context, description->bus, &place.serial, error);
	CharBackend *backend;
	CharLog *log;

	if (!parent || !check_name(context, description->name, error) ||
	    !find_number(context, description, place.serial, is_console, &place.number, error) ||
	    !chardev_open(context, description->chardev, &backend, &log, error))
		return FALSE;
	place.port = serial_port_new(context->id, description->name, is_console, backend, log);
	device_registry_add_child(context->surroundings->registry, parent, context->id,
				  &virtio_port_device_operations, g_memdup2(&place, sizeof(place)));
	virtio_serial_plug(place.serial, place.number, place.port);
	return TRUE;
}

static gboolean create_console(const DeviceContext *context, const void *description,
			       GError **error)
{
	return create(context, description, TRUE, error);
}

static gboolean create_port(const DeviceContext *context, const void *description, GError **error)
{
	return create(context, description, FALSE, error);
}

const DeviceType virtio_console_type = {
	.name = "virtconsole",
	.fields = fields,
	.description_size = sizeof(PortDescription),
	.create = create_console,
};

const DeviceType virtio_port_type = {
	.name = "virtserialport",
	.fields = fields,
	.description_size = sizeof(PortDescription),
	.create = create_port,
};
