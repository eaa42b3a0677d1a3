/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices.c - the types of devices that can be described, and what is made of descriptions */
#include "vmm/machine/devices.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <string.h>

#include "vmm/ata/ahci-pci.h"
#include "vmm/ata/drive-type.h"
#include "vmm/chipset/itco.h"
#include "vmm/chipset/pvpanic.h"
#include "vmm/chipset/vmcoreinfo.h"
#include "vmm/chipset/vmgenid.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/pci/pci-place.h"
#include "vmm/pci/pcie-root-port.h"
#include "vmm/virtio/virtio-balloon.h"
#include "vmm/virtio/virtio-blk-pci.h"
#include "vmm/virtio/virtio-input.h"
#include "vmm/virtio/virtio-net-pci.h"
#include "vmm/virtio/virtio-port.h"
#include "vmm/virtio/virtio-rng.h"
#include "vmm/virtio/virtio-serial-pci.h"
#include "vmm/watchdog/i6300esb.h"

#define ID_MAX 128

static const DeviceType *const types[] = {
	&ahci_pci_type,	      &ata_cdrom_type,	   &ata_disk_type,	 &i6300esb_type,
	&io_thread_type,      &itco_type,	   &pcie_root_port_type, &pvpanic_type,
	&virtio_balloon_type, &virtio_blk_type,	   &virtio_console_type, &virtio_keyboard_type,
	&virtio_mouse_type,   &virtio_net_type,	   &virtio_port_type,	 &virtio_rng_type,
	&virtio_serial_type,  &virtio_tablet_type, &vmcoreinfo_type,	 &vmgenid_type,
};

/* What every description has. */
typedef struct {
	char *driver;
	char *id;
} CommonDescription;

static const JsonField common_fields[] = {
	{ .name = "driver",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(CommonDescription, driver),
	  .is_required = TRUE },
	{ .name = "id",
	  .type = JSON_FIELD_STRING,
	  .offset = G_STRUCT_OFFSET(CommonDescription, id),
	  .is_required = TRUE },
	{ .name = NULL },
};

/* What one has besides that firmware can start something from. */
typedef struct {
	guint64 index;
} BootDescription;

/* Where none is given. */
#define NO_BOOT_INDEX G_MAXUINT64

static const JsonField boot_fields[] = {
	{ .name = "bootindex",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(BootDescription, index),
	  .value = NO_BOOT_INDEX,
	  .maximum = G_MAXINT32 },
	{ .name = NULL },
};

/* A description that has been read. */
typedef struct {
	const DeviceType *type;
	char *owner; /* for messages */
	CommonDescription common;
	PciPlace place; /* of a PCI device */
	BootDescription boot;
	void *of_type; /* of type->description_size */
	gsize n_sets;  /* that are to be cleared: 0 while nothing was read */
	JsonFieldSet sets[4];
} Description;

static void description_clear(Description *description)
{
	json_fields_clear(description->sets, description->n_sets);
	g_free(description->of_type);
	g_free(description->owner);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Description, description_clear)

static const char *get_text(JsonObject *object, const char *name)
{
	JsonNode *node = json_object_get_member(object, name);

	return node && JSON_NODE_HOLDS_VALUE(node) &&
			       json_node_get_value_type(node) == G_TYPE_STRING ?
		       json_node_get_string(node) :
		       NULL;
}

/* Who the members are of: by id, or by what it says to be where that cannot be one. */
static char *name_owner(JsonObject *object)
{
	const char *id = get_text(object, "id");
	const char *driver = get_text(object, "driver");

	if (id && json_fields_is_id(id, ID_MAX))
		return g_strdup_printf(_("device '%s'"), id);
	return driver ? g_strdup_printf(_("device of type '%s'"), driver) : g_strdup(_("device"));
}

static const DeviceType *find_type(JsonObject *object)
{
	const char *driver = get_text(object, "driver");

	for (gsize i = 0; driver && i < G_N_ELEMENTS(types); i++)
		if (strcmp(types[i]->name, driver) == 0)
			return types[i];
	return NULL;
}

static gboolean refuse_type(JsonObject *object, const char *owner, GError **error)
{
	g_autofree char *reason = NULL;

	if (!get_text(object, "driver"))
		return json_fields_refuse(error, owner, "driver", _("a string is wanted"));
	reason = g_strdup_printf(_("there is no type '%s'"), get_text(object, "driver"));
	return json_fields_refuse(error, owner, "driver", reason);
}

static gboolean read_sets(Description *description, JsonObject *object, GError **error)
{
	const DeviceType *type = description->type;
	gsize n_sets = 0;

	description->of_type = g_malloc0(type->description_size);
	description->sets[n_sets++] = (JsonFieldSet){ common_fields, &description->common };
	description->sets[n_sets++] = (JsonFieldSet){ type->fields, description->of_type };
	if (type->is_pci)
		description->sets[n_sets++] = (JsonFieldSet){ pci_place_fields,
							      &description->place };
	description->boot.index = NO_BOOT_INDEX;
	if (type->boot_name || type->find_boot_place)
		description->sets[n_sets++] = (JsonFieldSet){ boot_fields, &description->boot };
	if (!json_fields_read(object, description->owner, description->sets, n_sets, error))
		return FALSE;
	description->n_sets = n_sets;
	return TRUE;
}

/* @description: all zero, and where it was put stays; description_clear() ends it either way */
static gboolean read_description(Description *description, JsonObject *object, GError **error)
{
	description->owner = name_owner(object);
	description->type = find_type(object);
	if (!description->type)
		return refuse_type(object, description->owner, error);
	if (!read_sets(description, object, error))
		return FALSE;
	if (!json_fields_is_id(description->common.id, ID_MAX))
		return json_fields_refuse(
			error, description->owner, "id",
			_("letters, digits, '-', '.' and '_' are wanted, a letter "
			  "first"));
	return !description->type->is_pci ||
	       pci_place_check(&description->place, description->owner, error);
}

gboolean devices_check(JsonObject *object, GError **error)
{
	g_auto(Description) description = { 0 };

	return read_description(&description, object, error);
}

guint devices_count_late(const GPtrArray *descriptions)
{
	guint n = 0;

	for (guint i = 0; i < descriptions->len; i++) {
		const DeviceType *type = find_type(descriptions->pdata[i]);

		n += type && type->has_late_disks ? 1 : 0;
	}
	return n;
}

static DeviceContext make_context(const DeviceShop *shop, const Description *description)
{
	return (DeviceContext){
		.surroundings = shop->surroundings,
		.id = description->common.id,
		.owner = description->owner,
		.descriptors = shop->descriptors,
		.memory = shop->memory,
	};
}

/* What firmware calls a device; NULL with @error set where there is nothing that it is at. */
static char *find_boot_path(const Description *description, const DeviceContext *context,
			    GError **error)
{
	const DeviceType *type = description->type;
	BootPciPlace place = { context->slot, context->function };
	BootPciPlace bridge = { 0 };
	DeviceBootPlace at = { 0 };
	gboolean is_behind;

	if (!type->find_boot_place) {
		is_behind = pci_place_find_port(&description->place, context, &bridge.slot,
						&bridge.function);
		return boot_pci_path(is_behind ? &bridge : NULL, &place, type->boot_name,
				     type->boot_unit);
	}
	if (!type->find_boot_place(context, description->of_type, &at, error))
		return NULL;
	place = (BootPciPlace){ at.slot, at.function };
	return boot_pci_path(NULL, &place, at.name, at.unit);
}

static gboolean is_there(const char *id, void *opaque)
{
	return device_registry_has(opaque, id);
}

void devices_forget_gone(BootOrder *order, const DeviceRegistry *registry)
{
	boot_order_keep(order, is_there, (void *)registry);
}

/* Before the device is made: that two have the same index is to be known by then. */
static gboolean add_to_boot_order(const DeviceShop *shop, const Description *description,
				  const DeviceContext *context, GError **error)
{
	g_autofree char *path = find_boot_path(description, context, error);

	if (!path)
		return FALSE;
	return boot_order_add(shop->boot_order, context->id, description->boot.index, path) ||
	       json_fields_refuse(error, description->owner, "bootindex",
				  _("another device has this number"));
}

static gboolean check_hot(const DeviceContext *context, GError **error)
{
	g_autofree char *reason = NULL;

	if (context->is_behind_port)
		return TRUE;
	reason = g_strdup_printf(_("bus '%s' takes no device while the guest runs"),
				 context->bus_name);
	return json_fields_refuse(error, context->owner, "bus", reason);
}

static gboolean create(const DeviceShop *shop, const Description *description, gboolean is_hot,
		       GError **error)
{
	const DeviceType *type = description->type;
	DeviceContext context = make_context(shop, description);

	if (is_hot && type->is_cold_only)
		return json_fields_refuse(error, context.owner, "driver",
					  _("such a device does not come while the guest runs"));
	if (device_registry_has(shop->surroundings->registry, context.id))
		return json_fields_refuse(error, context.owner, "id",
					  _("another device is called so"));
	if (type->is_pci && (!pci_place_find(&description->place, &context, error) ||
			     (is_hot && !check_hot(&context, error))))
		return FALSE;
	if (shop->boot_order)
		devices_forget_gone(shop->boot_order, shop->surroundings->registry);
	if (shop->boot_order && description->boot.index != NO_BOOT_INDEX &&
	    !add_to_boot_order(shop, description, &context, error))
		return FALSE;
	if (!type->create(&context, description->of_type, error))
		return FALSE;
	device_registry_set_type(shop->surroundings->registry, context.id, type->name);
	if (type->is_pci)
		pci_place_settle(&context, is_hot);
	return TRUE;
}

static gboolean create_cold(const DeviceShop *shop, const Description *description, GError **error)
{
	return create(shop, description, FALSE, error);
}

static gboolean check_seen(const DeviceShop *shop, const Description *description, GError **error)
{
	DeviceContext context = make_context(shop, description);

	return !description->type->is_pci ||
	       pci_place_check_seen(&description->place, &context, error);
}

gboolean devices_create(const DeviceShop *shop, JsonObject *object, gboolean is_hot, GError **error)
{
	g_auto(Description) description = { 0 };

	return read_description(&description, object, error) &&
	       check_seen(shop, &description, error) && create(shop, &description, is_hot, error);
}

static gboolean for_each(const DeviceShop *shop, const GPtrArray *descriptions,
			 gboolean (*function)(const DeviceShop *shop,
					      const Description *description, GError **error),
			 GError **error)
{
	for (guint i = 0; i < descriptions->len; i++) {
		g_auto(Description) description = { 0 };

		if (!read_description(&description, g_ptr_array_index(descriptions, i), error) ||
		    !function(shop, &description, error))
			return FALSE;
	}
	return TRUE;
}

gboolean devices_create_all(const DeviceShop *shop, const GPtrArray *descriptions, GError **error)
{
	return for_each(shop, descriptions, create_cold, error) &&
	       for_each(shop, descriptions, check_seen, error);
}

gboolean devices_change_medium(const DeviceShop *shop, const char *id, JsonObject *blockdev,
			       gboolean may_force, GError **error)
{
	g_autofree char *owner = g_strdup_printf(_("device '%s'"), id);
	const DeviceContext context = {
		.surroundings = shop->surroundings,
		.id = id,
		.owner = owner,
		.descriptors = shop->descriptors,
		.memory = shop->memory,
	};

	return ata_drive_change_medium(&context, blockdev, may_force, error);
}
