/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * replace-file.h - a file that is replaced as a whole or not at all
 *
 * Theory of operation
 *
 * The content is written to a new file of the same folder, which is renamed over the old one. A
 * daemon that is killed in between leaves the new file behind. So its name says whose it is:
 * ".gmem-" and six letters or digits, whatever the file is called that it was to become. The next
 * daemon removes such files, and nothing else, since ".xml" and six letters may well be a copy that
 * somebody has put there.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * replace_file - give a file of this process's own, with mode 0600, new content
 * @is_durable: on the disk before the call returns
 *
 * Return: FALSE with VIR_ERR_SYSTEM_ERROR that names the file; then it is as it was, unless what
 * failed is bringing its name to the disk.
 */
gboolean replace_file(const char *path, const char *text, gboolean is_durable, GError **error);

/* Writes all of it, however often write(2) is interrupted. Return: FALSE with errno. */
gboolean replace_file_write_all(int fd, const char *data, gsize size);

/*
 * Brings a folder to the disk: a new name in it is there when the folder is. @folder is a path
 * as openat(2) has it, from @at on. Return: FALSE with errno.
 */
gboolean replace_file_sync_folder(int at, const char *folder);

/* For who makes the new file himself, in a folder that he has open: a name for it, for g_free(). */
char *replace_file_new_name(void);

/*
 * replace_file_clean_up - remove what a daemon that was killed has left in a folder
 * @uid: of files that were being given to somebody else than this process
 *
 * Only while no other daemon writes there. What cannot be removed is told in the log.
 */
void replace_file_clean_up(const char *folder, uid_t uid);
