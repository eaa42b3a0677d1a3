/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dma-pieces.h - parts of lists of pieces of guest memory */
#pragma once

#include "vmm/memory/dma.h"

/*
 * dma_pieces_slice - the pieces that make up a part of a list
 * @pieces, @count: such as a virtio chain's in or out
 * @slice:          room for @count pieces
 *
 * For who reads or writes with lists of their own: a chain's data without its header, say.
 *
 * Return: how many pieces there are in @slice; 0 where the part is empty, or not within the list.
 */
static inline guint dma_pieces_slice(const DmaPiece *pieces, guint count, guint64 offset,
				     guint64 size, DmaPiece *slice)
{
	guint n_slice = 0;

	for (guint i = 0; i < count && size > 0; i++) {
		guint64 left, part;

		if (offset >= pieces[i].size) {
			offset -= pieces[i].size;
			continue;
		}
		left = pieces[i].size - offset;
		part = MIN(left, size);
		slice[n_slice++] = (DmaPiece){ .gpa = pieces[i].gpa + offset, .size = part };
		size -= part;
		offset = 0;
	}
	return size > 0 ? 0 : n_slice;
}
