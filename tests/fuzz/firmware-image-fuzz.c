/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * firmware-image-fuzz.c - libFuzzer target: any file as firmware
 *
 * The first byte is the kind, the rest is the file. What is refused comes with a message.
 *
 *     firmware-image-fuzz CORPUS
 */
#include <glib.h>
#include <stdint.h>

#include "vmm/boot/firmware-image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const FirmwareKind kinds[] = {
		FIRMWARE_UEFI_CODE,
		FIRMWARE_UEFI_VARIABLES,
		FIRMWARE_BIOS,
	};
	g_autoptr(GError) error = NULL;
	g_autofree guint8 *content = NULL;

	if (size == 0)
		return 0;
	/* A copy, so that a sanitizer sees a byte too many. */
	content = g_memdup2(data + 1, size - 1);
	if (!firmware_image_check(kinds[data[0] % G_N_ELEMENTS(kinds)], "fuzz", content, size - 1,
				  &error))
		g_assert_nonnull(error);
	else
		g_assert_null(error);
	return 0;
}
