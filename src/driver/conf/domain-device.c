/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domain-device.c - a device that stands on its own: what is attached, detached and updated */
#include "driver/conf/domain-device.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-private.h"
#include "driver/conf/pci.h"
#include "driver/error.h"

static const char *const kind_names[] = {
	[DOMAIN_DEVICE_DISK] = "disk",
	[DOMAIN_DEVICE_INTERFACE] = "interface",
	[DOMAIN_DEVICE_RNG] = "rng",
	[DOMAIN_DEVICE_CHANNEL] = "channel",
	[DOMAIN_DEVICE_CONSOLE] = "console",
	[DOMAIN_DEVICE_INPUT] = "input",
	[DOMAIN_DEVICE_WATCHDOG] = "watchdog",
	[DOMAIN_DEVICE_MEMBALLOON] = "memballoon",
	[DOMAIN_DEVICE_SERIAL] = "serial",
	[DOMAIN_DEVICE_PANIC] = "panic",
	[DOMAIN_DEVICE_CONTROLLER] = "controller",
};

/* What libvirt knows besides. */
static const char *const other_names[] = {
	"audio", "crypto", "filesystem", "graphics", "hostdev",	 "hub",	  "iommu",
	"lease", "memory", "nvram",	 "parallel", "redirdev", "shmem", "smartcard",
	"sound", "tpm",	   "video",	 "vsock",    NULL,
};

static gboolean is_part(DomainDeviceKind kind)
{
	return kind >= DOMAIN_DEVICE_MEMBALLOON;
}

const char *domain_device_name(const DomainDevice *device)
{
	return kind_names[device->kind];
}

void domain_device_free(DomainDevice *device)
{
	if (!device)
		return;
	switch (device->kind) {
	case DOMAIN_DEVICE_DISK:
		domain_disk_free(device->disk);
		break;
	case DOMAIN_DEVICE_INTERFACE:
		domain_interface_free(device->interface);
		break;
	case DOMAIN_DEVICE_RNG:
		domain_rng_free(device->rng);
		break;
	case DOMAIN_DEVICE_CHANNEL:
	case DOMAIN_DEVICE_CONSOLE:
		domain_port_free(device->port);
		break;
	case DOMAIN_DEVICE_INPUT:
		domain_input_free(device->input);
		break;
	case DOMAIN_DEVICE_WATCHDOG:
		domain_watchdog_free(device->watchdog);
		break;
	default:
		domain_def_free(device->part);
		break;
	}
	g_free(device);
}

/* The console of a serial port is a part of that. */
static gboolean check_console(XmlWalk *walk, GError **error)
{
	return domain_is_virtio_console(walk, walk->root) ||
	       driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("device 'console' can be attached and detached where its target has "
			      "the type 'virtio'"));
}

static gboolean find_kind(XmlWalk *walk, DomainDeviceKind *kind, GError **error)
{
	const char *name = (const char *)walk->root->name;

	for (gsize i = 0; i < G_N_ELEMENTS(kind_names) && !walk->root->ns; i++) {
		if (strcmp(kind_names[i], name) != 0)
			continue;
		*kind = (DomainDeviceKind)i;
		return *kind != DOMAIN_DEVICE_CONSOLE || check_console(walk, error);
	}
	if (!walk->root->ns && g_strv_contains(other_names, name))
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("device '%s' cannot be attached, detached or updated"), name);
	return driver_error(error, VIR_ERR_XML_ERROR, _("the root element is '%s', not a device"),
			    xml_walk_quote(walk, name));
}

static DomainDef *parse_part(XmlWalk *walk, DomainDeviceKind kind, DomainParseFlags flags)
{
	DomainDef *part = domain_def_new();

	if (kind == DOMAIN_DEVICE_MEMBALLOON)
		domain_parse_one_memballoon(walk, walk->root, flags, part);
	else if (kind == DOMAIN_DEVICE_SERIAL)
		domain_parse_one_serial(walk, walk->root, flags, part);
	else if (kind == DOMAIN_DEVICE_PANIC)
		domain_parse_one_panic(walk, walk->root, flags, part);
	else
		domain_parse_one_controller(walk, walk->root, flags, part);
	return part;
}

static DomainDevice *parse_kind(XmlWalk *walk, DomainDeviceKind kind, DomainParseFlags flags)
{
	DomainDevice *device = g_new0(DomainDevice, 1);

	device->kind = kind;
	switch (kind) {
	case DOMAIN_DEVICE_DISK:
		device->disk = domain_parse_disk(walk, walk->root, flags);
		break;
	case DOMAIN_DEVICE_INTERFACE:
		device->interface = domain_parse_interface(walk, walk->root, flags);
		break;
	case DOMAIN_DEVICE_RNG:
		device->rng = domain_parse_rng(walk, walk->root, flags);
		break;
	case DOMAIN_DEVICE_CHANNEL:
	case DOMAIN_DEVICE_CONSOLE:
		device->port = domain_parse_port(walk, walk->root, kind == DOMAIN_DEVICE_CONSOLE,
						 flags);
		break;
	case DOMAIN_DEVICE_INPUT:
		device->input = domain_parse_input(walk, walk->root, flags);
		break;
	case DOMAIN_DEVICE_WATCHDOG:
		device->watchdog = domain_parse_watchdog(walk, walk->root, flags);
		break;
	default:
		device->part = parse_part(walk, kind, flags);
		break;
	}
	return device;
}

DomainDevice *domain_device_parse(const char *xml, DomainParseFlags flags, GError **error)
{
	const gsize length = strnlen(xml, DOMAIN_XML_MAX_BYTES + 1);
	g_autoptr(DomainDevice) device = NULL;
	g_autoptr(xmlDoc) document = NULL;
	g_auto(DomainTurn) turn = { 0 };
	g_auto(XmlWalk) walk = { 0 };
	DomainDeviceKind kind = DOMAIN_DEVICE_DISK;

	if (!domain_turn_take(&turn, length, FALSE, error))
		return NULL;
	document = xml_document_read(xml, "device_definition", DOMAIN_XML_MAX_BYTES, error);
	if (!document)
		return NULL;
	xml_walk_init(&walk, xmlDocGetRootElement(document));
	if (!find_kind(&walk, &kind, error))
		return NULL;
	device = parse_kind(&walk, kind, flags);
	return xml_walk_finish(&walk, error) ? g_steal_pointer(&device) : NULL;
}

/* Return: the place in the array, or -1. */
static int find_target(const DomainDef *def, const char *target)
{
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (strcmp(disk->target, target) == 0)
			return (int)i;
	}
	return -1;
}

static int find_disk(const DomainDef *def, const DomainDisk *wanted, GError **error)
{
	const int index = find_target(def, wanted->target);

	if (index < 0)
		driver_error(error, VIR_ERR_DEVICE_MISSING, _("no disk has the target '%s'"),
			     wanted->target);
	return index;
}

static int find_interface(const DomainDef *def, const DomainInterface *wanted, GError **error)
{
	char mac[DOMAIN_MAC_STRING_SIZE];
	int index = -1;

	domain_mac_format(wanted->mac, mac);
	for (guint i = 0; i < def->interfaces->len; i++) {
		const DomainInterface *interface = def->interfaces->pdata[i];

		if (memcmp(interface->mac, wanted->mac, DOMAIN_MAC_SIZE) != 0 ||
		    !domain_device_info_may_be(&interface->info, &wanted->info))
			continue;
		if (index >= 0) {
			driver_error(error, VIR_ERR_OPERATION_FAILED,
				     _("several interfaces have the MAC address '%s': say which by "
				       "its address"),
				     mac);
			return -1;
		}
		index = (int)i;
	}
	if (index < 0)
		driver_error(error, VIR_ERR_DEVICE_MISSING,
			     _("no interface has the MAC address '%s'"), mac);
	return index;
}

static gboolean is_same_rng(const DomainRng *a, const DomainRng *b)
{
	return a->backend == b->backend && g_strcmp0(a->path, b->path) == 0 &&
	       a->rate_bytes == b->rate_bytes && a->rate_period == b->rate_period;
}

static int find_none(DomainDeviceKind kind, GError **error)
{
	driver_error(error, VIR_ERR_DEVICE_MISSING, _("no device '%s' is as the document says"),
		     kind_names[kind]);
	return -1;
}

static int find_rng(const DomainDef *def, const DomainRng *wanted, GError **error)
{
	for (guint i = 0; i < def->rngs->len; i++) {
		const DomainRng *rng = def->rngs->pdata[i];

		if (is_same_rng(rng, wanted) &&
		    domain_device_info_may_be(&rng->info, &wanted->info))
			return (int)i;
	}
	return find_none(DOMAIN_DEVICE_RNG, error);
}

/* Port 0 of a channel asks for one that is free, and is no place. */
static gboolean is_elsewhere(const DomainPort *port, const DomainPort *wanted)
{
	return wanted->has_place &&
	       (wanted->controller != port->controller ||
		(wanted->port != port->port && (wanted->is_console || wanted->port != 0)));
}

static gboolean is_port(const DomainPort *port, const DomainPort *wanted)
{
	if ((wanted->alias && g_strcmp0(wanted->alias, port->alias) != 0) ||
	    wanted->chardev.type != port->chardev.type || is_elsewhere(port, wanted))
		return FALSE;
	if (wanted->is_console)
		return wanted->number == DOMAIN_PCI_UNASSIGNED || wanted->number == port->number;
	return g_strcmp0(wanted->name, port->name) == 0;
}

static int find_port(const GPtrArray *ports, const DomainPort *wanted, DomainDeviceKind kind,
		     GError **error)
{
	int index = -1;

	for (guint i = 0; i < ports->len; i++) {
		if (!is_port(ports->pdata[i], wanted))
			continue;
		if (index >= 0) {
			driver_error(error, VIR_ERR_OPERATION_FAILED,
				     _("several devices '%s' are as the document says: say which "
				       "by its address"),
				     kind_names[kind]);
			return -1;
		}
		index = (int)i;
	}
	return index < 0 ? find_none(kind, error) : index;
}

static int find_input(const DomainDef *def, const DomainInput *wanted, GError **error)
{
	for (guint i = 0; i < def->inputs->len; i++) {
		const DomainInput *input = def->inputs->pdata[i];

		if (input->type == wanted->type && input->bus == wanted->bus &&
		    domain_device_info_may_be(&input->info, &wanted->info))
			return (int)i;
	}
	return find_none(DOMAIN_DEVICE_INPUT, error);
}

static int find_watchdog(const DomainDef *def, const DomainWatchdog *wanted, GError **error)
{
	for (guint i = 0; i < def->watchdogs->len; i++) {
		const DomainWatchdog *watchdog = def->watchdogs->pdata[i];

		if (watchdog->model == wanted->model && watchdog->action == wanted->action &&
		    domain_device_info_may_be(&watchdog->info, &wanted->info))
			return (int)i;
	}
	return find_none(DOMAIN_DEVICE_WATCHDOG, error);
}

/* The devices of a kind that is no part. */
static GPtrArray *array_of(const DomainDef *def, DomainDeviceKind kind)
{
	switch (kind) {
	case DOMAIN_DEVICE_DISK:
		return def->disks;
	case DOMAIN_DEVICE_INTERFACE:
		return def->interfaces;
	case DOMAIN_DEVICE_CHANNEL:
		return def->channels;
	case DOMAIN_DEVICE_CONSOLE:
		return def->consoles;
	case DOMAIN_DEVICE_INPUT:
		return def->inputs;
	case DOMAIN_DEVICE_WATCHDOG:
		return def->watchdogs;
	default:
		return def->rngs;
	}
}

/* Return: the place in the array of its kind, or -1 with @error set. */
static int find_device(const DomainDef *def, const DomainDevice *device, GError **error)
{
	switch (device->kind) {
	case DOMAIN_DEVICE_DISK:
		return find_disk(def, device->disk, error);
	case DOMAIN_DEVICE_INTERFACE:
		return find_interface(def, device->interface, error);
	case DOMAIN_DEVICE_CHANNEL:
	case DOMAIN_DEVICE_CONSOLE:
		return find_port(array_of(def, device->kind), device->port, device->kind, error);
	case DOMAIN_DEVICE_INPUT:
		return find_input(def, device->input, error);
	case DOMAIN_DEVICE_WATCHDOG:
		return find_watchdog(def, device->watchdog, error);
	default:
		return find_rng(def, device->rng, error);
	}
}

/* A copy for the array of its kind. */
static gpointer copy_device(const DomainDevice *device)
{
	switch (device->kind) {
	case DOMAIN_DEVICE_DISK:
		return domain_disk_copy(device->disk);
	case DOMAIN_DEVICE_INTERFACE:
		return domain_interface_copy(device->interface);
	case DOMAIN_DEVICE_CHANNEL:
	case DOMAIN_DEVICE_CONSOLE:
		return domain_port_copy(device->port);
	case DOMAIN_DEVICE_INPUT:
		return domain_input_copy(device->input);
	case DOMAIN_DEVICE_WATCHDOG:
		return domain_watchdog_copy(device->watchdog);
	default:
		return domain_rng_copy(device->rng);
	}
}

static DomainDeviceInfo *info_of(DomainDeviceKind kind, gpointer data)
{
	switch (kind) {
	case DOMAIN_DEVICE_DISK:
		return &((DomainDisk *)data)->info;
	case DOMAIN_DEVICE_INTERFACE:
		return &((DomainInterface *)data)->info;
	case DOMAIN_DEVICE_INPUT:
		return &((DomainInput *)data)->info;
	case DOMAIN_DEVICE_WATCHDOG:
		return &((DomainWatchdog *)data)->info;
	default:
		return &((DomainRng *)data)->info;
	}
}

static gboolean has_info(DomainDeviceKind kind)
{
	return kind != DOMAIN_DEVICE_CHANNEL && kind != DOMAIN_DEVICE_CONSOLE && !is_part(kind);
}

static const char *alias_of(DomainDeviceKind kind, gpointer data)
{
	return has_info(kind) ? info_of(kind, data)->alias : ((DomainPort *)data)->alias;
}

static gboolean attach_part(DomainDef *def, const DomainDevice *device, GError **error)
{
	switch (device->kind) {
	case DOMAIN_DEVICE_MEMBALLOON:
		return domain_attach_memballoon(def, device->part, error);
	case DOMAIN_DEVICE_SERIAL:
		return domain_attach_serial(def, device->part, error);
	case DOMAIN_DEVICE_PANIC:
		return domain_attach_panic(def, device->part, error);
	default:
		return domain_attach_controller(def, device->part, error);
	}
}

static gboolean detach_part(DomainDef *def, DomainDeviceKind kind, const DomainDef *part,
			    GError **error)
{
	switch (kind) {
	case DOMAIN_DEVICE_MEMBALLOON:
		return domain_detach_memballoon(def, part, error);
	case DOMAIN_DEVICE_SERIAL:
		return domain_detach_serial(def, part, error);
	case DOMAIN_DEVICE_PANIC:
		return domain_detach_panic(def, part, error);
	default:
		return domain_detach_controller(def, part, error);
	}
}

/* The chipset's, which each domain has. */
static gboolean is_itco(const DomainDevice *device)
{
	return device->kind == DOMAIN_DEVICE_WATCHDOG &&
	       device->watchdog->model == DOMAIN_WATCHDOG_ITCO;
}

gboolean domain_def_attach(DomainDef *def, const DomainDevice *device, GError **error)
{
	if (is_part(device->kind))
		return attach_part(def, device, error);
	if (device->kind == DOMAIN_DEVICE_DISK && find_target(def, device->disk->target) >= 0)
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("a disk has the target '%s' already"), device->disk->target);
	if (is_itco(device))
		return driver_error(error, VIR_ERR_OPERATION_INVALID,
				    _("domain already has a watchdog of model 'itco'"));
	g_ptr_array_add(array_of(def, device->kind), copy_device(device));
	domain_number_consoles(def);
	return TRUE;
}

gboolean domain_def_detach(DomainDef *def, const DomainDevice *device, GError **error)
{
	int index;

	if (is_part(device->kind))
		return detach_part(def, device->kind, device->part, error);
	index = find_device(def, device, error);
	if (index < 0)
		return FALSE;
	/* It would come again, as it is added where there is none. */
	if (is_itco(device))
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("the watchdog of model 'itco' is in the chipset, and stays"));
	g_ptr_array_remove_index(array_of(def, device->kind), (guint)index);
	return TRUE;
}

/* What is in the chipset is no device of the VMM's by that name, and stays. */
static gboolean is_in_chipset(DomainDeviceKind kind, gconstpointer data)
{
	if (kind == DOMAIN_DEVICE_WATCHDOG)
		return ((const DomainWatchdog *)data)->model == DOMAIN_WATCHDOG_ITCO;
	return kind == DOMAIN_DEVICE_INPUT && ((const DomainInput *)data)->bus == DOMAIN_INPUT_PS2;
}

/*
 * Return: the array that has the device, and its place there; NULL where none that can come and go
 * has the alias.
 */
static GPtrArray *find_alias(const DomainDef *def, const char *alias, guint *index)
{
	for (guint i = 0; !is_part((DomainDeviceKind)i); i++) {
		const DomainDeviceKind kind = (DomainDeviceKind)i;
		GPtrArray *devices = array_of(def, kind);

		for (*index = 0; *index < devices->len; (*index)++) {
			const gpointer data = devices->pdata[*index];

			if (g_strcmp0(alias_of(kind, data), alias) == 0 &&
			    !is_in_chipset(kind, data))
				return devices;
		}
	}
	return NULL;
}

static gboolean check_can_move(const DomainDevice *device, GError **error)
{
	if (is_part(device->kind))
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("device '%s' cannot be attached or detached while the domain "
				      "runs: its definition can be changed (config)"),
				    domain_device_name(device));
	if (is_itco(device))
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("the watchdog of model 'itco' is in the chipset, and stays"));
	return !is_in_chipset(device->kind, device->input) ||
	       driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("an input on bus 'ps2' cannot be attached or detached while the "
			      "domain runs: it is in the chipset"));
}

gboolean domain_def_has_alias(const DomainDef *def, const char *alias)
{
	guint index;

	return find_alias(def, alias, &index) != NULL;
}

/* One with the device that has an alias. Return: for domain_def_free(), or NULL */
static DomainDef *find_part(const DomainDef *def, const char *alias, DomainDeviceKind *kind)
{
	g_autoptr(DomainDef) part = domain_def_new();

	if (def->memballoon && g_strcmp0(def->memballoon->info.alias, alias) == 0) {
		*kind = DOMAIN_DEVICE_MEMBALLOON;
		part->memballoon = domain_memballoon_copy(def->memballoon);
		return g_steal_pointer(&part);
	}
	if (def->panic && g_strcmp0(def->panic->alias, alias) == 0) {
		*kind = DOMAIN_DEVICE_PANIC;
		part->panic = domain_panic_copy(def->panic);
		return g_steal_pointer(&part);
	}
	*kind = DOMAIN_DEVICE_CONTROLLER;
	for (guint i = 0; i < def->virtio_serials->len; i++) {
		const DomainVirtioSerial *controller = def->virtio_serials->pdata[i];

		if (g_strcmp0(controller->info.alias, alias) != 0)
			continue;
		g_ptr_array_add(part->virtio_serials, domain_virtio_serial_copy(controller));
		return g_steal_pointer(&part);
	}
	return NULL;
}

gboolean domain_def_detach_alias(DomainDef *def, const char *alias, GError **error)
{
	guint index;
	GPtrArray *devices = find_alias(def, alias, &index);
	DomainDeviceKind kind = DOMAIN_DEVICE_CONTROLLER;
	g_autoptr(DomainDef) part = devices ? NULL : find_part(def, alias, &kind);

	if (part)
		return detach_part(def, kind, part, error);
	if (!devices)
		return driver_error(error, VIR_ERR_DEVICE_MISSING,
				    _("no device has the alias '%s'"), alias);
	g_ptr_array_remove_index(devices, index);
	return TRUE;
}

static gboolean find_root_port(DomainDef *def, GError **error)
{
	const guint n_ports = def->pci_controllers->len;

	if (!domain_pci_complete(def, error))
		return FALSE;
	return def->pci_controllers->len == n_ports ||
	       driver_error(error, VIR_ERR_INTERNAL_ERROR,
			    _("no root port is free for the device: define the domain with more "
			      "elements 'controller' of the model 'pcie-root-port'"));
}

static gboolean find_serial_port(DomainDef *def, DomainPort *port, GError **error)
{
	const guint n_controllers = def->virtio_serials->len;

	port->state = port->is_console ? DOMAIN_CHANNEL_UNKNOWN : DOMAIN_CHANNEL_DISCONNECTED;
	if (!domain_virtio_serial_complete(def, error))
		return FALSE;
	return def->virtio_serials->len == n_controllers ||
	       driver_error(error, VIR_ERR_INTERNAL_ERROR,
			    _("no port of a virtio-serial controller is free for the device: "
			      "define the domain with an element 'controller' of the type "
			      "'virtio-serial' more"));
}

DomainDef *domain_def_attach_live(const DomainDef *live, const DomainDevice *device, GError **error)
{
	g_autoptr(DomainDef) def = domain_def_copy(live);
	const GPtrArray *devices;

	if (!check_can_move(device, error) || !domain_def_attach(def, device, error))
		return NULL;
	devices = array_of(def, device->kind);
	if (has_info(device->kind) ?
		    !find_root_port(def, error) :
		    !find_serial_port(def, devices->pdata[devices->len - 1], error))
		return NULL;
	domain_assign_aliases(def);
	return domain_def_validate(def, error) ? g_steal_pointer(&def) : NULL;
}

const char *domain_def_find_alias(const DomainDef *def, const DomainDevice *device, GError **error)
{
	const int index = check_can_move(device, error) ? find_device(def, device, error) : -1;

	return index < 0 ? NULL : alias_of(device->kind, array_of(def, device->kind)->pdata[index]);
}

static void keep_unit(DomainDisk *updated, const DomainDisk *previous)
{
	if (updated->bus != previous->bus || updated->has_unit)
		return;
	updated->has_unit = previous->has_unit;
	updated->unit = previous->unit;
}

static gboolean check_can_be_updated(const DomainDevice *device, GError **error)
{
	return (has_info(device->kind) && device->kind != DOMAIN_DEVICE_WATCHDOG) ||
	       driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			    _("device '%s' cannot be updated: detach it, and attach another"),
			    domain_device_name(device));
}

gboolean domain_def_update(DomainDef *def, const DomainDevice *device, GError **error)
{
	GPtrArray *devices = array_of(def, device->kind);
	gpointer updated;
	int index;

	if (device->kind == DOMAIN_DEVICE_MEMBALLOON)
		return domain_update_memballoon(def, device->part, error);
	index = is_part(device->kind) ? 0 : find_device(def, device, error);
	if (index < 0 || !check_can_be_updated(device, error))
		return FALSE;
	updated = copy_device(device);
	domain_device_info_keep(info_of(device->kind, updated),
				info_of(device->kind, devices->pdata[index]));
	if (device->kind == DOMAIN_DEVICE_DISK)
		keep_unit(updated, devices->pdata[index]);
	g_ptr_array_insert(devices, index, updated);
	g_ptr_array_remove_index(devices, (guint)index + 1);
	return TRUE;
}

/* Whether the document names an interface that is there by its alias or place, and not its MAC. */
static const DomainInterface *find_by_place(const DomainDef *def, const DomainInterface *wanted)
{
	for (guint i = 0; i < def->interfaces->len; i++) {
		const DomainInterface *interface = def->interfaces->pdata[i];

		if ((wanted->info.alias || wanted->info.address.is_set) &&
		    domain_device_info_may_be(&interface->info, &wanted->info))
			return interface;
	}
	return NULL;
}

static int find_live_interface(const DomainDef *live, const DomainInterface *wanted, GError **error)
{
	g_autoptr(GError) cause = NULL;
	const int index = find_interface(live, wanted, &cause);
	const DomainInterface *other = index < 0 ? find_by_place(live, wanted) : NULL;

	if (other)
		driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
			     _("the MAC address of interface '%s' cannot be changed while the "
			       "domain runs"),
			     other->info.alias);
	else if (index < 0)
		g_propagate_error(error, g_steal_pointer(&cause));
	return index;
}

DomainDef *domain_def_update_live(const DomainDef *live, const DomainDevice *device, guint *index,
				  GError **error)
{
	g_autoptr(DomainDef) def = domain_def_copy(live);
	int found;

	g_assert(device->kind == DOMAIN_DEVICE_INTERFACE);
	found = find_live_interface(def, device->interface, error);
	if (found < 0 ||
	    !domain_interface_update_live(def->interfaces->pdata[found], device->interface, error))
		return NULL;
	*index = (guint)found;
	return g_steal_pointer(&def);
}

DomainDef *domain_def_change_medium(const DomainDef *live, const DomainDisk *wanted, guint *index,
				    GError **error)
{
	g_autoptr(DomainDef) def = domain_def_copy(live);
	const int found = find_disk(def, wanted, error);

	if (found < 0)
		return NULL;
	*index = (guint)found;
	if (!domain_disk_change_medium(def->disks->pdata[found], wanted, error))
		return NULL;
	return g_steal_pointer(&def);
}

DomainDef *domain_def_complete_change(const DomainDef *def, GError **error)
{
	g_autofree char *xml = domain_def_format(def,
						 DOMAIN_FORMAT_INACTIVE | DOMAIN_FORMAT_SECURE);

	return domain_def_parse(xml, DOMAIN_PARSE_INACTIVE, error);
}
