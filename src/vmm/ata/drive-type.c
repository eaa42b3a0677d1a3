/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * drive-type.c - drives at SATA controllers, as they are described
 *
 * Members have QEMU's names and defaults. A drive's record in the registry has its place at the
 * controller and no more: pauses and resets are the controller's.
 */
#include "vmm/ata/drive-type.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/ata/ahci-pci.h"
#include "vmm/ata/cdrom.h"
#include "vmm/ata/disk.h"
#include "vmm/device/blockdev.h"
#include "vmm/device/dma-choice.h"
#include "vmm/device/io-thread-type.h"
#include "vmm/device/paced-signal.h"
#include "vmm/device/throttling.h"

/* What firmware calls the controller: its vendor and device. */
#define BOOT_CONTROLLER "pci8086,2922"
#define BOOT_UNIT	"drive@%x/disk@0"

#define CDROM_MODEL	"GMEM-DVD-ROM"
#define DISK_MODEL	"GMEM-HARDDISK"
#define BLOCK_SIZE_MAX	32768u

typedef struct {
	char *id;
	const DeviceSurroundings *surroundings;
	Ahci *ahci;
	guint port;

	/* Of a CD-ROM drive. */
	gboolean is_cdrom;
	gboolean was_open; /* the tray, as was told last */
	PacedSignal tray;  /* the guest has moved it */
} Drive;

/* What every drive is told. */
typedef struct {
	char *bus;
	char *iothread;
	char *serial;
	char *model;
	guint read_policy;
	guint write_policy;
	guint dma; /* DmaChoice */
	JsonObject *blockdev;
} DriveOptions;

typedef struct {
	DriveOptions options;
	guint64 wwn;
	guint64 physical_block_size;
	gboolean has_write_cache;
	gboolean is_shared;
	JsonObject *throttling;
} DiskDescription;

typedef struct {
	DriveOptions options;
} CdromDescription;

#define DRIVE_OPTION_FIELDS(description, member, needs_blockdev)               \
	{ .name = "bus",                                                       \
	  .type = JSON_FIELD_STRING,                                           \
	  .offset = G_STRUCT_OFFSET(description, member.bus),                  \
	  .is_required = TRUE },                                               \
		{ .name = "iothread",                                          \
		  .type = JSON_FIELD_STRING,                                   \
		  .offset = G_STRUCT_OFFSET(description, member.iothread) },   \
		{ .name = "serial",                                            \
		  .type = JSON_FIELD_STRING,                                   \
		  .offset = G_STRUCT_OFFSET(description, member.serial) },     \
		{ .name = "model",                                             \
		  .type = JSON_FIELD_STRING,                                   \
		  .offset = G_STRUCT_OFFSET(description, member.model) },      \
		{ .name = "rerror",                                            \
		  .type = JSON_FIELD_CHOICE,                                   \
		  .offset = G_STRUCT_OFFSET(description, member.read_policy),  \
		  .choices = disk_read_policies },                             \
		{ .name = "werror",                                            \
		  .type = JSON_FIELD_CHOICE,                                   \
		  .offset = G_STRUCT_OFFSET(description, member.write_policy), \
		  .value = DISK_POLICY_ENOSPC,                                 \
		  .choices = disk_write_policies },                            \
		DMA_CHOICE_FIELD(description, member.dma),                     \
	{                                                                      \
		.name = "blockdev", .type = JSON_FIELD_OBJECT,                 \
		.offset = G_STRUCT_OFFSET(description, member.blockdev),       \
		.is_required = needs_blockdev                                  \
	}

static const JsonField disk_fields[] = {
	DRIVE_OPTION_FIELDS(DiskDescription, options, TRUE),
	{ .name = "wwn",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(DiskDescription, wwn),
	  .maximum = G_MAXINT64 },
	{ .name = "physical_block_size",
	  .type = JSON_FIELD_NUMBER,
	  .offset = G_STRUCT_OFFSET(DiskDescription, physical_block_size),
	  .minimum = BLOCK_SECTOR_SIZE,
	  .maximum = BLOCK_SIZE_MAX },
	{ .name = "write-cache",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(DiskDescription, has_write_cache),
	  .value = TRUE },
	{ .name = "share-rw",
	  .type = JSON_FIELD_BOOL,
	  .offset = G_STRUCT_OFFSET(DiskDescription, is_shared) },
	{ .name = "throttling",
	  .type = JSON_FIELD_OBJECT,
	  .offset = G_STRUCT_OFFSET(DiskDescription, throttling) },
	{ .name = NULL },
};

static const JsonField cdrom_fields[] = {
	DRIVE_OPTION_FIELDS(CdromDescription, options, FALSE),
	{ .name = NULL },
};

/* The record in the registry */

static void device_free(void *opaque)
{
	Drive *drive = opaque;

	ahci_unplug(drive->ahci, drive->port);
	paced_signal_clear(&drive->tray);
	g_free(drive->id);
	g_free(drive);
}

const DeviceOperations ata_drive_device_operations = { .free = device_free };

static AtaDrive *drive_of(void *device)
{
	const Drive *drive = device;

	return ahci_drive(drive->ahci, drive->port);
}

BlockBackend *ata_drive_backend(void *device)
{
	return disk_queue_backend(drive_of(device)->queue);
}

DiskQueue *ata_drive_disk_queue(void *device)
{
	const Drive *drive = device;

	return drive->is_cdrom ? NULL : drive_of(device)->queue;
}

/* The place */

/* "CONTROLLER.PORT", where there is such a controller. */
static AhciPci *find_controller(const DeviceContext *context, const DriveOptions *options,
				guint *port, GError **error)
{
	const char *dot = strrchr(options->bus, '.');
	g_autofree char *name = dot ? g_strndup(options->bus, (gsize)(dot - options->bus)) : NULL;
	AhciPci *pci = NULL;
	guint64 number;

	if (name)
		pci = device_registry_find(context->surroundings->registry, name,
					   &ahci_pci_device_operations);
	if (pci && g_ascii_string_to_unsigned(dot + 1, 10, 0, AHCI_PORTS - 1, &number, NULL)) {
		*port = (guint)number;
		return pci;
	}
	json_fields_refuse(error, context->owner, "bus",
			   _("a SATA controller's id, '.', and a port from 0 to 5 are wanted"));
	return NULL;
}

static gboolean find_boot_place(const DeviceContext *context, const void *description,
				DeviceBootPlace *place, GError **error)
{
	guint port;
	const AhciPci *pci = find_controller(context, description, &port, error);

	if (!pci)
		return FALSE;
	ahci_pci_place(pci, &place->slot, &place->function);
	place->name = BOOT_CONTROLLER;
	g_snprintf(place->unit, sizeof(place->unit), BOOT_UNIT, port);
	return TRUE;
}

static AhciPci *find_free_port(const DeviceContext *context, const DriveOptions *options,
			       guint *port, GError **error)
{
	AhciPci *pci = find_controller(context, options, port, error);

	if (!pci || !ahci_drive(ahci_pci_controller(pci), *port))
		return pci;
	json_fields_refuse(error, context->owner, "bus", _("another drive is there"));
	return NULL;
}

static IoThread *find_io_thread(const DeviceContext *context, const DriveOptions *options,
				AhciPci *pci, GError **error)
{
	IoThread *thread;

	if (!options->iothread)
		return ahci_pci_io_thread(pci, context, error);
	thread = device_registry_find(context->surroundings->registry, options->iothread,
				      &io_thread_device_operations);
	if (!thread)
		json_fields_refuse(error, context->owner, "iothread",
				   _("there is no such I/O thread"));
	return thread;
}

static DiskQueue *make_queue(const DeviceContext *context, const DriveOptions *options,
			     IoThread *thread, GError **error)
{
	const DiskErrorHandler errors = blockdev_errors(context, options->read_policy,
							options->write_policy);
	const gboolean uses_windows = options->dma == DMA_CHOICE_WINDOW;
	DmaChannel *channel = NULL;
	DiskQueue *queue;
	IoRing *ring;

	if (!dma_choice_check(context, options->dma, error))
		return NULL;
	ring = io_thread_ring(thread, error);
	if (!ring)
		return NULL;
	if (uses_windows) {
		channel = io_thread_window_dma(thread, error);
		if (!channel)
			return NULL;
	}
	queue = disk_queue_new(thread, ring, io_ring_staging(ring), &errors);
	if (uses_windows)
		disk_queue_use_windows(queue, channel);
	return queue;
}

/* The queue gets the backend that is described, before the guest runs. */
static gboolean fill_queue(const DeviceContext *context, DiskQueue *queue, JsonObject *blockdev,
			   gboolean is_shared, GError **error)
{
	BlockBackend *backend = blockdev_open(context, blockdev, is_shared, error);

	if (!backend)
		return FALSE;
	disk_queue_set_backend(queue, backend);
	return TRUE;
}

static Drive *new_drive(const DeviceContext *context, AhciPci *pci, guint port)
{
	Drive *drive = g_new0(Drive, 1);

	drive->id = g_strdup(context->id);
	drive->surroundings = context->surroundings;
	drive->ahci = ahci_pci_controller(pci);
	drive->port = port;
	return drive;
}

static void plug(Drive *drive, AtaDrive *ata, IoThread *thread)
{
	ahci_plug(drive->ahci, drive->port, ata, thread);
	device_registry_add(drive->surroundings->registry, drive->id, &ata_drive_device_operations,
			    drive);
}

/* Hard disks */

static gboolean is_power_of_two(guint64 value)
{
	return value > 0 && !(value & (value - 1));
}

static gboolean check_disk(const DeviceContext *context, const DiskDescription *description,
			   GError **error)
{
	if (!description->physical_block_size || is_power_of_two(description->physical_block_size))
		return TRUE;
	return json_fields_refuse(error, context->owner, "physical_block_size",
				  _("a power of two is wanted"));
}

/* There are no hard disks that cannot be written to. */
static gboolean check_backend(const DeviceContext *context, const DiskQueue *queue, GError **error)
{
	if (!block_backend_is_readonly(disk_queue_backend(queue)))
		return TRUE;
	return json_fields_refuse(error, context->owner, "blockdev.read-only",
				  _("SATA disks are not read-only"));
}

static AtaDrive *make_disk(const DiskDescription *description, guint port, DiskQueue *queue)
{
	g_autofree char *serial = g_strdup_printf("GM%05u", port + 1);
	const AtaDiskConfig config = {
		.serial = description->options.serial ? description->options.serial : serial,
		.model = description->options.model ? description->options.model : DISK_MODEL,
		.wwn = description->wwn,
		.physical_block_size = (guint32)description->physical_block_size,
		.has_write_cache = description->has_write_cache,
		.queue = queue,
	};

	return ata_disk_new(&config);
}

static gboolean create_disk(const DeviceContext *context, const void *opaque, GError **error)
{
	const DiskDescription *description = opaque;
	const DriveOptions *options = &description->options;
	ThrottleConfig limits;
	DiskQueue *queue;
	IoThread *thread;
	AhciPci *pci;
	guint port;

	if (!check_disk(context, description, error) ||
	    !throttling_read(description->throttling, context->owner, &limits, error))
		return FALSE;
	pci = find_free_port(context, options, &port, error);
	thread = pci ? find_io_thread(context, options, pci, error) : NULL;
	queue = thread ? make_queue(context, options, thread, error) : NULL;
	if (!queue)
		return FALSE;
	if (!fill_queue(context, queue, options->blockdev, description->is_shared, error) ||
	    !check_backend(context, queue, error)) {
		disk_queue_free(queue);
		return FALSE;
	}
	disk_queue_set_limits(queue, &limits);
	plug(new_drive(context, pci, port), make_disk(description, port, queue), thread);
	return TRUE;
}

const DeviceType ata_disk_type = {
	.name = "ide-hd",
	.is_cold_only = TRUE,
	.find_boot_place = find_boot_place,
	.fields = disk_fields,
	.description_size = sizeof(DiskDescription),
	.create = create_disk,
};

/* CD-ROM drives */

/* The main thread looks at the tray, with the device lock held. */
static void tell_tray(void *opaque)
{
	Drive *drive = opaque;
	const gboolean is_open = ata_cdrom_is_open(drive_of(drive));

	if (is_open == drive->was_open)
		return;
	drive->was_open = is_open;
	drive->surroundings->host->tray_moved(drive->surroundings->opaque, drive->id, is_open);
}

/* On the I/O thread; a guest may do it all day. */
static void on_tray_moved(void *opaque)
{
	paced_signal_send(&((Drive *)opaque)->tray);
}

/* Without the member there is no medium; with it, it is read and nothing else. */
static gboolean fill_tray(const DeviceContext *context, DiskQueue *queue, JsonObject *blockdev,
			  GError **error)
{
	return !blockdev || fill_queue(context, queue, blockdev, FALSE, error);
}

static AtaDrive *make_cdrom(const DriveOptions *options, Drive *drive, DiskQueue *queue)
{
	g_autofree char *serial = g_strdup_printf("GM%05u", drive->port + 1);
	const AtaCdromConfig config = {
		.serial = options->serial ? options->serial : serial,
		.model = options->model ? options->model : CDROM_MODEL,
		.queue = queue,
		.tray_moved = on_tray_moved,
		.opaque = drive,
	};

	return ata_cdrom_new(&config);
}

static gboolean create_cdrom(const DeviceContext *context, const void *opaque, GError **error)
{
	const DriveOptions *options = &((const CdromDescription *)opaque)->options;
	DiskQueue *queue;
	IoThread *thread;
	Drive *drive;
	AhciPci *pci;
	guint port;

	pci = find_free_port(context, options, &port, error);
	thread = pci ? find_io_thread(context, options, pci, error) : NULL;
	queue = thread ? make_queue(context, options, thread, error) : NULL;
	if (!queue)
		return FALSE;
	drive = new_drive(context, pci, port);
	drive->is_cdrom = TRUE;
	if (!fill_tray(context, queue, options->blockdev, error) ||
	    !device_make_signal(context->surroundings, tell_tray, drive, &drive->tray.signal,
				error)) {
		disk_queue_free(queue);
		g_free(drive->id);
		g_free(drive);
		return FALSE;
	}
	paced_signal_begin(&drive->tray, thread);
	plug(drive, make_cdrom(options, drive, queue), thread);
	return TRUE;
}

const DeviceType ata_cdrom_type = {
	.name = "ide-cd",
	.is_cold_only = TRUE,
	.find_boot_place = find_boot_place,
	.fields = cdrom_fields,
	.description_size = sizeof(CdromDescription),
	.create = create_cdrom,
};

/* Media that come and go */

typedef struct {
	AtaDrive *drive;
	BlockBackend *backend;
	gboolean may_force;
	gboolean is_refused;
} Change;

/* On the I/O thread, with nothing in flight: a guest does not lock the tray meanwhile. */
static void change_on_thread(void *opaque)
{
	Change *change = opaque;

	change->is_refused = !change->may_force && ata_cdrom_is_locked(change->drive) &&
			     !ata_cdrom_is_open(change->drive);
	if (change->is_refused)
		ata_cdrom_ask_to_eject(change->drive);
	else
		ata_cdrom_change(change->drive, g_steal_pointer(&change->backend));
}

gboolean ata_drive_look_at_tray(void *device, AtaTray *tray)
{
	Drive *drive = device;

	if (!drive->is_cdrom)
		return FALSE;
	*tray = (AtaTray){
		.is_open = ata_cdrom_is_open(drive_of(drive)),
		.is_locked = ata_cdrom_is_locked(drive_of(drive)),
	};
	return TRUE;
}

gboolean ata_drive_change_medium(const DeviceContext *context, JsonObject *blockdev,
				 gboolean may_force, GError **error)
{
	Drive *drive = device_registry_find(context->surroundings->registry, context->id,
					    &ata_drive_device_operations);
	Change change = { .may_force = may_force };

	if (!drive || !drive->is_cdrom) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
			    _("there is no CD-ROM drive '%s'"), context->id);
		return FALSE;
	}
	change.drive = drive_of(drive);
	if (blockdev) {
		change.backend = blockdev_open(context, blockdev, FALSE, error);
		if (!change.backend)
			return FALSE;
	}
	ahci_call_drive(drive->ahci, drive->port, change_on_thread, &change);
	block_backend_free(change.backend);
	if (change.is_refused) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_BUSY,
			    _("%s: the guest has locked the tray; it is asked to open it: try "
			      "again, or force it"),
			    context->owner);
		return FALSE;
	}
	/* It has been open in between. */
	if (!drive->was_open) {
		drive->was_open = TRUE;
		drive->surroundings->host->tray_moved(drive->surroundings->opaque, drive->id, TRUE);
	}
	tell_tray(drive);
	return TRUE;
}
