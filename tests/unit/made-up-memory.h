/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * made-up-memory.h - guest memory that is an array, for tests of what reads and writes it
 *
 * It has the functions of dma.h and direct.h, and those of memory.h that a device calls: who
 * includes it links no memory engine. Its RAM begins at MADE_UP_RAM; everything else is none.
 */
#pragma once

#include <gio/gio.h>
#include <string.h>

#include "vmm/memory/direct.h"
#include "vmm/memory/dma.h"
#include "vmm/memory/memory.h"

#define MADE_UP_RAM	 0x100000ull
#define MADE_UP_RAM_SIZE 0x40000ull

static guint8 made_up_ram[MADE_UP_RAM_SIZE] __attribute__((aligned(4096)));

/* How many transfers there have been. */
static guint made_up_transfers;

/* The host's address, or NULL where it is no RAM. */
static inline void *made_up_address(guint64 gpa, guint64 size)
{
	if (gpa < MADE_UP_RAM || size > MADE_UP_RAM_SIZE ||
	    gpa - MADE_UP_RAM > MADE_UP_RAM_SIZE - size)
		return NULL;
	return made_up_ram + (gpa - MADE_UP_RAM);
}

static inline gboolean made_up_copy(const DmaPiece *pieces, guint count, guint8 *data,
				    gboolean is_write, GError **error)
{
	made_up_transfers++;
	for (guint i = 0; i < count; i++) {
		void *address = made_up_address(pieces[i].gpa, pieces[i].size);

		if (!address) {
			g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "no RAM");
			return FALSE;
		}
		if (is_write)
			memcpy(address, data, pieces[i].size);
		else
			memcpy(data, address, pieces[i].size);
		data += pieces[i].size;
	}
	return TRUE;
}

gboolean dma_channel_read(DmaChannel *channel G_GNUC_UNUSED, const DmaPiece *pieces, guint count,
			  void *data, GError **error)
{
	return made_up_copy(pieces, count, data, FALSE, error);
}

gboolean dma_channel_write(DmaChannel *channel G_GNUC_UNUSED, const DmaPiece *pieces, guint count,
			   const void *data, GError **error)
{
	return made_up_copy(pieces, count, (guint8 *)data, TRUE, error);
}

DmaChannel *dma_channel_new(Memory *memory G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	return g_malloc0(1);
}

void dma_channel_free(DmaChannel *channel)
{
	g_free(channel);
}

/* Nothing is direct, or all of RAM, so many bytes at a time. */
static guint64 made_up_direct_size;
static guint made_up_direct_uses; /* under way */

DirectMemory *direct_memory_new(Memory *memory G_GNUC_UNUSED, guint first G_GNUC_UNUSED,
				guint count G_GNUC_UNUSED, DirectSetBuffer set G_GNUC_UNUSED,
				void *opaque G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	return g_malloc0(1);
}

void direct_memory_free(DirectMemory *direct)
{
	g_free(direct);
}

gboolean direct_memory_begin(DirectMemory *direct G_GNUC_UNUSED, guint64 gpa, guint64 size,
			     DirectUse *use)
{
	const guint64 part = MIN(size, made_up_direct_size);

	if (part == 0 || !made_up_address(gpa, part))
		return FALSE;
	*use = (DirectUse){ made_up_address(gpa, part), part, -1 };
	made_up_direct_uses++;
	return TRUE;
}

void direct_memory_end(DirectMemory *direct G_GNUC_UNUSED, const DirectUse *use G_GNUC_UNUSED,
		       gboolean is_done G_GNUC_UNUSED)
{
	made_up_direct_uses--;
}

void memory_attach_thread(const Memory *memory G_GNUC_UNUSED)
{
}

guint64 memory_size(const Memory *memory G_GNUC_UNUSED)
{
	return MADE_UP_RAM + MADE_UP_RAM_SIZE;
}

/* What has been given back: ranges, and bytes of them all. */
static guint made_up_releases;
static guint64 made_up_released_bytes;

gboolean memory_release(Memory *memory G_GNUC_UNUSED, guint64 gpa, guint64 size,
			GError **error G_GNUC_UNUSED)
{
	guint64 end;

	g_assert_cmpuint(gpa % GUEST_PAGE_SIZE, ==, 0);
	g_assert_cmpuint(size % GUEST_PAGE_SIZE, ==, 0);
	g_assert_cmpuint(size, >, 0);
	g_assert_true(g_uint64_checked_add(&end, gpa, size));
	made_up_releases++;
	made_up_released_bytes += size;
	return TRUE;
}
