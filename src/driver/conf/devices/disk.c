/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.c - <disk>: what stores data
 *
 * Buses are virtio and SATA. A CD-ROM drive is SATA's, and may be empty.
 */
#include "driver/conf/devices/disk.h"

#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "driver/conf/domain-def.h"
#include "driver/conf/values.h"
#include "driver/error.h"
#include "driver/storage/image-header.h"

/* The names that disks have are one of these and letters. */
#define PREFIX_SIZE 2

static const char *const virtio_prefixes[] = { "vd", NULL };
static const char *const sata_prefixes[] = { "sd", "hd", NULL };

/* The SATA controller's ports. */
#define SATA_PORTS 6

/* "zzz"; a guest has fewer. */
#define MAX_TARGET_INDEX (26 * 26 * 26 + 26 * 26 + 26)

/* The characters that libvirt allows in a serial number besides letters and digits. */
#define SERIAL_CHARACTERS "_-. +"

#define MIN_BLOCK_SIZE	  512
#define MAX_BLOCK_SIZE	  32768
#define MAX_QUEUE_SIZE	  1024
#define NBD_PORT	  10809
#define WWN_DIGITS	  16

static const char *const bus_names[] = {
	[DOMAIN_DISK_VIRTIO] = "virtio",
	[DOMAIN_DISK_SATA] = "sata",
	NULL,
};

static const char *const startup_names[] = {
	[DOMAIN_DISK_STARTUP_MANDATORY - 1] = "mandatory",
	[DOMAIN_DISK_STARTUP_REQUISITE - 1] = "requisite",
	[DOMAIN_DISK_STARTUP_OPTIONAL - 1] = "optional",
	NULL,
};

static const char *const type_names[] = {
	[DOMAIN_DISK_FILE] = "file",
	[DOMAIN_DISK_BLOCK] = "block",
	[DOMAIN_DISK_NETWORK] = "network",
	NULL,
};

/* Of each of these, index 0 is what is not given. */
static const char *const cache_names[] = {
	[DOMAIN_DISK_CACHE_NONE - 1] = "none",
	[DOMAIN_DISK_CACHE_WRITETHROUGH - 1] = "writethrough",
	[DOMAIN_DISK_CACHE_WRITEBACK - 1] = "writeback",
	[DOMAIN_DISK_CACHE_DIRECTSYNC - 1] = "directsync",
	[DOMAIN_DISK_CACHE_UNSAFE - 1] = "unsafe",
	NULL,
};

static const char *const io_names[] = {
	[DOMAIN_DISK_IO_URING - 1] = "io_uring",
	[DOMAIN_DISK_IO_NATIVE - 1] = "native",
	[DOMAIN_DISK_IO_THREADS - 1] = "threads",
	NULL,
};

static const char *const discard_names[] = {
	[DOMAIN_DISK_DISCARD_UNMAP - 1] = "unmap",
	[DOMAIN_DISK_DISCARD_IGNORE - 1] = "ignore",
	NULL,
};

static const char *const detect_zeroes_names[] = {
	[DOMAIN_DISK_DETECT_ZEROES_OFF - 1] = "off",
	[DOMAIN_DISK_DETECT_ZEROES_ON - 1] = "on",
	[DOMAIN_DISK_DETECT_ZEROES_UNMAP - 1] = "unmap",
	NULL,
};

static const char *const error_names[] = {
	[DOMAIN_DISK_ERROR_STOP - 1] = "stop",
	[DOMAIN_DISK_ERROR_REPORT - 1] = "report",
	[DOMAIN_DISK_ERROR_IGNORE - 1] = "ignore",
	[DOMAIN_DISK_ERROR_ENOSPACE - 1] = "enospace",
	NULL,
};

static const char *const read_error_names[] = {
	[DOMAIN_DISK_ERROR_STOP - 1] = "stop",
	[DOMAIN_DISK_ERROR_REPORT - 1] = "report",
	[DOMAIN_DISK_ERROR_IGNORE - 1] = "ignore",
	NULL,
};

static void free_backing(gpointer data)
{
	DomainDiskBacking *backing = data;

	g_free(backing->format);
	g_free(backing->path);
	g_free(backing);
}

void domain_disk_add_backing(DomainDisk *disk, DomainDiskType type, const char *path,
			     const char *format)
{
	DomainDiskBacking *backing = g_new0(DomainDiskBacking, 1);

	backing->type = type;
	backing->path = g_strdup(path);
	backing->format = g_strdup(format);
	if (!disk->backings)
		disk->backings = g_ptr_array_new_with_free_func(free_backing);
	g_ptr_array_add(disk->backings, backing);
}

gboolean domain_disk_is_served(const DomainDisk *disk)
{
	return disk->path && strcmp(disk->format, "raw") != 0;
}

gboolean domain_disk_is_empty(const DomainDisk *disk)
{
	return disk->type != DOMAIN_DISK_NETWORK && !disk->path;
}

static void copy_backings(DomainDisk *copy, const GPtrArray *backings)
{
	copy->backings = NULL;
	for (guint i = 0; backings && i < backings->len; i++) {
		const DomainDiskBacking *backing = backings->pdata[i];

		domain_disk_add_backing(copy, backing->type, backing->path, backing->format);
	}
}

DomainDisk *domain_disk_copy(const DomainDisk *disk)
{
	DomainDisk *copy = g_memdup2(disk, sizeof(*disk));

	copy_backings(copy, disk->backings);

	copy->path = g_strdup(disk->path);
	copy->nbd_export = g_strdup(disk->nbd_export);
	copy->nbd_host = g_strdup(disk->nbd_host);
	copy->nbd_socket = g_strdup(disk->nbd_socket);
	copy->format = g_strdup(disk->format);
	copy->target = g_strdup(disk->target);
	copy->serial = g_strdup(disk->serial);
	domain_device_info_copy(&copy->info, &disk->info);
	return copy;
}

void domain_disk_empty(DomainDisk *disk)
{
	disk->type = DOMAIN_DISK_FILE;
	g_clear_pointer(&disk->path, g_free);
	g_clear_pointer(&disk->nbd_export, g_free);
	g_clear_pointer(&disk->nbd_host, g_free);
	g_clear_pointer(&disk->nbd_socket, g_free);
	g_clear_pointer(&disk->backings, g_ptr_array_unref);
	disk->is_chain_complete = FALSE;
	disk->startup = DOMAIN_DISK_STARTUP_DEFAULT;
}

gboolean domain_disk_change_medium(DomainDisk *disk, const DomainDisk *wanted, GError **error)
{
	if (!disk->is_cdrom || !wanted->is_cdrom)
		return driver_error(error, VIR_ERR_OPERATION_UNSUPPORTED,
				    _("disk '%s' is no CD-ROM drive, whose medium can be changed"),
				    disk->target);
	domain_disk_empty(disk);
	disk->type = wanted->type;
	disk->path = g_strdup(wanted->path);
	disk->nbd_export = g_strdup(wanted->nbd_export);
	disk->nbd_host = g_strdup(wanted->nbd_host);
	disk->nbd_socket = g_strdup(wanted->nbd_socket);
	disk->nbd_port = wanted->nbd_port;
	g_free(disk->format);
	disk->format = g_strdup(wanted->format);
	copy_backings(disk, wanted->backings);
	disk->is_chain_complete = wanted->is_chain_complete;
	disk->startup = wanted->startup;
	return TRUE;
}

void domain_disk_free(DomainDisk *disk)
{
	if (!disk)
		return;
	domain_device_info_clear(&disk->info);
	g_free(disk->serial);
	g_free(disk->target);
	g_clear_pointer(&disk->backings, g_ptr_array_unref);
	g_free(disk->format);
	g_free(disk->nbd_socket);
	g_free(disk->nbd_host);
	g_free(disk->nbd_export);
	g_free(disk->path);
	g_free(disk);
}

static gboolean has_prefix(const char *target, const char *const *prefixes)
{
	for (; *prefixes; prefixes++)
		if (g_str_has_prefix(target, *prefixes))
			return TRUE;
	return FALSE;
}

/* Letters count as in spreadsheets: a to z, then aa. */
gboolean domain_disk_target_index(const char *target, guint *index)
{
	guint number = 0;

	if ((!has_prefix(target, virtio_prefixes) && !has_prefix(target, sata_prefixes)) ||
	    !target[PREFIX_SIZE])
		return FALSE;
	for (const char *at = target + PREFIX_SIZE; *at; at++) {
		if (*at < 'a' || *at > 'z' || number > MAX_TARGET_INDEX)
			return FALSE;
		number = number * 26 + (guint)(*at - 'a') + 1;
	}
	*index = number - 1;
	return number <= MAX_TARGET_INDEX;
}

DomainDisk *domain_find_disk(const DomainDef *def, const char *name)
{
	for (guint i = 0; i < def->disks->len; i++) {
		DomainDisk *disk = def->disks->pdata[i];

		if (strcmp(disk->target, name) == 0 || g_strcmp0(disk->path, name) == 0)
			return disk;
	}
	return NULL;
}

DomainDisk *domain_find_disk_alias(const DomainDef *def, const char *alias)
{
	for (guint i = 0; i < def->disks->len; i++) {
		DomainDisk *disk = def->disks->pdata[i];

		if (g_strcmp0(disk->info.alias, alias) == 0)
			return disk;
	}
	return NULL;
}

/* Return: an enumeration's value; 0, which is its default, where nothing was given. */
static int choice_or_default(XmlWalk *walk, xmlNode *node, const char *name,
			     const char *const *names)
{
	return domain_parse_choice(walk, node, name, names) + 1;
}

static void parse_device(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	static const char *const known[] = { "disk", "cdrom", "floppy", "lun", NULL };
	const int device = domain_parse_choice(walk, node, "device", known);

	if (device > 1)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is '%s': supported are '%s' and "
				 "'%s'"),
			       "device", xml_walk_path(walk, node), known[device], known[0],
			       known[1]);
	disk->is_cdrom = device == 1;
}

static void parse_type(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	static const char *const known[] = { "file",   "block", "network",   "dir",
					     "volume", "nvme",	"vhostuser", NULL };
	const int type = domain_parse_choice(walk, node, "type", known);

	if (type > DOMAIN_DISK_NETWORK)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute 'type' of element '%s' is '%s': supported are 'file', "
				 "'block' and 'network'"),
			       xml_walk_path(walk, node), known[type]);
	if (type > 0)
		disk->type = (DomainDiskType)type;
}

static void parse_queues(XmlWalk *walk, xmlNode *driver, DomainDisk *disk)
{
	domain_parse_number(walk, driver, "queues", DOMAIN_DISK_MAX_QUEUES, &disk->queues);
	domain_parse_number(walk, driver, "queue_size", MAX_QUEUE_SIZE, &disk->queue_size);
	domain_parse_number(walk, driver, "iothread", G_MAXINT, &disk->iothread);
	if (disk->queue_size & (disk->queue_size - 1))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%u', not a power of two"),
			       "queue_size", xml_walk_path(walk, driver), disk->queue_size);
}

static void check_format(XmlWalk *walk, xmlNode *node, const char *format)
{
	g_autofree char *list = NULL;

	if (strcmp(format, "raw") == 0 || g_strv_contains(image_formats(), format))
		return;
	list = g_strjoinv("', '", (char **)image_formats());
	xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
		       _("attribute 'type' of element '%s' is '%s': supported are 'raw', '%s'"),
		       xml_walk_path(walk, node), xml_walk_quote(walk, format), list);
}

static void parse_format(XmlWalk *walk, xmlNode *driver, DomainDisk *disk)
{
	const char *format = xml_walk_attribute(walk, driver, "type");

	if (format)
		check_format(walk, driver, format);
	disk->format = g_strdup(format ? format : "raw");
}

static void parse_driver(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *driver = xml_walk_child(walk, node, "driver");

	/* So is the driver of libvirt's QEMU driver called that has formats as ours. */
	domain_parse_only(walk, driver, "name", "qemu");
	parse_format(walk, driver, disk);
	disk->cache = (DomainDiskCache)choice_or_default(walk, driver, "cache", cache_names);
	disk->io = (DomainDiskIo)choice_or_default(walk, driver, "io", io_names);
	disk->discard = (DomainDiskDiscard)choice_or_default(walk, driver, "discard",
							     discard_names);
	disk->detect_zeroes = (DomainDiskDetectZeroes)choice_or_default(
		walk, driver, "detect_zeroes", detect_zeroes_names);
	disk->write_error = (DomainDiskErrorPolicy)choice_or_default(walk, driver, "error_policy",
								     error_names);
	disk->read_error = (DomainDiskErrorPolicy)choice_or_default(walk, driver, "rerror_policy",
								    read_error_names);
	parse_queues(walk, driver, disk);
	disk->dma = domain_parse_dma(walk, driver);
	domain_parse_virtio_options(walk, driver, &disk->virtio);
}

static void parse_host(XmlWalk *walk, xmlNode *source, DomainDisk *disk)
{
	static const char *const transports[] = { "tcp", "unix", NULL };
	xmlNode *host = xml_walk_child(walk, source, "host");

	if (!host)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/host' is missing"),
			       xml_walk_path(walk, source));
	if (domain_parse_choice(walk, host, "transport", transports) == 1) {
		disk->nbd_socket = g_strdup(xml_walk_attribute_required(walk, host, "socket"));
		return;
	}
	disk->nbd_host = g_strdup(xml_walk_attribute_required(walk, host, "name"));
	disk->nbd_port = NBD_PORT;
	domain_parse_number(walk, host, "port", G_MAXUINT16, &disk->nbd_port);
}

static void parse_network(XmlWalk *walk, xmlNode *source, DomainDisk *disk)
{
	const char *protocol = xml_walk_attribute_required(walk, source, "protocol");

	if (protocol && strcmp(protocol, "nbd") != 0)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is '%s': only '%s' is supported"),
			       "protocol", xml_walk_path(walk, source),
			       xml_walk_quote(walk, protocol), "nbd");
	disk->nbd_export = g_strdup(xml_walk_attribute(walk, source, "name"));
	parse_host(walk, source, disk);
}

/* Return: the type, or what no disk has, with an error. */
static DomainDiskType parse_backing_type(XmlWalk *walk, xmlNode *backing)
{
	static const char *const known[] = { "file", "block", NULL };
	const int type = domain_parse_choice(walk, backing, "type", known);

	if (type < 0)
		xml_walk_attribute_required(walk, backing, "type");
	return type == 1 ? DOMAIN_DISK_BLOCK : DOMAIN_DISK_FILE;
}

static void parse_backing(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	const DomainDiskType type = parse_backing_type(walk, node);
	xmlNode *format_node = xml_walk_child(walk, node, "format");
	xmlNode *source = xml_walk_child(walk, node, "source");
	const char *format = xml_walk_attribute_required(walk, format_node, "type");
	const char *path = xml_walk_attribute_required(walk, source,
						       type == DOMAIN_DISK_BLOCK ? "dev" : "file");

	/* libvirt's own number of it, while a domain runs. */
	xml_walk_attribute(walk, node, "index");
	if (!format_node || !source)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/%s' is missing"),
			       xml_walk_path(walk, node), format_node ? "source" : "format");
	if (format)
		check_format(walk, format_node, format);
	domain_disk_add_backing(disk, type, path, format);
}

/* Each is in the one before. An empty one says that nothing is behind that. */
static void parse_backings(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *backing = xml_walk_child(walk, node, "backingStore");

	for (guint i = 0; backing && i < DOMAIN_DISK_MAX_BACKINGS; i++) {
		if (!xml_walk_attribute(walk, backing, "type") && !xmlFirstElementChild(backing)) {
			disk->is_chain_complete = TRUE;
			return;
		}
		parse_backing(walk, backing, disk);
		backing = xml_walk_child(walk, backing, "backingStore");
	}
	if (backing)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s' has more than %d images behind each other"),
			       xml_walk_path(walk, node), DOMAIN_DISK_MAX_BACKINGS);
}

/* A drive without a medium may have a source that says nothing. */
static void parse_path(XmlWalk *walk, xmlNode *source, const char *name, DomainDisk *disk)
{
	const char *path = disk->is_cdrom ? xml_walk_attribute(walk, source, name) :
					    xml_walk_attribute_required(walk, source, name);

	disk->path = path && *path ? g_strdup(path) : NULL;
}

static void parse_source(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *source = xml_walk_child(walk, node, "source");

	parse_backings(walk, node, disk);
	if (!source && disk->is_cdrom && disk->type != DOMAIN_DISK_NETWORK)
		return;
	if (!source) {
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/source' is missing"),
			       xml_walk_path(walk, node));
		return;
	}
	/* libvirt's own number of it, while a domain runs. */
	xml_walk_attribute(walk, source, "index");
	if (disk->is_cdrom)
		disk->startup = (DomainDiskStartup)choice_or_default(walk, source, "startupPolicy",
								     startup_names);
	switch (disk->type) {
	case DOMAIN_DISK_FILE:
		parse_path(walk, source, "file", disk);
		break;
	case DOMAIN_DISK_BLOCK:
		parse_path(walk, source, "dev", disk);
		break;
	case DOMAIN_DISK_NETWORK:
		parse_network(walk, source, disk);
		break;
	}
}

/* SATA is what a CD-ROM drive is at, and what has a name as of it. */
static gboolean is_sata_by_default(const DomainDisk *disk, const char *name)
{
	return disk->is_cdrom || (name && has_prefix(name, sata_prefixes));
}

static void parse_bus(XmlWalk *walk, xmlNode *target, const char *name, DomainDisk *disk)
{
	static const char *const known[] = { "virtio", "sata", "ide", "scsi", "usb",
					     "fdc",    "xen",  "uml", "sd",   NULL };
	const int bus = domain_parse_choice(walk, target, "bus", known);

	if (bus > 1)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("attribute '%s' of element '%s' is '%s': supported are '%s' and "
				 "'%s'"),
			       "bus", xml_walk_path(walk, target), known[bus], known[0], known[1]);
	if (bus == 0 && disk->is_cdrom)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s': a CD-ROM drive is on the bus 'sata'"),
			       xml_walk_path(walk, target));
	if (bus == 1 || (bus < 0 && is_sata_by_default(disk, name)))
		disk->bus = DOMAIN_DISK_SATA;
}

/* Of a run, which is another one's where the document is not a run's. */
static void parse_tray(XmlWalk *walk, xmlNode *target, DomainParseFlags flags, DomainDisk *disk)
{
	static const char *const known[] = { "closed", "open", NULL };

	if (disk->is_cdrom)
		disk->is_tray_open = domain_parse_choice(walk, target, "tray", known) == 1 &&
				     !(flags & DOMAIN_PARSE_INACTIVE);
}

static void parse_target(XmlWalk *walk, xmlNode *node, DomainParseFlags flags, DomainDisk *disk)
{
	xmlNode *target = xml_walk_child(walk, node, "target");
	const char *name = xml_walk_attribute_required(walk, target, "dev");
	guint index;

	if (!target)
		xml_walk_error(walk, VIR_ERR_XML_ERROR, _("element '%s/target' is missing"),
			       xml_walk_path(walk, node));
	parse_bus(walk, target, name, disk);
	if (name && (!domain_disk_target_index(name, &index) ||
		     has_prefix(name, virtio_prefixes) != (disk->bus == DOMAIN_DISK_VIRTIO)))
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       disk->bus == DOMAIN_DISK_VIRTIO ?
				       _("attribute 'dev' of element '%s' is '%s': disks of the "
					 "bus 'virtio' are 'vda', 'vdb' and so on") :
				       _("attribute 'dev' of element '%s' is '%s': drives of the "
					 "bus 'sata' are 'sda', 'sdb' and so on"),
			       xml_walk_path(walk, target), xml_walk_quote(walk, name));
	disk->target = g_strdup(name);
	parse_tray(walk, target, flags, disk);
}

static void parse_serial(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *serial = xml_walk_child(walk, node, "serial");
	const char *text = xml_walk_text(walk, serial);

	for (const char *at = text; at && *at; at++)
		if (!g_ascii_isalnum(*at) && !strchr(SERIAL_CHARACTERS, *at)) {
			xml_walk_error(walk, VIR_ERR_XML_ERROR,
				       _("element '%s' is '%s': a serial number has letters, "
					 "digits, blanks and '_-.+'"),
				       xml_walk_path(walk, serial), xml_walk_quote(walk, text));
			return;
		}
	disk->serial = text && *text ? g_strdup(text) : NULL;
}

/* 16 digits; the first says what kind of number it is, and none of those is above 7. */
static void parse_wwn(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *wwn = xml_walk_child(walk, node, "wwn");
	const char *text = xml_walk_text(walk, wwn);

	if (!wwn)
		return;
	if (disk->bus != DOMAIN_DISK_SATA || disk->is_cdrom)
		xml_walk_error(walk, VIR_ERR_CONFIG_UNSUPPORTED,
			       _("element '%s': only a disk of the bus 'sata' has one, give this "
				 "one a 'serial'"),
			       xml_walk_path(walk, wwn));
	else if (strlen(text) != WWN_DIGITS ||
		 !g_ascii_string_to_unsigned(text, 16, 1, G_MAXINT64, &disk->wwn, NULL))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' is '%s', not 16 hexadecimal digits of which the "
				 "first is below 8"),
			       xml_walk_path(walk, wwn), xml_walk_quote(walk, text));
}

/* As libvirt has it of SATA: one controller, and units of it. */
static void parse_drive_address(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *address = xml_walk_child(walk, node, "address");

	if (!address)
		return;
	if (!domain_parse_only(walk, address, "type", "drive"))
		xml_walk_attribute_required(walk, address, "type");
	domain_parse_only(walk, address, "controller", "0");
	domain_parse_only(walk, address, "bus", "0");
	domain_parse_only(walk, address, "target", "0");
	domain_parse_number(walk, address, "unit", SATA_PORTS - 1, &disk->unit);
	disk->has_unit = TRUE;
}

static void parse_block_size(XmlWalk *walk, xmlNode *blockio, const char *name, guint *size)
{
	domain_parse_number(walk, blockio, name, MAX_BLOCK_SIZE, size);
	if (*size && (*size < MIN_BLOCK_SIZE || *size & (*size - 1)))
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("attribute '%s' of element '%s' is '%u', not a power of two from "
				 "%d to %d"),
			       name, xml_walk_path(walk, blockio), *size, MIN_BLOCK_SIZE,
			       MAX_BLOCK_SIZE);
}

static void parse_block_sizes(XmlWalk *walk, xmlNode *node, DomainDisk *disk)
{
	xmlNode *blockio = xml_walk_child(walk, node, "blockio");

	parse_block_size(walk, blockio, "logical_block_size", &disk->logical_block_size);
	parse_block_size(walk, blockio, "physical_block_size", &disk->physical_block_size);
	if (disk->physical_block_size && disk->physical_block_size < disk->logical_block_size)
		xml_walk_error(walk, VIR_ERR_XML_ERROR,
			       _("element '%s' has a physical block size below the logical one"),
			       xml_walk_path(walk, blockio));
}

DomainDisk *domain_parse_disk(XmlWalk *walk, xmlNode *node, DomainParseFlags flags)
{
	DomainDisk *disk = g_new0(DomainDisk, 1);

	parse_device(walk, node, disk);
	parse_type(walk, node, disk);
	parse_target(walk, node, flags, disk);
	parse_driver(walk, node, disk);
	parse_source(walk, node, disk);
	parse_block_sizes(walk, node, disk);
	domain_parse_iotune(walk, node, &disk->iotune);
	disk->is_readonly = domain_parse_flag(walk, node, "readonly") || disk->is_cdrom;
	disk->is_shareable = domain_parse_flag(walk, node, "shareable");
	parse_serial(walk, node, disk);
	parse_wwn(walk, node, disk);
	if (disk->bus == DOMAIN_DISK_SATA) {
		domain_parse_device_name(walk, node, flags, TRUE, &disk->info);
		parse_drive_address(walk, node, disk);
		disk->info.is_off_pci = TRUE;
	} else {
		domain_parse_device_info(walk, node, flags, TRUE, &disk->info);
	}
	return disk;
}

static void attribute_choice(XmlWriter *writer, const char *name, const char *const *names,
			     int value)
{
	if (value > 0)
		xml_writer_attribute(writer, name, names[value - 1]);
}

static void attribute_if(XmlWriter *writer, const char *name, guint value)
{
	if (value > 0)
		xml_writer_attribute_number(writer, name, value);
}

static void format_driver(XmlWriter *writer, const DomainDisk *disk)
{
	xml_writer_start(writer, "driver");
	xml_writer_attribute(writer, "name", "qemu");
	xml_writer_attribute(writer, "type", disk->format);
	attribute_choice(writer, "cache", cache_names, (int)disk->cache);
	attribute_choice(writer, "error_policy", error_names, (int)disk->write_error);
	attribute_choice(writer, "rerror_policy", read_error_names, (int)disk->read_error);
	attribute_choice(writer, "io", io_names, (int)disk->io);
	attribute_choice(writer, "discard", discard_names, (int)disk->discard);
	attribute_if(writer, "iothread", disk->iothread);
	attribute_choice(writer, "detect_zeroes", detect_zeroes_names, (int)disk->detect_zeroes);
	attribute_if(writer, "queues", disk->queues);
	attribute_if(writer, "queue_size", disk->queue_size);
	domain_format_dma(writer, disk->dma);
	domain_format_virtio_options(writer, &disk->virtio);
	xml_writer_end(writer);
}

static void format_network(XmlWriter *writer, const DomainDisk *disk)
{
	xml_writer_attribute(writer, "protocol", "nbd");
	xml_writer_attribute(writer, "name", disk->nbd_export);
	xml_writer_start(writer, "host");
	if (disk->nbd_socket) {
		xml_writer_attribute(writer, "transport", "unix");
		xml_writer_attribute(writer, "socket", disk->nbd_socket);
	} else {
		xml_writer_attribute(writer, "name", disk->nbd_host);
		xml_writer_attribute_number(writer, "port", disk->nbd_port);
	}
	xml_writer_end(writer);
}

static void format_backings(XmlWriter *writer, const DomainDisk *disk)
{
	const guint n_backings = disk->backings ? disk->backings->len : 0;

	for (guint i = 0; i < n_backings; i++) {
		const DomainDiskBacking *backing = disk->backings->pdata[i];

		xml_writer_start(writer, "backingStore");
		xml_writer_attribute(writer, "type", type_names[backing->type]);
		xml_writer_element_with(writer, "format", "type", backing->format);
		xml_writer_element_with(writer, "source",
					backing->type == DOMAIN_DISK_FILE ? "file" : "dev",
					backing->path);
	}
	if (disk->is_chain_complete)
		xml_writer_element_empty(writer, "backingStore");
	for (guint i = 0; i < n_backings; i++)
		xml_writer_end(writer);
}

static void format_source(XmlWriter *writer, const DomainDisk *disk)
{
	if (domain_disk_is_empty(disk))
		return;
	xml_writer_start(writer, "source");
	if (disk->type == DOMAIN_DISK_NETWORK)
		format_network(writer, disk);
	else
		xml_writer_attribute(writer, disk->type == DOMAIN_DISK_FILE ? "file" : "dev",
				     disk->path);
	attribute_choice(writer, "startupPolicy", startup_names, (int)disk->startup);
	xml_writer_end(writer);
	format_backings(writer, disk);
}

static void format_drive_address(XmlWriter *writer, guint unit)
{
	xml_writer_start(writer, "address");
	xml_writer_attribute(writer, "type", "drive");
	xml_writer_attribute(writer, "controller", "0");
	xml_writer_attribute(writer, "bus", "0");
	xml_writer_attribute(writer, "target", "0");
	xml_writer_attribute_number(writer, "unit", unit);
	xml_writer_end(writer);
}

void domain_format_disk(XmlWriter *writer, const DomainDisk *disk, gboolean live)
{
	xml_writer_start(writer, "disk");
	xml_writer_attribute(writer, "type", type_names[disk->type]);
	xml_writer_attribute(writer, "device", disk->is_cdrom ? "cdrom" : "disk");
	format_driver(writer, disk);
	format_source(writer, disk);
	if (disk->logical_block_size || disk->physical_block_size) {
		xml_writer_start(writer, "blockio");
		attribute_if(writer, "logical_block_size", disk->logical_block_size);
		attribute_if(writer, "physical_block_size", disk->physical_block_size);
		xml_writer_end(writer);
	}
	xml_writer_start(writer, "target");
	xml_writer_attribute(writer, "dev", disk->target);
	xml_writer_attribute(writer, "bus", bus_names[disk->bus]);
	if (live && disk->is_tray_open)
		xml_writer_attribute(writer, "tray", "open");
	xml_writer_end(writer);
	domain_format_iotune(writer, &disk->iotune);
	if (disk->is_readonly)
		xml_writer_element_empty(writer, "readonly");
	if (disk->is_shareable)
		xml_writer_element_empty(writer, "shareable");
	xml_writer_element_text(writer, "serial", disk->serial);
	if (disk->wwn > 0) {
		g_autofree char *wwn = g_strdup_printf("%016" PRIx64, disk->wwn);

		xml_writer_element_text(writer, "wwn", wwn);
	}
	domain_format_device_info(writer, &disk->info, live);
	if (disk->has_unit)
		format_drive_address(writer, disk->unit);
	xml_writer_end(writer);
}

int domain_disk_compare(gconstpointer a, gconstpointer b)
{
	const DomainDisk *first = *(DomainDisk *const *)a;
	const DomainDisk *second = *(DomainDisk *const *)b;
	guint first_index = 0, second_index = 0;

	if (first->bus != second->bus)
		return (int)first->bus - (int)second->bus;
	(void)domain_disk_target_index(first->target, &first_index);
	(void)domain_disk_target_index(second->target, &second_index);
	if (first_index != second_index)
		return (int)first_index - (int)second_index;
	return strcmp(first->target, second->target);
}

static gboolean take_units(const DomainDef *def, const DomainDisk **at, GError **error)
{
	for (guint i = 0; i < def->disks->len; i++) {
		const DomainDisk *disk = def->disks->pdata[i];

		if (!disk->has_unit)
			continue;
		if (at[disk->unit])
			return driver_error(error, VIR_ERR_XML_ERROR,
					    _("disks %s and %s both have the unit %u"),
					    at[disk->unit]->target, disk->target, disk->unit);
		at[disk->unit] = disk;
	}
	return TRUE;
}

/* Return: SATA_PORTS where there is none. */
static guint choose_unit(const DomainDisk *disk, const DomainDisk *const *at)
{
	guint unit;

	if (domain_disk_target_index(disk->target, &unit) && unit < SATA_PORTS && !at[unit])
		return unit;
	for (unit = 0; unit < SATA_PORTS && at[unit]; unit++)
		;
	return unit;
}

gboolean domain_disks_complete(DomainDef *def, GError **error)
{
	const DomainDisk *at[SATA_PORTS] = { NULL };

	if (!take_units(def, at, error))
		return FALSE;
	for (guint i = 0; i < def->disks->len; i++) {
		DomainDisk *disk = def->disks->pdata[i];

		if (disk->bus != DOMAIN_DISK_SATA)
			continue;
		def->has_sata = TRUE;
		if (disk->has_unit)
			continue;
		disk->unit = choose_unit(disk, at);
		if (disk->unit == SATA_PORTS)
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("disk %s: the SATA controller has %d ports"),
					    disk->target, SATA_PORTS);
		disk->has_unit = TRUE;
		at[disk->unit] = disk;
	}
	return TRUE;
}

/* What only some formats can be. */
static gboolean check_use(const DomainDisk *disk, GError **error)
{
	const gboolean is_raw = strcmp(disk->format, "raw") == 0;

	if (!is_raw && disk->type == DOMAIN_DISK_NETWORK)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk %s has the format '%s': on the network only 'raw' is "
				      "supported"),
				    disk->target, disk->format);
	if (!is_raw && disk->is_shareable)
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk %s has the format '%s': only 'raw' is shareable"),
				    disk->target, disk->format);
	if (!disk->is_readonly && !image_format_is_writable(disk->format))
		return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
				    _("disk %s has the format '%s', which cannot be written to: "
				      "add an element 'readonly'"),
				    disk->target, disk->format);
	return TRUE;
}

static gboolean check_backings(const DomainDisk *disk, GError **error)
{
	const char *format = disk->format;

	for (guint i = 0; disk->backings && i < disk->backings->len; i++) {
		const DomainDiskBacking *backing = disk->backings->pdata[i];

		if (!image_format_has_backing(format))
			return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
					    _("disk %s: an image of the format '%s' has none "
					      "behind it"),
					    disk->target, format);
		if (!domain_check_path("devices/disk/backingStore/source", backing->path, error))
			return FALSE;
		format = backing->format;
	}
	return TRUE;
}

/* What virtio disks have and SATA's have not. */
static gboolean check_sata(const DomainDisk *disk, GError **error)
{
	const char *what = NULL;

	if (disk->bus != DOMAIN_DISK_SATA)
		return TRUE;
	if (disk->queues || disk->queue_size)
		what = "queues";
	else if (domain_virtio_options_are_set(&disk->virtio))
		what = "iommu";
	else if (disk->logical_block_size > MIN_BLOCK_SIZE)
		what = "logical_block_size";
	else if (disk->is_readonly && !disk->is_cdrom)
		what = "readonly";
	if (!what)
		return TRUE;
	return driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("disk %s is on the bus 'sata', where '%s' is not supported"),
			    disk->target, what);
}

static gboolean check_cdrom(const DomainDisk *disk, GError **error)
{
	return !disk->is_cdrom || domain_iotune_is_empty(&disk->iotune) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("disk %s is a CD-ROM drive, where 'iotune' is not supported"),
			    disk->target);
}

gboolean domain_disk_is_direct(const DomainDisk *disk)
{
	return disk->cache == DOMAIN_DISK_CACHE_NONE || disk->cache == DOMAIN_DISK_CACHE_DIRECTSYNC;
}

/* libvirt's rule: so no document is accepted here that it would refuse. */
static gboolean check_io(const DomainDisk *disk, GError **error)
{
	return disk->io != DOMAIN_DISK_IO_NATIVE || domain_disk_is_direct(disk) ||
	       driver_error(error, VIR_ERR_CONFIG_UNSUPPORTED,
			    _("disk %s has io='native', which takes cache='none' or "
			      "'directsync'"),
			    disk->target);
}

gboolean domain_check_disk(const DomainDisk *disk, GError **error)
{
	return check_sata(disk, error) && check_cdrom(disk, error) && check_io(disk, error) &&
	       domain_check_path("devices/disk/source", disk->path, error) &&
	       domain_check_path("devices/disk/source/host", disk->nbd_socket, error) &&
	       check_use(disk, error) && check_backings(disk, error) &&
	       domain_check_iotune(&disk->iotune, disk->target, error);
}

void domain_write_disk_capabilities(XmlWriter *writer)
{
	static const char *const devices[] = { "disk", "cdrom", NULL };
	static const char *const models[] = { "virtio", NULL };

	xml_writer_start(writer, "disk");
	xml_writer_attribute(writer, "supported", "yes");
	xml_writer_enum(writer, "diskDevice", devices);
	xml_writer_enum(writer, "bus", bus_names);
	xml_writer_enum(writer, "model", models);
	xml_writer_end(writer);
}
