/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c - a virtqueue, as its device sees it
 *
 * Theory of operation
 *
 * What is in the rings is read once, by atomic loads: the guest may change it at any time. An index
 * that is used is a checked copy. Walks are bounded by what they walk, so that a loop is found by
 * its length.
 *
 * A guest cannot have more descriptors in a device's hands than its queue has. What would make it
 * more breaks the queue, so that a device's memory is bounded by what the guest was granted.
 */
#include "vmm/virtio/queue.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <inttypes.h>
#include <linux/virtio_ring.h>
#include <string.h>

#define DESCRIPTOR_SIZE 16u

G_STATIC_ASSERT(sizeof(struct vring_desc) == DESCRIPTOR_SIZE);
G_STATIC_ASSERT(sizeof(struct vring_packed_desc) == DESCRIPTOR_SIZE);
G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);

/* A place in a packed ring: where, and in which of its two senses of the flags. */
typedef struct {
	guint16 index;
	gboolean wrap;
} PackedPlace;

struct VirtioQueue {
	guint index;
	void (*interrupt)(void *opaque, guint index);
	void *opaque;

	gboolean is_enabled;
	gboolean is_broken;
	gint is_lost; /* atomic: the rings are not where the setup says any more */
	VirtioQueueSetup setup;
	guint n_in_flight; /* descriptors of the ring that the device has; chains in a split one */
	gboolean is_held;

	/* Where to interrupt next is counted from; indices of the used ring. */
	guint16 used;	   /* next one to be written */
	guint16 signalled; /* where used was at the last notification */

	guint16 available; /* split: next one to be read */

	PackedPlace next_available; /* packed */
	gboolean used_wrap;
	PackedPlace held; /* whose flags are yet to be written, while n_held is not 0 */
	guint16 held_flags;
	guint n_held;

	/* Where a chain is gathered. */
	guint n_out;
	guint n_in;
	guint64 out_size;
	guint64 in_size;
	DmaPiece pieces[VIRTIO_CHAIN_MAX];
	struct vring_desc table[VIRTIO_CHAIN_MAX];
};

/* Memory that the guest writes to while it is read here, and the other way round. */
#define LOAD(place)		    __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define LOAD_ACQUIRE(place)	    __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define STORE(place, value)	    __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)
#define STORE_RELEASE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)

/* What was stored before is seen before what is loaded after is read. */
static void full_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static gboolean G_GNUC_PRINTF(3, 4)
	break_queue(VirtioQueue *queue, GError **error, const char *format, ...)
{
	g_autofree char *message = NULL;
	va_list arguments;

	va_start(arguments, format);
	message = g_strdup_vprintf(format, arguments);
	va_end(arguments);
	queue->is_broken = TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("queue %u: %s"), queue->index,
		    message);
	return FALSE;
}

/* Layout */

guint64 virtio_queue_descriptor_bytes(guint size)
{
	return (guint64)size * DESCRIPTOR_SIZE;
}

guint64 virtio_queue_driver_bytes(guint size, gboolean is_packed)
{
	/* Flags, index, ring, used_event. */
	return is_packed ? sizeof(struct vring_packed_desc_event) : 2ull * size + 6;
}

guint64 virtio_queue_device_bytes(guint size, gboolean is_packed)
{
	/* Flags, index, ring, avail_event. */
	return is_packed ? sizeof(struct vring_packed_desc_event) :
			   sizeof(struct vring_used_elem) * (guint64)size + 6;
}

static struct vring_avail *split_available(const VirtioQueue *queue)
{
	return queue->setup.driver;
}

static struct vring_used *split_used(const VirtioQueue *queue)
{
	return queue->setup.device;
}

/* The device is asked to interrupt when it passes this one, … */
static guint16 *split_used_event(const VirtioQueue *queue)
{
	return &split_available(queue)->ring[queue->setup.size];
}

/* … and the guest to kick. */
static guint16 *split_available_event(const VirtioQueue *queue)
{
	return (guint16 *)&split_used(queue)->ring[queue->setup.size];
}

static struct vring_packed_desc *packed_descriptor(const VirtioQueue *queue, guint index)
{
	return (struct vring_packed_desc *)queue->setup.descriptors + index;
}

static void packed_advance(const VirtioQueue *queue, PackedPlace *place, guint count)
{
	guint index = place->index + count;

	if (index >= queue->setup.size) {
		index -= queue->setup.size;
		place->wrap = !place->wrap;
	}
	place->index = (guint16)index;
}

/* @count is not 0: once around the ring, less that. */
static void packed_go_back(const VirtioQueue *queue, PackedPlace *place, guint count)
{
	packed_advance(queue, place, queue->setup.size - count);
	place->wrap = !place->wrap;
}

/* Chains */

static void begin_chain(VirtioQueue *queue)
{
	queue->n_out = 0;
	queue->n_in = 0;
	queue->out_size = 0;
	queue->in_size = 0;
}

static gboolean add_piece(VirtioQueue *queue, guint64 gpa, guint32 size, gboolean is_in,
			  GError **error)
{
	guint64 *total = is_in ? &queue->in_size : &queue->out_size;
	guint count = queue->n_out + queue->n_in;

	if (!is_in && queue->n_in > 0)
		return break_queue(queue, error,
				   _("a buffer to read comes after one to write, at %#" PRIx64),
				   gpa);
	if (size == 0)
		return TRUE;
	if (gpa > G_MAXUINT64 - (size - 1))
		return break_queue(queue, error,
				   _("a buffer wraps: address %#" PRIx64 ", size %#" PRIx32), gpa,
				   size);
	if (count == VIRTIO_CHAIN_MAX)
		return break_queue(queue, error, _("a chain is longer than %u"), VIRTIO_CHAIN_MAX);
	*total += size;
	if (*total > G_MAXUINT32)
		return break_queue(queue, error, _("a chain has 4 GiB or more"));
	queue->pieces[count] = (DmaPiece){ .gpa = gpa, .size = size };
	if (is_in)
		queue->n_in++;
	else
		queue->n_out++;
	return TRUE;
}

/*
 * A table's descriptors follow each other by their next in a split ring, and as they lie in a
 * packed one, where the last two members are others.
 */
static gboolean walk_table(VirtioQueue *queue, guint count, GError **error)
{
	guint index = 0;

	for (guint i = 0; i < count; i++) {
		const struct vring_desc *descriptor = &queue->table[index];
		guint16 flags = queue->setup.is_packed ?
					((const struct vring_packed_desc *)descriptor)->flags :
					descriptor->flags;

		if (flags & VRING_DESC_F_INDIRECT)
			return break_queue(queue, error, _("an indirect table has one in it"));
		if (!add_piece(queue, descriptor->addr, descriptor->len, flags & VRING_DESC_F_WRITE,
			       error))
			return FALSE;
		if (queue->setup.is_packed) {
			index++;
			continue;
		}
		if (!(flags & VRING_DESC_F_NEXT))
			return TRUE;
		index = descriptor->next;
		if (index >= count)
			return break_queue(queue, error,
					   _("descriptor %u of an indirect table of %u"), index,
					   count);
	}
	if (queue->setup.is_packed)
		return TRUE;
	return break_queue(queue, error, _("the descriptors of an indirect table go in a circle"));
}

static gboolean add_table(VirtioQueue *queue, guint64 gpa, guint32 size, guint16 flags,
			  GError **error)
{
	const DmaPiece piece = { .gpa = gpa, .size = size };
	guint count = size / DESCRIPTOR_SIZE;
	g_autoptr(GError) cause = NULL;

	if (!queue->setup.has_indirect)
		return break_queue(queue, error, _("an indirect table, which was not agreed on"));
	if (flags & VRING_DESC_F_NEXT)
		return break_queue(queue, error, _("a chain goes on after its indirect table"));
	if (count == 0 || size % DESCRIPTOR_SIZE != 0 || count > VIRTIO_CHAIN_MAX)
		return break_queue(queue, error, _("an indirect table of size %" PRIu32), size);
	if (!dma_channel_read(queue->setup.channel, &piece, 1, queue->table, &cause))
		return break_queue(queue, error, _("an indirect table: %s"), cause->message);
	return walk_table(queue, count, error);
}

static VirtioChain *take_chain(VirtioQueue *queue, guint16 id, guint n_descriptors)
{
	guint count = queue->n_out + queue->n_in;
	gsize bytes = count * sizeof(DmaPiece);
	VirtioChain *chain = g_malloc(sizeof(VirtioChain) + bytes);

	memcpy(chain->pieces, queue->pieces, bytes);
	chain->out = chain->pieces;
	chain->n_out = queue->n_out;
	chain->out_size = queue->out_size;
	chain->in = chain->pieces + queue->n_out;
	chain->n_in = queue->n_in;
	chain->in_size = queue->in_size;
	chain->id = id;
	chain->n_descriptors = (guint16)n_descriptors;
	queue->n_in_flight += n_descriptors;
	return chain;
}

/* Split rings: section 2.7. A chain counts as one descriptor in flight, its head. */

static gboolean split_has_more(const VirtioQueue *queue)
{
	return LOAD_ACQUIRE(split_available(queue)->idx) != queue->available;
}

static gboolean split_walk(VirtioQueue *queue, guint head, GError **error)
{
	const struct vring_desc *ring = queue->setup.descriptors;
	guint index = head;

	for (guint i = 0; i < queue->setup.size; i++) {
		guint64 gpa = LOAD(ring[index].addr);
		guint32 size = LOAD(ring[index].len);
		guint16 flags = LOAD(ring[index].flags);
		guint16 next = LOAD(ring[index].next);

		if (flags & VRING_DESC_F_INDIRECT)
			return add_table(queue, gpa, size, flags, error);
		if (!add_piece(queue, gpa, size, flags & VRING_DESC_F_WRITE, error))
			return FALSE;
		if (!(flags & VRING_DESC_F_NEXT))
			return TRUE;
		if (next >= queue->setup.size)
			return break_queue(queue, error, _("descriptor %u of %u"), next,
					   queue->setup.size);
		index = next;
	}
	return break_queue(queue, error, _("the descriptors of a chain go in a circle"));
}

static VirtioChain *split_pop(VirtioQueue *queue, GError **error)
{
	struct vring_avail *available = split_available(queue);
	guint16 more = (guint16)(LOAD_ACQUIRE(available->idx) - queue->available);
	guint16 head;

	if (more == 0)
		return NULL;
	if (more > queue->setup.size - queue->n_in_flight) {
		break_queue(queue, error, _("available: %u, in the device: %u, size: %u"), more,
			    queue->n_in_flight, queue->setup.size);
		return NULL;
	}
	head = LOAD(available->ring[queue->available % queue->setup.size]);
	if (head >= queue->setup.size) {
		break_queue(queue, error, _("descriptor %u of %u"), head, queue->setup.size);
		return NULL;
	}
	if (!split_walk(queue, head, error))
		return NULL;
	queue->available++;
	return take_chain(queue, head, 1);
}

static void split_push(VirtioQueue *queue, const VirtioChain *chain, guint32 written)
{
	struct vring_used *used = split_used(queue);
	struct vring_used_elem *element = &used->ring[queue->used % queue->setup.size];

	STORE(element->id, chain->id);
	STORE(element->len, written);
	queue->used++;
	if (!queue->is_held)
		STORE_RELEASE(used->idx, queue->used);
}

static gboolean split_wants_interrupt(const VirtioQueue *queue)
{
	if (!queue->setup.has_event_index)
		return !(LOAD(split_available(queue)->flags) & VRING_AVAIL_F_NO_INTERRUPT);
	return vring_need_event(LOAD(*split_used_event(queue)), queue->used, queue->signalled);
}

static gboolean split_enable_kicks(VirtioQueue *queue)
{
	if (queue->setup.has_event_index)
		STORE(*split_available_event(queue), queue->available);
	else
		STORE(split_used(queue)->flags, 0);
	full_barrier();
	return !split_has_more(queue);
}

/* Packed rings: section 2.8 */

static gboolean packed_is_available(const VirtioQueue *queue, const PackedPlace *place)
{
	guint16 flags = LOAD_ACQUIRE(packed_descriptor(queue, place->index)->flags);
	gboolean available = (flags & 1u << VRING_PACKED_DESC_F_AVAIL) != 0;
	gboolean used = (flags & 1u << VRING_PACKED_DESC_F_USED) != 0;

	return available == place->wrap && used != place->wrap;
}

/* @count: descriptors of the ring that the chain takes */
static gboolean packed_walk(VirtioQueue *queue, guint room, guint16 *id, guint *count,
			    GError **error)
{
	PackedPlace place = queue->next_available;

	for (guint i = 0; i < room; i++) {
		const struct vring_packed_desc *descriptor = packed_descriptor(queue, place.index);
		guint64 gpa = LOAD(descriptor->addr);
		guint32 size = LOAD(descriptor->len);
		guint16 flags = LOAD(descriptor->flags);

		*id = LOAD(descriptor->id);
		*count = i + 1;
		if (flags & VRING_DESC_F_INDIRECT)
			return add_table(queue, gpa, size, flags, error);
		if (!add_piece(queue, gpa, size, flags & VRING_DESC_F_WRITE, error))
			return FALSE;
		if (!(flags & VRING_DESC_F_NEXT))
			return TRUE;
		packed_advance(queue, &place, 1);
	}
	return break_queue(queue, error, _("a chain is longer than what is left: %u"), room);
}

static VirtioChain *packed_pop(VirtioQueue *queue, GError **error)
{
	guint room = queue->setup.size - queue->n_in_flight;
	guint16 id = 0;
	guint count = 0;

	if (!packed_is_available(queue, &queue->next_available))
		return NULL;
	if (!packed_walk(queue, room, &id, &count, error))
		return NULL;
	packed_advance(queue, &queue->next_available, count);
	return take_chain(queue, id, count);
}

static void packed_push(VirtioQueue *queue, const VirtioChain *chain, guint32 written)
{
	PackedPlace place = { .index = queue->used, .wrap = queue->used_wrap };
	struct vring_packed_desc *descriptor = packed_descriptor(queue, place.index);
	guint16 flags = written > 0 ? VRING_DESC_F_WRITE : 0;

	if (place.wrap)
		flags |= 1u << VRING_PACKED_DESC_F_AVAIL | 1u << VRING_PACKED_DESC_F_USED;
	STORE(descriptor->id, chain->id);
	STORE(descriptor->len, written);
	if (queue->is_held && queue->n_held == 0) {
		queue->held = place;
		queue->held_flags = flags;
	} else {
		STORE_RELEASE(descriptor->flags, flags);
	}
	if (queue->is_held)
		queue->n_held++;

	packed_advance(queue, &place, chain->n_descriptors);
	/* Counted on from where it was, so that it compares beyond the end of the ring, too. */
	if (place.wrap != queue->used_wrap)
		queue->signalled -= queue->setup.size;
	queue->used = place.index;
	queue->used_wrap = place.wrap;
}

static gboolean packed_wants_interrupt(const VirtioQueue *queue)
{
	const struct vring_packed_desc_event *event = queue->setup.driver;
	guint16 flags = LOAD_ACQUIRE(event->flags);
	guint16 place, offset;

	if (flags == VRING_PACKED_EVENT_FLAG_DISABLE)
		return FALSE;
	if (flags != VRING_PACKED_EVENT_FLAG_DESC || !queue->setup.has_event_index)
		return TRUE;
	place = LOAD(event->off_wrap);
	offset = place & ~(1u << VRING_PACKED_EVENT_F_WRAP_CTR);
	if (queue->used_wrap != (place >> VRING_PACKED_EVENT_F_WRAP_CTR))
		offset -= queue->setup.size;
	return vring_need_event(offset, queue->used, queue->signalled);
}

static gboolean packed_enable_kicks(VirtioQueue *queue)
{
	struct vring_packed_desc_event *event = queue->setup.device;
	const PackedPlace *next = &queue->next_available;

	if (queue->setup.has_event_index) {
		STORE(event->off_wrap,
		      (guint16)(next->index | (guint)next->wrap << VRING_PACKED_EVENT_F_WRAP_CTR));
		STORE_RELEASE(event->flags, VRING_PACKED_EVENT_FLAG_DESC);
	} else {
		STORE(event->flags, VRING_PACKED_EVENT_FLAG_ENABLE);
	}
	full_barrier();
	return !packed_is_available(queue, next);
}

/* Either */

/* The rings may be read and written. */
static gboolean is_usable(const VirtioQueue *queue)
{
	return queue->is_enabled && !g_atomic_int_get(&queue->is_lost);
}

VirtioChain *virtio_queue_pop(VirtioQueue *queue, GError **error)
{
	if (!is_usable(queue) || queue->is_broken)
		return NULL;
	begin_chain(queue);
	return queue->setup.is_packed ? packed_pop(queue, error) : split_pop(queue, error);
}

void virtio_queue_unpop(VirtioQueue *queue, VirtioChain *chain)
{
	queue->n_in_flight -= chain->n_descriptors;
	if (queue->setup.is_packed)
		packed_go_back(queue, &queue->next_available, chain->n_descriptors);
	else
		queue->available--;
	g_free(chain);
}

void virtio_queue_push(VirtioQueue *queue, VirtioChain *chain, guint32 written)
{
	if (is_usable(queue)) {
		queue->n_in_flight -= chain->n_descriptors;
		if (queue->setup.is_packed)
			packed_push(queue, chain, written);
		else
			split_push(queue, chain, written);
	}
	g_free(chain);
}

void virtio_queue_drop(VirtioChain *chain)
{
	g_free(chain);
}

void virtio_queue_hold(VirtioQueue *queue)
{
	queue->is_held = TRUE;
	queue->n_held = 0;
}

void virtio_queue_release(VirtioQueue *queue)
{
	queue->is_held = FALSE;
	if (!is_usable(queue))
		return;
	if (!queue->setup.is_packed)
		STORE_RELEASE(split_used(queue)->idx, queue->used);
	else if (queue->n_held > 0)
		STORE_RELEASE(packed_descriptor(queue, queue->held.index)->flags,
			      queue->held_flags);
	queue->n_held = 0;
}

void virtio_queue_notify(VirtioQueue *queue)
{
	gboolean wanted;

	if (!is_usable(queue) || queue->used == queue->signalled)
		return;
	full_barrier();
	wanted = queue->setup.is_packed ? packed_wants_interrupt(queue) :
					  split_wants_interrupt(queue);
	queue->signalled = queue->used;
	if (wanted)
		queue->interrupt(queue->opaque, queue->index);
}

gboolean virtio_queue_enable_kicks(VirtioQueue *queue)
{
	if (!is_usable(queue) || queue->is_broken)
		return TRUE;
	return queue->setup.is_packed ? packed_enable_kicks(queue) : split_enable_kicks(queue);
}

void virtio_queue_disable_kicks(VirtioQueue *queue)
{
	if (!is_usable(queue))
		return;
	if (queue->setup.is_packed)
		STORE(((struct vring_packed_desc_event *)queue->setup.device)->flags,
		      VRING_PACKED_EVENT_FLAG_DISABLE);
	else if (!queue->setup.has_event_index)
		STORE(split_used(queue)->flags, VRING_USED_F_NO_NOTIFY);
}

gboolean virtio_queue_is_enabled(const VirtioQueue *queue)
{
	return is_usable(queue);
}

guint virtio_queue_size(const VirtioQueue *queue)
{
	return is_usable(queue) ? queue->setup.size : 0;
}

/* Content */

static gboolean check_part(guint64 offset, gsize size, guint64 total, GError **error)
{
	if (offset <= total && size <= total - offset)
		return TRUE;
	g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
		    _("from %" PRIu64 " on %" PRIu64 ": the chain ends at %" PRIu64), offset,
		    (guint64)size, total);
	return FALSE;
}

/* The slice of a list of pieces: on the stack where it is short, as most are. */
#define SHORT_LIST 16u

gboolean virtio_chain_read(const VirtioChain *chain, DmaChannel *channel, guint64 offset,
			   void *data, gsize size, GError **error)
{
	DmaPiece few[SHORT_LIST];
	g_autofree DmaPiece *many = NULL;
	DmaPiece *slice = few;

	if (!check_part(offset, size, chain->out_size, error))
		return FALSE;
	if (chain->n_out > SHORT_LIST)
		slice = many = g_new(DmaPiece, chain->n_out);
	return dma_channel_read(channel, slice,
				dma_pieces_slice(chain->out, chain->n_out, offset, size, slice),
				data, error);
}

gboolean virtio_chain_write(const VirtioChain *chain, DmaChannel *channel, guint64 offset,
			    const void *data, gsize size, GError **error)
{
	DmaPiece few[SHORT_LIST];
	g_autofree DmaPiece *many = NULL;
	DmaPiece *slice = few;

	if (!check_part(offset, size, chain->in_size, error))
		return FALSE;
	if (chain->n_in > SHORT_LIST)
		slice = many = g_new(DmaPiece, chain->n_in);
	return dma_channel_write(channel, slice,
				 dma_pieces_slice(chain->in, chain->n_in, offset, size, slice),
				 data, error);
}

/* The transport's */

VirtioQueue *virtio_queue_new(guint index, void (*interrupt)(void *opaque, guint index),
			      void *opaque)
{
	VirtioQueue *queue = g_new0(VirtioQueue, 1);

	queue->index = index;
	queue->interrupt = interrupt;
	queue->opaque = opaque;
	return queue;
}

void virtio_queue_free(VirtioQueue *queue)
{
	g_free(queue);
}

void virtio_queue_enable(VirtioQueue *queue, const VirtioQueueSetup *setup)
{
	g_assert(setup->size >= 1 && setup->size <= VIRTIO_QUEUE_SIZE_MAX);
	queue->setup = *setup;
	queue->is_enabled = TRUE;
	queue->is_broken = FALSE;
	queue->is_held = FALSE;
	queue->n_held = 0;
	queue->n_in_flight = 0;
	queue->available = 0;
	queue->used = 0;
	queue->signalled = 0;
	queue->next_available = (PackedPlace){ .index = 0, .wrap = TRUE };
	queue->used_wrap = TRUE;
}

void virtio_queue_disable(VirtioQueue *queue)
{
	queue->is_enabled = FALSE;
}

void virtio_queue_lose(VirtioQueue *queue)
{
	g_atomic_int_set(&queue->is_lost, TRUE);
}

void virtio_queue_find(VirtioQueue *queue)
{
	g_atomic_int_set(&queue->is_lost, FALSE);
}
