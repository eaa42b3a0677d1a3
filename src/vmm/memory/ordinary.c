/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ordinary.c - memory of an ordinary VM: the guest's and the host's alike */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm/memory/engine.h"

static gboolean discard(Memory *memory, const RamRun *run, GError **error)
{
	(void)memory;
	if (madvise(ram_run_userspace(run), ram_run_size(run), MADV_DONTNEED) == 0)
		return TRUE;
	g_set_error(error, KVM_ERROR, KVM_ERROR_SYSTEM, "MADV_DONTNEED: %s", g_strerror(errno));
	return FALSE;
}

static gboolean read_piece(Memory *memory, const MemoryPiece *piece, guint8 *data, GError **error)
{
	(void)memory;
	(void)error;
	memcpy(data, engine_piece_userspace(piece), piece->size);
	return TRUE;
}

static gboolean write_piece(Memory *memory, const MemoryPiece *piece, const guint8 *data,
			    GError **error)
{
	(void)memory;
	(void)error;
	memcpy(engine_piece_userspace(piece), data, piece->size);
	return TRUE;
}

const MemoryKind memory_kind_ordinary = {
	.discard = discard,
	.release = discard,
	.read = read_piece,
	.write = write_piece,
};
