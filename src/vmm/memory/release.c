/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * release.c - pages whose content the guest has no use for: their memory goes back to the host
 *
 * Theory of operation
 *
 * No page changes its state. What is private is freed in guest_memfd, and what is shared where the
 * host has it; the guest finds a page of zeroes the next time, of the same state. What was lent to
 * the host stays so until it is due, and goes back with nothing to copy.
 *
 * It is done under Memory.lock, in slices, so that no part of a DMA channel's transfer, no hold and
 * no conversion is under way. A guest that goes on using a page finds what it had or zeroes; so
 * does a device that reads or writes it, and the harm is the guest's alone.
 *
 * A pinned page is left alone, lost or not: its user has an address of it. What io_uring knows is
 * forgotten before it goes (direct.h).
 *
 * A page that cannot be freed is where it was: that is no failure of the engine.
 */
#include <glib/gi18n.h>

#include "vmm/memory/engine.h"

/* A part of guest addresses, aligned to it: a few hundred microseconds of work. */
#define SLICE_SIZE (2ull << 20)

/* Of one state; nobody has pinned a page of it. */
static gboolean release_part(Memory *memory, const RamRun *run, GError **error)
{
	ReleaseCounter *counter = &memory->statistics.released;

	if (!memory->kind->release(memory, run, error))
		return FALSE;
	if (memory->kind->has_states && !bitmap_get(run->block->shared, run->first))
		counter->private_bytes += ram_run_size(run);
	else
		counter->shared_bytes += ram_run_size(run);
	return TRUE;
}

static gboolean release_run(Memory *memory, const RamRun *run, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		gboolean is_pinned;

		part.pages = engine_pinned_run(memory, part.block, part.first, end, &is_pinned);
		if (is_pinned) {
			memory->statistics.released.pinned_bytes += ram_run_size(&part);
			continue;
		}
		if (memory->kind->has_states)
			part.pages = bitmap_run(part.block->shared, part.first, part.pages);
		if (!release_part(memory, &part, error))
			return FALSE;
	}
	return TRUE;
}

/* With Memory.lock held. */
static gboolean release_slice(Memory *memory, guint64 gpa, guint64 size, GError **error)
{
	const gint64 start_ns = statistics_now_ns();
	gboolean done = TRUE;
	RamRun run;

	if (memory->has_failed) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("the memory engine has failed before"));
		return FALSE;
	}
	RAM_FOR_EACH_RUN(&memory->ram, gpa, size, run)
	{
		done = release_run(memory, &run, error);
		if (!done)
			break;
	}
	memory->statistics.released.count++;
	memory->statistics.released.time_ns += statistics_now_ns() - start_ns;
	return done;
}

gboolean memory_release(Memory *memory, guint64 gpa, guint64 size, GError **error)
{
	gboolean done = TRUE;
	guint64 end;

	if (!memory_check_range(gpa, size, error))
		return FALSE;
	end = MIN(gpa + size, memory->ram.high_end);
	while (done && gpa < end) {
		guint64 slice = MIN(end - gpa, SLICE_SIZE - gpa % SLICE_SIZE);

		fair_lock_lock(&memory->lock);
		done = release_slice(memory, gpa, slice, error);
		fair_lock_unlock(&memory->lock);
		gpa += slice;
	}
	return done;
}
