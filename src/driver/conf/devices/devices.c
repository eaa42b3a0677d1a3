/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* devices.c - <devices>: each kind by the file of its name */
#include <glib/gi18n.h>
#include <string.h>

#include "driver/conf/devices/audio.h"
#include "driver/conf/devices/controller.h"
#include "driver/conf/devices/panic.h"
#include "driver/conf/devices/serial.h"
#include "driver/conf/devices/video.h"
#include "driver/conf/devices/virtio-serial.h"
#include "driver/conf/domain-parts.h"
#include "driver/conf/values.h"
#include "driver/error.h"

/* Return: FALSE, with an error, where one more would be too many. */
static gboolean has_room(XmlWalk *walk, const DomainDef *def)
{
	if (def->disks->len + def->interfaces->len + def->rngs->len + def->watchdogs->len +
		    def->inputs->len <
	    DOMAIN_MAX_DEVICES)
		return TRUE;
	xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
		       _("element 'devices' has more devices than there are PCI buses"));
	return FALSE;
}

static void parse_pci_devices(XmlWalk *walk, xmlNode *devices, DomainParseFlags flags,
			      DomainDef *def)
{
	xmlNode *node = NULL;

	while ((node = xml_walk_next(walk, devices, node, "disk")) && has_room(walk, def))
		g_ptr_array_add(def->disks, domain_parse_disk(walk, node, flags));
	if (!walk->error)
		g_ptr_array_sort(def->disks, domain_disk_compare);
	while ((node = xml_walk_next(walk, devices, node, "interface")) && has_room(walk, def))
		g_ptr_array_add(def->interfaces, domain_parse_interface(walk, node, flags));
	while ((node = xml_walk_next(walk, devices, node, "rng")) && has_room(walk, def))
		g_ptr_array_add(def->rngs, domain_parse_rng(walk, node, flags));
	while ((node = xml_walk_next(walk, devices, node, "watchdog")) && has_room(walk, def))
		g_ptr_array_add(def->watchdogs, domain_parse_watchdog(walk, node, flags));
	while ((node = xml_walk_next(walk, devices, node, "input")) && has_room(walk, def))
		g_ptr_array_add(def->inputs, domain_parse_input(walk, node, flags));
}

void domain_parse_devices(XmlWalk *walk, xmlNode *root, DomainParseFlags flags, DomainDef *def)
{
	xmlNode *devices = xml_walk_child(walk, root, "devices");

	if (!devices) {
		domain_parse_memballoon(walk, NULL, flags, def);
		return;
	}

	def->emulator = g_strdup(xml_walk_child_text(walk, devices, "emulator"));
	parse_pci_devices(walk, devices, flags, def);
	domain_parse_controllers(walk, devices, flags, def);
	domain_parse_audio(walk, devices, def);
	domain_parse_video(walk, devices, def);
	domain_parse_memballoon(walk, devices, flags, def);
	domain_parse_panic(walk, devices, flags, def);
	domain_parse_serials(walk, devices, flags, def);
	domain_parse_virtio_ports(walk, devices, flags, def);
}

void domain_complete_devices(DomainDef *def)
{
	domain_complete_watchdogs(def);
}

void domain_format_devices(XmlWriter *writer, const DomainDef *def, gboolean live)
{
	xml_writer_start(writer, "devices");
	xml_writer_element_text(writer, "emulator", def->emulator);
	for (guint i = 0; i < def->disks->len; i++)
		domain_format_disk(writer, def->disks->pdata[i], live);
	domain_format_controllers(writer, def, live);
	domain_format_virtio_serials(writer, def, live);
	for (guint i = 0; i < def->interfaces->len; i++)
		domain_format_interface(writer, def->interfaces->pdata[i], live);
	domain_format_serials(writer, def, live);
	domain_format_virtio_ports(writer, def, live);
	for (guint i = 0; i < def->inputs->len; i++)
		domain_format_input(writer, def->inputs->pdata[i], live);
	domain_format_audio(writer, def);
	domain_format_video(writer, def);
	for (guint i = 0; i < def->watchdogs->len; i++)
		domain_format_watchdog(writer, def->watchdogs->pdata[i], live);
	domain_format_memballoon(writer, def, live);
	for (guint i = 0; i < def->rngs->len; i++)
		domain_format_rng(writer, def->rngs->pdata[i], live);
	domain_format_panic(writer, def, live);
	xml_writer_end(writer);
}

static gboolean check_disks(const DomainDef *def, GError **error)
{
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];
		const DomainDisk *last = i > 0 ? def->disks->pdata[i - 1] : NULL;

		if (last && strcmp(last->target, disk->target) == 0)
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("two elements 'devices/disk' have the target '%s'"),
					    disk->target);
		if (!domain_check_disk(disk, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean check_dma(const char *device, const char *name, DomainDma dma, KvmMemoryKind kind,
			  GError **error)
{
	return domain_dma_is_with(dma, kind) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("%s %s has dma='%s', which there is not with memory of the kind "
			      "'%s'"),
			    device, name, domain_dma_name(dma), kvm_memory_kind_name(kind));
}

gboolean domain_check_dma(const DomainDef *def, GError **error)
{
	KvmMemoryKind kind;

	if (!domain_def_memory_kind(def, &kind))
		return TRUE;
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (!check_dma("disk", disk->target, disk->dma, kind, error))
			return FALSE;
	}
	for (guint i = 0; i < def->interfaces->len; i++) {
		const DomainInterface *interface = def->interfaces->pdata[i];
		char mac[DOMAIN_MAC_STRING_SIZE];

		domain_mac_format(interface->mac, mac);
		if (!check_dma("interface", mac, interface->dma, kind, error))
			return FALSE;
	}
	return TRUE;
}

gboolean domain_check_devices(const DomainDef *def, GError **error)
{
	if (!domain_check_path("devices/emulator", def->emulator, error) ||
	    !check_disks(def, error) || !domain_check_serials(def, error) ||
	    !domain_check_virtio_ports(def, error))
		return FALSE;
	for (guint i = 0; i < def->interfaces->len; i++)
		if (!domain_check_interface(def->interfaces->pdata[i], error))
			return FALSE;
	for (guint i = 0; i < def->rngs->len; i++)
		if (!domain_check_rng(def->rngs->pdata[i], error))
			return FALSE;
	return domain_check_dma(def, error) && domain_check_watchdogs(def, error) &&
	       domain_check_inputs(def, error) && domain_check_device_infos(def, error);
}
