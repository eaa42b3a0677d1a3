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
 * Pages that the userspace mapping holds are read and written there by the memory thread: it put
 * them there and no other takes them away, so the access raises no event. A shared page that is
 * not there yet reads as zeroes; it is put there to be written.
 */
#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "common/cpu-topology.h"
#include "common/kvm-uapi.h"
#include "vmm/memory/courier.h"
#include "vmm/memory/engine.h"

/*
 * The courier's id: the first that no vCPU of the guest can have, whose ids are APIC ids.
 * It has to be one that AVIC can address, or KVM refuses the vCPU, or goes without AVIC: 254
 * is the last (AVIC_MAX_PHYSICAL_ID of arch/x86/include/asm/svm.h).
 */
#define COURIER_VCPU_ID (CPU_TOPOLOGY_MAX_APIC_ID + 1)

G_STATIC_ASSERT(MEMORY_WINDOW_END - MEMORY_WINDOW_START >= COURIER_WINDOW_SIZE);
G_STATIC_ASSERT(COURIER_REACH >= MEMORY_HIGH_BASE + MEMORY_MAX_SIZE);
G_STATIC_ASSERT(MEMORY_PIECE_PAGES << PAGE_SHIFT <= COURIER_STAGING_SIZE);

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

/* Frees the userspace pages of a run: only what is there, a call for nothing still costs an
 * invalidation in KVM. */
static gboolean free_shared(Memory *memory, const RamRun *run, GError **error)
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
	 * When it is stuck, the memory thread is in KVM_RUN and may itself be waiting for a touch
	 * to be served, which only it could. Memory.lock is its; what is read does not change
	 * while it has it.
	 */
	memory->courier = courier_new(memory->vm, MEMORY_WINDOW_START, COURIER_VCPU_ID,
				      engine_abandon, memory, error);
	return memory->courier != NULL;
}

static void clear(Memory *memory)
{
	g_clear_pointer(&memory->courier, courier_free);
}

static void abandon(Memory *memory)
{
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];

		userfault_unregister(memory->userfault_fd, block->userspace, block->size);
	}
}

static gboolean show(Memory *memory, const RamRun *run, GError **error)
{
	guint64 gpa = ram_run_gpa(run);
	guint64 size = ram_run_size(run);
	gboolean shown;

	shown = courier_fetch(memory->courier, gpa, size, error) &&
		set_attribute(memory, gpa, size, FALSE, error) &&
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
	stored = set_attribute(memory, gpa, size, TRUE, error) &&
		 courier_store(memory->courier, gpa, size, error);
	courier_wipe(memory->courier, size);
	return stored && free_shared(memory, run, error);
}

/* The new side has nothing, since a page has content on one side only. */
static gboolean forget(Memory *memory, const RamRun *run, gboolean is_private, GError **error)
{
	return is_private ? free_shared(memory, run, error) : ram_free_private(run, error);
}

static gboolean discard(Memory *memory, const RamRun *run, GError **error)
{
	return ram_free_private(run, error) && free_shared(memory, run, error);
}

static gboolean read_piece(Memory *memory, const MemoryPiece *piece, guint8 *data, GError **error)
{
	gboolean fetched;

	if (piece->is_populated) {
		memcpy(data, engine_piece_userspace(piece), piece->size);
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
	stored = courier_store(memory->courier, piece->gpa, piece->size, error);
	courier_wipe(memory->courier, piece->size);
	return stored;
}

static void count(Memory *memory, MemoryStatistics *statistics)
{
	statistics->courier = *courier_counter(memory->courier);
}

const MemoryKind memory_kind_two_sided = {
	.has_states = TRUE,
	.moves_content = TRUE,
	.accesses_on_thread = TRUE,
	.init = init,
	.clear = clear,
	.abandon = abandon,
	.set_attribute = set_attribute,
	.show = show,
	.populate = populate,
	.hide = hide,
	.forget = forget,
	.discard = discard,
	.read = read_piece,
	.write = write_piece,
	.count = count,
};
