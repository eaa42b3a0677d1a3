/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-log.h - a domain's log file: what its VMM says, and how to quote its end in an error
 *
 * Theory of operation
 *
 * The daemon opens the file and writes down how the VMM is started; from then on gmem-logger
 * writes to it, and puts it aside as NAME.log.0 when it is full. So where a VMM's lines begin is
 * said by the file, that is its inode, and an offset. What is in a file that came after it is
 * this VMM's from its first byte on, and continues the one before.
 */
#pragma once

#include <glib.h>

#include "driver/safe-file.h"

/* Where a VMM's own lines begin. */
typedef struct {
	guint64 inode; /* 0: not known, and taken for the file that is there */
	gint64 offset;
} VmmLogMark;

/* How large files may become, and how many older ones are kept: of rotating-file.h. */
typedef struct {
	gint64 max_size;
	guint max_backups;
} VmmLogLimits;

/*
 * vmm_log_open - open a domain's log for the next VMM, and write down how it is started
 * @path: made where it is missing
 * @argv: the VMM's, for the log
 * @log: for safe_output_clear()
 * @mark: where this VMM's own lines will begin
 *
 * Return: FALSE with DRIVER_ERROR that names @path.
 */
gboolean vmm_log_open(const char *path, const VmmLogLimits *limits, const char *const *argv,
		      SafeOutput *log, VmmLogMark *mark, GError **error);

/*
 * vmm_log_append - write a line of the daemon's into a log whose logger has ended
 *
 * With the time. Where it cannot be written the daemon's own log says so.
 */
void vmm_log_append(const char *path, const VmmLogLimits *limits, const char *text);

/*
 * vmm_log_tail - the last lines that a VMM has written
 * @mark: from vmm_log_open(); lines before are another VMM's
 *
 * Return: text for g_free(), lines separated by newlines, no newline at its end; NULL when
 * there is none.
 */
char *vmm_log_tail(const char *path, const VmmLogMark *mark);
