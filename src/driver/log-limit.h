/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit.h - warnings of the daemon that others can cause */
#pragma once

#include <glib.h>

#include "common/log-limit.h"

/* A warning in the log, unless there were too many of this limit's. Any thread. */
void log_limit_warning(LogLimit *limit, const char *format, ...) G_GNUC_PRINTF(2, 3);

/*
 * log_limit_flush - say how many were left out since the last warning, if any; for the end of the
 * program
 * @singular, @plural: as those of ngettext(), and found as these by xgettext, with a place for the
 * number
 */
void log_limit_flush(LogLimit *limit, const char *singular, const char *plural);
