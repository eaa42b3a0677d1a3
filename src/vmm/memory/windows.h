/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* windows.h - what the kind of memory of that name keeps; see windows.c */
#pragma once

#include <glib.h>

typedef struct {
	int pagemap_fd;	  /* the caller's */
	guint8 *reserved; /* the spare, with a page on either side where nothing is */
	guint64 runs;	  /* of populated pages: each costs two of the kernel's mappings */
	guint64 pins;
	guint64 runs_max; /* with the pins */

	GThread *closer;
	int closed_fd; /* eventfd: what was to be closed is */

	GMutex lock; /* guards what follows */
	GCond changed;
	guint8 *destination; /* of what is to be closed; NULL: nothing is */
	gsize size;
	int error_number; /* of the last that was closed; 0: it is */
	gboolean is_ending;
} Windows;
