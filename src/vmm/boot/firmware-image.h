/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware-image.h - whether a file's content looks like firmware
 *
 * UEFI Platform Initialization 1.7, volume 3, section 3.2.1 (firmware volume header); for a
 * BIOS, what a PC runs after reset. Meant for users who name the wrong file: what passes may
 * still not run.
 */
#pragma once

#include <glib.h>

#define FIRMWARE_BIOS_MAX_SIZE (8u << 20)

typedef enum {
	FIRMWARE_UEFI_CODE,	 /* OVMF_CODE.fd, or code and variables in one */
	FIRMWARE_UEFI_VARIABLES, /* OVMF_VARS.fd */
	FIRMWARE_BIOS,		 /* bios-256k.bin */
} FirmwareKind;

/*
 * firmware_image_check - look at the headers of a firmware file
 * @name:    of the file, for messages
 * @content: the whole file
 * @size:    bytes
 *
 * Return: FALSE with BOOT_ERROR_FORMAT set: empty, truncated, or not of the kind.
 */
gboolean firmware_image_check(FirmwareKind kind, const char *name, const guint8 *content,
			      gsize size, GError **error);
