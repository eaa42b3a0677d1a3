/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * disk.h - <disk>: what stores data
 */
#pragma once

#include "driver/conf/devices/device.h"
#include "driver/conf/devices/iotune.h"

/* <disk type=> */
typedef enum {
	DOMAIN_DISK_FILE,
	DOMAIN_DISK_BLOCK,
	DOMAIN_DISK_NETWORK, /* NBD */
} DomainDiskType;

/* <target bus=> */
typedef enum {
	DOMAIN_DISK_VIRTIO,
	DOMAIN_DISK_SATA,
} DomainDiskBus;

/* What becomes of a domain whose medium is not there: <source startupPolicy=> */
typedef enum {
	DOMAIN_DISK_STARTUP_DEFAULT, /* as mandatory */
	DOMAIN_DISK_STARTUP_MANDATORY,
	DOMAIN_DISK_STARTUP_REQUISITE, /* the same where it starts */
	DOMAIN_DISK_STARTUP_OPTIONAL,  /* the drive is empty */
} DomainDiskStartup;

typedef enum {
	DOMAIN_DISK_CACHE_DEFAULT, /* as writeback */
	DOMAIN_DISK_CACHE_NONE,
	DOMAIN_DISK_CACHE_WRITETHROUGH,
	DOMAIN_DISK_CACHE_WRITEBACK,
	DOMAIN_DISK_CACHE_DIRECTSYNC,
	DOMAIN_DISK_CACHE_UNSAFE,
} DomainDiskCache;

/* How QEMU would read and write: <driver io=>. Here it is io_uring in each case. */
typedef enum {
	DOMAIN_DISK_IO_DEFAULT,
	DOMAIN_DISK_IO_URING,
	DOMAIN_DISK_IO_NATIVE, /* not with the host's cache */
	DOMAIN_DISK_IO_THREADS,
} DomainDiskIo;

typedef enum {
	DOMAIN_DISK_DISCARD_DEFAULT, /* as ignore */
	DOMAIN_DISK_DISCARD_UNMAP,
	DOMAIN_DISK_DISCARD_IGNORE,
} DomainDiskDiscard;

typedef enum {
	DOMAIN_DISK_DETECT_ZEROES_DEFAULT, /* as off */
	DOMAIN_DISK_DETECT_ZEROES_OFF,
	DOMAIN_DISK_DETECT_ZEROES_ON,
	DOMAIN_DISK_DETECT_ZEROES_UNMAP, /* as on where discard is not unmap */
} DomainDiskDetectZeroes;

/* What becomes of an error: <driver error_policy= rerror_policy=> */
typedef enum {
	DOMAIN_DISK_ERROR_DEFAULT, /* of writing: enospace; of reading: report */
	DOMAIN_DISK_ERROR_STOP,
	DOMAIN_DISK_ERROR_REPORT,
	DOMAIN_DISK_ERROR_IGNORE,
	DOMAIN_DISK_ERROR_ENOSPACE, /* stop where the disk is full, report others */
} DomainDiskErrorPolicy;

/* <backingStore>: an image that has what the one before it has not. */
typedef struct {
	DomainDiskType type; /* a file or a block device */
	char *path;
	char *format; /* <format type=> */
} DomainDiskBacking;

/* The most that a disk has. */
#define DOMAIN_DISK_MAX_BACKINGS 100

/* The most that one disk's <driver queues=> asks for. */
#define DOMAIN_DISK_MAX_QUEUES 256

typedef struct {
	DomainDiskType type;
	DomainDiskBus bus;
	gboolean is_cdrom;
	DomainDiskStartup startup; /* of a CD-ROM drive's */
	char *path;	     /* of a file or a block device; NULL also where a drive is empty */
	char *nbd_export;    /* <source protocol='nbd' name=>, or NULL */
	char *nbd_host;	     /* <host name=>, or NULL */
	guint nbd_port;	     /* <host port=>, 10809 where none was given */
	char *nbd_socket;    /* <host transport='unix' socket=>, or NULL */
	char *format;	     /* <driver type=>: "raw", or one of image_formats() */
	GPtrArray *backings; /* of DomainDiskBacking, the nearest first; NULL: none are known */
	gboolean is_chain_complete; /* <backingStore/>: the last has none behind it */

	DomainDiskCache cache;
	DomainDiskIo io;
	DomainDiskDiscard discard;
	DomainDiskDetectZeroes detect_zeroes;
	DomainDiskErrorPolicy write_error, read_error;
	guint queues;	  /* 0: not given, one */
	guint queue_size; /* 0: the VMM's choice */
	guint iothread;	  /* the id of one, or 0: its own */
	DomainDma dma;
	DomainVirtioOptions virtio;

	char *target;	       /* "vda": unique, and gives the alias its number */
	char *serial;	       /* what the guest reads, 20 bytes at most */
	guint64 wwn;	       /* of SATA's; 0: none */
	gboolean is_tray_open; /* <target tray=>, in live XML: of a CD-ROM drive */
	gboolean has_unit; /* <address type='drive' unit=>: which of the SATA controller's ports */
	guint unit;
	gboolean is_readonly;
	gboolean is_shareable;
	guint logical_block_size, physical_block_size; /* <blockio>: 0 where absent */
	DomainIotune iotune;
	DomainDeviceInfo info;
} DomainDisk;

DomainDisk *domain_disk_copy(const DomainDisk *disk);
void domain_disk_free(DomainDisk *disk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainDisk, domain_disk_free)

/* One more behind those that are known. */
void domain_disk_add_backing(DomainDisk *disk, DomainDiskType type, const char *path,
			     const char *format);

/* Whether QEMU's storage daemon serves it: its format is one that the VMM has not. */
gboolean domain_disk_is_served(const DomainDisk *disk);

/* Whether the host's cache is left out. */
gboolean domain_disk_is_direct(const DomainDisk *disk);

/* Return: never NULL; errors are in @walk. */
DomainDisk *domain_parse_disk(XmlWalk *walk, xmlNode *node, DomainParseFlags flags);
void domain_format_disk(XmlWriter *writer, const DomainDisk *disk, gboolean live);

/*
 * domain_check_disk - what depends on several of its elements
 *
 * Return: FALSE with VIR_ERR_XML_ERROR or VIR_ERR_CONFIG_UNSUPPORTED that names its target.
 */
gboolean domain_check_disk(const DomainDisk *disk, GError **error);

/* Takes the medium out of a CD-ROM drive. */
void domain_disk_empty(DomainDisk *disk);

/* Return: FALSE with VIR_ERR_OPERATION_UNSUPPORTED where one of both is no CD-ROM drive. */
gboolean domain_disk_change_medium(DomainDisk *disk, const DomainDisk *wanted, GError **error);

/* Whether nothing is in a CD-ROM drive. */
gboolean domain_disk_is_empty(const DomainDisk *disk);

/*
 * domain_disks_complete - give each SATA drive a port of the controller
 *
 * That of its target's letter, or the lowest that is free.
 *
 * Return: FALSE with VIR_ERR_XML_ERROR where two have the same one, VIR_ERR_CONFIG_UNSUPPORTED
 * where there are too many.
 */
gboolean domain_disks_complete(DomainDef *def, GError **error);

/* Drives are in the order of their buses, and then of their targets. For g_ptr_array_sort(). */
int domain_disk_compare(gconstpointer a, gconstpointer b);

/* The place of "vda", "sdab" among all with its letters: 0, 27. Return: FALSE for other names. */
gboolean domain_disk_target_index(const char *target, guint *index);

/* The disk whose target, or source, is @name, as virsh's calls take it; NULL where there is none.
 */
DomainDisk *domain_find_disk(const DomainDef *def, const char *name);

/* The disk of that alias. Return: or NULL. */
DomainDisk *domain_find_disk_alias(const DomainDef *def, const char *alias);

/* <disk> of domain capabilities. */
void domain_write_disk_capabilities(XmlWriter *writer);
