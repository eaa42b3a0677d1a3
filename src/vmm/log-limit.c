/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* log-limit.c - a bound for what a guest or a client can have the log say */
#include "vmm/log-limit.h"

gboolean log_limit_pass(LogLimit *limit, gint64 now_us, guint64 *left_out)
{
	if (now_us >= limit->minute_ends_us) {
		limit->minute_ends_us = now_us + LOG_LIMIT_SECONDS * G_USEC_PER_SEC;
		limit->lines = 0;
	}
	if (limit->lines == LOG_LIMIT_LINES) {
		limit->left_out++;
		return FALSE;
	}
	limit->lines++;
	*left_out = limit->left_out;
	limit->left_out = 0;
	return TRUE;
}
