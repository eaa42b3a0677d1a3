/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kind.h - what differs between kinds of memory
 *
 * Theory of operation
 *
 * Each page of RAM is private or shared: that, who may change it and when, what waits for it, what
 * is lent and for how long, and what is counted is the same with each kind, and is in the other
 * files of this folder. How a page is hidden from the host, and how the host gets to see it, is a
 * kind's, in a file of its own:
 *
 *   ordinary.c   nothing is hidden, and nothing has a state
 *   two-sided.c, two-sided-dma.c
 *                a page's attribute sends the guest to guest_memfd or to the userspace mapping;
 *                content is copied between the two
 *   windows.c    all is in guest_memfd; the host sees what is mapped at the moment
 *
 * A kind changes what KVM, the kernel and the guest find, and marks what is populated as it does.
 * The state of pages and the counters are the callers'. All functions are called with Memory.lock
 * held but where it says otherwise, and on the memory thread but for those of which it says
 * "anybody".
 */
#pragma once

#include "vmm/memory/dma.h"
#include "vmm/memory/memory.h"
#include "vmm/memory/ram.h"

/* A part of one state of what is to be read or written. */
typedef struct {
	RamRun run; /* the pages that it touches, MEMORY_PIECE_PAGES at most */
	guint64 gpa;
	guint64 size;
	gboolean is_shared;
	gboolean is_populated;
} MemoryPiece;

#define MEMORY_PIECE_PAGES 64ull

/* What an access is for: populating is counted as a conversion. */
typedef enum {
	MEMORY_ACCESS_READ,
	MEMORY_ACCESS_WRITE,
	MEMORY_ACCESS_POPULATE,
} MemoryAccess;

/* What became of a piece of a transfer. */
typedef enum {
	DMA_STEP_MOVED,	 /* or will have been when the part is finished */
	DMA_STEP_ABSENT, /* only the memory thread can write there */
	DMA_STEP_BUSY,	 /* what it takes is others' at the moment */
	DMA_STEP_FAILED,
} DmaStep;

/* DMA by a kind whose content is carried in trips; see dma.c. */
typedef struct {
	/* With Memory.lock held. */
	gboolean (*open)(DmaChannel *channel, GError **error);
	void (*close)(DmaChannel *channel);

	/*
	 * What follows, with Memory.lock shared, on the channel's thread.
	 * @offset: of the piece in the part, which has DMA_CHANNEL_PART bytes
	 * @data:   the piece's; of finish() the part's
	 */
	DmaStep (*move)(DmaChannel *channel, MemoryAccess access, const MemoryPiece *piece,
			guint64 offset, guint8 *data);

	/* All that move() was called for is moved. */
	gboolean (*finish)(DmaChannel *channel, MemoryAccess access, guint8 *data, GError **error);

	/*
	 * The same without Memory.lock: waits for what a part takes, which finish() gives back, and
	 * gives it back where there was none.
	 */
	void (*await)(DmaChannel *channel);
	void (*release)(DmaChannel *channel);
} DmaKind;

typedef struct {
	/* Pages have states, RAM is in guest_memfd, touches are seen and a memory thread serves
	 * them. */
	gboolean has_states;
	guint64 guest_memfd_flags;

	/*
	 * A page that changes state is somewhere else afterwards: nobody may write to it meanwhile,
	 * so that vCPUs are held, and where the guest did not ask for it, its content is copied.
	 */
	gboolean moves_content;

	/* Only the memory thread can write at once; only it can carry out the guest's requests. */
	gboolean populates_on_thread;
	gboolean converts_on_thread;

	/*
	 * Whoever shows a page to one thread of this process shows it to all: touches by other
	 * processes' threads are never served.
	 */
	gboolean refuses_strangers;

	/* What follows is NULL where the kind has nothing to do, or never gets there. */

	/* Once, after RAM has its memslots and before there is a thread; and at the end. */
	gboolean (*init)(Memory *memory, const MemoryConfig *config, GError **error);
	void (*clear)(Memory *memory);

	/* Lets every thread go on that waits for a touch, on zeroes; also while Memory.lock is not
	 * held, when there is no memory thread any more. */
	void (*abandon)(Memory *memory);

	/*
	 * The attribute that tells KVM the state of guest addresses, RAM or not. Anybody; in holes
	 * too. NULL: this kind knows no attributes.
	 */
	gboolean (*set_attribute)(Memory *memory, guint64 gpa, guint64 size, gboolean is_private,
				  GError **error);

	/* Private pages that the host touched are there for it, content kept; wakes who waits. */
	gboolean (*show)(Memory *memory, const RamRun *run, GError **error);

	/* The same for shared pages that are not populated. */
	gboolean (*populate)(Memory *memory, const RamRun *run, GError **error);

	/* Shared and populated pages are private again, content kept; MEMORY_PIECE_PAGES at most.
	 */
	gboolean (*hide)(Memory *memory, const RamRun *run, GError **error);

	/*
	 * Whether the host has used pages since this was last asked, or since they were shown: of
	 * the first page of a run, and of @pages that are like it. NULL: it cannot be seen.
	 */
	gboolean (*was_used)(Memory *memory, const RamRun *run, guint64 *pages);

	/*
	 * Pages that have changed state by the guest's request read as zeroes from now on; those of
	 * a private run are not populated any more, but for pinned ones. Anybody, but with
	 * converts_on_thread.
	 */
	gboolean (*forget)(Memory *memory, const RamRun *run, gboolean is_private, GError **error);

	/* All content of a run goes, and it is not populated any more, but for pinned pages; vCPUs
	 * are outside KVM_RUN. */
	gboolean (*discard)(Memory *memory, const RamRun *run, GError **error);

	/*
	 * The content of a run of one state goes, and the run reads as zeroes from now on; none of
	 * it is pinned. Anybody.
	 */
	gboolean (*release)(Memory *memory, const RamRun *run, GError **error);

	/*
	 * Pins with a mapping of their own, away from the userspace mapping; NULL: a pin's pages
	 * are populated, and stay so.
	 *
	 * map_pin() shows a run there, and lose_pin() has it read as zeroes, with what is written
	 * going nowhere; unmap_pin() takes it away, also where the memory thread has ended.
	 */
	guint8 *(*map_pin)(Memory *memory, const RamRun *run, GError **error);
	gboolean (*lose_pin)(Memory *memory, const RamRun *run, guint8 *pages, GError **error);
	void (*unmap_pin)(Memory *memory, const RamRun *run, guint8 *pages);

	/*
	 * Maps a run at an address where the caller has room, for io_uring to be told of it, which
	 * knows it then without the mapping. Anybody, with Memory.lock shared. What goes away is
	 * forgotten before, by engine_drop_direct(). NULL: it cannot be.
	 */
	gboolean (*map_to_register)(Memory *memory, const RamRun *run, guint8 *address);

	/*
	 * Content in and out at once; no state changes, but a shared page that is absent is put
	 * there to be written. Anybody, with Memory.lock shared; but with populates_on_thread the
	 * memory thread alone, which has no use for read().
	 */
	gboolean (*read)(Memory *memory, const MemoryPiece *piece, guint8 *data, GError **error);
	gboolean (*write)(Memory *memory, const MemoryPiece *piece, const guint8 *data,
			  GError **error);

	/* NULL: DMA is by read() and write(). */
	const DmaKind *dma;

	/* Adds the kind's own counters. */
	void (*count)(Memory *memory, MemoryStatistics *statistics);
} MemoryKind;

extern const MemoryKind memory_kind_ordinary;
extern const MemoryKind memory_kind_two_sided;
extern const MemoryKind memory_kind_windows;

extern const DmaKind dma_kind_two_sided;
