/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * image-lock.h - a disk's image has one user, or several who agree to it
 *
 * Theory of operation
 *
 * As QEMU has it, so that each refuses what the other uses: byte 100 + n of the file is locked for
 * reading by who does n, byte 200 + n by who does not want others to do n. Whoever comes locks its
 * bytes first, and then looks whether somebody has the counterparts. n is 0 for reading something
 * that makes sense, 1 for writing, 3 for a change of the size.
 *
 * Locks belong to the open file description, also to a descriptor that was handed over, and last
 * until nobody has it open any more. They keep nobody out who does not ask for them.
 */
#pragma once

#include <glib.h>

typedef enum {
	IMAGE_READ_ONLY = 1 << 0,
	IMAGE_SHAREABLE = 1 << 1, /* others may write, too */
} ImageLockFlags;

/*
 * image_lock - lock an image for its disk
 * @fd:   open for reading, at least
 * @name: for messages
 *
 * What has no locks (a file system without them) is used without, as QEMU does.
 *
 * Return: FALSE with @error set where somebody uses the image; what was locked is unlocked then.
 */
gboolean image_lock(int fd, const char *name, ImageLockFlags flags, GError **error);
