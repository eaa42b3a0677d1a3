/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pin.c - pages that stay shared while a device uses them
 *
 * Theory of operation
 *
 * A pin is a run of pages and where the host sees them. With two-sided and ordinary memory that is
 * the userspace mapping, where the pages are populated and stay so; with windows it is a mapping of
 * its own. A page is pinned as long as one of the pins has it: so says a bitmap, which reclaim and
 * whoever frees pages look at. A second one says which pages a pin has made shared. It is cleared
 * where the guest shares the page itself, which then stays shared.
 *
 * The memory thread pins and gives back, under Memory.lock: with two-sided memory both move
 * content, and with windows nobody else closes windows.
 *
 * A pin is lost where one of its pages becomes private: under the same lock, before the content
 * goes. Its user is told by the thread that wanted it so, when it holds no lock of the engine any
 * more. That thread may be slow and the user may unpin meanwhile, which waits until it was told, or
 * takes it from those who are to be told.
 *
 * Why the guest is not refused: what is private has to be up to the guest alone. One that is ended,
 * and started anew by its own kernel (kexec), makes all memory private while devices run; a refusal
 * leaves it with shared memory that it takes for private. A device that lost its ring can be reset.
 */
#include "vmm/memory/pin.h"

#include <glib/gi18n.h>
#include <inttypes.h>

#include "vmm/memory/engine.h"

/* ---- To pin --------------------------------------------------------------------------------- */

static gboolean find_run(MemoryPin *pin, GError **error)
{
	RamRun *run = &pin->run;
	guint64 end;

	if (pin->size > 0 && g_uint64_checked_add(&end, pin->gpa, pin->size) &&
	    ram_find(&pin->memory->ram, pin->gpa, pin->size, run) && ram_run_gpa(run) <= pin->gpa &&
	    ram_run_gpa(run) + ram_run_size(run) >= end)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
		    _("gpa %#" PRIx64 ", size %#" PRIx64
		      ": a ring has to be in guest RAM that is shown, in one block of it"),
		    pin->gpa, pin->size);
	return FALSE;
}

static gboolean has_private(const RamRun *run)
{
	return !bitmap_get(run->block->shared, run->first) ||
	       bitmap_run(run->block->shared, run->first, run->pages) < run->pages;
}

static gboolean check_policy(const MemoryPin *pin, GError **error)
{
	if (pin->memory->policy != MEMORY_POLICY_GUEST_ONLY || !has_private(&pin->run))
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
		    _("gpa %#" PRIx64 ", size %#" PRIx64
		      ": the guest has to share a ring before it uses it, as its policy is "
		      "guest-only"),
		    pin->gpa, pin->size);
	return FALSE;
}

static void mark_pinned(Memory *memory, const RamRun *run, gboolean is_pinned)
{
	guint64 changed = bitmap_fill(run->block->pinned, run->first, run->pages, is_pinned)
			  << PAGE_SHIFT;

	if (is_pinned)
		memory->statistics.pinned_bytes += changed;
	else
		memory->statistics.pinned_bytes -= changed;
}

/* What was lent is a ring now, and not asked after any more. */
static void take_over_lent(const RamRun *run)
{
	for (guint64 i = run->first; i < run->first + run->pages; i++) {
		if (lent_pages_is_lent(run->block->lent, i))
			bitmap_fill(run->block->rings, i, 1, TRUE);
	}
	lent_pages_remove(run->block->lent, run->first, run->pages);
}

/* Of one state, MEMORY_PIECE_PAGES at most. */
static gboolean share(Memory *memory, const RamRun *run, guint64 *changed, GError **error)
{
	const MemoryKind *kind = memory->kind;

	/* Another pin has lost it, and still has it: what is there is nothing of the guest's. */
	if (bitmap_get(run->block->populated, run->first)) {
		mark_pinned(memory, run, FALSE);
		if (!kind->forget(memory, run, TRUE, error))
			return FALSE;
	}
	if (!kind->map_pin && !kind->show(memory, run, error))
		return FALSE;
	*changed += engine_mark(memory, run, TRUE);
	bitmap_fill(run->block->rings, run->first, run->pages, TRUE);
	return TRUE;
}

static gboolean share_run(Memory *memory, const RamRun *run, guint64 *changed, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		gboolean is_shared = bitmap_get(run->block->shared, part.first);
		gboolean is_populated = bitmap_get(run->block->populated, part.first);
		gboolean done = TRUE;

		part.pages = MIN(end - part.first, MEMORY_PIECE_PAGES);
		part.pages = bitmap_run(run->block->shared, part.first, part.pages);
		part.pages = bitmap_run(run->block->populated, part.first, part.pages);
		if (is_shared)
			take_over_lent(&part);
		else
			done = share(memory, &part, changed, error);
		if (done && is_shared && !is_populated && !memory->kind->map_pin)
			done = memory->kind->populate(memory, &part, error);
		if (!done)
			return FALSE;
	}
	return TRUE;
}

/* What fails after the first page has changed is the engine's failure. */
static gboolean share_held(Memory *memory, const RamRun *run, GError **error)
{
	gboolean is_held = memory->kind->moves_content && has_private(run);
	const gint64 start_ns = statistics_now_ns();
	guint64 changed = 0;
	gboolean done;

	if (is_held)
		engine_begin_hold(memory);
	done = share_run(memory, run, &changed, error);
	if (!done)
		engine_fail(memory, *error);
	if (is_held)
		engine_end_hold(memory);
	if (changed > 0)
		engine_count(memory, CONVERSION_TO_SHARED, CONVERSION_RING, ram_run_gpa(run),
			     changed, start_ns);
	mark_pinned(memory, run, TRUE);
	return done;
}

gboolean engine_pin(Memory *memory, MemoryPin *pin, GError **error)
{
	if (!find_run(pin, error))
		return FALSE;
	if (memory->kind->has_states && !check_policy(pin, error))
		return FALSE;
	pin->pages = memory->kind->map_pin ? memory->kind->map_pin(memory, &pin->run, error) :
					     ram_run_userspace(&pin->run);
	if (!pin->pages)
		return FALSE;
	if (memory->kind->has_states && !share_held(memory, &pin->run, error)) {
		if (memory->kind->unmap_pin)
			memory->kind->unmap_pin(memory, &pin->run, pin->pages);
		return FALSE;
	}
	g_ptr_array_add(memory->pins, pin);
	return TRUE;
}

/* By the memory thread, where there is one. */
static gboolean ask(MemoryPin *pin, int type, GError **error)
{
	Memory *memory = pin->memory;
	MemoryRequest request = { .type = type, .pin = pin };
	gboolean done = TRUE;

	if (memory->kind->has_states)
		return engine_request(memory, &request, error);
	fair_lock_lock(&memory->lock);
	if (type == MEMORY_REQUEST_PIN)
		done = engine_pin(memory, pin, error);
	else
		engine_unpin(memory, pin);
	fair_lock_unlock(&memory->lock);
	return done;
}

MemoryPin *memory_pin(Memory *memory, guint64 gpa, guint64 size, MemoryPinLost lost, void *opaque,
		      GError **error)
{
	MemoryPin *pin = g_new0(MemoryPin, 1);

	pin->memory = memory;
	pin->gpa = gpa;
	pin->size = size;
	pin->lost = lost;
	pin->opaque = opaque;
	if (!ask(pin, MEMORY_REQUEST_PIN, error))
		g_clear_pointer(&pin, g_free);
	return pin;
}

void *memory_pin_address(const MemoryPin *pin)
{
	return pin->pages + (pin->gpa - ram_run_gpa(&pin->run));
}

/* ---- To lose -------------------------------------------------------------------------------- */

gboolean engine_lose_pins(Memory *memory, const RamRun *run, GError **error)
{
	for (guint i = 0; i < memory->pins->len; i++) {
		MemoryPin *pin = g_ptr_array_index(memory->pins, i);

		if (pin->is_lost || !ram_runs_overlap(&pin->run, run))
			continue;
		if (memory->kind->lose_pin &&
		    !memory->kind->lose_pin(memory, &pin->run, pin->pages, error))
			return FALSE;
		pin->is_lost = TRUE;
		g_mutex_lock(&memory->lost_lock);
		g_queue_push_tail(&memory->lost_pins, pin);
		g_mutex_unlock(&memory->lost_lock);
	}
	return TRUE;
}

void engine_tell_lost_pins(Memory *memory)
{
	MemoryPin *pin;

	g_mutex_lock(&memory->lost_lock);
	while ((pin = g_queue_pop_head(&memory->lost_pins))) {
		if (!pin->lost)
			continue;
		pin->is_telling = TRUE;
		g_mutex_unlock(&memory->lost_lock);
		pin->lost(pin->opaque);
		g_mutex_lock(&memory->lost_lock);
		pin->is_telling = FALSE;
		g_cond_broadcast(&memory->lost_told);
	}
	g_mutex_unlock(&memory->lost_lock);
}

/* Nobody is told of it any more. */
static void forget_lost(MemoryPin *pin)
{
	Memory *memory = pin->memory;

	g_mutex_lock(&memory->lost_lock);
	g_queue_remove(&memory->lost_pins, pin);
	while (pin->is_telling)
		g_cond_wait(&memory->lost_told, &memory->lost_lock);
	g_mutex_unlock(&memory->lost_lock);
}

/* ---- To give back --------------------------------------------------------------------------- */

guint64 engine_pinned_run(const Memory *memory, const RamBlock *block, guint64 first, guint64 end,
			  gboolean *is_pinned)
{
	*is_pinned = FALSE;
	for (guint i = 0; i < memory->pins->len; i++) {
		const MemoryPin *pin = g_ptr_array_index(memory->pins, i);
		const RamRun *run = &pin->run;

		if (run->block != block || run->first + run->pages <= first || run->first >= end)
			continue;
		if (run->first <= first) {
			*is_pinned = TRUE;
			return MIN(end, run->first + run->pages) - first;
		}
		end = run->first;
	}
	return end - first;
}

/* A page that was lost is private, and what the userspace mapping has there is no content. */
static gboolean free_lost(Memory *memory, const RamRun *run, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		part.pages = bitmap_run(run->block->shared, part.first, end - part.first);
		part.pages = bitmap_run(run->block->populated, part.first, part.pages);
		if (!bitmap_get(run->block->shared, part.first) &&
		    bitmap_get(run->block->populated, part.first) &&
		    !memory->kind->forget(memory, &part, TRUE, error))
			return FALSE;
	}
	return TRUE;
}

/* What a pin had shared is lent from now on; that is taken back at once, or when it can be. */
static gboolean lend_rings(const RamRun *run)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };
	gboolean has_any = FALSE;

	for (; part.first < end; part.first += part.pages) {
		part.pages = bitmap_run(run->block->rings, part.first, end - part.first);
		if (!bitmap_get(run->block->rings, part.first))
			continue;
		lent_pages_keep(run->block->lent, part.first, part.pages);
		has_any = TRUE;
	}
	return has_any;
}

/* Of segments that are hidden nothing can be taken back: that is done when they are shown. */
static gboolean reclaim_rings(Memory *memory, const RamRun *run, GError **error)
{
	RamRun shown;

	RAM_FOR_EACH_RUN(&memory->ram, ram_run_gpa(run), ram_run_size(run), shown)
	{
		guint64 end = shown.first + shown.pages, reclaimed = 0;
		RamRun part = { .block = shown.block, .first = shown.first };

		for (; part.first < end; part.first += part.pages) {
			part.pages = bitmap_run(part.block->rings, part.first, end - part.first);
			if (bitmap_get(part.block->rings, part.first) &&
			    !engine_reclaim_run(memory, &part, CONVERSION_RING, &reclaimed, error))
				return FALSE;
		}
	}
	return TRUE;
}

/* Of a run that nobody has pinned any more. */
static gboolean give_back(Memory *memory, const RamRun *run, GError **error)
{
	gboolean done = TRUE;

	if (!free_lost(memory, run, error))
		return FALSE;
	if (!lend_rings(run))
		return TRUE;
	/* Where a touch waits, so does this. */
	if (engine_begin_reclaim(memory, NULL))
		done = reclaim_rings(memory, run, error);
	engine_end_reclaim(memory);
	bitmap_fill(run->block->rings, run->first, run->pages, FALSE);
	return done;
}

static void remove_pin(Memory *memory, MemoryPin *pin)
{
	g_ptr_array_remove_fast(memory->pins, pin);
	if (memory->kind->unmap_pin)
		memory->kind->unmap_pin(memory, &pin->run, pin->pages);
}

void engine_unpin(Memory *memory, MemoryPin *pin)
{
	guint64 end = pin->run.first + pin->run.pages;
	RamRun part = { .block = pin->run.block, .first = pin->run.first };
	g_autoptr(GError) error = NULL;

	remove_pin(memory, pin);
	if (!memory->kind->has_states)
		return;
	for (; part.first < end && !error; part.first += part.pages) {
		gboolean is_pinned;

		part.pages = engine_pinned_run(memory, part.block, part.first, end, &is_pinned);
		if (is_pinned)
			continue;
		mark_pinned(memory, &part, FALSE);
		if (!give_back(memory, &part, &error))
			engine_fail(memory, error);
	}
}

void memory_unpin(MemoryPin *pin)
{
	Memory *memory;

	if (!pin)
		return;
	memory = pin->memory;
	/* Where the engine has failed, or ended, no page changes any more. */
	if (!ask(pin, MEMORY_REQUEST_UNPIN, NULL)) {
		fair_lock_lock(&memory->lock);
		remove_pin(memory, pin);
		fair_lock_unlock(&memory->lock);
	}
	forget_lost(pin);
	g_free(pin);
}
