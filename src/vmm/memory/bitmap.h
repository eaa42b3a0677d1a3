/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bitmap.h - one bit a page, set and searched in runs
 *
 * Indexes and lengths are in bits. A range that leaves the bitmap is a bug of the caller,
 * and aborts. Stretches whose bits are all the same take no memory, and next to no time.
 */
#pragma once

#include <glib.h>

typedef struct Bitmap Bitmap;

/* All bits are clear. */
Bitmap *bitmap_new(guint64 size);
void bitmap_free(Bitmap *bitmap);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bitmap, bitmap_free)

gboolean bitmap_get(const Bitmap *bitmap, guint64 index);

/* Return: how many bits of [first, first + length) had another value before. */
guint64 bitmap_fill(Bitmap *bitmap, guint64 first, guint64 length, gboolean value);

/* Return: how many bits from @first on, at most @limit, have the value that @first has. */
guint64 bitmap_run(const Bitmap *bitmap, guint64 first, guint64 limit);
