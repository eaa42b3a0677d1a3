/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * option-files.h - the files and descriptors that gmem-vmm's options name
 *
 * Whatever is opened or taken over here is closed on exec.
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

/* Sets @error to "--option=fd: reason". Return: FALSE. */
gboolean option_bad_fd(GError **error, const char *option, int fd, const char *reason);

/* Takes over a descriptor that was handed in, once it has turned out to be open. */
gboolean option_adopt_fd(const char *option, int fd, struct stat *status, GError **error);

/*
 * option_open_file - one regular file that comes as a path, or as a descriptor by the option
 * of that name with "-fd", or not at all
 * @path:   or NULL
 * @fd:     or -1
 * @mode:   O_RDONLY or O_RDWR
 * @result: set where there is one
 */
gboolean option_open_file(const char *option, const char *path, int fd, int mode, int *result,
			  GError **error);

/* The name of an open file as the host knows it, for messages. Return: text for g_free(). */
char *option_name_fd(int fd);

/*
 * option_make_own - open what a pipe's or terminal's descriptor stands for once more, in its place
 *
 * As a file description of our own it can be non-blocking without being so for others, who
 * share the old one. Where that cannot be it stays what it is. Needs /proc.
 */
void option_make_own(int fd);

/* A file to append to, of any kind; one that is not there is made, for its owner alone. */
gboolean option_open_output(const char *option, const char *path, int *result, GError **error);

/* A device that is handed in, or its path's; @is_needed: its absence is an error. */
gboolean option_open_device(const char *option, int fd, const char *path, gboolean is_needed,
			    int *result, GError **error);
