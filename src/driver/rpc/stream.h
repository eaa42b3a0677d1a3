/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream.h - bytes in both directions between a client and a descriptor
 *
 * Theory of operation
 *
 * A stream belongs to the call that opened it: its messages carry that call's procedure and
 * serial. What the descriptor has to say is read only while nothing of the stream waits to
 * be written to the client, and the client is not read from while more than a message of
 * its bytes waits for the descriptor. So neither side can make the other's bytes pile up
 * here. The end of either side, or of the connection, closes the descriptor.
 */
#pragma once

#include <glib.h>

#include "driver/rpc/dispatch.h"

/*
 * rpc_stream_open - let the client of a call talk to a descriptor
 * @fd:     taken over; a terminal, pipe or socket
 * @closed: called once on the main thread when the stream has ended, also where the call
 *          fails and it never starts; or NULL
 *
 * At most once a call. The stream starts when the call's reply has been queued, so that it
 * cannot overtake it.
 *
 * Return: a handle for rpc_stream_close(), to be given to rpc_stream_unref().
 */
RpcStream *rpc_stream_open(RpcCall *call, int fd, void (*closed)(gpointer data), gpointer data);
void rpc_stream_unref(RpcStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RpcStream, rpc_stream_unref)

/* Ends a stream with an error for its client; nothing where it has ended. Any thread. */
void rpc_stream_close(RpcStream *stream, const char *reason);
