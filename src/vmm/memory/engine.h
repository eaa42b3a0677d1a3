/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine.h - the memory engine's inside, for the files of this folder
 *
 * Lock order: Memory.lock before a vCPU's gate (kvm/gate.c), which is innermost. Nothing
 * under Memory.lock touches guest memory through the userspace mapping, but where the mapping
 * holds a page.
 */
#pragma once

#include <glib.h>

#include "vmm/kvm/gate.h"
#include "vmm/memory/courier.h"
#include "vmm/memory/couriers.h"
#include "vmm/memory/direct.h"
#include "vmm/memory/dma.h"
#include "vmm/memory/fair-lock.h"
#include "vmm/memory/kind.h"
#include "vmm/memory/mapping.h"
#include "vmm/memory/memory.h"
#include "vmm/memory/pin.h"
#include "vmm/memory/ram.h"
#include "vmm/memory/userfault.h"
#include "vmm/memory/windows.h"
#include "vmm/trace.h"

/* A touch that was read from the userfaultfd and is still to be served. */
typedef struct {
	UserfaultEvent event;
	gint64 start_ns;
	int vcpu;      /* index, or -1 */
	guint64 entry; /* of the vCPU, when the touch was read: see gate_entry() */
} PendingTouch;

/* Work that only the memory thread can do, and that its caller waits for. */
typedef struct {
	enum {
		MEMORY_REQUEST_ACCESS,
		MEMORY_REQUEST_RECLAIM,
		MEMORY_REQUEST_SHOW_SEGMENTS,
		MEMORY_REQUEST_SHOW_ROM,
		MEMORY_REQUEST_CONVERT,
		MEMORY_REQUEST_RELEASE_TOUCHES,
		MEMORY_REQUEST_DISCARD,
		MEMORY_REQUEST_PIN,
		MEMORY_REQUEST_UNPIN,
	} type;
	guint64 gpa;
	guint64 size;
	MemoryAccess access;
	const guint8 *data; /* access: what is written */
	guint64 reclaimed;  /* reclaim: bytes */
	guint32 segments;   /* show segments: those of RAM */
	guint rom;	    /* show ROM: which */
	gboolean is_shown;
	MapGpaRange *range; /* convert: a slice of it */
	MemoryPin *pin;
	gboolean result;
	GError *error;
	gboolean done;
} MemoryRequest;

struct Memory {
	int task_folder; /* as MemoryConfig has it */
	KvmVm *vm;
	const MemoryKind *kind;
	guint64 size;
	MemoryPolicy policy;
	const MemoryListener *listener;
	void *opaque;
	Ram ram;
	GArray *roms; /* of Rom: the memory thread's once there is one */
	guint image;  /* the ROM whose end hidden segments show; its index + 1, or 0 */

	/* What follows exists where pages have states. */
	int userfault_fd;
	int request_fd; /* eventfd: a request is queued, or the thread has to end */
	int left_fd;	/* eventfd: a vCPU that is to be held has left KVM_RUN */
	GThread *thread;

	/* The memory thread's own. */
	Courier *courier;	    /* of two-sided memory; the first of the couriers */
	Windows *windows;	    /* of the kind of that name */
	GArray *pending;	    /* of PendingTouch */
	guint64 next_touch_gpa;	    /* where the last touch's run ended */
	guint64 next_touch_pages;   /* how long a run the next touch there gets */
	gint64 reclaim_interval_ns; /* a tick of LentPages; 0: never */
	gint64 next_tick_ns;	    /* or 0 */

	/*
	 * Guarded by lock, with each block's bitmaps and the attributes that KVM keeps. DMA
	 * channels share it, and look; to change something, it has to be held alone.
	 */
	FairLock lock;
	MemoryStatistics statistics;
	Couriers couriers;  /* of two-sided memory */
	GArray *stalled;    /* of PendingTouch: touches that the policy leaves waiting */
	GPtrArray *pins;    /* of MemoryPin, whose users own them */
	GPtrArray *directs; /* of DirectMemory, the same */
	GateSet *gates;
	gboolean has_failed;	/* nothing is converted any more */
	gboolean is_discarding; /* all content is about to go: no touch has to wait */

	TransferCounter transfers[DMA_N_WAYS]; /* each number atomic: see engine_count_transfer() */

	/* Guarded by request_lock; of the other locks the device lock alone may be held. */
	GMutex request_lock;
	GCond request_done;
	GQueue requests;     /* of MemoryRequest, owned by the callers who wait */
	gboolean is_serving; /* the thread has begun */
	gboolean is_ending;

	/* Guarded by lost_lock, which is innermost. */
	GMutex lost_lock;
	GCond lost_told;
	GQueue lost_pins; /* of MemoryPin: whose users are to be told */
};

struct MemoryPin {
	Memory *memory;
	guint64 gpa;
	guint64 size;
	MemoryPinLost lost;
	void *opaque;

	/* Written as it is made. */
	RamRun run;
	guint8 *pages; /* of the run */

	gboolean is_lost;    /* guarded by Memory.lock */
	gboolean is_telling; /* guarded by lost_lock: lost() is under way */
};

struct DmaChannel {
	Memory *memory;
	const DmaCopier *copier; /* or NULL */
	void *copier_opaque;

	/* With two-sided memory. */
	Courier *courier;			 /* for the part under way; or NULL */
	Courier *last_courier;			 /* the one before */
	CourierPiece pieces[COURIER_PIECES_MAX]; /* that the next trip carries */
	guint n_pieces;
};

/* Each of these is called with Memory.lock held. */

/* Sets KVM's attribute of a range, whatever it is made of, where the kind has attributes. */
gboolean engine_set_attribute(Memory *memory, guint64 gpa, guint64 size, gboolean is_private,
			      GError **error);

/* Marks a run in the bitmap of states and in the statistics; returns bytes that changed. */
guint64 engine_mark(Memory *memory, const RamRun *run, gboolean is_shared);

/* Whoever it was that had a run shared, a host touch or a pin: it is the guest's own now. */
void engine_mark_as_guests(const RamRun *run);

/* Marks whether the userspace mapping holds pages for a run. */
void engine_mark_populated(Memory *memory, const RamRun *run, gboolean is_populated);

/* Counts and traces one conversion. */
void engine_count(Memory *memory, ConversionDirection direction, ConversionCause cause, guint64 gpa,
		  guint64 bytes, gint64 start_ns);

/*
 * Ends all conversion and tells the listener; @error is only lent. No vCPU runs again, and
 * whoever waits for a touch goes on, on zeroes.
 */
void engine_fail(Memory *memory, const GError *error);

/*
 * Lets every thread that waits for a touch go on, on zeroes, with all gates closed. Under
 * Memory.lock, or while its holder waits for what only this can end. @memory is a Memory.
 */
void engine_abandon(gpointer memory);

/* Opens the userfaultfd, and registers all of RAM with it. */
gboolean engine_watch_touches(Memory *memory, int device, GError **error);

/* Carries out the next slice of a conversion; where it fails, so has the engine. */
gboolean engine_convert_slice(Memory *memory, MapGpaRange *range, GError **error);

/* Reads touches, and moves, until an eventfd has been written to; on the memory thread. */
void engine_read_touches_until(Memory *memory, int event_fd);

/*
 * What follows is for what the memory thread does by request. A hold keeps every vCPU outside
 * KVM_RUN, or in a touch that was read; what was read meanwhile is served before it ends.
 */
void engine_begin_hold(Memory *memory);
void engine_end_hold(Memory *memory);

/* Where content moves, nobody may write to it. engine_end_reclaim() has to follow in any case. */
gboolean engine_begin_reclaim(Memory *memory, GError **error);
void engine_end_reclaim(Memory *memory);

/* Makes what is shared of a run private, but for pinned pages; adds up the bytes. */
gboolean engine_reclaim_run(Memory *memory, const RamRun *run, ConversionCause cause,
			    guint64 *reclaimed, GError **error);

/* What memory_pin() and memory_unpin() ask for. */
gboolean engine_pin(Memory *memory, MemoryPin *pin, GError **error);
void engine_unpin(Memory *memory, MemoryPin *pin);

/* Pages of a run become private, whoever has pinned them; before their content goes. */
gboolean engine_lose_pins(Memory *memory, const RamRun *run, GError **error);

/*
 * engine_pinned_run - which pages a pin has, lost or not
 *
 * Return: how many pages from @first on, up to @end, are like the first, which @is_pinned tells.
 */
guint64 engine_pinned_run(const Memory *memory, const RamBlock *block, guint64 first, guint64 end,
			  gboolean *is_pinned);

/* What memory_release_touches() asks for. */
gboolean engine_release_touches(Memory *memory, GError **error);

/* What memory_discard() asks for. */
gboolean engine_discard(Memory *memory, GError **error);

/* Where a piece begins in the userspace mapping. */
guint8 *engine_piece_userspace(const MemoryPiece *piece);

/*
 * engine_next_piece - what of [gpa, gpa + size) is in the state of its first page
 *
 * MEMORY_PIECE_PAGES at most. Memory.lock may be shared.
 *
 * Return: FALSE where there is no RAM at @gpa.
 */
gboolean engine_next_piece(Memory *memory, guint64 gpa, guint64 size, MemoryPiece *piece);

/* Copies @data to guest RAM; on the memory thread where the kind wants that. */
gboolean engine_access(Memory *memory, MemoryAccess access, guint64 gpa, const guint8 *data,
		       guint64 size, GError **error);

/* mapping.h's two, with what the engine knows; every vCPU is outside KVM_RUN. */
gboolean engine_show_segments(Memory *memory, guint32 shown, GError **error);
gboolean engine_show_rom(Memory *memory, guint rom, gboolean is_shown, GError **error);

/* Tells the users of pins that have been lost; no lock of the engine is held. */
void engine_tell_lost_pins(Memory *memory);

/* Counts what devices have read or written; any thread, with any lock. */
void engine_count_transfer(Memory *memory, DmaWay way, const TransferCounter *moved);

/* io_uring forgets what has a page of a run; before that goes. */
gboolean engine_drop_direct(Memory *memory, const RamRun *run, GError **error);

/* What io_uring knows now. */
guint64 engine_registered_bytes(Memory *memory);

/* host-touch.c: the memory thread. */
gpointer engine_run_memory_thread(gpointer memory);

/* Queues a request, waits for it, and hands its error over. */
gboolean engine_request(Memory *memory, MemoryRequest *request, GError **error);
