/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware.h - the firmware that a host has, and which of it a domain gets
 *
 * Theory of operation
 *
 * Packages and administrators describe firmware in JSON files, in the format of QEMU's
 * docs/interop/firmware.json. Folders go from general to specific: of two files with one name
 * the one in the later folder counts, and where that one is empty, or a link to /dev/null, the
 * name does not exist. What is left is sorted by file name, and a domain gets the first that
 * serves it. A file that is broken is reported and skipped.
 *
 * The choice is made when a domain is defined, and from then on is in its definition, so that
 * a domain does not change its firmware when the host gets another.
 *
 * Firmware that requires SMM serves no domain here: a software-protected VM has none.
 */
#pragma once

#include <glib.h>

#include "driver/conf/domain-def.h"

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
 * firmware_folders - where descriptors are looked for, from general to specific
 * @is_system: otherwise the user's own folder counts, too
 *
 * Return: paths for g_strfreev().
 */
GStrv firmware_folders(gboolean is_system);

/*
 * firmware_load - read the descriptors of these folders
 *
 * Folders that do not exist are empty.
 *
 * Return: an array of FirmwareDescriptor in the order of precedence, for g_ptr_array_unref().
 */
GPtrArray *firmware_load(const char *const *folders);

/*
 * firmware_resolve - settle a domain's firmware
 * @def: its loader, loader_type, loader_readonly, nvram and nvram_template are filled in as far
 *       as they are needed and absent. <os firmware=> stays and is printed with the result.
 * @descriptors: of firmware_load()
 * @nvram_folder: of variables that have no path of their own: NAME_VARS.fd there
 *
 * With <os firmware=> the first descriptor that meets all that the domain says, with a <loader>
 * alone the one that describes it. With neither nothing is filled in.
 *
 * Return: FALSE with VIR_ERR_CONFIG_UNSUPPORTED that says what was asked for, and why what the
 * host has does not serve.
 */
gboolean firmware_resolve(DomainDef *def, const GPtrArray *descriptors, const char *nvram_folder,
			  GError **error);

/*
 * firmware_default_bios - the BIOS of a domain that names neither firmware nor kernel
 *
 * Return: the path of the first BIOS that is described, else of the SeaBIOS that this was built
 * for, whether it exists or not; for g_free().
 */
char *firmware_default_bios(const GPtrArray *descriptors);

/*
 * firmware_loaders - files that a <loader> can name here, for domain capabilities
 * @has_bios, @has_efi: which values of <os firmware=> can be met
 *
 * Return: paths of files that exist, each once, in the order of precedence; for
 * g_ptr_array_unref().
 */
GPtrArray *firmware_loaders(const GPtrArray *descriptors, gboolean *has_bios, gboolean *has_efi);
