/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * char.h - character backends: the host's end of a serial line or of a port
 *
 * Theory of operation
 *
 * Bytes go both ways, and either side can make the other wait. What the guest sends is taken as far
 * as the host has room (char_send()); the client is told when there is more, and keeps the rest
 * meanwhile. What comes is read when the client has room for it, and only as much, so that it waits
 * in the host's kernel. So a backend holds nothing, whoever is stuck.
 *
 * The other end may come and go: a terminal is closed and opened again, a listening socket has one
 * client after the other. Where nobody can come any more, the backend is gone.
 *
 * All calls of a backend, and those that it makes, are made with the same lock held, or on one
 * thread. None of them waits.
 */
#pragma once

#include <glib.h>

typedef struct CharBackend CharBackend;

/* Who has the backend; each may be NULL, but for receive where there is room. */
typedef struct {
	/* How many bytes the client takes now; 0: none until char_accept_input() is called again.
	 */
	gsize (*room)(void *opaque);
	/* At most as many came. */
	void (*receive)(void *opaque, const guint8 *data, gsize size);
	/* There may be room, after char_send() has taken less than all. */
	void (*writable)(void *opaque);
	/* Somebody has come or gone: char_is_open() says it. */
	void (*changed)(void *opaque);
} CharClient;

/*
 * char_fd_new - terminals, pipes and files
 * @output_fd, @input_fd: each may be -1, or the same; taken, also where it fails
 *
 * One that is no file and not non-blocking is made so, and put back at the end: others who share it
 * see that. A master of a pseudo-terminal is open while somebody has the other side open; anything
 * else is, until it has ended.
 */
CharBackend *char_fd_new(int output_fd, int input_fd, GError **error);

/*
 * char_socket_new - a stream socket, UNIX or TCP
 * @fd:        taken, also where it fails
 * @is_server: it listens: one who has connected is the other end, and the next one when that has
 *             gone. Else it is connected, and gone for good when its peer is.
 */
CharBackend *char_socket_new(int fd, gboolean is_server, GError **error);

/* Whether it is a stream socket, and if so whether it listens. */
gboolean char_socket_look(int fd, gboolean *is_listening);

/* Takes everything, and nothing ever comes. */
CharBackend *char_null_new(void);

/*
 * char_attach - have the backend work in @context
 * @lock:   held around what the backend does there, and by who calls it; NULL: all is on one thread
 * @client: lent, as @opaque, until char_detach()
 *
 * With @lock held. Nothing is read before char_accept_input().
 */
void char_attach(CharBackend *backend, GMainContext *context, GMutex *lock,
		 const CharClient *client, void *opaque);

/*
 * char_detach - the client is not called any more
 *
 * On the context's thread, or while that is not dispatching.
 */
void char_detach(CharBackend *backend);

/* Closes all that it has. After char_detach(), if it was attached. */
void char_free(CharBackend *backend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CharBackend, char_free)

/*
 * char_send - as much of @data as there is room for
 *
 * Where there is nobody who could get it, all is taken, and lost.
 *
 * Return: how much was taken. If that is less than all, writable() follows.
 */
gsize char_send(CharBackend *backend, const guint8 *data, gsize size);

/* The client has room, or may have: what has come, and what comes, is read. */
void char_accept_input(CharBackend *backend);

/* The client wants nothing, however much it has room for. What waits of a peer that goes is lost.
 */
void char_refuse_input(CharBackend *backend);

/* Whether somebody is at the other end. */
gboolean char_is_open(const CharBackend *backend);

/* Return: 0, or the errno that was the end of sending for good. */
int char_end_of_output(const CharBackend *backend);
