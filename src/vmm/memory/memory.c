/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memory.c - the memory engine as the rest of the VMM sees it: making, ending, asking */
#include "vmm/memory/memory.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/memory/engine.h"

G_STATIC_ASSERT(MEMORY_SEGMENTS_ALL == (1u << RAM_SEGMENTS) - 1);

/*
 * The end of everything, from any thread. No vCPU may run on half-converted memory; when none
 * can, whoever waits for a touch need not. To leave them waiting would be dear: a signal makes
 * KVM's emulation touch again in a loop, at the cost of a processor and of an event each time.
 */
void engine_abandon(gpointer opaque)
{
	Memory *memory = opaque;

	if (memory->gates)
		gate_set_abandon(memory->gates);
	if (memory->kind->abandon)
		memory->kind->abandon(memory);
}

void engine_fail(Memory *memory, const GError *error)
{
	if (memory->has_failed)
		return;
	memory->has_failed = TRUE;
	engine_abandon(memory);
	g_array_set_size(memory->stalled, 0);
	memory->listener->failed(memory->opaque, error);
}

gboolean engine_watch_touches(Memory *memory, int device, GError **error)
{
	memory->userfault_fd = kvm_support_open_userfaultfd(memory_kind(memory), device, error);
	if (memory->userfault_fd < 0)
		return FALSE;
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];

		if (!userfault_register(memory->userfault_fd, block->userspace, block->size, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean create_eventfd(int *fd, GError **error)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*fd >= 0)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "eventfd: %s", g_strerror(errno));
	return FALSE;
}

/* Each page is private; from here on touches are served. */
static gboolean init_states(Memory *memory, const MemoryConfig *config, GError **error)
{
	if (!create_eventfd(&memory->request_fd, error) || !create_eventfd(&memory->left_fd, error))
		return FALSE;
	if (!memory->kind->init(memory, config, error))
		return FALSE;
	for (guint i = 0; i < memory->ram.n_blocks; i++)
		memory->statistics.private_bytes += memory->ram.blocks[i].size;
	memory->thread = g_thread_try_new("memory", engine_run_memory_thread, memory, error);
	if (!memory->thread)
		return FALSE;
	/* It uses what is only lent, as it begins. */
	g_mutex_lock(&memory->request_lock);
	while (!memory->is_serving)
		g_cond_wait(&memory->request_done, &memory->request_lock);
	g_mutex_unlock(&memory->request_lock);
	memory_attach_thread(memory);
	return TRUE;
}

static const MemoryKind *choose_kind(KvmVm *vm)
{
	switch (kvm_vm_memory_kind(vm)) {
	case KVM_MEMORY_ORDINARY:
		return &memory_kind_ordinary;
	case KVM_MEMORY_WINDOWS:
		return &memory_kind_windows;
	case KVM_MEMORY_TWO_SIDED:
		return &memory_kind_two_sided;
	}
	g_return_val_if_reached(NULL);
}

void memory_attach_thread(const Memory *memory)
{
	if (memory->courier)
		courier_attach_thread(memory->task_folder);
}

Memory *memory_new(KvmVm *vm, const MemoryConfig *config, GError **error)
{
	g_autoptr(Memory) memory = g_new0(Memory, 1);

	memory->vm = vm;
	memory->size = config->size;
	memory->task_folder = config->task_folder;
	memory->policy = config->policy;
	memory->reclaim_interval_ns = config->reclaim_seconds * G_GINT64_CONSTANT(1000000000);
	memory->listener = config->listener;
	memory->opaque = config->opaque;
	memory->kind = choose_kind(vm);
	memory->ram.has_guest_memfd = memory->kind->has_states;
	memory->ram.guest_memfd_flags = memory->kind->guest_memfd_flags;
	memory->userfault_fd = -1;
	memory->request_fd = -1;
	memory->left_fd = -1;
	memory->roms = g_array_new(FALSE, FALSE, sizeof(Rom));
	memory->pending = g_array_new(FALSE, FALSE, sizeof(PendingTouch));
	memory->stalled = g_array_new(FALSE, FALSE, sizeof(PendingTouch));
	fair_lock_init(&memory->lock);
	g_mutex_init(&memory->request_lock);
	g_cond_init(&memory->request_done);
	g_queue_init(&memory->requests);
	memory->pins = g_ptr_array_new();
	memory->directs = g_ptr_array_new();
	g_mutex_init(&memory->lost_lock);
	g_cond_init(&memory->lost_told);
	g_queue_init(&memory->lost_pins);

	if (config->size < 1 << 20 || config->size > MEMORY_MAX_SIZE ||
	    config->size % GUEST_PAGE_SIZE) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    ngettext("%" PRIu64 " byte of guest RAM: from 1 MiB to %llu TiB in "
				     "whole pages are possible",
				     "%" PRIu64 " bytes of guest RAM: from 1 MiB to %llu TiB in "
				     "whole pages are possible",
				     config->size),
			    config->size, MEMORY_MAX_SIZE >> 40);
		return NULL;
	}
	if (!ram_init(&memory->ram, vm, config->size, error))
		return NULL;
	if (memory->kind->has_states && !init_states(memory, config, error))
		return NULL;
	return g_steal_pointer(&memory);
}

static void end_memory_thread(Memory *memory)
{
	if (!memory->thread)
		return;
	g_mutex_lock(&memory->request_lock);
	memory->is_ending = TRUE;
	g_mutex_unlock(&memory->request_lock);
	eventfd_write(memory->request_fd, 1);
	g_thread_join(g_steal_pointer(&memory->thread));
	memory->kind->abandon(memory);
}

void memory_free(Memory *memory)
{
	if (!memory)
		return;
	end_memory_thread(memory);
	if (memory->kind->clear)
		memory->kind->clear(memory);
	if (memory->userfault_fd >= 0)
		close(memory->userfault_fd);
	if (memory->left_fd >= 0)
		close(memory->left_fd);
	if (memory->request_fd >= 0)
		close(memory->request_fd);
	ram_clear(&memory->ram);
	g_cond_clear(&memory->lost_told);
	g_mutex_clear(&memory->lost_lock);
	g_ptr_array_unref(memory->directs);
	g_ptr_array_unref(memory->pins);
	g_array_unref(memory->stalled);
	g_array_unref(memory->pending);
	g_array_unref(memory->roms);
	g_cond_clear(&memory->request_done);
	g_mutex_clear(&memory->request_lock);
	fair_lock_clear(&memory->lock);
	g_free(memory);
}

void memory_set_gates(Memory *memory, GateSet *gates)
{
	if (!gates)
		end_memory_thread(memory);
	fair_lock_lock(&memory->lock);
	memory->gates = gates;
	fair_lock_unlock(&memory->lock);
}

void memory_settle(Memory *memory)
{
	if (!memory->kind->has_states)
		return;
	fair_lock_lock(&memory->lock);
	fair_lock_unlock(&memory->lock);
}

guint64 memory_size(const Memory *memory)
{
	return memory->size;
}

guint64 memory_low_end(const Memory *memory)
{
	return memory->ram.low_end;
}

guint64 memory_high_end(const Memory *memory)
{
	return memory->ram.high_end;
}

guint64 memory_high_end_of(guint64 size)
{
	return ram_high_end(size);
}

KvmMemoryKind memory_kind(const Memory *memory)
{
	return kvm_vm_memory_kind(memory->vm);
}

MemoryPolicy memory_policy(const Memory *memory)
{
	return memory->policy;
}

gboolean memory_populate(Memory *memory, guint64 gpa, const void *data, gsize size, GError **error)
{
	MemoryRequest request = {
		.type = MEMORY_REQUEST_ACCESS,
		.access = MEMORY_ACCESS_POPULATE,
		.gpa = gpa,
		.size = size,
		.data = data,
	};
	gboolean populated;

	if (gpa + size < gpa) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    ngettext("gpa %#" PRIx64 ", %zu byte: the range wraps",
				     "gpa %#" PRIx64 ", %zu bytes: the range wraps", size),
			    gpa, size);
		return FALSE;
	}
	if (memory->kind->populates_on_thread)
		return engine_request(memory, &request, error);
	fair_lock_lock(&memory->lock);
	populated = engine_access(memory, MEMORY_ACCESS_POPULATE, gpa, data, size, error);
	fair_lock_unlock(&memory->lock);
	return populated;
}

/* The attributes of the pages of one segment: of their state where it shows RAM. */
static gboolean set_segment_attributes(Memory *memory, guint index, GError **error)
{
	guint64 gpa = ram_segment_gpa(index), size = ram_segment_size(index);
	RamRun run, part;

	if (!ram_find(&memory->ram, gpa, size, &run))
		return engine_set_attribute(memory, gpa, size, FALSE, error);
	for (part = run; part.first < run.first + run.pages; part.first += part.pages) {
		gboolean is_shared = bitmap_get(run.block->shared, part.first);

		part.pages = bitmap_run(run.block->shared, part.first,
					run.first + run.pages - part.first);
		if (!engine_set_attribute(memory, ram_run_gpa(&part), ram_run_size(&part),
					  !is_shared, error))
			return FALSE;
	}
	return TRUE;
}

gboolean engine_show_segments(Memory *memory, guint32 shown, GError **error)
{
	static const Rom no_image;
	const Rom *image = memory->image ? &g_array_index(memory->roms, Rom, memory->image - 1) :
					   &no_image;

	if (!mapping_show_segments(memory->vm, &memory->ram, shown, image, error))
		return FALSE;
	for (guint i = 0; i < RAM_SEGMENTS && memory->kind->set_attribute; i++) {
		if (!set_segment_attributes(memory, i, error))
			return FALSE;
	}
	return TRUE;
}

gboolean engine_show_rom(Memory *memory, guint rom, gboolean is_shown, GError **error)
{
	return mapping_show_rom(memory->vm, &g_array_index(memory->roms, Rom, rom), is_shown,
				error);
}

gboolean memory_show_segments(Memory *memory, guint32 shown, GError **error)
{
	MemoryRequest request = { .type = MEMORY_REQUEST_SHOW_SEGMENTS, .segments = shown };
	gboolean done;

	if (memory->kind->has_states)
		return engine_request(memory, &request, error);
	fair_lock_lock(&memory->lock);
	done = engine_show_segments(memory, shown, error);
	fair_lock_unlock(&memory->lock);
	return done;
}

gboolean memory_show_rom(Memory *memory, guint rom, gboolean is_shown, GError **error)
{
	MemoryRequest request = {
		.type = MEMORY_REQUEST_SHOW_ROM,
		.rom = rom,
		.is_shown = is_shown,
	};
	gboolean done;

	if (memory->kind->has_states)
		return engine_request(memory, &request, error);
	fair_lock_lock(&memory->lock);
	done = engine_show_rom(memory, rom, is_shown, error);
	fair_lock_unlock(&memory->lock);
	return done;
}

gboolean memory_add_rom(Memory *memory, guint64 gpa, guint8 *content, guint64 size,
			gboolean is_image, guint *rom, GError **error)
{
	const Rom new_rom = {
		.gpa = gpa,
		.size = size,
		.content = content,
		.slot = kvm_vm_new_memslot(memory->vm),
	};

	g_array_append_val(memory->roms, new_rom);
	*rom = memory->roms->len - 1;
	if (is_image)
		memory->image = memory->roms->len;
	return memory_show_rom(memory, *rom, TRUE, error);
}

gboolean memory_check_range(guint64 gpa, guint64 size, GError **error)
{
	if (gpa % GUEST_PAGE_SIZE == 0 && size % GUEST_PAGE_SIZE == 0 && gpa + size >= gpa)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
		    _("gpa %#" PRIx64 ", size %#" PRIx64 ": not a range of whole pages"), gpa,
		    size);
	return FALSE;
}

gboolean memory_reclaim(Memory *memory, guint64 gpa, guint64 size, guint64 *reclaimed,
			GError **error)
{
	MemoryRequest request = {
		.type = MEMORY_REQUEST_RECLAIM,
		.gpa = gpa,
		.size = size,
	};
	gboolean done;

	*reclaimed = 0;
	if (!memory_check_range(gpa, size, error))
		return FALSE;
	if (!memory->kind->has_states)
		return TRUE;
	done = engine_request(memory, &request, error);
	*reclaimed = request.reclaimed;
	return done;
}

gboolean memory_touch(Memory *memory, guint64 gpa, guint64 size, GError **error)
{
	gboolean is_ram = FALSE;
	RamRun run;

	if (gpa + size < gpa) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("gpa %#" PRIx64 ", size %#" PRIx64 ": the range wraps"), gpa, size);
		return FALSE;
	}
	RAM_FOR_EACH_RUN(&memory->ram, gpa, size, run)
	{
		is_ram = TRUE;
		for (guint64 page = 0; page < run.pages; page++)
			(void)*(volatile guint8 *)(ram_run_userspace(&run) + (page << PAGE_SHIFT));
	}
	if (!is_ram) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    _("gpa %#" PRIx64 ", size %#" PRIx64 ": no guest RAM there"), gpa,
			    size);
	}
	return is_ram;
}

/* Each number for itself: those of a transfer that is being counted may be there in part. */
void engine_count_transfer(Memory *memory, DmaWay way, const TransferCounter *moved)
{
	TransferCounter *counter = &memory->transfers[way];

	__atomic_fetch_add(&counter->count, moved->count, __ATOMIC_RELAXED);
	__atomic_fetch_add(&counter->bytes, moved->bytes, __ATOMIC_RELAXED);
}

static void read_transfers(const Memory *memory, TransferCounter *transfers)
{
	for (guint i = 0; i < DMA_N_WAYS; i++) {
		const TransferCounter *counter = &memory->transfers[i];

		transfers[i].count = __atomic_load_n(&counter->count, __ATOMIC_RELAXED);
		transfers[i].bytes = __atomic_load_n(&counter->bytes, __ATOMIC_RELAXED);
	}
}

void memory_statistics(Memory *memory, MemoryStatistics *statistics)
{
	fair_lock_lock(&memory->lock);
	*statistics = memory->statistics;
	statistics->registered_bytes = engine_registered_bytes(memory);
	if (memory->kind->count)
		memory->kind->count(memory, statistics);
	fair_lock_unlock(&memory->lock);
	read_transfers(memory, statistics->transfers);
	statistics->mapped_bytes = kvm_vm_mapped_bytes(memory->vm);
}

/*
 * Lets the threads of the first @count stalled touches go: by @serve with a page,
 * else to touch again. With Memory.lock held.
 */
static gboolean release_stalled(Memory *memory, guint count, gboolean serve, GError **error)
{
	gboolean released = TRUE;

	for (guint i = 0; i < count && released; i++) {
		const PendingTouch *touch = &g_array_index(memory->stalled, PendingTouch, i);
		RamRun page;

		if (!ram_find_userspace(&memory->ram, touch->event.address, &page))
			continue;
		if (touch->vcpu >= 0 && memory->gates)
			gate_mark_stalled(memory->gates, touch->vcpu, FALSE);
		if (serve && !bitmap_get(page.block->populated, page.first)) {
			/* It is marked as populated, so that discarding the range frees it. */
			released = memory->kind->populate(memory, &page, error);
		} else {
			userfault_wake(memory->userfault_fd, ram_run_userspace(&page),
				       GUEST_PAGE_SIZE);
		}
	}
	g_array_remove_range(memory->stalled, 0, count);
	return released;
}

guint memory_count_stalled_touches(Memory *memory)
{
	guint count;

	if (!memory->kind->has_states)
		return 0;
	fair_lock_lock(&memory->lock);
	count = memory->stalled->len;
	fair_lock_unlock(&memory->lock);
	return count;
}

void memory_retry_host_touches(Memory *memory, guint count)
{
	if (!memory->kind->has_states)
		return;
	fair_lock_lock(&memory->lock);
	if (!memory->has_failed)
		release_stalled(memory, MIN(count, memory->stalled->len), FALSE, NULL);
	fair_lock_unlock(&memory->lock);
}

/* Where there is no RAM, shared is what a guest finds after a reset. */
static gboolean discard_hole(Memory *memory, guint64 start, guint64 end, GError **error)
{
	return start >= end || engine_set_attribute(memory, start, end - start, FALSE, error);
}

gboolean engine_discard(Memory *memory, GError **error)
{
	memory->is_discarding = FALSE;
	if (!discard_hole(memory, MEMORY_VGA_HOLE_START, MEMORY_VGA_HOLE_END, error) ||
	    !discard_hole(memory, memory->ram.low_end, MEMORY_HIGH_BASE, error))
		return FALSE;
	/* Hidden segments too: the caller says anew which are shown. */
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];
		const RamRun all = { .block = block, .pages = block->size >> PAGE_SHIFT };

		if (!engine_set_attribute(memory, block->gpa, block->size, TRUE, error) ||
		    !engine_lose_pins(memory, &all, error) ||
		    !memory->kind->discard(memory, &all, error))
			return FALSE;
		if (!memory->kind->has_states)
			continue;
		engine_mark(memory, &all, FALSE);
		lent_pages_forget(block->lent);
	}
	return TRUE;
}

gboolean engine_release_touches(Memory *memory, GError **error)
{
	memory->is_discarding = TRUE;
	return release_stalled(memory, memory->stalled->len, TRUE, error);
}

gboolean memory_release_touches(Memory *memory, GError **error)
{
	MemoryRequest request = { .type = MEMORY_REQUEST_RELEASE_TOUCHES };
	GateSet *gates;

	if (!memory->kind->has_states)
		return TRUE;
	if (!engine_request(memory, &request, error))
		return FALSE;
	fair_lock_lock(&memory->lock);
	gates = memory->gates;
	fair_lock_unlock(&memory->lock);
	if (gates) {
		gate_set_pause(gates);
		memory_settle(memory);
	}
	return TRUE;
}

gboolean memory_discard(Memory *memory, GError **error)
{
	MemoryRequest request = { .type = MEMORY_REQUEST_DISCARD };
	gboolean done;

	if (memory->kind->has_states) {
		done = engine_request(memory, &request, error);
	} else {
		fair_lock_lock(&memory->lock);
		done = engine_discard(memory, error);
		fair_lock_unlock(&memory->lock);
	}
	engine_tell_lost_pins(memory);
	return done;
}
