/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * access.c - content of guest RAM in, without converting
 *
 * Theory of operation
 *
 * A range is walked in pieces of one state, each of which is a kind's to copy. This is for what
 * populates RAM at the start; devices read and write through DMA channels (dma.c), which ask for
 * this only where a page has to be put there first.
 *
 * No vCPU has to be held. The guest may use the memory meanwhile, as with any DMA; what must
 * not change is the state of a page, and Memory.lock is held.
 */
#include <glib/gi18n.h>
#include <inttypes.h>

#include "vmm/memory/engine.h"

gboolean engine_next_piece(Memory *memory, guint64 gpa, guint64 size, MemoryPiece *piece)
{
	guint64 in_page = gpa & (GUEST_PAGE_SIZE - 1);
	RamRun *run = &piece->run;

	if (!ram_find(&memory->ram, gpa, size, run) || ram_run_gpa(run) > gpa)
		return FALSE;
	run->pages = MIN(run->pages, MEMORY_PIECE_PAGES);
	if (memory->kind->has_states) {
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

guint8 *engine_piece_userspace(const MemoryPiece *piece)
{
	return ram_run_userspace(&piece->run) + (piece->gpa & (GUEST_PAGE_SIZE - 1));
}

gboolean engine_access(Memory *memory, MemoryAccess access, guint64 gpa, const guint8 *data,
		       guint64 size, GError **error)
{
	MemoryPiece piece;

	for (guint64 done = 0; done < size; done += piece.size) {
		gint64 start_ns = statistics_now_ns();

		if (!engine_next_piece(memory, gpa + done, size - done, &piece)) {
			g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
				    _("gpa %#" PRIx64 " is not guest RAM"), gpa + done);
			return FALSE;
		}
		if (!memory->kind->write(memory, &piece, data + done, error)) {
			engine_fail(memory, *error);
			return FALSE;
		}
		if (access == MEMORY_ACCESS_POPULATE && !piece.is_shared)
			engine_count(memory, CONVERSION_TO_PRIVATE, CONVERSION_POPULATE, piece.gpa,
				     piece.size, start_ns);
	}
	return TRUE;
}
