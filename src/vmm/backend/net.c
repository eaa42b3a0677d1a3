/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* net.c - the network behind a network device: what its kinds have in common */
#include "vmm/backend/net.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gi18n.h>

#include "vmm/backend/net-backend.h"
#include "vmm/log.h"

void net_backend_init(NetBackend *backend, const NetOperations *operations, const char *name,
		      guint queues)
{
	backend->operations = operations;
	backend->name = g_strdup(name);
	backend->queues = queues;
	backend->is_up = TRUE;
}

gboolean net_backend_set_nonblocking(int fd, GError **error)
{
	const int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0)
		return TRUE;
	g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), _("network descriptor %d: %s"),
		    fd, g_strerror(errno));
	return FALSE;
}

void net_backend_lose(NetBackend *backend, const char *why)
{
	if (!backend->is_up)
		return;
	backend->is_up = FALSE;
	backend->operations->close(backend);
	log_warning("net", _("%s: the network has gone away, its link is down: %s"), backend->name,
		    why);
	if (!backend->client)
		return;
	backend->client->link_down(backend->opaque);
}

void net_free(NetBackend *backend)
{
	if (!backend)
		return;
	backend->operations->close(backend);
	g_free(backend->name);
	backend->operations->free(backend);
}

guint net_queues(const NetBackend *backend)
{
	return backend->queues;
}

guint64 net_offloads(const NetBackend *backend)
{
	return backend->offloads;
}

gboolean net_is_up(const NetBackend *backend)
{
	return backend->is_up;
}

void net_attach(NetBackend *backend, GMainContext *context, const NetClient *client, void *opaque)
{
	g_assert(!backend->client);
	backend->context = context;
	backend->client = client;
	backend->opaque = opaque;
	backend->operations->attach(backend);
}

void net_use_queues(NetBackend *backend, guint n)
{
	g_assert(n >= 1 && n <= backend->queues);
	if (backend->is_up && backend->operations->use_queues)
		backend->operations->use_queues(backend, n);
}

void net_set_offloads(NetBackend *backend, guint64 features)
{
	if (backend->is_up && backend->operations->set_offloads)
		backend->operations->set_offloads(backend, features & backend->offloads);
}

void net_receive(NetBackend *backend, guint queue, gboolean is_wanted)
{
	g_assert(queue < backend->queues);
	if (backend->is_up)
		backend->operations->receive(backend, queue, is_wanted);
}

gboolean net_send(NetBackend *backend, guint queue, const void *frame, gsize size)
{
	g_assert(queue < backend->queues && size >= NET_FRAME_MIN && size <= NET_FRAME_MAX);
	return !backend->is_up || backend->operations->send(backend, queue, frame, size);
}

void net_flush(NetBackend *backend, guint queue)
{
	if (backend->is_up && backend->operations->flush)
		backend->operations->flush(backend, queue);
}
