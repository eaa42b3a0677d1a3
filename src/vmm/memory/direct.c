/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * direct.c - pieces of guest memory that an io_uring knows
 *
 * Theory of operation
 *
 * A table has a slot for each buffer of the ring, and for each slot a place in the address space
 * that is its own: io_uring knows a byte of a buffer by the address that it had when it was
 * registered. Nothing is mapped there but while it is being registered. As no two slots share a
 * place, an address that was worked out before its slot was given to another piece, and is used
 * after, cannot reach that: the kernel refuses it. And a slot is given to no other piece as long as
 * it is in use.
 *
 * To register, the owner shares Memory.lock, as a DMA channel does for a part: no page goes away
 * meanwhile. Who takes a page away has that lock alone, and empties the slots that have it before.
 * The table's own lock is for the slots: between the owner, who looks, and that one. It is taken
 * under Memory.lock, and held over the system call.
 *
 * What would have been saved by a piece that was asked for in vain is added up, by a few bits of
 * its address, in a table that is halved now and then. So what is used once does not drive out what
 * is used all the time.
 */
#include "vmm/memory/direct.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <sys/mman.h>

#include "vmm/memory/engine.h"

#define PIECE_PAGES (DIRECT_PIECE_SIZE >> PAGE_SHIFT)

/*
 * What it takes to register a piece (70 us where it was measured), in what is saved by each use:
 * one for the mapping that a channel makes (8 us), and one for so many pages that it copies.
 */
#define WORTH	    9u
#define COPIED_SIZE (8 * GUEST_PAGE_SIZE)

/* Counts of what was asked for in vain, and after how many of those they are halved. */
#define COUNTS	    1024u
#define HALVE_AFTER 4096u

typedef struct {
	gboolean is_set; /* the kernel knows the piece by this slot's number */
	RamRun run;
	guint uses;	   /* under way */
	guint64 last_used; /* by the table's clock */
} Slot;

struct DirectMemory {
	Memory *memory;
	guint first;
	DirectSetBuffer set;
	void *opaque;
	guint8 *places; /* of the slots, one behind the other */
	guint n_slots;	/* 0 where nothing is ever registered */
	guint n_usable; /* as many as the kernel has let it have */
	guint8 *counts; /* the owner's */
	guint n_asked;	/* the owner's: since they were halved */

	GMutex lock; /* guards what follows */
	Slot *slots;
	GHashTable *by_piece; /* the number of a piece to its slot's index + 1 */
	guint64 clock;
	guint64 bytes; /* that are registered */
};

gboolean memory_can_be_registered(const Memory *memory)
{
	return memory->kind->map_to_register != NULL;
}

gboolean memory_can_be_direct(const Memory *memory)
{
	return !memory->kind->has_states || memory_can_be_registered(memory);
}

static guint8 *place(const DirectMemory *direct, guint index)
{
	return direct->places + index * DIRECT_PIECE_SIZE;
}

/* How much of a range is in the piece that it begins in. */
static guint64 in_piece(guint64 gpa, guint64 size)
{
	return MIN(size, DIRECT_PIECE_SIZE - gpa % DIRECT_PIECE_SIZE);
}

static gpointer key_of(guint64 gpa)
{
	return GSIZE_TO_POINTER(gpa / DIRECT_PIECE_SIZE);
}

static gboolean reserve_places(DirectMemory *direct, GError **error)
{
	void *places = mmap(NULL, direct->n_slots * DIRECT_PIECE_SIZE, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (places == MAP_FAILED) {
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("there is no room for guest memory that is registered: %s"),
			    g_strerror(errno));
		return FALSE;
	}
	direct->places = places;
	return TRUE;
}

DirectMemory *direct_memory_new(Memory *memory, guint first, guint count, DirectSetBuffer set,
				void *opaque, GError **error)
{
	g_autoptr(DirectMemory) direct = g_new0(DirectMemory, 1);

	direct->memory = memory;
	direct->first = first;
	direct->set = set;
	direct->opaque = opaque;
	g_mutex_init(&direct->lock);
	direct->by_piece = g_hash_table_new(NULL, NULL);
	if (memory_can_be_registered(memory) && count > 0) {
		direct->n_slots = count;
		direct->n_usable = count;
		direct->slots = g_new0(Slot, count);
		direct->counts = g_new0(guint8, COUNTS);
	}
	fair_lock_lock(&memory->lock);
	g_ptr_array_add(memory->directs, direct);
	fair_lock_unlock(&memory->lock);
	if (direct->n_slots > 0 && !reserve_places(direct, error))
		return NULL;
	return g_steal_pointer(&direct);
}

/*
 * With the lock held. Uses that are under way go on, and find nothing that is the guest's. Return:
 * FALSE where the kernel keeps the piece, so that all is as it was.
 */
static gboolean clear_slot(DirectMemory *direct, guint index)
{
	Slot *slot = &direct->slots[index];

	if (!direct->set(direct->opaque, direct->first + index, NULL, 0))
		return FALSE;
	slot->is_set = FALSE;
	g_hash_table_remove(direct->by_piece, key_of(ram_run_gpa(&slot->run)));
	direct->bytes -= DIRECT_PIECE_SIZE;
	return TRUE;
}

void direct_memory_free(DirectMemory *direct)
{
	if (!direct)
		return;
	fair_lock_lock(&direct->memory->lock);
	g_ptr_array_remove_fast(direct->memory->directs, direct);
	fair_lock_unlock(&direct->memory->lock);
	/* The ring goes next, and what it knows with it. */
	for (guint i = 0; i < direct->n_slots; i++) {
		if (direct->slots[i].is_set)
			(void)clear_slot(direct, i);
	}
	if (direct->places)
		munmap(direct->places, direct->n_slots * DIRECT_PIECE_SIZE);
	g_hash_table_unref(direct->by_piece);
	g_mutex_clear(&direct->lock);
	g_free(direct->counts);
	g_free(direct->slots);
	g_free(direct);
}

/* With the lock held. A large run by slots, a small one by pieces. */
static gboolean drop(DirectMemory *direct, const RamRun *run)
{
	guint64 gpa = ram_run_gpa(run), end = gpa + ram_run_size(run);
	gboolean is_dropped = TRUE;

	if ((end - gpa) / DIRECT_PIECE_SIZE > direct->n_slots) {
		for (guint i = 0; i < direct->n_slots; i++) {
			if (direct->slots[i].is_set && ram_runs_overlap(&direct->slots[i].run, run))
				is_dropped &= clear_slot(direct, i);
		}
		return is_dropped;
	}
	for (; gpa < end; gpa += in_piece(gpa, end - gpa)) {
		guint found = GPOINTER_TO_UINT(g_hash_table_lookup(direct->by_piece, key_of(gpa)));

		if (found > 0)
			is_dropped &= clear_slot(direct, found - 1);
	}
	return is_dropped;
}

gboolean engine_drop_direct(Memory *memory, const RamRun *run, GError **error)
{
	gboolean is_dropped = TRUE;

	for (guint i = 0; i < memory->directs->len; i++) {
		DirectMemory *direct = g_ptr_array_index(memory->directs, i);

		g_mutex_lock(&direct->lock);
		if (direct->bytes > 0)
			is_dropped &= drop(direct, run);
		g_mutex_unlock(&direct->lock);
	}
	if (!is_dropped)
		g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
			    _("the kernel keeps guest memory that disks or frames are read into"));
	return is_dropped;
}

guint64 engine_registered_bytes(Memory *memory)
{
	guint64 bytes = 0;

	for (guint i = 0; i < memory->directs->len; i++) {
		DirectMemory *direct = g_ptr_array_index(memory->directs, i);

		g_mutex_lock(&direct->lock);
		bytes += direct->bytes;
		g_mutex_unlock(&direct->lock);
	}
	return bytes;
}

/* ---- To register ---------------------------------------------------------------------------- */

/* Whether enough would have been saved by now. @size: no more than the piece has */
static gboolean is_worth_it(DirectMemory *direct, guint64 gpa, guint64 size)
{
	guint8 *count = &direct->counts[gpa / DIRECT_PIECE_SIZE % COUNTS];

	if (++direct->n_asked >= HALVE_AFTER) {
		direct->n_asked = 0;
		for (guint i = 0; i < COUNTS; i++)
			direct->counts[i] /= 2;
	}
	*count += 1 + size / COPIED_SIZE;
	if (*count < WORTH)
		return FALSE;
	*count = 0;
	return TRUE;
}

/*
 * A slot that is not in use: an empty one, or the one that was not used for longest, which is
 * emptied. Return: its index, or n_slots where all are in use, or it cannot be emptied.
 */
static guint take_slot(DirectMemory *direct)
{
	guint best = direct->n_slots;

	g_mutex_lock(&direct->lock);
	for (guint i = 0; i < direct->n_usable; i++) {
		const Slot *slot = &direct->slots[i];

		if (slot->uses > 0)
			continue;
		if (!slot->is_set) {
			best = i;
			break;
		}
		if (best == direct->n_slots || slot->last_used < direct->slots[best].last_used)
			best = i;
	}
	if (best < direct->n_slots && direct->slots[best].is_set && !clear_slot(direct, best))
		best = direct->n_slots;
	g_mutex_unlock(&direct->lock);
	return best;
}

/* The kernel lets it have no more than it has: as many have to do. */
static void be_content(DirectMemory *direct)
{
	direct->n_usable = MAX(direct->bytes / DIRECT_PIECE_SIZE, 1);
}

/* What is mapped at the slot's place. */
static void set_slot(DirectMemory *direct, guint index, const RamRun *run)
{
	Slot *slot = &direct->slots[index];

	g_mutex_lock(&direct->lock);
	slot->is_set = direct->set(direct->opaque, direct->first + index, place(direct, index),
				   DIRECT_PIECE_SIZE);
	if (slot->is_set) {
		slot->run = *run;
		slot->last_used = ++direct->clock;
		g_hash_table_insert(direct->by_piece, key_of(ram_run_gpa(run)),
				    GUINT_TO_POINTER(index + 1));
		direct->bytes += DIRECT_PIECE_SIZE;
	} else {
		be_content(direct);
	}
	g_mutex_unlock(&direct->lock);
}

static gboolean unmap_place(DirectMemory *direct, guint index, GError **error)
{
	if (mmap(place(direct, index), DIRECT_PIECE_SIZE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM,
		    _("guest memory that was registered stays mapped: %s"), g_strerror(errno));
	return FALSE;
}

/* All of it is RAM, and stays so: below 1 MiB segments come and go. */
static gboolean find_piece(Memory *memory, guint64 gpa, RamRun *run)
{
	return gpa >= RAM_SEGMENTS_END && ram_find(&memory->ram, gpa, DIRECT_PIECE_SIZE, run) &&
	       ram_run_gpa(run) == gpa && run->pages == PIECE_PAGES;
}

/* With Memory.lock shared. Return: FALSE with @error set where what is private stays mapped. */
static gboolean register_piece(DirectMemory *direct, guint64 gpa, GError **error)
{
	Memory *memory = direct->memory;
	guint index;
	RamRun run;

	if (memory->has_failed || !find_piece(memory, gpa, &run))
		return TRUE;
	index = take_slot(direct);
	if (index == direct->n_slots)
		return TRUE;
	if (memory->kind->map_to_register(memory, &run, place(direct, index)))
		set_slot(direct, index, &run);
	return unmap_place(direct, index, error);
}

static void register_locked(DirectMemory *direct, guint64 gpa)
{
	Memory *memory = direct->memory;
	g_autoptr(GError) error = NULL;
	gboolean is_unmapped;

	fair_lock_lock_shared(&memory->lock);
	is_unmapped = register_piece(direct, gpa, &error);
	fair_lock_unlock_shared(&memory->lock);
	if (is_unmapped)
		return;
	fair_lock_lock(&memory->lock);
	engine_fail(memory, error);
	fair_lock_unlock(&memory->lock);
}

/* ---- To use --------------------------------------------------------------------------------- */

static gboolean use_registered(DirectMemory *direct, guint64 gpa, guint64 size, DirectUse *use)
{
	guint found, index;

	g_mutex_lock(&direct->lock);
	found = GPOINTER_TO_UINT(g_hash_table_lookup(direct->by_piece, key_of(gpa)));
	if (found > 0) {
		index = found - 1;
		direct->slots[index].uses++;
		direct->slots[index].last_used = ++direct->clock;
		*use = (DirectUse){
			.address = place(direct, index) + gpa % DIRECT_PIECE_SIZE,
			.size = in_piece(gpa, size),
			.buffer = (gint)(direct->first + index),
		};
	}
	g_mutex_unlock(&direct->lock);
	return found > 0;
}

/* Ordinary memory, where the host always sees it. */
static gboolean use_plain(DirectMemory *direct, guint64 gpa, guint64 size, DirectUse *use)
{
	Memory *memory = direct->memory;
	MemoryPiece piece;
	gboolean is_ram;

	fair_lock_lock_shared(&memory->lock);
	is_ram = engine_next_piece(memory, gpa, size, &piece);
	fair_lock_unlock_shared(&memory->lock);
	if (is_ram)
		*use = (DirectUse){ engine_piece_userspace(&piece), piece.size, -1 };
	return is_ram;
}

gboolean direct_memory_begin(DirectMemory *direct, guint64 gpa, guint64 size, DirectUse *use)
{
	if (size == 0 || gpa + size < gpa)
		return FALSE;
	if (!direct->memory->kind->has_states)
		return use_plain(direct, gpa, size, use);
	if (direct->n_slots == 0)
		return FALSE;
	if (use_registered(direct, gpa, size, use))
		return TRUE;
	if (!is_worth_it(direct, gpa, in_piece(gpa, size)))
		return FALSE;
	register_locked(direct, gpa - gpa % DIRECT_PIECE_SIZE);
	return use_registered(direct, gpa, size, use);
}

void direct_memory_end(DirectMemory *direct, const DirectUse *use, gboolean is_done)
{
	const DmaWay way = use->buffer < 0 ? DMA_WAY_PLAIN : DMA_WAY_REGISTERED;
	const TransferCounter moved = { .count = 1, .bytes = use->size };

	if (is_done)
		engine_count_transfer(direct->memory, way, &moved);
	if (use->buffer < 0)
		return;
	g_mutex_lock(&direct->lock);
	direct->slots[use->buffer - direct->first].uses--;
	g_mutex_unlock(&direct->lock);
}
