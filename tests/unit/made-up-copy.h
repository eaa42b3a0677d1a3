/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* made-up-copy.h - copies that the kernel makes, by channels that are made up */
#pragma once

#include "vmm/backend/guest-copy.h"

struct GuestCopy {
	guint8 *memory;
	gsize size; /* of each buffer */
	guint count;
};

GuestCopy *guest_copy_new(Memory *memory G_GNUC_UNUSED, gsize size, guint count,
			  GError **error G_GNUC_UNUSED)
{
	GuestCopy *copy = g_new0(GuestCopy, 1);

	copy->memory = g_malloc(size * count);
	copy->size = size;
	copy->count = count;
	return copy;
}

void guest_copy_free(GuestCopy *copy)
{
	if (!copy)
		return;
	g_free(copy->memory);
	g_free(copy);
}

guint8 *guest_copy_buffer(const GuestCopy *copy, guint index)
{
	g_assert_cmpuint(index, <, copy->count);
	return copy->memory + index * copy->size;
}

static inline void made_up_copy_check(const GuestCopy *copy, const DmaPiece *pieces, guint count)
{
	guint64 size = 0;

	for (guint i = 0; i < count; i++)
		size += pieces[i].size;
	g_assert_cmpuint(size, <=, copy->size);
}

gboolean guest_copy_read(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			 guint index, GError **error)
{
	made_up_copy_check(copy, pieces, count);
	return dma_channel_read(channel, pieces, count, guest_copy_buffer(copy, index), error);
}

gboolean guest_copy_write(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			  guint index, GError **error)
{
	made_up_copy_check(copy, pieces, count);
	return dma_channel_write(channel, pieces, count, guest_copy_buffer(copy, index), error);
}
