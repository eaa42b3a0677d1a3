/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * windows.c - memory that is in guest_memfd alone: the host sees a page by mapping it
 *
 * Theory of operation
 *
 * A KVM_X86_DEFAULT_VM of Linux 6.18 or newer takes a guest_memfd that may be mapped. Every access
 * of the guest goes there; the memslot's userspace address is used by nobody but KVM itself, when
 * it emulates instructions, walks guest page tables or updates kvmclock, and by devices. That
 * address is anonymous memory registered with userfaultfd in which no page ever appears. A touch
 * is answered with a window: the touched part of the guest_memfd is mapped there. It is the guest's
 * own page, so that nothing is copied and no vCPU is held.
 *
 * "Shared" means that the host may have a window: it touched the page, or the guest said so.
 * "Populated" means that there is one. What the guest has shared gets its windows when it is first
 * touched, and keeps them.
 *
 * A window is closed in one step: by moving registered memory without pages, the spare, over it.
 * (To map anonymous memory over it and to register that are two steps. A touch between them would
 * read zeroes, and what it writes would be lost.) Whoever moves registered memory waits in the
 * kernel until the event of it has been read. So the closer, a thread that does nothing else, moves
 * it for the memory thread, which reads events until it is done. Nobody else opens or closes.
 *
 * The memory thread must not map with MAP_POPULATE, nor touch a window: that would wait for itself
 * where the window has gone. What DMA channels read and write is mapped elsewhere, for as long as
 * it is being copied, by the thread that copies.
 *
 * A pin is a mapping elsewhere too, that stays: who uses it raises no event. When it is lost,
 * memory of nobody is mapped over it, in one step; only then is a hole punched.
 *
 * Whether a window is still used can be seen: MADV_DONTNEED takes its entries out of the page table
 * and its next use puts them back, which the pagemap tells. So nothing is taken back too early.
 *
 * Linux limits a process's mappings (vm.max_map_count). A window between others costs two. When
 * there would be too many, all are closed, and who needs one touches again. Half of them may be
 * pins.
 */
#include "vmm/memory/windows.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/memory/engine.h"
#include "vmm/sandbox/sandbox.h"

/* What is closed in one step at most. */
#define SPARE_PAGES 512ull
#define SPARE_SIZE  (SPARE_PAGES << PAGE_SHIFT)

/* A page's entry in the pagemap: it is in the page table. */
#define PAGEMAP_IS_PRESENT (G_GUINT64_CONSTANT(1) << 63)

static guint8 *spare(const Windows *windows)
{
	return windows->reserved + GUEST_PAGE_SIZE;
}

/* Runs of populated pages in [first, end). */
static guint64 count_runs(const RamBlock *block, guint64 first, guint64 end)
{
	guint64 count = 0;

	while (first < end) {
		count += bitmap_get(block->populated, first);
		first += bitmap_run(block->populated, first, end - first);
	}
	return count;
}

static void mark(Memory *memory, const RamRun *run, gboolean is_open)
{
	Windows *windows = memory->windows;
	guint64 first = run->first > 0 ? run->first - 1 : 0;
	guint64 end = MIN(run->first + run->pages + 1, run->block->size >> PAGE_SHIFT);

	windows->runs -= count_runs(run->block, first, end);
	engine_mark_populated(memory, run, is_open);
	windows->runs += count_runs(run->block, first, end);
}

static gpointer run_closer(gpointer data)
{
	Windows *windows = data;

	sandbox_enter_thread(SANDBOX_THREAD_CLOSER);
	g_mutex_lock(&windows->lock);
	for (;;) {
		guint8 *destination;
		void *moved;
		gsize size;

		while (!windows->destination && !windows->is_ending)
			g_cond_wait(&windows->changed, &windows->lock);
		if (windows->is_ending)
			break;
		destination = windows->destination;
		size = windows->size;
		g_mutex_unlock(&windows->lock);
		moved = mremap(spare(windows), size, size,
			       MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, destination);
		g_mutex_lock(&windows->lock);
		windows->error_number = moved == MAP_FAILED ? errno : 0;
		windows->destination = NULL;
		eventfd_write(windows->closed_fd, 1);
	}
	g_mutex_unlock(&windows->lock);
	return NULL;
}

/* Closes whatever windows a run has; SPARE_PAGES at most. */
static gboolean close_at_once(Memory *memory, const RamRun *run, GError **error)
{
	Windows *windows = memory->windows;
	int error_number;

	g_mutex_lock(&windows->lock);
	windows->destination = ram_run_userspace(run);
	windows->size = ram_run_size(run);
	g_cond_signal(&windows->changed);
	g_mutex_unlock(&windows->lock);
	engine_read_touches_until(memory, windows->closed_fd);
	g_mutex_lock(&windows->lock);
	error_number = windows->error_number;
	g_mutex_unlock(&windows->lock);
	/* It may have unmapped the window before it failed, and left nothing there. */
	if (error_number) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("mremap(MREMAP_DONTUNMAP) over the window at gpa %#" PRIx64
			      ", size %#" PRIx64 ": %s"),
			    ram_run_gpa(run), ram_run_size(run), g_strerror(error_number));
		return FALSE;
	}
	mark(memory, run, FALSE);
	return TRUE;
}

/* What is between two windows is not there either way, and may be closed with them. */
static gboolean close_windows(Memory *memory, const RamRun *run, GError **error)
{
	guint64 end = run->first + run->pages;
	RamRun part = { .block = run->block, .first = run->first };

	for (; part.first < end; part.first += part.pages) {
		part.pages = bitmap_run(run->block->populated, part.first, end - part.first);
		if (!bitmap_get(run->block->populated, part.first))
			continue;
		part.pages = MIN(end - part.first, SPARE_PAGES);
		if (!close_at_once(memory, &part, error))
			return FALSE;
	}
	return TRUE;
}

/* What is lent stays so until it is due; who touches it meanwhile gets it again. */
static gboolean close_all(Memory *memory, GError **error)
{
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];
		const RamRun all = { .block = block, .pages = block->size >> PAGE_SHIFT };

		if (!close_windows(memory, &all, error))
			return FALSE;
	}
	return TRUE;
}

/* Maps a part of guest_memfd. */
static void *map_guest_memfd(const RamRun *run, void *address, int flags)
{
	return mmap(address, ram_run_size(run), PROT_READ | PROT_WRITE, MAP_SHARED | flags,
		    run->block->guest_memfd, run->first << PAGE_SHIFT);
}

/* Maps it to stay, out of core dumps and children. */
static void *map_to_stay(const RamRun *run, void *address, int flags)
{
	gsize size = ram_run_size(run);
	void *mapping = map_guest_memfd(run, address, flags);

	if (mapping != MAP_FAILED) {
		madvise(mapping, size, MADV_DONTDUMP);
		madvise(mapping, size, MADV_DONTFORK);
	}
	return mapping;
}

static gboolean set_map_error(const RamRun *run, GError **error)
{
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
		    _("mapping guest_memfd at gpa %#" PRIx64 ", size %#" PRIx64 ": %s"),
		    ram_run_gpa(run), ram_run_size(run), g_strerror(errno));
	return FALSE;
}

/* Who waits for one of its pages goes on. */
static gboolean open_window(Memory *memory, const RamRun *run, GError **error)
{
	Windows *windows = memory->windows;

	if (windows->runs + windows->pins >= windows->runs_max && !close_all(memory, error))
		return FALSE;
	if (map_to_stay(run, ram_run_userspace(run), MAP_FIXED) == MAP_FAILED)
		return set_map_error(run, error);
	mark(memory, run, TRUE);
	userfault_wake(memory->userfault_fd, ram_run_userspace(run), ram_run_size(run));
	return TRUE;
}

static gboolean forget(Memory *memory, const RamRun *run, gboolean is_private, GError **error)
{
	if (is_private && !close_windows(memory, run, error))
		return FALSE;
	return engine_drop_direct(memory, run, error) && ram_free_private(run, error);
}

static gboolean discard(Memory *memory, const RamRun *run, GError **error)
{
	return forget(memory, run, TRUE, error);
}

/* What a window shows is the guest's own page, the next one too. */
static gboolean release(Memory *memory, const RamRun *run, GError **error)
{
	return forget(memory, run, FALSE, error);
}

static guint8 *map_pin(Memory *memory, const RamRun *run, GError **error)
{
	Windows *windows = memory->windows;
	guint8 *pages;

	if (windows->pins >= windows->runs_max / 2) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_UNSUPPORTED,
			    ngettext("%" PRIu64 " ring is pinned: the host allows no more mappings "
				     "(vm.max_map_count)",
				     "%" PRIu64 " rings are pinned: the host allows no more "
				     "mappings (vm.max_map_count)",
				     windows->pins),
			    windows->pins);
		return NULL;
	}
	pages = map_to_stay(run, NULL, 0);
	if (pages == MAP_FAILED) {
		set_map_error(run, error);
		return NULL;
	}
	windows->pins++;
	return pages;
}

static gboolean lose_pin(Memory *memory, const RamRun *run, guint8 *pages, GError **error)
{
	gsize size = ram_run_size(run);

	(void)memory;
	if (mmap(pages, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("taking the ring at gpa %#" PRIx64 " away: %s"), ram_run_gpa(run),
			    g_strerror(errno));
		return FALSE;
	}
	ram_advise_hidden(pages, size);
	return TRUE;
}

static void unmap_pin(Memory *memory, const RamRun *run, guint8 *pages)
{
	munmap(pages, ram_run_size(run));
	memory->windows->pins--;
}

static gboolean map_to_register(Memory *memory, const RamRun *run, guint8 *address)
{
	(void)memory;
	return map_guest_memfd(run, address, MAP_FIXED | MAP_POPULATE) != MAP_FAILED;
}

/*
 * All of it is about to be used: one fault for all pages takes half as long as one for each. To
 * keep it out of core dumps and children, too, took a fifth of the time of a page; this process has
 * neither (confinement.h).
 */
static guint8 *map_briefly(const RamRun *run)
{
	return map_guest_memfd(run, NULL, MAP_POPULATE);
}

static gboolean read_piece(Memory *memory, const MemoryPiece *piece, guint8 *data, GError **error)
{
	guint8 *mapping = map_briefly(&piece->run);

	(void)memory;
	if (mapping == MAP_FAILED)
		return set_map_error(&piece->run, error);
	memcpy(data, mapping + (piece->gpa & (GUEST_PAGE_SIZE - 1)), piece->size);
	munmap(mapping, ram_run_size(&piece->run));
	return TRUE;
}

static gboolean write_piece(Memory *memory, const MemoryPiece *piece, const guint8 *data,
			    GError **error)
{
	guint8 *mapping = map_briefly(&piece->run);

	(void)memory;
	if (mapping == MAP_FAILED)
		return set_map_error(&piece->run, error);
	memcpy(mapping + (piece->gpa & (GUEST_PAGE_SIZE - 1)), data, piece->size);
	munmap(mapping, ram_run_size(&piece->run));
	return TRUE;
}

static gboolean was_used(Memory *memory, const RamRun *run, guint64 *pages)
{
	guint64 entries[MEMORY_PIECE_PAGES] = { 0 };
	guint64 wanted = MIN(run->pages, MEMORY_PIECE_PAGES), found = 1;
	guint8 *userspace = ram_run_userspace(run);
	gssize length = pread(memory->windows->pagemap_fd, entries, wanted * sizeof(entries[0]),
			      ((guintptr)userspace >> PAGE_SHIFT) * sizeof(entries[0]));
	gboolean is_used = (entries[0] & PAGEMAP_IS_PRESENT) != 0;

	/* What cannot be read has not been used: who uses it touches again. */
	wanted = length > 0 ? (guint64)length / sizeof(entries[0]) : 1;
	while (found < wanted && ((entries[found] & PAGEMAP_IS_PRESENT) != 0) == is_used)
		found++;
	*pages = found;
	if (is_used)
		madvise(userspace, found << PAGE_SHIFT, MADV_DONTNEED);
	return is_used;
}

/* userfaultfd refuses ranges that hold a window, where nobody waits. */
static void abandon(Memory *memory)
{
	for (guint i = 0; i < memory->ram.n_blocks; i++) {
		RamBlock *block = &memory->ram.blocks[i];
		guint64 end = block->size >> PAGE_SHIFT;
		RamRun part = { .block = block };

		for (; part.first < end; part.first += part.pages) {
			part.pages = bitmap_run(block->populated, part.first, end - part.first);
			if (!bitmap_get(block->populated, part.first))
				userfault_unregister(memory->userfault_fd, ram_run_userspace(&part),
						     ram_run_size(&part));
		}
	}
}

/* Nothing may be next to it: a mapping does not merge with the one that it comes from. */
static gboolean init_spare(Memory *memory, GError **error)
{
	Windows *windows = memory->windows;
	gsize size = SPARE_SIZE + 2 * GUEST_PAGE_SIZE;
	void *reserved = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1, 0);

	if (reserved == MAP_FAILED)
		goto failed;
	windows->reserved = reserved;
	if (mmap(spare(windows), SPARE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		goto failed;
	ram_advise_hidden(spare(windows), SPARE_SIZE);
	return userfault_register(memory->userfault_fd, spare(windows), SPARE_SIZE, error);

failed:
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, _("mapping the windows' spare: %s"),
		    g_strerror(errno));
	return FALSE;
}

static gboolean init(Memory *memory, const MemoryConfig *config, GError **error)
{
	Windows *windows = g_new0(Windows, 1);

	memory->windows = windows;
	windows->pagemap_fd = config->pagemap_fd;
	windows->runs_max = config->windows_max;
	windows->closed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	g_mutex_init(&windows->lock);
	g_cond_init(&windows->changed);
	if (windows->closed_fd < 0) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "eventfd: %s", g_strerror(errno));
		return FALSE;
	}
	if (!kvm_support_check_pagemap(windows->pagemap_fd, error) ||
	    !engine_watch_touches(memory, config->userfaultfd_device, error) ||
	    !init_spare(memory, error))
		return FALSE;
	windows->closer = g_thread_try_new("closer", run_closer, windows, error);
	return windows->closer != NULL;
}

static void clear(Memory *memory)
{
	Windows *windows = memory->windows;

	if (!windows)
		return;
	if (windows->closer) {
		g_mutex_lock(&windows->lock);
		windows->is_ending = TRUE;
		g_cond_signal(&windows->changed);
		g_mutex_unlock(&windows->lock);
		g_thread_join(windows->closer);
	}
	if (windows->reserved)
		munmap(windows->reserved, SPARE_SIZE + 2 * GUEST_PAGE_SIZE);
	if (windows->closed_fd >= 0)
		close(windows->closed_fd);
	g_cond_clear(&windows->changed);
	g_mutex_clear(&windows->lock);
	g_clear_pointer(&memory->windows, g_free);
}

const MemoryKind memory_kind_windows = {
	.has_states = TRUE,
	.guest_memfd_flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	.converts_on_thread = TRUE,
	.refuses_strangers = TRUE,
	.init = init,
	.clear = clear,
	.abandon = abandon,
	.show = open_window,
	.populate = open_window,
	.hide = close_windows,
	.forget = forget,
	.discard = discard,
	.release = release,
	.was_used = was_used,
	.map_pin = map_pin,
	.lose_pin = lose_pin,
	.unmap_pin = unmap_pin,
	.map_to_register = map_to_register,
	.read = read_piece,
	.write = write_piece,
};
