/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* direct-part.c - a part of what is read or written that stays in the guest's own memory */
#include "vmm/backend/direct-part.h"

/* Adds what there is of a piece of the guest's. Return: FALSE where some of it is not direct. */
static gboolean use_piece(DirectPart *part, DirectMemory *direct, const DmaPiece *piece)
{
	guint64 done = 0;

	while (done < piece->size && part->uses->len < IO_RING_PARTS_MAX) {
		struct iovec iovec;
		DirectUse use;

		if (!direct_memory_begin(direct, piece->gpa + done, piece->size - done, &use))
			return FALSE;
		iovec = (struct iovec){ use.address, use.size };
		g_array_append_val(part->uses, use);
		g_array_append_val(part->iovecs, iovec);
		part->size += use.size;
		done += use.size;
	}
	return TRUE;
}

/* Each piece is asked for, whatever comes of those before it: it is by being asked for that it
 * gets direct. */
gboolean direct_part_begin(DirectPart *part, DirectMemory *direct, const DmaPiece *pieces,
			   guint count)
{
	gboolean is_direct = TRUE;

	*part = (DirectPart){
		.uses = g_array_new(FALSE, FALSE, sizeof(DirectUse)),
		.iovecs = g_array_new(FALSE, FALSE, sizeof(struct iovec)),
	};
	for (guint i = 0; i < count && part->uses->len < IO_RING_PARTS_MAX; i++)
		is_direct &= use_piece(part, direct, &pieces[i]);
	if (is_direct && part->size > 0 && part->size % BLOCK_SECTOR_SIZE == 0)
		return TRUE;
	direct_part_end(part, direct, FALSE);
	return FALSE;
}

void direct_part_end(DirectPart *part, DirectMemory *direct, gboolean is_done)
{
	for (guint i = 0; part->uses && i < part->uses->len; i++)
		direct_memory_end(direct, &g_array_index(part->uses, DirectUse, i), is_done);
	g_clear_pointer(&part->uses, g_array_unref);
	g_clear_pointer(&part->iovecs, g_array_unref);
}

void direct_part_submit(const DirectPart *part, BlockRequest *request)
{
	request->is_direct = part->uses != NULL;
	if (!request->is_direct)
		return;
	request->iovec = (struct iovec *)(void *)part->iovecs->data;
	request->n_iovec = part->iovecs->len;
}
