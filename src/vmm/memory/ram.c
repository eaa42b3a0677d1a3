/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ram.c - the blocks that guest RAM is made of */
#include "vmm/memory/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/kvm-uapi.h"
#include "vmm/memory/memory.h"

static gboolean create_guest_memfd(RamBlock *block, KvmVm *vm, guint64 flags, GError **error)
{
	block->guest_memfd = kvm_vm_create_guest_memfd(vm, block->size, flags, error);
	if (block->guest_memfd < 0)
		return FALSE;
	block->shared = bitmap_new(block->size >> PAGE_SHIFT);
	block->populated = bitmap_new(block->size >> PAGE_SHIFT);
	block->pinned = bitmap_new(block->size >> PAGE_SHIFT);
	block->rings = bitmap_new(block->size >> PAGE_SHIFT);
	block->lent = lent_pages_new(block->size >> PAGE_SHIFT);
	return TRUE;
}

void ram_advise_hidden(void *start, gsize size)
{
	madvise(start, size, MADV_NOHUGEPAGE);
	madvise(start, size, MADV_DONTDUMP);
	madvise(start, size, MADV_DONTFORK);
}

static gboolean map_userspace(RamBlock *block, gboolean has_guest_memfd, GError **error)
{
	void *mapping = mmap(NULL, block->size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mapping == MAP_FAILED) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    ngettext("mapping %" PRIu64 " byte of guest RAM: %s",
				     "mapping %" PRIu64 " bytes of guest RAM: %s", block->size),
			    block->size, g_strerror(errno));
		return FALSE;
	}
	block->userspace = mapping;

	if (has_guest_memfd)
		ram_advise_hidden(mapping, block->size);
	else
		madvise(mapping, block->size, MADV_HUGEPAGE);
	return TRUE;
}

static gboolean add_block(Ram *ram, KvmVm *vm, guint64 gpa, guint64 end, GError **error)
{
	RamBlock *block = &ram->blocks[ram->n_blocks++];

	block->gpa = gpa;
	block->size = end - gpa;
	block->guest_memfd = -1;
	if (ram->has_guest_memfd && !create_guest_memfd(block, vm, ram->guest_memfd_flags, error))
		return FALSE;
	return map_userspace(block, ram->has_guest_memfd, error);
}

/* The memslot of [gpa, gpa + size), which lies in a block. */
static void fill_memslot(const RamBlock *block, guint64 gpa, guint64 size, KvmMemslot *memslot)
{
	*memslot = (KvmMemslot){
		.gpa = gpa,
		.size = size,
		.userspace = block->userspace + (gpa - block->gpa),
		.guest_memfd = block->guest_memfd,
		.guest_memfd_offset = gpa - block->gpa,
	};
}

static RamBlock *segments_block(const Ram *ram)
{
	return (RamBlock *)&ram->blocks[1];
}

void ram_segment_memslot(const Ram *ram, guint index, KvmMemslot *memslot)
{
	fill_memslot(segments_block(ram), ram_segment_gpa(index), ram_segment_size(index), memslot);
}

static gboolean add_memslot(Ram *ram, KvmVm *vm, GError **error)
{
	const RamBlock *block = &ram->blocks[ram->n_blocks - 1];
	KvmMemslot memslot;

	fill_memslot(block, block->gpa, block->size, &memslot);
	return kvm_vm_add_memslot(vm, &memslot, error);
}

static gboolean add_segments(Ram *ram, KvmVm *vm, GError **error)
{
	for (guint i = 0; i < RAM_SEGMENTS; i++) {
		RamSegment *segment = &ram->segments[i];
		KvmMemslot memslot;

		segment->slot = kvm_vm_new_memslot(vm);
		ram_segment_memslot(ram, i, &memslot);
		if (!kvm_vm_set_memslot(vm, segment->slot, &memslot, error))
			return FALSE;
		segment->state = RAM_SEGMENT_RAM;
	}
	return TRUE;
}

static gboolean map_ones(Ram *ram, GError **error)
{
	gsize size = ram_segment_size(RAM_SEGMENTS - 1);
	void *ones = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (ones == MAP_FAILED) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    ngettext("mapping %zu byte of ones: %s",
				     "mapping %zu bytes of ones: %s", size),
			    size, g_strerror(errno));
		return FALSE;
	}
	memset(ones, 0xff, size);
	ram->ones = ones;
	return TRUE;
}

guint64 ram_low_end(guint64 size)
{
	return size < RAM_LOW_MAX ? size : RAM_LOW_SPLIT;
}

guint64 ram_high_end(guint64 size)
{
	return MEMORY_HIGH_BASE + (size - ram_low_end(size));
}

gboolean ram_init(Ram *ram, KvmVm *vm, guint64 size, GError **error)
{
	ram->low_end = ram_low_end(size);
	ram->high_end = ram_high_end(size);
	if (!map_ones(ram, error) || !add_block(ram, vm, 0, MEMORY_VGA_HOLE_START, error) ||
	    !add_memslot(ram, vm, error) ||
	    !add_block(ram, vm, RAM_SEGMENTS_START, RAM_SEGMENTS_END, error) ||
	    !add_segments(ram, vm, error))
		return FALSE;
	if (ram->low_end > RAM_SEGMENTS_END &&
	    (!add_block(ram, vm, RAM_SEGMENTS_END, ram->low_end, error) ||
	     !add_memslot(ram, vm, error)))
		return FALSE;
	if (ram->high_end > MEMORY_HIGH_BASE)
		return add_block(ram, vm, MEMORY_HIGH_BASE, ram->high_end, error) &&
		       add_memslot(ram, vm, error);
	return TRUE;
}

gboolean ram_free_private(const RamRun *run, GError **error)
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

void ram_clear(Ram *ram)
{
	for (guint i = 0; i < ram->n_blocks; i++) {
		RamBlock *block = &ram->blocks[i];

		if (block->userspace)
			munmap(block->userspace, block->size);
		if (block->guest_memfd >= 0)
			close(block->guest_memfd);
		g_clear_pointer(&block->shared, bitmap_free);
		g_clear_pointer(&block->populated, bitmap_free);
		g_clear_pointer(&block->pinned, bitmap_free);
		g_clear_pointer(&block->rings, bitmap_free);
		g_clear_pointer(&block->lent, lent_pages_free);
	}
	ram->n_blocks = 0;
	if (ram->ones)
		munmap(ram->ones, ram_segment_size(RAM_SEGMENTS - 1));
	ram->ones = NULL;
}

/* The first part of [*start, *end), which lies in the segments, that shows RAM. */
static gboolean find_shown(const Ram *ram, guint64 *start, guint64 *end)
{
	gboolean is_found = FALSE;
	guint64 last = *end;

	for (guint i = 0; i < RAM_SEGMENTS; i++) {
		guint64 segment = ram_segment_gpa(i), segment_end = segment + ram_segment_size(i);
		gboolean is_shown = ram->segments[i].state == RAM_SEGMENT_RAM;

		if (segment_end <= *start || segment >= last)
			continue;
		if (!is_shown && is_found)
			break;
		if (!is_shown)
			continue;
		if (!is_found)
			*start = MAX(*start, segment);
		*end = MIN(last, segment_end);
		is_found = TRUE;
	}
	return is_found;
}

gboolean ram_find(Ram *ram, guint64 gpa, guint64 size, RamRun *run)
{
	for (guint i = 0; i < ram->n_blocks; i++) {
		RamBlock *block = &ram->blocks[i];
		guint64 start = MAX(gpa, block->gpa);
		guint64 end = MIN(gpa + size, block->gpa + block->size);

		if (start >= end)
			continue;
		if (block == segments_block(ram) && !find_shown(ram, &start, &end))
			continue;
		run->block = block;
		run->first = (start - block->gpa) >> PAGE_SHIFT;
		run->pages = ((end - block->gpa + GUEST_PAGE_SIZE - 1) >> PAGE_SHIFT) - run->first;
		return TRUE;
	}
	return FALSE;
}

gboolean ram_find_userspace(Ram *ram, guint64 address, RamRun *run)
{
	for (guint i = 0; i < ram->n_blocks; i++) {
		RamBlock *block = &ram->blocks[i];
		guint64 start = (guint64)(guintptr)block->userspace;

		if (address < start || address - start >= block->size)
			continue;
		run->block = block;
		run->first = (address - start) >> PAGE_SHIFT;
		run->pages = 1;
		return TRUE;
	}
	return FALSE;
}
