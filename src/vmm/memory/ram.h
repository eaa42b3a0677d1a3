/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ram.h - the blocks that guest RAM is made of, and the state of each of their pages
 *
 * Theory of operation
 *
 * RAM is up to four blocks: below the VGA hole, from there to 1 MiB, from there to the hole
 * under 4 GiB, and from 4 GiB on. Each has one userspace mapping, one memslot and, in a
 * software-protected VM, one guest_memfd and two bits a page:
 *
 *   shared     the page's attribute is shared; clear means private
 *   populated  the userspace mapping holds a page there; only ever set on a page that is shared,
 *              or was when it was pinned (pin.h)
 *
 * The block that ends at 1 MiB is made of segments with a memslot each, which the guest shows
 * and hides by PAM registers; see mapping.h.
 *
 * The bits are the engine's, under its lock. The mapping of a software-protected VM stays
 * absent until the engine puts pages there.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/vm.h"
#include "vmm/memory/bitmap.h"
#include "vmm/memory/lent-pages.h"

#define PAGE_SHIFT 12

/* With this much RAM or more, RAM below 4 GiB ends at 2 GiB, as on QEMU's q35. */
#define RAM_LOW_MAX   0xb0000000ull
#define RAM_LOW_SPLIT 0x80000000ull

typedef struct {
	guint64 gpa;
	guint64 size; /* bytes */
	guint8 *userspace;
	int guest_memfd; /* -1 in an ordinary VM */
	Bitmap *shared;
	Bitmap *populated;
	Bitmap *pinned;	 /* by devices: pin.h */
	Bitmap *rings;	 /* of the shared ones, those that a pin made so */
	LentPages *lent; /* of the shared ones, those that a host touch made so */
} RamBlock;

/* PAM's segments: twelve of 16 KiB from 768 KiB on, and one of 64 KiB behind them. */
#define RAM_SEGMENTS	   13
#define RAM_SEGMENTS_START 0xc0000ull
#define RAM_SEGMENTS_END   0x100000ull
#define RAM_SEGMENT_SIZE   0x4000ull

typedef enum {
	RAM_SEGMENT_ABSENT, /* no memslot */
	RAM_SEGMENT_RAM,
	RAM_SEGMENT_IMAGE, /* or ones, where the image does not reach */
} RamSegmentState;

typedef struct {
	guint slot;
	RamSegmentState state;
} RamSegment;

typedef struct {
	gboolean has_guest_memfd; /* before ram_init() */
	guint64 guest_memfd_flags;
	RamBlock blocks[4];
	guint n_blocks;
	RamSegment segments[RAM_SEGMENTS];
	guint8 *ones; /* as large as the largest segment: what is read where nothing is */
	guint64 low_end;
	guint64 high_end; /* MEMORY_HIGH_BASE where there is no high block */
} Ram;

/* The part of a range that lies in one block. */
typedef struct {
	RamBlock *block;
	guint64 first; /* page index in the block */
	guint64 pages;
} RamRun;

/*
 * For a mapping in which pages come and go one at a time: a huge page would bring neighbours
 * along that are private. What little is shared has no business in a core dump or a child.
 */
void ram_advise_hidden(void *start, gsize size);

/* Frees the guest_memfd pages of a run. */
gboolean ram_free_private(const RamRun *run, GError **error);

/* Where a machine's RAM below 4 GiB ends, and where all of it, that has @size bytes. */
guint64 ram_low_end(guint64 size);
guint64 ram_high_end(guint64 size);

/* Fills @ram for @size bytes of RAM and makes its memslots; every segment shows its RAM. */
gboolean ram_init(Ram *ram, KvmVm *vm, guint64 size, GError **error);
void ram_clear(Ram *ram);

/*
 * ram_find - the first run of [gpa, gpa + size) that is RAM, in whole pages
 *
 * A segment that does not show its RAM is none.
 *
 * Return: FALSE where nothing of the range is RAM.
 */
gboolean ram_find(Ram *ram, guint64 gpa, guint64 size, RamRun *run);

/*
 * The same for an address in the userspace mapping of a block; a run of one page. It finds
 * those of hidden segments too.
 */
gboolean ram_find_userspace(Ram *ram, guint64 address, RamRun *run);

static inline guint64 ram_segment_gpa(guint index)
{
	return RAM_SEGMENTS_START + index * RAM_SEGMENT_SIZE;
}

static inline guint64 ram_segment_size(guint index)
{
	return index == RAM_SEGMENTS - 1 ? RAM_SEGMENTS_END - ram_segment_gpa(index) :
					   RAM_SEGMENT_SIZE;
}

/* The memslot that shows a segment's RAM. */
void ram_segment_memslot(const Ram *ram, guint index, KvmMemslot *memslot);

static inline guint64 ram_run_gpa(const RamRun *run)
{
	return run->block->gpa + (run->first << PAGE_SHIFT);
}

static inline guint8 *ram_run_userspace(const RamRun *run)
{
	return run->block->userspace + (run->first << PAGE_SHIFT);
}

static inline guint64 ram_run_size(const RamRun *run)
{
	return run->pages << PAGE_SHIFT;
}

static inline gboolean ram_runs_overlap(const RamRun *one, const RamRun *other)
{
	return one->block == other->block && one->first < other->first + other->pages &&
	       other->first < one->first + one->pages;
}

/*
 * RAM_FOR_EACH_RUN - for each run of RAM in [gpa, gpa + size), lowest address first
 *
 * @run is a RamRun; the range must not wrap.
 */
#define RAM_FOR_EACH_RUN(ram, gpa_, size_, run)                          \
	for (guint64 next_ = (gpa_), end_ = (gpa_) + (size_);            \
	     next_ < end_ && ram_find(ram, next_, end_ - next_, &(run)); \
	     next_ = ram_run_gpa(&(run)) + ram_run_size(&(run)))
