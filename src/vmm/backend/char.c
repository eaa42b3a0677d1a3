/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* char.c - what all character backends do the same way */
#include "vmm/backend/char.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/backend/char-backend.h"

/* Bytes in one go, before others have their turn. */
#define READ_MAX 4096u

void char_backend_lock(CharBackend *backend)
{
	if (backend->lock)
		g_mutex_lock(backend->lock);
}

void char_backend_unlock(CharBackend *backend)
{
	if (backend->lock)
		g_mutex_unlock(backend->lock);
}

gboolean char_backend_may_read(const CharBackend *backend)
{
	return backend->is_wanted && !backend->is_full;
}

CharInput char_backend_read(CharBackend *backend, int fd, gboolean is_socket)
{
	guint8 data[READ_MAX];
	gsize room = backend->client->room(backend->opaque);
	gssize n;

	if (room == 0) {
		backend->is_full = TRUE;
		return CHAR_INPUT_FULL;
	}
	room = MIN(room, sizeof(data));
	n = is_socket ? recv(fd, data, room, MSG_DONTWAIT) : read(fd, data, room);
	if (n > 0)
		backend->client->receive(backend->opaque, data, (gsize)n);
	return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)) ? CHAR_INPUT_READ :
									 CHAR_INPUT_ENDED;
}

gssize char_backend_write(int fd, gboolean is_socket, const guint8 *data, gsize size)
{
	gsize done = 0;

	while (done < size) {
		const gssize n = is_socket ? send(fd, data + done, size - done,
						  MSG_DONTWAIT | MSG_NOSIGNAL) :
					     write(fd, data + done, size - done);

		if (n >= 0)
			done += (gsize)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			return -1;
	}
	return (gssize)done;
}

void char_backend_tell_writable(CharBackend *backend)
{
	if (!backend->has_waiter)
		return;
	backend->has_waiter = FALSE;
	if (backend->client->writable)
		backend->client->writable(backend->opaque);
}

void char_backend_set_open(CharBackend *backend, gboolean is_open)
{
	if (backend->is_open == is_open)
		return;
	backend->is_open = is_open;
	if (backend->context && backend->client->changed)
		backend->client->changed(backend->opaque);
}

void char_attach(CharBackend *backend, GMainContext *context, GMutex *lock,
		 const CharClient *client, void *opaque)
{
	backend->context = g_main_context_ref(context);
	backend->lock = lock;
	backend->client = client;
	backend->opaque = opaque;
	if (backend->operations->attach)
		backend->operations->attach(backend);
}

void char_detach(CharBackend *backend)
{
	if (!backend->context)
		return;
	if (backend->operations->detach)
		backend->operations->detach(backend);
	backend->is_wanted = backend->is_full = backend->has_waiter = FALSE;
	g_clear_pointer(&backend->context, g_main_context_unref);
}

void char_free(CharBackend *backend)
{
	if (!backend)
		return;
	char_detach(backend);
	backend->operations->free(backend);
}

gsize char_send(CharBackend *backend, const guint8 *data, gsize size)
{
	gsize sent = backend->operations->send(backend, data, size);

	if (sent < size && !backend->has_waiter) {
		backend->has_waiter = TRUE;
		backend->operations->update(backend);
	}
	return sent;
}

static void set_input(CharBackend *backend, gboolean is_wanted)
{
	if (backend->is_wanted == is_wanted && !backend->is_full)
		return;
	backend->is_wanted = is_wanted;
	backend->is_full = FALSE;
	if (backend->operations->update)
		backend->operations->update(backend);
}

void char_accept_input(CharBackend *backend)
{
	set_input(backend, TRUE);
}

void char_refuse_input(CharBackend *backend)
{
	set_input(backend, FALSE);
}

gboolean char_is_open(const CharBackend *backend)
{
	return backend->is_open;
}

int char_end_of_output(const CharBackend *backend)
{
	return backend->end_of_output;
}
