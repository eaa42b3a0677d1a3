/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dma-memory.c - guest memory for one device that reads and writes it a piece at a time */
#include "vmm/machine/dma-memory.h"

#include "vmm/memory/dma.h"

static gboolean read_memory(void *opaque, guint64 gpa, void *data, gsize size)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_read(opaque, &piece, 1, data, NULL);
}

static gboolean write_memory(void *opaque, guint64 gpa, const void *data, gsize size)
{
	const DmaPiece piece = { gpa, size };

	return dma_channel_write(opaque, &piece, 1, data, NULL);
}

static void free_memory(void *opaque)
{
	dma_channel_free(opaque);
}

gboolean dma_memory_new(Memory *memory, DeviceMemory *result, GError **error)
{
	DmaChannel *channel = dma_channel_new(memory, error);

	if (!channel)
		return FALSE;
	*result = (DeviceMemory){
		.read = read_memory,
		.write = write_memory,
		.free = free_memory,
		.opaque = channel,
	};
	return TRUE;
}
