/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * char-sink.h - output that never makes its writer wait
 *
 * Theory of operation
 *
 * For writers that cannot wait: a guest's kernel that writes to its console waits with interrupts
 * off. What a stuck reader leaves no room for, beyond a buffer of CHAR_SINK_SIZE, is dropped and
 * counted.
 */
#pragma once

#include "vmm/backend/char.h"

#define CHAR_SINK_SIZE 65536

typedef struct CharSink CharSink;

/* @backend: lent; its writable() calls char_sink_writable(). */
CharSink *char_sink_new(CharBackend *backend);
void char_sink_free(CharSink *sink);

/* Keeps what there is room for, and drops the rest. */
void char_sink_put(CharSink *sink, const guint8 *data, gsize size);

/* Writes out what the backend takes now, unless the backend is to tell when it takes more. */
void char_sink_flush(CharSink *sink);

/* The backend has told it. */
void char_sink_writable(CharSink *sink);

/* Bytes that wait, and that were dropped so far. */
gsize char_sink_used(const CharSink *sink);
guint64 char_sink_dropped(const CharSink *sink);

/* Whether the reader is stuck, or there is none at present. */
gboolean char_sink_is_waiting(const CharSink *sink);
