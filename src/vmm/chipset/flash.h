/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flash.h - a machine's units of flash and its BIOS: files that are seen below 4 GiB
 *
 * Theory of operation
 *
 * Each is a memslot that the guest reads, so that KVM finds its instructions there as the guest
 * does. A unit of flash is one as long as it reads as an array; in its other modes what is read
 * comes to the unit by the MMIO bus, as all that is written does. What the guest has programmed
 * is stored when it asks about it, and at the latest in a pause.
 */
#pragma once

#include "vmm/chipset/pflash-file.h"
#include "vmm/device/surroundings.h"

/*
 * flash_create - add a unit of flash to a machine
 * @id:          of the registry's record
 * @file:        taken over, on errors too
 * @end:         guest physical address of its end
 * @is_readonly: it is code: it cannot be programmed, and its last 128 KiB are also seen below
 *               1 MiB
 */
gboolean flash_create(const DeviceSurroundings *surroundings, const char *id, PflashFile *file,
		      guint64 end, gboolean is_readonly, GError **error);

/* The same for a ROM, which ignores what is written to it, and is code. */
gboolean flash_create_rom(const DeviceSurroundings *surroundings, const char *id, PflashFile *file,
			  guint64 end, GError **error);
