/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * dma-device.h - a device that does nothing but DMA, on a thread and with a channel of its own
 *
 * It writes to places of its own in some pages, and reads them back, each time in one transfer
 * with a piece a page.
 */
#pragma once

#include "vmm/memory/dma.h"

#define DMA_DEVICE_PAGES_MAX 16

typedef struct {
	guint64 gpa; /* of the first page */
	guint pages;
	guint64 offset; /* in each */
	DmaChannel *channel;
	GThread *thread;
	gint is_over;
	guint64 rounds; /* its own */
	gint has_begun; /* atomic: it has made one */
	guint64 wrong;	/* its own: rounds that did not read what they had written */
} DmaDevice;

static inline gboolean dma_device_read(DmaChannel *channel, guint64 gpa, void *data, gsize size,
				       GError **error)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_read(channel, &piece, 1, data, error);
}

static inline gboolean dma_device_write(DmaChannel *channel, guint64 gpa, const void *data,
					gsize size, GError **error)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_write(channel, &piece, 1, data, error);
}

static gpointer dma_device_run(gpointer data)
{
	guint64 written[DMA_DEVICE_PAGES_MAX], seen[DMA_DEVICE_PAGES_MAX];
	DmaPiece pieces[DMA_DEVICE_PAGES_MAX];
	DmaDevice *device = data;
	gsize size = device->pages * sizeof(written[0]);

	for (guint i = 0; i < device->pages; i++)
		pieces[i] = (DmaPiece){
			device->gpa + i * GUEST_PAGE_SIZE + device->offset,
			sizeof(written[0]),
		};
	while (!g_atomic_int_get(&device->is_over)) {
		g_autoptr(GError) error = NULL;

		for (guint i = 0; i < device->pages; i++)
			written[i] = device->rounds << 8 | i;
		dma_channel_write(device->channel, pieces, device->pages, written, &error);
		g_assert_no_error(error);
		dma_channel_read(device->channel, pieces, device->pages, seen, &error);
		g_assert_no_error(error);
		device->wrong += memcmp(seen, written, size) != 0;
		device->rounds++;
		g_atomic_int_set(&device->has_begun, TRUE);
	}
	return NULL;
}

static inline void dma_device_start(DmaDevice *device, Memory *memory)
{
	g_autoptr(GError) error = NULL;

	device->channel = dma_channel_new(memory, &error);
	g_assert_no_error(error);
	device->thread = g_thread_new("device", dma_device_run, device);
}

static inline void dma_device_end(DmaDevice *device)
{
	g_atomic_int_set(&device->is_over, TRUE);
	g_thread_join(device->thread);
	dma_channel_free(device->channel);
}
