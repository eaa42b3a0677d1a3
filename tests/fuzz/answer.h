/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* answer.h - what a server under a fuzzer sends back */
#pragma once

#include <errno.h>
#include <glib.h>
#include <sys/socket.h>

/* Takes what has been sent so far; FALSE at the end of the connection. */
static inline gboolean take_answer(int fd, GByteArray *answer)
{
	guint8 chunk[16384];
	gssize length = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (length > 0)
		g_byte_array_append(answer, chunk, length);
	return length > 0 || (length < 0 && errno == EAGAIN);
}
