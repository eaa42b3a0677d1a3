/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * sockets.h - the sockets that clients connect to
 *
 * Theory of operation
 *
 * A lock beside them says that no other daemon is there, which would have the same domains.
 * systemd may have made the sockets before the daemon was started, and hands them over as
 * descriptors; which is which is told by their paths. Otherwise the daemon makes them, and
 * removes them at its end.
 */
#pragma once

#include <gio/gio.h>
#include <glib.h>

#include "driver/daemon/settings.h"

typedef struct {
	GSocket *socket;
	GSocket *readonly_socket; /* NULL where systemd has handed over only the other */
	char *path;		  /* of those made here, else NULL */
	int lock_fd;		  /* -1: not taken yet */
} Sockets;

/*
 * sockets_open - take over or make the sockets
 * @path: where the one that changes things is; the other one has "-ro" behind
 *
 * Return: FALSE with DRIVER_ERROR, nothing is left behind.
 */
gboolean sockets_open(Sockets *sockets, const char *path, const Settings *settings, GError **error);
void sockets_close(Sockets *sockets);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Sockets, sockets_close)
