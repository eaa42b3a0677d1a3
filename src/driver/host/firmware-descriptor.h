/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware-descriptor.h - what the host says about its firmware
 *
 * Theory of operation
 *
 * Packages and administrators describe firmware in JSON files, in the format of QEMU's
 * docs/interop/firmware.json. Folders go from general to specific: of two files with one name
 * the one in the later folder counts, and where that one is empty, or a link to /dev/null, the
 * name does not exist. What is left is sorted by file name. A file that is broken is reported
 * and skipped; it still hides the one of its name before it.
 */
#pragma once

#include <glib.h>

typedef enum {
	FIRMWARE_FLASH,	 /* two flash units: read-only code, and variables */
	FIRMWARE_MEMORY, /* a ROM below 4 GiB */
	FIRMWARE_OTHER,	 /* flash without a unit of its own for variables, "kernel" */
} FirmwareMapping;

/* One descriptor, as far as it matters here. */
typedef struct {
	char *path; /* of the descriptor itself */
	gboolean is_bios;
	gboolean is_uefi;
	gboolean is_for_machine; /* x86_64, pc-q35-* */
	FirmwareMapping mapping;
	char *executable;     /* NULL with FIRMWARE_OTHER, unless it is flash */
	char *nvram_template; /* with FIRMWARE_FLASH */
	gboolean is_raw;      /* the files are images as they are, not qcow2 or so */
	gboolean requires_smm;
	gboolean has_secure_boot;
	gboolean has_enrolled_keys;
} FirmwareDescriptor;

/*
 * firmware_descriptor_folders - where descriptors are looked for, from general to specific
 * @is_system: otherwise the user's own folder counts, too
 *
 * Return: paths for g_strfreev().
 */
GStrv firmware_descriptor_folders(gboolean is_system);

/*
 * firmware_descriptors_load - read the descriptors of these folders
 *
 * Folders that do not exist are empty.
 *
 * Return: an array of FirmwareDescriptor in the order of precedence, for g_ptr_array_unref().
 */
GPtrArray *firmware_descriptors_load(const char *const *folders);
