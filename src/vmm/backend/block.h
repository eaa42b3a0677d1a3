/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * block.h - what disks are read from and written to
 *
 * Theory of operation
 *
 * A backend is a disk's content: a file or a block device (block-raw.h), or what QEMU's storage
 * daemon makes of an image (block-nbd.h). It is made on the main thread, and from
 * block_backend_attach() on belongs to one I/O thread: requests are begun there, any number at a
 * time, and each is told its end there, never from within block_submit().
 *
 * What is the same for all is done here, before a backend sees a request: its range is checked,
 * what may not be written is not, zeroes are looked for where that is wanted, and a disk without
 * a write cache has each write on the disk before it ends.
 *
 * Nothing says in which order requests of the same range are carried out that are under way at the
 * same time: it is so with disks. A flush ends when all is on the disk that had ended before it
 * began.
 *
 * The kernel ends what it has begun. A server may never answer, and a guest may wait for it as long
 * as it likes; but what holds the machine, as a pause and a reset do, must come to an end. So who
 * waits for a backend does so while it answers, and for BLOCK_PATIENCE at most where it does not.
 */
#pragma once

#include <glib.h>
#include <sys/uio.h>

#include "vmm/backend/io-ring.h"
#include "vmm/backend/throttle.h"

/* Disks count in these, whatever their blocks are. */
#define BLOCK_SECTOR_SIZE 512u

/*
 * How long a server that has something to do may say nothing until it is given up, in microseconds;
 * shorter than what who asks the machine for something waits. A pause gives up nothing, and waits
 * a part of that.
 */
#define BLOCK_PATIENCE		       (20 * G_TIME_SPAN_SECOND)
#define BLOCK_PAUSE_PATIENCE(patience) ((patience) / 4)

/* No request is for more. */
#define BLOCK_REQUEST_MAX (1u << 30)

typedef enum {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD, /* the content is not needed any more; what is read then may be anything */
	BLOCK_WRITE_ZEROES, /* with may_unmap, without any room behind it where that is possible */
	BLOCK_N_OPERATIONS,
} BlockOperation;

typedef enum {
	BLOCK_DISCARD_IGNORE,
	BLOCK_DISCARD_UNMAP,
} BlockDiscard;

typedef enum {
	BLOCK_DETECT_ZEROES_OFF,
	BLOCK_DETECT_ZEROES_ON,
	BLOCK_DETECT_ZEROES_UNMAP,
} BlockDetectZeroes;

typedef struct BlockBackend BlockBackend;
typedef struct BlockRequest BlockRequest;

struct BlockRequest {
	BlockOperation operation;
	guint64 offset; /* bytes; neither this nor the size has to be a multiple of anything */
	guint64 size;	/* up to BLOCK_REQUEST_MAX */
	gboolean may_unmap;
	const struct iovec *iovec; /* of a read or write, with size bytes; stays until complete() */
	guint n_iovec;

	/*
	 * The memory is the guest's, and only the kernel may touch it (vmm/memory/direct.h): for
	 * backends that can do with that. EFAULT: not this time, so that it has to be done with
	 * other memory.
	 */
	gboolean is_direct;

	/*
	 * @error: 0 or an errno; ENOSPC where there is no room, and that alone. On the I/O thread.
	 * The request is its owner's again.
	 */
	void (*complete)(BlockRequest *request, int error);
	void *opaque;

	/* The backend's. */
	BlockBackend *backend;
	BlockOperation counted_as;
	gint64 began;	     /* microseconds */
	gboolean is_through; /* on the disk before it ends */
	int error;
	BlockRequest *next;
};

/* Of each operation, since the beginning. */
typedef struct {
	guint64 count;
	guint64 bytes;
	guint64 failed;
	guint64 nanoseconds; /* from block_submit() to complete(), of all together */
} BlockStatistics;

/* What every backend is told about its disk. */
typedef struct {
	const char *name; /* for messages: the file's, or the disk's */
	gboolean is_readonly;
	gboolean ignores_flush; /* cache='unsafe': a flush does nothing */
	BlockDiscard discard;
	BlockDetectZeroes detect_zeroes;
} BlockConfig;

typedef struct {
	guint64 size;		    /* bytes; a multiple of BLOCK_SECTOR_SIZE */
	guint32 alignment;	    /* what is not a multiple takes longer; a power of two */
	guint32 logical_block_size; /* of the disk itself, or BLOCK_SECTOR_SIZE */
	guint32 physical_block_size;
	gboolean can_discard;
	gboolean can_be_direct; /* read and write memory that only the kernel may touch */
} BlockLimits;

/*
 * block_backend_attach - make the backend an I/O thread's, once
 * @ring: that thread's, attached to @context; outlives the backend
 *
 * On the main thread while that thread has nothing of it, or on that thread.
 */
void block_backend_attach(BlockBackend *backend, GMainContext *context, IoRing *ring);

/* With nothing under way: on the I/O thread, or when that does not run the context any more. */
void block_backend_free(BlockBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BlockBackend, block_backend_free)

const char *block_backend_name(const BlockBackend *backend);
const BlockLimits *block_backend_limits(const BlockBackend *backend);
gboolean block_backend_is_readonly(const BlockBackend *backend);

/* Whether a discard does something. */
gboolean block_backend_discards(const BlockBackend *backend);

/* Any thread. */
void block_backend_get_statistics(const BlockBackend *backend,
				  BlockStatistics statistics[BLOCK_N_OPERATIONS]);

/*
 * block_backend_note_failure - remember the last error that somebody was told of
 * @error: an errno; 0 to forget
 *
 * This, and looking at it, on any thread.
 */
void block_backend_note_failure(BlockBackend *backend, int error);

/* Return: an errno, or 0. */
int block_backend_failure(const BlockBackend *backend);

/* A disk has one at first. On the I/O thread. */
void block_backend_set_write_cache(BlockBackend *backend, gboolean has_write_cache);

/* Whether such requests can have memory that only the kernel may touch. */
gboolean block_backend_can_be_direct(const BlockBackend *backend, BlockOperation operation);

/*
 * Its limits. A device has its reads and writes enter there before it takes anything for them, and
 * submits them when they are admitted: what waits holds nothing. On the I/O thread, or before the
 * backend is attached.
 */
Throttle *block_backend_throttle(const BlockBackend *backend);

/* Begins a request, on the I/O thread. */
void block_submit(BlockBackend *backend, BlockRequest *request);

/*
 * block_backend_finish - wait until nothing is under way any more
 * @context: the I/O thread's, which is run meanwhile; nobody begins anything new
 *
 * Return: FALSE where something is left, at a server that does not answer: it may end at any time.
 */
gboolean block_backend_finish(BlockBackend *backend, GMainContext *context);

/*
 * The same, and what does not end is given up: it fails, and so does all that comes after it, since
 * nobody knows what the server has done of it and may yet do.
 */
void block_backend_finish_for_good(BlockBackend *backend, GMainContext *context);

/*
 * block_backend_poll_size - look at the size anew, after somebody has made the image larger
 *
 * On the I/O thread. Return: whether it has changed.
 */
gboolean block_backend_poll_size(BlockBackend *backend);

/* The rest is for backends, which have this as their first member. */

typedef struct {
	/* Begins a request that has been checked; ends it by block_complete(), or at once by
	 * block_complete_later(). */
	void (*submit)(BlockBackend *backend, BlockRequest *request);
	/* May be NULL. */
	void (*attach)(BlockBackend *backend, GMainContext *context, IoRing *ring);
	guint64 (*poll_size)(BlockBackend *backend); /* may be NULL; 0 where it cannot be told */
	/* What is under way ends soon, with an error. NULL: it does so anyway. */
	void (*give_up)(BlockBackend *backend);
	void (*free)(BlockBackend *backend);
} BlockOperations;

struct BlockBackend {
	const BlockOperations *operations;
	BlockLimits limits;
	char *name;
	gboolean is_readonly;
	gboolean ignores_flush;
	gboolean has_write_cache;
	BlockDiscard discard;
	BlockDetectZeroes detect_zeroes;
	BlockStatistics statistics[BLOCK_N_OPERATIONS]; /* the I/O thread's to write */
	gint failure;					/* atomic: an errno, or 0 */
	gint64 patience;				/* BLOCK_PATIENCE, or less for tests */
	guint n_under_way;				/* the I/O thread's */
	gint64 last_answer; /* or since when there is something under way; the same */
	GSource *later;	    /* tells the ends of those in the list */
	BlockRequest *first;
	BlockRequest **last;
	Throttle *throttle;
};

void block_backend_init(BlockBackend *backend, const BlockOperations *operations,
			const BlockConfig *config);
void block_complete(BlockRequest *request, int error);
void block_complete_later(BlockBackend *backend, BlockRequest *request, int error);
