/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmm-connect.h - connections that the VMM gets as descriptors
 *
 * They are made in some seconds, or not at all: also where the name of a host has to be asked for,
 * and nobody answers.
 */
#pragma once

#include <glib.h>

/*
 * vmm_connect_to_socket - connect to a UNIX socket
 * @what: as of safe_file_find_socket(), which finds it
 *
 * The server sees root, or whoever the daemon is: so a link that somebody else can have made does
 * not lead to another service's socket.
 *
 * Return: a descriptor for close(), or -1 with @error, or with errno alone.
 */
int vmm_connect_to_socket(const char *what, const char *path, GError **error);

/* The same for a port of a host. */
int vmm_connect_to_host(const char *host, guint16 port, GError **error);

/*
 * vmm_listen_at_host - listen at a port of one of this host's addresses
 * @host: an address, or a name that the resolver is asked for, whose first address that is free
 *        is taken
 *
 * Return: a descriptor for close(), or -1 with @error.
 */
int vmm_listen_at_host(const char *host, guint16 port, GError **error);

/*
 * vmm_connect_at_once - connect to a UNIX socket that somebody listens at, without waiting
 *
 * Return: a descriptor for close() that does not wait either, or -1 with @error.
 */
int vmm_connect_at_once(const char *what, const char *path, GError **error);
