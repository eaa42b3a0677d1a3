/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * direct-part.h - a part of what is read or written that stays in the guest's own memory
 *
 * Where guest memory is direct (vmm/memory/direct.h) and the backend can do with that, the kernel
 * reads and writes the guest's pages, and nothing is copied.
 */
#pragma once

#include "vmm/backend/block.h"
#include "vmm/memory/direct.h"
#include "vmm/memory/dma.h"

typedef struct {
	GArray *uses;	/* of DirectUse; NULL where there is none */
	GArray *iovecs; /* of struct iovec: the same */
	gsize size;
} DirectPart;

/*
 * direct_part_begin - use as much of the pieces as goes at once
 *
 * All of it is of one kind of memory, and whole sectors. Return: FALSE where it is to be copied.
 */
gboolean direct_part_begin(DirectPart *part, DirectMemory *direct, const DmaPiece *pieces,
			   guint count);

/*
 * direct_part_end - the kernel is done with it, or will not begin; also where there is none
 * @is_done: all of it was read or written
 */
void direct_part_end(DirectPart *part, DirectMemory *direct, gboolean is_done);

/* Has a request read or write the part. */
void direct_part_submit(const DirectPart *part, BlockRequest *request);
