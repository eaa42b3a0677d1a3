/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * virtio-net.c - a network card
 *
 * Theory of operation
 *
 * Frames that the guest sends are taken in batches: chains come out of the queue, one transfer of
 * the DMA channel reads all of them into a buffer of the device, and the guest has its chains back
 * at once, before the backend has taken a single frame. Where the backend has no room, the frames
 * wait in that buffer and no more chains are taken, so that the guest feels it.
 *
 * Frames that come are batched the other way: each is copied behind the last one, with the pieces
 * of guest memory that it is for, until the backend has no more or the buffer is full. Then one
 * transfer writes all, and the chains go back with one interrupt. Where the guest has no buffers,
 * the backend keeps its frame until the guest's kick.
 *
 * With windows the latter transfer is guest-copy.h's: its buffer is a file that the kernel copies
 * from, so that frames open no window each.
 *
 * Both go through the header of virtio-net that the backend shares with the guest. What it says is
 * checked against what was agreed on: a frame whose header asks for what it may not is lost. A
 * chain that cannot be a frame at all breaks the device.
 *
 * All of it is on the I/O thread. What the configuration shows, which any vCPU reads, is guarded by
 * a lock of its own; lines of fields below say which it is.
 */
#include "vmm/virtio/virtio-net.h"

#include <gio/gio.h>
#include <glib/gi18n.h>
#include <stddef.h>
#include <string.h>

#include "vmm/backend/net-features.h"

/* What a batch has room for. */
#define BATCH_BYTES  VIRTIO_NET_BATCH
#define BATCH_FRAMES 64u
#define BATCH_PIECES 512u

/* What one queue has done, in batches or commands, before others of the thread have their turn. */
#define ROUNDS 8u

/* The longest command: two full tables of addresses, and some that are too long. */
#define COMMAND_MAX 8192u

G_STATIC_ASSERT(sizeof(struct virtio_net_hdr_v1) == NET_HEADER_SIZE);
G_STATIC_ASSERT(offsetof(struct virtio_net_config, speed) == VIRTIO_NET_CONFIG_SIZE);
G_STATIC_ASSERT(G_BYTE_ORDER == G_LITTLE_ENDIAN);

typedef struct {
	guint8 *data; /* NULL: not used yet */
	gsize used;
	GArray *pieces; /* DmaPiece */
} Batch;

/* A chain of the batch that comes, and what is to be said of it. */
typedef struct {
	VirtioChain *chain;
	guint32 written;
	gboolean is_last; /* of its frame */
} Filled;

/* Something that goes on when others have had their turn. */
typedef struct {
	GSource *source; /* NULL: nothing does */
	void (*run)(void *opaque);
	void *opaque;
} Later;

/* A frame of the batch that goes, with its header. */
typedef struct {
	gsize offset;
	gsize size; /* without the header */
} Frame;

typedef struct {
	VirtioNet *net;
	guint index;
	VirtioQueue *receive;
	VirtioQueue *transmit;

	GPtrArray *spare; /* chains that were taken, and no frame has come for */
	guint64 spare_bytes;
	guint spare_descriptors;
	gboolean is_wanted; /* the backend knows that frames are */

	Batch sent;
	Frame frames[BATCH_FRAMES];
	guint n_frames;
	guint next_frame;    /* the first one that the backend has not taken */
	gboolean is_waiting; /* for room in the backend */
	Later later;
} Pair;

struct VirtioNet {
	VirtioNetConfig config;
	NetBackend *backend;
	VirtioDevice *device;
	IoThread *thread;
	GuestCopy *copy; /* of frames that come; NULL: the channel carries them */

	GMutex lock; /* of: */
	gboolean is_plugged;
	gboolean can_announce;
	gboolean is_announcing;
	guint8 mac[NET_MAC_SIZE];

	/* The I/O thread's. */
	guint64 features;
	gboolean is_running; /* between start() and stop(), and not drained */
	gboolean is_broken;  /* until stop(): the guest's queues are not looked at */
	NetFilter filter;
	guint n_pairs;
	guint n_active; /* that the guest uses */
	guint control;	/* index of its queue */
	Later control_later;
	Pair *pairs;
	Batch came;
	GArray *filled;
};

static gboolean has_feature(const VirtioNet *net, guint bit)
{
	return (net->features & VIRTIO_FEATURE(bit)) != 0;
}

static gboolean is_serving(const VirtioNet *net)
{
	return net->is_running && !net->is_broken;
}

/* What the guest has done wrong; takes no more from it until it resets the device. */
static void break_device(VirtioNet *net, const GError *error)
{
	net->is_broken = TRUE;
	virtio_device_broken(net->device, error);
}

/* The same, in words that are translated already. */
static void break_device_with(VirtioNet *net, const char *message)
{
	g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_INVALID_DATA, message);

	break_device(net, error);
}

/* Turns */

static gboolean on_later(gpointer data)
{
	Later *later = data;

	g_clear_pointer(&later->source, g_source_unref);
	later->run(later->opaque);
	return G_SOURCE_REMOVE;
}

static void do_later(const VirtioNet *net, Later *later)
{
	if (later->source)
		return;
	later->source = g_idle_source_new();
	g_source_set_priority(later->source, G_PRIORITY_DEFAULT);
	g_source_set_callback(later->source, on_later, later, NULL);
	g_source_attach(later->source, io_thread_context(net->thread));
}

static void cancel_later(Later *later)
{
	if (!later->source)
		return;
	g_source_destroy(later->source);
	g_clear_pointer(&later->source, g_source_unref);
}

/* Batches */

static void batch_init(Batch *batch)
{
	batch->pieces = g_array_new(FALSE, FALSE, sizeof(DmaPiece));
}

static void batch_clear(Batch *batch)
{
	g_clear_pointer(&batch->data, g_free);
	g_clear_pointer(&batch->pieces, g_array_unref);
}

/* Room for the frames of a device that is used; one that is not has none. */
static guint8 *batch_data(Batch *batch)
{
	if (!batch->data)
		batch->data = g_malloc(BATCH_BYTES);
	return batch->data;
}

/* The same for those that come, from where the kernel copies them, where it does. */
static guint8 *came_data(VirtioNet *net)
{
	return net->copy ? guest_copy_buffer(net->copy) : batch_data(&net->came);
}

static void batch_empty(Batch *batch)
{
	batch->used = 0;
	g_array_set_size(batch->pieces, 0);
}

static const DmaPiece *batch_pieces(const Batch *batch)
{
	return (const DmaPiece *)batch->pieces->data;
}

/* Headers */

/* The features that let frames have such segments, to the guest and from it. */
static guint64 segment_features(guint type, gboolean is_from_guest)
{
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return is_from_guest ? NET_FEATURE(HOST_TSO4) : NET_FEATURE(GUEST_TSO4);
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return is_from_guest ? NET_FEATURE(HOST_TSO6) : NET_FEATURE(GUEST_TSO6);
	case VIRTIO_NET_HDR_GSO_UDP:
		return is_from_guest ? NET_FEATURE(HOST_UFO) : NET_FEATURE(GUEST_UFO);
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return is_from_guest ? NET_FEATURE(HOST_USO) :
				       NET_FEATURE(GUEST_USO4) | NET_FEATURE(GUEST_USO6);
	default:
		return 0;
	}
}

/*
 * Whether a header asks for nothing but what was agreed on, and for what can be: within the frame,
 * segments with a checksum and of some size.
 */
static gboolean is_header_good(const VirtioNet *net, const struct virtio_net_hdr_v1 *header,
			       gsize size, gboolean is_from_guest)
{
	const guint64 checksum = is_from_guest ? NET_FEATURE(CSUM) : NET_FEATURE(GUEST_CSUM);
	const guint64 congestion = is_from_guest ? NET_FEATURE(HOST_ECN) : NET_FEATURE(GUEST_ECN);
	const gboolean needs_checksum = (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;

	if (needs_checksum &&
	    (!(net->features & checksum) ||
	     (gsize)header->csum_start + header->csum_offset + sizeof(guint16) > size))
		return FALSE;
	if (header->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return TRUE;
	if (header->gso_type & VIRTIO_NET_HDR_GSO_ECN && !(net->features & congestion))
		return FALSE;
	return net->features & segment_features(header->gso_type, is_from_guest) &&
	       needs_checksum && header->gso_size > 0 && header->hdr_len <= size;
}

/* Frames that come */

/* The chains go back, each frame's together. */
static void give_back(Pair *pair, gboolean is_good)
{
	GArray *filled = pair->net->filled;
	gboolean is_held = FALSE;

	for (guint i = 0; i < filled->len; i++) {
		const Filled *entry = &g_array_index(filled, Filled, i);

		if (!is_held)
			virtio_queue_hold(pair->receive);
		virtio_queue_push(pair->receive, entry->chain, is_good ? entry->written : 0);
		if (entry->is_last)
			virtio_queue_release(pair->receive);
		is_held = !entry->is_last;
	}
	g_array_set_size(filled, 0);
}

static gboolean copy_came(VirtioNet *net, GError **error)
{
	DmaChannel *channel = virtio_device_dma(net->device);
	const DmaPiece *pieces = batch_pieces(&net->came);
	const guint count = net->came.pieces->len;

	return net->copy ? guest_copy_write(net->copy, channel, pieces, count, error) :
			   dma_channel_write(channel, pieces, count, came_data(net), error);
}

static void write_came(Pair *pair)
{
	VirtioNet *net = pair->net;
	g_autoptr(GError) error = NULL;
	gboolean is_good;

	if (net->filled->len == 0)
		return;
	is_good = copy_came(net, &error);
	if (!is_good)
		break_device(net, error);
	batch_empty(&net->came);
	give_back(pair, is_good);
}

/* Takes chains until there is room for @needed bytes, or one where frames cannot be in several. */
static gboolean gather_room(Pair *pair, gsize needed)
{
	const gboolean is_mergeable = has_feature(pair->net, VIRTIO_NET_F_MRG_RXBUF);
	g_autoptr(GError) error = NULL;

	while (is_mergeable ? pair->spare_bytes < needed : pair->spare->len == 0) {
		VirtioChain *chain = virtio_queue_pop(pair->receive, &error);

		if (error)
			break_device(pair->net, error);
		if (!chain)
			return FALSE;
		if (chain->in_size == 0) {
			break_device_with(pair->net, _("a buffer for frames has no room for any"));
			virtio_queue_push(pair->receive, chain, 0);
			return FALSE;
		}
		g_ptr_array_add(pair->spare, chain);
		pair->spare_bytes += chain->in_size;
		pair->spare_descriptors += chain->n_descriptors;
	}
	return TRUE;
}

/* Whether the guest has given all that its queue can hold, so that no more will ever come. */
static gboolean is_all_there(const Pair *pair)
{
	return pair->spare_descriptors >= virtio_queue_size(pair->receive);
}

/* Lays @total bytes out over the first spare chains. Return: how many those are. */
static guint take_spare(Pair *pair, gsize total)
{
	VirtioNet *net = pair->net;
	guint n = 0;

	while (total > 0) {
		VirtioChain *chain = pair->spare->pdata[n++];
		const gsize part = (gsize)MIN(chain->in_size, total);
		const Filled entry = { chain, (guint32)part, part == total };
		const guint before = net->came.pieces->len;
		guint n_pieces;

		g_array_set_size(net->came.pieces, before + chain->n_in);
		n_pieces = dma_pieces_slice(chain->in, chain->n_in, 0, part,
					    &g_array_index(net->came.pieces, DmaPiece, before));
		g_array_set_size(net->came.pieces, before + n_pieces);
		g_array_append_val(net->filled, entry);
		pair->spare_bytes -= chain->in_size;
		pair->spare_descriptors -= chain->n_descriptors;
		total -= part;
	}
	g_ptr_array_remove_range(pair->spare, 0, n);
	return n;
}

static void add_frame(Pair *pair, const struct virtio_net_hdr_v1 *header, const void *frame,
		      gsize size)
{
	VirtioNet *net = pair->net;
	Batch *batch = &net->came;
	struct virtio_net_hdr_v1 own = { 0 };
	guint8 *place;

	if (batch->used + NET_HEADER_SIZE + size > BATCH_BYTES ||
	    batch->pieces->len >= BATCH_PIECES)
		write_came(pair);
	if (has_feature(net, VIRTIO_NET_F_GUEST_CSUM))
		own = *header;
	own.num_buffers = (guint16)take_spare(pair, NET_HEADER_SIZE + size);
	place = came_data(net) + batch->used;
	memcpy(place, &own, sizeof(own));
	memcpy(place + sizeof(own), frame, size);
	batch->used += NET_HEADER_SIZE + size;
}

/* Return: FALSE where the guest has no room now, and will tell when it has. */
static gboolean has_room(Pair *pair, gsize needed)
{
	while (!gather_room(pair, needed))
		if (pair->net->is_broken || is_all_there(pair) ||
		    virtio_queue_enable_kicks(pair->receive))
			return FALSE;
	virtio_queue_disable_kicks(pair->receive);
	return TRUE;
}

static gboolean is_link_up(VirtioNet *net)
{
	return g_atomic_int_get(&net->is_plugged) && net_is_up(net->backend);
}

static gboolean net_came(void *opaque, guint queue, const void *data, const void *frame, gsize size)
{
	VirtioNet *net = opaque;
	Pair *pair = &net->pairs[queue];
	const gsize needed = NET_HEADER_SIZE + size;
	struct virtio_net_hdr_v1 header;

	memcpy(&header, data, sizeof(header));
	if (!is_serving(net) || !is_link_up(net) ||
	    !net_filter_accepts(&net->filter, frame, size) ||
	    !is_header_good(net, &header, size, FALSE))
		return TRUE;
	if (!has_room(pair, needed)) {
		/* No buffer of this guest's will ever do: the frame is lost. */
		if (net->is_broken || is_all_there(pair))
			return TRUE;
		pair->is_wanted = FALSE;
		return FALSE;
	}
	if (!has_feature(net, VIRTIO_NET_F_MRG_RXBUF) &&
	    ((VirtioChain *)pair->spare->pdata[0])->in_size < needed)
		return TRUE;
	add_frame(pair, &header, frame, size);
	return TRUE;
}

static void net_came_all(void *opaque, guint queue)
{
	VirtioNet *net = opaque;
	Pair *pair = &net->pairs[queue];

	if (!pair->receive)
		return;
	write_came(pair);
	virtio_queue_notify(pair->receive);
}

static void want_frames(Pair *pair, gboolean is_wanted)
{
	if (pair->is_wanted == is_wanted)
		return;
	pair->is_wanted = is_wanted;
	net_receive(pair->net->backend, pair->index, is_wanted);
}

/* Chains that no frame has come for are the guest's again. */
static void return_spare(Pair *pair)
{
	while (pair->spare->len > 0)
		virtio_queue_unpop(pair->receive,
				   g_ptr_array_steal_index(pair->spare, pair->spare->len - 1));
	pair->spare_bytes = 0;
	pair->spare_descriptors = 0;
}

static void drop_spare(Pair *pair)
{
	for (guint i = 0; i < pair->spare->len; i++)
		virtio_queue_drop(pair->spare->pdata[i]);
	g_ptr_array_set_size(pair->spare, 0);
	pair->spare_bytes = 0;
	pair->spare_descriptors = 0;
}

/* Frames that go */

/* Takes a chain into the batch. Return: FALSE where there is no room, and it was not. */
static gboolean add_chain(Pair *pair, const VirtioChain *chain)
{
	Batch *batch = &pair->sent;
	const guint64 size = chain->out_size - NET_HEADER_SIZE;

	if (chain->out_size < NET_HEADER_SIZE) {
		break_device_with(pair->net, _("a frame is shorter than its header"));
		return TRUE;
	}
	/* No Ethernet has such frames. */
	if (size < NET_FRAME_MIN || size > NET_FRAME_MAX)
		return TRUE;
	if (batch->used + chain->out_size > BATCH_BYTES)
		return FALSE;
	pair->frames[pair->n_frames++] = (Frame){ .offset = batch->used, .size = (gsize)size };
	batch->used += (gsize)chain->out_size;
	g_array_append_vals(batch->pieces, chain->out, chain->n_out);
	return TRUE;
}

/* Reads the next frames out of the guest. Return: how many chains those were. */
static guint fill_batch(Pair *pair)
{
	VirtioNet *net = pair->net;
	VirtioChain *chains[BATCH_FRAMES];
	g_autoptr(GError) error = NULL;
	VirtioChain *chain;
	guint n = 0;

	pair->n_frames = pair->next_frame = 0;
	batch_empty(&pair->sent);
	while (n < BATCH_FRAMES && pair->sent.pieces->len < BATCH_PIECES &&
	       (chain = virtio_queue_pop(pair->transmit, &error))) {
		if (!add_chain(pair, chain)) {
			virtio_queue_unpop(pair->transmit, chain);
			break;
		}
		chains[n++] = chain;
	}
	if (error)
		break_device(net, error);
	g_clear_error(&error);
	if (pair->n_frames > 0 &&
	    !dma_channel_read(virtio_device_dma(net->device), batch_pieces(&pair->sent),
			      pair->sent.pieces->len, batch_data(&pair->sent), &error)) {
		break_device(net, error);
		pair->n_frames = 0;
	}
	for (guint i = 0; i < n; i++)
		virtio_queue_push(pair->transmit, chains[i], 0);
	if (n > 0)
		virtio_queue_notify(pair->transmit);
	return n;
}

/* Return: FALSE where the backend has no room for all. */
static gboolean send_batch(Pair *pair)
{
	VirtioNet *net = pair->net;

	for (; pair->next_frame < pair->n_frames; pair->next_frame++) {
		const Frame *frame = &pair->frames[pair->next_frame];
		const guint8 *data = pair->sent.data + frame->offset;
		struct virtio_net_hdr_v1 header;

		memcpy(&header, data, sizeof(header));
		if (!is_link_up(net) || !is_header_good(net, &header, frame->size, TRUE))
			continue;
		if (!net_send(net->backend, pair->index, data, frame->size)) {
			pair->is_waiting = TRUE;
			return FALSE;
		}
	}
	return TRUE;
}

static void transmit(void *opaque)
{
	Pair *pair = opaque;
	VirtioNet *net = pair->net;
	guint rounds = ROUNDS;

	if (!is_serving(net) || pair->is_waiting || pair->index >= net->n_active)
		return;
	virtio_queue_disable_kicks(pair->transmit);
	while (send_batch(pair) && rounds > 0 && !net->is_broken) {
		rounds--;
		if (fill_batch(pair) > 0)
			continue;
		net_flush(net->backend, pair->index);
		if (virtio_queue_enable_kicks(pair->transmit))
			return;
		virtio_queue_disable_kicks(pair->transmit);
	}
	net_flush(net->backend, pair->index);
	if (!pair->is_waiting)
		do_later(net, &pair->later);
}

static void net_writable(void *opaque, guint queue)
{
	VirtioNet *net = opaque;

	net->pairs[queue].is_waiting = FALSE;
	transmit(&net->pairs[queue]);
}

/* Nobody takes frames any more: those that wait, and all that come, are lost. */
static void net_link_down(void *opaque)
{
	VirtioNet *net = opaque;

	virtio_device_config_changed(net->device);
	for (guint i = 0; i < net->n_pairs; i++) {
		net->pairs[i].is_waiting = FALSE;
		if (net->is_running)
			do_later(net, &net->pairs[i].later);
	}
}

static const NetClient client = {
	.receive = net_came,
	.received = net_came_all,
	.writable = net_writable,
	.link_down = net_link_down,
};

/* Control */

static void use_pairs(VirtioNet *net, guint n)
{
	for (guint i = n; i < net->n_active; i++) {
		want_frames(&net->pairs[i], FALSE);
		return_spare(&net->pairs[i]);
		cancel_later(&net->pairs[i].later);
	}
	net_use_queues(net->backend, n);
	net->n_active = n;
	for (guint i = 0; i < n; i++) {
		want_frames(&net->pairs[i], TRUE);
		transmit(&net->pairs[i]);
	}
}

static gboolean set_mode(VirtioNet *net, guint8 command, const guint8 *data, gsize size)
{
	const guint feature = command <= VIRTIO_NET_CTRL_RX_ALLMULTI ? VIRTIO_NET_F_CTRL_RX :
								       VIRTIO_NET_F_CTRL_RX_EXTRA;

	return has_feature(net, feature) && size == 1 &&
	       net_filter_set_mode(&net->filter, command, data[0]);
}

static gboolean set_addresses(VirtioNet *net, guint8 command, const guint8 *data, gsize size)
{
	if (command == VIRTIO_NET_CTRL_MAC_TABLE_SET)
		return has_feature(net, VIRTIO_NET_F_CTRL_RX) &&
		       net_filter_set_addresses(&net->filter, data, size);
	if (command != VIRTIO_NET_CTRL_MAC_ADDR_SET || size != NET_MAC_SIZE ||
	    !has_feature(net, VIRTIO_NET_F_CTRL_MAC_ADDR))
		return FALSE;
	memcpy(net->filter.mac, data, NET_MAC_SIZE);
	g_mutex_lock(&net->lock);
	memcpy(net->mac, data, NET_MAC_SIZE);
	g_mutex_unlock(&net->lock);
	return TRUE;
}

static guint16 get_16(const guint8 *data)
{
	guint16 value;

	memcpy(&value, data, sizeof(value));
	return GUINT16_FROM_LE(value);
}

static gboolean set_vlan(VirtioNet *net, guint8 command, const guint8 *data, gsize size)
{
	return has_feature(net, VIRTIO_NET_F_CTRL_VLAN) && command <= VIRTIO_NET_CTRL_VLAN_DEL &&
	       size == sizeof(guint16) &&
	       net_filter_set_vlan(&net->filter, get_16(data), command == VIRTIO_NET_CTRL_VLAN_ADD);
}

static gboolean has_announced(VirtioNet *net, guint8 command, const guint8 *data, gsize size)
{
	gboolean was_announcing;

	(void)data;
	if (command != VIRTIO_NET_CTRL_ANNOUNCE_ACK || size != 0 ||
	    !has_feature(net, VIRTIO_NET_F_GUEST_ANNOUNCE))
		return FALSE;
	g_mutex_lock(&net->lock);
	was_announcing = net->is_announcing;
	net->is_announcing = FALSE;
	g_mutex_unlock(&net->lock);
	return was_announcing;
}

static gboolean set_pairs(VirtioNet *net, guint8 command, const guint8 *data, gsize size)
{
	guint n;

	if (!has_feature(net, VIRTIO_NET_F_MQ) || command != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET ||
	    size != sizeof(guint16))
		return FALSE;
	n = get_16(data);
	if (n < 1 || n > net->n_pairs)
		return FALSE;
	use_pairs(net, n);
	return TRUE;
}

/* The features that say what frames to the guest may leave undone. */
static guint64 guest_offloads(const VirtioNet *net)
{
	const guint64 all = NET_FEATURE(GUEST_CSUM) | NET_FEATURE(GUEST_TSO4) |
			    NET_FEATURE(GUEST_TSO6) | NET_FEATURE(GUEST_ECN) |
			    NET_FEATURE(GUEST_UFO) | NET_FEATURE(GUEST_USO4) |
			    NET_FEATURE(GUEST_USO6);

	/* Segments need checksums, whatever a driver asks for. */
	return has_feature(net, VIRTIO_NET_F_GUEST_CSUM) ? net->features & all : 0;
}

static gboolean set_offloads(VirtioNet *net, guint8 command, const guint8 *data, gsize size)
{
	guint64 offloads;

	if (!has_feature(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) ||
	    command != VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET || size != sizeof(offloads))
		return FALSE;
	memcpy(&offloads, data, sizeof(offloads));
	offloads = GUINT64_FROM_LE(offloads);
	if (offloads & ~guest_offloads(net))
		return FALSE;
	net_set_offloads(net->backend, offloads & NET_FEATURE(GUEST_CSUM) ? offloads : 0);
	return TRUE;
}

static const struct {
	guint8 class;
	gboolean (*run)(VirtioNet *net, guint8 command, const guint8 *data, gsize size);
} commands[] = {
	{ VIRTIO_NET_CTRL_RX, set_mode },   { VIRTIO_NET_CTRL_MAC, set_addresses },
	{ VIRTIO_NET_CTRL_VLAN, set_vlan }, { VIRTIO_NET_CTRL_ANNOUNCE, has_announced },
	{ VIRTIO_NET_CTRL_MQ, set_pairs },  { VIRTIO_NET_CTRL_GUEST_OFFLOADS, set_offloads },
};

static gboolean run_command(VirtioNet *net, const guint8 *data, gsize size)
{
	for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
		if (commands[i].class == data[0])
			return commands[i].run(net, data[1], data + 2, size - 2);
	return FALSE;
}

/* Return: whether the chain was one of a command; what became of that is in it. */
static gboolean serve_command(VirtioNet *net, const VirtioChain *chain)
{
	DmaChannel *channel = virtio_device_dma(net->device);
	g_autoptr(GError) error = NULL;
	guint8 data[COMMAND_MAX];
	guint8 answer = VIRTIO_NET_ERR;

	if (chain->out_size < sizeof(struct virtio_net_ctrl_hdr) ||
	    chain->in_size < sizeof(answer)) {
		break_device_with(net, _("a command has no room for its header or its answer"));
		return FALSE;
	}
	if (chain->out_size <= sizeof(data)) {
		if (!virtio_chain_read(chain, channel, 0, data, (gsize)chain->out_size, &error)) {
			break_device(net, error);
			return FALSE;
		}
		if (run_command(net, data, (gsize)chain->out_size))
			answer = VIRTIO_NET_OK;
	}
	if (virtio_chain_write(chain, channel, 0, &answer, sizeof(answer), &error))
		return TRUE;
	break_device(net, error);
	return FALSE;
}

static void serve_control(void *opaque)
{
	VirtioNet *net = opaque;
	VirtioQueue *queue = virtio_device_queue(net->device, net->control);
	g_autoptr(GError) error = NULL;
	VirtioChain *chain;

	for (guint i = 0;
	     i < ROUNDS && is_serving(net) && (chain = virtio_queue_pop(queue, &error)); i++)
		virtio_queue_push(queue, chain, serve_command(net, chain) ? 1 : 0);
	virtio_queue_notify(queue);
	if (error)
		break_device(net, error);
	else if (is_serving(net) && !virtio_queue_enable_kicks(queue))
		do_later(net, &net->control_later);
}

/* What the transport calls */

static guint64 net_features(void *device)
{
	const VirtioNet *net = device;
	const guint64 offloads = net_offloads(net->backend);
	guint64 features = NET_FEATURE(MAC) | NET_FEATURE(STATUS) | NET_FEATURE(MRG_RXBUF) |
			   NET_FEATURE(CTRL_VQ) | NET_FEATURE(CTRL_RX) |
			   NET_FEATURE(CTRL_RX_EXTRA) | NET_FEATURE(CTRL_VLAN) |
			   NET_FEATURE(CTRL_MAC_ADDR) | NET_FEATURE(GUEST_ANNOUNCE) | offloads;

	if (offloads)
		features |= NET_FEATURE(CTRL_GUEST_OFFLOADS);
	if (net->config.mtu > 0)
		features |= NET_FEATURE(MTU);
	if (net->n_pairs > 1)
		features |= NET_FEATURE(MQ);
	return features;
}

static void net_config_read(void *device, guint offset, void *data, guint size)
{
	VirtioNet *net = device;
	struct virtio_net_config config = {
		.max_virtqueue_pairs = (guint16)net->n_pairs,
		.mtu = (guint16)net->config.mtu,
	};

	g_mutex_lock(&net->lock);
	memcpy(config.mac, net->mac, NET_MAC_SIZE);
	if (net->is_announcing)
		config.status |= VIRTIO_NET_S_ANNOUNCE;
	g_mutex_unlock(&net->lock);
	if (is_link_up(net))
		config.status |= VIRTIO_NET_S_LINK_UP;
	memcpy(data, (const guint8 *)&config + offset, size);
}

static void net_start(void *device, guint64 features)
{
	VirtioNet *net = device;
	guint8 mac[NET_MAC_SIZE];

	net->features = features;
	net->control = has_feature(net, VIRTIO_NET_F_MQ) ? 2 * net->n_pairs : 2;
	g_mutex_lock(&net->lock);
	net->can_announce = has_feature(net, VIRTIO_NET_F_GUEST_ANNOUNCE);
	memcpy(mac, net->mac, NET_MAC_SIZE);
	g_mutex_unlock(&net->lock);
	net_filter_reset(&net->filter, mac, has_feature(net, VIRTIO_NET_F_CTRL_VLAN));
	net_set_offloads(net->backend, guest_offloads(net));
	for (guint i = 0; i < net->n_pairs; i++) {
		net->pairs[i].receive = virtio_device_queue(net->device, 2 * i);
		net->pairs[i].transmit = virtio_device_queue(net->device, 2 * i + 1);
	}
	net->n_active = 1;
	net->is_broken = FALSE;
	net->is_running = TRUE;
}

static void net_kicked(void *device, guint queue)
{
	VirtioNet *net = device;
	Pair *pair;

	if (queue == net->control) {
		if (has_feature(net, VIRTIO_NET_F_CTRL_VQ))
			serve_control(net);
		return;
	}
	if (queue / 2 >= net->n_active)
		return;
	pair = &net->pairs[queue / 2];
	if (queue % 2 == 0)
		want_frames(pair, TRUE);
	else
		transmit(pair);
}

/* Nothing comes and nothing goes any more. */
static void hold_still(VirtioNet *net)
{
	net->is_running = FALSE;
	cancel_later(&net->control_later);
	for (guint i = 0; i < net->n_pairs; i++) {
		want_frames(&net->pairs[i], FALSE);
		cancel_later(&net->pairs[i].later);
	}
}

/* What was sent and waits for room is lost, as with a cable that is pulled. */
static void net_stop(void *device)
{
	VirtioNet *net = device;

	hold_still(net);
	for (guint i = 0; i < net->n_pairs; i++) {
		Pair *pair = &net->pairs[i];

		drop_spare(pair);
		pair->n_frames = pair->next_frame = 0;
		pair->is_waiting = FALSE;
		pair->receive = pair->transmit = NULL;
	}
	net->n_active = 0;
	net->features = 0;
	net_set_offloads(net->backend, 0);
	net_use_queues(net->backend, 1);
	g_mutex_lock(&net->lock);
	memcpy(net->mac, net->config.mac, NET_MAC_SIZE);
	net->can_announce = net->is_announcing = FALSE;
	g_mutex_unlock(&net->lock);
}

static void net_stop_queue(void *device, guint queue)
{
	VirtioNet *net = device;
	Pair *pair;

	if (queue == net->control || queue / 2 >= net->n_pairs)
		return;
	pair = &net->pairs[queue / 2];
	if (queue % 2 == 0) {
		want_frames(pair, FALSE);
		drop_spare(pair);
	} else {
		cancel_later(&pair->later);
	}
}

/* Frames that wait for room have left the guest's memory already. */
static void net_drain(void *device)
{
	VirtioNet *net = device;

	hold_still(net);
	for (guint i = 0; i < net->n_pairs; i++)
		return_spare(&net->pairs[i]);
}

/* Each queue is kicked after this. */
static void net_resume(void *device)
{
	((VirtioNet *)device)->is_running = TRUE;
}

static void close_backend(void *opaque)
{
	VirtioNet *net = opaque;

	g_clear_pointer(&net->backend, net_free);
}

static void net_device_free(void *device)
{
	VirtioNet *net = device;

	if (net->thread)
		io_thread_call(net->thread, close_backend, net);
	g_clear_pointer(&net->backend, net_free);
	g_clear_pointer(&net->thread, io_thread_unref);
	for (guint i = 0; i < net->n_pairs; i++) {
		g_ptr_array_unref(net->pairs[i].spare);
		batch_clear(&net->pairs[i].sent);
	}
	g_free(net->pairs);
	batch_clear(&net->came);
	guest_copy_free(net->copy);
	g_array_unref(net->filled);
	g_mutex_clear(&net->lock);
	g_free(net);
}

const VirtioDeviceOperations virtio_net_operations = {
	.features = net_features,
	.config_read = net_config_read,
	.start = net_start,
	.kicked = net_kicked,
	.stop = net_stop,
	.stop_queue = net_stop_queue,
	.drain = net_drain,
	.resume = net_resume,
	.free = net_device_free,
};

/* For who makes one */

static guint count_pairs(const VirtioNetConfig *config, const NetBackend *backend)
{
	return config->has_multiqueue ? net_queues(backend) : 1;
}

guint virtio_net_queues(const VirtioNetConfig *config, const NetBackend *backend)
{
	return 2 * count_pairs(config, backend) + 1;
}

VirtioNet *virtio_net_new(const VirtioNetConfig *config, NetBackend *backend)
{
	VirtioNet *net = g_new0(VirtioNet, 1);

	net->config = *config;
	net->backend = backend;
	net->is_plugged = config->is_link_up;
	memcpy(net->mac, config->mac, NET_MAC_SIZE);
	g_mutex_init(&net->lock);
	batch_init(&net->came);
	net->filled = g_array_new(FALSE, FALSE, sizeof(Filled));
	net->control_later = (Later){ .run = serve_control, .opaque = net };
	net->n_pairs = count_pairs(config, backend);
	net->pairs = g_new0(Pair, net->n_pairs);
	for (guint i = 0; i < net->n_pairs; i++) {
		net->pairs[i].net = net;
		net->pairs[i].index = i;
		net->pairs[i].spare = g_ptr_array_new();
		net->pairs[i].later = (Later){ .run = transmit, .opaque = &net->pairs[i] };
		batch_init(&net->pairs[i].sent);
	}
	return net;
}

static void attach_backend(void *opaque)
{
	VirtioNet *net = opaque;

	net_attach(net->backend, io_thread_context(net->thread), &client, net);
}

void virtio_net_attach(VirtioNet *net, VirtioDevice *device, GuestCopy *copy)
{
	net->device = device;
	net->copy = copy;
	net->thread = io_thread_ref(virtio_device_io_thread(device));
	io_thread_call(net->thread, attach_backend, net);
}

/* One that comes back asks the guest to say where it is: what is at the other end may be new. */
void virtio_net_set_link(VirtioNet *net, gboolean is_up)
{
	if (g_atomic_int_get(&net->is_plugged) == is_up)
		return;
	g_atomic_int_set(&net->is_plugged, is_up);
	g_mutex_lock(&net->lock);
	net->is_announcing = is_up && net->can_announce;
	g_mutex_unlock(&net->lock);
	virtio_device_config_changed(net->device);
}
