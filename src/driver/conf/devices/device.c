/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* device.c - what the devices of a domain have in common */
#include "driver/conf/devices/device.h"

#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"

#define USER_ALIAS_PREFIX "ua-"

void domain_device_info_clear(DomainDeviceInfo *info)
{
	g_clear_pointer(&info->alias, g_free);
}

void domain_device_info_copy(DomainDeviceInfo *copy, const DomainDeviceInfo *info)
{
	*copy = *info;
	copy->alias = g_strdup(info->alias);
}

static gboolean is_same_place(const DomainPciAddress *a, const DomainPciAddress *b)
{
	return a->bus == b->bus && a->slot == b->slot && a->function == b->function;
}

gboolean domain_device_info_may_be(const DomainDeviceInfo *info, const DomainDeviceInfo *wanted)
{
	if (wanted->alias && info->alias && strcmp(wanted->alias, info->alias) != 0)
		return FALSE;
	return !wanted->address.is_set || !info->address.is_set ||
	       is_same_place(&wanted->address, &info->address);
}

void domain_device_info_keep(DomainDeviceInfo *updated, const DomainDeviceInfo *previous)
{
	if (!updated->alias)
		updated->alias = g_strdup(previous->alias);
	if (!updated->address.is_set)
		updated->address = previous->address;
}

gboolean domain_alias_is_users(const char *alias)
{
	return alias && g_str_has_prefix(alias, USER_ALIAS_PREFIX);
}

/* The characters that libvirt allows in one. */
static gboolean is_alias(const char *name)
{
	for (const char *at = name; *at; at++)
		if (!g_ascii_isalnum(*at) && !strchr("_-", *at))
			return FALSE;
	return *name != '\0';
}

char *domain_parse_alias(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	xmlNode *alias = xml_walk_child(walk, node, "alias");
	const char *name = xml_walk_attribute_required(walk, alias, "name");

	/* Others are made anew at each start. */
	if (!name || ((flags & DOMAIN_PARSE_INACTIVE) && !domain_alias_is_users(name)))
		return NULL;
	if (!is_alias(name))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s': an alias has letters, "
				 "digits, '_' and '-'"),
			       "name", xml_walk_path(walk, alias), xml_walk_quote(walk, name));
	return g_strdup(name);
}

static void parse_boot(XmlWalk *walk, xmlNode *node, DomainDeviceInfo *info)
{
	xmlNode *boot = xml_walk_child(walk, node, "boot");
	const char *text = xml_walk_attribute_required(walk, boot, "order");
	guint64 order = 0;

	if (!text)
		return;
	if (!xml_walk_number(text, &order) || order == 0 || order > G_MAXINT)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%s', not a number from 1 on"),
			       "order", xml_walk_path(walk, boot), xml_walk_quote(walk, text));
	info->boot_order = (guint)order;
}

guint domain_parse_pci_address(XmlWalk *walk, xmlNode *node, DomainPciAddress *address)
{
	guint domain = 0, bus = 0, slot = 0, function = 0;

	if (!node)
		return 0;

	if (!domain_parse_only(walk, node, "type", "pci"))
		xml_walk_attribute_required(walk, node, "type");
	domain_parse_number(walk, node, "domain", 0xffff, &domain);
	domain_parse_number(walk, node, "bus", 0xff, &bus);
	domain_parse_number(walk, node, "slot", 0x1f, &slot);
	domain_parse_number(walk, node, "function", 7, &function);
	address->multifunction = domain_parse_switch(walk, node, "multifunction", "off", "on");

	/* Nothing but zeroes asks for an address, as in libvirt. */
	address->is_set = bus || slot || function;
	address->bus = (guint8)bus;
	address->slot = (guint8)slot;
	address->function = (guint8)function;
	return domain;
}

/* A root port has one place behind it. */
static void parse_address(XmlWalk *walk, xmlNode *node, DomainPciAddress *address)
{
	const guint domain = domain_parse_pci_address(walk, node, address);

	if (domain != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is in PCI domain %04x: there is 0000 only"),
			       xml_walk_path(walk, node), domain);
	else if (address->is_set && address->bus == 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is on bus 0: devices are behind root ports, each of "
				 "which is a bus"),
			       xml_walk_path(walk, node));
	else if (address->slot != 0 || address->function != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' is %02x:%02x.%x: behind a root port is slot 00, "
				 "function 0 only"),
			       xml_walk_path(walk, node), address->bus, address->slot,
			       address->function);
	else if (address->multifunction == DOMAIN_SWITCH_YES)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' with multifunction='on': a device has one function"),
			       xml_walk_path(walk, node));
}

void domain_parse_device_name(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			      gboolean can_boot, DomainDeviceInfo *info)
{
	info->alias = domain_parse_alias(walk, node, flags);
	if (can_boot)
		parse_boot(walk, node, info);
}

void domain_parse_device_info(XmlWalk *walk, xmlNode *node, DomainParseFlags flags,
			      gboolean can_boot, DomainDeviceInfo *info)
{
	domain_parse_device_name(walk, node, flags, can_boot, info);
	parse_address(walk, xml_walk_child(walk, node, "address"), &info->address);
}

void domain_format_pci_address(XmlWriter *writer, const DomainPciAddress *address)
{
	xml_writer_start(writer, "address");
	xml_writer_attribute(writer, "type", "pci");
	domain_format_hex(writer, "domain", 0, 4);
	domain_format_hex(writer, "bus", address->bus, 2);
	domain_format_hex(writer, "slot", address->slot, 2);
	domain_format_hex(writer, "function", address->function, 1);
	domain_format_switch(writer, "multifunction", address->multifunction, "off", "on");
	xml_writer_end(writer);
}

void domain_format_alias(XmlWriter *writer, const char *alias, gboolean live)
{
	if (alias && (live || domain_alias_is_users(alias)))
		xml_writer_element_with(writer, "alias", "name", alias);
}

void domain_format_device_info(XmlWriter *writer, const DomainDeviceInfo *info, gboolean live)
{
	if (info->boot_order > 0) {
		xml_writer_start(writer, "boot");
		xml_writer_attribute_number(writer, "order", info->boot_order);
		xml_writer_end(writer);
	}
	domain_format_alias(writer, info->alias, live);
	if (info->address.is_set)
		domain_format_pci_address(writer, &info->address);
}

void domain_parse_virtio_options(XmlWalk *walk, xmlNode *driver, DomainVirtioOptions *options)
{
	options->iommu = domain_parse_switch(walk, driver, "iommu", "off", "on");
	options->packed = domain_parse_switch(walk, driver, "packed", "off", "on");
}

void domain_format_virtio_options(XmlWriter *writer, const DomainVirtioOptions *options)
{
	domain_format_switch(writer, "iommu", options->iommu, "off", "on");
	domain_format_switch(writer, "packed", options->packed, "off", "on");
}

static const char *const dma_names[] = {
	[DOMAIN_DMA_REGISTERED - 1] = "registered",
	[DOMAIN_DMA_WINDOW - 1] = "window",
	[DOMAIN_DMA_COURIER - 1] = "courier",
	NULL,
};

DomainDma domain_parse_dma(XmlWalk *walk, xmlNode *driver)
{
	return (DomainDma)(domain_parse_choice(walk, driver, "dma", dma_names) + 1);
}

const char *domain_dma_name(DomainDma dma)
{
	return dma == DOMAIN_DMA_DEFAULT ? NULL : dma_names[dma - 1];
}

gboolean domain_dma_is_with(DomainDma dma, KvmMemoryKind kind)
{
	return dma == DOMAIN_DMA_DEFAULT ||
	       (dma == DOMAIN_DMA_COURIER) == (kind == KVM_MEMORY_TWO_SIDED);
}

void domain_format_dma(XmlWriter *writer, DomainDma dma)
{
	xml_writer_attribute(writer, "dma", domain_dma_name(dma));
}

gboolean domain_virtio_options_are_set(const DomainVirtioOptions *options)
{
	return options->iommu != DOMAIN_SWITCH_ABSENT || options->packed != DOMAIN_SWITCH_ABSENT;
}

/*
 * All of them.
 */

void domain_device_list_clear(DomainDeviceList *list)
{
	for (guint i = 0; i < list->count; i++)
		g_free(list->entries[i].name);
	g_clear_pointer(&list->entries, g_free);
	list->count = 0;
}

static void add_entry(DomainDeviceList *list, const char *kind, char *name, DomainDeviceInfo *info)
{
	DomainDeviceEntry *entry = &list->entries[list->count++];

	entry->kind = kind;
	entry->name = name;
	entry->info = info;
}

static void add_watchdogs(DomainDeviceList *list, const DomainDef *def)
{
	for (guint i = 0; i < def->watchdogs->len; i++) {
		DomainWatchdog *watchdog = def->watchdogs->pdata[i];

		add_entry(list, "watchdog", g_strdup_printf("%u", i), &watchdog->info);
	}
}

static void add_inputs(DomainDeviceList *list, const DomainDef *def)
{
	for (guint i = 0; i < def->inputs->len; i++) {
		DomainInput *input = def->inputs->pdata[i];

		add_entry(list, "input", g_strdup_printf("%u", i), &input->info);
	}
}

void domain_device_list_init(DomainDeviceList *list, const DomainDef *def)
{
	list->count = 0;
	list->entries = g_new0(DomainDeviceEntry, def->interfaces->len + def->virtio_serials->len +
							  def->disks->len + def->rngs->len +
							  def->watchdogs->len + def->inputs->len +
							  !!def->memballoon);
	for (guint i = 0; i < def->interfaces->len; i++) {
		DomainInterface *interface = def->interfaces->pdata[i];
		char mac[DOMAIN_MAC_STRING_SIZE];

		domain_mac_format(interface->mac, mac);
		add_entry(list, "interface", g_strdup(mac), &interface->info);
	}
	for (guint i = 0; i < def->virtio_serials->len; i++) {
		DomainVirtioSerial *controller = def->virtio_serials->pdata[i];

		add_entry(list, "virtio-serial", g_strdup_printf("%u", controller->index),
			  &controller->info);
	}
	for (guint i = 0; i < def->disks->len; i++) {
		DomainDisk *disk = def->disks->pdata[i];

		add_entry(list, "disk", g_strdup(disk->target), &disk->info);
	}
	if (def->memballoon)
		add_entry(list, "memballoon", g_strdup("virtio"), &def->memballoon->info);
	for (guint i = 0; i < def->rngs->len; i++) {
		DomainRng *rng = def->rngs->pdata[i];

		add_entry(list, "rng", g_strdup_printf("%u", i), &rng->info);
	}
	add_watchdogs(list, def);
	add_inputs(list, def);
}

static gboolean is_alias_used(const DomainDeviceList *list, const char *alias)
{
	for (guint i = 0; i < list->count; i++)
		if (g_strcmp0(list->entries[i].info->alias, alias) == 0)
			return TRUE;
	return FALSE;
}

static const char *alias_prefix(const char *kind)
{
	if (strcmp(kind, "interface") == 0)
		return "net";
	return strcmp(kind, "memballoon") == 0 ? "balloon" : kind;
}

/*
 * A disk's number is its target's, a controller's its index; of the others the lowest is taken that
 * is free.
 */
static char *new_alias(const DomainDeviceList *list, const DomainDeviceEntry *entry)
{
	guint index = 0;

	if (strcmp(entry->kind, "disk") == 0 && domain_disk_target_index(entry->name, &index))
		return g_strdup_printf("virtio-disk%u", index);
	if (strcmp(entry->kind, "virtio-serial") == 0)
		return g_strconcat(entry->kind, entry->name, NULL);
	while (TRUE) {
		g_autofree char *alias = g_strdup_printf("%s%u", alias_prefix(entry->kind),
							 index++);

		if (!is_alias_used(list, alias))
			return g_steal_pointer(&alias);
	}
}

void domain_assign_aliases(DomainDef *def)
{
	g_auto(DomainDeviceList) list = { 0 };

	for (guint i = 0; i < def->disks->len; i++) {
		DomainDisk *disk = def->disks->pdata[i];

		if (disk->bus == DOMAIN_DISK_SATA && !disk->info.alias)
			disk->info.alias = g_strdup_printf("sata0-0-%u", disk->unit);
	}
	domain_device_list_init(&list, def);
	for (guint i = 0; i < list.count; i++)
		if (!list.entries[i].info->alias)
			list.entries[i].info->alias = new_alias(&list, &list.entries[i]);
	domain_assign_port_aliases(def);
}

static const DomainDisk *first_disk(const DomainDef *def, gboolean is_cdrom)
{
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (disk->is_cdrom == is_cdrom)
			return disk;
	}
	return NULL;
}

/* What stands for a kind of boot device: libvirt takes the first, too. */
static const DomainDeviceInfo *first_of(const DomainDef *def, DomainBootDevice kind)
{
	const DomainDisk *disk = first_disk(def, kind == DOMAIN_BOOT_CDROM);
	const DomainInterface *interface = def->interfaces->len > 0 ? def->interfaces->pdata[0] :
								      NULL;

	if ((kind == DOMAIN_BOOT_DISK || kind == DOMAIN_BOOT_CDROM) && disk)
		return &disk->info;
	return kind == DOMAIN_BOOT_NETWORK && interface ? &interface->info : NULL;
}

guint domain_boot_index(const DomainDef *def, const DomainDeviceInfo *info)
{
	for (guint i = 0; i < def->n_boot_devices; i++)
		if (first_of(def, def->boot_devices[i]) == info)
			return i + 1;
	return info->boot_order;
}

static gboolean check_two(const DomainDeviceEntry *a, const DomainDeviceEntry *b, GError **error)
{
	if (a->info->alias && g_strcmp0(a->info->alias, b->info->alias) == 0)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("%s %s and %s %s both have the alias '%s'"), a->kind, a->name,
				    b->kind, b->name, a->info->alias);
	if (a->info->boot_order > 0 && a->info->boot_order == b->info->boot_order)
		return driver_error(error, VIR_ERR_XML_ERROR,
				    _("%s %s and %s %s both have the boot order %u"), a->kind,
				    a->name, b->kind, b->name, a->info->boot_order);
	return TRUE;
}

gboolean domain_check_device_infos(const DomainDef *def, GError **error)
{
	g_auto(DomainDeviceList) list = { 0 };

	domain_device_list_init(&list, def);
	for (guint i = 0; i < list.count; i++) {
		if (list.entries[i].info->boot_order > 0 && def->n_boot_devices > 0)
			return driver_error(
				error, VIR_ERR_CONFIG_UNSUPPORTED,
				_("%s %s has a boot order, which goes not together with 'os/boot'"),
				list.entries[i].kind, list.entries[i].name);
		for (guint j = 0; j < i; j++)
			if (!check_two(&list.entries[j], &list.entries[i], error))
				return FALSE;
	}
	return TRUE;
}
