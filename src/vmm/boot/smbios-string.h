/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smbios-string.h - one string that a user wants in the guest's SMBIOS tables
 *
 * Field names are those of QEMU's -smbios: for type 0 vendor, version, date, release; for
 * type 1 manufacturer, product, version, serial, uuid, sku, family; for types 2 and 3
 * manufacturer, product (2 only), version, serial, asset, location (2 only), sku (3 only);
 * for types 4 and 17, where every structure of the type gets them, manufacturer, version (4
 * only), serial, asset, part; for type 11 value, once a string.
 */
#pragma once

#include <glib.h>

typedef struct SmbiosString {
	guint8 type;
	char *field;
	char *value;
} SmbiosString;
