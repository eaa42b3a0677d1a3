/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capabilities.h - capabilities(7) of the calling thread, by bare system calls
 *
 * All may be called between fork and exec. A set is a number with a bit for each capability,
 * CAPABILITY(CAP_SYS_ADMIN) say.
 */
#pragma once

#include <glib.h>
#include <linux/capability.h>

#define CAPABILITY(number) (G_GUINT64_CONSTANT(1) << (number))

typedef struct {
	guint64 permitted;
	guint64 effective;
	guint64 inheritable;
} Capabilities;

/* Return: FALSE with errno. */
gboolean capabilities_get(Capabilities *capabilities);
gboolean capabilities_set(const Capabilities *capabilities);

/*
 * capabilities_keep - have no more than these
 * @kept:     none where 0; those that the thread has not got are left out
 * @for_exec: the program of an exec gets them, too
 *
 * The bounding set is emptied and the secure bits are locked where the thread may do so: from then
 * on no exec and no change of the user gives a capability. A thread that may not do so has none
 * that would let it, and PR_SET_NO_NEW_PRIVS is its bound.
 *
 * Return: FALSE with errno.
 */
gboolean capabilities_keep(guint64 kept, gboolean for_exec);

/* Whether the thread has no other than these, in any set but the bounding set. */
gboolean capabilities_are_at_most(guint64 kept);
