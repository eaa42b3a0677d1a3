/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domain-device.h - a device that stands on its own: what is attached, detached and updated
 *
 * Theory of operation
 *
 * A client sends the XML of one device, which is read and printed as in a domain. How a device is
 * found that is to go or to change is libvirt's: a disk by its target, an interface by its MAC
 * address, and by alias and place where the document has these, an rng by all that it says, an
 * input by its type and bus, a watchdog by its model and action. A channel is found by its name, a
 * console by its number, and both by their place, where they are given. A serial port is found by
 * its number, a controller by its type and index; of a balloon and a panic device there is one.
 *
 * Some are no element of an array, or several kinds of one name: they are in a definition that has
 * nothing else, a part of one, and come and go with the definition alone.
 *
 * A definition that has been changed is not complete: a new device has no place yet, and nobody has
 * checked it against the others. domain_def_complete_change() does what defining does.
 */
#pragma once

#include "driver/conf/domain-def.h"

typedef enum {
	DOMAIN_DEVICE_DISK,
	DOMAIN_DEVICE_INTERFACE,
	DOMAIN_DEVICE_RNG,
	DOMAIN_DEVICE_CHANNEL,
	DOMAIN_DEVICE_CONSOLE, /* of virtio */
	DOMAIN_DEVICE_INPUT,
	DOMAIN_DEVICE_WATCHDOG,
	/* Parts, from here on. */
	DOMAIN_DEVICE_MEMBALLOON,
	DOMAIN_DEVICE_SERIAL, /* or the debug console */
	DOMAIN_DEVICE_PANIC,
	DOMAIN_DEVICE_CONTROLLER,
} DomainDeviceKind;

typedef struct {
	DomainDeviceKind kind;
	union {
		DomainDisk *disk;
		DomainInterface *interface;
		DomainRng *rng;
		DomainPort *port; /* a channel or a console */
		DomainInput *input;
		DomainWatchdog *watchdog;
		DomainDef *part;
	};
} DomainDevice;

/*
 * domain_device_parse - read the document of one device
 * @xml: NUL-terminated text, of any length and from anyone
 *
 * Return: a device for domain_device_free(), or NULL with an error as of domain_def_parse(), and
 * VIR_ERR_OPERATION_UNSUPPORTED for a kind that can neither be attached nor detached.
 */
DomainDevice *domain_device_parse(const char *xml, DomainParseFlags flags, GError **error);
void domain_device_free(DomainDevice *device);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomainDevice, domain_device_free)

/* The name of its element. */
const char *domain_device_name(const DomainDevice *device);

/*
 * Changes of a definition. Those that want a device which is not there fail with
 * VIR_ERR_DEVICE_MISSING, and with VIR_ERR_OPERATION_FAILED where several fit; one that is there
 * already is VIR_ERR_OPERATION_INVALID.
 */
gboolean domain_def_attach(DomainDef *def, const DomainDevice *device, GError **error);
gboolean domain_def_detach(DomainDef *def, const DomainDevice *device, GError **error);
gboolean domain_def_detach_alias(DomainDef *def, const char *alias, GError **error);

/*
 * domain_def_attach_live - a copy of what runs, with one device more
 *
 * The device has an alias and a place behind a root port that is free, or a port of a virtio-serial
 * controller: a machine that runs gets no more of either.
 *
 * Return: for domain_def_free(), the device being the last of its kind; or NULL with an error as of
 * domain_def_attach(), and VIR_ERR_INTERNAL_ERROR where no port is free.
 */
DomainDef *domain_def_attach_live(const DomainDef *live, const DomainDevice *device,
				  GError **error);

/* Whether one of the devices that can come and go has this alias. */
gboolean domain_def_has_alias(const DomainDef *def, const char *alias);

/* Return: the alias of the device that a document means, or NULL with VIR_ERR_DEVICE_MISSING. */
const char *domain_def_find_alias(const DomainDef *def, const DomainDevice *device, GError **error);

/*
 * domain_def_change_medium - a copy of what runs, with another medium in a CD-ROM drive, or none
 * @wanted: the drive by its target, and its medium; what it says besides is left as it is
 * @index: of the drive, in both
 *
 * Return: for domain_def_free(), or NULL with VIR_ERR_DEVICE_MISSING, or with
 * VIR_ERR_OPERATION_UNSUPPORTED for a disk that is none.
 */
DomainDef *domain_def_change_medium(const DomainDef *live, const DomainDisk *wanted, guint *index,
				    GError **error);

/* What the document does not say of its alias and its place stays. */
gboolean domain_def_update(DomainDef *def, const DomainDevice *device, GError **error);

/*
 * domain_def_update_live - a copy of what runs, with what of a device can change while it is used
 * @device: an interface
 * @index: which one of its kind it is
 *
 * Return: for domain_def_free(); or NULL with VIR_ERR_DEVICE_MISSING, or with
 * VIR_ERR_OPERATION_UNSUPPORTED that names what cannot change.
 */
DomainDef *domain_def_update_live(const DomainDef *live, const DomainDevice *device, guint *index,
				  GError **error);

/*
 * domain_def_complete_change - a definition that was changed, completed and checked as a new one
 *
 * Return: for domain_def_free(), or NULL with an error as of domain_def_parse().
 */
DomainDef *domain_def_complete_change(const DomainDef *def, GError **error);
