/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* iotune.h - <iotune> of a disk: how much of it may be read and written in a second */
#pragma once

#include "driver/conf/xml-walk.h"
#include "driver/conf/xml-writer.h"

/* As libvirt orders them. Totals come before reading and writing. */
typedef enum {
	DOMAIN_IOTUNE_BYTES,
	DOMAIN_IOTUNE_OPERATIONS = 3,
	DOMAIN_IOTUNE_BYTES_MAX = 6,
	DOMAIN_IOTUNE_OPERATIONS_MAX = 9,
	DOMAIN_IOTUNE_OPERATION_SIZE = 12,
	DOMAIN_IOTUNE_BYTES_MAX_LENGTH = 13,
	DOMAIN_IOTUNE_OPERATIONS_MAX_LENGTH = 16,
	DOMAIN_IOTUNE_COUNT = 19,
} DomainIotuneValue;

/* 0: there is no such limit */
typedef struct {
	guint64 values[DOMAIN_IOTUNE_COUNT];
} DomainIotune;

typedef struct {
	const char *name;	 /* of the element, and of libvirt's parameter */
	const char *description; /* the VMM's, in a device's "throttling" */
	const char *argument;	 /* the VMM's, of block_set_io_throttle */
} DomainIotuneName;

extern const DomainIotuneName domain_iotune_names[DOMAIN_IOTUNE_COUNT];

/* Return: the value that a parameter is of, or -1. */
int domain_iotune_find(const char *name);

gboolean domain_iotune_is_empty(const DomainIotune *iotune);

/*
 * domain_iotune_merge - change limits as libvirt does
 * @wanted: those with a bit in @given
 *
 * One of a group (bytes, operations, their maxima) that is given stands for all of the group. A
 * maximum goes with its average, and the length of a maximum with that.
 */
void domain_iotune_merge(DomainIotune *iotune, const DomainIotune *wanted, guint given);

void domain_parse_iotune(XmlWalk *walk, xmlNode *disk, DomainIotune *iotune);
void domain_format_iotune(XmlWriter *writer, const DomainIotune *iotune);

/* Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that names the disk and the limit. */
gboolean domain_check_iotune(const DomainIotune *iotune, const char *target, GError **error);
