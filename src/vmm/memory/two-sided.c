/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * two-sided.c - memory of a software-protected VM: content in guest_memfd or in the userspace
 * mapping
 *
 * Theory of operation
 *
 * A page's attribute decides where a guest access goes: private to guest_memfd, which no process
 * can map, shared to the memslot's userspace address. A page has content on one side only, and
 * what it leaves is freed. Where its content is to be kept, it is copied: out of guest_memfd and
 * into it by the courier, a vCPU of ours, since nothing else gets there.
 *
 * Pages that the userspace mapping holds are read and written there, by the memory thread and by
 * DMA channels (two-sided-dma.c): under Memory.lock they stay, so the access raises no event. One
 * that is not there yet is put there to be written.
 */
#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common/kvm-uapi.h"
#include "vmm/memory/engine.h"

static gboolean set_attribute(Memory *memory, guint64 gpa, guint64 size, gboolean is_private,
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

/* Of populated pages, which a device may be using. */
static void empty(const RamRun *run)
{
	memset(ram_run_userspace(run), 0, ram_run_size(run));
}

/*
 * Frees the userspace pages of a run: only what is there, a call for nothing still costs an
 * invalidation in KVM. Of pinned pages only the content goes: a device may be using them, and must
 * not come to wait for a private page. They are in nobody's way there until they are given back.
 */
static gboolean free_shared(Memory *memory, const RamRun *run, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		part.pages = bitmap_run(run->block->populated, part.first, end - part.first);
		if (!bitmap_get(run->block->populated, part.first))
			continue;
		part.pages = bitmap_run(run->block->pinned, part.first, part.pages);
		if (bitmap_get(run->block->pinned, part.first)) {
			empty(&part);
			continue;
		}
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

static gboolean init(Memory *memory, const MemoryConfig *config, GError **error)
{
	if (!engine_watch_touches(memory, config->userfaultfd_device, error))
		return FALSE;
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];

		if (!set_attribute(memory, block->gpa, block->size, TRUE, error))
			return FALSE;
	}
	/*
	 * When one is stuck, its thread is in KVM_RUN and may be waiting for a touch to be served.
	 * Only the memory thread could do that, which is in the trip, or waits for its end. Whoever
	 * made the trip has Memory.lock, alone or shared: what is read does not change.
	 */
	couriers_init(&memory->couriers, memory->vm, &config->topology, config->vcpus,
		      engine_abandon, memory);
	memory->courier = couriers_add_first(&memory->couriers, error);
	return memory->courier != NULL;
}

static void clear(Memory *memory)
{
	couriers_clear(&memory->couriers);
	memory->courier = NULL;
}

static void abandon(Memory *memory)
{
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];

		userfault_unregister(memory->userfault_fd, block->userspace, block->size);
	}
}

/* By the memory thread's courier, to the beginning of its staging area; and from there. */
static gboolean fetch(Memory *memory, guint64 gpa, guint64 size, GError **error)
{
	const CourierPiece piece = { .gpa = gpa, .size = size };

	return courier_fetch(memory->courier, &piece, 1, error);
}

static gboolean store(Memory *memory, guint64 gpa, guint64 size, GError **error)
{
	const CourierPiece piece = { .gpa = gpa, .size = size };

	return courier_store(memory->courier, &piece, 1, error);
}

static gboolean show(Memory *memory, const RamRun *run, GError **error)
{
	guint64 gpa = ram_run_gpa(run);
	guint64 size = ram_run_size(run);
	gboolean shown;

	shown = fetch(memory, gpa, size, error) && set_attribute(memory, gpa, size, FALSE, error) &&
		userfault_copy(memory->userfault_fd, ram_run_userspace(run),
			       courier_staging(memory->courier), size, error);
	courier_wipe(memory->courier, size);
	if (!shown || !ram_free_private(run, error))
		return FALSE;
	engine_mark_populated(memory, run, TRUE);
	return TRUE;
}

static gboolean populate(Memory *memory, const RamRun *run, GError **error)
{
	if (!userfault_zero(memory->userfault_fd, ram_run_userspace(run), ram_run_size(run), error))
		return FALSE;
	engine_mark_populated(memory, run, TRUE);
	return TRUE;
}

static gboolean hide(Memory *memory, const RamRun *run, GError **error)
{
	guint64 gpa = ram_run_gpa(run);
	guint64 size = ram_run_size(run);
	gboolean stored;

	/* Populated, so that this access is served by the page tables and not by this thread. */
	memcpy(courier_staging(memory->courier), ram_run_userspace(run), size);
	stored = set_attribute(memory, gpa, size, TRUE, error) && store(memory, gpa, size, error);
	courier_wipe(memory->courier, size);
	return stored && free_shared(memory, run, error);
}

/*
 * The new side has nothing, since a page has content on one side only; or it has what a device
 * wrote to a pinned page that it had lost.
 */
static gboolean forget(Memory *memory, const RamRun *run, gboolean is_private, GError **error)
{
	return free_shared(memory, run, error) && (is_private || ram_free_private(run, error));
}

static gboolean discard(Memory *memory, const RamRun *run, GError **error)
{
	return ram_free_private(run, error) && free_shared(memory, run, error);
}

/* A page has content on one side only. */
static gboolean release(Memory *memory, const RamRun *run, GError **error)
{
	return bitmap_get(run->block->shared, run->first) ? free_shared(memory, run, error) :
							    ram_free_private(run, error);
}

static gboolean write_piece(Memory *memory, const MemoryPiece *piece, const guint8 *data,
			    GError **error)
{
	gboolean stored;

	if (piece->is_shared) {
		if (!piece->is_populated && !populate(memory, &piece->run, error))
			return FALSE;
		memcpy(engine_piece_userspace(piece), data, piece->size);
		return TRUE;
	}
	memcpy(courier_staging(memory->courier), data, piece->size);
	stored = store(memory, piece->gpa, piece->size, error);
	courier_wipe(memory->courier, piece->size);
	return stored;
}

static void count(Memory *memory, MemoryStatistics *statistics)
{
	statistics->courier = couriers_count(&memory->couriers);
}

const MemoryKind memory_kind_two_sided = {
	.has_states = TRUE,
	.moves_content = TRUE,
	.populates_on_thread = TRUE,
	.init = init,
	.clear = clear,
	.abandon = abandon,
	.set_attribute = set_attribute,
	.show = show,
	.populate = populate,
	.hide = hide,
	.forget = forget,
	.discard = discard,
	.release = release,
	.write = write_piece,
	.dma = &dma_kind_two_sided,
	.count = count,
};
