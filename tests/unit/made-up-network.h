/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* made-up-network.h - a network that takes and gives frames as a test or a fuzzer says */
#pragma once

#include <string.h>

#include "vmm/backend/net-backend.h"
#include "vmm/backend/net-features.h"

#define MADE_UP_PAIRS 2u

typedef struct {
	NetBackend backend; /* first */
	guint room;	    /* for so many frames more */
	GPtrArray *frames;  /* GBytes with their headers, that were sent */
	gboolean is_wanted[MADE_UP_PAIRS];
	guint used_queues;
	guint64 set_offloads;
	gboolean is_freed;
} MadeUpNetwork;

static void made_up_attach(NetBackend *backend)
{
	(void)backend;
}

static void made_up_use_queues(NetBackend *backend, guint n)
{
	((MadeUpNetwork *)backend)->used_queues = n;
}

static void made_up_set_offloads(NetBackend *backend, guint64 features)
{
	((MadeUpNetwork *)backend)->set_offloads = features;
}

static void made_up_receive(NetBackend *backend, guint queue, gboolean is_wanted)
{
	((MadeUpNetwork *)backend)->is_wanted[queue] = is_wanted;
}

static gboolean made_up_send(NetBackend *backend, guint queue, const guint8 *frame, gsize size)
{
	MadeUpNetwork *network = (MadeUpNetwork *)backend;

	(void)queue;
	if (network->room == 0)
		return FALSE;
	network->room--;
	g_ptr_array_add(network->frames, g_bytes_new(frame, NET_HEADER_SIZE + size));
	return TRUE;
}

/* Nothing comes any more. */
static void made_up_close(NetBackend *backend)
{
	MadeUpNetwork *network = (MadeUpNetwork *)backend;

	memset(network->is_wanted, 0, sizeof(network->is_wanted));
}

/* The test's own. */
static void made_up_free(NetBackend *backend)
{
	((MadeUpNetwork *)backend)->is_freed = TRUE;
}

static const NetOperations made_up_operations = {
	.attach = made_up_attach,
	.use_queues = made_up_use_queues,
	.set_offloads = made_up_set_offloads,
	.receive = made_up_receive,
	.send = made_up_send,
	.close = made_up_close,
	.free = made_up_free,
};

static inline MadeUpNetwork *made_up_network_new(guint pairs, guint64 offloads)
{
	MadeUpNetwork *network = g_new0(MadeUpNetwork, 1);

	network->room = G_MAXUINT;
	network->frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	net_backend_init(&network->backend, &made_up_operations, "net0", pairs);
	network->backend.offloads = offloads;
	return network;
}

/* After the device that had it. */
static inline void made_up_network_free(MadeUpNetwork *network)
{
	g_assert_true(network->is_freed);
	g_ptr_array_unref(network->frames);
	g_free(network);
}

/*
 * A frame comes, with a header. Return: FALSE where the device has no room; then none comes until
 * it wants them again.
 */
static inline gboolean made_up_network_gives(MadeUpNetwork *network, guint queue,
					     const void *header, const void *frame, gsize size)
{
	NetBackend *backend = &network->backend;

	g_assert_true(network->is_wanted[queue]);
	if (!backend->client->receive(backend->opaque, queue, header, frame, size)) {
		network->is_wanted[queue] = FALSE;
		return FALSE;
	}
	return TRUE;
}

/* Those that there were for now. */
static inline void made_up_network_gave(MadeUpNetwork *network, guint queue)
{
	NetBackend *backend = &network->backend;

	backend->client->received(backend->opaque, queue);
}
