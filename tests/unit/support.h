/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* support.h - what several unit tests need */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>

/* How many descriptors this process has open, one for the look itself included. */
static inline guint count_fds(void)
{
	g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
	const char *name;
	guint n = 0;

	while ((name = g_dir_read_name(dir))) {
		g_autofree char *link = g_build_filename("/proc/self/fd", name, NULL);
		g_autofree char *target = g_file_read_link(link, NULL);

		/* The C library reads there, in each new thread, how many processors there are. */
		if (target && !g_str_has_prefix(target, "/sys/"))
			n++;
	}
	return n;
}

/* Removes a file, or a folder and all that is in it; follows no link. */
static inline void remove_tree(const char *path)
{
	g_autoptr(GDir) dir = NULL;
	const char *name = NULL;

	if (!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
		dir = g_dir_open(path, 0, NULL);
	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *child = g_build_filename(path, name, NULL);

		remove_tree(child);
	}
	g_remove(path);
}
