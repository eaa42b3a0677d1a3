/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-log.h - a domain's log file: what its VMM says, and how to quote its end in an error
 */
#pragma once

#include <glib.h>

/*
 * vmm_log_open - open a domain's log for the next VMM, and write down how it is started
 * @path: made where it is missing; moved to PATH.0 first where it has grown large
 * @argv: the VMM's, for the log
 * @start: offset at which this VMM's own lines begin
 *
 * Return: a descriptor for close(), appending; or -1 with DRIVER_ERROR that names @path.
 */
int vmm_log_open(const char *path, const char *const *argv, gint64 *start, GError **error);

/*
 * vmm_log_tail - the last lines that a VMM has written
 * @start: from vmm_log_open(); lines before are another VMM's
 *
 * Return: text for g_free(), lines separated by newlines, no newline at its end; NULL when
 * there is none.
 */
char *vmm_log_tail(const char *path, gint64 start);
