/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * made-up-net.h - a network card with a transport, a memory and a network that are made up
 *
 * The device's I/O thread is the caller; its context is the default one.
 */
#pragma once

#include <linux/virtio_ring.h>

#include "made-up-copy.h"
#include "made-up-memory.h"
#include "made-up-network.h"
#include "vmm/backend/net-features.h"
#include "vmm/virtio/virtio-net.h"

#define MADE_UP_QUEUES	   (2 * MADE_UP_PAIRS + 1)
#define MADE_UP_QUEUE_SIZE 16u

/* Where rings are, and where buffers may be. */
#define MADE_UP_RING(queue)   (MADE_UP_RAM + (queue)*0x1000ull)
#define MADE_UP_DRIVER(queue) (MADE_UP_RING(queue) + 0x400)
#define MADE_UP_DEVICE(queue) (MADE_UP_RING(queue) + 0x800)
#define MADE_UP_BUFFERS	      (MADE_UP_RAM + 0x8000)

typedef struct {
	VirtioQueue *queues[MADE_UP_QUEUES];
	guint n_interrupts[MADE_UP_QUEUES];
	MadeUpNetwork *network;
	VirtioNet *net;
	guint n_broken;
	guint n_changes;
	guint32 size; /* of its rings */
} MadeUpCard;

/* What the device calls. */

VirtioQueue *virtio_device_queue(VirtioDevice *device, guint index)
{
	g_assert_cmpuint(index, <, MADE_UP_QUEUES);
	return ((MadeUpCard *)(void *)device)->queues[index];
}

IoThread *virtio_device_io_thread(VirtioDevice *device)
{
	return (IoThread *)(void *)device;
}

void virtio_device_broken(VirtioDevice *device, const GError *error)
{
	g_assert_nonnull(error);
	((MadeUpCard *)(void *)device)->n_broken++;
}

void virtio_device_config_changed(VirtioDevice *device)
{
	((MadeUpCard *)(void *)device)->n_changes++;
}

IoThread *io_thread_ref(IoThread *thread)
{
	return thread;
}

void io_thread_unref(IoThread *thread)
{
	(void)thread;
}

GMainContext *io_thread_context(IoThread *thread)
{
	(void)thread;
	return NULL;
}

DmaChannel *virtio_device_dma(VirtioDevice *device)
{
	(void)device;
	return NULL;
}

void io_thread_call(IoThread *thread, void (*function)(void *opaque), void *opaque)
{
	(void)thread;
	function(opaque);
}

/* As the network's. */
static inline gboolean made_up_frame(MadeUpCard *card, guint queue, const void *header,
				     const void *frame, gsize size)
{
	return made_up_network_gives(card->network, queue, header, frame, size);
}

static inline void made_up_frames_end(MadeUpCard *card, guint queue)
{
	made_up_network_gave(card->network, queue);
}

/* The card. */

static inline void made_up_interrupt(void *opaque, guint index)
{
	((MadeUpCard *)opaque)->n_interrupts[index]++;
}

static const guint8 made_up_mac[NET_MAC_SIZE] = { 0x52, 0x54, 0, 1, 2, 3 };

static inline MadeUpCard *made_up_card_new(guint pairs, guint64 offloads, gboolean has_copy)
{
	MadeUpCard *card = g_new0(MadeUpCard, 1);
	VirtioNetConfig config = { .mtu = 1500, .has_multiqueue = pairs > 1, .is_link_up = TRUE };

	memcpy(config.mac, made_up_mac, NET_MAC_SIZE);
	card->network = made_up_network_new(pairs, offloads);
	for (guint i = 0; i < MADE_UP_QUEUES; i++)
		card->queues[i] = virtio_queue_new(i, made_up_interrupt, card);
	card->net = virtio_net_new(&config, &card->network->backend);
	virtio_net_attach(card->net, (VirtioDevice *)(void *)card,
			  has_copy ? guest_copy_new(NULL, NULL) : NULL);
	return card;
}

/* All queues with empty rings, and the driver has said that it is there. */
static inline void made_up_card_start(MadeUpCard *card, guint64 features, gboolean has_event_index)
{
	memset(made_up_ram, 0, sizeof(made_up_ram));
	for (guint i = 0; i < MADE_UP_QUEUES; i++) {
		const VirtioQueueSetup setup = {
			.size = MADE_UP_QUEUE_SIZE,
			.has_indirect = TRUE,
			.has_event_index = has_event_index,
			.descriptors = made_up_address(MADE_UP_RING(i), 0x400),
			.driver = made_up_address(MADE_UP_DRIVER(i), 0x400),
			.device = made_up_address(MADE_UP_DEVICE(i), 0x400),
		};

		virtio_queue_enable(card->queues[i], &setup);
		card->n_interrupts[i] = 0;
	}
	virtio_net_operations.start(card->net, features);
}

static inline void made_up_card_stop(MadeUpCard *card)
{
	virtio_net_operations.stop(card->net);
	for (guint i = 0; i < MADE_UP_QUEUES; i++)
		virtio_queue_disable(card->queues[i]);
}

static inline void made_up_card_free(MadeUpCard *card)
{
	virtio_net_operations.free(card->net);
	for (guint i = 0; i < MADE_UP_QUEUES; i++)
		virtio_queue_free(card->queues[i]);
	made_up_network_free(card->network);
	g_free(card);
}
