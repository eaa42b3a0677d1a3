/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* made-up-copy.h - copies that the kernel makes, by channels that are made up */
#pragma once

#include "vmm/backend/guest-copy.h"

struct GuestCopy {
	guint8 *memory;
};

GuestCopy *guest_copy_new(Memory *memory G_GNUC_UNUSED, GError **error G_GNUC_UNUSED)
{
	GuestCopy *copy = g_new0(GuestCopy, 1);

	copy->memory = g_malloc(GUEST_COPY_SIZE);
	return copy;
}

void guest_copy_free(GuestCopy *copy)
{
	if (!copy)
		return;
	g_free(copy->memory);
	g_free(copy);
}

guint8 *guest_copy_buffer(const GuestCopy *copy)
{
	return copy->memory;
}

gboolean guest_copy_write(GuestCopy *copy, DmaChannel *channel, const DmaPiece *pieces, guint count,
			  GError **error)
{
	guint64 size = 0;

	for (guint i = 0; i < count; i++)
		size += pieces[i].size;
	g_assert_cmpuint(size, <=, GUEST_COPY_SIZE);
	return dma_channel_write(channel, pieces, count, copy->memory, error);
}

void guest_copy_serve(GuestCopy *copy G_GNUC_UNUSED, DmaChannel *channel G_GNUC_UNUSED)
{
}
