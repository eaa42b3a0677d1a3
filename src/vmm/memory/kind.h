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
 *   two-sided.c  a page's attribute sends the guest to guest_memfd or to the userspace mapping;
 *                content is copied between the two
 *   windows.c    all is in guest_memfd; the host sees what is mapped at the moment
 *
 * A kind changes what KVM, the kernel and the guest find, and marks what is populated as it does.
 * The state of pages and the counters are the callers'. All functions are called with Memory.lock
 * held but where it says otherwise, and on the memory thread but for those of which it says
 * "anybody".
 */
#pragma once

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

	/* Only the memory thread can read and write; only it can carry out the guest's requests. */
	gboolean accesses_on_thread;
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
	 * a private run are not populated any more. Anybody, but with converts_on_thread.
	 */
	gboolean (*forget)(Memory *memory, const RamRun *run, gboolean is_private, GError **error);

	/* All content of a run goes, and it is not populated any more; vCPUs are outside KVM_RUN.
	 */
	gboolean (*discard)(Memory *memory, const RamRun *run, GError **error);

	/* Content in and out; no state changes. Anybody, but with accesses_on_thread. */
	gboolean (*read)(Memory *memory, const MemoryPiece *piece, guint8 *data, GError **error);
	gboolean (*write)(Memory *memory, const MemoryPiece *piece, const guint8 *data,
			  GError **error);

	/* Adds the kind's own counters. */
	void (*count)(Memory *memory, MemoryStatistics *statistics);
} MemoryKind;

extern const MemoryKind memory_kind_ordinary;
extern const MemoryKind memory_kind_two_sided;
extern const MemoryKind memory_kind_windows;
