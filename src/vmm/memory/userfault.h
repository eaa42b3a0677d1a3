/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * userfault.h - userfaultfd over the userspace mapping of guest RAM
 *
 * Wraps the ioctls of <linux/userfaultfd.h>; which page gets what is the engine's decision.
 * Addresses are userspace addresses, sizes bytes, both page-aligned.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef struct {
	guint64 address; /* page-aligned */
	pid_t thread_id; /* of the thread that touched, as this process sees it; or 0 */
	gboolean is_write;
} UserfaultEvent;

gboolean userfault_register(int fd, void *start, gsize size, GError **error);

/* Lets every thread that waits in the range go on, on memory without userfaultfd. */
void userfault_unregister(int fd, void *start, gsize size);

/* Return: FALSE where no touch waits. Moves are read on the way. */
gboolean userfault_read(int fd, UserfaultEvent *event);

/* Installs @size bytes of @source at @destination and wakes who waits there. */
gboolean userfault_copy(int fd, void *destination, const void *source, gsize size, GError **error);

/* The same with zeroes. */
gboolean userfault_zero(int fd, void *destination, gsize size, GError **error);

/* Wakes who waits in a range, to look again. */
void userfault_wake(int fd, void *start, gsize size);
