/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uring.c - an io_uring that may do little */
#include "vmm/backend/uring.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gi18n.h>
#include <sys/syscall.h>
#include <unistd.h>

/* All that a ring may do. */
static const guint8 operations[] = {
	IORING_OP_READV,       IORING_OP_WRITEV, IORING_OP_READ_FIXED,
	IORING_OP_WRITE_FIXED, IORING_OP_FSYNC,	 IORING_OP_FALLOCATE,
};

/* liburing 2.3 declares calls for what is needed here, and does not have them. */
static int register_with(const struct io_uring *uring, guint what, const void *argument,
			 guint count)
{
	if (syscall(SYS_io_uring_register, uring->ring_fd, what, argument, count) < 0)
		return -errno;
	return 0;
}

static int restrict_ring(const struct io_uring *uring)
{
	struct io_uring_restriction restrictions[G_N_ELEMENTS(operations) + 3] = { 0 };
	guint count = 0;

	for (; count < G_N_ELEMENTS(operations); count++) {
		restrictions[count].opcode = IORING_RESTRICTION_SQE_OP;
		restrictions[count].sqe_op = operations[count];
	}
	restrictions[count].opcode = IORING_RESTRICTION_REGISTER_OP;
	restrictions[count++].register_op = IORING_REGISTER_BUFFERS2;
	restrictions[count].opcode = IORING_RESTRICTION_REGISTER_OP;
	restrictions[count++].register_op = IORING_REGISTER_BUFFERS_UPDATE;
	restrictions[count].opcode = IORING_RESTRICTION_REGISTER_OP;
	restrictions[count++].register_op = IORING_REGISTER_ENABLE_RINGS;
	return register_with(uring, IORING_REGISTER_RESTRICTIONS, restrictions, count);
}

gboolean uring_init(struct io_uring *uring, guint entries, GError **error)
{
	int result = io_uring_queue_init(entries, uring, IORING_SETUP_R_DISABLED);

	if (result < 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-result),
			    _("io_uring, by which disks are read and written, cannot be used: %s; "
			      "see /proc/sys/kernel/io_uring_disabled"),
			    g_strerror(-result));
		return FALSE;
	}
	result = restrict_ring(uring);
	if (result == 0)
		result = register_with(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (result < 0) {
		io_uring_queue_exit(uring);
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-result),
			    _("io_uring cannot be restricted to what disks take: %s"),
			    g_strerror(-result));
		return FALSE;
	}
	return TRUE;
}

gboolean uring_set_buffer(const struct io_uring *uring, guint buffer, void *memory, gsize size)
{
	const struct iovec iovec = { memory, size };
	const struct io_uring_rsrc_update2 update = {
		.offset = buffer,
		.data = (guintptr)&iovec,
		.nr = 1,
	};

	return syscall(SYS_io_uring_register, uring->ring_fd, IORING_REGISTER_BUFFERS_UPDATE,
		       &update, sizeof(update)) == 1;
}

gboolean uring_make_buffers(const struct io_uring *uring, guint count)
{
	const struct io_uring_rsrc_register buffers = {
		.nr = count,
		.flags = IORING_RSRC_REGISTER_SPARSE,
	};

	return register_with(uring, IORING_REGISTER_BUFFERS2, &buffers, sizeof(buffers)) == 0;
}
