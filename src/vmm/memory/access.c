/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * access.c - content of guest RAM in and out, by the memory thread, without converting
 *
 * Theory of operation
 *
 * A range is walked in pieces of one state. Private pages are reached by the courier, a
 * staging area at a time. Pages that the userspace mapping holds are copied there and back:
 * this thread put them there and no other takes them away, so the access raises no event.
 * A shared page that is not there yet reads as zeroes; it is put there to be written.
 *
 * No vCPU has to be held. The guest may use the memory meanwhile, as with any DMA; what must
 * not change is the state of a page, and Memory.lock is held.
 */
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>

#include "vmm/memory/engine.h"

/* A part of the range of one state, of at most a staging area. */
typedef struct {
	RamRun run; /* the pages that it touches */
	guint64 gpa;
	guint64 size;
	gboolean is_shared;
	gboolean is_populated;
} Piece;

/* Return: FALSE where there is no RAM at @gpa. */
static gboolean next_piece(Memory *memory, guint64 gpa, guint64 size, Piece *piece)
{
	guint64 in_page = gpa & (GUEST_PAGE_SIZE - 1);
	RamRun *run = &piece->run;

	if (!ram_find(&memory->ram, gpa, size, run) || ram_run_gpa(run) > gpa)
		return FALSE;
	run->pages = MIN(run->pages, COURIER_STAGING_SIZE >> PAGE_SHIFT);
	if (memory->is_protected) {
		run->pages = bitmap_run(run->block->shared, run->first, run->pages);
		run->pages = bitmap_run(run->block->populated, run->first, run->pages);
		piece->is_shared = bitmap_get(run->block->shared, run->first);
		piece->is_populated = bitmap_get(run->block->populated, run->first);
	} else {
		piece->is_shared = TRUE;
		piece->is_populated = TRUE;
	}
	piece->gpa = gpa;
	piece->size = MIN(size, ram_run_size(run) - in_page);
	return TRUE;
}

static guint8 *piece_userspace(const Piece *piece)
{
	return ram_run_userspace(&piece->run) + (piece->gpa & (GUEST_PAGE_SIZE - 1));
}

static gboolean read_piece(Memory *memory, const Piece *piece, guint8 *data, GError **error)
{
	gboolean fetched;

	if (piece->is_populated) {
		memcpy(data, piece_userspace(piece), piece->size);
		return TRUE;
	}
	if (piece->is_shared) {
		memset(data, 0, piece->size);
		return TRUE;
	}
	fetched = courier_fetch(memory->courier, piece->gpa, piece->size, error);
	if (fetched)
		memcpy(data, courier_staging(memory->courier), piece->size);
	courier_wipe(memory->courier, piece->size);
	return fetched;
}

static gboolean write_piece(Memory *memory, const Piece *piece, const guint8 *data, GError **error)
{
	gboolean stored;

	if (piece->is_shared) {
		if (!piece->is_populated) {
			if (!userfault_zero(memory->userfault_fd, ram_run_userspace(&piece->run),
					    ram_run_size(&piece->run), error))
				return FALSE;
			engine_mark_populated(memory, &piece->run, TRUE);
		}
		memcpy(piece_userspace(piece), data, piece->size);
		return TRUE;
	}
	memcpy(courier_staging(memory->courier), data, piece->size);
	stored = courier_store(memory->courier, piece->gpa, piece->size, error);
	courier_wipe(memory->courier, piece->size);
	return stored;
}

gboolean engine_access(Memory *memory, MemoryAccess access, guint64 gpa, guint8 *data, guint64 size,
		       GError **error)
{
	Piece piece;

	for (guint64 done = 0; done < size; done += piece.size) {
		gint64 start_ns = engine_now_ns();
		gboolean accessed;

		if (!next_piece(memory, gpa + done, size - done, &piece)) {
			g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
				    _("gpa %#" PRIx64 " is not guest RAM"), gpa + done);
			return FALSE;
		}
		accessed = access == MEMORY_ACCESS_READ ?
				   read_piece(memory, &piece, data + done, error) :
				   write_piece(memory, &piece, data + done, error);
		if (!accessed) {
			engine_fail(memory, *error);
			return FALSE;
		}
		if (access == MEMORY_ACCESS_POPULATE && !piece.is_shared)
			engine_count(memory, CONVERSION_TO_PRIVATE, CONVERSION_POPULATE, piece.gpa,
				     piece.size, start_ns);
	}
	return TRUE;
}
