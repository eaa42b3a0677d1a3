/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * uring.h - an io_uring that may do little
 *
 * Theory of operation
 *
 * What io_uring does, it does past seccomp's filters: so a ring is restricted to the operations
 * that disks and copies take, before anything else, and the kernel refuses all others for ever
 * after. A thread needs io_uring_enter() for it, and io_uring_register() to change its buffers:
 * memory that the kernel knows by a number.
 */
#pragma once

#include <glib.h>
#include <liburing.h>

/*
 * uring_init - make a ring with room for @entries requests
 *
 * While the process may: see sandbox.h.
 *
 * Return: TRUE, and io_uring_queue_exit() has to follow; or FALSE with @error set.
 */
gboolean uring_init(struct io_uring *uring, guint entries, GError **error);

/* Numbers for @count buffers, without any memory behind them; once. */
gboolean uring_make_buffers(const struct io_uring *uring, guint count);

/* Has the kernel know memory by a number, or with NULL nothing any more; one system call. */
gboolean uring_set_buffer(const struct io_uring *uring, guint buffer, void *memory, gsize size);
