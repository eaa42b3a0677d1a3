/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conversion.c - pages that change state because the guest wants it
 *
 * Theory of operation
 *
 * Both entries run on the thread of the vCPU that exited, which is outside KVM_RUN then, and
 * under the engine's lock, but where a kind leaves the work to the memory thread. The attribute
 * changes first, where the kind has any, and the backing that it left is freed after: from the
 * moment that the attribute has changed no new access can reach it. The page reads as zeroes.
 *
 * A hypercall may name all of RAM. It is carried out in slices, and the lock, which is fair, is
 * let go between them: so nobody who wants it waits for more than a slice of each vCPU.
 *
 * A page that a device has pinned is no exception: the guest gets what it asks for, and the pin
 * is lost (pin.h).
 *
 * The other vCPUs go on meanwhile. An access of theirs to the same pages hits one side or
 * the other, as when a guest changes a page table that another processor uses.
 */
#include <glib/gi18n.h>
#include <inttypes.h>

#include "common/kvm-uapi.h"
#include "vmm/log.h"
#include "vmm/memory/engine.h"

/* A part of guest addresses, aligned to it: a few hundred microseconds of work. */
#define SLICE_SIZE (2ull << 20)

gboolean engine_set_attribute(Memory *memory, guint64 gpa, guint64 size, gboolean is_private,
			      GError **error)
{
	return !memory->kind->set_attribute ||
	       memory->kind->set_attribute(memory, gpa, size, is_private, error);
}

void engine_mark_populated(Memory *memory, const RamRun *run, gboolean is_populated)
{
	guint64 changed = bitmap_fill(run->block->populated, run->first, run->pages, is_populated)
			  << PAGE_SHIFT;

	if (is_populated)
		memory->statistics.shared_allocated_bytes += changed;
	else
		memory->statistics.shared_allocated_bytes -= changed;
}

void engine_mark_as_guests(const RamRun *run)
{
	lent_pages_remove(run->block->lent, run->first, run->pages);
	bitmap_fill(run->block->rings, run->first, run->pages, FALSE);
}

guint64 engine_mark(Memory *memory, const RamRun *run, gboolean is_shared)
{
	MemoryStatistics *statistics = &memory->statistics;
	guint64 changed = bitmap_fill(run->block->shared, run->first, run->pages, is_shared)
			  << PAGE_SHIFT;

	/* Whoever shares it for a touch of the host's, or a device's rings, says so after. */
	engine_mark_as_guests(run);
	if (is_shared) {
		statistics->shared_bytes += changed;
		statistics->private_bytes -= changed;
	} else {
		statistics->shared_bytes -= changed;
		statistics->private_bytes += changed;
	}
	statistics->shared_bytes_peak = MAX(statistics->shared_bytes_peak,
					    statistics->shared_bytes);
	return changed;
}

void engine_count(Memory *memory, ConversionDirection direction, ConversionCause cause, guint64 gpa,
		  guint64 bytes, gint64 start_ns)
{
	guint64 time_ns = statistics_now_ns() - start_ns;

	conversion_counter_add(&memory->statistics.conversions[direction][cause], bytes, time_ns);
	trace_conversion(direction, cause, gpa, bytes, time_ns);
}

/* Those that are in the state already keep their content; they are the guest's own now. */
static gboolean convert_run(Memory *memory, const RamRun *run, gboolean to_private,
			    guint64 *changed, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	engine_mark_as_guests(run);
	for (; part.first < end; part.first += part.pages) {
		gboolean is_private = !bitmap_get(run->block->shared, part.first);

		part.pages = bitmap_run(run->block->shared, part.first, end - part.first);
		if (is_private == to_private)
			continue;
		*changed += engine_mark(memory, &part, !to_private);
		if (to_private && !engine_lose_pins(memory, &part, error))
			return FALSE;
		if (!memory->kind->forget(memory, &part, to_private, error))
			return FALSE;
	}
	return TRUE;
}

/*
 * Changes the state of a range that may hold more than RAM. Elsewhere than in RAM only the
 * attribute changes: memory_fault() repairs it when the guest finds nothing private there.
 */
static gboolean convert(Memory *memory, guint64 gpa, guint64 size, gboolean to_private,
			guint64 *changed, GError **error)
{
	RamRun run;

	if (!engine_set_attribute(memory, gpa, size, to_private, error))
		return FALSE;
	RAM_FOR_EACH_RUN(&memory->ram, gpa, size, run)
	{
		if (!convert_run(memory, &run, to_private, changed, error))
			return FALSE;
	}
	return TRUE;
}

/* Where the guest may change attributes: RAM and what lies below it, but for the courier. */
static guint64 guest_address_limit(const Memory *memory)
{
	return memory->ram.high_end;
}

/* Return: 0, or the KVM error code for arguments that cannot be. */
static gint64 check_range(const Memory *memory, guint64 gpa, guint64 pages, guint64 attributes)
{
	const guint64 known_attributes = KVM_MAP_GPA_RANGE_ENC_STAT(1) | 0xf;
	guint64 limit = guest_address_limit(memory);
	guint64 end;

	if (!memory->kind->has_states)
		return -KVM_ENOSYS;
	if (gpa % GUEST_PAGE_SIZE || pages == 0 || attributes & ~known_attributes || gpa >= limit ||
	    pages > (limit - gpa) >> PAGE_SHIFT)
		return -KVM_EINVAL;
	end = gpa + (pages << PAGE_SHIFT);
	if (gpa < MEMORY_WINDOW_END && end > MEMORY_WINDOW_START)
		return -KVM_EINVAL;
	return 0;
}

void memory_map_gpa_range_begin(const Memory *memory, guint64 gpa, guint64 pages,
				guint64 attributes, MapGpaRange *range)
{
	gint64 result = check_range(memory, gpa, pages, attributes);

	*range = (MapGpaRange){
		.gpa = gpa,
		.size = result == 0 ? pages << PAGE_SHIFT : 0,
		.to_private = (attributes & KVM_MAP_GPA_RANGE_ENC_STAT(1)) != 0,
		.first_gpa = gpa,
		.start_ns = statistics_now_ns(),
		.is_done = result != 0,
		.result = result,
	};
}

gboolean engine_convert_slice(Memory *memory, MapGpaRange *range, GError **error)
{
	guint64 size = MIN(range->size, SLICE_SIZE - range->gpa % SLICE_SIZE);

	if (!convert(memory, range->gpa, size, range->to_private, &range->changed, error)) {
		engine_fail(memory, *error);
		return FALSE;
	}
	range->gpa += size;
	range->size -= size;
	if (range->size > 0)
		return TRUE;
	range->is_done = TRUE;
	range->result = 0;
	engine_count(memory, range->to_private ? CONVERSION_TO_PRIVATE : CONVERSION_TO_SHARED,
		     CONVERSION_GUEST_HYPERCALL, range->first_gpa, range->changed, range->start_ns);
	return TRUE;
}

static gboolean convert_here(Memory *memory, MapGpaRange *range)
{
	g_autoptr(GError) error = NULL;
	gboolean converted;

	fair_lock_lock(&memory->lock);
	converted = !memory->has_failed && engine_convert_slice(memory, range, &error);
	fair_lock_unlock(&memory->lock);
	return converted;
}

void memory_map_gpa_range_slice(Memory *memory, MapGpaRange *range)
{
	MemoryRequest request = { .type = MEMORY_REQUEST_CONVERT, .range = range };
	g_autoptr(GError) error = NULL;
	gboolean converted = memory->kind->converts_on_thread ?
				     engine_request(memory, &request, &error) :
				     convert_here(memory, range);

	if (!converted) {
		range->is_done = TRUE;
		range->result = -KVM_EFAULT;
	}
	if (range->to_private)
		engine_tell_lost_pins(memory);
}

/* The guest said private where nothing is: shared makes it MMIO, or a read-only memslot. */
static gboolean withdraw_private(Memory *memory, guint64 page, GError **error)
{
	gint64 start_ns = statistics_now_ns();

	if (!engine_set_attribute(memory, page, GUEST_PAGE_SIZE, FALSE, error))
		return FALSE;
	engine_count(memory, CONVERSION_TO_SHARED, CONVERSION_MEMORY_FAULT, page, GUEST_PAGE_SIZE,
		     start_ns);
	return TRUE;
}

/*
 * In RAM the fault found an attribute that another vCPU was just changing, to either side,
 * and trying again is all it takes. What is RAM can change as well, by another vCPU's write
 * to a PAM register; hence the lock.
 */
gboolean memory_fault(Memory *memory, guint64 gpa, guint64 size, guint64 flags, GError **error)
{
	gboolean was_private = (flags & KVM_MEMORY_EXIT_FLAG_PRIVATE) != 0;
	guint64 page = gpa & ~(GUEST_PAGE_SIZE - 1);
	gboolean can_retry = FALSE;
	RamRun run;

	fair_lock_lock(&memory->lock);
	if (memory->kind->set_attribute && ram_find(&memory->ram, page, GUEST_PAGE_SIZE, &run))
		can_retry = TRUE;
	else if (memory->kind->set_attribute && was_private)
		can_retry = withdraw_private(memory, page, error);
	else
		g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
			    _("KVM_EXIT_MEMORY_FAULT at gpa %#" PRIx64 " (size %#" PRIx64
			      ", flags %#" PRIx64 ") has no remedy"),
			    gpa, size, flags);
	fair_lock_unlock(&memory->lock);
	return can_retry;
}
