/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smbios-string.h - one string that a user wants in the guest's SMBIOS tables
 *
 * By the name that QEMU's -smbios gives the field, and by that of libvirt's <sysinfo>:
 *
 *   0   vendor, version, date (month/day/year), release (major.minor)
 *   1   manufacturer, product, version, serial, uuid, sku, family
 *   2   manufacturer, product, version, serial, asset, location
 *   3   manufacturer, version, serial, asset, sku
 *   4   manufacturer, version, serial, asset, part: of every processor
 *   11  value: one string each time
 *   17  manufacturer, serial, asset, part: of every memory device
 */
#pragma once

#include <glib.h>

typedef struct SmbiosString {
	guint8 type;
	const char *field; /* whoever made the list frees both */
	const char *value;
} SmbiosString;
