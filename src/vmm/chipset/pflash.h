/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pflash.h - one unit of flash memory: Common Flash Interface, Intel's command set
 *
 * JEDEC JESD68.01 (CFI) and JEP137 (command set 0001, Intel/Sharp extended); a byte wide, in
 * blocks of 4 KiB, as QEMU wires the two units of a q35 and as OVMF drives them.
 */
#pragma once

#include <glib.h>

#include "vmm/device/bus.h"

#define PFLASH_BLOCK_SIZE 4096u

/* All units of a machine together: below 4 GiB there is no more room for them. */
#define PFLASH_TOTAL_SIZE (8u << 20)

typedef struct Pflash Pflash;

/* What a unit asks of its machine. Both are called with the device lock held. */
typedef struct {
	/*
	 * In read-array mode the guest reads the content, by a memslot where there is one; in
	 * the others all it reads has to come to the unit. Called when the mode changes between
	 * the two; a new unit is in read-array mode. Writes come to the unit in either.
	 */
	void (*set_readable)(void *opaque, gboolean is_array);

	/*
	 * Makes [offset, offset + size) of the content durable; the range lies in one block.
	 * FALSE where that fails: the content then goes back to what it was, and the guest is
	 * told. May wait for the host's storage, the calling vCPU with it. Not called for a
	 * unit that is read-only.
	 */
	gboolean (*store)(void *opaque, guint64 offset, gsize size);
} PflashHost;

extern const BusOperations pflash_operations;

/*
 * pflash_new - make a unit
 * @content:     lent for the unit's life, aligned to pages of the host
 * @size:        bytes, a multiple of PFLASH_BLOCK_SIZE, at most PFLASH_TOTAL_SIZE
 * @is_readonly: programming and erasing fail, and say so in the status register
 * @host:        lent for the unit's life
 */
Pflash *pflash_new(guint8 *content, gsize size, gboolean is_readonly, const PflashHost *host,
		   void *opaque);

/* What has not been stored by pflash_flush() is lost. */
void pflash_free(Pflash *pflash);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pflash, pflash_free)

/* Back to read-array mode; what was programmed is stored. */
void pflash_reset(Pflash *pflash);

/*
 * Stores what the guest has programmed and not asked about yet; to be called before the
 * machine ends, and when it is paused.
 */
void pflash_flush(Pflash *pflash);
