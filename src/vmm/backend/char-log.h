/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * char-log.h - where a copy of a guest's output goes, whether anybody reads it or not
 *
 * A file, or a pipe, behind which a gmem-logger writes to a disk: nobody waits for it, as a
 * CharSink has it. Calls, and locks, are those of a CharBackend.
 */
#pragma once

#include <glib.h>

typedef struct CharLog CharLog;

/* @fd: taken, also where it fails; @area: of the log that says when it is given up */
CharLog *char_log_new(int fd, const char *area, GError **error);
void char_log_attach(CharLog *log, GMainContext *context, GMutex *lock);
void char_log_detach(CharLog *log);
void char_log_free(CharLog *log);

void char_log_put(CharLog *log, const guint8 *data, gsize size);
void char_log_flush(CharLog *log);

/* Bytes that wait to be flushed; 0, too, while it waits for its reader. */
gsize char_log_gathered(const CharLog *log);
