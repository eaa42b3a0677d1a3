/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * conversion.c - pages that change state because the guest wants it
 *
 * Theory of operation
 *
 * Both entries run on the thread of the vCPU that exited, which is outside KVM_RUN then, and
 * under the engine's lock. The attribute changes first and the backing that it left is freed
 * after: from the moment that the attribute has changed no new access can reach it. The new
 * side reads as zeroes, since a page has backing on one side only.
 *
 * A hypercall may name all of RAM. It is carried out in slices, and the lock, which is fair, is
 * let go between them: so nobody who wants it waits for more than a slice of each vCPU.
 *
 * The other vCPUs go on meanwhile. An access of theirs to the same pages hits one side or
 * the other, as when a guest changes a page table that another processor uses.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/kvm/kvm-uapi.h"
#include "vmm/log.h"
#include "vmm/memory/engine.h"

/* A part of guest addresses, aligned to it: a few hundred microseconds of work. */
#define SLICE_SIZE (2ull << 20)

gint64 engine_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * G_GINT64_CONSTANT(1000000000) + now.tv_nsec;
}

gboolean engine_set_attribute(Memory *memory, guint64 gpa, guint64 size, gboolean is_private,
			      GError **error)
{
	struct kvm_memory_attributes attributes = {
		.address = gpa,
		.size = size,
		.attributes = is_private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	if (ioctl(kvm_vm_fd(memory->vm), KVM_SET_MEMORY_ATTRIBUTES, &attributes) < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    is_private ? _("KVM_SET_MEMORY_ATTRIBUTES(gpa %#" PRIx64
					   ", size %#" PRIx64 ", private): %s") :
					 _("KVM_SET_MEMORY_ATTRIBUTES(gpa %#" PRIx64
					   ", size %#" PRIx64 ", shared): %s"),
			    gpa, size, g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

gboolean engine_free_private(const RamRun *run, GError **error)
{
	if (fallocate(run->block->guest_memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      run->first << PAGE_SHIFT, ram_run_size(run)) < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("FALLOC_FL_PUNCH_HOLE of guest_memfd at gpa %#" PRIx64 ": %s"),
			    ram_run_gpa(run), g_strerror(errno));
		return FALSE;
	}
	return TRUE;
}

/* Only what is there: a call for nothing still costs an invalidation in KVM. */
gboolean engine_free_shared(Memory *memory, const RamRun *run, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		part.pages = bitmap_run(run->block->populated, part.first, end - part.first);
		if (!bitmap_get(run->block->populated, part.first))
			continue;
		if (madvise(ram_run_userspace(&part), ram_run_size(&part), MADV_DONTNEED) < 0) {
			g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
				    _("MADV_DONTNEED at gpa %#" PRIx64 ": %s"), ram_run_gpa(&part),
				    g_strerror(errno));
			return FALSE;
		}
		engine_mark_populated(memory, &part, FALSE);
	}
	return TRUE;
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

guint64 engine_mark(Memory *memory, const RamRun *run, gboolean is_shared)
{
	MemoryStatistics *statistics = &memory->statistics;
	guint64 changed = bitmap_fill(run->block->shared, run->first, run->pages, is_shared)
			  << PAGE_SHIFT;

	/* Whoever shares it for a touch of the host's says so after. */
	lent_pages_remove(run->block->lent, run->first, run->pages);
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
	guint64 time_ns = engine_now_ns() - start_ns;

	conversion_counter_add(&memory->statistics.conversions[direction][cause], bytes, time_ns);
	trace_conversion(direction, cause, gpa, bytes, time_ns);
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
		guint64 run_changed = engine_mark(memory, &run, !to_private);

		*changed += run_changed;
		if (!run_changed)
			continue;
		if (!(to_private ? engine_free_shared(memory, &run, error) :
				   engine_free_private(&run, error)))
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

	if (!memory->is_protected)
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
		.start_ns = engine_now_ns(),
		.is_done = result != 0,
		.result = result,
	};
}

void memory_map_gpa_range_slice(Memory *memory, MapGpaRange *range)
{
	guint64 size = MIN(range->size, SLICE_SIZE - range->gpa % SLICE_SIZE);
	g_autoptr(GError) error = NULL;
	gboolean converted;

	fair_lock_lock(&memory->lock);
	converted = !memory->has_failed &&
		    convert(memory, range->gpa, size, range->to_private, &range->changed, &error);
	if (error)
		engine_fail(memory, error);
	range->gpa += size;
	range->size -= size;
	range->is_done = !converted || range->size == 0;
	range->result = converted ? 0 : -KVM_EFAULT;
	if (converted && range->is_done)
		engine_count(memory,
			     range->to_private ? CONVERSION_TO_PRIVATE : CONVERSION_TO_SHARED,
			     CONVERSION_GUEST_HYPERCALL, range->first_gpa, range->changed,
			     range->start_ns);
	fair_lock_unlock(&memory->lock);
}

/* The guest said private where nothing is: shared makes it MMIO, or a read-only memslot. */
static gboolean withdraw_private(Memory *memory, guint64 page, GError **error)
{
	gint64 start_ns = engine_now_ns();

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
	if (memory->is_protected && ram_find(&memory->ram, page, GUEST_PAGE_SIZE, &run))
		can_retry = TRUE;
	else if (memory->is_protected && was_private)
		can_retry = withdraw_private(memory, page, error);
	else
		g_set_error(error, KVM_ERROR, KVM_ERROR_GUEST,
			    _("KVM_EXIT_MEMORY_FAULT at gpa %#" PRIx64 " (size %#" PRIx64
			      ", flags %#" PRIx64 ") has no remedy"),
			    gpa, size, flags);
	fair_lock_unlock(&memory->lock);
	return can_retry;
}
